"""The ledger's state as contracts see it: typed records under text keys, over any key-value reader.

A `State` is an overlay for one block. `load` decodes a record once per block, `save` replaces it; a
transaction that is refused rolls its writes back. `changes` hands the encoded writes to the tree. Never
iterates the store: what must be enumerated has an index record of its own.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import msgspec

from zk.codec import encode

R = TypeVar("R", bound=msgspec.Struct)


class Reader(Protocol):
    """Committed state. `get` returns the encoded record or None."""

    def get(self, key: bytes) -> bytes | None: ...


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


class State:
    """One block's view. Not safe to share between blocks.

    Records are kept untyped inside; the table that a key belongs to gives the type back, and a key belongs to
    exactly one table by its prefix.
    """

    __slots__ = ("_get", "_pending", "_records", "_written")

    def __init__(self, reader: Reader) -> None:
        self._get = reader.get
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
        raw = self._get(key)
        record = None if raw is None else table.decode(raw)
        self._records[key] = record
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

    def changes(self) -> dict[bytes, bytes | None]:
        """Encoded writes of the block so far; None removes."""
        return {key: None if record is None else encode(record) for key, record in self._written.items()}
