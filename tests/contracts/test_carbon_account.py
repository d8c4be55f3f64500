"""The carbon of one interval: conserved to the microgram, shared by consumption, and never made by a rounding."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from contracts.carbon.account import Fixed, Injection, Sheet, Store, at_mix, draw, in_bounds, passed, settle
from contracts.units import MAX_ENERGY, MAX_FACTOR, MAX_MONEY

ENERGY = st.one_of(st.sampled_from([0, 1, MAX_ENERGY]), st.integers(0, 5_000))
FACTOR = st.one_of(st.sampled_from([0, 1, MAX_FACTOR]), st.integers(0, 900_000))
EMISSION = st.integers(0, 10**12)
INJECTIONS = st.lists(st.builds(Injection, ENERGY, FACTOR, FACTOR), max_size=4)
STORES = st.lists(
    st.builds(
        Store,
        st.just("s"),
        st.one_of(st.just(0), st.integers(0, 10**6)),
        st.none() | st.integers(0, 10**6),
        EMISSION,
        ENERGY,
        ENERGY,
        FACTOR,
        st.integers(1, 20),
        st.integers(1, 20),
    ),
    max_size=3,
)
CONSUMED = st.dictionaries(st.sampled_from("abcd"), ENERGY, max_size=4)
ALIKE = {"a": 1, "b": 1}


@given(INJECTIONS, STORES, ENERGY, CONSUMED, st.builds(Fixed, EMISSION, EMISSION), FACTOR, st.integers(-(10**9), 10**9))
def test_what_enters_is_attributed_exported_or_held(
    injections: list[Injection],
    stores: list[Store],
    exported_wh: int,
    consumed_wh: dict[str, int],
    fixed: Fixed,
    worst: int,
    carried_ug: int,
) -> None:
    sheet = settle(7, injections, stores, exported_wh, consumed_wh, fixed, worst, carried_ug, [ALIKE])
    entered = sum(one.energy_wh * (one.operating_ug_per_wh + one.embodied_ug_per_wh) for one in injections)
    entered += sum(store.discharged_wh * store.embodied_ug_per_wh for store in stores)
    entered += sum(after.unseen_wh * worst for after in sheet.stores) + sum(fixed)
    held = sum(after.carbon_ug for after in sheet.stores) - sum(store.carbon_ug for store in stores)
    assert sheet.emitted_ug == entered
    assert entered + carried_ug == sheet.attributed_ug + sheet.exported_ug + held
    assert all(after.carbon_ug >= 0 and after.charge >= 0 for after in sheet.stores)
    for store, after in zip(stores, sheet.stores, strict=True):
        assert after.taken_ug == at_mix(sheet.pool_ug, sheet.energy_wh, store.charged_wh)
        assert store.capacity is None or after.charge <= store.capacity
        seen = store.charge + store.efficiency_n**2 * store.charged_wh
        assert (after.unseen_wh == 0) == (store.efficiency_d**2 * store.discharged_wh <= seen)


@given(INJECTIONS, ENERGY, st.dictionaries(st.sampled_from("abcd"), st.integers(1, 10**6), min_size=1))
def test_nobody_carries_more_than_its_share_of_the_mix_and_one_microgram(
    injections: list[Injection], exported_wh: int, consumed_wh: dict[str, int]
) -> None:
    sheet = settle(7, injections, [], exported_wh, consumed_wh)
    rest, total = sheet.pool_ug - sheet.exported_ug, sum(consumed_wh.values())
    for member, energy_wh in consumed_wh.items():
        assert abs(sheet.shares[member].energy_ug - Fraction(rest * energy_wh, total)) < 1
    assert sheet.exported_ug <= sheet.pool_ug


def test_a_day_by_hand() -> None:
    """1,000 Wh at 100 + 20 ug per Wh: 100 of them into a battery, 200 exported, 50 lost, 650 consumed."""
    battery = Store("b", 0, None, 0, 100, 0, 0, 9, 10)
    sheet = settle(7, [Injection(1_000, 100, 20)], [battery], 200, {"a": 400, "b": 250}, Fixed(13, 1_300))
    assert (sheet.operating_ug, sheet.embodied_ug, sheet.pool_ug, sheet.energy_wh) == (100_000, 20_000, 120_000, 1_000)
    assert sheet.exported_ug == 24_000
    (after,) = sheet.stores
    assert (after.charge, after.carbon_ug) == (8_100, 12_000)
    assert {member: share.energy_ug for member, share in sheet.shares.items()} == {"a": 51_692, "b": 32_308}
    assert {member: share.site_ug for member, share in sheet.shares.items()} == {"a": 8, "b": 5}
    assert {member: share.travel_ug for member, share in sheet.shares.items()} == {"a": 800, "b": 500}

    half = Store("b", 8_100, None, 12_000, 0, 40, 7, 9, 10)
    sheet = settle(8, [], [half], 0, {"a": 40})
    (after,) = sheet.stores
    assert (after.drawn, after.released_ug, after.charge, after.carbon_ug) == (4_000, 5_925, 4_100, 6_075)
    assert (sheet.embodied_ug, sheet.pool_ug, sheet.shares["a"].energy_ug) == (280, 6_205, 6_205)

    rest = settle(9, [], [Store("b", 4_100, None, 6_075, 0, 41, 0, 9, 10)], 0, {"a": 41}).stores[0]
    assert (rest.charge, rest.carbon_ug, rest.unseen_wh) == (0, 0, 0)


def test_a_battery_that_gives_more_than_anybody_saw_go_in_pays_the_worst_factor() -> None:
    """9 Wh were in it, and 1 Wh comes in now: of 15 Wh five came from where nobody looked."""
    store = Store("b", 9, None, 90, 1, 15, 0)
    sheet = settle(7, [], [store], 0, {"a": 14}, worst_ug_per_wh=1_000)
    (after,) = sheet.stores
    assert (after.unseen_wh, after.unseen_ug, sheet.unseen_ug) == (5, 5_000, 5_000)
    assert sheet.pool_ug == 5_090 and after.charge == 0


def test_a_part_of_a_wh_that_nobody_saw_go_in_counts_as_one() -> None:
    assert settle(7, [], [Store("b", 99, None, 5, 0, 1, 0, 9, 10)], 0, {"a": 1}, worst_ug_per_wh=7).unseen_ug == 7


def test_meters_that_see_more_leave_than_enter_spread_what_there_is() -> None:
    sheet = settle(7, [Injection(10, 0, 10)], [], 8, {"a": 12})
    assert (sheet.energy_wh, sheet.exported_ug, sheet.shares["a"].energy_ug) == (20, 40, 60)


def test_without_consumption_the_first_weights_that_are_not_all_zero_carry() -> None:
    def carried(*fallback: dict[str, int]) -> Sheet:
        return settle(7, [Injection(10, 0, 10)], [], 4, {"a": 0}, Fixed(5, 0), fallback=fallback)

    assert {name: sum(share) for name, share in carried({"s": 0}, {"s": 3, "t": 1}).shares.items()} == {
        "s": 49,
        "t": 16,
    }
    nothing = settle(7, [], [], 0, {}, Fixed(5, 5))
    assert (nothing.shares, nothing.emitted_ug, nothing.site_ug) == ({}, 0, 0)


def test_a_feeder_brings_nothing_in_and_consumes_nothing() -> None:
    assert passed(False, 500, 500) == (0, 0)
    assert passed(False, 500, 80) == (420, 0) and passed(False, 80, 500) == (0, 420)
    assert passed(True, 80, 500) == (80, 500)


def test_drawing_takes_a_fair_part_and_everything_at_the_end() -> None:
    assert draw(Store("b", 100, None, 99, 0, 33, 0)) == (33, 32)
    assert draw(Store("b", 100, None, 99, 0, 100, 0)) == (100, 99)
    assert draw(Store("b", 100, None, 99, 0, 500, 0)) == (100, 99)
    assert draw(Store("b", 0, None, 99, 0, 1, 0)) == (0, 99)
    assert draw(Store("b", 100, None, 99, 5, 0, 0)) == (0, 0)


def test_what_leaves_the_bounds_of_emissions_is_seen() -> None:
    most = [Injection(MAX_ENERGY, MAX_FACTOR, 0)]
    assert in_bounds(settle(7, most, [], 0, {"a": 1}))
    assert not in_bounds(settle(7, most * 3, [], 0, {"a": 1}))
    assert not in_bounds(settle(7, [], [], 0, {"a": 1}, Fixed(MAX_MONEY, 1)))
    full = Store("b", 1, None, MAX_MONEY, 1, 0, 0)
    assert in_bounds(settle(7, [Injection(2, 0, 0)], [full], 0, {"a": 1}))
    assert not in_bounds(settle(7, [Injection(2, 1, 0)], [full], 0, {"a": 1})), "what is in it"
