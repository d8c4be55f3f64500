"""Arrays against Python's integers: one verdict, to the last figure, or one refusal, to the last word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from msgspec.structs import replace

from contracts.program import check
from contracts.program.case import WEIGHT_ONE, Bid, Case, Connection, Demand, Load, Solution, Storage
from contracts.program.fallback import fallback
from contracts.program.verdict import Refusal, Verdict
from contracts.units import MAX_ENERGY, MAX_PRICE
from devnet.bench.dispatch_cases import drawn_plan, make
from tests.program.cases import ROUND, small, source
from tests.program.solved import solved


def plain(value: Any) -> Any:
    """Rows as tuples, to compare what is in them."""
    return tuple(map(plain, value)) if isinstance(value, list | tuple) else value


def integers(value: Any) -> bool:
    """Whether all that is in there is Python's own."""
    return all(map(integers, value)) if isinstance(value, list | tuple) else type(value) in (int, bool)


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


@settings(max_examples=100)
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
    "nothing at all": (small(reference_nano_per_wh=(1,)), Solution(ROUND)),
    "demand and no supply": (small(demands=(Demand("ann", (5,)),), reference_nano_per_wh=(1,)), Solution(ROUND)),
    "a bid and no supply": (small(bids=(Bid("ann", 3, (5,)),), reference_nano_per_wh=(1,)), Solution(ROUND)),
    "a load beyond all": (
        small(loads=(Load("car", "ann", MAX_ENERGY, MAX_ENERGY, 0, 1, 0),), connections=(WIDE,), **OPEN),
        Solution(ROUND, load_wh=((2**34,),)),
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
