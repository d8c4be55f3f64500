"""Storages, flexible loads, reserves and requirements: what stands, what replaces it, and what a storage holds."""

from __future__ import annotations

import pytest
from flexible_world import (
    BATTERY,
    CAPACITY_WH,
    EQUIPPED,
    NEXT,
    UNIT,
    charge_of,
    charge_report,
    equipped,
    load,
    require,
    reserve,
    storage,
)
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import FIRST, Chain, change, key_of

from contracts import api
from contracts.bodies import WithdrawLoad
from contracts.flexible import assets
from contracts.flexible.records import FlexibleOffers, OpenLoads, StorageCharge
from contracts.members import Asset, Meter, Registers
from contracts.params import PactParams, problem
from contracts.schema import FLEXIBLE, LOADS, OPEN_LOAD_LIST, OPEN_LOADS, REQUIREMENTS
from contracts.state import State

OK = "ok"


def stands(chain: Chain, interval: int = NEXT) -> FlexibleOffers:
    return State(chain.store).load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers()


def waiting(chain: Chain) -> list[str]:
    found = State(chain.store).load(OPEN_LOADS, OPEN_LOAD_LIST) or OpenLoads(())
    return [one.id for one in found.entries]


# What stands


def test_a_later_word_replaces_an_earlier_one_and_nothing_withdraws_it() -> None:
    chain = Chain(equipped())
    assert chain.run(storage(chain, count=2)) == OK
    assert chain.run(storage(chain, discharge_wh=7, charge_wh=0)) == OK
    assert [one.discharge_wh for one in stands(chain).storages] == [7]
    assert [one.discharge_wh for one in stands(chain, NEXT + 1).storages] == [25_000]
    assert chain.run(storage(chain, count=2, discharge_wh=0, charge_wh=0)) == OK
    assert stands(chain) == stands(chain, NEXT + 1) == FlexibleOffers()


def test_reserve_and_storage_stand_beside_each_other() -> None:
    chain = Chain(equipped())
    assert [chain.run(reserve(chain)), chain.run(storage(chain)), chain.run(reserve(chain, reserve_wh=6))] == [OK] * 3
    assert [one.reserve_wh for one in stands(chain).reserves] == [6]
    assert len(stands(chain).storages) == 1
    assert chain.run(reserve(chain, reserve_wh=0)) == OK
    assert stands(chain).reserves == ()


def test_each_member_requires_for_itself() -> None:
    chain = Chain(equipped())
    assert chain.run(require(chain)) == OK
    assert chain.run(require(chain, sender="utility", reserve_wh=0, carbon_cap_ug=5)) == OK
    assert chain.run(require(chain, reserve_wh=1)) == OK
    held = State(chain.store).load(REQUIREMENTS, REQUIREMENTS.key(NEXT))
    assert held is not None
    assert [(one.member, one.reserve_wh, one.carbon_cap_ug) for one in held.entries] == [
        ("campus", 1, None),
        ("utility", 0, 5),
    ]
    assert chain.run(require(chain, sender="utility", reserve_wh=0)) == OK
    held = State(chain.store).load(REQUIREMENTS, REQUIREMENTS.key(NEXT))
    assert held is not None
    assert [one.member for one in held.entries] == ["campus"]


def test_a_load_waits_until_it_is_withdrawn_and_its_name_is_used_once() -> None:
    chain = Chain(equipped())
    for name in ("b", "a", "c"):
        assert chain.run(load(chain, name)) == OK
    assert waiting(chain) == ["a", "b", "c"]
    assert chain.run(chain.say("tenant", WithdrawLoad("b"))) == OK
    assert waiting(chain) == ["a", "c"]
    assert chain.run(load(chain, "b")) == "load.taken"
    kept = State(chain.store).load(LOADS, LOADS.key("b"))
    assert kept is not None
    assert kept.withdrawn


def test_whatever_stands_makes_an_interval_wait_for_its_lock() -> None:
    for say in (storage, reserve, load):
        chain = Chain(equipped())
        assert chain.deadline_ms() is None
        assert chain.run(say(chain)) == OK
        assert chain.deadline_ms() == NEXT * 900_000 - 300_000


def test_units_grow_with_what_is_written() -> None:
    chain = Chain(equipped())
    assert api.units(storage(chain, count=96)) == 49
    assert api.units(reserve(chain, count=1)) == 1
    assert api.units(require(chain, count=96)) == 25
    assert api.units(load(chain, until=NEXT + 96)) == 26
    assert api.units(load(chain, until=2**32 - 1)) == 26
    assert api.units(chain.say("tenant", WithdrawLoad("car"))) == 2


# What a storage holds


def test_a_charge_follows_from_registers_without_rounding() -> None:
    chain = Chain(equipped())
    assert charge_of(chain).soc == 50_000 * UNIT
    chain.block(chain.reading("m-storage", FIRST, 10_001, 3))
    chain.close(FIRST)
    assert charge_of(chain).soc == 50_000 * UNIT + 24**2 * 10_001 - 25**2 * 3
    chain.block(chain.reading("m-storage", FIRST + 1, 10_001, 25_003))
    chain.close(FIRST + 1)
    assert charge_of(chain).soc == 50_000 * UNIT + 24**2 * 10_001 - 25**2 * 25_003


def test_a_silent_storage_keeps_its_charge_until_its_registers_return() -> None:
    chain = Chain(equipped())
    chain.block(chain.reading("m-storage", FIRST, 0, 1_000))
    chain.close(FIRST)
    before = charge_of(chain)
    chain.at(FIRST + 1).block(chain.need("tenant", FIRST + 3, 1))
    chain.block(chain.reading("m-tenant", FIRST + 1, 0, 0))
    chain.close(FIRST + 1, silent=True)
    assert charge_of(chain).soc == before.soc
    chain.block(chain.reading("m-storage", FIRST + 2, 0, 2_000))
    chain.close(FIRST + 2)
    assert charge_of(chain).soc == before.soc - 25**2 * 1_000


@pytest.mark.parametrize(
    ("said_wh", "code"), [(51_000, OK), (49_000, OK), (51_001, "reading.charge"), (0, "reading.charge")]
)
def test_a_report_has_to_fit_the_registers(said_wh: int, code: str) -> None:
    chain = Chain(equipped())
    assert chain.run(charge_report(chain, FIRST, 0, 0, said_wh)) == code


def test_a_report_is_where_a_dispatch_begins_and_never_moves_the_ledgers_own_figure() -> None:
    chain = Chain(equipped(soc_tolerance_wh=1_000))
    meter = registered(EQUIPPED["m-storage"].asset)
    for step in range(3):
        # What it gains by each report it can not add up.
        chain.block(charge_report(chain, FIRST + step, 0, 0, 51_000))
        chain.close(FIRST + step)
        held = charge_of(chain)
        assert (held.soc, held.reported_wh) == (50_000 * UNIT, 51_000)
        assert assets.start_soc(meter, held) == 51_000 * UNIT
    assert chain.run(charge_report(chain, FIRST + 3, 0, 0, 52_000)) == "reading.charge"
    chain.block(chain.reading("m-storage", FIRST + 3, 0, 0))
    chain.close(FIRST + 3)
    assert assets.start_soc(meter, charge_of(chain)) == 50_000 * UNIT


def registered(asset: Asset | None, kind: str = "storage", capacity_wh: int | None = CAPACITY_WH) -> Meter:
    return Meter("m", "storage", key_of("m").public_key, kind, "zone", 100_000, None, None, capacity_wh, asset)


MOVES = st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 300_000)), max_size=8)


@given(MOVES)
def test_a_charge_stays_inside_the_storage(moves: list[tuple[int, int]]) -> None:
    meter = registered(BATTERY)
    held, before = assets.opening(meter, 0), Registers("m", 0, 0, 0)
    for number, (charged_wh, discharged_wh) in enumerate(moves, start=1):
        after = Registers("m", number, before.import_wh + charged_wh, before.export_wh + discharged_wh)
        held, last = assets.settled_charge(meter, held, before, after, None), held
        assert 0 <= held.soc <= CAPACITY_WH * UNIT
        free = last.soc + 576 * charged_wh - 625 * discharged_wh
        assert held.soc == free or held.soc in (0, CAPACITY_WH * UNIT)
        assert held.interval == number
        before = after


def test_the_tolerance_is_kept_to_the_last_part_of_a_wh() -> None:
    meter, at_start = registered(BATTERY), Registers("m", 0, 0, 0)
    params = change(PactParams(), soc_tolerance_wh=1_000)
    for soc, fits in ((50_000 * UNIT, True), (50_000 * UNIT - 1, False)):
        assert assets.is_plausible(params, meter, StorageCharge("m", 0, soc), at_start, (0, 0), 51_000) == fits


def test_a_report_beyond_the_capacity_begins_full() -> None:
    meter = registered(BATTERY)
    assert assets.start_soc(meter, StorageCharge("m", 0, 0, CAPACITY_WH + 5)) == CAPACITY_WH * UNIT


# Registration


@pytest.mark.parametrize(
    ("meter", "field"),
    [
        (registered(Asset(efficiency_n=26, efficiency_d=25)), "asset.efficiency_n"),
        (registered(BATTERY, capacity_wh=None), "capacity_wh"),
        (registered(change(BATTERY, charge_w=100_001)), "asset.charge_w"),
        (registered(change(BATTERY, discharge_w=100_001)), "asset.discharge_w"),
        (registered(change(BATTERY, charge_wh=CAPACITY_WH + 1)), "asset.charge_wh"),
        (registered(Asset(ramp_w=1)), "asset.ramp_w"),
        (registered(BATTERY, kind="source"), "asset"),
        (registered(Asset(), kind="load"), "asset"),
    ],
)
def test_equipment_that_contradicts_itself_is_named(meter: Meter, field: str) -> None:
    found = assets.problem(meter)
    assert found is not None
    assert (found.field, bool(found.hint)) == (field, True)


def test_equipment_that_fits_is_taken() -> None:
    for name, site in EQUIPPED.items():
        assert assets.problem(registered(site.asset, site.kind, site.capacity_wh)) is None, name


def test_powers_become_energies_of_an_interval() -> None:
    meter, params = registered(BATTERY), PactParams()
    assert assets.charge_limits_wh(meter, params) == (20_000, 25_000)
    assert assets.charge_limits_wh(meter, change(params, interval_ms=3_600_000)) == (80_000, 100_000)
    assert assets.place_of(meter) == "zone"
    assert assets.place_of(registered(change(BATTERY, place="north"))) == "north"


# Parameters


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"window_intervals": 96, "look_ahead_intervals": 95, "horizon_intervals": 190}, "look_ahead_intervals"),
        ({"window_intervals": 96, "interval_ms": 86_400_000}, "window_intervals"),
        ({"shed_nano_per_wh": (16_777_215, 4_194_304)}, "shed_nano_per_wh"),
        ({"shed_nano_per_wh": (16_777_215, 3_999_999)}, "shed_nano_per_wh"),
    ],
)
def test_parameters_that_do_not_fit_together_are_named(fields: dict[str, object], field: str) -> None:
    found = problem(change(PactParams(), **fields))
    assert found is not None
    assert found.field == field


def test_parameters_at_their_bounds_fit() -> None:
    assert problem(change(PactParams(), window_intervals=96, look_ahead_intervals=95, horizon_intervals=191)) is None
    assert problem(change(PactParams(), shed_nano_per_wh=(16_000_000, 4_000_000))) is None
