"""The scenario of `gridpact bench day` is one that a chain may start from, and is what its name says."""

from __future__ import annotations

from contracts.params import problem
from contracts.schedule import first_open
from devnet.bench import day as bench


def test_a_day_is_one_window_of_fifty_three_members_and_more() -> None:
    day = bench.day()
    assert problem(day.params) is None
    assert (day.params.window_intervals, day.params.wagering.on, day.faults) == (96, True, ())
    assert sum(meter.kind == "load" for meter in day.meters) >= 53
    assert any(meter.store is not None for meter in day.meters)
    assert len(day.builders) >= 3
    first = first_open(day.params, day.clock.origin_ms)
    assert first % 96 == 0 and first * day.params.interval_ms > day.clock.origin_ms
