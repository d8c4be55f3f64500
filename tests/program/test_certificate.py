"""The bound against the true optimum, for any multipliers, and its two ways against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from contracts.program import certificate
from contracts.program.arrays import arrays, exact_dot
from contracts.program.case import Case, Connection, Demand, Line, Multiplier, Solution, Storage
from contracts.program.check import unweighable
from contracts.program.rows import Program, program
from contracts.units import MAX_ENERGY, MAX_PRICE
from tests.program.cases import ROUND, cases, small, source
from tests.program.optimum import optimum

ONE = 2**32
TIE = Connection("tie", "utility", (100,), (40,), (9,), (9,), (0,))


def weights(rows: int, most: int = 2**60) -> st.SearchStrategy[tuple[Multiplier, ...]]:
    """Any weights of any rows: prices, small ones, absurd ones, both signs."""
    near = st.integers(-12, 12).map(lambda price: price * ONE)
    weight = near | st.integers(-(2**36), 2**36) | st.integers(-most, most) | st.sampled_from((most, -most, 1, -1))
    chosen = st.dictionaries(st.integers(0, rows - 1), weight, max_size=rows)
    return chosen.map(lambda found: tuple(Multiplier(row, found[row]) for row in sorted(found)))


@settings(max_examples=60)
@given(cases(most_intervals=2, most_wh=2, most_places=2), st.data())
def test_no_weights_lead_above_the_true_optimum(case: Case, data: st.DataObject) -> None:
    found = program(case)
    assume(found.row_lo)
    try:
        best = optimum(case)
    except OverflowError:
        assume(False)
    assume(best is not None)
    for _ in range(3):
        told = data.draw(weights(len(found.row_lo)))
        assert certificate.bound_nano(certificate.bound_scaled(found, told)) <= best


def test_the_right_weights_meet_the_optimum_and_wrong_ones_fall_short() -> None:
    """Seven Wh from blocks of 5 at 2 and 5 at 3: the price is 3, and 3 x 7 - 1 x 5 = 16."""
    case = small(sources=(source("sun", (2, 5), (3, 5)),), demands=(Demand("ann", (7,)),))
    found = program(case)
    assert optimum(case) == 16

    def bound(price: int) -> int:
        return certificate.bound_nano(certificate.bound_scaled(found, (Multiplier(0, price),)))

    assert bound(3 * ONE) == 16
    for wrong in (2 * ONE, 3 * ONE - 1, 3 * ONE + 1, 4 * ONE, 0, -3 * ONE, 2**59, -(2**59)):
        assert bound(wrong) <= 16
    assert bound(2 * ONE) == 14 and bound(4 * ONE) == 13
    assert bound(-3 * ONE) < 0


@st.composite
def large(draw: st.DrawFn) -> Case:
    """A case at the bounds of energies and prices, some beyond what arrays hold."""
    case = draw(cases(most_wh=draw(st.sampled_from((4, 2**20, 2**39)))))
    price = st.integers(-MAX_PRICE, MAX_PRICE)
    buys, sells, wide, none = ((number,) * case.intervals for number in (draw(price), draw(price), MAX_ENERGY, 0))
    tie = Connection("wide", "utility", buys, sells, wide, wide, none)
    return replace(case, connections=(tie,))


def swiftly(found: Program, told: tuple[Multiplier, ...]) -> int | None:
    """The bound by arrays; None where they do not dare."""
    fast = arrays(found)
    if fast is None:
        return None
    rows, values = (np.array([one[i] for one in map(astuple, told)], np.int64) for i in range(2))
    return certificate.bound_scaled_fast(fast, certificate.Weights(rows, values))


@settings(max_examples=50)
@given(large(), st.data())
def test_arrays_give_what_the_reference_gives(case: Case, data: st.DataObject) -> None:
    found = program(case)
    for _ in range(3):
        told = data.draw(weights(len(found.row_lo)))
        assert swiftly(found, told) in (None, certificate.bound_scaled(found, told))
        sensible = tuple(Multiplier(one.row, one.weight % 2**18) for one in told)
        if arrays(found) is not None:
            assert swiftly(found, sensible) == certificate.bound_scaled(found, sensible)


@pytest.mark.parametrize("weight", [2**60, -(2**60), 2**42, 2**41, 2**36])
def test_weights_beyond_what_arrays_hold_are_left_to_the_reference(weight: int) -> None:
    """A column of many loops, and one of large coefficients: their sums leave 64 bits."""
    store = Storage("hill", "ann", 7, 0, (7,), (7,), 999, 1000)
    wires = tuple(Line(f"line-{i}", "site", "hill", (5,), 2**20) for i in range(12))
    found = program(small(storages=(store,), lines=wires))
    for signs in ((1, 1), (1, -1)):
        told = tuple(Multiplier(i, weight * signs[i % 2]) for i in range(len(found.row_lo)))
        assert swiftly(found, told) in (None, certificate.bound_scaled(found, told))
    assert (swiftly(found, told) is None) == (abs(weight) > 2**36)


@settings(max_examples=60)
@given(cases(), st.data())
def test_arrays_take_no_multipliers_that_the_reference_refuses(case: Case, data: st.DataObject) -> None:
    found = program(case)
    fast = arrays(found)
    assert fast is not None
    rows = st.integers(-2, len(found.row_lo) + 1)
    numbers = data.draw(st.lists(rows, max_size=4) | st.lists(rows, max_size=4, unique=True).map(sorted))
    size = st.sampled_from((0, 1, -1, 2**58, 2**60 - 1, 2**60, -(2**60), 2**63))
    told = tuple(Multiplier(number, data.draw(size)) for number in numbers)
    solution = Solution(ROUND, multipliers=told)
    dense = certificate.dense(fast, told)
    if dense is not None:
        assert unweighable(found, solution) is None
        assert [dense.rows.tolist(), dense.values.tolist()] == [numbers, [one.weight for one in told]]
    elif unweighable(found, solution) is None:
        assert any(abs(one.weight) * found.largest[one.row] >= 2**59 for one in told)


@pytest.mark.parametrize(
    ("wh", "other_wh", "n", "fit"),
    [
        (MAX_ENERGY, MAX_ENERGY - 2, 1, False),  # an end of the sharing row beyond 64 bits
        (MAX_ENERGY, MAX_ENERGY, 999, False),  # an activity of the charge state beyond 61
        (MAX_ENERGY // 4, MAX_ENERGY // 4, 999, True),
    ],
)
def test_arrays_are_refused_where_sums_could_leave_them(wh: int, other_wh: int, n: int, fit: bool) -> None:
    store = Storage("hill", "ann", wh, 0, (wh,), (other_wh,), n, 1 if n == 1 else 1_000)
    assert (arrays(program(small(storages=(store,)))) is not None) == fit


NUMBERS = st.integers(-(2**62), 2**62) | st.integers(-(2**20), 2**20) | st.sampled_from((2**62, -(2**62), 2**63 - 1))


@example([(2**31 - 1, 2**31 - 1)], 3)
@example([(-(2**31), 2**31 - 1)], 3)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40), st.integers(1, 3_000))
def test_products_are_summed_exactly(pairs: list[tuple[int, int]], times: int) -> None:
    first, second = ([pair[i] for pair in pairs] * times for i in range(2))
    wanted = times * sum(a * b for a, b in pairs)
    assert exact_dot(np.array(first, np.int64), np.array(second, np.int64)) == wanted


@settings(max_examples=40)
@given(cases(), st.data())
def test_a_weight_is_bounded_by_the_largest_coefficient_of_its_row(case: Case, data: st.DataObject) -> None:
    found = program(case)
    assume(found.columns)
    number = data.draw(st.sampled_from([i for i in range(len(found.row_lo)) if found.largest[i]]))
    most = -(-(2**60) // found.largest[number]) - 1
    fine = Multiplier(0 if number else 1, 1)
    for sign in (1, -1):
        assert certificate.oversized(found, (fine, Multiplier(number, sign * most))[number == 0 :]) is None
        assert certificate.oversized(found, (Multiplier(number, sign * (most + 1)),)) == 0
    if len(found.row_lo) > 1:
        assert certificate.oversized(found, (fine, Multiplier(number, most + 1))) == 1


@pytest.mark.parametrize(
    ("more", "base", "threshold"),
    [
        ({}, 0, 100),
        ({"demands": (Demand("ann", (50_000_000,)),)}, 5_000_000_000, 100_000),
        ({"demands": (Demand("ann", (50_000,)), Demand("bob", (50_000,)))}, 10_000_000, 200),
        ({"demands": (Demand("ann", (50_000,)),)}, 5_000_000, 100),
        ({"demands": (Demand("ann", (50_000,)),), "reference_nano_per_wh": (7,)}, 350_000, 7),
        ({"demands": (Demand("ann", (50_000,)),), "reference_nano_per_wh": (-7,)}, 0, 0),
        ({"storages": (Storage("cell", "ann", 1, 0, (1,), (1,)),) * 2}, 0, 300),
        ({"demands": (Demand("ann", (50_000,)),), "loss_ppm": 40}, 5_000_000, 200),
    ],
)
def test_the_threshold_is_of_fixed_demand(more: dict[str, Any], base: int, threshold: int) -> None:
    case = small(connections=(TIE,), **more)
    assert (certificate.base_nano(case), certificate.threshold_nano(case)) == (base, threshold)


def test_intervals_count_at_their_own_prices_and_storages_at_the_highest() -> None:
    store = Storage("cell", "ann", 1, 0, (1, 1), (1, 1))
    case = small(intervals=2, storages=(store,), demands=(Demand("ann", (3, 5)),), reference_nano_per_wh=(10, 40))
    assert certificate.base_nano(case) == 3 * 10 + 5 * 40
    assert certificate.threshold_nano(case) == 10 + 40 + 40


def test_the_gap_is_in_parts_of_the_base() -> None:
    assert certificate.gap_ppm(5_000_000, 1_000_010, 1_000_000) == 2
    assert certificate.gap_ppm(5_000_000, 1_000_000, 1_000_000) == 0
    assert certificate.gap_ppm(0, 3, 1) == 2_000_000


def test_a_bound_is_rounded_up_because_costs_are_whole() -> None:
    assert [certificate.bound_nano(scaled) for scaled in (0, 1, ONE, ONE + 1, -1, -ONE, -ONE - 1)] == [
        0,
        1,
        1,
        2,
        0,
        -1,
        -1,
    ]
