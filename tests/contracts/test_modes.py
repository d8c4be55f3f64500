"""Grid and island: who may order it, what silence and open breakers mean, and what an island never does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, METERS, Chain, Site, make_genesis

from contracts.bodies import PlainReading
from contracts.envelope import MeterEnvelope
from contracts.modes import OPEN_BREAKER
from contracts.params import PactParams
from contracts.receipts import ModeOrdered
from contracts.schema import LINK, LINKS, MODES
from tests.contracts.one_interval import Demand, Grid, Market, Supply, clear

NEXT = FIRST + 2
PARAMS = PactParams()
NAMES = ("bio", "campus", "solar", "storage", "tenant", "utility")


def lock(chain: Chain, interval: int = NEXT) -> None:
    chain.at(0, interval * INTERVAL_MS - PARAMS.gate_lead_ms).catch_up()


def tie_says(chain: Chain, interval: int, status: int = 0, export_wh: int = 0) -> MeterEnvelope:
    """The tie's next reading, with a device status."""
    envelope = chain.reading("m-tie", interval, 0, chain.head("m-tie").export_wh + export_wh)
    assert isinstance(envelope.body, PlainReading)
    return chain.meter_says("m-tie", msgspec.structs.replace(envelope.body, status=status))


# Ordered


def test_an_ordered_island_neither_imports_nor_exports_and_serves_critical_tiers_first() -> None:
    chain = Chain()
    assert chain.run(chain.mode("campus", NEXT, "island", "line work", count=2)) == "ok"
    chain.block(
        chain.need("campus", NEXT, 5_000, tier=0),
        chain.need("tenant", NEXT, 5_000, tier=3),
        chain.offer("bio", "m-bio", NEXT, (100_000, 7_000)),
    )
    lock(chain)
    record = chain.interval(NEXT)
    assert (record.grid, record.mode_reason) == (False, "ordered by campus: line work")
    assert (record.import_wh, record.export_wh, record.shed_wh) == (0, 0, 3_000)
    assert chain.order(NEXT, "campus").served_wh == 5_000
    assert chain.order(NEXT, "tenant").served_wh == 2_000
    assert record.price_nano_per_wh == PARAMS.offer_cap_nano_per_wh
    assert record.import_nano_per_wh == PARAMS.import_nano_per_wh, "what flows all the same is the utility's"


def test_an_island_settles_at_the_scarcity_price_and_pays_nothing_for_surplus() -> None:
    chain = Chain()
    chain.block(chain.mode("utility", NEXT, "island"))
    chain.block(chain.need("campus", NEXT, 5_000), chain.offer("bio", "m-bio", NEXT, (100_000, 9_000)))
    lock(chain)
    chain.at(NEXT, 1)
    chain.block(chain.reading("m-campus", NEXT, 5_000, 0), chain.reading("m-bio", NEXT, 0, 4_900))
    chain.close(NEXT)
    bill = chain.bill(NEXT, "bio")
    assert bill is not None
    short = next(line for line in bill.lines if line.kind == "short")
    assert short.price_nano_per_wh == PARAMS.scarcity_price_nano_per_wh * 11 // 10
    record = chain.interval(NEXT)
    assert (record.status, record.grid, record.mode_reason) == ("settled", False, "ordered by utility: storm")


def test_the_tariff_is_paid_on_what_flows_in_an_island_all_the_same() -> None:
    chain = Chain()
    chain.block(
        chain.mode("campus", NEXT, "island"), chain.tariff(NEXT, 270_000, 60_000), chain.need("campus", NEXT, 9)
    )
    lock(chain)
    chain.at(NEXT, 1).block(tie_says(chain, NEXT, export_wh=100))
    chain.close(NEXT)
    bill = chain.bill(NEXT, "utility")
    assert bill is not None
    assert (bill.lines[0].kind, bill.lines[0].amount_nano) == ("tie-import", 100 * 270_000)


def test_each_takes_back_its_own_order_alone() -> None:
    chain = Chain()
    chain.block(chain.mode("campus", NEXT, "island", "line work"), chain.mode("utility", NEXT, "island", "fault"))
    chain.block(chain.mode("campus", NEXT, "grid", "done"))
    assert [(one.member, one.reason) for one in MODES.decode(chain.store[MODES.key(NEXT)]).islands] == [
        ("utility", "fault")
    ]
    chain.block(chain.need("campus", NEXT, 10, count=2), chain.mode("utility", NEXT, "grid", "cleared"))
    lock(chain)
    assert (chain.interval(NEXT).grid, chain.interval(NEXT).mode_reason) == (True, "")


def test_a_later_reason_replaces_the_earlier_one_and_the_event_names_the_window() -> None:
    chain = Chain()
    chain.block(chain.mode("campus", NEXT, "island", "first"))
    (receipt,) = chain.block(chain.mode("campus", NEXT, "island", "second", count=3))
    assert receipt.events == (ModeOrdered("campus", NEXT, 3, "island", "second"),)
    assert [one.reason for one in MODES.decode(chain.store[MODES.key(NEXT)]).islands] == ["second"]
    assert MODES.key(NEXT + 2) in chain.store and MODES.key(NEXT + 3) not in chain.store


def test_taking_back_what_nobody_ordered_writes_nothing() -> None:
    chain = Chain()
    assert chain.run(chain.mode("campus", NEXT, "grid")) == "ok"
    assert not any(key.startswith(MODES.prefix) for key in chain.store)


def test_a_window_is_ordered_whole_or_not_at_all() -> None:
    chain = Chain()
    last = FIRST + PARAMS.horizon_intervals
    assert chain.run(chain.mode("campus", last, "island", count=2)) == "mode.horizon"
    assert not any(key.startswith(MODES.prefix) for key in chain.store)


def test_a_site_without_utility_is_always_an_island() -> None:
    chain = Chain(make_genesis(roles={name: ("campus",) if name == "campus" else ("supplier",) for name in NAMES}))
    chain.block(chain.need("campus", NEXT, 10))
    lock(chain)
    assert (chain.interval(NEXT).grid, chain.interval(NEXT).mode_reason) == (False, "the site has no utility")


# Detected


def close_with_tie(chain: Chain, interval: int, *, status: int | None) -> None:
    """An interval with content, its tie reading (None: silence), and its close."""
    chain.at(interval, 1)
    readings = [chain.reading("m-campus", interval, chain.head("m-campus").import_wh + 5, 0)]
    if status is not None:
        readings.append(tie_says(chain, interval, status))
    assert {receipt.code for receipt in chain.block(*readings)} == {"ok"}
    chain.close(interval, silent=True)


@pytest.mark.parametrize(
    ("status", "words"), [(None, "is silent"), (OPEN_BREAKER, "breaker open"), (OPEN_BREAKER | 8, "breaker open")]
)
def test_an_island_is_detected_at_close_and_ends_when_the_tie_is_back(status: int | None, words: str) -> None:
    chain = Chain()
    close_with_tie(chain, FIRST, status=0)
    assert chain.interval(FIRST).grid
    close_with_tie(chain, FIRST + 1, status=status)
    record = chain.interval(FIRST + 1)
    assert not record.grid and "m-tie" in record.mode_reason and words in record.mode_reason
    chain.block(chain.need("campus", FIRST + 3, 100, count=3))
    lock(chain, FIRST + 3)
    later = chain.interval(FIRST + 3)
    assert (later.grid, later.shed_wh, later.mode_reason) == (False, 100, record.mode_reason)
    close_with_tie(chain, FIRST + 3, status=0)
    lock(chain, FIRST + 5)
    back = chain.interval(FIRST + 5)
    assert (back.grid, back.import_wh, back.mode_reason) == (True, 100, "")
    assert LINKS.decode(chain.store[LINK]).interval == FIRST + 3


def test_other_status_bits_say_nothing_about_the_breaker() -> None:
    chain = Chain()
    close_with_tie(chain, FIRST, status=2**32 - 1 - OPEN_BREAKER)
    assert chain.interval(FIRST).grid


def test_a_tie_that_never_spoke_says_nothing() -> None:
    chain = Chain()
    close_with_tie(chain, FIRST, status=None)
    assert chain.interval(FIRST).grid and LINK not in chain.store


def test_one_closed_tie_of_several_is_enough() -> None:
    chain = Chain(make_genesis(meters={**METERS, "m-tie-2": Site("utility", "tie", 2_000_000)}))
    chain.at(FIRST, 1).block(tie_says(chain, FIRST, OPEN_BREAKER), chain.reading("m-tie-2", FIRST, 0, 0))
    chain.close(FIRST)
    assert chain.interval(FIRST).grid
    chain.at(FIRST + 1, 1).block(tie_says(chain, FIRST + 1, OPEN_BREAKER))
    chain.close(FIRST + 1, silent=True)
    assert chain.interval(FIRST + 1).mode_reason == "detected: tie meter m-tie has its breaker open"


def test_another_members_tie_meter_can_not_cut_the_site_off() -> None:
    chain = Chain(make_genesis(meters={**METERS, "m-false": Site("bio", "tie", 2_000)}))
    envelope = chain.reading("m-false", FIRST, 0, 0)
    body = msgspec.structs.replace(envelope.body, status=OPEN_BREAKER)
    chain.at(FIRST, 1).block(chain.meter_says("m-false", body))
    chain.close(FIRST)
    assert chain.interval(FIRST).grid


# Properties

MARKETS = st.builds(
    Market,
    st.just(b"round"),
    st.lists(
        st.builds(
            Supply,
            st.sampled_from("abc"),
            st.sampled_from("xyz"),
            st.integers(-50, 90),
            st.integers(0, 3),
            st.integers(1, 40),
        ),
        max_size=6,
    ),
    st.lists(
        st.builds(
            Demand, st.sampled_from("defg"), st.integers(1, 40), st.none() | st.integers(-50, 100), st.integers(0, 7)
        ),
        max_size=6,
    ),
    st.none(),
    st.just(100),
    st.just(100),
    st.sampled_from([0, 5_000]),
)


@given(MARKETS)
@settings(max_examples=300)
def test_an_island_lives_on_its_own_and_sheds_the_least_critical(market: Market) -> None:
    """No import, no export, balance; and who is shed has nobody of a less critical tier served beside it."""
    done = clear(market)
    assert (done.import_wh, done.export_wh) == (0, 0)
    assert sum(done.served_wh) == sum(done.supplied_wh)
    fixed = [
        (demand.tier, served_wh, demand.energy_wh)
        for demand, served_wh in zip(market.demands, done.served_wh, strict=True)
        if demand.limit_nano_per_wh is None
    ]
    shed_tiers = [tier for tier, served_wh, energy_wh in fixed if served_wh < energy_wh]
    if shed_tiers:
        assert all(served_wh == 0 for tier, served_wh, _ in fixed if tier > min(shed_tiers))
        assert sum(done.supplied_wh) == sum(supply.energy_wh for supply in market.supplies), "nothing is left unused"
        assert done.price_nano_per_wh <= 100


@given(MARKETS, st.integers(0, 60), st.integers(0, 60))
def test_losing_the_grid_never_serves_a_more_critical_tier_less_than_a_less_critical_one(
    market: Market, import_limit_wh: int, export_limit_wh: int
) -> None:
    """The same market on the grid serves at least as much fixed demand as in island."""
    connected = market._replace(grid=Grid("u", 50, 10, import_limit_wh, export_limit_wh, 1))
    fixed = [index for index, demand in enumerate(market.demands) if demand.limit_nano_per_wh is None]
    on_grid, island = clear(connected), clear(market)
    assert sum(on_grid.served_wh[index] for index in fixed) >= sum(island.served_wh[index] for index in fixed)


WH = st.integers(0, 9_000)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("mode"),
            st.sampled_from(["campus", "utility"]),
            st.tuples(st.sampled_from(["grid", "island"]), st.integers(1, 4)),
        ),
        st.tuples(st.just("need"), st.sampled_from(["campus", "tenant"]), st.tuples(st.integers(0, 7), WH)),
        st.tuples(st.just("offer"), st.just("bio"), st.tuples(st.integers(0, 400_000), WH)),
        st.tuples(st.just("tie"), st.just("m-tie"), st.tuples(st.integers(0, 1), WH)),
        st.tuples(st.just("read"), st.sampled_from(["m-bio", "m-campus", "m-tenant"]), st.tuples(st.just(0), WH)),
        st.tuples(st.just("wait"), st.just(""), st.tuples(st.integers(1, 3), WH)),
    ),
    min_size=6,
    max_size=40,
)


@given(STEPS)
@settings(max_examples=80)
def test_money_is_conserved_and_islands_trade_nothing_across_any_change_of_mode(
    steps: list[tuple[str, str, tuple[str | int, int]]],
) -> None:
    chain = Chain()
    before = chain.money()
    for kind, who, (first, second) in steps:
        now = chain.now_ms // INTERVAL_MS
        match kind, first:
            case "mode", ("grid" | "island") as mode:
                chain.block(chain.mode(who, now + 1, mode, "test", count=second))
            case "need", int(tier):
                chain.block(chain.need(who, now + 1, 1 + second, tier=tier))
            case "offer", int(price):
                chain.block(chain.offer(who, "m-bio", now + 1, (price, 1 + second)))
            case "tie", int(status):
                chain.block(tie_says(chain, now, status, second))
            case "read", _:
                head = chain.head(who)
                taken = (0, second) if who == "m-bio" else (second, 0)
                chain.block(chain.reading(who, now, head.import_wh + taken[0], head.export_wh + taken[1]))
            case "wait", int(count):
                chain.at(now + count).catch_up()
        assert chain.money() == before
    end = chain.now_ms // INTERVAL_MS + 6
    chain.at(end, PARAMS.close_grace_ms)
    chain.catch_up()
    for interval in range(FIRST, end):
        bills = [chain.bill(interval, name) for name in NAMES]
        assert sum(bill.total_nano for bill in bills if bill is not None) == 0
        key = f"interval/{interval:010d}".encode()
        if key in chain.store:
            record = chain.interval(interval)
            assert record.grid == (record.mode_reason == "")
            if not record.grid and record.mode_reason.startswith("ordered"):
                assert (record.import_wh, record.export_wh) == (0, 0)
            assert record.served_wh == record.supplied_wh + record.import_wh - record.export_wh
    assert chain.money() == before
