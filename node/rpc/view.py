"""What a query reads: state after one height, remembering which records the answer was made from.

A proof of the answer covers exactly those. What the asker may not read never leaves a view: a single record is refused,
lists come without it and count what they leave out. Never writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from contracts.envelopes import clamp
from contracts.members import Record
from contracts.records import IntervalRecord, NeedEntry, OfferEntry
from contracts.rolls import BUCKETS, Rolls, leaves
from contracts.schema import ENVELOPED_LISTS, ENVELOPES, METERS, NEEDS, OFFERS, RULES
from contracts.state import State, Table
from node.access.subjects import Subject

if TYPE_CHECKING:
    from node.access.rights import Rights
    from node.ledger.ledger import Ledger

R = TypeVar("R", bound=msgspec.Struct)
E = TypeVar("E", bound=Record)


class _Whole(NamedTuple):
    """A `contracts.state.Reader`."""

    get: Callable[[bytes], bytes | None]


class View:
    """State after one height as one asker may read it, remembering which keys were read."""

    def __init__(self, ledger: Ledger, height: int, rights: Rights) -> None:
        self._ledger = ledger
        self._rights = rights
        self.height = height
        self.keys: dict[bytes, None] = {}
        self.withheld: Counter[str] = Counter()
        """Records that lists leave out, by kind."""

    def load(self, table: Table[R], *parts: str | int) -> R | None:
        """The record under this key at this height. Raises `Denied`."""
        key = table.key(*parts)
        raw = self._read(key)
        self._demand(key, raw)
        self.keys[key] = None
        return None if raw is None else table.decode(raw)

    def readable(self, table: Table[R], *parts: str | int) -> R | None:
        """The same, None where the asker may not read it."""
        key = table.key(*parts)
        raw = self._read(key)
        if not self._may(key, raw):
            return None
        self.keys[key] = None
        return None if raw is None else table.decode(raw)

    def peek(self, table: Table[R], *parts: str | int) -> R | None:
        """The record for the node's own reckoning, not to be shown; proven where there is one that may be."""
        key = table.key(*parts)
        raw = self._read(key)
        if raw is None:
            return None
        if self._rights.unrestricted or self._rights.allow(self._rights.subjects.of_record(key, raw)):
            self.keys[key] = None
        return table.decode(raw)

    def entries(self, table: Table[Any], *parts: str | int) -> list[Any]:
        """Those entries of a record of many that the asker may read; none where there is no record."""
        key = table.key(*parts)
        raw = self._read(key)
        self.keys[key] = None
        if raw is None:
            return []
        held: tuple[Record, ...] = table.decode(raw).entries
        if self._rights.unrestricted:
            return list(held)
        return [entry for entry in held if self._shows((self._rights.subjects.of_entry(entry),))]

    def entry(self, rolls: Rolls[E], id_: str, *group: int) -> E | None:
        """The entry of `id_` in a group at this height. Raises `Denied`."""
        key = rolls.key(*group, id_)
        self._demand(key, None)
        self.keys[key] = None
        return self._find(rolls, id_, *group)

    def readable_entry(self, rolls: Rolls[E], id_: str, *group: int) -> E | None:
        """The same, None where the asker may not read it."""
        key = rolls.key(*group, id_)
        if not self._may(key, None):
            return None
        self.keys[key] = None
        return self._find(rolls, id_, *group)

    def group(self, rolls: Rolls[E], *group: int) -> list[E]:
        """Entries of a group at this height that the asker may read, ascending by id. The sizes of its rolls prove how
        many there are."""
        entries: list[E] = []
        for key in rolls.roll_keys(*group):
            self.keys[key] = None
            raw = self._read(key)
            entries += () if raw is None else rolls.decode(raw)
        entries.sort(key=rolls.id)
        if not self._rights.unrestricted:
            entries = [entry for entry in entries if self._may(rolls.key(*group, rolls.id(entry)), None)]
        self.keys |= dict.fromkeys(rolls.key(*group, rolls.id(entry)) for entry in entries)
        return entries

    def may(self, *subjects: Subject) -> bool:
        """Whether the asker may read all of it; nothing is counted as left out."""
        return self._rights.allow(subjects)

    def demand(self, *subjects: Subject) -> None:
        """Raise `Denied` unless the asker may read all of it."""
        self._rights.demand(subjects)

    def leave_out(self, table: Table[R], *parts: str | int) -> None:
        """Prove nothing about a record that was loaded: the answer does not rest on it."""
        self.keys.pop(table.key(*parts), None)

    def _find(self, rolls: Rolls[E], id_: str, *group: int) -> E | None:
        raw = self._read(rolls.roll_key(id_, *group))
        if raw is None:
            return None
        encoded = leaves(raw)
        at, there = rolls.search(encoded, id_)
        return rolls.decode_entry(encoded[at]) if there else None

    def reckoning(self) -> State:
        """All of the state, for the node's own reckoning: nothing of it may be shown, and it is not proven."""
        return State(_Whole(self._read))

    def _demand(self, key: bytes, raw: bytes | None) -> None:
        if not self._rights.unrestricted:
            self._rights.demand(self._rights.subjects.of_record(key, raw))

    def _may(self, key: bytes, raw: bytes | None) -> bool:
        return self._rights.unrestricted or self._shows(self._rights.subjects.of_record(key, raw))

    def _shows(self, subjects: tuple[Subject, ...]) -> bool:
        """Whether all of it may be shown; counts it where not."""
        if self._rights.allow(subjects):
            return True
        self.withheld[subjects[0].kind] += 1
        return False

    def _read(self, key: bytes) -> bytes | None:
        newest = self.height == self._ledger.height
        return self._ledger.get(key) if newest else self._ledger.get_at(key, self.height)


def standing(view: View, record: IntervalRecord) -> tuple[list[NeedEntry], list[OfferEntry]]:
    """Needs and offers of an interval that the asker may read, offers as far as envelopes let them be ordered."""
    needs: list[NeedEntry] = []
    offers: list[OfferEntry] = []
    for bucket in range(BUCKETS):
        needs += view.entries(NEEDS, record.interval, bucket) if record.need_buckets >> bucket & 1 else ()
        offers += view.entries(OFFERS, record.interval, bucket) if record.offer_buckets >> bucket & 1 else ()
    known = view.load(ENVELOPED_LISTS, "all")
    if known is not None:
        # What cuts an offer is part of the answer, and of its proof.
        view.load(RULES, "in-force")
        for meter in sorted({offer.meter for offer in offers}.intersection(known.meters)):
            view.load(METERS, meter)
            view.load(ENVELOPES, meter)
    return needs, clamp(view.reckoning(), record.interval, offers)
