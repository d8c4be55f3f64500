"""What this holder refused to show, and what it showed by a grant: who asked, what, when and why.

    DIR/access.jsonl, access.1.jsonl ...   one JSON document per line, the oldest file goes first

Bounded in every way: files, what is held in memory, and lines per asker, because whoever is refused could ask again
without end: after an asker's first refusal the others are gathered, and written once a minute, so that nobody pushes
others' out by asking often or for much. A disk that fails costs lines, never an answer. Never holds what was asked for.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import msgspec

from node.access.rights import Denial
from node.disk import AppendFile, Disk
from node.errors import UNREADABLE, NodeError

NAME = "access"
MAX_FILES = 4
MAX_FILE_BYTES = 1024 * 1024
MAX_RECENT = 4_096
"""Entries in memory, for owners who ask."""
MAX_COUNTED = 1_024
"""Askers whose refusals are being gathered."""
MAX_OWNERS = 64
"""Members that one entry names; more are counted."""
MAX_TARGET = 200
"""Characters of what was asked that are kept."""
WRITE_EVERY_MS = 60_000
GRANTED = "ok"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One refusal, or (code `ok`) one answer by a grant."""

    time_ms: int
    """UTC by the holder's clock; of the last of `times`."""
    asker: str
    """Member, `meter ID`, or empty: it had not signed."""
    address: str
    target: str
    """Method, path and query of the last of `times`."""
    code: str
    kinds: tuple[str, ...]
    owners: tuple[str, ...]
    """Whose records, up to `MAX_OWNERS` of them."""
    more: int = 0
    times: int = 1


Sort = tuple[str, str, str]
"""Asker, address and code."""
_LINE = msgspec.json.Decoder(Entry)


class AccessLog:
    """The log of one node. Without a disk it is in memory only."""

    def __init__(self, disk: Disk | None = None, directory: Path | None = None) -> None:
        self._disk = disk
        self._directory = directory
        self._file: AppendFile | None = None
        self._size = 0
        self._counted: dict[Sort, Entry] = {}
        self._written_ms = 0
        self.recent: deque[Entry] = deque(maxlen=MAX_RECENT)
        self.refused = 0
        """Requests from which something was kept back, since the start."""
        self.granted = 0
        self.lost = 0
        """Lines that the disk did not take."""
        if disk is not None and directory is not None:
            disk.make_directory(directory)
            self.recent.extend(read_log(disk, directory))

    def note(
        self, time_ms: int, asker: str, address: str, target: str, code: str, denials: Iterable[Denial] = ()
    ) -> None:
        """Log one request from which something was kept back, or which was answered by a grant (`GRANTED`)."""
        self.refused += code != GRANTED
        self.granted += code == GRANTED
        listed = list(denials)
        kinds = tuple(sorted({kind for kind, _ in listed}))
        owners = sorted({owner for _, owner in listed})
        named = tuple(owners[:MAX_OWNERS])
        entry = Entry(time_ms, asker, address, target[:MAX_TARGET], code, kinds, named, len(owners) - len(named))
        if time_ms - self._written_ms >= WRITE_EVERY_MS or len(self._counted) >= MAX_COUNTED:
            self.flush(time_ms)
        sort = (asker, address, code)
        before = self._counted.get(sort)
        if before is None:
            self._counted[sort] = msgspec.structs.replace(entry, kinds=(), owners=(), more=0, times=0)
            self._write(entry)
        else:
            self._counted[sort] = _together(before, entry)

    def flush(self, time_ms: int) -> None:
        """Write what was counted since the last time."""
        counted, self._counted, self._written_ms = self._counted, {}, time_ms
        for entry in counted.values():
            if entry.times:
                self._write(entry)

    def about(self, owner: str, most: int) -> list[Entry]:
        """The newest entries about a member's records, newest first; what is being gathered is in it, and so is what
        may be about the member because not all are named."""
        counted = [entry for entry in self._counted.values() if entry.times]
        found = [entry for entry in [*self.recent, *counted] if owner in entry.owners or entry.more]
        return sorted(found, key=lambda entry: entry.time_ms, reverse=True)[:most]

    def close(self, time_ms: int) -> None:
        """Write what is left."""
        self.flush(time_ms)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, entry: Entry) -> None:
        self.recent.append(entry)
        if self._disk is None or self._directory is None:
            return
        line = msgspec.json.encode(entry) + b"\n"
        try:
            if self._file is None or self._size + len(line) > MAX_FILE_BYTES:
                self._file = self._next_file(self._disk, self._directory)
            self._file.append(line)
            self._size += len(line)
        except NodeError:
            self.lost += 1
            if self._file is not None:
                with contextlib.suppress(NodeError):
                    self._file.close()
                self._file = None

    def _next_file(self, disk: Disk, directory: Path) -> AppendFile:
        """The file to write to: the newest one, or a new one where that is full."""
        newest, fresh = _path(directory, 0), self._file is None
        if self._file is not None:
            self._file.close()
        self._size = len(disk.read(newest)) if disk.exists(newest) else 0
        if not fresh or self._size >= MAX_FILE_BYTES:
            for number in range(MAX_FILES - 1, 0, -1):
                if disk.exists(_path(directory, number - 1)):
                    disk.rename(_path(directory, number - 1), _path(directory, number))
            self._size = 0
        file = disk.open_append(newest)
        if self._size:
            # A line that a power failure cut off ends here, so that the next one is whole.
            file.append(b"\n")
            self._size += 1
        return file


def _together(before: Entry, after: Entry) -> Entry:
    """Two entries of one asker as one; who was named stays named."""
    owners = tuple(dict.fromkeys((*before.owners, *after.owners)))
    return msgspec.structs.replace(
        after,
        kinds=tuple(sorted({*before.kinds, *after.kinds})),
        owners=owners[:MAX_OWNERS],
        more=before.more + after.more + len(owners[MAX_OWNERS:]),
        times=before.times + 1,
    )


def read_log(disk: Disk, directory: Path) -> list[Entry]:
    """Every entry that the files hold, oldest first; a line that was cut off is left out."""
    entries = []
    for number in range(MAX_FILES - 1, -1, -1):
        path = _path(directory, number)
        for line in disk.read(path).splitlines() if disk.exists(path) else ():
            try:
                entries.append(_LINE.decode(line))
            except UNREADABLE:
                continue
    return entries


def _path(directory: Path, number: int) -> Path:
    return directory / (f"{NAME}.{number}.jsonl" if number else f"{NAME}.jsonl")
