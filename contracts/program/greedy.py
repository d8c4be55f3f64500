"""What a fallback chooses beside its fill: when loads run, and how storages avoid shedding.

Takes what a fill has left over, cheapest first. Every choice is one that can be taken back; none looks further than
the supply that is free where the thing stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from contracts.program.case import Case, LineFlow, Solution
from contracts.program.fill import charge_state
from contracts.program.rows import offered_wh, providers, rating_wh
from contracts.program.stack import Locked

KAPPA_DEN = 1_024
"""Of the carbon weight, where the cap needs one."""

Rows = list[list[int]]


class Free(NamedTuple):
    """Supply that is not taken."""

    price: int
    supply: bool
    """It is none of a bid."""
    wh: int


class Left(NamedTuple):
    """What an interval leaves, by zone."""

    zone_of: tuple[int, ...]
    shed_wh: dict[int, int]
    free: dict[int, list[Free]]
    """Dearest first."""


class Unbalanced(NamedTuple):
    """An interval that does not balance."""

    interval: int
    zone_of: tuple[int, ...]
    missing_wh: dict[int, int]
    """By zone, with all demand shed; negative where ramp-limited sources can not help delivering too much."""


class Plan:
    """What is chosen, by thing and interval."""

    def __init__(self, case: Case, held_wh: Rows) -> None:
        def nothing(things: Sequence[object]) -> Rows:
            return [[0] * case.intervals for _ in things]

        self.case = case
        self.ramped = [index for index, source in enumerate(case.sources) if source.ramp_wh is not None]
        self.charge_wh = nothing(case.storages)
        self.discharge_wh = nothing(case.storages)
        self.load_wh = nothing(case.loads)
        self.total_wh = nothing(self.ramped)
        self.held_wh = held_wh
        self.kappa_num = 0
        self.flows: tuple[LineFlow, ...] = ()
        held = iter(held_wh)
        beside = [next(held) if source.reserve else [0] * case.intervals for source in case.sources]
        self.most_wh: Rows = []
        """What each ramp-limited source may deliver at most, whatever else is near."""
        for index in self.ramped:
            source = case.sources[index]
            room = [rating_wh(source, t) - wh for t, wh in enumerate(beside[index])]
            self.most_wh.append([min(offered_wh(source, t), wh) for t, wh in enumerate(room)])

    def solution(self) -> Solution:
        """What is chosen as a solution."""
        return Solution(
            self.case.round_id,
            _frozen(self.charge_wh),
            _frozen(self.discharge_wh),
            _frozen(self.load_wh),
            _frozen(self.total_wh),
            _frozen(self.held_wh),
            self.kappa_num,
            KAPPA_DEN,
            0,
            self.flows,
        )


def _frozen(rows: Rows) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in rows)


def place_loads(locked: Locked, plan: Plan, left: list[Left]) -> bool:
    """Give each load what is left cheapest in its time, below its value."""
    moved = False
    for load, row in zip(plan.case.loads, plan.load_wh, strict=True):
        place = locked.place_of[load.place]
        steps = {t: left[t].free[left[t].zone_of[place]] for t in range(load.first, load.until)}
        missing_wh = load.energy_wh - sum(row)
        waiting = [(rest[-1].price, t) for t, rest in steps.items() if rest and row[t] < load.most_wh]
        heapify(waiting)
        while waiting and missing_wh and waiting[0][0] < load.value_nano_per_wh:
            _, t = heappop(waiting)
            wh = min(missing_wh, load.most_wh - row[t], steps[t][-1].wh)
            row[t] += wh
            missing_wh -= wh
            _use(steps[t], wh)
            moved = True
            if steps[t] and row[t] < load.most_wh:
                heappush(waiting, (steps[t][-1].price, t))
    return moved


def _use(steps: list[Free], wh: int) -> None:
    """Take energy of the cheapest supply that is left."""
    while wh:
        step = steps.pop()
        if step.wh > wh:
            steps.append(step._replace(wh=step.wh - wh))
        wh -= min(wh, step.wh)


def withdraw_loads(locked: Locked, plan: Plan, left: list[Left]) -> bool:
    """Where demand is shed no load is served."""
    moved = False
    for load, row in zip(plan.case.loads, plan.load_wh, strict=True):
        place = locked.place_of[load.place]
        for t in range(load.first, load.until):
            if row[t] and left[t].shed_wh[left[t].zone_of[place]]:
                row[t] = 0
                moved = True
    return moved


# Storages


def absorb(locked: Locked, plan: Plan, surplus: Unbalanced) -> bool:
    """Serve loads and charge storages where there is too much. Whether any of them can."""
    case, t = plan.case, surplus.interval
    over_wh = {zone: -wh for zone, wh in surplus.missing_wh.items() if wh < 0}
    before = dict(over_wh)
    for load, row in zip(case.loads, plan.load_wh, strict=True):
        zone = surplus.zone_of[locked.place_of[load.place]]
        if zone in over_wh and load.first <= t < load.until:
            wh = min(over_wh[zone], load.most_wh - row[t], load.energy_wh - sum(row))
            row[t] += wh
            over_wh[zone] -= wh
    for s, store in enumerate(case.storages):
        zone = surplus.zone_of[locked.place_of[store.place]]
        if zone in over_wh and not plan.discharge_wh[s][t]:
            full = store.capacity_wh * store.efficiency_n * store.efficiency_d
            room_wh = (full - max(_charge_states(plan, s)[t:])) // store.efficiency_n**2
            wh = min(over_wh[zone], store.most_charge_wh[t] - plan.charge_wh[s][t], room_wh)
            plan.charge_wh[s][t] += wh
            over_wh[zone] -= wh
    return over_wh != before


def relieve(locked: Locked, plan: Plan, left: list[Left]) -> bool:
    """Discharge where demand is shed, and charge what that takes from supply that is left before or after."""
    moved = False
    for s, store in enumerate(plan.case.storages):
        place = locked.place_of[store.place]
        for t, interval in enumerate(left):
            zone = interval.zone_of[place]
            others = sorted((j for j in range(len(left)) if j != t), key=lambda j: (j > t, abs(j - t)))
            for j in (*others, None) if store.end_value_nano_per_wh is not None else others:
                missing_wh = interval.shed_wh[zone]
                if not missing_wh:
                    break
                steps = [] if j is None else left[j].free[left[j].zone_of[place]]
                wh, charged_wh = _moved(plan, s, t, j, missing_wh, sum(step.wh for step in steps if step.supply))
                if wh:
                    plan.discharge_wh[s][t] += wh
                    interval.shed_wh[zone] -= wh
                    moved = True
                if wh and j is not None:
                    plan.charge_wh[s][j] += charged_wh
                    supply = [step for step in steps if step.supply]
                    _use(supply, charged_wh)
                    steps[:] = supply
    return moved


def _moved(plan: Plan, s: int, t: int, j: int | None, missing_wh: int, spare_wh: int) -> tuple[int, int]:
    """What a storage can discharge more in interval t, and charge for that in interval j (None: from what it has)."""
    store = plan.case.storages[s]
    gain, loss = store.efficiency_n**2, store.efficiency_d**2
    charge_wh, discharge_wh = plan.charge_wh[s], plan.discharge_wh[s]
    held_wh = _held_by(plan, s)
    if charge_wh[t] or (j is not None and discharge_wh[j]):
        return 0, 0
    soc = _charge_states(plan, s)
    full = store.capacity_wh * store.efficiency_n * store.efficiency_d
    wh = min(missing_wh, store.most_discharge_wh[t] - discharge_wh[t] - held_wh[t])
    down = range(t, len(soc) if j is None else j) if j is None or t < j else range(0)
    wh = min([wh, *((soc[k] - loss * held_wh[k]) // loss for k in down)])
    if j is None or wh <= 0:
        return max(0, wh), 0
    most_wh = min(spare_wh, store.most_charge_wh[j] - charge_wh[j])
    if j < t:
        most_wh = min([most_wh, *((full - soc[k]) // gain for k in range(j, t))])
    wh = min(wh, gain * max(0, most_wh) // loss)
    charged_wh = -(-loss * wh // gain)
    rest = gain * charged_wh - loss * wh
    if any(soc[k] + rest > full for k in range(max(j, t), len(soc))):
        return 0, 0
    return wh, charged_wh


def _charge_states(plan: Plan, s: int) -> list[int]:
    """Of a storage after each interval."""
    return charge_state(plan.case.storages[s], plan.charge_wh[s], plan.discharge_wh[s])


def _held_by(plan: Plan, s: int) -> list[int]:
    """Reserve that a storage holds."""
    things = providers(plan.case)
    store = plan.case.storages[s]
    return next(
        (row for thing, row in zip(things, plan.held_wh, strict=True) if thing is store), [0] * plan.case.intervals
    )
