"""The form of an answer: tables and sentences for people, JSON or CSV for programs, times in UTC and at the site.

CSV is RFC 4180: CRLF, quotes where needed, one header row whose names carry the units; figures are those of the
JSON form, exact. Text from strangers that a spreadsheet would take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from node.cli.context import devnet
from node.cli.output import moment_of, utc
from node.errors import NodeError

Data = dict[str, Any]
MOMENTS = ("start_ms", "end_ms", "locks_ms", "closes_ms", "time_ms", "as_of_ms", "recorded_ms")
"""Fields that are points in time; they appear in UTC too, and at the site where its zone is known."""
RECORD_LISTS = frozenset(
    {
        "events",
        "gaps",
        "injection_orders",
        "island_orders",
        "keys",
        "lanes",
        "largest",
        "lines",
        "meters",
        "nodes",
        "open",
        "set_by",
    }
    | {"corrected", "corrections", "disputes", "estimates", "orders", "placed", "rounds", "suppliers", "unlocking"}
    | {"entries", "reductions", "shortfalls", "storages", "withholdings"}
    | {"blamed", "openings", "seats", "shares"}
)
"""Lists of records: a row has their number, even when they are empty."""
ZONE_VARIABLE = "GRIDPACT_TZ"
_NUMBER = re.compile(r"-?[0-9]+\Z")


class Form(NamedTuple):
    """How one command prints. `zone` None: times are shown in UTC alone."""

    as_json: bool
    as_csv: bool
    zone: ZoneInfo | None

    def time(self, time_ms: int) -> str:
        """A moment: UTC, and the site's clock behind it."""
        text = utc(time_ms)
        if self.zone is None:
            return text
        local = self._local(time_ms)
        pattern = "%H:%M:%S %Z" if local.date().isoformat() == text[:10] else "%Y-%m-%d %H:%M:%S %Z"
        return f"{text} ({local:{pattern}})"

    def brief(self, time_ms: int) -> str:
        """A moment to the second, for a table: UTC, and the site's clock behind it (`clocks` names both)."""
        clock = "%H:%M:%S" if time_ms // 1_000 % 60 else "%H:%M"
        text = f"{moment_of(time_ms):%Y-%m-%d {clock}}"
        return text if self.zone is None else f"{text} ({self._local(time_ms):{clock}})"

    @property
    def clocks(self) -> str:
        """What `brief` shows, for a heading."""
        return "UTC" if self.zone is None else "UTC (site)"

    def span(self, start_ms: int, end_ms: int) -> str:
        """An interval of time: UTC, and the site's clock behind it."""
        start, end = utc(start_ms), utc(end_ms)
        text = f"{start.removesuffix(' UTC')} to {end[11:] if start[:10] == end[:10] else end}"
        if self.zone is None:
            return text
        first, last = self._local(start_ms), self._local(end_ms)
        opening = "%H:%M:%S" if first.date().isoformat() == start[:10] else "%Y-%m-%d %H:%M:%S"
        # The night when clocks change has two offsets in one interval.
        opening += "" if first.utcoffset() == last.utcoffset() else " %Z"
        closing = "%H:%M:%S %Z" if first.date() == last.date() else "%Y-%m-%d %H:%M:%S %Z"
        return f"{text} ({first:{opening}} to {last:{closing}})"

    def moments(self, name: str, time_ms: int) -> dict[str, str]:
        """ISO 8601 columns that stand beside a moment's milliseconds."""
        stem = name.removesuffix("_ms")
        columns = {f"{stem}_utc": moment_of(time_ms).strftime("%Y-%m-%dT%H:%M:%SZ")}
        if self.zone is not None:
            columns[f"{stem}_site"] = self._local(time_ms).isoformat()
        return columns

    def _local(self, time_ms: int) -> datetime:
        return moment_of(time_ms, self.zone)


def form(as_json: bool, as_csv: bool, tz: str | None, directory: Path) -> Form:
    """The form that the options name. Raises NodeError `cli.format`, `cli.tz`."""
    if as_json and as_csv:
        raise NodeError("cli.format", "An answer has one form.", "Give --json or --csv, not both.")
    name = tz
    if name is None:
        document = devnet(directory)
        name = document.zone if document is not None else None
    if not name or name == "UTC":
        return Form(as_json, as_csv, None)
    try:
        return Form(as_json, as_csv, ZoneInfo(name))
    except (ValueError, OSError, KeyError):
        raise NodeError(
            "cli.tz", f"There is no time zone {name!r} here.", "Use a name like Europe/Berlin, or UTC."
        ) from None


def site_form(directory: Path) -> Form:
    """Times as the environment or the devnet has them, for commands without options of their own."""
    return form(False, False, os.environ.get(ZONE_VARIABLE), directory)


def flat(document: Data, shown: Form, prefix: str = "") -> dict[str, str]:
    """One row: nested fields under joined names, lists of records as their number."""
    row: dict[str, str] = {}
    for name, value in document.items():
        match value:
            case dict():
                row |= flat(value, shown, f"{prefix}{name}_")
            case list() if name in RECORD_LISTS or any(isinstance(item, dict) for item in value):
                row[f"{prefix}{name}_count"] = str(len(value))
            case list():
                row[prefix + name] = ";".join(_cell(item) for item in value)
            case _:
                row[prefix + name] = _cell(value)
                if name in MOMENTS and isinstance(value, int):
                    row |= shown.moments(prefix + name, value)
    return row


def rows(document: Data, shown: Form, several: str | None = None, prefix: str = "") -> list[dict[str, str]]:
    """A row per entry of the list `several`, whose fields get `prefix`; one row without it or when it is empty."""
    common = flat({name: value for name, value in document.items() if name != several}, shown)
    entries = document[several] if several is not None else []
    made = [
        common | (flat(entry, shown, prefix) if isinstance(entry, dict) else {prefix.rstrip("_"): _cell(entry)})
        for entry in entries
    ]
    return made or [common]


def csv_text(made: Iterable[dict[str, str]]) -> str:
    """RFC 4180 text of rows, whose columns may differ."""
    table = list(made)
    columns: dict[str, None] = {}
    for row in table:
        columns |= dict.fromkeys(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def print_csv(made: Sequence[dict[str, str]]) -> None:
    """Rows on stdout."""
    sys.stdout.write(csv_text(made))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() if value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _NUMBER.match(value):
            return "'" + value
    return str(value)
