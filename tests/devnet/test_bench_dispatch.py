"""The dispatch benchmark reports what it promises, of real solutions."""

from __future__ import annotations

import pytest

from contracts.program.documents import MAX_CASE_BYTES, case_of, json_of
from contracts.program.verdict import Refusal
from devnet.bench import dispatch as bench
from devnet.bench.dispatch_cases import BENCH, CAMPUS, DAY_OF_FOUR, OFFERS, Plan, drawn_plan, make
from devnet.errors import DevnetError


def test_the_report_has_the_promised_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "VERIFICATIONS", 1)
    monkeypatch.setattr(bench, "SOLVES", 1)
    small = Plan("small", 1, 40, 1, 10, demand_wh=25_000)
    cases = bench.measure(lambda line: None, (DAY_OF_FOUR, small))["cases"]
    assert [one["name"] for one in cases] == ["four sources x 24", "small"]
    for one in cases:
        assert all(one[key] > 0 for key in ("verify_ms", "ready_s", "lock_ms", "repair_s")) and one["solve_s"] >= 0
        assert one["certified"] and 0 <= one["gap_ppm"] < 5
        assert one["cost_nano"] > 0 and one["rows"] > 0 and one["variables"] > one["rows"] and one["solution_bytes"] > 0


def test_what_fails_its_check_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "check", lambda known, solution: Refusal("dispatch.balance", "place", "wrong"))
    monkeypatch.setattr(bench, "SOLVES", 1)
    with pytest.raises(DevnetError, match=r"^bench\.dispatch"):
        bench.measure(lambda line: None, (DAY_OF_FOUR,))


def test_the_cases_are_those_of_the_goals() -> None:
    assert [(plan.sources, plan.intervals, plan.storages) for plan in BENCH] == [
        (4, 24, 1),
        (53, 96, 4),
        (1_000, 96, 50),
        (10_000, 1, 0),
    ]
    campus = make(CAMPUS)
    assert campus.carbon_cap_ug is not None and campus.reserve_wh
    assert any(source.ramp_wh is not None for source in campus.sources)
    assert sum(len(source.blocks[0]) for source in make(OFFERS).sources) >= 10_000


def test_a_seed_is_a_case_wherever_it_is_made() -> None:
    """Known figures: documents and tests speak of these very cases."""
    four = make(DAY_OF_FOUR)
    assert four.connections[0].import_nano_per_wh[:8] == (92_546,) * 7 + (220_269,)
    assert sum(sum(one.energy_wh) for one in four.demands) == 982_006
    assert [one.id for one in four.sources] == ["solar-0", "wind-1", "steady-2", "engine-3"]
    for seed in range(20):
        case = make(drawn_plan(seed))
        raw = json_of(case)
        assert len(raw) < MAX_CASE_BYTES and case_of(raw) == case
