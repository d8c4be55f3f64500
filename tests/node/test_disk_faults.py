"""Any damage to the files of a node: it finds all that was synced, or stops and says where; it never guesses."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.messages import Vote, VoteType
from node import journal as module
from node.disk import MemoryDisk, Tear
from node.errors import NodeError
from node.journal import INPUT, Journal, JournalCorrupt, Record, segment_name, segments
from node.ledger.store import Batch, LevelStore
from node.reach import reach_path
from node.repair import repair
from node.signer import FileSigner
from zk.codec import encode
from zk.ed25519 import SigningKey

pytestmark = pytest.mark.properties

CHAIN = "test-0011223344556677"
DIRECTORY = Path("home/data/journal")
KEY = SigningKey(bytes(32))
STATE = Path("home/keys/consensus.state")

places = st.floats(0, 1, exclude_max=True)
tears = st.builds(Tear, keep=st.integers(0, 40) | st.integers(0, 2_000), last=st.booleans())


class RealFiles(MemoryDisk):
    """The files of a directory, to be struck like those in memory."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory

    def paths(self) -> list[Path]:
        """Files with something in them, but for the lock and the notes of LevelDB."""
        files = [path for path in sorted(self.directory.iterdir()) if path.name not in ("LOCK", "LOG", "LOG.old")]
        return [path for path in files if path.stat().st_size]

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def replace(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)

    def flip(self, path: Path, offset: int, mask: int) -> None:
        raw = bytearray(self.read(path))
        raw[offset] ^= mask
        self.replace(path, bytes(raw))

    def truncate(self, path: Path, size: int) -> None:
        self.replace(path, self.read(path)[:size])

    def remove(self, path: Path) -> None:
        path.unlink()


class Flips(NamedTuple):
    """Single bytes of any files are different."""

    where: list[tuple[float, float, int]]


class Cut(NamedTuple):
    """A file ends early."""

    file: float
    place: float


class Zeroed(NamedTuple):
    """A stretch of a file reads as zeros, to its end with `length` None."""

    file: float
    place: float
    length: int | None


class Grown(NamedTuple):
    """Something was added at the end of a file."""

    file: float
    more: bytes


class Copied(NamedTuple):
    """A file is there under another's name as well."""

    file: float
    over: float


class Swapped(NamedTuple):
    """Two files have each other's name."""

    file: float
    other: float


class Gone(NamedTuple):
    """A file is not there."""

    file: float


Fault = Flips | Cut | Zeroed | Grown | Copied | Swapped | Gone
faults: st.SearchStrategy[Fault] = st.one_of(
    st.builds(Flips, st.lists(st.tuples(places, places, st.integers(1, 255)), min_size=1, max_size=6)),
    st.builds(Cut, places, places),
    st.builds(Zeroed, places, places, st.none() | st.integers(1, 200)),
    st.builds(Grown, places, st.binary(min_size=1, max_size=80) | st.just(bytes(4_096))),
    st.builds(Copied, places, places),
    st.builds(Swapped, places, places),
    st.builds(Gone, places),
)


def strike(disk: MemoryDisk, paths: list[Path], fault: Fault) -> None:
    """Do it to one of `paths`, chosen by a number in [0, 1)."""

    def chosen(place: float) -> Path:
        return paths[int(place * len(paths))]

    match fault:
        case Flips(where):
            for file, place, mask in where:
                if size := len(disk.read(chosen(file))):
                    disk.flip(chosen(file), int(place * size), mask)
        case Cut(file, place):
            disk.truncate(chosen(file), int(place * len(disk.read(chosen(file)))))
        case Zeroed(file, place, length):
            raw = bytearray(disk.read(chosen(file)))
            start = int(place * len(raw))
            stop = len(raw) if length is None else min(len(raw), start + length)
            raw[start:stop] = bytes(stop - start)
            disk.replace(chosen(file), bytes(raw))
        case Grown(file, more):
            disk.replace(chosen(file), disk.read(chosen(file)) + more)
        case Copied(file, over):
            disk.replace(chosen(over), disk.read(chosen(file)))
        case Swapped(file, other):
            one, two = disk.read(chosen(file)), disk.read(chosen(other))
            disk.replace(chosen(file), two)
            disk.replace(chosen(other), one)
        case Gone(file):
            disk.remove(chosen(file))


def written(disk: MemoryDisk, groups: list[list[bytes]], checkpoint: int) -> list[Record]:
    """A journal of short segments with one sync per group; before group `checkpoint` the oldest are deleted."""
    journal = Journal.open(DIRECTORY, disk, CHAIN)
    known: list[Record] = []
    for number, group in enumerate(groups):
        if number == checkpoint:
            journal.checkpoint(number - 1, [])
            known = list(journal.records())
        for body in group:
            known.append(Record(INPUT, number, body))
            journal.append(*known[-1])
        journal.sync()
    return known


def paths_of(disk: MemoryDisk) -> list[Path]:
    return [DIRECTORY / segment_name(number) for number in segments(DIRECTORY, disk)]


def content(disk: MemoryDisk) -> bytes:
    """Every byte of the log, kept or moved aside, in no order."""
    return bytes(sorted(b"".join(disk.read(DIRECTORY / name) for name in disk.list(DIRECTORY))))


groups = st.lists(
    st.lists(st.binary(max_size=60) | st.just(b"gridpact durable") | st.just(bytes(300)), min_size=1, max_size=3),
    min_size=1,
    max_size=7,
)


@settings(max_examples=400)
@given(groups, st.integers(0, 9), st.lists(faults, min_size=1, max_size=2))
def test_a_damaged_log_has_all_that_was_synced_or_stops(
    groups: list[list[bytes]], checkpoint: int, faults: list[Fault]
) -> None:
    disk = MemoryDisk()
    with mock.patch.object(module, "SEGMENT_BYTES", 400):
        known = written(disk, groups, checkpoint)
        for fault in faults:
            if paths_of(disk):
                strike(disk, paths_of(disk), fault)
        before = content(disk)
        try:
            journal = Journal.open(DIRECTORY, disk, CHAIN)
        except JournalCorrupt as error:
            assert error.code == "journal.corrupt" and "gridpact repair" in error.hint
            assert error.file.parent == DIRECTORY
            assert error.offset <= (len(disk.read(error.file)) if disk.exists(error.file) else 0)
            assert str(error.file) in error.message and f"byte {error.offset}" in error.message
            assert content(disk) == before, "who stops changes nothing"
            done = repair(DIRECTORY, disk)
            assert content(disk) == before, "repair moves bytes, and loses none"
            found = list(Journal.open(DIRECTORY, disk, CHAIN).records())
            assert found == known[: len(found)] and len(found) == done.kept_records
            assert repair(DIRECTORY, disk).moved == ()
        else:
            assert list(journal.records()) == known


def test_an_earlier_segment_that_ends_early_between_two_records_is_damaged() -> None:
    """Every checksum of what is left is right, and the reach tells of the newest segment alone."""
    disk, groups = MemoryDisk(), [[bytes([number]) * 100, bytes(300)] for number in range(3)]
    with mock.patch.object(module, "SEGMENT_BYTES", 400):
        known = written(disk, groups, -1)
        first, *later = paths_of(disk)
        whole, scan = disk.read(first), module.Scan(disk.read(first), 1, None)
        ends = [scan.end for _ in scan]
        assert len(later) >= 2 and len(ends) == 2
        for end in ends:
            disk.replace(first, whole[:end])
            with pytest.raises(JournalCorrupt, match=f"byte {end}: {len(whole)} bytes were durable") as caught:
                Journal.open(DIRECTORY, disk, CHAIN)
            assert caught.value.file == first
            disk.replace(first, whole)
        disk.replace(first, whole[: ends[1]])
        assert repair(DIRECTORY, disk).kept_records == 1
        assert list(Journal.open(DIRECTORY, disk, CHAIN).records()) == known[:1]


def test_a_damaged_header_does_not_speak_about_the_segment_before() -> None:
    """One bit of it makes that one seem to end early: what is damaged is named all the same."""
    disk, groups = MemoryDisk(), [[bytes([number]) * 100, bytes(300)] for number in range(3)]
    with mock.patch.object(module, "SEGMENT_BYTES", 400):
        written(disk, groups, -1)
        first, second, *_ = paths_of(disk)
        raw, said = disk.read(second), encode(len(disk.read(first)))
        at = raw.index(said)
        disk.replace(second, raw[:at] + bytes([raw[at]]) + b"\xff" * (len(said) - 1) + raw[at + len(said) :])
        with pytest.raises(JournalCorrupt, match="a wrong checksum") as caught:
            Journal.open(DIRECTORY, disk, CHAIN)
        assert caught.value.file == second


@settings(max_examples=200)
@given(groups, st.integers(0, 9), tears, st.lists(faults, min_size=1, max_size=2), faults)
def test_a_log_that_was_damaged_after_a_power_failure_invents_nothing(
    groups: list[list[bytes]], checkpoint: int, tear: Tear, faults: list[Fault], reach: Fault
) -> None:
    """What guards its end may be behind or damaged as well: then the end can be lost, and never the middle."""
    disk = MemoryDisk()
    with mock.patch.object(module, "SEGMENT_BYTES", 400):
        known = written(disk, groups, checkpoint)
        disk.crash(tear)
        for fault in faults:
            if paths_of(disk):
                strike(disk, paths_of(disk), fault)
        if disk.exists(reach_path(DIRECTORY)) and disk.read(reach_path(DIRECTORY)):
            strike(disk, [reach_path(DIRECTORY)], reach)
        try:
            found = list(Journal.open(DIRECTORY, disk, CHAIN).records())
        except JournalCorrupt:
            repair(DIRECTORY, disk)
            found = list(Journal.open(DIRECTORY, disk, CHAIN).records())
        start = known.index(found[0]) if found else 0
        assert found == known[start : start + len(found)]


@settings(max_examples=300)
@given(st.integers(1, 6), st.lists(faults, min_size=1, max_size=3))
def test_a_damaged_signing_state_is_at_most_one_signature_behind_or_stops(count: int, faults: list[Fault]) -> None:
    """The one before is what a torn write leaves; the log has that signature, and replay never asks for it again."""
    disk = MemoryDisk()
    FileSigner.create(STATE, disk, KEY.public_key)
    signer = FileSigner(KEY, STATE, disk)
    for height in range(1, count + 1):
        signer.sign(Vote(VoteType.PREVOTE, height, 0, None, -1, "a", b""), CHAIN)
    disk.crash()
    for fault in faults:
        if disk.exists(STATE) and disk.read(STATE):
            strike(disk, [STATE], fault)
    try:
        reopened = FileSigner(KEY, STATE, disk)
    except NodeError as error:
        assert error.code in ("signer.corrupt", "signer.missing")
        assert str(STATE) in error.message and error.hint
    else:
        assert count - 1 <= reopened.high_water.height <= count


@settings(max_examples=80)
@given(st.integers(1, 30), st.lists(faults, min_size=1, max_size=2))
def test_a_damaged_store_is_reported_or_invents_nothing(count: int, faults: list[Fault]) -> None:
    """As far as LevelDB can tell: it does not notice a table that has another's name, or a log that ends early. A node
    whose store fell back fetches the blocks again (`test_recovery.py`)."""
    with TemporaryDirectory() as name:
        store, states = LevelStore(name), [{}]
        for number in range(count):
            batch: Batch = [(b"key %d" % (number % 7), bytes([number]) * 900), (b"height", b"%d" % number)]
            store.write(batch, sync=True)
            states.append({**states[-1], **dict(batch)})
            if number == count // 2:
                store.compact(b"", b"\xff")
        store.close()
        disk = RealFiles(Path(name))
        for fault in faults:
            strike(disk, disk.paths(), fault)
        try:
            opened = LevelStore(name)
            found = dict(opened.scan(b"", b"\xff"))
            opened.close()
        except NodeError as error:
            assert error.code in ("store.corrupt", "store.io")
            assert name in error.message and error.hint
        else:
            assert all(any(state.get(key) == value for state in states) for key, value in found.items())
