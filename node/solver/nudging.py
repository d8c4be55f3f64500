"""Moves one Wh where a zone does not balance for want of it.

Where a zone has little but storages, loads and ramp-limited sources, as behind a line at its limit, their rounding may
leave one Wh too much or too little, and nothing of the stack can give way. Then one of them does, exactly inside its
own limits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec.structs import replace

from contracts.program.case import Case, Solution, Source, Storage
from contracts.program.fill import charge_state
from contracts.program.rows import offered_wh, providers, rating_wh

Rows = tuple[tuple[int, ...], ...]


def nudged(case: Case, solution: Solution, places: Collection[str], interval: int, more: bool) -> Solution | None:
    """The solution with one Wh more (or less) for the stack of `places` in an interval; None: nobody there can."""
    step = 1 if more else -1
    for at, load in enumerate(case.loads):
        taken_wh = solution.load_wh[at][interval] - step
        in_time = load.first <= interval < load.until
        left_wh = load.energy_wh - sum(solution.load_wh[at]) + step
        if load.place in places and in_time and 0 <= taken_wh <= load.most_wh and left_wh >= 0:
            return replace(solution, load_wh=_moved(solution.load_wh, at, interval, -step))
    for at, store in enumerate(case.storages):
        if store.place in places:
            for charge_wh, discharge_wh in _ways(solution, at, interval, step):
                if keeps(store, charge_wh[at], discharge_wh[at], _held(case, solution, store)):
                    return replace(solution, charge_wh=charge_wh, discharge_wh=discharge_wh)
    ramped = (source for source in case.sources if source.ramp_wh is not None)
    for at, source in enumerate(ramped):
        total_wh = _moved(solution.total_wh, at, interval, step)
        if source.place in places and climbs(source, total_wh[at], _held(case, solution, source)):
            return replace(solution, total_wh=total_wh)
    return None


def _ways(solution: Solution, at: int, interval: int, step: int) -> Iterator[tuple[Rows, Rows]]:
    """Undo a Wh of the opposite first; else one more of the same."""
    charge_wh, discharge_wh = solution.charge_wh, solution.discharge_wh
    less = _moved(charge_wh, at, interval, -step), discharge_wh
    more = charge_wh, _moved(discharge_wh, at, interval, step)
    charging = charge_wh[at][interval] > 0
    yield from (less, more) if charging else (more, less)


def keeps(store: Storage, charge_wh: Sequence[int], discharge_wh: Sequence[int], held_wh: Sequence[int]) -> bool:
    """Whether a storage stays inside its limits, with the reserve that it holds."""
    drain, full = store.efficiency_d**2, store.capacity_wh * store.efficiency_n * store.efficiency_d
    states = charge_state(store, charge_wh, discharge_wh)
    for t, (c, u, r, soc) in enumerate(zip(charge_wh, discharge_wh, held_wh, states, strict=True)):
        most_c, most_u = store.most_charge_wh[t], store.most_discharge_wh[t]
        kept = (
            0 <= c <= most_c and 0 <= u <= most_u,
            c * most_u + u * most_c <= most_c * most_u,
            drain * r <= soc <= full,
            r - c + u <= most_u,
        )
        if not all(kept):
            return False
    return store.end_value_nano_per_wh is not None or states[-1] >= store.start_soc


def climbs(source: Source, total_wh: Sequence[int], held_wh: Sequence[int]) -> bool:
    """Whether a ramp-limited source stays inside its limits, with the reserve that it holds."""
    before = source.last_wh
    for t, (energy_wh, reserve_wh) in enumerate(zip(total_wh, held_wh, strict=True)):
        steep = before is not None and abs(energy_wh - before) > (source.ramp_wh or 0)
        if steep or not 0 <= energy_wh <= min(offered_wh(source, t), rating_wh(source, t) - reserve_wh):
            return False
        before = energy_wh
    return True


def _held(case: Case, solution: Solution, thing: Source | Storage) -> Sequence[int]:
    """Reserve that somebody holds."""
    reserving = [one.id for one in providers(case)]
    return solution.reserve_wh[reserving.index(thing.id)] if thing.reserve is not None else (0,) * case.intervals


def _moved(rows: Rows, at: int, interval: int, step: int) -> Rows:
    row = list(rows[at])
    row[interval] += step
    return (*rows[:at], tuple(row), *rows[at + 1 :])
