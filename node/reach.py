"""How far a journal reached when it was last synced: which segments there must be, and how long the newest was.

Kept in a file beside the journal's directory that is written without waiting, so after a crash it may be behind or
unreadable. Believed as a lower bound only: it can not make a sound journal look damaged. A reach that stops to want
what is about to be removed is written durably first.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from node.disk import Disk

_REACH = struct.Struct(">QQQ")
_CHECKSUM = struct.Struct(">I")


class Reach(NamedTuple):
    """What there must be: all segments from `oldest` to `newest`, and `size` bytes of that one."""

    oldest: int
    newest: int
    size: int


def missing_segment(numbers: Sequence[int], reach: Reach) -> int | None:
    """The first segment that must be among `numbers` (ascending) and is not."""
    first = min(numbers[0], reach.oldest or numbers[0]) if numbers else reach.oldest
    last = max(numbers[-1], reach.newest) if numbers else reach.newest
    present = set(numbers)
    return next((number for number in range(max(first, 1), last + 1) if number not in present), None)


def reach_path(directory: Path) -> Path:
    """Where the reach of the journal in `directory` is kept."""
    return directory.with_name(directory.name + ".reach")


def read_reach(directory: Path, disk: Disk) -> Reach:
    """What there must be as far as anybody knows; nothing when the file is absent or unreadable."""
    path = reach_path(directory)
    raw = disk.read(path) if disk.exists(path) else b""
    fields = raw[: _REACH.size]
    if len(raw) != _REACH.size + _CHECKSUM.size or _CHECKSUM.unpack_from(raw, _REACH.size)[0] != crc32(fields):
        return Reach(0, 0, 0)
    return Reach(*_REACH.unpack(fields))


def encode_reach(reach: Reach) -> bytes:
    """Content of the file."""
    fields = _REACH.pack(*reach)
    return fields + _CHECKSUM.pack(crc32(fields))
