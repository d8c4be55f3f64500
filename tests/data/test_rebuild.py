"""The shipped weeks are what the public packages give: rebuilt here from the extra `data`, offline."""

from __future__ import annotations

import copy
import datetime
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pvlib
import pytest

from devnet import profiles
from devnet.data import build

SHIPPED = json.loads(profiles.PATH.read_bytes())
SERIES = [
    *(("load", name) for name in build.LOAD_TYPES),
    ("pv_ppm",),
    ("wind_ppm",),
    ("temperature_mc",),
]


@pytest.fixture(scope="module")
def rebuilt() -> dict[str, Any]:
    return build.build()


def test_the_file_is_what_the_packages_give(rebuilt: dict[str, Any]) -> None:
    """Another release of a library may shift the last bits of a float, and so, rarely, tip a value that lies
    next to the middle between two steps of the grid: at most one in a thousand may move, by one step."""
    moved, broken = build.compare(SHIPPED, rebuilt)
    assert broken == []
    assert moved <= 2 * len(SERIES) * profiles.INTERVALS // 1_000


def test_the_file_is_written_in_the_builds_own_form() -> None:
    raw = profiles.PATH.read_bytes()
    assert build.render(SHIPPED) == raw
    assert profiles.HASH_PATH.read_text() == f"{hashlib.sha256(raw).hexdigest()}  {profiles.PATH.name}\n"


@pytest.mark.parametrize("series", SERIES)
def test_a_value_two_steps_off_is_a_difference_and_one_step_is_counted(series: tuple[str, ...]) -> None:
    for steps, expected in ((1, (1, 0)), (2, (0, 1))):
        other = copy.deepcopy(SHIPPED)
        target = other["seasons"]["winter"]
        for key in series:
            target = target[key]
        target[300] -= 100 * steps
        moved, broken = build.compare(SHIPPED, other)
        assert (moved, len(broken)) == expected


def test_a_missing_or_shortened_series_and_another_week_are_differences() -> None:
    for spoil in (
        lambda week: week.pop("pv_ppm"),
        lambda week: week["pv_ppm"].pop(),
        lambda week: week["peak_w"].update(h0=week["peak_w"]["h0"] + 20),
        lambda week: week.update(start_utc="2025-08-25T00:00:00Z"),
    ):
        other = copy.deepcopy(SHIPPED)
        spoil(other["seasons"]["summer"])
        moved, broken = build.compare(SHIPPED, other)
        assert moved == 0
        assert len(broken) == 1


def test_check_says_yes_to_the_file_and_no_to_a_changed_one(
    rebuilt: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(build, "build", lambda: rebuilt)
    monkeypatch.setattr(profiles, "PATH", tmp_path / "profiles.json")
    monkeypatch.setattr(profiles, "HASH_PATH", tmp_path / "profiles.json.sha256")
    assert build.main(["--write"]) == 0
    assert profiles.read("winter", profiles.PATH, profiles.HASH_PATH).intervals == profiles.INTERVALS
    assert build.main(["--check"]) == 0
    changed = copy.deepcopy(rebuilt)
    changed["seasons"]["summer"]["pv_ppm"][200] += 1_000
    profiles.PATH.write_bytes(build.render(changed))
    assert build.main(["--check"]) == 1
    assert "$.seasons.summer.pv_ppm[200]" in capsys.readouterr().err


@pytest.mark.parametrize("season", build.WEEKS)
def test_quarter_hours_keep_the_energy_of_the_stations_hours(season: str) -> None:
    start = datetime.datetime.combine(build.WEEKS[season], datetime.time(), datetime.UTC)
    weather = build._weather(start)
    hourly, _ = pvlib.iotools.read_tmy3(Path(pvlib.__file__).parent / "data" / build.STATION_FILE, map_variables=True)
    # The week starts a quarter past the station's hour: its first whole hour begins three intervals later.
    clock = start + build.EASTWARD + build.STATION_CLOCK + datetime.timedelta(minutes=45)
    assert clock.minute == 0
    first = (clock - datetime.datetime(clock.year, 1, 1, tzinfo=datetime.UTC)) // build.HOUR
    for name in ("ghi", "dhi"):
        hours = weather[name].to_numpy()[3:-1].reshape(-1, 4).mean(axis=1)
        recorded = hourly[name].to_numpy()[first : first + len(hours)]
        # An hour at dusk whose quarters all have the sun below the horizon is dark here.
        assert np.abs(hours - recorded)[hours > 0].max() < 1e-9
        assert recorded[hours == 0].max() <= 5


def test_building_leaves_the_processs_warning_filters_alone(rebuilt: dict[str, Any]) -> None:
    before = list(warnings.filters)
    build._loads(2025)
    assert list(warnings.filters) == before


def test_neither_week_crosses_a_clock_change() -> None:
    for monday in build.WEEKS.values():
        start = datetime.datetime.combine(monday, datetime.time(), datetime.UTC)
        end = start + datetime.timedelta(days=7)
        assert start.astimezone(build.LOAD_ZONE).utcoffset() == end.astimezone(build.LOAD_ZONE).utcoffset()


def test_provenance_names_the_inputs_that_are_installed() -> None:
    text = (profiles.PATH.parent / "PROVENANCE.md").read_text(encoding="utf-8")
    station = (Path(pvlib.__file__).parent / "data" / build.STATION_FILE).read_bytes()
    assert hashlib.sha256(station).hexdigest() in text
    assert all(monday.isoformat() in text for monday in build.WEEKS.values())
