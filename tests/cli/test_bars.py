"""`--plot`: bars to one scale, each with its figure, on any screen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.bars import LEFT, SHORTEST, TAKEN, Bar, barred, timeline
from node.cli.columns import GAP, width_of
from node.cli.form import Form
from node.cli.plots import plot_carbon
from tests.cli.conftest import Devnet
from tests.cli.test_forms import NEXT, settled

LABELS = st.text("abc-中1", max_size=12)
BARS = st.lists(st.builds(Bar, LABELS, st.integers(0, 10**12), LABELS, st.integers(0, 10**12)), min_size=1, max_size=12)


@given(BARS, st.integers(1, 140))
def test_bars_are_to_one_scale_and_leave_room_for_their_figures(bars: list[Bar], width: int) -> None:
    lines = barred(bars, width)
    assert len(lines) == len(bars)
    longest = max(bar.full + bar.rest for bar in bars)
    places = max(line.count(TAKEN) + line.count(LEFT) for line in lines)
    for bar, line in zip(bars, lines, strict=True):
        assert line.startswith(bar.label) and line.endswith(bar.text)
        taken, whole = line.count(TAKEN), line.count(TAKEN) + line.count(LEFT)
        assert bool(taken) is (bar.full > 0)
        assert (whole > 0) is (bar.full + bar.rest > 0)
        if longest:
            assert abs(whole - places * (bar.full + bar.rest) / longest) <= 1
            assert abs(taken - places * bar.full / longest) <= 1
    beside = max(width_of(bar.label) for bar in bars) + max(width_of(bar.text) for bar in bars)
    assert max(map(width_of, lines)) <= max(width, beside + SHORTEST + 2 * GAP)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300), st.integers(1, 140))
def test_the_course_of_a_figure_fits_and_names_its_ends(values: list[int], width: int) -> None:
    head, drawn = timeline("mix", values, lambda value: f"{value:.0f} g", width)
    assert len(drawn) <= max(SHORTEST, width) and head.startswith("mix, ")
    if len(values) <= width and min(values) < max(values):
        assert head == f"mix, {min(values)} g to {max(values)} g" and len(drawn) == len(values)
        assert (drawn[values.index(min(values))], drawn[values.index(max(values))]) == ("▁", "█")


def test_of_nothing_nothing_is_drawn() -> None:
    assert barred([], 80) == [] and timeline("mix", [], str, 80) == []


def test_a_price_is_drawn_as_what_was_taken_of_what_was_offered(devnet: Devnet) -> None:
    open_ = devnet.run("query", "interval", str(NEXT), "--plot")
    assert open_.exit_code == 0 and "nothing is offered" in open_.stdout
    settled(devnet)
    shown = devnet.run("query", "interval", str(NEXT), "--plot")
    assert shown.exit_code == 0, shown.output
    bars = [line for line in shown.stdout.splitlines() if TAKEN in line]
    assert bars[0].split()[:2] == ["0.10", "solar"] and "3,000 of 3,000 Wh" in bars[0] and LEFT not in bars[0]
    assert "Served: 5,000 Wh at 0.12 currency/kWh." in shown.stdout
    both = devnet.run("query", "interval", str(NEXT), "--plot", "--explain").stdout
    assert TAKEN in both and "Needed: 5,000 Wh, asked for by campus" in both


def test_power_is_drawn_by_size(devnet: Devnet) -> None:
    shown = devnet.run("trust", "show", "--plot")
    assert shown.exit_code == 0, shown.output
    assert "25.00 %, power" in shown.stdout and "500,000 ppm" in shown.stdout


def test_carbon_is_drawn_by_source(capsys: pytest.CaptureFixture[str]) -> None:
    def source(meter: str, operating_ug: int) -> dict[str, object]:
        return {"meter": meter, "energy_wh": 5, "operating_ug": operating_ug, "embodied_ug": 0, "unseen_ug": 0}

    data = {
        "member": None,
        "start_ms": 0,
        "end_ms": 900_000,
        "lines": [{"mix_ug_per_wh": mix} for mix in (None, 40_000, 80_000)],
        "factors": [source("wind-1", 10**9), source("tie", 4 * 10**9)],
    }
    plot_carbon(data, Form(False, False, None))
    said = capsys.readouterr().out.splitlines()
    assert "mix, 40.000 g/kWh to 80.000 g/kWh" in said and "▁█" in said
    drawn = [line for line in said if "kg" in line and TAKEN in line]
    assert [line.split()[0] for line in drawn] == ["tie", "wind-1"]
    assert drawn[0].count(TAKEN) == pytest.approx(4 * drawn[1].count(TAKEN), abs=2)


def test_json_is_the_same_with_a_plot(devnet: Devnet) -> None:
    assert devnet.document("trust", "show", "--plot") == devnet.document("trust", "show")
