"""Billing cycles: which intervals are on one statement, from boundaries that are written ahead.

Boundaries are moments in UTC, so that nobody's clock change moves one: a site that bills local days or months
writes each of them down (local days have 92, 96 or 100 quarter hours). An interval belongs to the cycle in
which it starts. Pure arithmetic: a cycle is never stored, and closes when its last interval does.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from contracts.params import PactParams
from contracts.units import MAX_COUNT


class Cycle(NamedTuple):
    """Cycle `number` covers [start_ms, end_ms); it has the intervals from `first` to `last`."""

    number: int
    start_ms: int
    end_ms: int
    first: int
    last: int

    @property
    def intervals(self) -> int:
        """How many intervals start in it."""
        return max(0, self.last - self.first + 1)


def cycle(params: PactParams, number: int) -> Cycle:
    """The cycle of this number. The written ones count from 0; behind the last, all are `cycle_ms` long."""
    starts = params.cycle_starts_ms or (0,)
    beyond = number - (len(starts) - 1)
    start_ms = starts[number] if beyond < 0 else starts[-1] + beyond * params.cycle_ms
    end_ms = starts[number + 1] if beyond < 0 else start_ms + params.cycle_ms
    first, last = _first_from(params, 0 if number == 0 else start_ms), _first_from(params, end_ms) - 1
    return Cycle(number, start_ms, end_ms, min(first, MAX_COUNT), min(last, MAX_COUNT))


def cycle_of(params: PactParams, interval: int) -> int:
    """Number of the cycle in which the interval starts. Whatever lies before the first boundary is in cycle 0."""
    starts = params.cycle_starts_ms or (0,)
    start_ms = interval * params.interval_ms
    if start_ms >= starts[-1]:
        return len(starts) - 1 + (start_ms - starts[-1]) // params.cycle_ms
    return max(0, bisect_right(starts, start_ms) - 1)


def _first_from(params: PactParams, time_ms: int) -> int:
    """First interval that starts at or after a moment."""
    return -(-time_ms // params.interval_ms)
