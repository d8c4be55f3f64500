"""Billing cycles: every interval is in exactly one, and boundaries are where they were written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from contracts.cycles import cycle, cycle_of
from contracts.params import DAY_MS, MAX_CYCLE_MS, PactParams

PARAMS = st.builds(
    PactParams,
    interval_ms=st.integers(1_000, DAY_MS),
    cycle_ms=st.integers(1_000, MAX_CYCLE_MS),
    cycle_starts_ms=st.lists(st.integers(0, 2**41), unique=True, max_size=6).map(lambda starts: tuple(sorted(starts))),
)


@given(PARAMS, st.integers(0, 2**32 - 1))
def test_an_interval_is_in_the_cycle_that_names_it(params: PactParams, interval: int) -> None:
    own = cycle(params, cycle_of(params, interval))
    assert own.first <= interval <= own.last
    assert own.end_ms > interval * params.interval_ms
    assert own.start_ms <= interval * params.interval_ms or own.number == 0


@given(PARAMS, st.integers(0, 12))
def test_cycles_leave_no_gap_and_never_overlap(params: PactParams, number: int) -> None:
    this, following = cycle(params, number), cycle(params, number + 1)
    assert this.end_ms == following.start_ms
    assert following.first == this.last + 1
    assert cycle(params, 0).first == 0


def test_the_default_is_the_day_in_utc() -> None:
    params = PactParams()
    day = cycle(params, cycle_of(params, 1_754_294_400_000 // 900_000))
    assert datetime.fromtimestamp(day.start_ms // 1000, UTC) == datetime(2025, 8, 4, tzinfo=UTC)
    assert (day.intervals, day.end_ms - day.start_ms) == (96, DAY_MS)


def test_local_days_have_92_96_or_100_quarter_hours() -> None:
    """Written ahead in UTC, Berlin's days of 2025 have the lengths that its clocks show."""
    zone = ZoneInfo("Europe/Berlin")
    days = [datetime(2024, 12, 31, tzinfo=zone) + timedelta(days=day) for day in range(367)]
    params = PactParams(cycle_starts_ms=tuple(int(day.timestamp()) * 1000 for day in days))
    counts = [cycle(params, number).intervals for number in range(1, 366)]
    assert [counts.count(length) for length in (92, 96, 100)] == [1, 363, 1]
    assert days[1 + counts.index(92)].date().isoformat() == "2025-03-30"
    assert days[1 + counts.index(100)].date().isoformat() == "2025-10-26"
    assert sum(counts) == 365 * 96


def test_intervals_that_do_not_divide_the_day_belong_where_they_start() -> None:
    params = PactParams(interval_ms=7 * 60_000)
    counts = {cycle(params, number).intervals for number in range(40)}
    assert counts == {205, 206}
