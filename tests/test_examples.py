"""The examples of docs/examples.md run as they stand there, and return what that page says of them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from consensus.quorum import is_quorum
from devnet.simulator.violations import ORACLES
from zk.group.native import decode_point

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def played(name: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """What a program defines, and the frame that it showed when it was run by itself."""
    names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    return names, names["played"]


def test_every_example_is_on_its_page_and_run_here() -> None:
    page, here = (EXAMPLES.parent / "examples.md").read_text(), Path(__file__).read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"\npython docs/examples/{path.name}\n" in page
        assert f"(examples/{path.name})" in page
        assert f'played("{path.stem}")' in here


def test_the_papers_month_adds_up_and_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    names, month = played("paper_month")
    loads, sources = month[month["kind"] == "load"], month[month["kind"] == "source"]
    assert len(loads) == 53 and loads["energy_wh"].between(1_000, 3_000).all()
    assert loads["energy_wh"].sum() == 91_000
    assert dict(zip(sources["member"], sources["energy_wh"], strict=True)) == {
        "solar": 31_000,
        "wind": 30_000,
        "geothermal": 15_100,
        "biodiesel": 14_900,
    }
    assert month["proven"].all()
    assert month["commitment"].map(bytes.fromhex).map(decode_point).nunique() == 57
    shown = names["stranger"](month)
    assert set(month.columns) - set(shown.columns) == {"energy_wh", "money_nano"}
    public, _, sums = capsys.readouterr().out.rpartition("energy_wh")
    assert "91000" in sums and "91000" not in public
    assert not any(f" {energy_wh} " in public for energy_wh in sources["energy_wh"])


def test_a_proof_of_the_month_that_is_no_proof_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = runpy.run_path(str(EXAMPLES / "paper_month.py"))
    ranges = names["ranges"]
    honest = ranges.prove

    def prove(kind: str, where: Any, *rest: Any, **known: Any) -> Any:
        made = honest(kind, where, *rest, **known)
        return made._replace(proof=bytes(len(made.proof))) if where.actor == "tenant-07-load" else made

    monkeypatch.setattr(ranges, "prove", prove)
    month = names["month"](bytes(32))
    assert list(month[~month["proven"]]["meter"]) == ["tenant-07-load"]


def test_a_week_of_rulebooks_is_a_week_of_each_member() -> None:
    _, week = played("week_of_rulebooks")
    assert len(week) == 5 * 7 * 96
    assert week["start"].min() == pd.Timestamp("2025-08-18", tz="UTC")
    assert week["start"].max() == pd.Timestamp("2025-08-24T23:45", tz="UTC")
    assert not week.duplicated(["start", "member"]).any()
    sums = week.groupby(["member", week["start"].dt.day_name()])[["asked_wh", "offered_wh"]].sum()
    offered = sums["offered_wh"]["wind"]
    assert offered["Sunday"] == offered.max() > 70 * offered["Monday"] and offered["Monday"] == offered.min()
    assert set(sums.drop("wind").groupby("member").nunique().max()) == {1}, "all others do the same on all days"
    assert (week["failed"] == 0).all() and week["stopped"].isna().all()
    assert (week.groupby(["member", week["start"].dt.date])["stake_tokens"].sum() <= 2_000).all(), "the battery's limit"


def test_consensus_breaks_where_a_quorum_is_less_than_two_thirds() -> None:
    _, verdicts = played("breaking_consensus")
    real, weaker = verdicts[verdicts["quorum"] == "more than 2/3"], verdicts[verdicts["quorum"] != "more than 2/3"]
    assert len(real) == 2 and len(weaker) == 4
    assert real["broken"].isna().all() and (real["heights"] > 0).all()
    assert weaker["broken"].notna().all() and weaker["rule"].isin(ORACLES.values()).all()
    soon = weaker.merge(real, on="seed", suffixes=("", "_real"))
    assert (soon["heights"] < soon["heights_real"]).all() and (soon["virtual_ms"] < soon["virtual_ms_real"]).all()
    assert is_quorum(7, 10) and not is_quorum(2, 3), "the rule is what it was"
