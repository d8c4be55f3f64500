"""The table of killing seeds that `make mutants RECORD=1` writes and `make test` replays.

A seed means the same only as long as plans and behaviours draw the same: after a change of either, record again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

TABLE = Path(__file__).with_name("killed.json")


class Killed(msgspec.Struct, frozen=True):
    """A seed under which an oracle sees the fault."""

    seed: int
    oracle: str


class Record(msgspec.Struct, frozen=True):
    """`behaviours` are those that liars draw from where a mutant names none, so that a new one changes nothing."""

    behaviours: tuple[str, ...]
    killed: dict[str, Killed]


def load() -> Record:
    """What was recorded last."""
    return msgspec.json.decode(TABLE.read_bytes(), type=Record)


def save(record: Record) -> None:
    """Replace the table, sorted by name."""
    TABLE.write_bytes(msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n")
