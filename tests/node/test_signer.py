"""One key never signs two different messages for one (height, round, step), whatever crashes in between."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.messages import Block, Header, Proposal, Vote, VoteType
from node.disk import MemoryDisk, PowerLoss, RealDisk, Tear
from node.errors import NodeError
from node.signer import FileSigner, Position, position
from zk.ed25519 import SigningKey, verify
from zk.hashing import ZERO_HASH

CHAIN = "test-0011223344556677"
KEY = SigningKey(bytes(32))
PATH = Path("home/keys/consensus.state")


def vote(height: int, round_: int, kind: VoteType, value: int | None, valid_round: int = -1) -> Vote:
    return Vote(kind, height, round_, None if value is None else bytes([value]) * 32, valid_round, "a", b"")


def proposal(height: int, round_: int, value: int) -> Proposal:
    header = Header(
        version=1,
        chain_id=CHAIN,
        height=height,
        parent_hash=ZERO_HASH,
        time_ms=value,
        params_hash=ZERO_HASH,
        proposer="a",
        proposer_round=round_,
        set_hash=ZERO_HASH,
        next_set_hash=ZERO_HASH,
        last_certificate_hash=ZERO_HASH,
        payload_root=ZERO_HASH,
        state_root=ZERO_HASH,
        receipts_root=ZERO_HASH,
        evidence_root=ZERO_HASH,
        beacon=b"",
    )
    return Proposal(height, round_, -1, Block(header, (), None, ()), "a", b"")


def messages(top: int = 3) -> st.SearchStrategy[Proposal | Vote]:
    small = st.integers(0, top)
    values = st.none() | st.integers(1, 3)
    return st.builds(vote, small, small, st.sampled_from(VoteType), values) | st.builds(
        proposal, small, small, st.integers(1, 3)
    )


def new_file(disk: MemoryDisk) -> FileSigner:
    FileSigner.create(PATH, disk, KEY.public_key)
    return FileSigner(KEY, PATH, disk)


def marked(signer: FileSigner, disk: MemoryDisk) -> FileSigner:
    """The same key after a restore."""
    signer.close()
    FileSigner.mark(PATH, disk)
    return FileSigner(KEY, PATH, disk)


class Witness:
    """Everything that left the signer; fails at the first contradiction."""

    def __init__(self) -> None:
        self.seen: dict[Position, bytes] = {}

    def see(self, message: Proposal | Vote) -> None:
        signed, at = message.sign_bytes(CHAIN), position(message)
        assert verify(KEY.public_key, signed, message.signature)
        assert self.seen.setdefault(at, signed) == signed


@pytest.mark.properties
@settings(max_examples=200)
@given(
    plan=st.lists(
        st.tuples(messages(), st.integers(0, 3), st.builds(Tear, st.integers(0, 9000), st.booleans())),
        max_size=25,
    )
)
def test_no_contradiction_through_any_crash(plan: list[tuple[Proposal | Vote, int, Tear]]) -> None:
    """Each message may meet a power failure (operation 1 or 2 of the write) or a plain restart (3)."""
    disk, witness = MemoryDisk(), Witness()
    signer = new_file(disk)
    asked: set[bytes] = set()
    for message, fault, tear in plan:
        high = signer.high_water
        if fault in (1, 2):
            disk.fail_at(fault)
        try:
            witness.see(signer.sign(message, CHAIN))
            assert position(message) > high or message.sign_bytes(CHAIN) in asked
        except NodeError as error:
            assert error.code == "signer.double"
        except PowerLoss:
            pass
        asked.add(message.sign_bytes(CHAIN))
        if fault:
            disk.crash(tear)
            signer = FileSigner(KEY, PATH, disk)
            if witness.seen:
                assert signer.high_water >= max(witness.seen)


@pytest.mark.properties
@settings(max_examples=100)
@given(plan=st.lists(messages(), min_size=1, max_size=10), offset=st.integers(0, 16383), mask=st.integers(1, 255))
def test_one_damaged_byte_never_lowers_the_high_water(plan: list[Proposal | Vote], offset: int, mask: int) -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    for message in plan:
        try:
            signer.sign(message, CHAIN)
        except NodeError:
            continue
    high = signer.high_water
    disk.crash()
    disk.flip(PATH, offset, mask)
    assert FileSigner(KEY, PATH, disk).high_water == high


def test_a_write_that_ruins_all_it_touches_leaves_the_version_before() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    for height in range(1, 6):
        before = disk.read(PATH)
        signer.sign(vote(height, 0, VoteType.PREVOTE, 1), CHAIN)
        after = disk.read(PATH)
        changed = [at for at in range(len(after)) if before[at] != after[at]]
        ruined = MemoryDisk()
        ruined.replace(PATH, after)
        ruined.overwrite(PATH, changed[0], bytes(changed[-1] + 1 - changed[0]))
        assert FileSigner(KEY, PATH, ruined).high_water.height == height - 1


def test_every_new_position_is_signed_in_order_of_steps() -> None:
    signer = new_file(MemoryDisk())
    for height in (1, 2):
        for round_ in (0, 3):
            for message in (
                proposal(height, round_, 1),
                vote(height, round_, VoteType.PREVOTE, 1),
                vote(height, round_, VoteType.PRECOMMIT, 1),
            ):
                signed = signer.sign(message, CHAIN)
                assert verify(KEY.public_key, message.sign_bytes(CHAIN), signed.signature)


@pytest.mark.parametrize(
    "second",
    [
        vote(5, 2, VoteType.PREVOTE, 2),
        vote(5, 2, VoteType.PREVOTE, None),
        vote(5, 2, VoteType.PREVOTE, 1, valid_round=0),
        proposal(5, 2, 1),
        vote(5, 1, VoteType.PRECOMMIT, 1),
        vote(4, 9, VoteType.PRECOMMIT, 1),
    ],
)
def test_at_or_below_is_refused_and_the_same_again_is_not(second: Proposal | Vote) -> None:
    first = vote(5, 2, VoteType.PREVOTE, 1)
    signer = new_file(MemoryDisk())
    signed = signer.sign(first, CHAIN)
    with pytest.raises(NodeError) as caught:
        signer.sign(second, CHAIN)
    assert caught.value.code == "signer.double"
    assert signer.sign(first, CHAIN) == signed
    assert signer.high_water == (5, 2, 2)


def test_earlier_steps_of_the_round_can_be_asked_for_again() -> None:
    signer = new_file(MemoryDisk())
    signed = [
        signer.sign(message, CHAIN)
        for message in (proposal(1, 0, 1), vote(1, 0, VoteType.PREVOTE, 1), vote(1, 0, VoteType.PRECOMMIT, 1))
    ]
    assert [signer.sign(message, CHAIN) for message in reversed(signed)] == signed[::-1]
    signer.sign(vote(1, 1, VoteType.PRECOMMIT, None), CHAIN)
    with pytest.raises(NodeError, match=r"signer\.double"):
        signer.sign(vote(1, 1, VoteType.PREVOTE, None), CHAIN)


def test_the_state_is_durable_before_the_signature_leaves() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    before = disk.syncs
    signed = signer.sign(vote(1, 0, VoteType.PREVOTE, 1), CHAIN)
    assert disk.syncs == before + 1
    disk.crash()
    again = FileSigner(KEY, PATH, disk)
    assert again.high_water == (1, 0, 2)
    assert again.sign(vote(1, 0, VoteType.PREVOTE, 1), CHAIN) == signed
    assert disk.syncs == before + 1


def test_a_restored_node_signs_only_above_what_it_saw_decided() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    signer.sign(vote(3, 0, VoteType.PREVOTE, 1), CHAIN)
    signer = marked(signer, disk)
    disk.crash()
    signer = FileSigner(KEY, PATH, disk)
    assert signer.restored
    with pytest.raises(NodeError, match=r"signer\.restored"):
        signer.sign(vote(9, 0, VoteType.PREVOTE, 1), CHAIN)
    signer.clear_restored(9)
    disk.crash()
    signer = FileSigner(KEY, PATH, disk)
    assert not signer.restored
    with pytest.raises(NodeError, match=r"signer\.double"):
        signer.sign(vote(9, 2**31 - 1, VoteType.PRECOMMIT, 1), CHAIN)
    signer.sign(vote(10, 0, VoteType.PREVOTE, 1), CHAIN)


def test_clearing_never_lowers_the_high_water_and_needs_a_mark() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    signer.sign(vote(7, 0, VoteType.PREVOTE, 1), CHAIN)
    signer.clear_restored(9)
    assert signer.high_water == (7, 0, 2)
    signer = marked(signer, disk)
    signer.clear_restored(2)
    assert signer.high_water == (7, 0, 2)
    with pytest.raises(NodeError, match=r"signer\.double"):
        signer.sign(vote(7, 0, VoteType.PREVOTE, 2), CHAIN)


@pytest.mark.parametrize(
    ("height", "last", "goes_on", "next_height"),
    [
        (5, (2, 2), True, 5),
        (5, (3, 1), True, 5),
        (5, (2, 1), False, 5),
        (5, (-1, 0), False, 5),
        (6, (-1, 0), True, 5),
        (4, (-1, 0), True, 6),
    ],
)
def test_a_key_knows_when_its_log_has_lost_something(
    height: int, last: tuple[int, int], goes_on: bool, next_height: int
) -> None:
    """It prevoted in round 2 of height 5; the log of the open height asked for what is up to `last`."""
    signer = new_file(MemoryDisk())
    signed = signer.sign(vote(5, 2, VoteType.PREVOTE, 1), CHAIN)
    assert signer.resume(height, last) is goes_on
    assert signer.sign(vote(5, 2, VoteType.PREVOTE, 1), CHAIN) == signed
    later = vote(5, 3, VoteType.PREVOTE, 2)
    if next_height > 5:
        with pytest.raises(NodeError, match=r"signer\.double"):
            signer.sign(later, CHAIN)
        later = vote(next_height, 0, VoteType.PREVOTE, 2)
    signer.sign(later, CHAIN)


def test_a_key_that_signs_no_more_at_a_height_does_not_miss_the_log_of_it() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    assert FileSigner.retire(PATH, disk) is None
    signer.sign(vote(5, 2, VoteType.PREVOTE, 1), CHAIN)
    signer.close()
    assert FileSigner.retire(PATH, disk) == 5
    assert FileSigner.retire(PATH, disk) is None
    disk.crash()
    assert FileSigner(KEY, PATH, disk).resume(5, (-1, 0))
    lost = MemoryDisk()
    FileSigner.create(PATH, lost, KEY.public_key, restored=True)
    assert FileSigner(KEY, PATH, lost).resume(5, (-1, 0))


def test_a_state_serves_one_chain_and_one_key() -> None:
    disk = MemoryDisk()
    signer = new_file(disk)
    signer.sign(vote(1, 0, VoteType.PREVOTE, 1), CHAIN)
    with pytest.raises(NodeError, match=r"signer\.chain"):
        signer.sign(vote(2, 0, VoteType.PREVOTE, 1), "other-0011223344556677")
    signer.close()
    with pytest.raises(NodeError, match=r"signer\.key"):
        FileSigner(SigningKey(b"\x01" * 32), PATH, disk)
    FileSigner(KEY, PATH, disk)


def test_two_processes_cannot_use_one_state(tmp_path: Path) -> None:
    for disk, path in ((MemoryDisk(), PATH), (RealDisk(), tmp_path / "consensus.state")):
        FileSigner.create(path, disk, KEY.public_key)
        first = FileSigner(KEY, path, disk)
        with pytest.raises(NodeError, match=r"disk\.locked"):
            FileSigner(KEY, path, disk)
        first.close()
        FileSigner(KEY, path, disk).close()


def test_a_missing_or_ruined_state_is_refused() -> None:
    disk = MemoryDisk()
    with pytest.raises(NodeError, match=r"signer\.missing"):
        FileSigner(KEY, PATH, disk)
    FileSigner.create(PATH, disk, KEY.public_key)
    with pytest.raises(NodeError, match=r"signer\.exists"):
        FileSigner.create(PATH, disk, KEY.public_key)
    whole = disk.read(PATH)
    for ruined in (b"", whole[:100], whole[:-1], bytes(len(whole))):
        disk.replace(PATH, ruined)
        with pytest.raises(NodeError, match=r"signer\.corrupt"):
            FileSigner(KEY, PATH, disk)
    assert not disk.locked


def test_a_full_disk_signs_nothing_and_forgets_nothing() -> None:
    class FullDisk(MemoryDisk):
        full = False

        def overwrite(self, path: Path, offset: int, data: bytes) -> None:
            if self.full:
                raise NodeError("disk.full", "no room")
            super().overwrite(path, offset, data)

    disk = FullDisk()
    signer = new_file(disk)
    disk.full = True
    with pytest.raises(NodeError, match=r"disk\.full"):
        signer.sign(vote(1, 0, VoteType.PREVOTE, 1), CHAIN)
    disk.full = False
    signer.sign(vote(1, 0, VoteType.PREVOTE, 2), CHAIN)


def test_the_real_disk_keeps_the_state(tmp_path: Path) -> None:
    path, disk = tmp_path / "consensus.state", RealDisk()
    FileSigner.create(path, disk, KEY.public_key)
    signer = FileSigner(KEY, path, disk)
    for height in range(5):
        signer.sign(vote(height, 0, VoteType.PREVOTE, 1), CHAIN)
    signer.close()
    assert FileSigner(KEY, path, disk).high_water == (4, 0, 2)
    assert path.stat().st_mode & 0o777 == 0o600
