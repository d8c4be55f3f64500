"""Flows in whole Wh for the lines around loops, near those of an optimum.

Rounding each flow by itself leaves a Wh too much or too little at places where nothing can give way: a place with fixed
demand alone, or one that lines only pass. So what leaves each zone is rounded, and flows follow: they differ from those
of the optimum by less than one Wh wherever that is possible, and add up in every zone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping
from math import ceil, floor

Ends = tuple[int, int]
"""Zones that a line leaves and enters."""


def whole_flows(
    flow_wh: Mapping[int, float],
    ends: Mapping[int, Ends],
    limit_wh: Mapping[int, int],
    limited: Collection[int],
    drift_wh: Mapping[int, float],
) -> dict[int, int]:
    """A whole flow within its limit for each line; those of `limited` exactly at theirs.

    `drift_wh` is what each zone puts in more than in the optimum, since storages, loads and ramps were rounded. Where
    zones can not be made to add up, what comes out is near it.
    """
    fixed = {line: limit_wh[line] if flow_wh[line] > 0 else -limit_wh[line] for line in limited}
    found = {line: fixed.get(line, round(wh)) for line, wh in flow_wh.items()}
    missing = _left({**flow_wh, **fixed}, ends, drift_wh)
    for line, (first, second) in ends.items():
        missing[first] -= found[line]
        missing[second] += found[line]
    for spare in (0, 1):
        bounds = {
            line: (max(-limit_wh[line], floor(wh) - spare), min(limit_wh[line], ceil(wh) + spare))
            for line, wh in flow_wh.items()
        }
        bounds |= {line: (wh, wh) for line, wh in fixed.items()}
        while any(missing.values()) and _shift(found, ends, bounds, missing):
            pass
    return found


def _left(flow_wh: Mapping[int, float], ends: Mapping[int, Ends], drift_wh: Mapping[int, float]) -> dict[int, int]:
    """What leaves each zone, whole and nothing in all: those that were furthest from whole give way."""
    real = dict.fromkeys((zone for pair in ends.values() for zone in pair), 0.0)
    for line, (first, second) in ends.items():
        real[first] += flow_wh[line]
        real[second] -= flow_wh[line]
    for zone in real:
        real[zone] += drift_wh.get(zone, 0.0)
    whole = {zone: round(wh) for zone, wh in real.items()}
    over = sum(whole.values())
    step = 1 if over < 0 else -1
    for zone in sorted(whole, key=lambda zone: step * (whole[zone] - real[zone]))[: abs(over)]:
        whole[zone] += step
    return whole


def _shift(
    found: dict[int, int],
    ends: Mapping[int, Ends],
    bounds: Mapping[int, tuple[int, int]],
    missing: dict[int, int],
) -> bool:
    """One Wh more from a zone that lets out too little to the nearest with too much; False: there is no way."""
    near: dict[int, list[tuple[int, int, int]]] = {}
    for line, (first, second) in ends.items():
        low, high = bounds[line]
        if found[line] < high:
            near.setdefault(first, []).append((second, line, 1))
        if found[line] > low:
            near.setdefault(second, []).append((first, line, -1))
    starts = [zone for zone, wh in missing.items() if wh > 0]
    came: dict[int, tuple[int, int, int] | None] = dict.fromkeys(starts)
    waiting = deque(starts)
    while waiting:
        zone = waiting.popleft()
        if missing[zone] < 0:
            _move(found, came, missing, zone)
            return True
        for other, line, sign in near.get(zone, ()):
            if other not in came:
                came[other] = (zone, line, sign)
                waiting.append(other)
    return False


def _move(
    found: dict[int, int], came: Mapping[int, tuple[int, int, int] | None], missing: dict[int, int], zone: int
) -> None:
    missing[zone] += 1
    while (step := came[zone]) is not None:
        zone, line, sign = step
        found[line] += sign
    missing[zone] -= 1
