"""Whether a point keeps every box and every row, exactly, and which is the first that it breaks.

One code for each kind of limit. Boxes come first, then rows, each in the order of the program, so that everybody names
the same. Never repairs anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.program.arrays import Array, Arrays
from contracts.program.case import MAX_TIERS, Case
from contracts.program.fill import Choice
from contracts.program.points import row_name, variable_name
from contracts.program.rows import Program, evaluate
from contracts.program.stack import Locked
from contracts.program.verdict import Refusal, Schedule

BOX_CODES = {
    "block": "dispatch.offer-limit",
    "import": "dispatch.import-limit",
    "unserved": "dispatch.bid-limit",
    "shed": "dispatch.demand-limit",
    "charge": "dispatch.charge-limit",
    "discharge": "dispatch.discharge-limit",
    "soc": "dispatch.capacity",
    "credit": "dispatch.capacity",
    "load": "dispatch.load-limit",
    "undelivered": "dispatch.load-energy",
    "reserve": "dispatch.reserve-limit",
    "flow": "dispatch.line-limit",
}
"""Of a variable outside its box, by its kind."""

ROW_CODES = {
    "balance": "dispatch.balance",
    "soc": "dispatch.charge-state",
    "sharing": "dispatch.sharing",
    "end": "dispatch.end",
    "need": "dispatch.load-energy",
    "ramp": "dispatch.ramp",
    "spinning": "dispatch.reserve-need",
    "headroom": "dispatch.headroom",
    "stored": "dispatch.stored",
    "loop": "dispatch.loop",
    "carbon": "dispatch.carbon",
}
"""Of a row outside its range, by its kind."""


def broken(program: Program, point: Sequence[int]) -> Refusal | None:
    """The first box or row that a point breaks; None: it is feasible."""
    for number, (lo, value, hi) in enumerate(zip(program.lo, point, program.hi, strict=True)):
        if not lo <= value <= hi:
            return broken_box(program, number, value)
    for number, activity in enumerate(evaluate(program, point).activity):
        if not program.row_lo[number] <= activity <= program.row_hi[number]:
            return broken_row(program, number, activity)
    return None


def broken_dense(program: Program, arrays: Arrays, point: Array) -> Refusal | None:
    """The same of a point in an array."""
    import numpy as np

    (outside,) = np.nonzero((point < arrays.lo) | (point > arrays.hi))
    if len(outside):
        return broken_box(program, int(outside[0]), int(point[outside[0]]))
    # Inside the boxes no activity leaves 62 bits.
    activity = arrays.by_row.times(point)
    (outside,) = np.nonzero((activity < arrays.row_lo) | (activity > arrays.row_hi))
    return broken_row(program, int(outside[0]), int(activity[outside[0]])) if len(outside) else None


def surely_fair(program: Program, arrays: Arrays, point: Array) -> bool:
    """Whether no tier is shed while a less critical one is served anywhere in the same interval, whatever the zones."""
    import numpy as np

    span = program.variables["shed"]
    shed = point[span.start : span.stop].reshape(program.case.intervals, -1)
    if not shed.any():
        return True
    served = arrays.hi[span.start : span.stop].reshape(shed.shape) - shed
    tier = np.array([demand.tier for demand in program.case.demands])
    most_critical_shed = np.where(shed > 0, tier, MAX_TIERS).min(axis=1)
    least_critical_served = np.where(served > 0, tier, -1).max(axis=1)
    return not (least_critical_served > most_critical_shed).any()


def broken_box(program: Program, number: int, value: int) -> Refusal:
    """A variable outside its box."""
    kind = next(kind for kind, span in program.variables.items() if number in span)
    text = f"It is {value}; from {program.lo[number]} to {program.hi[number]} is right."
    return Refusal(BOX_CODES[kind], variable_name(program, number), text)


def broken_row(program: Program, number: int, activity: int) -> Refusal:
    """A row outside its range."""
    kind = next(kind for kind, span in program.rows.items() if number in span)
    text = f"It comes to {activity}; from {program.row_lo[number]} to {program.row_hi[number]} is right."
    return Refusal(ROW_CODES[kind], row_name(program, number), text)


def unfair_shedding(locked: Locked, chosen: Choice, schedule: Schedule) -> Refusal | None:
    """A critical tier that is shed while a less critical one is served, in one zone and interval; None: there is none.

    Penalties alone do not rule it out: a bound that is near enough to the optimum would let a little of it pass.
    """
    case = locked.case
    for t in range(case.intervals):
        zone_of = chosen.declared[t].zone_of
        served = _least_critical_served(locked, zone_of, schedule, t)
        for demand, row in zip(case.demands, schedule.served_wh, strict=True):
            if row[t] < demand.energy_wh[t]:
                zone = zone_of[locked.place_of[demand.place]]
                if served.get(zone, -1) > demand.tier:
                    return _unfair(case, demand.tier, served[zone], locked.net.places[zone], t)
    return None


def _least_critical_served(locked: Locked, zone_of: Sequence[int], schedule: Schedule, t: int) -> dict[int, int]:
    """Highest number of a tier of which anything is served, by zone."""
    found: dict[int, int] = {}
    for demand, row in zip(locked.case.demands, schedule.served_wh, strict=True):
        if row[t]:
            zone = zone_of[locked.place_of[demand.place]]
            found[zone] = max(found.get(zone, -1), demand.tier)
    return found


def _unfair(case: Case, shed: int, served: int, place: str, t: int) -> Refusal:
    text = f"Tier {shed} is shed while tier {served} is served; shed all of the less critical one first."
    return Refusal("dispatch.shed-order", f"shedding at place {place} in interval {t}", text)
