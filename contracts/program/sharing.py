"""Which zones share a price although a line between them is at its limit, or was declared with one that is.

Those that merit order over both sides would not separate: it would send no more than the lines between them carry, but
for the slack. Otherwise pushing a line to its limit would move prices. Lines that are not at their limits (they are in
a mesh with one that is) come first, so that a place joins the side from which it could get more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from contracts.units import PPM

MAX_PASSES = 4
"""Over the lines; who has not come to share a price by then does not."""

Step = tuple[int, int, int, int]
"""Of a stack: key, price, class, energy."""


class Zone(NamedTuple):
    """What decides the price of places that share one."""

    steps: Sequence[Step]
    """In order, equal keys cheapest first."""
    below: Sequence[Step]
    """Lower ends of ramp-limited sources, in the same order."""
    total_wh: int
    """What the stack is filled to but for what declared lines carry."""
    local_wh: int
    """Real supply but for what declared lines bring."""
    keys: Sequence[int]
    sums_wh: Sequence[int]
    """Up to each step."""


class Carried(NamedTuple):
    """A declared line in one interval."""

    ends: tuple[int, int]
    """Its zones."""
    flow_wh: int
    full: bool
    """It is at its limit."""


def as_zone(steps: Sequence[Step], below: Sequence[Step], total_wh: int, local_wh: int) -> Zone:
    """Of steps that are in order."""
    sums_wh = list(accumulate(step[3] for step in steps))
    return Zone(steps, below, total_wh, local_wh, [step[0] for step in steps], sums_wh)


class Groups:
    """Zones as they come to share prices; a group is called by its first zone."""

    def __init__(self, slack_ppm: int, zones: Mapping[int, Zone], lines: Sequence[Carried]) -> None:
        self._slack_ppm = slack_ppm
        self.zones = dict(zones)
        self.group_of = {name: name for name in zones}
        self._members = {name: [name] for name in zones}
        self._out_wh = dict.fromkeys(zones, 0)
        self._in_wh = dict.fromkeys(zones, 0)
        self._links: dict[int, dict[int, tuple[int, int]]] = {name: {} for name in zones}
        """By group and neighbour: what is sent there on balance, and what lines between them carry either way."""
        for line in lines:
            first, second = line.ends
            self._out_wh[first] += line.flow_wh
            self._out_wh[second] -= line.flow_wh
            self._in_wh[second if line.flow_wh > 0 else first] += abs(line.flow_wh)
            self._link(first, second, line.flow_wh, abs(line.flow_wh))
        for _ in range(MAX_PASSES):
            before = len(self.zones)
            for line in sorted(lines, key=lambda line: line.full):
                first, second = sorted(self.group_of[end] for end in line.ends)
                if first != second and not self._separate(first, second):
                    self._join(first, second)
            if len(self.zones) == before:
                break

    def total_wh(self, name: int) -> int:
        """What the stack of a group is filled to."""
        return self.zones[name].total_wh + self._out_wh[name]

    def real_wh(self, name: int) -> int:
        """Real supply of a group."""
        return self.zones[name].local_wh + self._in_wh[name]

    def _link(self, first: int, second: int, sent_wh: int, either_wh: int) -> None:
        for here, there, wh in ((first, second, sent_wh), (second, first, -sent_wh)):
            known_wh, known_either_wh = self._links[here].get(there, (0, 0))
            self._links[here][there] = (known_wh + wh, known_either_wh + either_wh)

    def _separate(self, first: int, second: int) -> bool:
        """Whether merit order over both would send more than the lines between them carry, by more than the slack."""
        sent_wh, either_wh = self._links[first][second]
        needs_wh = self.total_wh(first) - sent_wh
        slack = self._slack_ppm * (self.real_wh(first) + self.real_wh(second) - either_wh)
        total_wh = self.total_wh(first) + self.total_wh(second)
        least_wh, most_wh = _taken(self.zones[first], self.zones[second], total_wh)
        forth = (least_wh - needs_wh - sent_wh) * PPM > slack
        back = (needs_wh - most_wh + sent_wh) * PPM > slack
        return forth if sent_wh > 0 else back if sent_wh < 0 else forth or back

    def _join(self, first: int, second: int) -> None:
        one, other = self.zones[first], self.zones.pop(second)
        self.zones[first] = as_zone(
            sorted([*one.steps, *other.steps]),
            sorted([*one.below, *other.below]),
            one.total_wh + other.total_wh,
            one.local_wh + other.local_wh,
        )
        for name in self._members[second]:
            self.group_of[name] = first
        self._members[first] += self._members.pop(second)
        links = self._links.pop(second)
        self._out_wh[first] += self._out_wh.pop(second)
        self._in_wh[first] += self._in_wh.pop(second) - links.pop(first)[1]
        del self._links[first][second]
        for neighbour, (sent_wh, either_wh) in links.items():
            del self._links[neighbour][second]
            self._link(first, neighbour, sent_wh, either_wh)


def _taken(one: Zone, other: Zone, total_wh: int) -> tuple[int, int]:
    """Least and most that merit order over both stacks, filled to a total, takes of the first."""
    if total_wh <= 0:
        return 0, 0

    def held_wh(key: int) -> int:
        return _until(one, bisect_right(one.keys, key)) + _until(other, bisect_right(other.keys, key))

    reached: list[int] = []
    for keys in (one.keys, other.keys):
        at = bisect_left(keys, total_wh, key=held_wh)
        reached += keys[at : at + 1]
    if not reached:
        return _until(one, len(one.keys)), _until(one, len(one.keys))
    key = min(reached)
    under_wh, other_under_wh = (_until(side, bisect_left(side.keys, key)) for side in (one, other))
    missing_wh = total_wh - under_wh - other_under_wh
    level_wh = _until(one, bisect_right(one.keys, key)) - under_wh
    other_level_wh = _until(other, bisect_right(other.keys, key)) - other_under_wh
    return under_wh + max(0, missing_wh - other_level_wh), under_wh + min(level_wh, missing_wh)


def _until(side: Zone, count: int) -> int:
    return side.sums_wh[count - 1] if count else 0


def received(group_of: Mapping[int, int], lines: Iterable[Carried], price: dict[int, int]) -> None:
    """Raise prices: who receives over a line at its limit pays no less than who sends."""
    sent = [
        (group_of[line.ends[line.flow_wh < 0]], group_of[line.ends[line.flow_wh > 0]])
        for line in lines
        if line.full and line.flow_wh
    ]
    moved = True
    while moved:
        moved = False
        for sender, receiver in sent:
            if price[receiver] < price[sender]:
                price[receiver] = price[sender]
                moved = True
