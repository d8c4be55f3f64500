"""What a query reads: state after one height, remembering which records the answer was made from.

A proof of the answer covers exactly those. Never writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from contracts.members import Record
from contracts.rolls import Rolls, leaves
from contracts.state import Table

if TYPE_CHECKING:
    from node.ledger.ledger import Ledger

R = TypeVar("R", bound=msgspec.Struct)
E = TypeVar("E", bound=Record)


class View:
    """State after one height, remembering which keys were read."""

    def __init__(self, ledger: Ledger, height: int) -> None:
        self._ledger = ledger
        self.height = height
        self.keys: dict[bytes, None] = {}

    def load(self, table: Table[R], *parts: str | int) -> R | None:
        """The record under this key at this height."""
        key = table.key(*parts)
        self.keys[key] = None
        raw = self._read(key)
        return None if raw is None else table.decode(raw)

    def entry(self, rolls: Rolls[E], id_: str, *group: int) -> E | None:
        """The entry of `id_` in a group at this height."""
        self.keys[rolls.key(*group, id_)] = None
        raw = self._read(rolls.roll_key(id_, *group))
        if raw is None:
            return None
        encoded = leaves(raw)
        at, there = rolls.search(encoded, id_)
        return rolls.decode_entry(encoded[at]) if there else None

    def group(self, rolls: Rolls[E], *group: int) -> list[E]:
        """All entries of a group at this height, ascending by id. The sizes of its rolls prove that none is missing."""
        entries: list[E] = []
        for key in rolls.roll_keys(*group):
            self.keys[key] = None
            raw = self._read(key)
            entries += () if raw is None else rolls.decode(raw)
        entries.sort(key=rolls.id)
        self.keys |= dict.fromkeys(rolls.key(*group, rolls.id(entry)) for entry in entries)
        return entries

    def leave_out(self, table: Table[R], *parts: str | int) -> None:
        """Prove nothing about a record that was loaded: the answer does not rest on it."""
        del self.keys[table.key(*parts)]

    def _read(self, key: bytes) -> bytes | None:
        newest = self.height == self._ledger.height
        return self._ledger.get(key) if newest else self._ledger.get_at(key, self.height)
