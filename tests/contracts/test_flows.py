"""Loops and flows of networks against an exact solution in rational numbers."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.program.case import Case, Line
from contracts.program.flows import cycles, derive, network
from contracts.program.zones import zones
from tests.contracts.dispatch_cases import one

REACTANCES = st.integers(1, 9) | st.sampled_from([10**6, 2**31 - 1])


@st.composite
def networks(draw: st.DrawFn) -> tuple[Case, list[int]]:
    """Joined places with any further lines, and what each place has left."""
    count = draw(st.integers(1, 7))
    ends = [(draw(st.integers(0, i)), i + 1) for i in range(count - 1)]
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] != pair[1])
    ends = draw(st.permutations(ends + (draw(st.lists(pairs, max_size=8)) if count > 1 else [])))
    lines = tuple(
        Line(f"n{i}", f"p{first}", f"p{second}", (10**6,), draw(REACTANCES)) for i, (first, second) in enumerate(ends)
    )
    case = one(lines=lines)
    left = [draw(st.integers(-1000, 1000)) for _ in network(case).places]
    if left:
        left[0] -= sum(left)
    return case, left


def exact_flows(case: Case, left: list[int]) -> list[Fraction]:
    """From potentials: Gauss over rational numbers, the first place at zero."""
    net = network(case)
    size = len(net.places)
    rows = [[Fraction(0)] * size + [Fraction(energy)] for energy in left]
    for (first, second), line in zip(net.ends, case.lines, strict=True):
        for here, there in ((first, second), (second, first)):
            rows[here][here] += Fraction(1, line.reactance_npu)
            rows[here][there] -= Fraction(1, line.reactance_npu)
    rows[0] = [Fraction(1)] + [Fraction(0)] * size
    for i in range(size):
        pivot = next(k for k in range(i, size) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(size):
            if k != i and rows[k][i]:
                rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    angle = [row[-1] for row in rows]
    return [
        (angle[first] - angle[second]) / line.reactance_npu
        for (first, second), line in zip(net.ends, case.lines, strict=True)
    ]


@given(networks())
@settings(max_examples=180)
def test_flows_balance_to_the_wh_and_are_less_than_one_from_the_solution(drawn: tuple[Case, list[int]]) -> None:
    case, left = drawn
    if not case.lines:
        return
    net = network(case)
    flow_wh = derive(case, net, left, {})
    balance = list(left)
    for (first, second), flow in zip(net.ends, flow_wh, strict=True):
        balance[first] -= flow
        balance[second] += flow
    assert not any(balance)
    tolerance = Fraction(1, 2**20)
    for flow, exact in zip(flow_wh, exact_flows(case, left), strict=True):
        assert abs(flow - exact) < 1 + tolerance
    for loop in cycles(case):
        drop = sum(sign * case.lines[number].reactance_npu * flow_wh[number] for number, sign in loop)
        assert abs(drop) <= 2 * sum(case.lines[number].reactance_npu for number, _ in loop)


@given(networks(), st.data())
@settings(max_examples=100)
def test_zones_are_what_the_lines_left_join(drawn: tuple[Case, list[int]], data: st.DataObject) -> None:
    case, _ = drawn
    net = network(case)
    removed: dict[int, int] = {}
    for number in range(len(case.lines)):
        if number not in removed and data.draw(st.booleans()):
            mesh = net.mesh_of[number]
            removed.update((other, 0) for other in (net.meshes[mesh].lines if mesh >= 0 else (number,)))
    group = list(range(len(net.places)))
    for _ in net.places:
        for number, (first, second) in enumerate(net.ends):
            if number not in removed:
                group[first] = group[second] = min(group[first], group[second])
    assert list(zones(net, removed)) == group


@given(networks())
@settings(max_examples=100)
def test_lines_are_in_one_mesh_exactly_when_one_way_around_passes_both(drawn: tuple[Case, list[int]]) -> None:
    """A line is in a loop if its ends stay joined without it; two are in one mesh if taking one away changes whether
    the other is in a loop, or some chain of such lines joins them."""
    case, _ = drawn
    net = network(case)

    def joined(removed: set[int], first: int, second: int) -> bool:
        found, waiting = {first}, [first]
        while waiting:
            place = waiting.pop()
            for number, ends in enumerate(net.ends):
                if number not in removed and place in ends:
                    other = ends[0] + ends[1] - place
                    if other not in found:
                        found.add(other)
                        waiting.append(other)
        return second in found

    for number, ends in enumerate(net.ends):
        assert (net.mesh_of[number] >= 0) == joined({number}, *ends)
    for mesh in net.meshes:
        assert len(mesh.loops) == len(mesh.lines) - len({place for n in mesh.lines for place in net.ends[n]}) + 1
        for number in mesh.lines:
            for other in range(len(net.ends)):
                if other != number and net.mesh_of[other] >= 0 and not joined({number, other}, *net.ends[number]):
                    assert other in mesh.lines


def test_a_loop_of_three_shares_a_flow_by_reactance() -> None:
    """Book case: 90 Wh from x to z, two thirds over the line between, one third the long way."""
    lines = (Line("x-y", "x", "y", (99,)), Line("y-z", "y", "z", (99,)), Line("x-z", "x", "z", (99,)))
    case = one(lines=lines)
    assert derive(case, network(case), [90, 0, -90], {}) == [30, 30, 60]
    assert derive(case, network(case), [100, 0, -100], {}) == [33, 33, 67], "the nearest whole flows"
    assert derive(case, network(case), [101, 0, -101], {}) == [34, 34, 67]
    assert derive(case, network(case), [-100, 0, 100], {}) == [-33, -33, -67]
    assert derive(case, network(case), [90, 0, -90], {0: 20, 1: 20, 2: 70}) == [20, 20, 70]


def test_a_hundred_loops_through_one_line_are_as_exact_as_one() -> None:
    """Rounding each chord alone would leave the shared line fifty Wh off."""
    lines = [Line("shared", "x", "y", (10**9,), 10**6)]
    for i in range(100):
        lines += [
            Line(f"a{i}", "x", f"m{i}", (10**9,), 10**6 + i),
            Line(f"b{i}", f"m{i}", "y", (10**9,), 10**6 - i),
        ]
    case = one(lines=tuple(lines))
    net = network(case)
    left = [1_000_003, -1_000_003] + [0] * 100
    flow_wh = derive(case, net, left, {})
    for loop in cycles(case):
        drop = sum(sign * case.lines[number].reactance_npu * flow_wh[number] for number, sign in loop)
        assert abs(drop) <= 2 * sum(case.lines[number].reactance_npu for number, _ in loop)
