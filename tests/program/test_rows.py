"""Rows, boxes and costs against a second description of them, and points against schedules."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.program.case import Case, Line
from contracts.program.flows import cycles, places
from contracts.program.points import point, row_name, schedule, variable_name
from contracts.program.rows import Program, evaluate, program
from tests.program import naive
from tests.program.cases import PLACES, cases, small

ROWS = ("balance", "soc", "sharing", "end", "need", "ramp", "spinning", "headroom", "stored", "loop", "carbon")
VARIABLES = (
    "block",
    "import",
    "unserved",
    "shed",
    "charge",
    "discharge",
    "soc",
    "credit",
    "load",
    "undelivered",
    "reserve",
    "flow",
)


def row(program: Program, number: int) -> list[tuple[int, int]]:
    """Entries of a row."""
    here = slice(program.starts[number], program.starts[number + 1])
    return list(zip(program.columns[here], program.values[here], strict=True))


@settings(max_examples=60)
@given(cases())
def test_every_row_and_box_is_the_one_that_its_name_says(case: Case) -> None:
    found = program(case)
    assert tuple(found.variables) == VARIABLES and tuple(found.rows) == ROWS
    for spans, count in ((found.variables, len(found.lo)), (found.rows, len(found.row_lo))):
        assert [number for span in spans.values() for number in span] == list(range(count))
    names = [variable_name(found, j) for j in range(len(found.lo))]
    assert dict(zip(names, zip(found.lo, found.hi, found.cost, strict=True), strict=True)) == naive.boxes(case)
    assert len(set(names)) == len(names)
    assert {name: ug for name, ug in zip(names, found.emission, strict=True) if ug} == naive.emissions(case)
    wanted = naive.rows(case)
    assert sorted(row_name(found, i) for i in range(len(found.row_lo))) == sorted(wanted)
    for i in range(len(found.row_lo)):
        entries = row(found, i)
        lo, terms, hi = wanted[row_name(found, i)]
        assert {names[j]: a for j, a in entries} == terms
        assert [j for j, _ in entries] == sorted(j for j, _ in entries)
        corners = [sorted((a * found.lo[j], a * found.hi[j])) for j, a in entries]
        assert found.row_lo[i] == (sum(corner[0] for corner in corners) if lo is None else lo)
        assert found.row_hi[i] == (sum(corner[1] for corner in corners) if hi is None else hi)


@settings(max_examples=60)
@given(cases(), st.data())
def test_a_point_is_its_schedule_and_a_schedule_its_point(case: Case, data: st.DataObject) -> None:
    found = program(case)
    any_point = [data.draw(st.integers(lo, hi)) for lo, hi in zip(found.lo, found.hi, strict=True)]
    told = schedule(found, any_point)
    again = point(found, told)
    assert schedule(found, again) == told
    for kind in ("import", "unserved", "shed", "charge", "discharge", "soc", "load", "reserve", "flow"):
        span = found.variables[kind]
        assert again[span.start : span.stop] == any_point[span.start : span.stop], kind
    for t in range(case.intervals):
        for i, source in enumerate(case.sources):
            assert _blocks(case, found, again, i, t) == _in_order(source.blocks[t], told.source_wh[i][t])


def _blocks(case: Case, found: Program, x: list[int], which: int, t: int) -> list[int]:
    name = f"of source {case.sources[which].id} in interval {t}"
    return [x[j] for j in found.variables["block"] if variable_name(found, j).endswith(name)]


def _in_order(blocks: Any, total: int) -> list[int]:
    taken = [
        max(0, min(block.energy_wh, total - sum(b.energy_wh for b in blocks[:i]))) for i, block in enumerate(blocks)
    ]
    assert sum(taken) == total
    return taken


@settings(max_examples=60)
@given(cases(), st.data())
def test_activity_and_cost_are_sums(case: Case, data: st.DataObject) -> None:
    found = program(case)
    x = [data.draw(st.integers(-(2**70), 2**70)) for _ in found.lo]
    told = evaluate(found, x)
    assert told.cost_nano == sum(map(lambda c, v: c * v, found.cost, x))
    assert list(told.activity) == [sum(a * x[j] for j, a in row(found, i)) for i in range(len(found.row_lo))]


@st.composite
def networks(draw: st.DrawFn) -> Case:
    names = [*PLACES, "west", "hub"][: draw(st.integers(2, 5))]
    ends = st.permutations(names).map(lambda order: order[:2])
    pairs = draw(st.lists(ends, max_size=9))
    return small(lines=tuple(Line(f"line-{i}", a, b, (1,)) for i, (a, b) in enumerate(pairs)))


@settings(max_examples=100)
@given(networks())
def test_loops_are_a_basis(case: Case) -> None:
    """Each is closed, they are as many as there can be, and each has a line that no other has."""
    found = cycles(case)
    components = {place: {place} for place in places(case)}
    for line in case.lines:
        union = components[line.from_place] | components[line.to_place]
        for place in union:
            components[place] = union
    parts = len({id(component) for component in components.values()})
    assert len(found) == len(case.lines) - len(components) + parts
    for loop in found:
        net: dict[str, int] = {}
        for number, sign in loop:
            line = case.lines[number]
            net[line.from_place] = net.get(line.from_place, 0) - sign
            net[line.to_place] = net.get(line.to_place, 0) + sign
        assert not any(net.values())
        assert [number for number, _ in loop] == sorted({number for number, _ in loop})
        closing = loop[-1]
        assert closing[1] == 1 and sum(closing[0] in {number for number, _ in other} for other in found) == 1


def test_loops_follow_the_order_of_the_lines() -> None:
    """A square with a diagonal and a doubled side: known by hand."""
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("c", "a"), ("b", "a")]
    case = small(lines=tuple(Line(f"l-{i}", a, b, (1,)) for i, (a, b) in enumerate(pairs)))
    assert places(case) == ("a", "b", "c", "d")
    assert cycles(case) == (((0, -1), (1, -1), (2, -1), (3, 1)), ((0, 1), (1, 1), (4, 1)), ((0, 1), (5, 1)))
