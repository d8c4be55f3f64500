"""The file in which a meter gateway keeps what it signed until the ledger has it for good.

Append-only: every change is a record on disk before the call returns, so that a kill at any point loses
nothing that was signed and repeats no sequence. A torn last record is cut off at open: nobody was told of
it yet. Damage anywhere else stops the gateway, since going on could sign a sequence twice. One process at a
time: a lock file beside it ends with the process. Knows nothing of the network.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated
from zlib import crc32

import msgspec

from contracts.envelope import MAX_ENVELOPE_BYTES
from contracts.units import Count, Hash
from node.agents.lock import lock_beside
from node.disk import Disk
from node.errors import UNREADABLE, NodeError
from zk.codec import encode

MAX_WAITING = 32_768
"""Readings that wait for the ledger: a quarter-hour meter's for eleven months, a minute meter's for three weeks.
At less than 512 bytes each they take at most 16 MiB of memory.
"""
COMPACT_BYTES = 1024 * 1024
"""The file is rewritten without what is final once it is larger than this and mostly final."""

_FRAME = struct.Struct(">II")


class Head(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=0):
    """Where the meter's chain stood when the file was written anew; all up to `sequence` is final or given
    up."""

    sequence: Count
    reading_hash: Hash


class Signed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """A signed reading and its link hash."""

    sequence: Count
    reading_hash: Hash
    envelope: Annotated[bytes, msgspec.Meta(max_length=MAX_ENVELOPE_BYTES)]


class Final(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """The ledger has every reading up to this sequence."""

    sequence: Count


Record = Head | Signed | Final
_decode = msgspec.msgpack.Decoder(Record).decode
MAX_RECORD_BYTES = MAX_ENVELOPE_BYTES + 64


class Outbox:
    """Signed readings of one meter, in order, on disk."""

    def __init__(self, path: Path, disk: Disk) -> None:
        """Open or create. Raises NodeError `outbox.corrupt`, `gateway.locked`, `disk.*`."""
        self._path = path
        self._disk = disk
        taken = NodeError(
            "gateway.locked",
            f"Another gateway process uses the outbox {path}.",
            "A meter has one gateway: stop the other process first.",
        )
        self._lock = lock_beside(path, disk, taken)
        self.head = Head(0, bytes(32))
        """Newest of the chain: final or waiting."""
        self.waiting: dict[int, Signed] = {}
        """By sequence, ascending."""
        self._waiting_bytes = 0
        self._final = self.head
        try:
            raw = disk.read(path) if disk.exists(path) else b""
            self._size = self._replay(raw)
            if self._size < len(raw):
                disk.truncate(path, self._size)
            self._file = disk.open_append(path)
        except NodeError:
            self._lock.release()
            raise

    def add(self, signed: Signed) -> None:
        """Keep a reading; on disk when this returns. Raises NodeError `gateway.full`, `disk.*`."""
        if len(self.waiting) >= MAX_WAITING:
            raise NodeError(
                "gateway.full",
                f"{self._path} holds {MAX_WAITING} readings that no node has taken.",
                "Connect the gateway to a running node; the registers go on counting, so no energy is lost.",
            )
        self._append(signed)
        self._apply(signed)

    def settle(self, sequence: int) -> None:
        """Forget the readings up to `sequence`: the ledger has them."""
        if any(waiting <= sequence for waiting in self.waiting):
            self._append(Final(sequence))
            self._apply(Final(sequence))
        if self._size > COMPACT_BYTES and self._size > 4 * self._waiting_bytes:
            self.rewrite(self._final, list(self.waiting.values()))

    def rewrite(self, head: Head, waiting: list[Signed]) -> None:
        """Replace everything at once: chain up to `head` done, then `waiting`."""
        records: list[Record] = [head, *waiting]
        raw = b"".join(_frame(record) for record in records)
        self._disk.replace(self._path, raw)
        self._file.close()
        self._file = self._disk.open_append(self._path)
        self.waiting = {}
        self._waiting_bytes = 0
        for record in records:
            self._apply(record)
        self._size = len(raw)

    def close(self) -> None:
        """Close the file, and let another process have it."""
        self._file.close()
        self._lock.release()

    def _append(self, record: Record) -> None:
        raw = _frame(record)
        self._file.append(raw)
        self._file.sync()
        self._size += len(raw)

    def _apply(self, record: Record) -> None:
        match record:
            case Head():
                self.head = self._final = record
            case Signed():
                self.waiting[record.sequence] = record
                self._waiting_bytes += len(record.envelope)
                self.head = Head(record.sequence, record.reading_hash)
            case Final():
                for sequence in [one for one in self.waiting if one <= record.sequence]:
                    done = self.waiting.pop(sequence)
                    self._waiting_bytes -= len(done.envelope)
                    self._final = Head(done.sequence, done.reading_hash)

    def _replay(self, raw: bytes) -> int:
        """Read all records; returns where the last whole one ends."""
        at = 0
        while at < len(raw):
            record = _unframe(raw, at)
            if record is None and _torn(raw, at):
                return at
            if record is None or (isinstance(record, Signed) and record.sequence != self.head.sequence + 1):
                raise NodeError(
                    "outbox.corrupt",
                    f"{self._path} is damaged at byte {at}.",
                    "Move it away: the gateway then goes on from the ledger's chain, without what it held.",
                )
            self._apply(record)
            at += _FRAME.size + _FRAME.unpack_from(raw, at)[0]
        return at


def _frame(record: Record) -> bytes:
    body = encode(record)
    return _FRAME.pack(len(body), crc32(body)) + body


def _unframe(raw: bytes, at: int) -> Record | None:
    """The record at this offset, or None if there is no whole one."""
    if at + _FRAME.size > len(raw):
        return None
    length, checksum = _FRAME.unpack_from(raw, at)
    if length > min(MAX_RECORD_BYTES, len(raw) - at - _FRAME.size):
        return None
    body = raw[at + _FRAME.size : at + _FRAME.size + length]
    if crc32(body) != checksum:
        return None
    try:
        record: Record = _decode(body)
    except UNREADABLE:
        return None
    return record


def _torn(raw: bytes, at: int) -> bool:
    """Whether what is bad at `at` is the last append of a crashed process: no whole record comes after it."""
    if len(raw) - at > _FRAME.size + MAX_RECORD_BYTES:
        return False
    return all(_unframe(raw, later) is None for later in range(at + 1, len(raw) - _FRAME.size))
