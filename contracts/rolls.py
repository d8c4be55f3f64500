"""Rolls: what one block writes for many members or meters, in few records of state, each entry provable alone.

The state tree pays for every key that a block writes. Settling an interval writes something for everybody, so
such tables keep their entries in rolls: up to `BUCKETS` records per group (an interval, or all there is), each
with the entries of those ids that hash into its bucket, ascending by id. The tree holds a commitment in place of a
roll: its size and the RFC 6962 root over its entries. So whoever is shown one entry learns nothing of the others,
and whoever is told that there is none sees the two beside the gap.

The first field of an entry is its id. Keys: `bill/0001950850/campus` names an entry, `bill/0001950850/:07` the roll
that it is in; ids have no colon. Never empty: a roll without entries is no record.
"""

from __future__ import annotations

from binascii import crc32
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import GenericAlias
from typing import Generic, TypeVar

import msgspec

from contracts.members import Record
from contracts.units import Count, Hash
from zk import merkle
from zk.codec import encode

R = TypeVar("R", bound=Record)

BUCKETS = 16
"""Records over which the needs, the offers, or a roll's entries of one interval are spread."""
_MARK = b":"
_SUFFIXES = tuple(_MARK + b"%02d" % number for number in range(BUCKETS))

_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def bucket(id_: str) -> int:
    """Bucket of an id. A checksum is enough: ids come from admission, so nobody can aim many at one."""
    return crc32(id_.encode()) % BUCKETS


class Commitment(Record, frozen=True):
    """What the state tree holds in place of a roll."""

    size: Count
    root: Hash
    """RFC 6962, over the encoded entries."""


def state_key(prefix: bytes, *parts: str | int) -> bytes:
    """Key of a record or entry: `prefix` and its parts. Integers are zero-padded to ten digits, so keys sort in
    their order.
    """
    return prefix + b"/".join([part.encode() if isinstance(part, str) else b"%010d" % part for part in parts])


class Rolls(Generic[R]):
    """Entries of one type under one prefix, by group and id. A group is any integers, as ten digits each."""

    __slots__ = ("decode", "decode_entry", "id", "prefix", "type")

    def __init__(self, prefix: str, type_: type[R]) -> None:
        self.prefix = prefix.encode() + b"/"
        self.type = type_
        self.decode_entry: Callable[[bytes], R] = msgspec.msgpack.Decoder(type_).decode
        self.id: Callable[[R], str] = attrgetter(type_.__struct_fields__[0])
        entries = msgspec.msgpack.Decoder(GenericAlias(tuple, (type_, ...)))
        self.decode: Callable[[bytes], tuple[R, ...]] = entries.decode

    def key(self, *parts: str | int) -> bytes:
        """Key of one entry: its group, then its id."""
        return state_key(self.prefix, *parts)

    def roll_keys(self, *group: int) -> list[bytes]:
        """Keys of the group's rolls, in order of their buckets."""
        head = self._head(group)
        return [head + suffix for suffix in _SUFFIXES]

    def roll_key(self, id_: str, *group: int) -> bytes:
        """Key of the roll that has or would have the entry of `id_`."""
        return self._head(group) + _SUFFIXES[bucket(id_)]

    def _head(self, group: tuple[int, ...]) -> bytes:
        return self.prefix + b"".join([b"%010d/" % part for part in group]) if group else self.prefix

    def place(self, entries: Sequence[R], id_: str) -> tuple[int, bool]:
        """Where in a roll the entry of `id_` is or would be, and whether it is there."""
        at = bisect_left(entries, id_, key=self.id)
        return at, at < len(entries) and self.id(entries[at]) == id_

    def find(self, entries: Sequence[R], id_: str) -> R | None:
        """The entry of `id_` in a roll."""
        at, there = self.place(entries, id_)
        return entries[at] if there else None

    def search(self, encoded: Sequence[bytes], id_: str) -> tuple[int, bool]:
        """`place` among encoded entries, of which only a few are decoded."""
        at = bisect_left(encoded, id_, key=self._id_of)
        return at, at < len(encoded) and self._id_of(encoded[at]) == id_

    def _id_of(self, encoded: bytes) -> str:
        return self.id(self.decode_entry(encoded))

    def spread(self, entries: Sequence[R], *group: int) -> dict[bytes, tuple[R, ...]]:
        """A whole group as its rolls, without empty ones; `entries` ascend by id, each once."""
        parts: list[list[R]] = [[] for _ in range(BUCKETS)]
        for entry in entries:
            parts[bucket(self.id(entry))].append(entry)
        return {key: tuple(part) for key, part in zip(self.roll_keys(*group), parts, strict=True) if part}


def is_roll(key: bytes) -> bool:
    """Whether a state key is that of a roll."""
    return key[-3:-2] == _MARK


def locate(key: bytes) -> tuple[bytes, str]:
    """Key of the roll that an entry's key belongs to, and the id."""
    head, _, id_ = key.rpartition(b"/")
    name = id_.decode("ascii", "replace")
    return head + b"/" + _SUFFIXES[bucket(name)], name


def leaves(raw: bytes) -> list[bytes]:
    """The encoded entries of an encoded roll."""
    return [bytes(entry) for entry in _split(raw)]


def committed(key: bytes, value: bytes) -> bytes:
    """What the state tree holds for a record: the record, or the commitment to a roll."""
    if not is_roll(key):
        return value
    entries = leaves(value)
    return encode(Commitment(len(entries), merkle.root(entries)))
