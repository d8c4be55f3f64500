"""Two weeks of real quarter hours, one in summer and one in winter, for scenarios to replay.

Reads `devnet/data/profiles.json` with the standard library and msgspec alone; `devnet/data/build.py` makes
that file and `devnet/data/PROVENANCE.md` says from what. Prices are not in here: scenarios make them up.
Never returns numbers of a file whose hash is not the one pinned beside it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from devnet.errors import DevnetError
from node.errors import UNREADABLE

INTERVALS = 672
"""Quarter hours of a week."""
PATH = Path(__file__).parent / "data" / "profiles.json"
HASH_PATH = PATH.with_name(PATH.name + ".sha256")
"""Pinned hash, in the format that `sha256sum --check` reads."""

Share = Annotated[int, Meta(ge=0, le=1_000_000)]
LoadShare = Annotated[int, Meta(gt=0, le=1_000_000)]
Temperature = Annotated[int, Meta(ge=-60_000, le=60_000)]
WEEK = Meta(min_length=INTERVALS, max_length=INTERVALS)


class Profiles(msgspec.Struct, frozen=True):
    """One week; element i of a series is the mean over the quarter hour from start_utc + i * 900 s on."""

    season: str
    start_utc: str
    """Start of the week, a Monday: `2025-07-07T00:00:00Z`."""
    intervals: int
    load: Mapping[str, tuple[int, ...]]
    """Power by BDEW customer type (h0, g0 to g6, l0 to l2), in ppm of the week's own peak."""
    peak_w: Mapping[str, int]
    """The week's peak in watts of a customer of that type who takes 100 MWh a year; compares the seasons."""
    pv_ppm: tuple[int, ...]
    """AC output of photovoltaics per peak power, in ppm."""
    wind_ppm: tuple[int, ...]
    """Output of a wind turbine per rated power, in ppm."""
    temperature_mc: tuple[int, ...]
    """Air temperature in thousandths of a degree Celsius."""
    source: str
    """One sentence about where the numbers come from."""
    sha256: str
    """Hash of the data file, lower-case hex."""


class _Week(msgspec.Struct, forbid_unknown_fields=True):
    start_utc: str
    load: dict[str, Annotated[tuple[LoadShare, ...], WEEK]]
    peak_w: dict[str, Annotated[int, Meta(gt=0)]]
    pv_ppm: Annotated[tuple[Share, ...], WEEK]
    wind_ppm: Annotated[tuple[Share, ...], WEEK]
    temperature_mc: Annotated[tuple[Temperature, ...], WEEK]


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    seasons: dict[Literal["summer", "winter"], _Week]


@functools.cache
def load(season: str) -> Profiles:
    """The week of `season`. Raises DevnetError: `data.damaged`, or `data.season` for any other name."""
    return read(season, PATH, HASH_PATH)


def read(season: str, path: Path, hash_path: Path) -> Profiles:
    """The week of `season` from a file and its pinned hash; raises as `load` does."""
    try:
        raw = path.read_bytes()
        pinned = hash_path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(f"The profiles cannot be read: {error}.") from error
    digest = hashlib.sha256(raw).hexdigest()
    if pinned[:1] != [digest]:
        raise _damaged(f"{path.name} has the hash {digest}, which is not the one in {hash_path.name}.")
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except UNREADABLE as error:
        raise _damaged(f"{path.name} is not what this version reads: {error}.") from error
    if season not in document.seasons:
        raise DevnetError("data.season", f"There is no week of {season!r}.", "Say summer or winter.")
    week = document.seasons[season]
    return Profiles(
        season=season,
        start_utc=week.start_utc,
        intervals=INTERVALS,
        load=MappingProxyType(week.load),
        peak_w=MappingProxyType(week.peak_w),
        pv_ppm=week.pv_ppm,
        wind_ppm=week.wind_ppm,
        temperature_mc=week.temperature_mc,
        source=document.source,
        sha256=digest,
    )


def _damaged(message: str) -> DevnetError:
    return DevnetError("data.damaged", message, "Reinstall gridpact, or restore devnet/data/ from the repository.")
