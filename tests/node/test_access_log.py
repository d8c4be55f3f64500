"""The log of refusals: bounded in files, memory and lines, whole after a restart, and never in the way of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.access import log as module
from node.access.log import GRANTED, MAX_COUNTED, MAX_OWNERS, MAX_TARGET, WRITE_EVERY_MS, AccessLog, Entry, read_log
from node.disk import RealDisk
from node.errors import NodeError

DISK = RealDisk()
BILLS = [("bills", "campus")]


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_who_asks_again_is_counted_and_written_once_a_minute(tmp_path: Path) -> None:
    log = AccessLog(DISK, tmp_path / "access")
    for time_ms in (100_000, 100_001, 100_002, 100_000 + WRITE_EVERY_MS):
        log.note(time_ms, "wind", "10.0.0.1", f"GET /{time_ms}", "access.denied", BILLS)
    log.note(100_003, "wind", "10.0.0.2", "GET /", "access.denied", BILLS)
    log.note(100_003, "wind", "10.0.0.1", "GET /", GRANTED, BILLS)
    assert (log.refused, log.granted) == (5, 1)
    log.close(200_000)
    written = read_log(DISK, tmp_path / "access")
    first = Entry(100_000, "wind", "10.0.0.1", "GET /100000", "access.denied", ("bills",), ("campus",))
    assert written[0] == first
    assert [(one.address, one.code, one.times) for one in written] == [
        ("10.0.0.1", "access.denied", 1),
        ("10.0.0.1", "access.denied", 2),
        ("10.0.0.1", "access.denied", 1),
        ("10.0.0.2", "access.denied", 1),
        ("10.0.0.1", GRANTED, 1),
    ]
    assert sum(one.times for one in written) == 6, "nothing is lost in counting"
    assert list(AccessLog(DISK, tmp_path / "access").recent) == written


def test_what_is_still_being_counted_is_told_to_its_owner() -> None:
    log = AccessLog()
    for _ in range(3):
        log.note(0, "wind", "a", "GET /", "access.denied", [*BILLS, ("bills", "solar")])
    assert [one.times for one in log.about("campus", 9)] == [1, 2]
    assert [one.times for one in log.about("solar", 1)] == [1]
    assert log.about("wind", 9) == []


def test_nobody_hides_a_refusal_behind_others(tmp_path: Path) -> None:
    """Who asks for everything of everybody gets two lines a minute, and everybody may see that it is among them."""
    log = AccessLog(DISK, tmp_path / "access")
    for number in range(3 * MAX_OWNERS):
        log.note(number, "wind", "a", "GET /", "access.denied", [("bills", f"m{number:03d}")])
    log.note(999, "wind", "a", "GET /", "access.denied", BILLS)
    assert len(read_log(DISK, tmp_path / "access")) == 1
    (entry,) = log.about("campus", 9)
    assert (len(entry.owners), entry.more, entry.times) == (MAX_OWNERS, 2 * MAX_OWNERS, 3 * MAX_OWNERS)
    log.close(1_000)
    first, gathered = read_log(DISK, tmp_path / "access")
    assert (first.owners, first.times) == (("m000",), 1) and gathered == entry


def test_files_and_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 2_000)
    log = AccessLog(DISK, tmp_path / "access")
    for number in range(60):
        log.note(number * WRITE_EVERY_MS, f"member-{number}", "a", "GET /", "access.denied", BILLS)
    assert files(tmp_path / "access") == ["access.1.jsonl", "access.2.jsonl", "access.3.jsonl", "access.jsonl"]
    assert all(path.stat().st_size <= 2_000 for path in (tmp_path / "access").iterdir())
    kept = [one.asker for one in read_log(DISK, tmp_path / "access")]
    assert kept == [f"member-{number}" for number in range(60 - len(kept), 60)], "the oldest go first"
    many = [("bills", f"m{number:03d}") for number in range(MAX_OWNERS + 5)]
    log.note(0, "x", "a", "GET /" + "y" * 999, "access.withheld", many)
    entry = log.recent[-1]
    assert (len(entry.owners), entry.more, len(entry.target)) == (MAX_OWNERS, 5, MAX_TARGET)


def test_different_refusals_that_are_counted_are_bounded() -> None:
    log = AccessLog()
    for number in range(3 * MAX_COUNTED):
        log.note(0, str(number), "a", "GET /", "access.denied", BILLS)
        assert len(log._counted) <= MAX_COUNTED
    assert len(log.recent) == 3 * MAX_COUNTED


def test_a_line_that_was_cut_off_costs_itself_only(tmp_path: Path) -> None:
    directory = tmp_path / "access"
    log = AccessLog(DISK, directory)
    log.note(0, "wind", "a", "GET /", "access.denied", BILLS)
    log.close(0)
    path = directory / "access.jsonl"
    path.write_bytes(path.read_bytes() + path.read_bytes()[:40])
    again = AccessLog(DISK, directory)
    again.note(1, "solar", "a", "GET /", "access.denied", BILLS)
    again.close(1)
    assert [one.asker for one in read_log(DISK, directory)] == ["wind", "solar"]


def test_a_disk_that_fails_costs_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = RealDisk()
    log = AccessLog(disk, tmp_path / "access")

    def full(path: Path) -> None:
        raise NodeError("disk.full", "full")

    monkeypatch.setattr(disk, "open_append", full)
    log.note(0, "wind", "a", "GET /", "access.denied", BILLS)
    assert (log.refused, log.lost, len(log.recent)) == (1, 1, 1)
    monkeypatch.undo()
    log.note(0, "solar", "a", "GET /", "access.denied", BILLS)
    assert [one.asker for one in read_log(disk, tmp_path / "access")] == ["solar"]
