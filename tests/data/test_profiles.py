"""The shipped weeks: refused when damaged, plausible when not, and readable without any science package."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import subprocess
import sys
import zoneinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devnet import profiles
from devnet.errors import DevnetError

SEASONS = ("summer", "winter")
LATITUDE, LONGITUDE = 55.317, 8.233
RAW = profiles.PATH.read_bytes()
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def moments(week: profiles.Profiles) -> list[datetime.datetime]:
    start = datetime.datetime.fromisoformat(week.start_utc)
    return [start + datetime.timedelta(minutes=15 * i) for i in range(week.intervals)]


def sun_height(moment: datetime.datetime) -> float:
    """Degrees above the horizon, by Cooper's declination and Spencer's equation of time; good to a degree."""
    day = moment.timetuple().tm_yday
    angle = 2 * math.pi * (day - 81) / 364
    minutes = 9.87 * math.sin(2 * angle) - 7.53 * math.cos(angle) - 1.5 * math.sin(angle)
    solar_hour = moment.hour + moment.minute / 60 + LONGITUDE / 15 + minutes / 60
    declination = math.radians(23.45 * math.sin(2 * math.pi * (284 + day) / 365))
    latitude, turned = math.radians(LATITUDE), math.radians(15 * (solar_hour - 12))
    sine = math.sin(latitude) * math.sin(declination)
    return math.degrees(math.asin(sine + math.cos(latitude) * math.cos(declination) * math.cos(turned)))


def weekly_wh(week: profiles.Profiles, name: str) -> float:
    """Energy of the week of a customer who takes 100 MWh a year."""
    return week.peak_w[name] * sum(week.load[name]) / 1e6 / 4


def write(tmp_path: Path, raw: bytes, pinned: bytes | None = None) -> tuple[Path, Path]:
    path, hash_path = tmp_path / "p.json", tmp_path / "p.json.sha256"
    path.write_bytes(raw)
    hash_path.write_bytes(hashlib.sha256(raw).hexdigest().encode() if pinned is None else pinned)
    return path, hash_path


@pytest.mark.parametrize("season", SEASONS)
def test_every_series_has_one_value_for_each_quarter_hour_on_the_grid(season: str) -> None:
    week = profiles.load(season)
    assert week.season == season
    assert set(week.load) == {"h0", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "l0", "l1", "l2"} == set(week.peak_w)
    assert week.sha256 == hashlib.sha256(RAW).hexdigest()
    assert datetime.datetime.fromisoformat(week.start_utc).weekday() == 0
    for series in (*week.load.values(), week.pv_ppm, week.wind_ppm, week.temperature_mc):
        assert len(series) == week.intervals == 672
        assert all(value % 100 == 0 for value in series)
    for series in week.load.values():
        assert min(series) > 0
        assert max(series) == 1_000_000
    assert min(week.pv_ppm) == 0 <= min(week.wind_ppm)
    assert max(week.pv_ppm) < 1_000_000
    assert 900_000 < max(week.wind_ppm) <= 1_000_000


@pytest.mark.parametrize("season", SEASONS)
def test_photovoltaics_follow_the_sun_of_the_place_and_date(season: str) -> None:
    week = profiles.load(season)
    for index, (moment, output) in enumerate(zip(moments(week), week.pv_ppm, strict=True)):
        height = sun_height(moment + datetime.timedelta(minutes=7.5))
        if height < -1.5:
            assert output == 0, f"light at night: interval {index}"
        if height > 8:
            assert output > 0, f"dark by day: interval {index}"


@pytest.mark.parametrize(("season", "low", "high"), [("summer", 15, 40), ("winter", 2, 12)])
def test_the_weeks_energy_is_that_of_the_latitude(season: str, low: float, high: float) -> None:
    week = profiles.load(season)
    assert low < sum(week.pv_ppm) / 4e6 < high, "kWh per kWp"
    assert 0.1 < sum(week.wind_ppm) / 672e6 < 0.6, "capacity factor"
    for name in week.load:
        assert 1.4e6 < weekly_wh(week, name) < 2.6e6, f"{name}: a 52nd of 100 MWh is 1.92 MWh"


def test_winter_has_less_sun_colder_air_and_more_demand() -> None:
    summer, winter = profiles.load("summer"), profiles.load("winter")
    assert sum(summer.pv_ppm) > 2 * sum(winter.pv_ppm)
    assert sum(summer.temperature_mc) > sum(winter.temperature_mc) + 672 * 5_000
    assert weekly_wh(winter, "h0") > 1.15 * weekly_wh(summer, "h0")
    assert weekly_wh(winter, "g0") > weekly_wh(summer, "g0")


def test_offices_open_at_the_same_local_time_in_summer_and_winter() -> None:
    """Series are in UTC, so the clock change must show as an hour between the seasons, on every weekday."""
    openings = []
    for season, hours_ahead in (("summer", 2), ("winter", 1)):
        week = profiles.load(season)
        times = moments(week)
        crossings = [times[i] for i in range(1, 672) if week.load["g1"][i - 1] < 300_000 <= week.load["g1"][i]]
        local = [moment.astimezone(BERLIN) for moment in crossings]
        assert {moment.utcoffset() for moment in local} == {datetime.timedelta(hours=hours_ahead)}
        assert {6, 7, 8} >= {moment.hour for moment in local}
        assert [moment.weekday() for moment in local] == [0, 1, 2, 3, 4]
        openings.append(local[0].hour * 60 + local[0].minute)
    assert abs(openings[0] - openings[1]) <= 30


@pytest.mark.parametrize("season", SEASONS)
def test_the_weekend_is_a_weekend_in_local_time(season: str) -> None:
    week = profiles.load(season)
    weekend = [moment.astimezone(BERLIN).weekday() >= 5 for moment in moments(week)]
    offices = week.load["g1"]
    busy = max(value for value, free in zip(offices, weekend, strict=True) if free)
    assert busy < 200_000, "offices (g1) rest at the weekend"
    shares = [
        sum(value for value, free in zip(week.load["g6"], weekend, strict=True) if free == wanted)
        / weekend.count(wanted)
        for wanted in (True, False)
    ]
    assert shares[0] > 1.2 * shares[1], "g6 is the type that works at weekends"


def test_weeks_cannot_be_changed_by_who_reads_them() -> None:
    week: Any = profiles.load("summer")
    with pytest.raises(TypeError):
        week.load["h0"] = ()
    with pytest.raises(AttributeError):
        week.pv_ppm = ()


def test_another_season_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(DevnetError) as caught:
        profiles.load("spring")
    assert caught.value.code == "data.season"
    assert "summer" in caught.value.hint


@settings(max_examples=60)
@given(position=st.integers(0, len(RAW) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(tmp_path_factory: pytest.TempPathFactory, position: int, bit: int) -> None:
    damaged = bytearray(RAW)
    damaged[position] ^= 1 << bit
    path, _ = write(tmp_path_factory.mktemp("flip"), bytes(damaged))
    with pytest.raises(DevnetError) as caught:
        profiles.read("summer", path, profiles.HASH_PATH)
    assert caught.value.code == "data.damaged"
    assert caught.value.hint


@pytest.mark.parametrize("pinned", [b"", b"0" * 64, b"\xff" * 64, hashlib.sha256(RAW).hexdigest()[:63].encode()])
def test_a_wrong_pinned_hash_is_refused(tmp_path: Path, pinned: bytes) -> None:
    with pytest.raises(DevnetError, match=r"hash|read") as caught:
        profiles.read("summer", *write(tmp_path, RAW, pinned))
    assert caught.value.code == "data.damaged"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    path, hash_path = write(tmp_path, RAW)
    for victim in (hash_path, path):
        victim.unlink()
        with pytest.raises(DevnetError) as caught:
            profiles.read("summer", path, hash_path)
        assert caught.value.code == "data.damaged"


def shorter(document: Any) -> None:
    document["seasons"]["summer"]["pv_ppm"].pop()


def above_one(document: Any) -> None:
    document["seasons"]["winter"]["wind_ppm"][0] = 1_000_001


def no_load(document: Any) -> None:
    document["seasons"]["summer"]["load"]["h0"][0] = 0


def fraction(document: Any) -> None:
    document["seasons"]["summer"]["pv_ppm"][0] = 0.5


def unknown_field(document: Any) -> None:
    document["prices"] = []


def missing_series(document: Any) -> None:
    del document["seasons"]["summer"]["temperature_mc"]


@pytest.mark.parametrize("spoil", [shorter, above_one, no_load, fraction, unknown_field, missing_series])
def test_a_file_with_a_good_hash_but_wrong_content_is_refused(tmp_path: Path, spoil: Any) -> None:
    document = json.loads(RAW)
    assert profiles.read("summer", *write(tmp_path, json.dumps(document).encode())).intervals == 672
    spoil(document)
    with pytest.raises(DevnetError) as caught:
        profiles.read("summer", *write(tmp_path, json.dumps(document).encode()))
    assert caught.value.code == "data.damaged"


@pytest.mark.parametrize("raw", [b"", b"[]", RAW[:-100], RAW.replace(b"BDEW", b"\xf3\xf3EW")])
def test_a_file_with_a_good_hash_that_is_no_document_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(DevnetError) as caught:
        profiles.read("summer", *write(tmp_path, raw))
    assert caught.value.code == "data.damaged"


def test_reading_needs_no_science_package() -> None:
    program = (
        "import sys\n"
        "for name in ('numpy', 'pandas', 'pvlib', 'demandlib', 'windpowerlib', 'scipy'):\n"
        "    sys.modules[name] = None\n"
        "from devnet.profiles import load\n"
        "print(load('summer').intervals, load('winter').intervals)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["672", "672"]


def test_the_data_stay_small() -> None:
    folder = profiles.PATH.parent
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 300_000
