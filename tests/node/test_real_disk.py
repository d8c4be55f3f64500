"""The operating system says no: every operation reports a code, leaves what was there, and never calls it durable."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from node.disk import TEMPORARY_SUFFIX, RealDisk
from node.errors import NodeError
from node.journal import INPUT, Journal

DISK = RealDisk()
CODES = {errno.ENOSPC: "disk.full", errno.EDQUOT: "disk.full", errno.EIO: "disk.failed", errno.EROFS: "disk.failed"}


class Refusing:
    """A system call that fails with `number` while `on`; of a write, after the first bytes are in the file."""

    def __init__(self, call: Callable[..., int], number: int) -> None:
        self.call = call
        self.number = number
        self.on = True

    def __call__(self, *arguments: object) -> int:
        if self.on:
            if self.call in (os_write, os_pwrite):
                self.call(arguments[0], bytes(arguments[1])[:3], *arguments[2:])  # type: ignore[arg-type]
            raise OSError(self.number, os.strerror(self.number))
        return self.call(*arguments)


os_write, os_pwrite = os.write, os.pwrite


@pytest.fixture(params=sorted(CODES))
def number(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, number: int) -> Refusing:
    refusing = Refusing(getattr(os, name), number)
    monkeypatch.setattr(os, name, refusing)
    return refusing


def test_half_a_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    path = tmp_path / "log"
    file = DISK.open_append(path)
    file.append(b"before")
    refusing = refuse(monkeypatch, "write", number)
    with pytest.raises(NodeError) as caught:
        file.append(b"after")
    assert caught.value.code == CODES[number] and str(path) in caught.value.message and caught.value.hint
    assert path.read_bytes() == b"before"
    refusing.on = False
    file.append(b"again")
    file.sync()
    assert path.read_bytes() == b"beforeagain"


def test_a_sync_that_failed_once_is_never_believed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Linux forgets the pages of a failed sync: the next one would succeed and prove nothing."""
    file = DISK.open_append(tmp_path / "log")
    file.append(b"lost")
    refusing = refuse(monkeypatch, "fdatasync", number)
    with pytest.raises(NodeError) as caught:
        file.sync()
    assert caught.value.code == CODES[number]
    refusing.on = False
    for operation in (file.sync, lambda: file.append(b"more")):
        with pytest.raises(NodeError, match=r"disk\.failed"):
            operation()


@pytest.mark.parametrize("call", ["write", "fdatasync", "fsync"])
def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    refuse(monkeypatch, call, number)
    with pytest.raises(NodeError) as caught:
        DISK.replace(path, b"new state")
    assert caught.value.code == CODES[number]
    # Without the directory's sync the new name may be lost again, and is not called durable.
    assert path.read_bytes() == (b"new state" if call == "fsync" else b"old")
    assert not path.with_name(path.name + TEMPORARY_SUFFIX).exists()


@pytest.mark.parametrize("call", ["pwrite", "fdatasync"])
def test_an_overwrite_that_fails_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    path = tmp_path / "state"
    path.write_bytes(bytes(10))
    refuse(monkeypatch, call, number)
    with pytest.raises(NodeError) as caught:
        DISK.overwrite(path, 2, b"1234")
    assert caught.value.code == CODES[number]


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        ("open", DISK.open_append),
        ("open", lambda path: DISK.overwrite(path, 0, b"1")),
        ("open", lambda path: DISK.hint(path, b"1")),
        ("open", DISK.lock),
        ("ftruncate", lambda path: DISK.truncate(path, 1)),
        ("fsync", lambda path: DISK.truncate(path, 1)),
        ("fsync", DISK.remove),
        ("fsync", lambda path: DISK.rename(path, path.with_name("other"))),
        ("pwrite", lambda path: DISK.hint(path, b"1")),
    ],
)
def test_every_other_operation_reports_a_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str, operation: Callable[[Path], object]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    refuse(monkeypatch, call, number)
    with pytest.raises(NodeError) as caught:
        operation(path)
    assert caught.value.code == CODES[number]


def test_a_journal_whose_sync_failed_calls_nothing_durable_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "journal"
    journal = Journal.open(directory, DISK, "test-0011223344556677")
    journal.append(INPUT, 1, b"kept")
    journal.sync()
    journal.append(INPUT, 1, b"lost or not")
    refusing = refuse(monkeypatch, "fdatasync", errno.EIO)
    with pytest.raises(NodeError, match=r"disk\.failed"):
        journal.sync()
    assert journal.unsynced
    refusing.on = False
    with pytest.raises(NodeError, match=r"disk\.failed"):
        journal.sync()
    assert journal.unsynced
    written: list[bytes] = []
    monkeypatch.setattr(os, "pwrite", lambda at, data, offset: written.append(data) or os_pwrite(at, data, offset))
    bodies = [record.body for record in Journal.open(directory, DISK, "test-0011223344556677").records()]
    assert bodies == [b"kept", b"lost or not"]
    assert any(b"lost or not" in data for data in written), "the system may have given up writing it"
