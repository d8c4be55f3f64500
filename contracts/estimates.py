"""What a silent meter is billed for: the adverse extreme of the same interval on its last like days.

Adverse to the meter's owner: of up to `LIKE_DAYS` measured like days, the most that was taken and the least
that was given. Days are alike when both are working days (Monday to Friday), Saturdays or Sundays in UTC. A
meter without any like day is taken at its rating as a consumer, and gives nothing as a supplier. Storage is
both, so silence can not hide a battery. A silent tie is an open breaker: nothing flowed, until its register
says otherwise.

Only measured intervals feed an estimate, never an earlier estimate. Reads the rings, writes nothing.
"""

from __future__ import annotations

from contracts.members import Meter
from contracts.metering import WH_MS
from contracts.params import DAY_MS, PactParams
from contracts.records import Estimate
from contracts.schema import RINGS
from contracts.state import State
from contracts.units import MAX_ENERGY

LIKE_DAYS = 4
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""
_TAKING_KINDS = ("load", "storage")


def slot(params: PactParams, interval: int) -> int:
    """Which interval of its day this is: the index of a ring."""
    return interval % max(1, DAY_MS // params.interval_ms)


def day_type(params: PactParams, interval: int) -> int:
    """0 for a working day, 1 for a Saturday, 2 for a Sunday, by the UTC day in which the interval starts."""
    weekday = (interval * params.interval_ms // DAY_MS + _EPOCH_WEEKDAY) % 7
    return max(0, weekday - 4)


def estimate(state: State, params: PactParams, meter: Meter, interval: int) -> Estimate:
    """Energy of a meter that said nothing about `interval`, and the like days that it comes from."""
    if meter.kind == "tie":
        return Estimate(meter.id, interval, 0, 0, ())
    ring = state.load(RINGS, RINGS.key(meter.id, slot(params, interval)))
    kind = day_type(params, interval)
    like = [
        entry
        for entry in (ring.entries if ring else ())
        if entry.interval < interval and day_type(params, entry.interval) == kind
    ][-LIKE_DAYS:]
    if like:
        import_wh = max(entry.import_wh for entry in like)
        export_wh = min(entry.export_wh for entry in like)
    else:
        most_wh = meter.rating_w * params.interval_ms // WH_MS
        import_wh, export_wh = min(most_wh, MAX_ENERGY) if meter.kind in _TAKING_KINDS else 0, 0
    return Estimate(meter.id, interval, import_wh, export_wh, tuple(entry.interval for entry in like))
