"""Static transfer envelopes: proof that no line is overloaded as long as every member stays inside its own.

Flows of a dispatch obey two things: what a place puts in flows out of it, and around each loop reactance times flow
sums to nothing but rounding (rows of `contracts.program`). For any line, any weight per place and any weight per loop,
its flow is at most the largest weighted sum of what the places may put in, plus what rounding around the loops adds,
plus what the weights leave over of the other lines. So weights need not be right, only good: a wrong one proves less,
never too much. They come from eliminating the network in whole numbers; what the proof rests on is exact.

For a line in no loop the weights are exact, and so is the bound. Never asks what members want, only what they may.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from contracts.network.lines import loops
from contracts.network.records import Branch, Network
from contracts.program.flows import Cycle
from contracts.units import energy_wh

MAX_SIZE = 2**19
"""Of lines x (places + lines)."""
MAX_PROOF = 2**20
"""Places, lines and lines of loops that are looked at in one proof: about half a second."""
ROUNDING_PER_REACTANCE = 2
"""Of a cycle row: reactance times flow around a loop stays within so many times the sum of its reactances."""
_ONE = 1 << 128
"""Scale of weights of places."""
_CONDUCTANCE = 1 << 160
"""Divided by the reactance."""


class Load(NamedTuple):
    """Most that one line has to carry, either way, in Wh per interval."""

    line: str
    most_wh: int
    limit_wh: int


def size(network: Network) -> int:
    """What a proposal pays for, before anybody knows the loops."""
    return len(network.lines) * (len(network.places) + len(network.lines))


def work(network: Network) -> int:
    """What `heaviest` has to look at: nothing more than this takes time."""
    found = loops(network)
    meshed = {line for loop in found for line, _ in loop}
    turns = sum(map(len, found))
    return len(network.lines) * len(network.places) + len(meshed) * (4 * len(network.places) + turns)


@lru_cache(maxsize=4)
def heaviest(network: Network, interval_ms: int) -> tuple[Load, ...]:
    """For each line a proven bound of its flow while everybody keeps to its envelope and energy balances.

    The network is registered, or would be but for its limits: connected, with reactances. Flows are whole, so what
    bounds them is rounded down. Remembered, since who approves a proposal asks again what its proposer asked.
    """
    number = {place.id: index for index, place in enumerate(network.places)}
    boxes = [(0, 0)] * len(number)
    for transfer in network.transfers:
        least, most = boxes[number[transfer.place]]
        boxes[number[transfer.place]] = (
            least - energy_wh(transfer.import_w, interval_ms),
            most + energy_wh(transfer.export_w, interval_ms),
        )
    ends = [(number[line.from_place], number[line.to_place]) for line in network.lines]
    found = loops(network)
    meshed = frozenset(line for loop in found for line, _ in loop)
    steps = _eliminate(len(number), ends, network.lines) if meshed else []
    sides = _Sides(len(number), ends)
    bounds: list[tuple[int, int]] = []
    for line, (first, second) in enumerate(ends):
        if line in meshed:
            weights = _weights(steps, len(number), first, second, _CONDUCTANCE // network.lines[line].reactance_npu)
            bounds.append(_bound(network.lines, ends, found, boxes, weights, line))
        else:
            bounds.append((_most(boxes, sides.of(line)), 0))
    # What is left over of the weights may be carried by the busiest line: bounded by itself, so solved for it.
    left = max((over for _, over in bounds), default=0)
    assert 2 * left < _ONE, "weights are as good as the conductances that they come from"
    busiest = -(-max((most for most, _ in bounds), default=0) // (_ONE - left))
    return tuple(
        Load(line.id, (most + over * busiest) // _ONE, energy_wh(line.limit_w, interval_ms))
        for line, (most, over) in zip(network.lines, bounds, strict=True)
    )


def _most(boxes: Sequence[tuple[int, int]], weights: Sequence[int]) -> int:
    """Largest modulus of the weighted sum of what places put in, where all of it sums to nothing."""
    order = sorted(range(len(weights)), key=lambda place: weights[place])
    return max(_greatest(boxes, weights, order[::-1]), _greatest(boxes, [-one for one in weights], order))


def _greatest(boxes: Sequence[tuple[int, int]], weights: Sequence[int], order: Sequence[int]) -> int:
    """Everybody takes all it may; then those with the largest weights put in, until nothing is missing."""
    missing = -sum(least for least, _ in boxes)
    total = sum(least * weight for (least, _), weight in zip(boxes, weights, strict=True))
    for place in order:
        least, most = boxes[place]
        given = min(missing, most - least)
        total += given * weights[place]
        missing -= given
    return total


def _bound(
    lines: Sequence[Branch],
    ends: Sequence[tuple[int, int]],
    found: Sequence[Cycle],
    boxes: Sequence[tuple[int, int]],
    weights: Sequence[int],
    line: int,
) -> tuple[int, int]:
    """Bound of the flow of `line` by places and loops, and the part of the busiest line's that comes on top; both in
    1/_ONE."""
    over = [-(weights[first] - weights[second]) for first, second in ends]
    over[line] += _ONE
    turning = 0
    for loop in found:
        # Its own line, the last one, is in no other loop, and is passed forwards.
        own = loop[-1][0]
        turn = over[own] // lines[own].reactance_npu
        turning += abs(turn) * ROUNDING_PER_REACTANCE * sum(lines[passed].reactance_npu for passed, _ in loop)
        for passed, sign in loop:
            over[passed] -= sign * turn * lines[passed].reactance_npu
    return _most(boxes, weights) + turning, sum(map(abs, over))


Step = tuple[int, int, tuple[tuple[int, int], ...]]
"""A place, the sum of its conductances, and its neighbours with theirs, when it is taken out of the network."""


def _eliminate(places: int, ends: Sequence[tuple[int, int]], lines: Sequence[Branch]) -> list[Step]:
    """Take out all places but one, those with the fewest neighbours first: each star becomes a mesh of its ends."""
    near: list[dict[int, int]] = [{} for _ in range(places)]
    for (first, second), line in zip(ends, lines, strict=True):
        conductance = _CONDUCTANCE // line.reactance_npu
        near[first][second] = near[second][first] = near[first].get(second, 0) + conductance
    steps: list[Step] = []
    left = dict.fromkeys(range(places))
    while len(left) > 1:
        place = min(left, key=lambda one: len(near[one]))
        del left[place]
        around = tuple(sorted(near[place].items()))
        total = sum(conductance for _, conductance in around)
        steps.append((place, total, around))
        for position, (one, to_one) in enumerate(around):
            del near[one][place]
            for other, to_other in around[position + 1 :]:
                between = near[one].get(other, 0) + to_one * to_other // total
                near[one][other] = near[other][one] = between
    return steps


def _weights(steps: Sequence[Step], places: int, first: int, second: int, conductance: int) -> list[int]:
    """Share of each Wh put in at a place, and taken out at the last one, that flows from `first` to `second` over a
    line of this conductance; in 1/_ONE."""
    given = [0] * places
    given[first], given[second] = conductance * _ONE, -conductance * _ONE
    for place, total, around in steps:
        if given[place]:
            for other, to_other in around:
                given[other] += given[place] * to_other // total
    weights = [0] * places
    for place, total, around in reversed(steps):
        weights[place] = (given[place] + sum(to_other * weights[other] for other, to_other in around)) // total
    return weights


class _Sides:
    """Which places are behind a line that is in no loop."""

    def __init__(self, places: int, ends: Sequence[tuple[int, int]]) -> None:
        self._ends = ends
        self._near: list[list[tuple[int, int]]] = [[] for _ in range(places)]
        for line, (first, second) in enumerate(ends):
            self._near[first].append((second, line))
            self._near[second].append((first, line))

    def of(self, line: int) -> list[int]:
        """_ONE for each place on the side of the line's first one."""
        weights = [0] * len(self._near)
        waiting = [self._ends[line][0]]
        weights[waiting[0]] = _ONE
        while waiting:
            for other, over in self._near[waiting.pop()]:
                if over != line and not weights[other]:
                    weights[other] = _ONE
                    waiting.append(other)
        return weights
