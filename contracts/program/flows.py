"""Places and lines: which there are, the loops that they form, and what each line carries.

A network without loops carries what its places lack and have left, by balance alone. Each loop adds Kirchhoff's second
law as one row: around it, reactance times flow sums to nothing but rounding. Which loops are rows is fixed by the order
of the lines in the case, so that everybody has the same.

Flows of a network with loops are solved for in integers of many bits and rounded so that every place balances to the
Wh and every line is less than 1 Wh from the solution; so a loop is less than the sum of its reactances from nothing,
half of what its row allows. Never in floating point: two nodes would disagree about the last Wh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from contracts.program.case import Case, Line

Cycle = tuple[tuple[int, int], ...]
"""Lines of a loop by number, ascending, each with 1 if it is passed from its first place to its second, else -1."""

Ends = Sequence[tuple[int, int]]
"""First and second place of each line."""

MAX_LOOP_WORK = 2**20
"""Loops x loops x intervals: about what finding all flows takes. Of a day of quarter hours 104 loops."""
_BITS = 96
"""Of the fraction while loops are solved for."""
_FLOW_BITS = 32
"""Of the fraction of a flow before it is rounded."""


class Mesh(NamedTuple):
    """Loops that share lines, directly or through others: what one line of them carries moves all the others."""

    lines: tuple[int, ...]
    loops: tuple[Cycle, ...]
    lower: tuple[tuple[int, ...], ...]
    """Factors of the matrix of loops, below the diagonal, in 2^-96."""
    diagonal: tuple[int, ...]


class Network(NamedTuple):
    """Places and lines of a case by number."""

    places: tuple[str, ...]
    ends: tuple[tuple[int, int], ...]
    """First and second place of each line."""
    tree: tuple[tuple[int, int, int, int], ...]
    """Place, its neighbour nearer to the root, the line between, and 1 where this leads away from its first place;
    every place after all that are further from the root."""
    meshes: tuple[Mesh, ...]
    mesh_of: tuple[int, ...]
    """Of each line, -1 for one that is in no loop."""


def places(case: Case) -> tuple[str, ...]:
    """All places that the case names, in the order in which it does."""
    named = chain(
        (source.place for source in case.sources),
        (store.place for store in case.storages),
        (tie.place for tie in case.connections),
        (demand.place for demand in case.demands),
        (bid.place for bid in case.bids),
        (load.place for load in case.loads),
        *((line.from_place, line.to_place) for line in case.lines),
    )
    return tuple(dict.fromkeys(named))


def cycles(case: Case) -> tuple[Cycle, ...]:
    """A basis of all loops: one for each line that joins what lines before it have joined already.

    Such a line and the way between its ends over lines that joined something form its loop; the line itself is passed
    forwards.
    """
    tree, chords = _tree(case)
    return tuple(_loop(tree, number, case.lines[number]) for number in chords)


def loops(case: Case) -> int:
    """How many loops a basis has."""
    return len(_tree(case)[1])


def _tree(case: Case) -> tuple[dict[str, list[tuple[str, int, int]]], list[int]]:
    """Lines that join something, by place, and the others."""
    tree: dict[str, list[tuple[str, int, int]]] = {place: [] for place in places(case)}
    group = {place: place for place in tree}
    chords: list[int] = []
    for number, line in enumerate(case.lines):
        first, second = _root(group, line.from_place), _root(group, line.to_place)
        if first == second:
            chords.append(number)
        else:
            group[second] = first
            tree[line.from_place].append((line.to_place, number, 1))
            tree[line.to_place].append((line.from_place, number, -1))
    return tree, chords


def _root(group: dict[str, str], place: str) -> str:
    while group[place] != place:
        group[place] = group[group[place]]
        place = group[place]
    return place


def _loop(tree: dict[str, list[tuple[str, int, int]]], number: int, line: Line) -> Cycle:
    """The line and the way back over the tree from its second place to its first."""
    came: dict[str, tuple[str, int, int]] = {}
    waiting = [line.to_place]
    while line.from_place not in came:
        place = waiting.pop()
        for other, passed, sign in tree[place]:
            if other not in came and other != line.to_place:
                came[other] = (place, passed, sign)
                waiting.append(other)
    way = {number: 1}
    place = line.from_place
    while place != line.to_place:
        place, passed, sign = came[place]
        way[passed] = sign
    return tuple(sorted(way.items()))


def network(case: Case) -> Network:
    """The network of a case, with its loops solved as far as they do not depend on what is delivered."""
    named = places(case)
    index = {place: number for number, place in enumerate(named)}
    tree, _ = _tree(case)
    order: list[tuple[int, int, int, int]] = []
    seen: dict[str, None] = {}
    for root in named:
        if root in seen:
            continue
        seen[root] = None
        waiting = [root]
        while waiting:
            place = waiting.pop()
            for other, number, sign in tree[place]:
                if other not in seen:
                    seen[other] = None
                    order.append((index[other], index[place], number, -sign))
                    waiting.append(other)
    meshes = _meshes(case)
    mesh_of = [-1] * len(case.lines)
    for number, mesh in enumerate(meshes):
        for line in mesh.lines:
            mesh_of[line] = number
    ends = tuple((index[line.from_place], index[line.to_place]) for line in case.lines)
    return Network(named, ends, tuple(reversed(order)), meshes, tuple(mesh_of))


def _meshes(case: Case) -> tuple[Mesh, ...]:
    """Loops put together where they share a line."""
    found: list[tuple[dict[int, None], list[Cycle]]] = []
    for loop in cycles(case):
        lines, loops = {number: None for number, _ in loop}, [loop]
        apart = []
        for other_lines, other_loops in found:
            if any(number in lines for number in other_lines):
                lines, loops = other_lines | lines, other_loops + loops
            else:
                apart.append((other_lines, other_loops))
        found = [*apart, (lines, loops)]
    return tuple(_mesh(case, tuple(sorted(lines)), tuple(sorted(loops))) for lines, loops in found)


def _mesh(case: Case, lines: tuple[int, ...], loops: tuple[Cycle, ...]) -> Mesh:
    """Factors L and D of the matrix whose entries are the reactances that two loops share: L D L' is it."""
    signs = [dict(loop) for loop in loops]
    lower: list[tuple[int, ...]] = []
    diagonal: list[int] = []
    for i, mine in enumerate(signs):
        row: list[int] = []
        scaled: list[int] = []
        for k in range(i + 1):
            shared = sum(sign * signs[k].get(n, 0) * case.lines[n].reactance_npu for n, sign in mine.items())
            left = (shared << _BITS) - sum(scaled[j] * (row[j] if k == i else lower[k][j]) >> _BITS for j in range(k))
            if k == i:
                diagonal.append(left)
            else:
                scaled.append(left)
                row.append((left << _BITS) // diagonal[k])
        lower.append(tuple(row))
    return Mesh(lines, loops, tuple(lower), tuple(diagonal))


def derive(case: Case, net: Network, left_wh: Sequence[int], declared_wh: Mapping[int, int]) -> list[int]:
    """What each line carries, in Wh, where the places have `left_wh` more than they use and some flows are given.

    What every zone between the declared lines has left is what these carry away; of a mesh all lines are declared or
    none (`contracts.program.zones.declared`). Never looks at limits.
    """
    flow_wh = [0] * len(case.lines)
    rest_wh = list(left_wh)
    for number, carried_wh in declared_wh.items():
        first, second = net.ends[number]
        flow_wh[number] = carried_wh
        rest_wh[first] -= carried_wh
        rest_wh[second] += carried_wh
    for place, nearer, number, sign in net.tree:
        if number not in declared_wh:
            flow_wh[number] = sign * rest_wh[place]
            rest_wh[nearer] += rest_wh[place]
    for mesh in net.meshes:
        if mesh.lines[0] not in declared_wh:
            _around(case, net, mesh, flow_wh)
    return flow_wh


def _around(case: Case, net: Network, mesh: Mesh, flow_wh: list[int]) -> None:
    """Add to flows that balance what runs around the loops of a mesh, rounded."""
    drops = [sum(sign * case.lines[n].reactance_npu * flow_wh[n] for n, sign in loop) for loop in mesh.loops]
    if not any(drops):
        return
    exact = {number: flow_wh[number] << _FLOW_BITS for number in mesh.lines}
    for loop, current in zip(mesh.loops, _solve(mesh, [-drop for drop in drops]), strict=True):
        for number, sign in loop:
            exact[number] += sign * current
    for number, wh in rounded(net.ends, exact, 1 << _FLOW_BITS).items():
        flow_wh[number] = wh


def _solve(mesh: Mesh, right: list[int]) -> list[int]:
    """Currents around the loops that make up for these drops, in 2^-32 Wh."""
    size = range(len(right))
    lower = mesh.lower
    found: list[int] = []
    for i in size:
        found.append((right[i] << _BITS) - sum(lower[i][j] * found[j] >> _BITS for j in range(i)))
    found = [(value << _BITS) // mesh.diagonal[i] for i, value in enumerate(found)]
    for i in reversed(size):
        found[i] -= sum(lower[j][i] * found[j] >> _BITS for j in range(i + 1, len(found)))
    shift = _BITS - _FLOW_BITS
    return [(value + (1 << shift - 1)) >> shift for value in found]


def rounded(ends: Ends, exact: Mapping[int, int], one: int) -> dict[int, int]:
    """Flows in 1/one Wh, which balance, rounded to whole Wh, up or down each, so that every place still balances.

    A place balances in whole Wh, so no place has one fractional line alone: there is a way around over such lines.
    Pushing as much around it as makes one of them whole, the way that takes less, leaves fewer; and no line passes the
    whole numbers beside it.
    """
    flows = dict(exact)
    fractional = {number: None for number, flow in sorted(exact.items()) if flow % one}
    while fractional:
        way = _way_around(ends, fractional)
        up = min(-flows[n] % one if sign > 0 else flows[n] % one for n, sign in way)
        down = min(flows[n] % one if sign > 0 else -flows[n] % one for n, sign in way)
        push = up if up <= down else -down
        for number, sign in way:
            flows[number] += sign * push
            if not flows[number] % one:
                del fractional[number]
    return {number: flow // one for number, flow in flows.items()}


def _way_around(ends: Ends, lines: Mapping[int, None]) -> list[tuple[int, int]]:
    """A way over these lines, lowest number first, that comes back to where it began."""
    at: dict[int, list[int]] = {}
    for number in lines:
        for place in ends[number]:
            at.setdefault(place, []).append(number)
    place = ends[next(iter(lines))][0]
    came, way = -1, []
    passed = {place: 0}
    while True:
        came = next(number for number in at[place] if number != came)
        first, second = ends[came]
        way.append((came, 1 if place == first else -1))
        place = second if place == first else first
        if place in passed:
            return way[passed[place] :]
        passed[place] = len(way)
