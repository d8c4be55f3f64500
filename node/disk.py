"""Files as the journal, the signer and the keys need them: an interface, the real disk, one that crashes on
demand.

What is appended may be lost until `sync`; every other change is durable when the call returns. A failed
operation leaves the file as it was, so that the caller may try again once there is room. A full disk is
`disk.full`, any other failure `disk.failed`. Nothing here interprets contents.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from node.errors import NodeError

PRIVATE_MODE = 0o600
TEMPORARY_SUFFIX = ".tmp"


class AppendFile(Protocol):
    """An open file that only grows."""

    def append(self, data: bytes | bytearray) -> None:
        """Add `data` at the end, all or nothing; it may be lost until `sync`."""
        ...

    def sync(self) -> None:
        """Return once everything appended is on the medium. After a failure the file accepts nothing more."""
        ...

    def close(self) -> None:
        """Close without syncing."""
        ...


class Lock(Protocol):
    """A lock that ends with `release` or with the process."""

    def release(self) -> None: ...


class Disk(Protocol):
    """Paths are absolute or relative to the process; missing files raise FileNotFoundError."""

    def make_directory(self, path: Path) -> None:
        """Create the directory and its parents, accessible to the owner only; fine if it exists."""
        ...

    def list(self, directory: Path) -> list[str]:
        """Sorted names of the files in `directory`; none if it does not exist."""
        ...

    def exists(self, path: Path) -> bool: ...

    def read(self, path: Path) -> bytes: ...

    def open_append(self, path: Path) -> AppendFile:
        """Open for appending; an absent file is created, durably."""
        ...

    def overwrite(self, path: Path, offset: int, data: bytes) -> None:
        """Replace bytes inside an existing file. A crash meanwhile may leave any mix of old and new."""
        ...

    def hint(self, path: Path, data: bytes) -> None:
        """Write `data` over the beginning of the file, which may be absent, without waiting for the medium: a crash may
        leave any mix of old and new, or no file."""
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` in place of the whole file: a crash leaves the old one or the new one, never a mix."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Move within one directory. Replaces `target`."""
        ...

    def truncate(self, path: Path, size: int) -> None:
        """Cut the file to `size` bytes."""
        ...

    def remove(self, path: Path) -> None: ...

    def lock(self, path: Path) -> Lock:
        """Exclusive lock on an existing file. Raises `disk.locked` when somebody holds it."""
        ...


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn operating system errors into codes; an absent file stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NodeError(
                "disk.full", f"There is no room to write {path}.", "Free space; nothing promised is lost."
            ) from error
        raise NodeError(
            "disk.failed", f"{path}: {error.strerror}.", "Check permissions and the health of the disk."
        ) from error


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class RealAppendFile:
    """Append-only descriptor. A failed write is cut off again, a failed sync closes the file for good."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _reported(path):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
            self._size = os.fstat(self._descriptor).st_size
        self._broken = False

    def append(self, data: bytes | bytearray) -> None:
        self._check()
        with _reported(self._path):
            try:
                _write_all(self._descriptor, data)
            except OSError:
                # Half a record in the middle of the file would read as corruption once more is appended.
                self._broken = True
                os.ftruncate(self._descriptor, self._size)
                self._broken = False
                raise
        self._size += len(data)

    def sync(self) -> None:
        self._check()
        with _reported(self._path):
            try:
                os.fdatasync(self._descriptor)
            except OSError:
                # Linux drops the dirty pages of a failed sync: a second one would succeed and prove nothing.
                self._broken = True
                raise

    def close(self) -> None:
        # A closed descriptor's number may soon belong to another file.
        self._broken = True
        os.close(self._descriptor)

    def _check(self) -> None:
        if self._broken:
            raise NodeError("disk.failed", f"{self._path} accepts no more writes.", "Check the disk, then restart.")


class RealLock:
    """`flock` on a descriptor of its own."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise _locked(path) from error

    def release(self) -> None:
        os.close(self._descriptor)


def _locked(path: Path) -> NodeError:
    return NodeError("disk.locked", f"{path} is in use by another process.", "Stop the other node of this home first.")


class RealDisk:
    """The operating system's files; new ones are readable by their owner only."""

    def make_directory(self, path: Path) -> None:
        with _reported(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(path.parent)

    def list(self, directory: Path) -> list[str]:
        if not directory.is_dir():
            return []
        with _reported(directory):
            return sorted(entry.name for entry in directory.iterdir() if entry.is_file())

    def exists(self, path: Path) -> bool:
        with _reported(path):
            return path.exists()

    def read(self, path: Path) -> bytes:
        with _reported(path):
            return path.read_bytes()

    def open_append(self, path: Path) -> AppendFile:
        created = not path.exists()
        file = RealAppendFile(path)
        if created:
            with _reported(path):
                sync_directory(path.parent)
        return file

    def overwrite(self, path: Path, offset: int, data: bytes) -> None:
        with _reported(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                written = os.pwrite(descriptor, data, offset)
                if written != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def hint(self, path: Path, data: bytes) -> None:
        with _reported(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE_MODE)
            try:
                os.pwrite(descriptor, data, 0)
            finally:
                os.close(descriptor)

    def replace(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
        with _reported(path):
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_MODE)
                try:
                    _write_all(descriptor, data)
                    os.fdatasync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
            temporary.rename(path)
            sync_directory(path.parent)

    def rename(self, source: Path, target: Path) -> None:
        with _reported(source):
            source.rename(target)
            sync_directory(target.parent)

    def truncate(self, path: Path, size: int) -> None:
        with _reported(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, path: Path) -> None:
        with _reported(path):
            path.unlink()
            sync_directory(path.parent)

    def lock(self, path: Path) -> Lock:
        with _reported(path):
            return RealLock(path)


class PowerLoss(Exception):
    """Raised by a `MemoryDisk` at the operation where its power was set to fail."""


class Tear(NamedTuple):
    """What a crash leaves of bytes that were written and not synced: `keep` of them, the first or the last.

    Where the last survive, earlier ones read as before the write, or zero where the file has grown: pages
    reach the medium in any order.
    """

    keep: int = 0
    last: bool = False


class _Content:
    """One file: what is on the medium, what the process sees, and from where the two may differ."""

    __slots__ = ("dirty_from", "dirty_to", "durable", "seen")

    def __init__(self, data: bytes) -> None:
        self.settle(data)

    def settle(self, data: bytes | bytearray) -> None:
        self.seen = bytearray(data)
        self.durable = bytes(data)
        self.dirty_from = self.dirty_to = len(data)

    def write(self, offset: int, data: bytes | bytearray) -> None:
        if self.dirty_from == self.dirty_to:
            self.dirty_from = self.dirty_to = offset
        self.seen[offset : offset + len(data)] = data
        self.dirty_to = max(self.dirty_to, offset + len(data))

    def crash(self, tear: Tear) -> None:
        keep = min(tear.keep, self.dirty_to - self.dirty_from)
        if tear.last and keep:
            start, stop = self.dirty_to - keep, self.dirty_to
        else:
            start, stop = self.dirty_from, self.dirty_from + keep
        left = bytearray(self.durable)
        left.extend(bytes(max(0, stop - len(left)) if keep else 0))
        left[start:stop] = self.seen[start:stop]
        self.settle(left)


class MemoryAppendFile:
    """Append handle of a `MemoryDisk`; dead after the disk has crashed."""

    def __init__(self, disk: MemoryDisk, content: _Content) -> None:
        self._disk = disk
        self._content = content
        self._epoch = disk.epoch

    def append(self, data: bytes | bytearray) -> None:
        self._disk.use(len(data), self._epoch)
        self._content.write(len(self._content.seen), data)
        self._disk.step()

    def sync(self) -> None:
        self._disk.use(0, self._epoch)
        self._disk.step()
        self._content.settle(self._content.seen)
        self._disk.syncs += 1

    def close(self) -> None:
        self._disk.use(0, self._epoch)


class MemoryLock:
    """A lock of a `MemoryDisk`; a crash releases it."""

    def __init__(self, disk: MemoryDisk, path: Path) -> None:
        self._disk = disk
        self._path = path

    def release(self) -> None:
        self._disk.locked.discard(self._path)


class MemoryDisk:
    """A deterministic disk for tests and the simulator.

    `capacity` (bytes) makes it full. `fail_at(n)` cuts the power inside the n-th operation from now: that one
    and all later ones raise `PowerLoss` until `crash` has decided what survived and switched it on again.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.syncs = 0
        self.epoch = 0
        self.locked: set[Path] = set()
        self._files: dict[Path, _Content] = {}
        self._fuse: int | None = None

    def survives(self, data: bytes) -> bool:
        """Whether some file would hold these bytes after a crash that keeps nothing unsynced."""
        return any(data in content.durable for content in self._files.values())

    def fail_at(self, operation: int) -> None:
        """Cut the power inside the `operation`-th write from now (1 is the next one)."""
        self._fuse = operation

    def crash(self, keep_unsynced: Tear | int = 0) -> None:
        """Lose unsynced bytes, of every file, but for what the tear keeps; open files and locks are gone."""
        tear = keep_unsynced if isinstance(keep_unsynced, Tear) else Tear(keep_unsynced)
        for content in self._files.values():
            content.crash(tear)
        self.locked.clear()
        self.epoch += 1
        self._fuse = None

    def step(self) -> None:
        """Count one operation down to the power failure."""
        if self._fuse is not None:
            self._fuse -= 1
            if self._fuse <= 0:
                raise PowerLoss

    def use(self, more: int, epoch: int | None = None) -> None:
        """Refuse when the power is off, the handle is from before a crash, or `more` bytes do not fit."""
        if (self._fuse is not None and self._fuse <= 0) or epoch not in (None, self.epoch):
            raise PowerLoss
        used = sum(len(content.seen) for content in self._files.values())
        if more and self.capacity is not None and used + more > self.capacity:
            raise NodeError("disk.full", "There is no room on the memory disk.", "Raise its capacity.")

    def flip(self, path: Path, offset: int, mask: int) -> None:
        """Damage one byte on the medium."""
        data = bytearray(self._content(path).seen)
        data[offset] ^= mask
        self._content(path).settle(data)

    def make_directory(self, path: Path) -> None:
        self.use(0)

    def list(self, directory: Path) -> list[str]:
        return sorted(path.name for path in self._files if path.parent == directory)

    def exists(self, path: Path) -> bool:
        return path in self._files

    def read(self, path: Path) -> bytes:
        return bytes(self._content(path).seen)

    def open_append(self, path: Path) -> AppendFile:
        self.use(0)
        return MemoryAppendFile(self, self._files.setdefault(path, _Content(b"")))

    def overwrite(self, path: Path, offset: int, data: bytes) -> None:
        self.use(0)
        content = self._content(path)
        if offset + len(data) > len(content.seen):
            raise ValueError("overwriting never makes a file longer")
        content.write(offset, data)
        self.step()
        self.step()
        content.settle(content.seen)
        self.syncs += 1

    def hint(self, path: Path, data: bytes) -> None:
        content = self._files.setdefault(path, _Content(b""))
        self.use(max(0, len(data) - len(content.seen)))
        content.write(0, data)
        self.step()

    def replace(self, path: Path, data: bytes) -> None:
        self.use(len(data))
        self.step()
        self._files[path] = _Content(data)
        self.syncs += 1
        self.step()

    def rename(self, source: Path, target: Path) -> None:
        self.use(0)
        self.step()
        self._files[target] = self._content(source)
        del self._files[source]
        self.step()

    def truncate(self, path: Path, size: int) -> None:
        self.use(0)
        self.step()
        content = self._content(path)
        content.settle(content.seen[:size])
        self.step()

    def remove(self, path: Path) -> None:
        self.use(0)
        self.step()
        self._content(path)
        del self._files[path]
        self.step()

    def lock(self, path: Path) -> Lock:
        self._content(path)
        if path in self.locked:
            raise _locked(path)
        self.locked.add(path)
        return MemoryLock(self, path)

    def _content(self, path: Path) -> _Content:
        content = self._files.get(path)
        if content is None:
            raise FileNotFoundError(path)
        return content
