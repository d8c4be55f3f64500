"""When intervals lock and close, and which of them wait for it.

Interval i covers `[i * L, (i + 1) * L)` ms of ledger time. Intervals lock in windows of W, from each multiple of W
on: offers for all of them lock `gate_lead_ms` before the first of them starts; readings are on time until
`end + close_grace_ms`. Only intervals with content (a need, an offer, a reading) have
deadlines: they are in one working record, which is all that the clock ever looks at. A deadline stays there
until what it waits for has happened, so ledger time may jump by days and nothing is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import msgspec

from contracts.context import BlockContext, current_interval
from contracts.params import PactParams
from contracts.records import OPEN, Schedule
from contracts.schema import INTERVALS, SCHEDULE, SCHEDULES
from contracts.state import State
from contracts.units import MAX_COUNT

_replace = msgspec.structs.replace
_EMPTY = Schedule((), ())


class Window(NamedTuple):
    """Intervals that lock together."""

    first: int
    length: int

    @property
    def intervals(self) -> range:
        """All of them, ascending."""
        return range(self.first, self.first + self.length)


def window_start(params: PactParams, interval: int) -> int:
    """First interval of the window that the interval is in."""
    return interval - interval % params.window_intervals


def lock_ms(params: PactParams, interval: int) -> int:
    """First time at which needs, offers and tariffs of the interval are too late; may be negative."""
    return window_start(params, interval) * params.interval_ms - params.gate_lead_ms


def first_open(params: PactParams, time_ms: int) -> int:
    """First interval whose offers are not locked at that time."""
    windows = (time_ms + params.gate_lead_ms) // (params.interval_ms * params.window_intervals)
    return (windows + 1) * params.window_intervals


def due_window(state: State, params: PactParams, interval: int) -> Window:
    """What locks together with an interval whose lock is due: its neighbours in the window that nobody has locked
    before, by parameters that were others. What has closed is not open any more."""
    start = window_start(params, interval)
    first, end = interval, interval + 1
    while first > start and _status(state, first - 1) == OPEN:
        first -= 1
    most = min(start + params.window_intervals, MAX_COUNT + 1)
    while end < most and _status(state, end) == OPEN:
        end += 1
    return Window(first, end - first)


def close_ms(params: PactParams, interval: int) -> int:
    """First time at which readings of the interval are late."""
    return (interval + 1) * params.interval_ms + params.close_grace_ms


def is_locked(state: State, context: BlockContext, interval: int, count: int = 1) -> bool:
    """The gate of one of `count` intervals has passed: by today's parameters, or before these moved it to later."""
    if lock_ms(context.params, interval) <= context.time_ms:
        return True
    return any(_status(state, number) != OPEN for number in range(interval, interval + count))


def is_closed(state: State, context: BlockContext, interval: int) -> bool:
    """Readings of the interval are late. A longer grace opens nothing again: bills never change, and intervals settle
    in their order."""
    schedule = _load(state)
    is_past = schedule.closed is not None and interval <= schedule.closed
    if not is_past and close_ms(context.params, interval) > context.time_ms:
        return False
    return not _has(schedule.closes, interval)


def late_or_far(
    state: State, context: BlockContext, codes: tuple[str, str], interval: int, count: int = 1
) -> str | None:
    """Why nothing can be said of `count` intervals any more, or yet: the first of the codes where one is locked, the
    second where one is further ahead than needs, offers and tariffs may reach; None where all can be spoken about.
    """
    if is_locked(state, context, interval, count):
        return codes[0]
    furthest = min(current_interval(context) + context.params.horizon_intervals, MAX_COUNT)
    return codes[1] if interval + count - 1 > furthest else None


def await_close(state: State, interval: int) -> None:
    """A meter spoke about the interval: it has a close from now on."""
    schedule = _load(state)
    closes = _with(schedule.closes, interval)
    if closes is not schedule.closes:
        state.save(SCHEDULE, _replace(schedule, closes=closes))


def await_lock(state: State, interval: int) -> None:
    """Somebody needs or offers energy in the interval: it has a lock and a close from now on."""
    schedule = _load(state)
    locks = _with(schedule.locks, interval)
    if locks is not schedule.locks:
        state.save(SCHEDULE, _replace(schedule, locks=locks, closes=_with(schedule.closes, interval)))


def next_due(state: State, context: BlockContext) -> tuple[int, bool] | None:
    """The overdue interval with the oldest deadline, and whether that is its lock (else its close)."""
    schedule, params = _load(state), context.params
    lock = lock_ms(params, schedule.locks[0]) if schedule.locks else None
    close = close_ms(params, schedule.closes[0]) if schedule.closes else None
    if lock is not None and lock <= context.time_ms and (close is None or lock <= close):
        return schedule.locks[0], True
    if close is not None and close <= context.time_ms:
        return schedule.closes[0], False
    return None


def locked(state: State, window: Window) -> None:
    """The lock that `next_due` named has happened, for its whole window; all of it has a close from now on."""
    schedule = _load(state)
    end = window.first + window.length
    assert schedule.locks[0] >= window.first, "locks happen in order"
    closes = schedule.closes
    for interval in window.intervals:
        closes = _with(closes, interval)
    locks = schedule.locks[bisect_left(schedule.locks, end) :]
    state.save(SCHEDULE, _replace(schedule, locks=locks, closes=closes))


def closed(state: State, interval: int) -> None:
    """The close that `next_due` named has happened."""
    schedule = _load(state)
    assert schedule.closes[0] == interval, "closes happen in order"
    state.save(SCHEDULE, _replace(schedule, closes=schedule.closes[1:], closed=interval))


def unsettled(state: State, before: int) -> tuple[int, ...]:
    """Intervals before this one that wait for their close, ascending."""
    closes = _load(state).closes
    return closes[: bisect_left(closes, before)]


def earliest_deadline_ms(state: State, params: PactParams) -> int | None:
    """Earliest ledger time at which a block would lock or close something, at least 0; None when nothing
    waits.
    """
    schedule = _load(state)
    deadlines = [lock_ms(params, interval) for interval in schedule.locks[:1]]
    deadlines += [close_ms(params, interval) for interval in schedule.closes[:1]]
    return max(0, min(deadlines)) if deadlines else None


def _status(state: State, interval: int) -> str:
    record = state.load(INTERVALS, INTERVALS.key(interval))
    return OPEN if record is None else record.status


def _load(state: State) -> Schedule:
    return state.load(SCHEDULES, SCHEDULE) or _EMPTY


def _has(intervals: tuple[int, ...], interval: int) -> bool:
    at = bisect_left(intervals, interval)
    return at < len(intervals) and intervals[at] == interval


def _with(intervals: tuple[int, ...], interval: int) -> tuple[int, ...]:
    """The same tuple where the interval is in it already."""
    if _has(intervals, interval):
        return intervals
    at = bisect_left(intervals, interval)
    return (*intervals[:at], interval, *intervals[at:])
