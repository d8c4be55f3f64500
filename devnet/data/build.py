"""Rebuilds `profiles.json`, the two weeks of real load shapes and weather that devnet scenarios replay.

    python -m devnet.data.build --check     compare the file with a fresh build (exit 1 if they differ)
    python -m devnet.data.build --write     write the file and the hash pinned beside it

Needs the extra `data` (demandlib, pvlib, windpowerlib, pandas below 3) and nothing from the network: every
input is a file inside one of those packages. What the inputs are, and why these, is in PROVENANCE.md.
Nothing that runs a scenario imports this module; scenarios read the file through `devnet.profiles`.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import re
import sys
import warnings
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pvlib
from demandlib import bdew
from windpowerlib import WindTurbine, power_output, wind_speed

from devnet import profiles

QUANTUM_PPM = 100
"""Grid of all shares: coarse enough that rounding noise of another library version moves no value by more
than one step, and few by that."""
QUANTUM_MC = 100
"""Grid of temperatures in thousandths of a degree Celsius; the station itself reports tenths of a degree."""
QUANTUM_W = 10
"""Grid of the weekly load peaks, in watts at 100 MWh a year."""

QUARTER = datetime.timedelta(minutes=15)
HOUR = 4 * QUARTER
WEEKS = {"summer": datetime.date(2025, 8, 18), "winter": datetime.date(2025, 2, 3)}
"""Mondays (UTC) of the two weeks; PROVENANCE.md says how they were picked."""

LOAD_ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
LOAD_TYPES = ("h0", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "l0", "l1", "l2")
ANNUAL_WH = 100_000_000
"""Yearly energy to which the peaks refer."""

STATION_FILE = "703165TY.csv"
STATION_CLOCK = datetime.timedelta(hours=-9)
"""Local standard time of the station, in which its file counts hours."""
EASTWARD = datetime.timedelta(hours=11, minutes=15)
"""The weather is moved this far ahead of the sun, 168.75 degrees east: from 160.5 W to 8.2 E, so that noon
and dawn stand where the load shapes expect them."""

PANEL_TILT_DEGREES = 35
PANEL_AZIMUTH_DEGREES = 180
PANEL_WATTS = 1_000
PANEL_WATTS_PER_KELVIN = -0.004
INVERTER_EFFICIENCY = 0.96

TURBINE = "E-53/800"
HUB_METRES = 73
ANEMOMETER_METRES = 10
SHEAR_EXPONENT = 1 / 7
"""Hellmann exponent over open, flat land in a neutral atmosphere."""

SOURCE = (
    "Loads: BDEW standard load profiles, Germany (demandlib). Weather: TMY3 of Sand Point, Alaska, 55.3 N,"
    f" moved to 8.2 E (pvlib). PV: PVWatts, {PANEL_TILT_DEGREES} degrees south (pvlib)."
    f" Wind: {TURBINE} at {HUB_METRES} m (windpowerlib). Prices are not part of it."
)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m devnet.data.build", description=__doc__.splitlines()[0])
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--check", action="store_true", help="compare the shipped file with a fresh build")
    mode.add_argument("--write", action="store_true", help="write the file and its hash")
    options = parser.parse_args(arguments)
    fresh = build()
    if options.write:
        raw = render(fresh)
        profiles.PATH.write_bytes(raw)
        digest = hashlib.sha256(raw).hexdigest()
        profiles.HASH_PATH.write_text(f"{digest}  {profiles.PATH.name}\n", encoding="ascii")
        print(f"wrote {profiles.PATH.name}: {len(raw)} bytes, sha256 {digest}")
        return 0
    moved, broken = compare(json.loads(profiles.PATH.read_bytes()), fresh)
    for line in broken:
        print(line, file=sys.stderr)
    print(f"{moved} values moved by one quantum, {len(broken)} differences")
    return 1 if broken else 0


def build() -> dict[str, Any]:
    """Compute the whole data set as the JSON-ready document that `devnet.profiles` reads."""
    loads = _loads(next(iter(WEEKS.values())).year)
    return {
        "source": SOURCE,
        "seasons": {season: _week(monday, loads) for season, monday in WEEKS.items()},
    }


def render(document: dict[str, Any]) -> bytes:
    """Text of the document: one series per line, so that a change of one series is a change of one line."""
    text = json.dumps(document, indent=1)
    one_line = re.sub(r"\[[^\[\]]*\]", lambda found: json.dumps(json.loads(found[0])), text)
    return (one_line + "\n").encode("ascii")


def compare(shipped: Any, fresh: Any, path: str = "$") -> tuple[int, list[str]]:
    """How many numbers of two documents are one quantum apart, and one line for every other difference."""
    match shipped, fresh:
        case dict(), dict() if shipped.keys() == fresh.keys():
            parts = [compare(shipped[key], fresh[key], f"{path}.{key}") for key in shipped]
        case list(), list() if len(shipped) == len(fresh):
            pairs = enumerate(zip(shipped, fresh, strict=True))
            parts = [compare(old, new, f"{path}[{i}]") for i, (old, new) in pairs]
        case _ if shipped == fresh:
            return 0, []
        case int(), int() if abs(shipped - fresh) <= _quantum(path):
            return 1, []
        case _:
            return 0, [f"{path}: shipped {str(shipped)[:60]}, rebuilt {str(fresh)[:60]}"]
    return sum(moved for moved, _ in parts), [line for _, lines in parts for line in lines]


def _quantum(path: str) -> int:
    if ".peak_w." in path:
        return QUANTUM_W
    return QUANTUM_MC if ".temperature_mc[" in path else QUANTUM_PPM


def _week(monday: datetime.date, loads: pd.DataFrame) -> dict[str, Any]:
    start = datetime.datetime.combine(monday, datetime.time(), datetime.UTC)
    starts = [start + i * QUARTER for i in range(profiles.INTERVALS)]
    # Standard load profiles are written in local wall-clock time; neither week crosses a clock change.
    local = [moment.astimezone(LOAD_ZONE).replace(tzinfo=None) for moment in starts]
    week = loads.loc[local]
    peaks = week.max()
    weather = _weather(start)
    return {
        "start_utc": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "load": {name: _quantise(week[name] / peaks[name] * 1e6, QUANTUM_PPM) for name in LOAD_TYPES},
        # The frame holds each quarter hour's share of the year's energy.
        "peak_w": {name: _quantise([peaks[name] * ANNUAL_WH * 4], QUANTUM_W)[0] for name in LOAD_TYPES},
        "pv_ppm": _quantise(_photovoltaics(weather) / PANEL_WATTS * 1e6, QUANTUM_PPM),
        "wind_ppm": _quantise(_wind(weather) * 1e6, QUANTUM_PPM),
        "temperature_mc": _quantise(weather["temp_air"] * 1e3, QUANTUM_MC),
    }


def _loads(year: int) -> pd.DataFrame:
    """Shares of a year's energy by local quarter hour; h0 with the dynamic factor that BDEW prescribes."""
    with warnings.catch_warnings():  # demandlib turns every later warning of the process into an error
        frame = bdew.ElecSlp(year).get_profiles()
    return frame.drop(columns="h0").rename(columns={"h0_dyn": "h0"})[list(LOAD_TYPES)]


def _weather(start: datetime.datetime) -> pd.DataFrame:
    """The station's weather for the quarter hours of the week, indexed by their midpoints at the station.

    Irradiance within an hour follows the height of the sun, so each hour keeps its energy and nights stay
    dark; temperature and wind are observations on the hour and run straight between them.
    """
    path = Path(pvlib.__file__).parent / "data" / STATION_FILE
    hourly, _ = pvlib.iotools.read_tmy3(path, map_variables=True)
    midpoint = start + EASTWARD + QUARTER / 2
    index = pd.date_range(midpoint, periods=profiles.INTERVALS, freq=QUARTER)
    new_year = datetime.datetime(start.year, 1, 1, tzinfo=datetime.UTC) - STATION_CLOCK
    hours = (index - new_year) / HOUR
    ends = np.arange(1, len(hourly) + 1)  # row k of the file is the hour that ends at k + 1

    # The week may start within an hour of the file, so the sun is taken for all quarters of all its hours.
    first = int(hours[0])
    span = pd.date_range(new_year + first * HOUR + QUARTER / 2, periods=len(index) + 4, freq=QUARTER)
    height = np.cos(np.radians(_station().get_solarposition(span)["zenith"].to_numpy())).clip(min=0)
    mean = height.reshape(-1, 4).mean(axis=1).repeat(4)
    share = np.divide(height, mean, out=np.zeros_like(height), where=mean > 0)
    row: Any = first + np.arange(len(span)) // 4
    inside = span.isin(index)
    return pd.DataFrame(
        {
            "ghi": (hourly["ghi"].to_numpy()[row] * share)[inside],
            "dhi": (hourly["dhi"].to_numpy()[row] * share)[inside],
            "dni": (hourly["dni"].to_numpy()[row] * (height > 0))[inside],
            "temp_air": np.interp(hours, ends, hourly["temp_air"].to_numpy()),
            "wind_speed": np.interp(hours, ends, hourly["wind_speed"].to_numpy()),
        },
        index=index,
    )


def _station() -> pvlib.location.Location:
    return pvlib.location.Location(latitude=55.317, longitude=-160.517, altitude=7)


def _photovoltaics(weather: pd.DataFrame) -> pd.Series:
    """AC watts of an array of `PANEL_WATTS` under the PVWatts model, system losses 14 percent."""
    rack = pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_glass"]
    array = pvlib.pvsystem.Array(
        pvlib.pvsystem.FixedMount(PANEL_TILT_DEGREES, PANEL_AZIMUTH_DEGREES),
        module_parameters={"pdc0": PANEL_WATTS, "gamma_pdc": PANEL_WATTS_PER_KELVIN},
        temperature_model_parameters=rack,
    )
    system = pvlib.pvsystem.PVSystem(
        [array],
        inverter_parameters={"pdc0": PANEL_WATTS / INVERTER_EFFICIENCY, "eta_inv_nom": INVERTER_EFFICIENCY},
    )
    # Hay-Davies instead of the default Perez: it has no bins whose edges a rounding error could cross.
    chain = pvlib.modelchain.ModelChain.with_pvwatts(system, _station(), transposition_model="haydavies")
    chain.run_model(weather)
    return chain.results.ac.clip(lower=0)


def _wind(weather: pd.DataFrame) -> pd.Series:
    """Power per rated power of the turbine."""
    turbine = WindTurbine(hub_height=HUB_METRES, turbine_type=TURBINE)
    at_hub = wind_speed.hellman(weather["wind_speed"], ANEMOMETER_METRES, HUB_METRES, hellman_exponent=SHEAR_EXPONENT)
    curve = turbine.power_curve
    power = power_output.power_curve(at_hub, curve["wind_speed"], curve["value"])
    # The curve ends a little above the rated power that the type is sold under.
    return (power / turbine.nominal_power).clip(0, 1)


def _quantise(values: Any, quantum: int) -> list[int]:
    """Round to the nearest multiple of `quantum`, half upwards."""
    return [int(steps) * quantum for steps in np.floor(np.asarray(values, dtype=float) / quantum + 0.5)]


if __name__ == "__main__":
    sys.exit(main())
