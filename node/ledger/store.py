"""The ordered key-value store under the ledger. The only place that imports plyvel (LevelDB).

`LevelStore` is the disk, `MemoryStore` the same without one, for tests and simulation. Keys and values are
bytes, keys sort bytewise, a batch is written whole or not at all. Knows nothing of what it stores and never
retries: a failed write means that the node must stop, because what is in memory no longer matches the disk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

try:
    import plyvel
except ModuleNotFoundError:  # CPython 3.13 and newer: the maintained fork, under its own name
    import plyvel_next as plyvel

from node.errors import NodeError

Batch = list[tuple[bytes, bytes | None]]
"""Writes in order; None deletes."""

WRITE_BUFFER_BYTES = 4 * 1024 * 1024
BLOCK_CACHE_BYTES = 4 * 1024 * 1024
TABLE_BYTES = 1024 * 1024
"""LevelDB maps open tables into memory, so tables times `MAX_OPEN_FILES` bounds what they add to it."""
MAX_OPEN_FILES = 74
"""LevelDB's minimum: 64 tables and ten files of its own."""
BLOOM_BITS = 10

_FULL = ("No space left", "Disk quota exceeded", "File too large")
_LOCKED = ("already held by process", "Resource temporarily unavailable")


class StoreError(NodeError):
    """The store cannot go on. `code` is stable, `hint` says what to do next.

    Codes: `disk.full`, `store.corrupt`, `store.locked`, `store.io`, `store.format`, `store.chain`.
    """


def damaged(what: str) -> StoreError:
    """What to raise when something that was stored is not there or not readable."""
    return StoreError(
        "store.corrupt",
        what,
        "Move the store away and start the node: it fetches every block from its peers again.",
    )


class KeyValue(Protocol):
    """An ordered map from bytes to bytes. Every method raises `StoreError`."""

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`."""
        ...

    def write(self, batch: Batch, sync: bool) -> None:
        """Apply all of `batch` or nothing; with `sync` it is on disk when this returns."""
        ...

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Entries with `start <= key < stop` in key order, as of the first step."""
        ...

    def compact(self, start: bytes, stop: bytes) -> None:
        """Give the disk space of deleted entries in this range back."""
        ...

    def close(self) -> None:
        """Release files and memory; the store is unusable afterwards."""
        ...


def _translate(error: Exception, path: str) -> StoreError:
    """The `StoreError` for a failure that LevelDB reported."""
    text = str(error)
    if any(sign in text for sign in _FULL):
        return StoreError("disk.full", f"the disk under {path} is full: {text}", "Free space and start the node again.")
    if any(sign in text for sign in _LOCKED):
        return StoreError(
            "store.locked", f"another process uses the store in {path}: {text}", "Stop that process first."
        )
    if isinstance(error, plyvel.CorruptionError) or "orruption" in text:
        return StoreError(
            "store.corrupt",
            f"the store in {path} is damaged: {text}",
            "Move the directory away and start the node: it fetches every block from its peers again.",
        )
    return StoreError("store.io", f"the store in {path} failed: {text}", "Check the disk and its permissions.")


class LevelStore:
    """LevelDB in the directory `path`, created when missing. Damage is reported, never repaired silently."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
            self._db = plyvel.DB(
                self.path,
                create_if_missing=True,
                paranoid_checks=True,
                write_buffer_size=WRITE_BUFFER_BYTES,
                lru_cache_size=BLOCK_CACHE_BYTES,
                max_file_size=TABLE_BYTES,
                max_open_files=MAX_OPEN_FILES,
                bloom_filter_bits=BLOOM_BITS,
            )
        except (plyvel.Error, OSError) as error:
            raise _translate(error, self.path) from error

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue.get`; checksums of what is read from disk are verified."""
        try:
            value: bytes | None = self._db.get(key, verify_checksums=True)
        except (plyvel.Error, OSError) as error:
            raise _translate(error, self.path) from error
        return value

    def write(self, batch: Batch, sync: bool) -> None:
        """See `KeyValue.write`."""
        try:
            writes = self._db.write_batch(sync=sync)
            put, delete = writes.put, writes.delete
            for key, value in batch:
                if value is None:
                    delete(key)
                else:
                    put(key, value)
            writes.write()
        except (plyvel.Error, OSError) as error:
            raise _translate(error, self.path) from error

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue.scan`."""
        entries = self._db.iterator(start=start, stop=stop, verify_checksums=True, fill_cache=False)
        try:
            yield from entries
        except (plyvel.Error, OSError) as error:
            raise _translate(error, self.path) from error
        finally:
            entries.close()

    def compact(self, start: bytes, stop: bytes) -> None:
        """See `KeyValue.compact`; blocks for as long as it takes to rewrite the range."""
        self._db.compact_range(start=start, stop=stop)

    def close(self) -> None:
        """See `KeyValue.close`; closing twice does nothing."""
        self._db.close()


class MemoryStore:
    """A `KeyValue` in memory. `crash` gives what a power cut would have left."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._sorted: list[bytes] | None = None
        self._unsynced: Batch = []
        """What undoes the writes since the last synced one, oldest first."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """See `KeyValue.get`."""
        return self._entries.get(key)

    def write(self, batch: Batch, sync: bool) -> None:
        """See `KeyValue.write`."""
        entries = self._entries
        for key, value in batch:
            old = entries.get(key)
            if not sync:
                self._unsynced.append((key, old))
            if (old is None) != (value is None):
                self._sorted = None
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        if sync:
            self._unsynced.clear()

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """See `KeyValue.scan`."""
        if self._sorted is None:
            self._sorted = sorted(self._entries)
        keys = self._sorted[bisect_left(self._sorted, start) : bisect_left(self._sorted, stop)]
        return iter([(key, self._entries[key]) for key in keys])

    def compact(self, start: bytes, stop: bytes) -> None:
        """Nothing to do: a deleted entry is gone."""

    def close(self) -> None:
        """Like a clean shutdown: everything written so far is kept."""
        self._unsynced.clear()

    def crash(self) -> MemoryStore:
        """A new store with what was synced: writes after the last synced batch are lost."""
        survivor = MemoryStore()
        survivor._entries = dict(self._entries)
        for key, old in reversed(self._unsynced):
            if old is None:
                survivor._entries.pop(key, None)
            else:
                survivor._entries[key] = old
        return survivor
