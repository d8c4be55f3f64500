"""Places and lines: which there are, and the loops that they form.

A network without loops carries what its places lack and have left, by balance alone. Each loop adds Kirchhoff's second
law as one row: around it, reactance times flow sums to nothing but rounding. Which loops are rows is fixed by the order
of the lines in the case, so that everybody has the same.
"""

from __future__ import annotations

from itertools import chain

from contracts.program.case import Case, Line

Cycle = tuple[tuple[int, int], ...]
"""Lines of a loop by number, ascending, each with 1 if it is passed from its first place to its second, else -1."""


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
    tree: dict[str, list[tuple[str, int, int]]] = {place: [] for place in places(case)}
    group = {place: place for place in tree}
    found: list[Cycle] = []
    for number, line in enumerate(case.lines):
        first, second = _root(group, line.from_place), _root(group, line.to_place)
        if first == second:
            found.append(_loop(tree, number, line))
        else:
            group[second] = first
            tree[line.from_place].append((line.to_place, number, 1))
            tree[line.to_place].append((line.from_place, number, -1))
    return tuple(found)


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
