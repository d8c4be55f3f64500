"""The ledger's state as contracts see it: typed records under text keys, over any key-value reader.

A `State` is an overlay for one block. `load` decodes a record once per block, `save` replaces it; a
transaction that is refused rolls its writes back. `changes` hands the encoded writes to the tree. Never
iterates the store: what must be enumerated has an index record of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from zk.codec import encode

R = TypeVar("R", bound=msgspec.Struct)


class Reader(Protocol):
    """Committed state. `get` returns the encoded record or None."""

    def get(self, key: bytes) -> bytes | None: ...


MAX_CACHED_RECORDS = 49_152
EVICTED_AT_ONCE = 2_048


class Table(Generic[R]):
    """Records of one type under one prefix. A key is `prefix/part/part`, intervals as ten digits."""

    __slots__ = ("decode", "prefix", "type")

    def __init__(self, prefix: str, type_: type[R]) -> None:
        self.prefix = prefix.encode() + b"/"
        self.type = type_
        self.decode = msgspec.msgpack.Decoder(type_).decode

    def key(self, *parts: str | int) -> bytes:
        """Key of one record. Integers are zero-padded to ten digits, so keys sort in their order."""
        return self.prefix + "/".join(part if isinstance(part, str) else f"{part:010d}" for part in parts).encode()


class RecordCache:
    """Decoded records of the newest committed state, so that blocks and admission decode a hot record once.

    Whoever commits other bytes under a key must `forget` it; records are frozen, so sharing them is safe. The
    oldest go first beyond `MAX_CACHED_RECORDS`.
    """

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records: dict[bytes, Any] = {}

    def keep(self, key: bytes, record: msgspec.Struct | None) -> None:
        """Remember what is committed under `key`; None: nothing is."""
        records = self.records
        if len(records) >= MAX_CACHED_RECORDS and key not in records:
            # Many at once: looking for the oldest passes over the gaps of all that went before it.
            for oldest in list(islice(records, EVICTED_AT_ONCE)):
                del records[oldest]
        records[key] = record

    def forget(self, keys: Iterable[bytes]) -> None:
        """These keys have changed."""
        for key in keys:
            self.records.pop(key, None)

    def absorb(self, state: State) -> None:
        """Remember what a block wrote, once that is committed."""
        for key, record in state.written():
            self.keep(key, record)


class State:
    """One block's view. Not safe to share between blocks.

    Records are kept untyped inside; the table that a key belongs to gives the type back, and a key belongs to
    exactly one table by its prefix.
    """

    __slots__ = ("_cache", "_committed", "_get", "_pending", "_records", "_written")

    def __init__(self, reader: Reader, cache: RecordCache | None = None) -> None:
        self._get = reader.get
        self._cache = cache or RecordCache()
        self._committed = self._cache.records
        self._records: dict[bytes, Any] = {}
        self._written: dict[bytes, Any] = {}
        self._pending: dict[bytes, Any] = {}

    def load(self, table: Table[R], key: bytes) -> R | None:
        """The record under `key` as this transaction sees it."""
        record: R | None
        if self._pending and key in self._pending:
            record = self._pending[key]
            return record
        if key in self._records:
            record = self._records[key]
            return record
        if key in self._committed:
            record = self._committed[key]
            return record
        raw = self._get(key)
        record = None if raw is None else table.decode(raw)
        self._cache.keep(key, record)
        return record

    def save(self, key: bytes, record: msgspec.Struct) -> None:
        """Write `record`; it counts once the transaction commits."""
        self._pending[key] = record

    def remove(self, key: bytes) -> None:
        """Drop a working record (never history)."""
        self._pending[key] = None

    def commit(self) -> None:
        """Keep this transaction's writes."""
        self._records.update(self._pending)
        self._written.update(self._pending)
        self._pending.clear()

    def rollback(self) -> None:
        """Forget this transaction's writes."""
        self._pending.clear()

    def written(self) -> Iterable[tuple[bytes, msgspec.Struct | None]]:
        """Decoded writes of the block so far; None removes."""
        return self._written.items()

    def changes(self) -> dict[bytes, bytes | None]:
        """Encoded writes of the block so far; None removes."""
        return {key: None if record is None else encode(record) for key, record in self._written.items()}
