"""The log: everything that a replica must remember between two blocks, on disk before it is acted upon.

A journal is a directory of segments `journal-0000000001.log`, ... A segment is a list of records

    u32be length of the body, u32be CRC-32 over kind + height + body, u8 kind, u64be height, body

that starts with a header record (format version, chain id, segment number, bytes of the segment before). Appending
goes to a buffer; `sync` writes it and waits for the medium, then leaves a *mark* behind it: a record that says that
everything before it was durable. The mark is what tells a crash from damage. Bad bytes that no mark follows are the
torn tail of a write that nobody was promised anything about: they are cut off at open and reported. Bad bytes before a
mark, in an earlier segment or in a header were promised, so the node refuses to start until somebody runs
`node.repair`.

A segment that ends early between two records looks whole. The header of the next one tells how long it was; of the
newest, and of whole segments, a file beside the directory does, the *reach* (`node.reach`).

Never interprets bodies, never repairs by itself, never drops what was synced.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import msgspec

from node.disk import TEMPORARY_SUFFIX, Disk
from node.errors import NodeError
from node.reach import Reach, encode_reach, missing_segment, reach_path, read_reach
from zk.codec import encode

FORMAT_VERSION = 2
MAX_RECORD_BYTES = 8 * 1024 * 1024
"""Body of one record."""
BUFFER_BYTES = 1024 * 1024
"""Appended records are handed to the operating system, still unsynced, beyond this."""
SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment that is longer when it is synced is followed by a new one."""
MAX_SEGMENTS = 64

INPUT = 1
"""Body: one encoded `consensus.effects.LoggedInput`."""
TRANSACTIONS = 2
"""Body: `encode_batch` of raw envelopes."""
EVIDENCE = 3
"""Body: one encoded `consensus.evidence.Equivocation` that waits for a block."""
CONTRADICTION = 4
"""Body: one encoded `node.evidence.Halt`. A journal that holds one belongs to a node that has halted for good."""
_MARK = 0
_HEADER = 255

_FRAME = struct.Struct(">IIBQ")
_CHECKED = struct.Struct(">BQ")
_LENGTHS = struct.Struct(">II")
_MARK_BODY = b"gridpact durable"
_decode_header = msgspec.msgpack.Decoder(tuple[int, str, int, int]).decode
_decode_batch = msgspec.msgpack.Decoder(list[bytes]).decode


class Record(NamedTuple):
    """One entry: `kind` is one of those above, `height` the one it was written for."""

    kind: int
    height: int
    body: bytes


class TornTail(NamedTuple):
    """What was cut off at open: bytes that were never synced."""

    file: Path
    offset: int
    dropped_bytes: int


class Damage(NamedTuple):
    """First place of a segment that is not a record, and whether what it held was once durable."""

    offset: int
    durable: bool
    reason: str


class JournalCorrupt(NodeError):
    """Durable records are unreadable or missing, in `file`, which is segment `number`, at `offset`."""

    def __init__(self, directory: Path, number: int, offset: int, reason: str, home: Path | None) -> None:
        """`home` None: two levels above `directory`."""
        self.file = directory / segment_name(number)
        self.number = number
        self.offset = offset
        super().__init__(
            "journal.corrupt",
            f"{self.file} is damaged at byte {offset}: {reason}.",
            f"Run `gridpact repair --home {home or directory.parent.parent}`: it keeps what comes before and moves the "
            "rest aside.",
        )


def encode_batch(envelopes: Sequence[bytes]) -> bytes:
    """Body of a TRANSACTIONS record."""
    return encode(tuple(envelopes))


def decode_batch(body: bytes) -> list[bytes]:
    """Raw envelopes of a TRANSACTIONS record."""
    return _decode_batch(body)


def segment_name(number: int) -> str:
    """File name of a segment; names sort in the order of their numbers."""
    return f"journal-{number:010d}.log"


def segments(directory: Path, disk: Disk) -> list[int]:
    """Numbers of the segments in `directory`, ascending."""
    return [
        int(name[8:18])
        for name in disk.list(directory)
        if name.startswith("journal-") and name.endswith(".log") and len(name) == 22 and name[8:18].isdigit()
    ]


class Scan:
    """One pass over the bytes of a segment: iterate for its records, then ask for `damage` and `max_height`.

    Marks and the header are checked and not yielded. `end` is where the valid prefix ends.
    """

    def __init__(self, raw: bytes, number: int, chain_id: str | None) -> None:
        self._raw = raw
        self.number = number
        self.size = len(raw)
        self.chain_id = chain_id
        self.damage: Damage | None = None
        self.end = 0
        self.max_height = 0
        self.marked = 0
        """Where the last mark ends."""

    def __iter__(self) -> Iterator[Record]:
        raw, size, at = self._raw, self.size, 0
        while at < size:
            body_at = at + _FRAME.size
            if body_at > size:
                self._stop("half a record")
                return
            length, checksum, kind, height = _FRAME.unpack_from(raw, at)
            next_at = body_at + length
            if length > MAX_RECORD_BYTES or next_at > size:
                self._stop("a record that does not fit")
                return
            if crc32(raw[at + _LENGTHS.size : next_at]) != checksum:
                self._stop("a wrong checksum")
                return
            body = raw[body_at:next_at]
            if at == 0 or kind == _HEADER:
                problem = self._check_header(at, kind, body)
                if problem:
                    self.damage = Damage(at, True, problem)
                    return
            elif kind == _MARK:
                if height != at or body != _MARK_BODY:
                    self.damage = Damage(at, True, "a durability mark of another place")
                    return
            else:
                self.max_height = max(self.max_height, height)
                yield Record(kind, height, body)
            at = self.end = next_at
            if kind == _MARK:
                self.marked = at
        if size == 0:
            self.damage = Damage(0, True, "the header is missing")

    @property
    def follows_bytes(self) -> int:
        """How long the segment before was when this one was begun; 0 where a damaged header does not tell."""
        try:
            length, checksum, kind, _ = _FRAME.unpack_from(self._raw)
            end = _FRAME.size + length
            if kind != _HEADER or length > MAX_RECORD_BYTES or crc32(self._raw[_LENGTHS.size : end]) != checksum:
                return 0
            return _decode_header(self._raw[_FRAME.size : end])[3]
        except (struct.error, msgspec.DecodeError, ValueError):
            return 0

    def _check_header(self, at: int, kind: int, body: bytes) -> str | None:
        if at or kind != _HEADER:
            return "a header in the wrong place" if at else "the header is missing"
        try:
            version, chain_id, number, _ = _decode_header(body)
        except (msgspec.DecodeError, ValueError):
            return "an unreadable header"
        if version != FORMAT_VERSION:
            return f"it has format {version}, this program writes {FORMAT_VERSION}"
        if self.chain_id not in (None, chain_id):
            return f"it belongs to chain {chain_id}, not to {self.chain_id}"
        self.chain_id = chain_id
        return None if number == self.number else f"it was written as segment {number}"

    def _stop(self, reason: str) -> None:
        """Records end at `self.end`. Segments are created whole, so a bad header is never a torn write."""
        self.damage = Damage(self.end, self.end == 0 or self._marked_after(self.end), reason)

    def _marked_after(self, offset: int) -> bool:
        """True when an intact mark after `offset` says that the bytes at `offset` were durable."""
        body_at = self._raw.find(_MARK_BODY, offset)
        while body_at >= 0:
            at = body_at - _FRAME.size
            if at >= offset and self._raw[at : body_at + len(_MARK_BODY)] == _mark(at):
                return True
            body_at = self._raw.find(_MARK_BODY, body_at + 1)
        return False


def scans(directory: Path, disk: Disk, chain_id: str | None, home: Path | None = None) -> Iterator[Scan]:
    """Every segment, oldest first, each to be iterated before the next is asked for.

    Raises `JournalCorrupt` at the first place where something durable is damaged or missing. What is left in the
    `damage` of the last scan is a torn tail. `chain_id` None accepts the journal of any one chain.
    """
    numbers = segments(directory, disk)
    reach = read_reach(directory, disk)
    missing = missing_segment(numbers, reach)
    end: int | None = None
    for number in numbers:
        if missing is not None and number > missing:
            break
        scan = Scan(disk.read(directory / segment_name(number)), number, chain_id)
        if end is not None and end < scan.follows_bytes:
            raise JournalCorrupt(directory, number - 1, end, f"{scan.follows_bytes} bytes were durable", home)
        yield scan
        end = scan.end
        chain_id, damage = scan.chain_id, scan.damage
        if damage is not None and (damage.durable or number != numbers[-1]):
            raise JournalCorrupt(directory, number, damage.offset, damage.reason, home)
        if number == reach.newest and scan.end < reach.size:
            raise JournalCorrupt(directory, number, scan.end, f"{reach.size} bytes were durable", home)
    if missing is not None:
        raise JournalCorrupt(directory, missing, 0, "the segment is missing", home)


def _record(kind: int, height: int, body: bytes) -> bytes:
    checked = _CHECKED.pack(kind, height)
    return _LENGTHS.pack(len(body), crc32(body, crc32(checked))) + checked + body


def _mark(offset: int) -> bytes:
    return _record(_MARK, offset, _MARK_BODY)


class Journal:
    """An open journal. Order of use: append, `sync` until `unsynced` is 0, publish.

    Disk errors leave the journal as it was: what was appended stays in the buffer and the next `sync` tries
    again.
    """

    def __init__(self, directory: Path, disk: Disk, chain_id: str, home: Path | None = None) -> None:
        """Open the journal in `directory` (an empty one becomes a new journal): check every record, cut off a
        torn tail (`torn_tail` then says what). `home` is named in hints; by default two levels up.

        Raises `JournalCorrupt`, NodeError `disk.*`.
        """
        self.directory = directory
        self._home = home
        self.torn_tail: TornTail | None = None
        self.syncs = 0
        """How often the medium was waited for since open."""
        self._disk = disk
        self._chain_id = chain_id
        self._buffer = bytearray()
        self._unsynced = 0
        self._sizes: dict[int, int] = {}
        """Bytes on disk by segment, ascending."""
        self._heights: dict[int, int] = {}
        """Highest height by segment."""
        disk.make_directory(directory)
        for name in disk.list(directory):
            if name.endswith(TEMPORARY_SUFFIX):
                disk.remove(directory / name)
        tail: Scan | None = None
        for tail in scans(directory, disk, chain_id, home):
            for _ in tail:
                pass
            self._sizes[tail.number] = tail.end
            self._heights[tail.number] = tail.max_height
        if tail is None:
            self._active = 1
            self._create(self._active, b"", 0)
            marked = self._sizes[self._active]
        else:
            self._active, marked = tail.number, tail.marked
            if tail.damage is not None:
                path = self._path(tail.number)
                self.torn_tail = TornTail(path, tail.end, tail.size - tail.end)
                disk.truncate(path, tail.end)
        self._file = disk.open_append(self._path(self._active))
        if marked < self._sizes[self._active]:
            # After a sync that failed, the system may show what it has given up writing: that is written once more.
            path = self._path(self._active)
            disk.overwrite(path, marked, disk.read(path)[marked:])
            self._settle()

    @classmethod
    def open(cls, directory: Path, disk: Disk, chain_id: str, home: Path | None = None) -> Journal:
        """The journal in `directory`, ready to replay and to append; as the constructor."""
        return cls(directory, disk, chain_id, home)

    @property
    def unsynced(self) -> int:
        """Bytes that were appended and could be lost by a crash now."""
        return self._unsynced

    @property
    def size(self) -> int:
        """Bytes of all segments, the buffer included: what the next start has to read."""
        return sum(self._sizes.values()) + len(self._buffer)

    def append(self, kind: int, height: int, body: bytes) -> None:
        """Add one record, or nothing and raise NodeError (`journal.record-too-large`, `disk.*`)."""
        assert _MARK < kind < _HEADER, "these kinds are the journal's own"
        if len(body) > MAX_RECORD_BYTES:
            raise NodeError(
                "journal.record-too-large",
                f"A record of {len(body)} bytes, where at most {MAX_RECORD_BYTES} are allowed.",
                "Split the batch.",
            )
        if len(self._buffer) >= BUFFER_BYTES:
            self._flush()
        checked = _CHECKED.pack(kind, height)
        buffer = self._buffer
        buffer += _LENGTHS.pack(len(body), crc32(body, crc32(checked)))
        buffer += checked
        buffer += body
        self._unsynced += _FRAME.size + len(body)
        self._heights[self._active] = max(self._heights[self._active], height)

    def sync(self) -> None:
        """Return once everything appended is durable. Raises NodeError `disk.*`, `journal.full`."""
        if not self._unsynced:
            return
        self._flush()
        self._settle()
        if self._sizes[self._active] > SEGMENT_BYTES:
            if len(self._sizes) >= MAX_SEGMENTS:
                raise NodeError(
                    "journal.full",
                    f"{self.directory} has {MAX_SEGMENTS} segments: no height was stored for long.",
                    "See `gridpact status` for what the chain waits for.",
                )
            self._roll(b"", 0)

    def records(self) -> Iterator[Record]:
        """Everything appended so far, in order. Reads one segment at a time. Raises as the constructor."""
        self._flush()
        for number in tuple(self._sizes):
            scan = Scan(self._disk.read(self._path(number)), number, self._chain_id)
            yield from scan
            if scan.damage is not None:
                raise self._corrupt(number, scan.damage.offset, scan.damage.reason)

    def checkpoint(self, stored_height: int, keep: Sequence[bytes], evidence: Sequence[bytes] = ()) -> None:
        """Start a segment with the raw envelopes `keep` and the encoded `evidence` (all that are still pending),
        then delete the oldest segments as far as nothing in them is above `stored_height`.

        Whatever a crash interrupts, what is pending is in the old segments, in the new one, or in both.
        """
        self.sync()
        records = _keep_records(stored_height, keep)
        records += b"".join(_record(EVIDENCE, stored_height, raw) for raw in evidence)
        self._roll(records, stored_height)
        obsolete = list(takewhile(lambda number: self._heights[number] <= stored_height, tuple(self._sizes)[:-1]))
        if obsolete:
            # A reach that still wants what is removed would look like damage.
            reach = Reach(obsolete[-1] + 1, self._active, self._sizes[self._active])
            self._disk.replace(reach_path(self.directory), encode_reach(reach))
        for number in obsolete:
            self._disk.remove(self._path(number))
            del self._sizes[number], self._heights[number]

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        self._file.close()

    def ends_early(self, reason: str) -> JournalCorrupt:
        """What to raise when somebody else knows that durable records are missing at the end."""
        return self._corrupt(self._active, self._sizes[self._active], reason)

    def _corrupt(self, number: int, offset: int, reason: str) -> JournalCorrupt:
        return JournalCorrupt(self.directory, number, offset, reason, self._home)

    def _path(self, number: int) -> Path:
        return self.directory / segment_name(number)

    def _flush(self) -> None:
        if self._buffer:
            self._file.append(self._buffer)
            self._sizes[self._active] += len(self._buffer)
            self._buffer = bytearray()

    def _settle(self) -> None:
        """Wait for the medium, then leave the mark."""
        self._file.sync()
        self.syncs += 1
        self._unsynced = 0
        self._note_reach()
        mark = _mark(self._sizes[self._active])
        try:
            self._file.append(mark)
        except NodeError:
            # What was promised is durable. The mark only helps to tell damage from a crash, and the next
            # record will run into the same trouble and report it.
            return
        self._sizes[self._active] += len(mark)

    def _note_reach(self) -> None:
        """Everything written so far is durable. A reach that can not be noted is only one that is behind."""
        reach = Reach(min(self._sizes), self._active, self._sizes[self._active])
        with suppress(NodeError):
            self._disk.hint(reach_path(self.directory), encode_reach(reach))

    def _roll(self, content: bytes, height: int) -> None:
        # The last mark may not be durable yet, and this segment is about to become an earlier one.
        self._file.sync()
        self.syncs += 1
        number = self._active + 1
        self._create(number, content, height)
        # From here on nothing may be appended to the earlier segment, even if opening the new one fails.
        self._file.close()
        self._file = self._disk.open_append(self._path(number))
        self._active = number
        self._note_reach()

    def _create(self, number: int, content: bytes, height: int) -> None:
        header = (FORMAT_VERSION, self._chain_id, number, self._sizes.get(number - 1, 0))
        raw = _record(_HEADER, 0, encode(header)) + content
        raw += _mark(len(raw))
        self._disk.replace(self._path(number), raw)
        self.syncs += 1
        self._sizes[number] = len(raw)
        self._heights[number] = height


def _keep_records(height: int, keep: Sequence[bytes]) -> bytes:
    """TRANSACTIONS records with all of `keep`, each well below the record limit."""
    records = bytearray()
    batch: list[bytes] = []
    size = 0
    for envelope in keep:
        if batch and size + len(envelope) > BUFFER_BYTES:
            records += _record(TRANSACTIONS, height, encode_batch(batch))
            batch, size = [], 0
        batch.append(envelope)
        size += len(envelope)
    if batch:
        records += _record(TRANSACTIONS, height, encode_batch(batch))
    return bytes(records)
