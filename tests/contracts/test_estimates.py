"""Silent meters: estimated by the adverse extreme, trued up when registers return, and no interval waits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import (
    FIRST,
    INTERVAL_MS,
    METERS,
    ROLES,
    Chain,
    Site,
    bill,
    change,
    corrections,
    history,
    make_genesis,
    settle,
)

from contracts.corrections import MAX_CORRECTIONS_PER_CLOSE
from contracts.estimates import WINDOW_DAYS, day_type
from contracts.members import MAX_GAPS, Gap
from contracts.metering_records import FINAL_DAYS, Estimate
from contracts.params import PactParams
from contracts.receipts import EnergyCorrected, MetersEstimated
from contracts.records import MAX_NAMED
from contracts.schema import BASES, ESTIMATES, INTERVALS, RETURNS, STANDINGS
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY

PARAMS = PactParams()
SLOTS = 96
MONDAY = next(day for day in range(FIRST // SLOTS, FIRST // SLOTS + 7) if day % 7 == 4) * SLOTS
"""First interval of a Monday: 1970-01-05, day 4, was one."""


def estimated(chain: Chain, interval: int, meter: str) -> Estimate | None:
    return State(chain.store).entry(ESTIMATES, meter, interval)


# Estimates


def test_days_are_alike_by_their_utc_weekday() -> None:
    """1970-01-01 was a Thursday: working days 0 and 1, Saturday 2, Sunday 3, then five working days."""
    assert [day_type(PARAMS, day * SLOTS + 50) for day in range(10)] == [0, 0, 1, 2, 0, 0, 0, 0, 0, 1]
    assert day_type(PARAMS, 2 * SLOTS - 1) == 0
    assert day_type(PARAMS, 2 * SLOTS) == 1
    assert day_type(PARAMS, MONDAY) == 0


def test_without_like_days_consumers_take_their_rating_and_suppliers_give_nothing() -> None:
    chain = Chain()
    settle(chain, FIRST, {}, silent=tuple(METERS))
    chain.block(chain.need("campus", FIRST + 2, 1))
    chain.close(FIRST + 2, silent=True)
    hourly = {"m-bio": (0, 0), "m-campus": (400_000, 0), "m-solar": (0, 0), "m-storage": (100_000, 0)}
    for meter, (import_w, export_w) in {**hourly, "m-tenant": (60_000, 0), "m-tie": (0, 0)}.items():
        assert estimated(chain, FIRST + 2, meter) == Estimate(meter, FIRST + 2, import_w // 4, export_w // 4, ())
    record = chain.interval(FIRST + 2)
    assert (record.estimated, record.estimated_meters) == (6, tuple(sorted(METERS)))
    assert record.status == "settled"


def test_like_days_give_the_adverse_extreme_of_the_last_four() -> None:
    chain = Chain()
    days = [90, 10, 40, 20, 30]  # Monday to Friday: the first is one like day too many
    for day, wh in enumerate(days):
        settle(chain, MONDAY + day * SLOTS, {"m-campus": (wh, 7 + day), "m-solar": (wh // 10, wh)})
    settle(chain, MONDAY + 5 * SLOTS, {"m-campus": (5_000, 0), "m-solar": (0, 0)})  # a Saturday
    silent = MONDAY + 7 * SLOTS
    settle(chain, silent, {}, silent=("m-campus", "m-solar"))
    like = tuple(MONDAY + day * SLOTS for day in range(1, 5))
    assert estimated(chain, silent, "m-campus") == Estimate("m-campus", silent, 40, 8, like)
    assert estimated(chain, silent, "m-solar") == Estimate("m-solar", silent, 4, 10, like)
    settle(chain, silent + 5 * SLOTS, {}, silent=("m-campus",))
    saturday = estimated(chain, silent + 5 * SLOTS, "m-campus")
    assert saturday is not None
    assert (saturday.import_wh, saturday.like) == (5_000, (MONDAY + 5 * SLOTS,)), "fewer days: those that exist"


@pytest.mark.parametrize(("days", "like"), [(WINDOW_DAYS, (MONDAY,)), (WINDOW_DAYS + 1, ())])
def test_like_days_are_not_older_than_the_window(days: int, like: tuple[int, ...]) -> None:
    chain = Chain()
    settle(chain, MONDAY, {"m-campus": (40, 0)})
    silent = MONDAY + days * SLOTS
    settle(chain, silent, {}, silent=("m-campus",))
    assert day_type(PARAMS, silent) == day_type(PARAMS, MONDAY)
    assert estimated(chain, silent, "m-campus").like == like


def test_an_estimate_never_feeds_an_estimate() -> None:
    chain = Chain()
    settle(chain, MONDAY, {"m-campus": (40, 0)})
    for day in range(1, 4):
        settle(chain, MONDAY + day * SLOTS, {}, silent=("m-campus",))
        guess = estimated(chain, MONDAY + day * SLOTS, "m-campus")
        assert guess is not None
        assert guess.like == (MONDAY,)


def test_bill_interval_and_event_name_what_was_estimated() -> None:
    chain = Chain()
    chain.at(FIRST)
    heads = [meter for meter in METERS if meter not in ("m-tenant", "m-tie")]
    chain.block(*[chain.reading(meter, FIRST, 0, 10 if meter == "m-solar" else 0) for meter in heads])
    chain.at(FIRST + 1, PARAMS.close_grace_ms).block()
    assert chain.clock is not None
    assert MetersEstimated(FIRST, 2, ("m-tenant", "m-tie")) in chain.clock.events
    record = chain.interval(FIRST)
    assert (record.estimated, record.estimated_meters) == (2, ("m-tenant", "m-tie"))
    tenant = bill(chain, FIRST, "tenant")
    assert (tenant.estimated, tenant.withdrawn_wh, tenant.injected_wh) == (1, 15_000, 0)
    assert [(line.kind, line.estimated) for line in tenant.lines] == [("short", True), ("residual", False)]
    solar = bill(chain, FIRST, "solar")
    assert solar.estimated == 0
    assert not any(line.estimated for line in solar.lines)


def test_an_interval_names_a_bounded_list_of_the_silent() -> None:
    many = {f"m-{number:02d}": Site("tenant", "load", 4) for number in range(MAX_NAMED + 3)}
    chain = Chain(make_genesis(meters={**many, "m-solar": METERS["m-solar"]}))
    settle(chain, FIRST, {}, silent=tuple(many))
    record = chain.interval(FIRST)
    assert record.estimated == MAX_NAMED + 3
    assert record.estimated_meters == tuple(sorted(many))[:MAX_NAMED]
    assert bill(chain, FIRST, "tenant").estimated == MAX_NAMED + 3


def test_a_silent_tie_is_an_open_breaker_and_marks_the_lines_of_its_return() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-campus": (1_000, 0)}, silent=("m-tie",))
    assert chain.interval(FIRST).tie_import_wh == 0
    assert chain.bill(FIRST, "utility") is None
    before = chain.balance("utility")
    settle(chain, FIRST + 1, {"m-tie": (0, 1_000), "m-campus": (500, 0)})
    assert [(one.interval, one.new_export_wh) for one in corrections(chain)] == [(FIRST, 500)]
    (line,) = corrections(chain)[0].lines
    assert (line.kind, line.energy_wh, line.amount_nano) == ("tie-import", 500, 500 * 300_000)
    assert chain.balance("utility") == before + 1_000 * 300_000


# Truing up


def test_late_reading_corrects_its_interval_by_hand() -> None:
    """15,000 Wh estimated, 9,000 taken, nothing ordered: 6,000 Wh of the penalty price come back, on the
    residual of the next interval.
    """
    chain = Chain()
    settle(chain, FIRST, {"m-campus": (1_000, 0)}, silent=("m-tenant",))
    closed = history(chain)
    (receipt,) = chain.at(FIRST + 1, INTERVAL_MS // 2).block(chain.reading("m-tenant", FIRST, 9_000, 0))
    assert receipt.events[0].late
    settle(chain, FIRST + 1, {"m-tenant": (5_000, 0), "m-campus": (1_000, 0)})
    price = 330_000
    (correction,) = corrections(chain)
    assert (correction.old_import_wh, correction.new_import_wh) == (15_000, 9_000)
    assert (correction.interval, correction.booked_in, correction.cause) == (FIRST, FIRST + 1, "returned")
    assert correction.amount_nano == 6_000 * price
    assert [(line.kind, line.energy_wh, line.amount_nano) for line in correction.lines] == [
        ("short", 6_000, 6_000 * price)
    ]
    tenant, campus = bill(chain, FIRST + 1, "tenant"), bill(chain, FIRST + 1, "campus")
    amounts = {line.kind: line.amount_nano for line in tenant.lines}
    assert (amounts["correction"], amounts["short"]) == (6_000 * price, -5_000 * price)
    assert tenant.corrections == 1
    shared = 6_000 * price - 6_000 * price
    assert chain.interval(FIRST + 1).residual_nano == -shared
    assert tenant.total_nano + campus.total_nano == 0
    assert all(chain.store[key] == raw for key, raw in closed.items()), "closed bills stay closed"


def test_one_reading_after_a_gap_is_split_evenly_the_earliest_first() -> None:
    chain = Chain()
    settle(chain, FIRST, {"m-tenant": (100, 0)})
    for interval in range(FIRST + 1, FIRST + 4):
        settle(chain, interval, {}, silent=("m-tenant",))
    assert chain.settled("m-tenant").gaps == (Gap(FIRST + 1, 3),)
    settle(chain, FIRST + 4, {"m-tenant": (4_002, 0)})
    assert [(one.interval, one.new_import_wh) for one in corrections(chain)] == [
        (FIRST + 1, 1_001),
        (FIRST + 2, 1_001),
        (FIRST + 3, 1_000),
    ]
    assert bill(chain, FIRST + 4, "tenant").withdrawn_wh == 1_000
    assert chain.settled("m-tenant").gaps == ()
    assert RETURNS.key("m-tenant") not in chain.store


def test_late_readings_split_a_gap_where_they_stand() -> None:
    chain = Chain()
    for interval in range(FIRST, FIRST + 6):
        settle(chain, interval, {}, silent=("m-tenant",))
    chain.block(chain.reading("m-tenant", FIRST + 1, 20, 0))
    chain.block(chain.reading("m-tenant", FIRST + 3, 60, 0))
    settle(chain, FIRST + 6, {"m-campus": (1, 0)}, silent=("m-tenant",))
    assert [(one.interval, one.new_import_wh) for one in corrections(chain)] == [
        (FIRST, 10),
        (FIRST + 1, 10),
        (FIRST + 2, 20),
        (FIRST + 3, 20),
    ]
    assert chain.settled("m-tenant").gaps == (Gap(FIRST + 4, 3),)
    settle(chain, FIRST + 7, {"m-tenant": (400, 0)})
    assert [one.new_import_wh for one in corrections(chain)[4:]] == [100, 100, 100]


def test_a_second_correction_starts_from_the_first() -> None:
    """Two meters of one member return one after the other: 28,000 Wh short, then 14,000, then 500 Wh long."""
    chain = Chain(make_genesis(meters={**METERS, "m-ten2": Site("tenant", "load", 60_000)}))
    first = FIRST + 2
    chain.block(chain.need("tenant", first, 2_000))
    settle(chain, first, {}, silent=("m-tenant", "m-ten2"))
    assert bill(chain, first, "tenant").withdrawn_wh == 30_000
    chain.block(chain.reading("m-tenant", first, 1_000, 0))
    settle(chain, first + 1, {"m-campus": (10, 0)}, silent=("m-ten2",))
    chain.block(chain.reading("m-ten2", first, 500, 0))
    settle(chain, first + 2, {"m-campus": (10, 0)})
    amounts = [one.amount_nano for one in corrections(chain) if one.interval == first]
    record = chain.interval(first)
    long = min(record.price_nano_per_wh, record.export_nano_per_wh)
    assert sorted(amounts) == sorted([14_000 * 330_000, 14_000 * 330_000 + 500 * long])


def test_long_and_short_meet_in_the_recomputed_lines() -> None:
    """An estimate at the rating was short; the truth is less than ordered: short goes, long comes."""
    chain = Chain()
    chain.block(chain.need("tenant", FIRST + 2, 2_000))
    chain.at(FIRST + 2)
    settle(chain, FIRST + 2, {}, silent=("m-tenant",))
    chain.block(chain.reading("m-tenant", FIRST + 2, 1_500, 0))
    settle(chain, FIRST + 3, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert {line.kind: line.energy_wh for line in correction.lines} == {"short": 13_000, "long": 500}
    record = chain.interval(FIRST + 2)
    long = min(record.price_nano_per_wh, record.export_nano_per_wh)
    assert correction.amount_nano == 13_000 * 330_000 + 500 * long


@pytest.mark.parametrize(("days", "final"), [(FINAL_DAYS, False), (FINAL_DAYS + 1, True)])
def test_after_thirty_five_days_a_difference_is_recorded_and_not_billed(days: int, final: bool) -> None:
    chain = Chain()
    settle(chain, FIRST, {}, silent=("m-tenant",))
    chain.at(FIRST + 1, INTERVAL_MS).block(chain.reading("m-tenant", FIRST, 9_000, 0))
    settle(chain, FIRST + days * SLOTS, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert correction.final is final
    assert (correction.amount_nano == 0) is final
    assert correction.new_import_wh == 9_000
    assert chain.money() == sum(balance.balance_nano for balance in chain.genesis.balances)


def test_gaps_of_one_meter_are_bounded_and_the_oldest_is_given_up() -> None:
    chain = Chain()
    for step in range(MAX_GAPS + 2):
        settle(chain, FIRST + 2 * step, {"m-campus": (1, 0)}, silent=("m-tenant",))
    gaps = chain.settled("m-tenant").gaps
    assert (len(gaps), gaps[0].interval) == (MAX_GAPS, FIRST + 4)
    settle(chain, FIRST + 2 * MAX_GAPS + 4, {"m-tenant": (MAX_GAPS + 1, 0)})
    assert len(corrections(chain)) == MAX_GAPS


def test_a_long_gap_is_worked_off_a_bounded_number_per_close() -> None:
    chain = Chain(make_genesis(params=change(PARAMS, max_closes_per_block=96)))
    silent = MAX_CORRECTIONS_PER_CLOSE + 40
    for interval in range(FIRST, FIRST + silent):
        settle(chain, interval, {}, silent=("m-tenant",))
    settle(chain, FIRST + silent, {"m-tenant": (silent + 1, 0)})
    assert len(corrections(chain)) == MAX_CORRECTIONS_PER_CLOSE
    assert chain.head("m-tenant").returns == 1
    assert chain.clock is not None
    assert sum(isinstance(event, EnergyCorrected) for event in chain.clock.events) == MAX_CORRECTIONS_PER_CLOSE
    settle(chain, FIRST + silent + 1, {})
    assert len(corrections(chain)) == silent
    assert chain.head("m-tenant").returns == 0
    assert {one.new_import_wh for one in corrections(chain)} == {1}


def test_a_correction_beyond_money_is_final_and_the_interval_still_books() -> None:
    chain = Chain(make_genesis(balances={"tenant": MAX_MONEY - 10**9}))
    settle(chain, FIRST, {"m-solar": (0, 15_000)}, silent=("m-tenant",))
    before = chain.money()
    assert chain.balance("tenant") < MAX_MONEY - 10**9
    chain.block(chain.pay("solar", "tenant", MAX_MONEY - chain.balance("tenant")))
    chain.block(chain.reading("m-tenant", FIRST, 0, 0))
    settle(chain, FIRST + 1, {"m-campus": (10, 0)})
    (correction,) = corrections(chain)
    assert correction.final
    assert chain.interval(FIRST + 1).code == "ok"
    assert chain.money() == before
    assert bill(chain, FIRST + 1, "campus").total_nano == 0
    assert chain.head("m-tenant").returns == 0
    assert STANDINGS.key(FIRST, "tenant") not in chain.store
    basis = BASES.decode(chain.store[BASES.key(FIRST, "m-tenant")])
    assert (basis.import_wh, basis.corrections) == (15_000, 1), "billed as before, and the number is taken"


def test_an_estimate_of_giants_stays_an_energy() -> None:
    params = change(PARAMS, interval_ms=86_400_000, close_grace_ms=0)
    chain = Chain(
        make_genesis(params=params, meters={"m-a": Site("tenant", "load", MAX_ENERGY), "m-b": METERS["m-bio"]})
    )
    first = chain.now_ms // params.interval_ms
    chain.block(chain.reading("m-b", first, 0, 1))
    chain.now_ms = (first + 1) * params.interval_ms
    chain.block()
    guess = estimated(chain, first, "m-a")
    assert guess is not None
    assert guess.import_wh == MAX_ENERGY


# Whatever happens


STEP = st.tuples(
    st.integers(1, 2),  # intervals to the next one
    st.sets(st.sampled_from(sorted(METERS)), max_size=4),  # who is silent
    st.lists(st.integers(0, 9_000), min_size=len(METERS), max_size=len(METERS)),
    st.integers(0, 3),  # how far back a late reading reaches
)


@given(st.lists(STEP, min_size=2, max_size=7), st.booleans(), st.booleans())
@settings(max_examples=80)
def test_money_and_energy_are_conserved_through_any_gaps_and_late_readings(
    steps: list[tuple[int, set[str], list[int], int]], island: bool, ordered: bool
) -> None:
    """Every Wh of every register is billed exactly once in the end, every nano is somebody's, no bill moves."""
    chain = Chain(make_genesis(roles={**ROLES, "utility": ("consumer",)} if island else ROLES))
    before, interval = chain.money(), FIRST
    closed: dict[bytes, bytes] = {}
    true_wh = dict.fromkeys(METERS, 0)
    for ahead, silent, energies, back in steps:
        interval += ahead
        if ordered:
            chain.at(interval - 2)
            chain.block(chain.need("tenant", interval, 900), chain.offer("bio", "m-bio", interval, (90_000, 800)))
        for meter, energy_wh in zip(sorted(METERS), energies, strict=True):
            true_wh[meter] += energy_wh
        chain.at(interval)
        chain.block(
            *[
                chain.reading(meter, interval, true_wh[meter], true_wh[meter] // 2)
                for meter in METERS
                if meter not in silent
            ]
        )
        chain.close(interval, silent=True)
        for meter in sorted(silent):
            target = interval - back
            if target >= chain.head(meter).interval:
                (receipt,) = chain.block(chain.reading(meter, target, true_wh[meter], true_wh[meter] // 2))
                assert receipt.code == "ok"
        assert chain.money() == before
        assert all(chain.store[key] == raw for key, raw in closed.items()), "nothing closed is modified"
        closed = history(chain)
    last = interval + 1
    for final in (last, last + 1):
        chain.at(final)
        chain.block(*[chain.reading(meter, final, true_wh[meter], true_wh[meter] // 2) for meter in METERS])
        chain.close(final, silent=True)
    assert chain.money() == before
    settled = [at for at in range(FIRST, last + 2) if INTERVALS.key(at) in chain.store]
    for at in settled:
        found = [chain.bill(at, name) for name in ROLES]
        assert sum(one.total_nano for one in found if one is not None) == 0
    withdrawn = sum(chain.interval(at).withdrawn_wh for at in settled)
    injected = sum(chain.interval(at).injected_wh for at in settled)
    withdrawn += sum(one.new_import_wh - one.old_import_wh for one in corrections(chain))
    injected += sum(one.new_export_wh - one.old_export_wh for one in corrections(chain))
    assert withdrawn == sum(true_wh.values())
    assert injected == sum(wh // 2 for wh in true_wh.values())
