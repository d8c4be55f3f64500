"""Shares of a tie that meet a cap, and weights that are the exact ratio of what ties."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program.case import WEIGHT_ONE
from contracts.program.rows import program
from devnet.bench.dispatch_cases import CAMPUS, make
from node.solver import linear, weights


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=5),
    st.integers(0, 10**13),
    st.integers(1, 10**7),
)
def test_a_share_keeps_the_cap_and_leaves_no_step_unused(ties: list[tuple[int, int]], room: int, step: int) -> None:
    """Against the definition: every tie emits its factor for a whole part of its energy."""

    def emitted(share: int) -> int:
        return sum(factor * (share * energy // WEIGHT_ONE) for factor, energy in ties)

    found = weights.share(emitted, room, step)
    assert emitted(found) <= room
    assert found == WEIGHT_ONE or room - emitted(found) < step or emitted(found + 1) > room


def test_the_share_of_a_tie_is_found_in_few_tries() -> None:
    tried: list[int] = []

    def emitted(share: int) -> int:
        tried.append(share)
        return 700 * (share * 10**9 // WEIGHT_ONE)

    assert 0 <= 700 * 333_333_333 - emitted(weights.share(emitted, 700 * 333_333_333, 700)) < 700
    assert len(tried) < 8


def test_the_weight_is_the_ratio_of_the_pair_that_ties() -> None:
    """And no float: the campus meets its cap where two of its offers cost the same with their carbon."""
    case = make(CAMPUS)
    made = program(case)
    optimum = linear.solve(made, 20.0)
    found = weights.weight(made, optimum)
    offers = {(block.price_nano_per_wh, one.factor_ug_per_wh) for one in case.sources for block in one.blocks[0]}
    offers |= {
        (price, factor)
        for tie in case.connections
        for price, factor in zip(tie.import_nano_per_wh, tie.factor_ug_per_wh, strict=True)
    }
    ratios = {Fraction(b - a, f - g) for a, f in offers for b, g in offers if f > g and b > a}
    assert found in ratios
    assert abs(float(found) + optimum.multipliers[made.rows["carbon"].start]) < 1e-9


@pytest.mark.parametrize("noise", [1e-12, -1e-10, 1e-8])
def test_noise_of_the_solver_does_not_untie_what_ties(noise: float) -> None:
    """The nearest fraction to a float is another one as soon as its last digits are wrong."""
    made = program(make(CAMPUS))
    optimum = linear.solve(made, 20.0)
    moved = optimum.multipliers.copy()
    moved[made.rows["carbon"].start] *= 1 + noise
    assert weights.weight(made, optimum._replace(multipliers=moved)) == weights.weight(made, optimum)


def test_without_a_tie_any_fraction_near_it_will_do() -> None:
    made = program(make(CAMPUS))
    optimum = linear.solve(made, 20.0)
    row = made.rows["carbon"].start
    moved = optimum.multipliers.copy()
    moved[row] *= 1.01
    found = weights.weight(made, optimum._replace(multipliers=moved))
    assert abs(float(found) + moved[row]) < 1e-9
    moved[row] = 0.0
    assert weights.weight(made, optimum._replace(multipliers=moved)) == 0
    assert weights.weight(program(replace(make(CAMPUS), carbon_cap_ug=None)), optimum) == 0


@pytest.mark.parametrize("wanted", [1e-6, 0.3, 77.7, 1e6, 2e9, 1e30])
def test_a_weight_of_any_size_fits_into_its_fields(wanted: float) -> None:
    made = program(make(CAMPUS))
    optimum = linear.solve(made, 20.0)
    moved = optimum.multipliers.copy()
    moved[made.rows["carbon"].start] = -wanted
    found = weights.weight(made, optimum._replace(multipliers=moved))
    assert 0 <= found.numerator < 2**31 and 1 <= found.denominator < 2**31
    assert float(found) == pytest.approx(min(wanted, 2**31), rel=1e-3)
