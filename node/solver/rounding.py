"""What a builder chooses, in whole Wh: near the optimum, and inside what couples intervals.

Sums are rounded and not single values, so that errors never add up: charging up and discharging down, which leaves a
charge state at or above the optimum's; delivery to a load to the nearest. What an exact row still refuses (a full
battery, time shared by charging and discharging, the charge at the end) is repaired by the Wh that are missing.
All limits are exact integers, whatever the point is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import ceil, floor
from typing import Any, NamedTuple

from contracts.program.case import Case, Source, Storage
from contracts.program.fill import charge_state
from contracts.program.rows import Program, loads_at, most_reserve_wh, offered_wh, providers, rating_wh

NOISE = 1e-6
"""Wh by which a float may miss the whole number that it means."""
MAX_TURNS = 64
"""Of giving way, by charging and by discharging in one interval."""
Point = Any
"""Sequence of floats, by variable: a list, or the solver's array."""
Path = list[int]
"""One value per interval."""


class Chosen(NamedTuple):
    """Outer index the thing, inner index the interval, as in a solution."""

    charge_wh: list[Path]
    discharge_wh: list[Path]
    load_wh: list[Path]
    total_wh: list[Path]
    reserve_wh: list[Path]
    short_wh: dict[int, int]
    """Reserve that is missing for its rounding, by interval."""


def chosen(program: Program, point: Point) -> Chosen:
    """Whole numbers near a point of the program."""
    case = program.case
    charge_wh, discharge_wh = [], []
    for at, store in enumerate(case.storages):
        charge, discharge = (_path(program, point, kind, at) for kind in ("charge", "discharge"))
        up, down = _stored(store, charge, discharge)
        charge_wh.append(up)
        discharge_wh.append(down)
    total_wh = [_within_ramps(source, path) for source, path in _limited(program, point)]
    reserve_wh, short_wh = _reserves(program, point, charge_wh, discharge_wh, total_wh)
    return Chosen(charge_wh, discharge_wh, _delivered(program, point), total_wh, reserve_wh, short_wh)


def _path(program: Program, point: Point, kind: str, thing: int) -> list[float]:
    """Values of one thing, where a kind has one variable per thing and interval."""
    span = program.variables[kind]
    width = len(span) // program.case.intervals
    return [float(value) for value in point[span.start + thing : span.stop : width]]


# Storage


def _stored(store: Storage, charge: Sequence[float], discharge: Sequence[float]) -> tuple[Path, Path]:
    """Charging and discharging whose charge state stays in its box, and ends where it has to."""
    up, down, soc = _followed(store, charge, discharge, sum(store.most_discharge_wh))
    if store.end_value_nano_per_wh is None and soc < store.start_soc:
        # So full that a Wh more would not go in: only some sums of discharge can be made up for.
        up, down, soc = _followed(store, charge, discharge, _returnable(store, sum(down)))
        if soc < store.start_soc:
            return [0] * len(up), [0] * len(down)
    return up, down


def _followed(
    store: Storage, charge: Sequence[float], discharge: Sequence[float], most_wh: int
) -> tuple[Path, Path, int]:
    """Both paths, discharging at most `most_wh` in all, and the charge state in which they end."""
    n, d = store.efficiency_n, store.efficiency_d
    gain, drain, full = n * n, d * d, store.capacity_wh * n * d
    up, down, states = [], [], []
    soc, charged, discharged = store.start_soc, 0, 0
    wanted_up = wanted_down = 0.0
    for t, (more, less) in enumerate(zip(charge, discharge, strict=True)):
        most_up, most_down = store.most_charge_wh[t], store.most_discharge_wh[t]
        wanted_up, wanted_down = wanted_up + more, wanted_down + less
        # What was held back when it was full is not caught up where the optimum rests.
        c = min(most_up, max(0, ceil(wanted_up - NOISE) - charged)) if more > NOISE else 0
        u = min(most_down, max(0, floor(wanted_down + NOISE) - discharged)) if less > NOISE else 0
        u = min(u, most_wh - discharged)
        c = _share_time(c, u, most_up, most_down)
        c, u = _within_box(soc, full, (gain, drain), c, u)
        soc += gain * c - drain * u
        charged, discharged = charged + c, discharged + u
        up.append(c)
        down.append(u)
        states.append(soc)
    if store.end_value_nano_per_wh is None:
        _refill(store, up, down, states)
        _spend(store, discharge, up, down, states, most_wh)
    return up, down, states[-1]


def _within_box(soc: int, full: int, units: tuple[int, int], c: int, u: int) -> tuple[int, int]:
    """As much of both as leaves the charge state between empty and full; in turns, where the box is narrow."""
    gain, drain = units
    for _ in range(MAX_TURNS):
        over, under = soc + gain * c - drain * u - full, drain * u - soc - gain * c
        if over > 0:
            c -= min(c, -(-over // gain))
        elif under > 0:
            u -= min(u, -(-under // drain))
        else:
            return c, u
    return 0, 0


def _returnable(store: Storage, discharged_wh: int) -> int:
    """The most up to `discharged_wh` for which whole Wh of charge lead back, neither below the start nor above full."""
    n, d = store.efficiency_n, store.efficiency_d
    room = store.capacity_wh * n * d - store.start_soc
    sums = range(discharged_wh, max(-1, discharged_wh - n * n), -1)
    return next((one for one in sums if -one * d * d % (n * n) <= room), 0)


def _share_time(c: int, u: int, most_up: int, most_down: int) -> int:
    """Charging that both have time for in one interval."""
    over = c * most_down + u * most_up - most_up * most_down
    return max(0, c - -(-over // most_down)) if over > 0 and most_down else c


def _refill(store: Storage, up: Path, down: Path, states: Path) -> None:
    """Discharge less, else charge more, as late as possible, until it ends with what it began with."""
    n, d = store.efficiency_n, store.efficiency_d
    gain, drain = n * n, d * d
    room = full = store.capacity_wh * n * d
    for t in range(len(up) - 1, -1, -1):
        missing = store.start_soc - states[-1]
        if missing <= 0:
            return
        room = min(room, full - states[t])
        less = min(down[t], -(-missing // drain), room // drain)
        lifted = less * drain
        down[t] -= less
        if missing > lifted:
            most_up, most_down = store.most_charge_wh[t], store.most_discharge_wh[t]
            time_left = most_up * (most_down - down[t]) // most_down - up[t] if most_down else most_up - up[t]
            more = max(0, min(time_left, -(-(missing - lifted) // gain), (room - lifted) // gain))
            up[t] += more
            lifted += more * gain
        for later in range(t, len(states)):
            states[later] += lifted
        room -= lifted


def _spend(store: Storage, wanted: Sequence[float], up: Path, down: Path, states: Path, most_wh: int) -> None:
    """Discharge what rounding has left on top of the start, where the optimum discharges more than its whole Wh."""
    drain = store.efficiency_d**2
    spare_wh = min((states[-1] - store.start_soc) // drain, most_wh - sum(down))
    lowest = list(accumulate(reversed(states), min))[::-1]
    cut_off = sorted(range(len(down)), key=lambda t: down[t] - wanted[t])
    for t in cut_off[: max(0, spare_wh)]:
        if not up[t] and down[t] + NOISE < wanted[t] and lowest[t] >= drain:
            down[t] += 1
            states[t:] = [state - drain for state in states[t:]]
            lowest = list(accumulate(reversed(states), min))[::-1]


# Loads and ramps


def _delivered(program: Program, point: Point) -> list[Path]:
    """Energy of each load, never more in all than it wants."""
    case = program.case
    load_wh = [[0] * case.intervals for _ in case.loads]
    sums = [0.0] * len(case.loads)
    for number, (t, which) in zip(program.variables["load"], loads_at(case), strict=True):
        before = floor(sums[which] + 0.5)
        sums[which] += float(point[number])
        most_wh = min(case.loads[which].most_wh, case.loads[which].energy_wh - sum(load_wh[which]))
        load_wh[which][t] = max(0, min(most_wh, floor(sums[which] + 0.5) - before))
    return load_wh


def _limited(program: Program, point: Point) -> list[tuple[Source, list[float]]]:
    """Ramp-limited sources and their totals."""
    case = program.case
    found: dict[int, list[float]] = {at: [] for at, source in enumerate(case.sources) if source.ramp_wh is not None}
    if not found:
        return []
    number = program.variables["block"].start
    for t in range(case.intervals):
        for at, source in enumerate(case.sources):
            end = number + len(source.blocks[t])
            if at in found:
                found[at].append(float(sum(point[number:end])))
            number = end
    return [(case.sources[at], path) for at, path in found.items()]


def _within_ramps(source: Source, path: Sequence[float]) -> Path:
    """The nearest whole totals from which the source can always go on."""
    ramp = source.ramp_wh
    assert ramp is not None, "only ramp-limited sources have totals of their own"
    offered = [offered_wh(source, t) for t in range(len(path))]
    boxes = [(0, offered[-1])]
    for most_wh in reversed(offered[:-1]):
        low, high = boxes[-1]
        boxes.append((max(0, low - ramp), min(most_wh, high + ramp)))
    totals: Path = []
    before = source.last_wh
    for value, (low, high) in zip(path, reversed(boxes), strict=True):
        total = floor(value + 0.5)
        if before is not None:
            total = max(before - ramp, min(before + ramp, total))
        before = max(low, min(high, total))
        totals.append(before)
    return totals


# Reserve


def _reserves(
    program: Program, point: Point, charge_wh: list[Path], discharge_wh: list[Path], total_wh: list[Path]
) -> tuple[list[Path], dict[int, int]]:
    """Reserve of each provider inside what the rest leaves it, in sum what is needed where that is possible."""
    case = program.case
    reserving = providers(case)
    limits = _limits(case, charge_wh, discharge_wh, total_wh)
    held = [
        [
            max(0, min(most, floor(value + 0.5)))
            for value, most in zip(_path(program, point, "reserve", at), limits[at], strict=True)
        ]
        for at in range(len(reserving))
    ]
    asked = [thing.reserve.price_nano_per_wh if thing.reserve is not None else 0 for thing in reserving]
    cheapest_first = sorted(range(len(reserving)), key=asked.__getitem__)
    short_wh: dict[int, int] = {}
    for t, needed_wh in enumerate(case.reserve_wh):
        missing = needed_wh - sum(one[t] for one in held)
        for at in cheapest_first if missing > 0 else reversed(cheapest_first):
            change = min(missing, limits[at][t] - held[at][t]) if missing > 0 else -min(-missing, held[at][t])
            held[at][t] += change
            missing -= change
        if missing > 0:
            short_wh[t] = missing
    return held, short_wh


def _limits(case: Case, charge_wh: list[Path], discharge_wh: list[Path], total_wh: list[Path]) -> list[Path]:
    """Most that each provider can hold back beside what it does."""
    totals = iter(total_wh)
    by_source = {at: next(totals) for at, source in enumerate(case.sources) if source.ramp_wh is not None}
    limits: list[Path] = []
    for at, source in enumerate(case.sources):
        if source.reserve is not None:
            taken = by_source.get(at, [0] * case.intervals)
            limits.append(
                [min(most_reserve_wh(source, t), rating_wh(source, t) - taken[t]) for t in range(case.intervals)]
            )
    for at, store in enumerate(case.storages):
        if store.reserve is not None:
            drain, path = store.efficiency_d**2, []
            states = charge_state(store, charge_wh[at], discharge_wh[at])
            for t, (c, u, soc) in enumerate(zip(charge_wh[at], discharge_wh[at], states, strict=True)):
                most_wh = min(store.most_discharge_wh[t] - u + c, soc // drain)
                path.append(min(most_reserve_wh(store, t), most_wh))
            limits.append(path)
    return limits
