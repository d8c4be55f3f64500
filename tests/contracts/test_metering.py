"""Readings count once, in whatever order and however often they arrive, and their differences lose nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, change, codes, make_genesis

from contracts.bodies import PlainReading, Quality, Reserve
from contracts.envelope import MeterEnvelope
from contracts.members import Registers
from contracts.metering import reading_hash
from contracts.params import PactParams
from contracts.schema import HEADS, METERED, SCHEDULE
from contracts.units import MAX_ENERGY

PARAMS = PactParams()
GRACE_MS = PARAMS.close_grace_ms
SLOTS = 96


def series(chain: Chain, meter: str, steps: list[tuple[int, int]]) -> list[MeterEnvelope]:
    """Readings of one meter: (interval, exported register) each."""
    readings: list[MeterEnvelope] = []
    for interval, export_wh in steps:
        last = readings[-1].body if readings else None
        assert last is None or isinstance(last, PlainReading)
        readings.append(chain.reading(meter, interval, 0, export_wh, after=last))
    return readings


def exported_wh(chain: Chain, meter: str, interval: int) -> int | None:
    """What the meter is on record with for an interval."""
    metered = chain.metered(interval, meter)
    return None if metered is None else metered.export_wh


def settled_wh(chain: Chain, meter: str, intervals: range) -> int:
    """Energy that is on record as settled."""
    return sum(exported_wh(chain, meter, interval) or 0 for interval in intervals)


def test_reading_hash_is_bound_to_chain_and_body() -> None:
    chain = Chain()
    body = chain.reading("m-solar", FIRST, 0, 1).body
    assert reading_hash("a", body) != reading_hash("b", body)
    assert reading_hash("a", body) != reading_hash("a", msgspec.structs.replace(body, status=1))
    assert chain.run(chain.meter_says("m-solar", body)) == "ok"
    assert chain.head("m-solar").reading_hash == reading_hash(chain.chain_id, body)


def test_reading_writes_its_head_and_once_per_interval_the_schedule() -> None:
    chain = Chain()
    readings = series(chain, "m-solar", [(FIRST, 1), (FIRST, 2)])
    chain.block(readings[0])
    assert chain.changed == {HEADS.key("m-solar"), SCHEDULE}
    chain.block(readings[1], chain.reading("m-bio", FIRST, 0, 1))
    assert chain.changed == {HEADS.key("m-solar"), HEADS.key("m-bio")}


def test_last_reading_of_an_interval_settles() -> None:
    chain = Chain()
    chain.block(*series(chain, "m-solar", [(FIRST, 5), (FIRST, 5), (FIRST, 70)]))
    chain.close(FIRST)
    assert exported_wh(chain, "m-solar", FIRST) == 70
    assert chain.settled("m-solar") == Registers("m-solar", FIRST, 0, 70, sequence=3)
    chain.block(chain.reading("m-solar", FIRST + 1, 0, 71))
    assert [register.interval for register in chain.head("m-solar").open] == [FIRST + 1], "what is settled goes"


def test_late_reading_extends_the_chain_and_settles_with_the_next_interval() -> None:
    chain = Chain()
    on_time, late, next_ = series(chain, "m-solar", [(FIRST, 10), (FIRST, 25), (FIRST + 1, 40)])
    chain.block(on_time)
    chain.close(FIRST)
    (receipt,) = chain.block(late)
    assert receipt.code == "ok"
    assert receipt.events[0].late
    assert chain.head("m-solar").open == (), "nothing waits for an interval that is settled"
    bill = chain.bill(FIRST, "solar")
    (receipt,) = chain.at(FIRST + 1, INTERVAL_MS).block(next_)
    assert not receipt.events[0].late
    chain.close(FIRST + 1)
    assert exported_wh(chain, "m-solar", FIRST) == 10
    assert exported_wh(chain, "m-solar", FIRST + 1) == 30
    assert chain.bill(FIRST, "solar") == bill, "closed bills stay closed"


def test_lateness_begins_with_the_close_and_not_before() -> None:
    for offset_ms, late in ((-1, False), (0, True)):
        chain = Chain()
        chain.at(FIRST + 1, GRACE_MS + offset_ms)
        (receipt,) = chain.block(chain.reading("m-solar", FIRST, 0, 1))
        assert receipt.events[0].late is late
        assert (chain.deadline_ms() is None) is late


def test_overdue_interval_still_takes_readings() -> None:
    chain = Chain(make_genesis(params=change(PARAMS, max_closes_per_block=1)))
    readings = series(chain, "m-solar", [(FIRST, 1), (FIRST + 1, 2)])
    chain.at(FIRST + 1).block(*readings, chain.reading("m-bio", FIRST + 1, 0, 3))
    chain.at(FIRST + 50)
    follow_up = chain.reading("m-bio", FIRST + 1, 0, 9)
    (receipt,) = chain.block(follow_up)
    assert not receipt.events[0].late, "one close per block: this interval waits for the next"
    chain.block()
    assert exported_wh(chain, "m-bio", FIRST + 1) == 4, "5 of the 9 Wh are of the silent interval before"


@pytest.mark.parametrize(
    ("silent", "growth_wh", "code"),
    [
        (0, 100_001, "ok"),
        (0, 100_002, "reading.rating"),
        (1, 200_001, "ok"),
        (1, 200_002, "reading.rating"),
        (9, 1_000_001, "ok"),
        (9, 1_000_002, "reading.rating"),
    ],
)
def test_rating_covers_both_intervals_and_the_rounding(silent: int, growth_wh: int, code: str) -> None:
    """400 kW over quarter hours are 100 kWh each; genesis registers count as read in the first interval."""
    chain = Chain().at(FIRST + silent)
    assert chain.run(chain.reading("m-solar", FIRST + silent, 0, growth_wh)) == code


def test_many_readings_of_one_interval_do_not_add_up_to_more_than_the_rating() -> None:
    chain = Chain()
    readings = series(chain, "m-solar", [(FIRST, 60_000), (FIRST, 100_001), (FIRST, 100_002)])
    assert codes(chain.block(*readings)) == ["ok", "ok", "reading.rating"]


def test_rating_binds_the_import_register_too() -> None:
    chain = Chain()
    assert chain.run(chain.reading("m-campus", FIRST, 100_002, 0)) == "reading.rating"


def test_carriers_cannot_spend_a_meters_budget() -> None:
    chain = Chain(make_genesis(params=change(PARAMS, units_per_meter=2)))
    first, second, third, future = series(chain, "m-solar", [(FIRST, 1), (FIRST, 2), (FIRST, 3), (FIRST + 9, 4)])
    noise = [second, third] * 10
    assert set(codes(chain.block(*noise))) == {"reading.gap"}
    assert codes(chain.block(first, *[first] * 10, second, *[first, second] * 10, third)) == (
        ["ok"]
        + ["reading.duplicate"] * 10
        + ["ok"]
        + ["reading.replay", "reading.duplicate"] * 10
        + ["budget.exceeded"]
    )
    chain.at(FIRST + 1)
    assert codes(chain.block(third, *[future] * 10)) == ["ok"] + ["reading.future"] * 10


def test_what_was_metered_stays_for_good() -> None:
    chain, kept = Chain(), dict[bytes, bytes]()
    for day in range(37):
        interval = FIRST + day * SLOTS
        chain.at(interval).block(chain.reading("m-solar", interval, 0, (day + 1) * 10))
        chain.close(interval)
        assert {key: chain.store[key] for key in kept} == kept
        kept = {key: raw for key, raw in chain.store.items() if key.startswith(METERED.prefix)}
    assert [exported_wh(chain, "m-solar", FIRST + day * SLOTS) for day in range(37)] == [10] * 37


@given(
    growth=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5_000)), min_size=1, max_size=7),
    data=st.data(),
)
@settings(max_examples=60)
def test_each_reading_counts_once_whatever_arrives_how_often(
    growth: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Any multiset of deliveries in any order, then one pass in order: everything is settled exactly once."""
    chain = Chain()
    steps, interval, register = [], FIRST, 0
    for step, energy_wh in growth:
        interval, register = interval + step, register + energy_wh
        steps.append((interval, register))
    readings = series(chain, "m-solar", steps)
    noise = data.draw(st.lists(st.sampled_from(readings), max_size=20))
    chain.at(interval)
    accepted: list[int] = []
    for envelope in [*noise, *readings]:
        (receipt,) = chain.block(envelope)
        if receipt.code == "ok":
            accepted.append(envelope.body.sequence)
    assert accepted == list(range(1, len(readings) + 1))
    head = chain.head("m-solar")
    assert (head.sequence, head.export_wh) == (len(readings), register)
    chain.close(interval)
    assert settled_wh(chain, "m-solar", range(FIRST, interval + 1)) == register


@given(
    readings=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 9_000), st.integers(0, 1_200_000)), min_size=1, max_size=8
    )
)
@settings(max_examples=60)
def test_late_or_not_no_energy_is_lost(readings: list[tuple[int, int, int]]) -> None:
    """Readings at any delay: what settles is the register at the last reading that was on time."""
    chain, interval, register, on_time = Chain(), FIRST, 0, 0
    for step, energy_wh, delay_ms in readings:
        interval, register = interval + step, register + energy_wh
        (receipt,) = chain.at(interval, delay_ms).block(chain.reading("m-solar", interval, 0, register))
        assert receipt.code == "ok"
        if not receipt.events[0].late:
            on_time = register
    chain.close(interval + 1)
    assert settled_wh(chain, "m-solar", range(FIRST, interval + 1)) == on_time
    chain.at(interval + 3).block(chain.reading("m-solar", interval + 3, 0, register))
    chain.close(interval + 3)
    assert settled_wh(chain, "m-solar", range(FIRST, interval + 4)) == register


# Quality and reserve

WAVE = Quality(
    voltage_mv=230_000,
    current_ma=12_000,
    frequency_mhz=49_990,
    power_factor_ppm=980_000,
    thd_ppm=30_000,
    ambient_mc=21_500,
    ambient_humidity_ppm=450_000,
)


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("voltage_mv", 0, None),
        ("current_ma", 0, None),
        ("frequency_mhz", 0, 1_000_000),
        ("power_factor_ppm", -1_000_000, 1_000_000),
        ("thd_ppm", 0, 10_000_000),
        ("ambient_mc", -273_150, 200_000),
        ("ambient_humidity_ppm", 0, 1_000_000),
    ],
)
def test_quality_inside_physical_bounds_and_not_one_step_beyond(field: str, low: int, high: int | None) -> None:
    cases = [(low, "ok"), (low - 1, "reading.quality")]
    cases += [] if high is None else [(high, "ok"), (high + 1, "reading.quality")]
    for value, code in cases:
        chain = Chain()
        quality = msgspec.structs.replace(WAVE, **{field: value})
        body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, quality=quality)
        assert chain.run(chain.meter_says("m-solar", body)) == code


@pytest.mark.parametrize(
    ("capacity", "charge", "generation", "code"),
    [
        (None, MAX_ENERGY, 100_000, "ok"),
        (None, 0, 100_001, "reading.reserve"),
        (5_000, 5_000, 0, "ok"),
        (5_000, 5_001, 0, "reading.reserve"),
        (0, 0, 100_000, "ok"),
    ],
)
def test_reserve_is_bounded_by_what_is_registered(
    capacity: int | None, charge: int, generation: int, code: str
) -> None:
    genesis = make_genesis()
    meters = tuple(
        msgspec.structs.replace(meter, capacity_wh=capacity) if meter.id == "m-storage" else meter
        for meter in genesis.meters
    )
    chain = Chain(msgspec.structs.replace(genesis, meters=meters))
    reserve = Reserve(charge_wh=charge, fuel_wh=MAX_ENERGY, generation_w=generation)
    body = msgspec.structs.replace(chain.reading("m-storage", FIRST, 0, 1).body, reserve=reserve)
    assert chain.run(chain.meter_says("m-storage", body)) == code


def test_an_impossible_record_does_not_end_the_meters_chain() -> None:
    """It costs the meter a unit, and the same registers without it are welcome."""
    chain = Chain()
    good = chain.reading("m-solar", FIRST, 0, 9)
    bad = msgspec.structs.replace(good.body, quality=msgspec.structs.replace(WAVE, thd_ppm=-1))
    assert codes(chain.block(chain.meter_says("m-solar", bad), good)) == ["reading.quality", "ok"]
