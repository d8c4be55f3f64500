"""When the site sells: by order, with a surplus that is usual, and where it saves more than the threshold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, Chain
from mode_world import DAY, NEXT, genesis, lock

from contracts.bodies import OfferBlock, SetMode
from contracts.params import ModeParams
from contracts.records import IntervalRecord, NeedEntry, OfferEntry, TariffRecord
from contracts.schema import INTERVALS, MODES
from contracts.standing import saved_by_export_nano
from contracts.state import State
from zk.codec import encode

BY_ORDER = ModeParams(export_by_order=True, injection_days=20)
EXPORT = 60_000


def usual(chain: Chain, surplus: int, days: int = 20) -> None:
    """The same interval of the days before had a surplus on the last `surplus` of `days`."""
    for day in range(1, days + 1):
        record = IntervalRecord(NEXT - day * DAY, "settled", surplus_wh=5 if day <= surplus else -5)
        chain.store[INTERVALS.key(record.interval)] = encode(record)


def sunny(
    modes: ModeParams = BY_ORDER,
    surplus: int = 20,
    offered_wh: int = 9_000,
    need_wh: int = 1_000,
    import_: int = 300_000,
) -> Chain:
    chain = Chain(genesis(modes))
    usual(chain, surplus)
    chain.block(
        chain.tariff(NEXT, import_, EXPORT),
        chain.need("tenant", NEXT, need_wh),
        chain.offer("solar", "m-solar", NEXT, (10_000, offered_wh)),
    )
    return chain


def inject(chain: Chain, sender: str = "campus", count: int = 1) -> str:
    return chain.run(chain.say(sender, SetMode(NEXT, count, "injection", "sunny")))


def test_where_the_pact_wants_an_order_nothing_is_sold_without_it() -> None:
    chain = sunny()
    lock(chain)
    assert (chain.interval(NEXT).mode, chain.interval(NEXT).export_wh) == ("grid", 0)
    ordered = sunny()
    assert inject(ordered) == "ok"
    lock(ordered)
    record = ordered.interval(NEXT)
    assert (record.mode, record.mode_reason, record.export_wh) == ("injection", "ordered by campus: sunny", 8_000)
    free = sunny(ModeParams())
    lock(free)
    assert (free.interval(NEXT).mode, free.interval(NEXT).export_wh) == ("grid", 8_000)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"surplus": 18}, "a surplus is not usual"),
        ({"offered_wh": 999}, "there is no surplus"),
        ({"import_": -1}, "the grid pays for what it delivers"),
        ({"modes": ModeParams(True, 20, 8_000 * 50_000)}, "export saves no more than the threshold"),
    ],
)
def test_an_order_that_breaks_a_rule_leaves_the_site_on_the_grid_and_says_why(
    changed: dict[str, int], why: str
) -> None:
    chain = sunny(**changed)
    assert inject(chain) == "ok"
    lock(chain)
    record = chain.interval(NEXT)
    assert (record.mode, record.export_wh) == ("grid", 0)
    assert record.mode_reason == f"no injection, {why}; ordered by campus: sunny"


def test_the_threshold_is_passed_by_a_nano_and_19_of_20_days_are_usual() -> None:
    chain = sunny(ModeParams(True, 20, 8_000 * 50_000 - 1), surplus=19)
    inject(chain)
    lock(chain)
    assert chain.interval(NEXT).mode == "injection"


def test_a_day_that_nobody_knows_of_counts_against_it() -> None:
    chain = sunny()
    del chain.store[INTERVALS.key(NEXT - DAY)]
    record = INTERVALS.decode(chain.store[INTERVALS.key(NEXT - 2 * DAY)])
    assert record.surplus_wh == 5
    chain.store[INTERVALS.key(NEXT - 2 * DAY)] = encode(IntervalRecord(NEXT - 2 * DAY, "settled"))
    inject(chain)
    lock(chain)
    assert "a surplus is not usual" in chain.interval(NEXT).mode_reason


def test_what_is_known_of_the_interval_is_kept_for_later_days() -> None:
    chain = sunny()
    lock(chain)
    assert chain.interval(NEXT).surplus_wh == 8_000


def test_each_takes_back_its_own_orders_and_an_island_comes_first() -> None:
    chain = sunny()
    for sender in ("campus", "utility"):
        assert inject(chain, sender) == "ok"
    chain.block(chain.mode("campus", NEXT, "grid"))
    assert [one.member for one in MODES.decode(chain.store[MODES.key(NEXT)]).injections] == ["utility"]
    chain.block(chain.mode("campus", NEXT, "island"))
    lock(chain)
    assert (chain.interval(NEXT).mode, chain.interval(NEXT).export_wh) == ("island", 0)


def test_who_injects_does_not_keep_the_connection_open() -> None:
    chain = sunny()
    chain.block(chain.mode("campus", NEXT, "island"))
    assert inject(chain) == "ok", "the later word of a member stands"
    held = MODES.decode(chain.store[MODES.key(NEXT)])
    assert (held.islands, [one.member for one in held.injections]) == ((), ["campus"])
    assert inject(chain, "solar") == "mode.role"


def naive(needs: list[NeedEntry], offers: list[OfferEntry], tariff: TariffRecord) -> int:
    """The cheapest of all exports, each filled Wh by Wh."""
    export = min(tariff.export_nano_per_wh, tariff.import_nano_per_wh)
    stack = [block.price_nano_per_wh for offer in offers for block in offer.blocks for _ in range(block.energy_wh)]
    stack += [
        need.limit_nano_per_wh for need in needs if need.limit_nano_per_wh is not None for _ in range(need.energy_wh)
    ]
    stack += [tariff.import_nano_per_wh] * tariff.import_limit_wh
    stack.sort()
    total = sum(need.energy_wh for need in needs)
    costs = [
        sum(stack[: total + sold]) - export * sold
        for sold in range(tariff.export_limit_wh + 1)
        if sold == 0 or total + sold <= len(stack)
    ]
    return costs[0] - min(costs)


PRICE = st.integers(-5, 20)


@given(
    st.lists(st.builds(NeedEntry, st.just("a"), st.none() | PRICE, st.just(1), st.integers(1, 5)), max_size=4),
    st.lists(
        st.builds(lambda price, wh: OfferEntry("m", "b", 0, (OfferBlock(price, wh),)), PRICE, st.integers(1, 6)),
        max_size=4,
    ),
    st.builds(TariffRecord, PRICE, PRICE, st.integers(0, 6), st.integers(0, 6), st.just(0)),
)
@settings(max_examples=200)
def test_what_export_saves_is_what_trying_all_of_it_saves(
    needs: list[NeedEntry], offers: list[OfferEntry], tariff: TariffRecord
) -> None:
    assert saved_by_export_nano(needs, offers, tariff) == naive(needs, offers, tariff)


def test_orders_are_bounded_and_public() -> None:
    chain = sunny()
    assert inject(chain, count=3) == "ok"
    assert State(chain.store).load(MODES, MODES.key(NEXT + 2)) is not None
    assert MODES.key(FIRST) not in chain.store


def test_every_interval_of_the_window_needs_its_surplus_and_its_past() -> None:
    for lacking, days, sells in ((0, 20, True), (1, 20, False), (0, 10, False)):
        chain = sunny()
        assert inject(chain, count=2) == "ok"
        for day in range(1, days + 1):
            record = IntervalRecord(NEXT + 1 - day * DAY, "settled", surplus_wh=0)
            chain.store[INTERVALS.key(record.interval)] = encode(record)
        if lacking:
            chain.block(chain.need("tenant", NEXT + 1, lacking))
        lock(chain)
        assert (chain.interval(NEXT).mode == "injection") == sells


def test_a_window_of_which_the_grid_pays_for_more_than_it_costs_is_not_left() -> None:
    chain = sunny()
    usual_too = IntervalRecord(NEXT + 1, "settled", surplus_wh=0)
    for day in range(1, 21):
        record = IntervalRecord(usual_too.interval - day * DAY, "settled", surplus_wh=0)
        chain.store[INTERVALS.key(record.interval)] = encode(record)
    assert inject(chain, count=2) == "ok"
    chain.block(
        chain.tariff(NEXT + 1, -400_000, -400_000),
        chain.need("tenant", NEXT + 1, 1_000),
        chain.offer("solar", "m-solar", NEXT + 1, (10_000, 9_000)),
    )
    lock(chain)
    assert chain.interval(NEXT).mode_reason.startswith("no injection, the grid pays for what it delivers")
