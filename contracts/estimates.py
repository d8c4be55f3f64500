"""What a silent meter is billed for: the adverse extreme of the same interval on its last like days.

Adverse to the meter's owner: of up to `LIKE_DAYS` measured like days, the most that was taken and the least
that was given. Days are alike when both are working days (Monday to Friday), Saturdays or Sundays in UTC. A
meter without any like day is taken at its rating as a consumer, and gives nothing as a supplier. Storage is
both, so silence can not hide a battery. A silent tie is an open breaker: nothing flowed, until its register
says otherwise.

Only measured intervals of the last `WINDOW_DAYS` feed an estimate, never an earlier estimate. Writes nothing.
"""

from __future__ import annotations

from contracts.envelopes import TAKING_KINDS
from contracts.members import Meter
from contracts.metering_records import Estimate, Metered
from contracts.params import PactParams
from contracts.schema import METERED
from contracts.state import State
from contracts.units import energy_wh

LIKE_DAYS = 4
WINDOW_DAYS = 35
"""How far back like days are looked for."""
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def day_type(params: PactParams, interval: int) -> int:
    """0 for a working day, 1 for a Saturday, 2 for a Sunday, by the UTC day in which the interval starts."""
    weekday = (params.day_of(interval) + _EPOCH_WEEKDAY) % 7
    return max(0, weekday - 4)


def estimate(state: State, params: PactParams, meter: Meter, interval: int) -> Estimate:
    """Energy of a meter that said nothing about `interval`, and the like days that it comes from."""
    if meter.kind == "tie":
        return Estimate(meter.id, interval, 0, 0, ())
    like = _like_days(state, params, meter.id, interval)
    if like:
        import_wh = max(metered.import_wh for metered in like.values())
        export_wh = min(metered.export_wh for metered in like.values())
    else:
        import_wh = energy_wh(meter.rating_w, params.interval_ms) if meter.kind in TAKING_KINDS else 0
        export_wh = 0
    return Estimate(meter.id, interval, import_wh, export_wh, tuple(reversed(like)))


def _like_days(state: State, params: PactParams, meter: str, interval: int) -> dict[int, Metered]:
    """What the meter measured in up to `LIKE_DAYS` like intervals before this one, the latest first."""
    per_day, kind = params.day_intervals, day_type(params, interval)
    like: dict[int, Metered] = {}
    for earlier in range(interval - per_day, max(-1, interval - WINDOW_DAYS * per_day - 1), -per_day):
        if day_type(params, earlier) == kind:
            metered = state.entry(METERED, meter, earlier)
            if metered is not None:
                like[earlier] = metered
                if len(like) == LIKE_DAYS:
                    break
    return like
