"""Arrays against Python's integers: one verdict, to the last figure, or one refusal, to the last word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program import check
from contracts.program.case import (
    MAX_WEIGHT,
    WEIGHT_ONE,
    Bid,
    Case,
    Connection,
    Demand,
    LineFlow,
    Load,
    Multiplier,
    Solution,
    Storage,
)
from contracts.program.fallback import fallback
from contracts.program.rows import providers
from contracts.program.verdict import Refusal, Rows, Verdict
from contracts.units import MAX_ENERGY, MAX_FACTOR, MAX_PRICE
from devnet.bench.dispatch_cases import drawn_plan, make
from tests.program.cases import ROUND, cases, small, source
from tests.program.solved import solved


def plain(value: Any) -> Any:
    """Rows as tuples, to compare what is in them."""
    return tuple(map(plain, value)) if isinstance(value, list | tuple | Rows) else value


def integers(value: Any) -> bool:
    """Whether all that is in there is Python's own."""
    return all(map(integers, value)) if isinstance(value, list | tuple | Rows) else type(value) in (int, bool)


def same(case: Case, *solutions: Solution) -> list[Verdict | Refusal]:
    """Verdicts, once both ways have said the same."""
    swift, slow = check.ready(case, in_arrays=True), check.ready(case, in_arrays=False)
    assert isinstance(swift, check.Ready) and isinstance(slow, check.Ready) and slow.arrays is None
    verdicts = [check.check(slow, solution) for solution in solutions]
    for solution, wanted in zip(solutions, verdicts, strict=True):
        found = check.check(swift, solution)
        assert plain(found) == plain(wanted)
        assert isinstance(found, Refusal) or integers(found)
    return verdicts


@settings(max_examples=80)
@given(solved(most_wh=6, most_places=3))
def test_both_ways_say_the_same_of_any_solution(pair: tuple[Case, Solution]) -> None:
    (found,) = same(*pair)
    event(found.code if isinstance(found, Refusal) else "passed")


@pytest.mark.parametrize("seed", range(16))
def test_both_ways_say_the_same_of_whole_sites(seed: int) -> None:
    case = make(drawn_plan(seed))
    solution = fallback(case)
    assert isinstance(solution, Solution)
    weights = ((1, 7, 0), (3, 1, WEIGHT_ONE // 3), (2**31 - 1, 2**31 - 1, WEIGHT_ONE))
    others = (replace(solution, kappa_num=num, kappa_den=den, theta=theta) for num, den, theta in weights)
    found = same(case, solution, *others)
    assert isinstance(found[0], Verdict)


WIDE = Connection("tie", "utility", (MAX_PRICE,), (-MAX_PRICE,), (2**33,), (2**32,), (2**22 - 1,))
HILL = Storage("hill", "ann", MAX_ENERGY, 0, (MAX_ENERGY,), (MAX_ENERGY - 2,), 999, 1_000)
OPEN = {"offer_cap_nano_per_wh": MAX_PRICE, "price_floor_nano_per_wh": -MAX_PRICE, "shed_nano_per_wh": (MAX_PRICE,)}
EDGES: dict[str, tuple[Case, Solution]] = {
    "prices at both bounds": (
        small(
            connections=(WIDE,),
            sources=(source("sun", (-MAX_PRICE, 2**30), (MAX_PRICE, 2**30)),),
            demands=(Demand("ann", (2**31,)),),
            **OPEN,
        ),
        Solution(ROUND, kappa_num=2**31 - 1, kappa_den=2**31 - 1),
    ),
    "the largest battery": (
        small(storages=(HILL,), connections=(replace(WIDE, import_nano_per_wh=(0,), export_nano_per_wh=(0,)),), **OPEN),
        Solution(ROUND, ((MAX_ENERGY,),), ((0,),)),
    ),
    "energy that has no room": (
        small(storages=(HILL,), connections=(replace(WIDE, import_nano_per_wh=(0,), export_nano_per_wh=(0,)),), **OPEN),
        Solution(ROUND, ((MAX_ENERGY,),), ((MAX_ENERGY,),)),
    ),
    "charge where nothing can be discharged": (
        small(storages=(replace(HILL, most_charge_wh=(7,), most_discharge_wh=(0,)),), connections=(WIDE,), **OPEN),
        Solution(ROUND, ((8,),), ((0,),)),
    ),
    "a battery below empty": (
        small(
            storages=(Storage("cell", "ann", 9, 5, (9,), (9,), end_value_nano_per_wh=0),), connections=(WIDE,), **OPEN
        ),
        Solution(ROUND, ((0,),), ((6,),)),
    ),
    "a charge state beyond 64 bits": (
        small(
            intervals=192,
            storages=(Storage("cell", "ann", 9, 0, (9,) * 192, (9,) * 192, 1, 1_000),),
            reference_nano_per_wh=(1,) * 192,
        ),
        Solution(ROUND, ((MAX_ENERGY,) * 192,), ((MAX_ENERGY,) * 192,)),
    ),
    "nothing at all": (small(reference_nano_per_wh=(1,)), Solution(ROUND)),
    "demand and no supply": (small(demands=(Demand("ann", (5,)),), reference_nano_per_wh=(1,)), Solution(ROUND)),
    "a bid and no supply": (small(bids=(Bid("ann", 3, (5,)),), reference_nano_per_wh=(1,)), Solution(ROUND)),
    "a load beyond all": (
        small(loads=(Load("car", "ann", MAX_ENERGY, MAX_ENERGY, 0, 1, 0),), connections=(WIDE,), **OPEN),
        Solution(ROUND, load_wh=((2**34,),)),
    ),
    "emissions beyond 64 bits": (
        small(
            sources=tuple(source(name, (0, MAX_ENERGY), factor_ug_per_wh=MAX_FACTOR) for name in "abcde"),
            demands=(Demand("ann", (MAX_ENERGY,)),) * 5,
            reference_nano_per_wh=(1,),
            offer_cap_nano_per_wh=1,
            shed_nano_per_wh=(1,),
        ),
        Solution(ROUND),
    ),
    "energy below nothing": (small(storages=(HILL,), reference_nano_per_wh=(1,)), Solution(ROUND, ((-5,),), ((0,),))),
    "energy beyond 64 bits": (
        small(storages=(HILL,), reference_nano_per_wh=(1,)),
        Solution(ROUND, ((2**70,),), ((0,),)),
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_both_ways_say_the_same_at_the_bounds(name: str) -> None:
    same(*(EDGES[name]))


@st.composite
def wild(draw: st.DrawFn) -> tuple[Case, Solution]:
    """A case with a solution of any numbers that a document may have, in its shape or nearly."""
    case = draw(cases(most_wh=draw(st.sampled_from((4, 2**20, 2**34)))))
    assume(isinstance(check.ready(case), check.Ready))
    wh = st.sampled_from((0, 1, 2**20, MAX_ENERGY)) | st.integers(0, MAX_ENERGY)
    spare = draw(st.sampled_from((0, 0, 0, 1)))

    def grid(count: int) -> tuple[tuple[int, ...], ...]:
        row = st.tuples(*[wh] * (case.intervals + spare * draw(st.integers(0, 1))))
        return tuple(draw(row) for _ in range(count + spare * draw(st.integers(0, 1))))

    flow = st.builds(
        LineFlow,
        st.integers(0, len(case.lines)),
        st.integers(0, case.intervals),
        st.sampled_from((0, MAX_ENERGY, -MAX_ENERGY)) | st.integers(-4, 4),
    )
    weight = st.sampled_from((0, 1, -(2**60), 2**60)) | st.integers(-(2**60), 2**60)
    return case, Solution(
        ROUND,
        grid(len(case.storages)),
        grid(len(case.storages)),
        grid(len(case.loads)),
        grid(sum(one.ramp_wh is not None for one in case.sources)),
        grid(len(providers(case))),
        draw(st.sampled_from((0, 1, MAX_WEIGHT))),
        draw(st.sampled_from((1, 2, MAX_WEIGHT))),
        draw(st.sampled_from((0, 1, WEIGHT_ONE - 1, WEIGHT_ONE))),
        tuple(draw(st.lists(flow, max_size=4))),
        tuple(Multiplier(row, draw(weight)) for row in draw(st.lists(st.integers(0, 30), max_size=4))),
    )


@settings(max_examples=60)
@given(wild())
def test_no_numbers_make_a_check_raise(pair: tuple[Case, Solution]) -> None:
    (found,) = same(*pair)
    event(found.code if isinstance(found, Refusal) else "passed")
