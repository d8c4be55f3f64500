"""The ledger's state as contracts see it: typed records under text keys, over any key-value reader.

A `State` is an overlay for one block. `load` decodes a record once per block, `save` replaces it; a
transaction that is refused rolls its writes back. `changes` hands the encoded writes to the tree. Never
iterates the store: what must be enumerated has an index record of its own, or stands in rolls
(`contracts.rolls`), which are read, replaced and cached as wholes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from contracts.members import Record
from contracts.rolls import Rolls, state_key
from zk.codec import encode

R = TypeVar("R", bound=msgspec.Struct)
E = TypeVar("E", bound=Record)


class Reader(Protocol):
    """Committed state. `get` returns the encoded record or None."""

    def get(self, key: bytes) -> bytes | None: ...


MAX_CACHED_RECORDS = 65_536
"""Each entry of a roll counts. Room for the heads, registers and registrations of 20,000 meters."""
EVICTED_AT_ONCE = 2_048


class Table(Generic[R]):
    """Records of one type under one prefix. A key is `prefix/part/part`, intervals as ten digits."""

    __slots__ = ("decode", "prefix", "type")

    def __init__(self, prefix: str, type_: type[R]) -> None:
        self.prefix = prefix.encode() + b"/"
        self.type = type_
        self.decode = msgspec.msgpack.Decoder(type_).decode

    def key(self, *parts: str | int) -> bytes:
        """Key of one record."""
        return state_key(self.prefix, *parts)


class RecordCache:
    """Decoded records of the newest committed state, so that blocks and admission decode a hot record once.

    Whoever commits other bytes under a key must `forget` it; records are frozen, so sharing them is safe. The
    oldest go first beyond `MAX_CACHED_RECORDS`.
    """

    __slots__ = ("_held", "records")

    def __init__(self) -> None:
        self.records: dict[bytes, Any] = {}
        self._held = 0

    def keep(self, key: bytes, record: Any) -> None:
        """Remember what is committed under `key`, a record or a roll; None: nothing is."""
        records = self.records
        if key in records:
            self._held -= _weight(records.pop(key))
        records[key] = record
        self._held += _weight(record)
        while self._held > MAX_CACHED_RECORDS and len(records) > 1:
            # Many at once: looking for the oldest passes over the gaps of all that went before it.
            self.forget(list(islice(records, min(EVICTED_AT_ONCE, len(records) - 1))))

    def forget(self, keys: Iterable[bytes]) -> None:
        """These keys have changed."""
        records = self.records
        for key in keys:
            if key in records:
                self._held -= _weight(records.pop(key))

    def absorb(self, state: State) -> None:
        """Remember what a block wrote, once that is committed."""
        for key, record in state.written():
            self.keep(key, record)


def _weight(record: Any) -> int:
    """Records that a cached value counts for."""
    return len(record) if type(record) is tuple else 1


class State:
    """One block's view. Not safe to share between blocks.

    Records are kept untyped inside; the table that a key belongs to gives the type back, and a key belongs to
    exactly one table by its prefix.
    """

    __slots__ = ("_cache", "_committed", "_get", "_pending", "_written")

    def __init__(self, reader: Reader, cache: RecordCache | None = None) -> None:
        self._get = reader.get
        self._cache = cache or RecordCache()
        self._committed = self._cache.records
        self._written: dict[bytes, Any] = {}
        self._pending: dict[bytes, Any] = {}

    def load(self, table: Table[R], key: bytes) -> R | None:
        """The record under `key` as this transaction sees it."""
        record: R | None = self._read(table.decode, key)
        return record

    def roll(self, rolls: Rolls[E], key: bytes) -> tuple[E, ...]:
        """The entries of the roll under `key`, a key of `rolls.roll_keys`; none where there is no roll."""
        return self._read(rolls.decode, key) or ()

    def group(self, rolls: Rolls[E], *group: int) -> list[E]:
        """All entries of a group, roll by roll; inside each ascending by id."""
        return [entry for key in rolls.roll_keys(*group) for entry in self.roll(rolls, key)]

    def entry(self, rolls: Rolls[E], id_: str, *group: int) -> E | None:
        """The entry of `id_` in a group as this transaction sees it."""
        return rolls.find(self.roll(rolls, rolls.roll_key(id_, *group)), id_)

    def put(self, rolls: Rolls[E], entry: E, *group: int) -> None:
        """Write one entry in place of that of its id, if any."""
        id_ = rolls.id(entry)
        key = rolls.roll_key(id_, *group)
        entries = self.roll(rolls, key)
        at, there = rolls.place(entries, id_)
        self._pending[key] = (*entries[:at], entry, *entries[at + there :])

    def fill(self, rolls: Rolls[E], entries: Sequence[E], *group: int) -> None:
        """Write a whole group, which has no roll that these do not replace; `entries` ascend by id, each once."""
        self._pending.update(rolls.spread(entries, *group))

    def save(self, key: bytes, record: msgspec.Struct | tuple[msgspec.Struct, ...]) -> None:
        """Write `record`, or a roll that is not empty; it counts once the transaction commits."""
        self._pending[key] = record

    def remove(self, key: bytes) -> None:
        """Drop a working record (never history)."""
        self._pending[key] = None

    def _read(self, decode: Callable[[bytes], Any], key: bytes) -> Any:
        if self._pending and key in self._pending:
            return self._pending[key]
        if key in self._written:
            return self._written[key]
        if key in self._committed:
            return self._committed[key]
        raw = self._get(key)
        record = None if raw is None else decode(raw)
        self._cache.keep(key, record)
        return record

    def commit(self) -> None:
        """Keep this transaction's writes."""
        self._written.update(self._pending)
        self._pending.clear()

    def rollback(self) -> None:
        """Forget this transaction's writes."""
        self._pending.clear()

    def written(self) -> Iterable[tuple[bytes, Any]]:
        """Decoded writes of the block so far; None removes."""
        return self._written.items()

    def changes(self) -> dict[bytes, bytes | None]:
        """Encoded writes of the block so far; None removes."""
        return {key: None if record is None else encode(record) for key, record in self._written.items()}
