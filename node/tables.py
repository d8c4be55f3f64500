"""Which table of the schema a key of state belongs to, and the key as people write it."""

from __future__ import annotations

from typing import Any

from contracts import schema
from contracts.rolls import Rolls
from contracts.state import Table

_TABLES: dict[bytes, Table[Any] | Rolls[Any]] = {
    table.prefix: table for table in vars(schema).values() if isinstance(table, Table | Rolls)
}


def table_of(key: bytes) -> Table[Any] | Rolls[Any] | None:
    """The table of a record, a roll or an entry; None when this version has none with its prefix."""
    return _TABLES.get(key[: key.find(b"/") + 1])


def show_key(key: bytes) -> str:
    """A key as `gridpact query` and the schema name it, table/part/part; one that is no text in hex."""
    text = key.decode("ascii", "replace")
    return text if text.isprintable() else key.hex()
