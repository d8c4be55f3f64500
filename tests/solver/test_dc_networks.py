"""DC optimal power flow: textbook cases through builder and certificate, against PYPOWER and by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy
import pytest
from pypower.api import case9, case14, case30, ppoption, rundcopf

from contracts.program.case import Block, Case, Demand, Line, LineFlow, Solution, Source, Storage
from contracts.program.check import check
from contracts.program.flows import places
from contracts.program.verdict import Refusal, Verdict
from node.solver.build import Built, build
from tests.support.networks import NANO_PER_DOLLAR, dc_case, dollars

Make = Callable[[], dict[str, Any]]


def prepared(make: Make, limits: dict[int, float] | None = None, scale: float = 0.0) -> dict[str, Any]:
    """A case of floats whose units may stand still, with these limits in MW by line, or all of its own scaled."""
    case = make()
    for name in ("bus", "gen", "branch", "gencost"):
        case[name] = case[name].astype(float)
    case["gen"][:, 9] = 0
    case["branch"][:, 5] *= scale
    for line, limit_mw in (limits or {}).items():
        case["branch"][line, 5] = limit_mw
    return case


def theirs(case: dict[str, Any]) -> dict[str, Any]:
    copied = {name: value.copy() if isinstance(value, numpy.ndarray) else value for name, value in case.items()}
    found = rundcopf(copied, ppoption(VERBOSE=0, OUT_ALL=0))
    assert found["success"]
    return found


def certified(case: Case) -> Built:
    built = build(case, 30.0)
    assert built.verdict.certified and not sum(map(sum, built.verdict.schedule.served_wh)) < sum(
        sum(demand.energy_wh) for demand in case.demands
    )
    return built


def price(case: Case, verdict: Verdict, place: str) -> float:
    """Dollars per MWh."""
    return verdict.price_nano_per_wh[places(case).index(place)][0] / NANO_PER_DOLLAR


def test_ieee_14_costs_what_is_published_at_one_price() -> None:
    """7642.593735 dollars an hour. Secant blocks of half a MW cost at most a few cents more."""
    case = prepared(case14)
    built = certified(dc_case(case, 0.5))
    cost = dollars(case, built.verdict.cost_nano)
    assert 7642.593735 <= cost <= 7642.593735 + 0.01
    assert dollars(case, built.verdict.bound_nano) <= cost
    assert {one[0] for one in built.verdict.zones} == {0}
    (only,) = {one[0] for one in built.verdict.price_nano_per_wh}
    # The block that is reached begins at most half a MW below: 2 x 0.043 x 0.5 dollars for the steepest unit.
    assert only / NANO_PER_DOLLAR == pytest.approx(theirs(case)["bus"][0, 13], abs=0.05)


def test_both_sides_of_ties_at_their_limits_have_the_prices_of_their_sides() -> None:
    """Nine buses at two fifths of their limits: the ties of two units are full, and each has its own price."""
    case = prepared(case9, scale=0.4)
    found = theirs(case)
    program = dc_case(case, 0.25)
    built = certified(program)
    assert dollars(case, built.verdict.cost_nano) == pytest.approx(found["f"], abs=0.01)
    for row, place in enumerate(sorted(places(program))):
        assert price(program, built.verdict, place) == pytest.approx(found["bus"][row, 13], abs=0.05)
    assert len({one[0] for one in built.verdict.zones}) == 3


@pytest.mark.parametrize(
    ("make", "line", "share", "block_mw"),
    [(case9, 1, 0.8, 1.0), (case9, 7, 0.8, 1.0), (case14, 0, 0.8, 1.0), (case14, 9, 0.8, 1.0)]
    + [(case30, line, 0.8, 0.25) for line in (0, 5, 14, 30)],
)
def test_a_line_in_a_mesh_at_its_limit_costs_what_it_costs_there(
    make: Make, line: int, share: float, block_mw: float
) -> None:
    """One line may carry four fifths of what it would: everything around it is dispatched otherwise."""
    free = theirs(prepared(make))
    case = prepared(make, {line: round(abs(free["branch"][line, 13]) * share, 3)})
    found = theirs(case)
    assert found["f"] > free["f"]
    program = dc_case(case, block_mw)
    built = certified(program)
    cost = dollars(case, built.verdict.cost_nano)
    # Whole Wh may miss loops by a little, which saves next to nothing; blocks cost a few cents.
    assert found["f"] - 0.001 <= cost <= found["f"] + 0.08
    assert dollars(case, built.verdict.bound_nano) <= found["f"] + 0.08
    carried = [wh[0] for wh in built.verdict.schedule.flow_wh]
    assert abs(carried[line]) == program.lines[line].limit_wh[0]
    units = {name: 0 for name in dict.fromkeys(source.organisation for source in program.sources)}
    for source, wh in zip(program.sources, built.verdict.schedule.source_wh, strict=True):
        units[source.organisation] += wh[0]
    for number, made in enumerate(found["gen"][:, 1]):
        assert units[f"unit-{number}"] == pytest.approx(made * 1e6, abs=2 * block_mw * 1e6)


# By hand

TRIANGLE = Case(
    name="triangle",
    intervals=1,
    binding=1,
    round_id="3b" * 32,
    sources=(
        Source("cheap", "a", ((Block(10_000, 200_000),),), "a"),
        Source("dear", "b", ((Block(20_000, 200_000),),), "b"),
    ),
    demands=(Demand("c", (150_000,), place="c"),),
    lines=(Line("a-b", "a", "b", (10**6,)), Line("a-c", "a", "c", (80_000,)), Line("b-c", "b", "c", (10**6,))),
    reference_nano_per_wh=(20_000,),
)
"""Equal reactances. Of what a gives 2/3 takes the line a-c, of what b gives 1/3: (150 + a) / 3 <= 80, so a = 90 MWh."""


def test_three_buses_around_a_full_line_are_dispatched_to_the_wh_of_the_answer_by_hand() -> None:
    """Flows around the loop may miss by 6 Wh for rounding, so a gives 90,006: a-c 80,000, b-c 70,000, a-b 10,006."""
    built = certified(TRIANGLE)
    schedule = built.verdict.schedule
    assert [row[0] for row in schedule.source_wh] == [90_006, 59_994]
    assert [row[0] for row in schedule.flow_wh] == [10_006, 80_000, 70_000]
    assert built.verdict.cost_nano == 90_006 * 10_000 + 59_994 * 20_000
    assert built.verdict.bound_nano <= built.verdict.cost_nano
    assert price(TRIANGLE, built.verdict, "a") * NANO_PER_DOLLAR == 10_000
    assert price(TRIANGLE, built.verdict, "b") * NANO_PER_DOLLAR == 20_000


def test_a_battery_behind_a_full_line_is_rounded_with_its_flows() -> None:
    """At c nothing gives way but the battery, whose efficiency of 9/11 makes all its energies fractions of a Wh."""
    rising = Source("dear", "b", ((Block(20_000, 200_000),), (Block(29_000, 200_000),)), "b")
    cheap = Source("cheap", "a", ((Block(10_000, 200_000),),) * 2, "a")
    for capacity_wh in (1_001, 4_003, 7_777):
        store = Storage("m-store", "store", capacity_wh, 0, (5_000,) * 2, (5_000,) * 2, 9, 11, place="c")
        case = msgspec.structs.replace(
            TRIANGLE,
            intervals=2,
            sources=(cheap, rising),
            storages=(store,),
            demands=(Demand("c", (150_000, 150_000), place="c"),),
            lines=tuple(msgspec.structs.replace(line, limit_wh=line.limit_wh * 2) for line in TRIANGLE.lines),
            reference_nano_per_wh=(20_000,) * 2,
        )
        built = certified(case)
        assert built.solution.charge_wh[0][0] > 1_000 and built.solution.discharge_wh[0][1] > 600


@pytest.mark.parametrize(
    ("flows", "code"),
    [
        ({0: 10_006, 1: 80_000, 2: 70_000}, "ok"),
        # A flow that is not what Kirchhoff says: one Wh more around the loop than may be missed.
        ({0: 10_007, 1: 80_000, 2: 70_000}, "dispatch.loop"),
        # No line at its limit, also where one is beyond it: nothing may be declared, that would choose who delivers.
        ({0: 10_006, 1: 80_001, 2: 69_999}, "dispatch.flow-free"),
        ({0: 9_000, 1: 79_999, 2: 70_001}, "dispatch.flow-free"),
        # Only a part of the loop.
        ({1: 80_000}, "dispatch.flow-mesh"),
        # Nothing declared: then cheap delivers all, and the line would carry 100,000.
        ({}, "dispatch.line-limit"),
        # 47 Wh of what c wants do not arrive and are shed: possible, and far from the optimum.
        ({0: 10_047, 1: 80_000, 2: 69_953}, "ok"),
        # More arrives at c than it wants.
        ({0: 10_003, 1: 80_000, 2: 70_001}, "dispatch.surplus"),
    ],
)
def test_declared_flows_are_those_of_a_network_or_refused(flows: dict[int, int], code: str) -> None:
    built = certified(TRIANGLE)
    rows = [{"line": line, "interval": 0, "flow_wh": wh} for line, wh in flows.items()]
    answer = check(TRIANGLE, _declaring(built.solution, rows))
    assert (answer.code if isinstance(answer, Refusal) else "ok") == code
    if not isinstance(answer, Refusal):
        shed = 150_000 - answer.schedule.served_wh[0][0]
        assert answer.certified == (shed == 0)


def _declaring(solution: Solution, rows: list[dict[str, int]]) -> Solution:
    return msgspec.structs.replace(solution, flows=tuple(LineFlow(**row) for row in rows))


def test_one_wh_at_a_limit_moves_no_price() -> None:
    """A line that is full without being in anybody's way: both sides keep the one price, at its limit or not."""
    loose = _limited(100_001)
    (free,) = {one[0] for one in certified(loose).verdict.price_nano_per_wh}
    assert free == 10_000
    (full,) = {one[0] for one in certified(_limited(100_000)).verdict.price_nano_per_wh}
    assert full == free


def _limited(limit_wh: int) -> Case:
    lines = (TRIANGLE.lines[0], msgspec.structs.replace(TRIANGLE.lines[1], limit_wh=(limit_wh,)), TRIANGLE.lines[2])
    return msgspec.structs.replace(TRIANGLE, lines=lines)
