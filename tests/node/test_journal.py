"""The journal keeps what was synced through any crash; damage stops it; repair loses nothing silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node import journal as module
from node.disk import Disk, MemoryDisk, PowerLoss, RealDisk, Tear
from node.errors import NodeError
from node.journal import (
    INPUT,
    MAX_RECORD_BYTES,
    TRANSACTIONS,
    Journal,
    JournalCorrupt,
    Record,
    decode_batch,
    encode_batch,
    segment_name,
)
from node.repair import repair

CHAIN = "test-0011223344556677"
HOME = Path("home")
DIRECTORY = HOME / "data" / "journal"
FIRST = DIRECTORY / segment_name(1)

bodies = st.binary(max_size=60) | st.just(b"gridpact durable") | st.binary(min_size=400, max_size=700)
heights = st.integers(0, 6)
tears = st.builds(Tear, keep=st.integers(0, 40) | st.integers(0, 2000), last=st.booleans())


def open_journal(disk: Disk, directory: Path = DIRECTORY) -> Journal:
    return Journal.open(directory, disk, CHAIN)


def filled(disk: Disk, count: int, directory: Path = DIRECTORY) -> list[Record]:
    """A journal with `count` records, one sync each."""
    journal = open_journal(disk, directory)
    records = [Record(INPUT, i, b"record %d" % i) for i in range(count)]
    for record in records:
        journal.append(*record)
        journal.sync()
    return records


class JournalMachine(RuleBasedStateMachine):
    """Appends, syncs, checkpoints, restarts and crashes against a list.

    `known` is everything appended, the first `synced` of which were promised. Heights of TRANSACTIONS records
    that a checkpoint keeps are its own, so the model compares envelopes there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk = MemoryDisk()
        self.known: list[Record] = []
        self.synced = 0

    @initialize()
    def start(self) -> None:
        self.journal = open_journal(self.disk)

    @rule(kind=st.sampled_from([INPUT, TRANSACTIONS, 3]), height=heights, body=bodies)
    def append(self, kind: int, height: int, body: bytes) -> None:
        record = Record(kind, height, encode_batch([body]) if kind == TRANSACTIONS else body)
        self.known.append(record)
        self.journal.append(*record)

    @rule()
    def sync(self) -> None:
        self.journal.sync()
        assert self.journal.unsynced == 0
        self.synced = len(self.known)

    @rule()
    def restart(self) -> None:
        """A clean stop, or SIGKILL after the buffer was written: the operating system keeps everything."""
        self.journal.close()
        self.journal = open_journal(self.disk)
        assert self.journal.torn_tail is None
        self.synced = len(self.known)

    @rule(tear=tears)
    def crash(self, tear: Tear) -> None:
        self.disk.crash(tear)
        self.recover()

    @rule(tear=tears, operation=st.integers(1, 4), height=heights, body=bodies)
    def power_fails_while_syncing(self, tear: Tear, operation: int, height: int, body: bytes) -> None:
        self.append(INPUT, height, body)
        self.disk.fail_at(operation)
        try:
            self.journal.sync()
            self.synced = len(self.known)
        except PowerLoss:
            pass
        self.disk.crash(tear)
        self.recover()

    @rule(tear=tears, operation=st.integers(0, 12), stored=heights, keep=st.lists(bodies, max_size=3))
    def checkpoint(self, tear: Tear, operation: int, stored: int, keep: list[bytes]) -> None:
        """Operation 0: it succeeds. Else the power fails somewhere inside."""
        promised = [record for record in self.known[: self.synced] if record.height > stored]
        pending = [
            e for record in self.known[: self.synced] if record.kind == TRANSACTIONS for e in decode_batch(record.body)
        ][-2:]
        keep = pending + keep if operation == 0 else pending
        try:
            if operation:
                self.disk.fail_at(operation)
            self.journal.checkpoint(stored, keep)
        except PowerLoss:
            pass
        if operation:
            self.disk.crash(tear)
            self.journal = open_journal(self.disk)
        found = list(self.journal.records())
        kept = [e for record in found if record.kind == TRANSACTIONS for e in decode_batch(record.body)]
        assert all(envelope in kept for envelope in keep)
        assert [record for record in found if record in promised][: len(promised)] == promised
        self.known, self.synced = found, len(found)

    @precondition(lambda self: self.journal.unsynced > 0)
    @rule()
    def full_disk_keeps_the_buffer(self) -> None:
        self.disk.capacity = 0
        try:
            self.journal.sync()
        except NodeError as error:
            assert error.code == "disk.full"
            assert self.journal.unsynced > 0
        else:
            self.synced = len(self.known)
        self.disk.capacity = None

    def recover(self) -> None:
        self.journal = open_journal(self.disk)
        found = list(self.journal.records())
        assert found == self.known[: len(found)]
        assert len(found) >= self.synced
        self.known, self.synced = found, len(found)

    @invariant()
    def replay_is_complete_and_repeatable(self) -> None:
        if self.disk.capacity is None:
            assert list(self.journal.records()) == list(self.journal.records()) == self.known


JournalMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=25)
TestJournalMachine = pytest.mark.properties(JournalMachine.TestCase)


@pytest.mark.properties
@settings(max_examples=150)
@given(
    groups=st.lists(st.lists(bodies, min_size=1, max_size=3), min_size=1, max_size=4),
    place=st.floats(0, 1, exclude_max=True),
    mask=st.integers(1, 255),
)
def test_a_flipped_byte_is_never_silent(groups: list[list[bytes]], place: float, mask: int) -> None:
    """One flipped byte of a stopped journal stops the node, or hit nothing but the last mark."""
    disk = MemoryDisk()
    journal = open_journal(disk)
    known = []
    for group in groups:
        for body in group:
            known.append(Record(INPUT, len(known), body))
            journal.append(*known[-1])
        journal.sync()
    size = len(disk.read(FIRST))
    offset = int(place * size)
    disk.flip(FIRST, offset, mask)
    try:
        reopened = open_journal(disk)
    except JournalCorrupt as error:
        assert error.code == "journal.corrupt"
        assert error.file == FIRST
        assert error.offset <= offset
        assert f"gridpact repair --home {HOME}" in error.hint
        done = repair(DIRECTORY, disk)
        assert list(open_journal(disk).records()) == known[: done.kept_records]
    else:
        assert list(reopened.records()) == known
        assert reopened.torn_tail is not None


@pytest.mark.properties
@settings(max_examples=60)
@given(data=st.data())
def test_damage_before_the_last_group_is_seen_even_after_a_crash(data: st.DataObject) -> None:
    """The crash may take the last mark, so what follows the one before can look torn; no more can."""
    disk = MemoryDisk()
    records = filled(disk, 5)
    raw = disk.read(FIRST)
    last_intact_mark = raw.rindex(module._MARK_BODY, 0, raw.index(records[-1].body)) - module._FRAME.size
    disk.crash(data.draw(tears))
    disk.flip(FIRST, data.draw(st.integers(0, last_intact_mark - 1)), data.draw(st.integers(1, 255)))
    with pytest.raises(JournalCorrupt):
        open_journal(disk)


def test_every_cut_of_an_unsynced_tail_is_cut_off_and_reported() -> None:
    disk = MemoryDisk()
    filled(disk, 2)
    durable = len(disk.read(FIRST))
    for keep in range(1, 26):
        disk = MemoryDisk()
        filled(disk, 2)
        journal = open_journal(disk)
        journal.append(INPUT, 9, b"12345678")
        journal._flush()
        disk.crash(Tear(33 + keep))
        reopened = open_journal(disk)
        if keep == 25:
            assert reopened.torn_tail is None
        else:
            assert reopened.torn_tail == (FIRST, durable, keep)
        assert len(list(reopened.records())) == (3 if keep == 25 else 2)


def test_complete_records_that_nobody_synced_are_kept_and_become_durable() -> None:
    """SIGKILL: the operating system has them; what is replayed must not vanish in a later power failure."""
    disk = MemoryDisk()
    journal = open_journal(disk)
    journal.append(INPUT, 1, b"kept")
    journal._flush()
    reopened = open_journal(disk)
    assert [record.body for record in reopened.records()] == [b"kept"]
    disk.crash()
    assert [record.body for record in open_journal(disk).records()] == [b"kept"]


@pytest.mark.parametrize("keep", range(34))
def test_a_rolled_segment_is_durable_with_its_mark(keep: int) -> None:
    """Half a mark at the end of an earlier segment would read as damage."""
    disk = MemoryDisk()
    journal = open_journal(disk)
    journal.append(INPUT, 5, b"live")
    journal.checkpoint(4, [])
    disk.crash(Tear(keep))
    assert [record.body for record in open_journal(disk).records()] == [b"live"]


@pytest.mark.parametrize("size", [0, 1, 16, 17, 30])
def test_a_last_segment_without_its_header_is_damage(size: int) -> None:
    """Segments appear whole, so no crash leaves half a header."""
    disk = MemoryDisk()
    filled(disk, 1)
    disk.truncate(FIRST, size)
    with pytest.raises(JournalCorrupt) as caught:
        open_journal(disk)
    assert caught.value.offset == 0


def test_a_mark_of_another_place_is_damage() -> None:
    """A misdirected write: intact bytes that belong elsewhere."""
    disk = MemoryDisk()
    filled(disk, 2)
    raw = disk.read(FIRST)
    disk.replace(FIRST, raw + raw[raw.index(module._MARK_BODY) - module._FRAME.size :][:33])
    with pytest.raises(JournalCorrupt, match="mark of another place"):
        open_journal(disk)


def test_reopening_changes_nothing() -> None:
    disk = MemoryDisk()
    filled(disk, 3)
    open_journal(disk)
    before = disk.read(FIRST)
    open_journal(disk)
    assert disk.read(FIRST) == before


def test_a_journal_of_another_chain_is_refused() -> None:
    disk = MemoryDisk()
    filled(disk, 1)
    with pytest.raises(JournalCorrupt, match="belongs to chain test-0011223344556677"):
        Journal.open(DIRECTORY, disk, "other-0011223344556677")


@pytest.mark.parametrize("damage", ["gap", "torn", "renamed", "empty"])
def test_an_earlier_segment_must_be_whole(damage: str) -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    for height in (5, 6, 7):
        journal.append(INPUT, height, b"height %d" % height)
        journal.checkpoint(0, [])
    second = DIRECTORY / segment_name(2)
    match damage:
        case "gap":
            disk.remove(second)
        case "torn":
            disk.truncate(second, len(disk.read(second)) - 40)
        case "renamed":
            disk.replace(second, disk.read(FIRST))
        case _:
            disk.truncate(second, 0)
    with pytest.raises(JournalCorrupt):
        open_journal(disk)
    done = repair(DIRECTORY, disk)
    assert done.moved
    assert [record.body for record in open_journal(disk).records()] == [b"height 5"]
    assert any("damaged" in sentence for sentence in done.report)


def test_repair_moves_every_byte_and_can_be_repeated() -> None:
    disk = MemoryDisk()
    filled(disk, 6)
    offset = disk.read(FIRST).index(b"record 3")
    for attempt in (1, 2):
        disk.flip(FIRST, offset, 1)
        raw = disk.read(FIRST)
        with pytest.raises(JournalCorrupt) as caught:
            open_journal(disk)
        done = repair(DIRECTORY, disk)
        assert disk.read(FIRST) + disk.read(done.moved[0]) == raw
        assert len(disk.read(FIRST)) == caught.value.offset
        assert done.kept_records == 3
        if attempt == 1:
            journal = open_journal(disk)
            for i in range(3, 6):
                journal.append(INPUT, i, b"record %d" % i)
                journal.sync()
            offset = disk.read(FIRST).index(b"record 3")
    assert len({name for name in disk.list(DIRECTORY) if "damaged" in name}) == 2


def test_repair_leaves_a_sound_journal_alone() -> None:
    disk = MemoryDisk()
    filled(disk, 2)
    before = disk.read(FIRST)
    done = repair(DIRECTORY, disk)
    assert (done.kept_records, done.moved) == (2, ())
    assert disk.read(FIRST) == before


@pytest.mark.properties
@settings(max_examples=60)
@given(operation=st.integers(1, 12), tear=tears)
def test_an_interrupted_repair_is_finished_by_the_next(operation: int, tear: Tear) -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    for height in (5, 6, 7):
        journal.append(INPUT, height, b"first")
        journal.append(INPUT, height, b"second")
        journal.checkpoint(0, [])
    disk.flip(FIRST, disk.read(FIRST).index(b"second"), 255)
    disk.fail_at(operation)
    try:
        repair(DIRECTORY, disk)
    except PowerLoss:
        disk.crash(tear)
        repair(DIRECTORY, disk)
    disk.crash()
    assert [record.body for record in open_journal(disk).records()] == [b"first"]


def test_checkpoint_deletes_what_is_stored_and_keeps_the_rest() -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    journal.append(INPUT, 4, b"old")
    journal.checkpoint(3, [b"pending"])
    assert disk.list(DIRECTORY) == [segment_name(1), segment_name(2)]
    journal.append(INPUT, 5, b"live")
    journal.checkpoint(4, [b"pending"])
    assert disk.list(DIRECTORY) == [segment_name(2), segment_name(3)]
    bodies_found = [record.body for record in open_journal(disk).records()]
    assert bodies_found == [encode_batch([b"pending"]), b"live", encode_batch([b"pending"])]


def test_kept_envelopes_are_cut_into_bounded_records() -> None:
    disk = MemoryDisk()
    keep = [bytes([i]) * 200_000 for i in range(20)]
    journal = open_journal(disk)
    journal.checkpoint(0, keep)
    records = list(open_journal(disk).records())
    assert [envelope for record in records for envelope in decode_batch(record.body)] == keep
    assert max(len(record.body) for record in records) <= 2 * module.BUFFER_BYTES


def test_segments_roll_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 1_000)
    monkeypatch.setattr(module, "MAX_SEGMENTS", 4)
    disk = MemoryDisk()
    journal = open_journal(disk)
    with pytest.raises(NodeError) as caught:
        for i in range(100):
            journal.append(INPUT, i, bytes(600))
            journal.sync()
    assert caught.value.code == "journal.full"
    assert len(disk.list(DIRECTORY)) == 4
    written = list(journal.records())
    journal.checkpoint(100, [])
    assert len(disk.list(DIRECTORY)) == 1
    journal.append(INPUT, 101, b"on")
    journal.sync()
    assert [record.height for record in written] == list(range(len(written)))


def test_an_oversized_record_is_refused_and_leaves_no_trace() -> None:
    journal = open_journal(MemoryDisk())
    with pytest.raises(NodeError) as caught:
        journal.append(INPUT, 1, bytes(MAX_RECORD_BYTES + 1))
    assert caught.value.code == "journal.record-too-large"
    assert journal.unsynced == 0
    journal.append(INPUT, 1, bytes(MAX_RECORD_BYTES))
    journal.sync()


def test_a_full_disk_loses_nothing_once_there_is_room() -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    journal.append(INPUT, 1, b"before")
    journal.sync()
    disk.capacity = 0
    journal.append(INPUT, 2, b"waits")
    for _ in range(3):
        with pytest.raises(NodeError) as caught:
            journal.sync()
        assert caught.value.code == "disk.full"
        assert journal.unsynced > 0
    disk.capacity = None
    journal.sync()
    disk.crash()
    assert [record.body for record in open_journal(disk).records()] == [b"before", b"waits"]


def test_a_full_disk_refuses_before_the_buffer_outgrows_its_limit() -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    disk.capacity = 0
    written = 0
    with pytest.raises(NodeError):
        while written <= 4 * module.BUFFER_BYTES:
            journal.append(INPUT, 1, bytes(100_000))
            written += 100_000
    assert journal.unsynced < module.BUFFER_BYTES + 2 * 100_000


def test_sync_is_one_medium_access_and_none_without_news() -> None:
    disk = MemoryDisk()
    journal = open_journal(disk)
    before = disk.syncs
    for i in range(10):
        journal.append(INPUT, i, b"x")
    assert journal.unsynced > 0
    journal.sync()
    journal.sync()
    assert disk.syncs == before + 1


def test_the_real_disk_behaves_like_the_simulated_one(tmp_path: Path) -> None:
    real, memory = RealDisk(), MemoryDisk()
    directory = tmp_path / "data" / "journal"
    for disk, where in ((real, directory), (memory, DIRECTORY)):
        journal = open_journal(disk, where)
        journal.append(INPUT, 7, b"one")
        journal.checkpoint(6, [b"tx"])
        journal.append(INPUT, 8, b"two")
        journal.checkpoint(7, [b"tx"])
        journal.close()
    names = memory.list(DIRECTORY)
    assert real.list(directory) == names
    for name in names:
        assert real.read(directory / name) == memory.read(DIRECTORY / name)
    assert all((directory / name).stat().st_mode & 0o777 == 0o600 for name in names)
    last = directory / names[-1]
    last.write_bytes(last.read_bytes() + b"\x00\x00\x01")
    assert open_journal(real, directory).torn_tail == (last, len(memory.read(DIRECTORY / names[-1])), 3)
    raw = bytearray(last.read_bytes())
    raw[raw.index(b"tx")] ^= 4
    last.write_bytes(raw)
    with pytest.raises(JournalCorrupt):
        open_journal(real, directory)
    assert repair(directory, real).moved
    open_journal(real, directory)


def test_damage_that_comes_while_the_journal_is_open_is_not_the_end_of_its_records() -> None:
    disk = MemoryDisk()
    filled(disk, 3)
    journal = open_journal(disk)
    disk.flip(FIRST, disk.read(FIRST).index(b"record 1"), 1)
    with pytest.raises(JournalCorrupt):
        list(journal.records())
