"""What to expect of a figure, from what it was at the same time of like days, and how wrong that has been.

Like days are those of `contracts.estimates`: working days, Saturdays, Sundays. A forecast is the mean of the last ones;
its spread is what such forecasts were off by on average, each made from what was known then. Nothing is fitted, so
nothing is promised that the history does not show.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts.estimates import day_type
from contracts.params import DAY_MS, PactParams
from node.rulebook.sight import NOTHING, Forecast

LIKE_DAYS = 10
WINDOW_DAYS = 35


def like_days(params: PactParams, interval: int, window_days: int = WINDOW_DAYS) -> list[int]:
    """The same time of the like days before `interval`, the latest first."""
    per_day, kind = max(1, DAY_MS // params.interval_ms), day_type(params, interval)
    earlier = range(interval - per_day, max(-1, interval - window_days * per_day - 1), -per_day)
    return [one for one in earlier if day_type(params, one) == kind]


def expect(params: PactParams, history: Mapping[int, int], interval: int) -> Forecast:
    """What `history`, a figure by interval, lets one expect in `interval`."""
    known = [history[one] for one in like_days(params, interval) if one in history]
    newest = known[:LIKE_DAYS]
    if not newest:
        return NOTHING
    mean = _mean(newest)
    errors = [
        abs(then - _mean(known[at + 1 : at + 1 + LIKE_DAYS])) for at, then in enumerate(known[:-1]) if at < LIKE_DAYS
    ]
    ranked = sorted(newest)
    return Forecast(
        mean=mean,
        spread=_mean(errors or [abs(one - mean) for one in newest]),
        p10=_rank(ranked, 10),
        p50=_rank(ranked, 50),
        p90=_rank(ranked, 90),
        samples=len(newest),
    )


def _mean(values: list[int]) -> int:
    """Rounded half up."""
    return (2 * sum(values) + len(values)) // (2 * len(values))


def _rank(ranked: list[int], percent: int) -> int:
    """The smallest value that at least so many percent of all do not exceed."""
    return ranked[max(0, -(-percent * len(ranked) // 100) - 1)]
