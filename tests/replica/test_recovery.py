"""Whole replicas that start from damaged, older or no disks keep their word, and the chain goes on without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple
from unittest import mock

import pytest

from consensus.messages import Commit, Message, Proposal, RoundCertificate, Vote, VoteType
from devnet.simulator.machine import JOURNAL, SIGN_STATE, Machine
from node.disk import PowerLoss
from node.journal import segment_name
from node.ledger.store import MemoryStore
from node.peer.wire import CODECS, Frame
from node.repair import repair
from node.signer import LAST_ROUND, FileSigner, Position, position
from node.status import stuck_sentence
from tests.replica.crash_points import LIMIT_MS, CrashNetwork, FusedDisk, FusedStore, small_segments

SOLAR = "solar"


def running(victim: str = SOLAR, heights: int = 1, **more: tuple[str, ...]) -> CrashNetwork:
    """A network with some heights behind it, and quiet."""
    net = CrashNetwork(victim, **more)
    for machine in net.machines.values():
        machine.start()
    grow(net, heights)
    return net


def grow(net: CrashNetwork, transfers: int) -> None:
    """So many transfers, one after the other, final with everybody who runs."""
    for _ in range(transfers):
        net.send(next(m.name for m in net.alive() if m.name != net.victim.name))
        assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
        # The block that makes the result provable is due after a pause.
        net.run_for(2_000)


def settled(net: CrashNetwork) -> bool:
    """Everybody who runs has everything, and there is nothing left to decide."""
    alive = [machine for machine in net.alive() if machine.running]
    return len({m.ledger.height for m in alive}) == 1 and all(
        m.driver is not None
        and not m.driver.replica.awake
        and all(m.ledger.find_transaction(hash_) is not None for hash_ in net.witness.raws)
        for m in alive
    )


def consensus(frame: Frame, body: bytes) -> Message | None:
    return CODECS[frame].decode(body) if frame is Frame.CONSENSUS else None


def is_vote(message: Message | None, kind: VoteType) -> bool:
    return isinstance(message, Vote) and message.kind is kind


def carries_precommits(message: Message | None) -> bool:
    return is_vote(message, VoteType.PRECOMMIT) or isinstance(message, Commit | RoundCertificate)


def words(net: CrashNetwork, name: str) -> list[Position]:
    """What this node has said so far, repetitions included."""
    return [at for signer, at in net.witness.spoken if signer == name]


def all_crash(net: CrashNetwork, dark_ms: int) -> None:
    for machine in net.alive():
        machine.crash()
    net.run_for(dark_ms)
    for machine in net.machines.values():
        machine.start()


# All at once


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_site_that_goes_dark_between_signing_and_logging_goes_on(step: int) -> None:
    """Everybody's key knows a message that nobody's log has; a proposal is out of date when the power is back."""
    net = running()
    sign = FileSigner.sign
    hit: set[bytes] = set()

    def dark(signer: FileSigner, message: Proposal | Vote, chain_id: str) -> Proposal | Vote:
        signed = sign(signer, message, chain_id)
        if position(message).step == step and signer._key.public_key not in hit:
            hit.add(signer._key.public_key)
            raise PowerLoss
        return signed

    with mock.patch.object(FileSigner, "sign", dark):
        net.send("wind")
        wanted = 1 if step == 1 else 4
        assert net.reached(lambda: len(hit) == wanted, LIMIT_MS), net.describe()
    all_crash(net, 5_000)
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
    assert not net.witness.errors


@pytest.mark.parametrize("segment_bytes", [None, 300])
def test_what_everybody_precommitted_is_decided_from_disks_alone(segment_bytes: int | None) -> None:
    with small_segments(segment_bytes):
        net = running()
        height = net.victim.ledger.height + 1
        voted: dict[str, bytes | None] = {}

        def passes(sender: Machine, _target: Machine, frame: Frame, body: bytes) -> bool:
            message = consensus(frame, body)
            if isinstance(message, Vote) and message.kind is VoteType.PRECOMMIT:
                voted[sender.name] = message.block_id
            return not carries_precommits(message)

        net.passes = passes
        net.send("wind")
        assert net.reached(lambda: len(voted) == 4, LIMIT_MS), net.describe()
        assert all(machine.ledger.height < height for machine in net.machines.values())
        all_crash(net, 5_000)
        net.passes = None
        assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
        (block_id,) = set(voted.values())
        assert {machine.ledger.block_id(height) for machine in net.machines.values()} == {block_id}


@pytest.mark.parametrize("dark_ms", [0, 20, 400, 8_000])
def test_a_proposer_that_restarts_between_its_proposal_and_its_prevote_holds_up_nobody(dark_ms: int) -> None:
    net = running()
    height = net.victim.ledger.height + 1
    proposer = net.victim.driver.replica._context.proposers.proposer(0).id
    machine = net.machines[proposer]
    heard: list[str] = []

    def passes(sender: Machine, target: Machine, frame: Frame, body: bytes) -> bool:
        message = consensus(frame, body)
        if sender is machine and isinstance(message, Proposal) and message.height == height:
            heard.append(target.name)
        return not (sender is machine and is_vote(message, VoteType.PREVOTE))

    net.passes = passes
    net.send("wind")
    assert net.reached(lambda: len(heard) == 3, LIMIT_MS), net.describe()
    machine.crash()
    net.passes = None
    net.run_for(dark_ms)
    machine.start()
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()


# Backups


class Backup(NamedTuple):
    """A copy of a node's data, without its signing state."""

    store: dict[bytes, bytes]
    journal: dict[str, bytes]

    @classmethod
    def of(cls, machine: Machine) -> Backup:
        names = machine.disk.list(JOURNAL)
        return cls(dict(machine.store._entries), {name: machine.disk.read(JOURNAL / name) for name in names})

    def restore(self, machine: Machine) -> None:
        """What `gridpact restore` does to a stopped node that has lost all but its key: the worst case."""
        for name in machine.disk.list(JOURNAL):
            machine.disk.remove(JOURNAL / name)
        for name, raw in self.journal.items():
            machine.disk.replace(JOURNAL / name, raw)
        assert isinstance(machine.disk, FusedDisk)
        machine.store = FusedStore(machine.disk.fuse, machine.disk.trouble)
        machine.store._entries = dict(self.store)
        machine.disk.remove(SIGN_STATE)
        FileSigner.create(SIGN_STATE, machine.disk, machine.key.public_key, restored=True)


def signs_again(net: CrashNetwork, name: str, before: list[Position]) -> int:
    """Grow until this node says more than `before`; the lowest height at which it does."""
    for _ in range(6):
        if len(words(net, name)) > len(before):
            return min(at.height for at in words(net, name)[len(before) :])
        grow(net, 1)
    raise AssertionError(f"{name} never speaks again: {net.describe()}")


@pytest.mark.parametrize("older", [0, 3, 12])
@pytest.mark.parametrize("meanwhile", [0, 2])
def test_a_restored_node_is_silent_until_it_sees_a_height_decided(older: int, meanwhile: int) -> None:
    """Also when nothing happens for long, and when its store is many heights old."""
    net = running()
    machine = net.victim
    machine.crash()
    backup = Backup.of(machine)
    machine.start()
    grow(net, older)
    machine.crash()
    backup.restore(machine)
    grow(net, meanwhile)
    before, top = words(net, SOLAR), max(m.ledger.height for m in net.alive())
    machine.start()
    net.run_for(20_000)
    assert machine.ledger.height == top
    assert words(net, SOLAR) == before
    assert signs_again(net, SOLAR, before) > top + 1
    assert signer_of(machine).restored is False
    net.machines["wind"].crash()
    grow(net, 1)


def signer_of(machine: Machine) -> FileSigner:
    assert machine.driver is not None
    signer = machine.driver._signer
    assert isinstance(signer, FileSigner)
    return signer


def test_of_seven_two_are_restored_at_once_and_both_come_back() -> None:
    seven = ("biodiesel", "campus", "geothermal", "hydro", "solar", "tidal", "wind")
    net = running(validators=seven)
    both = [net.machines["solar"], net.machines["tidal"]]
    for machine in both:
        machine.crash()
    backups = [Backup.of(machine) for machine in both]
    grow(net, 2)
    for machine, backup in zip(both, backups, strict=True):
        backup.restore(machine)
        machine.start()
    spoken = {machine.name: words(net, machine.name) for machine in both}
    net.run_for(3_000)
    for machine in both:
        assert signs_again(net, machine.name, spoken[machine.name]) > machine.ledger.height - 3
    for name in ("wind", "hydro"):
        net.machines[name].crash()
    grow(net, 2)


def test_of_four_two_that_are_restored_at_once_stay_faithful() -> None:
    """Nobody knows any more what half of the power has promised: the chain stands, and forks never."""
    net = running()
    both = [net.machines["solar"], net.machines["wind"]]
    for machine in both:
        machine.crash()
        Backup.of(machine).restore(machine)
    before = [words(net, machine.name) for machine in both]
    for machine in both:
        machine.start()
    net.send("campus")
    net.run_for(30_000)
    assert [words(net, machine.name) for machine in both] == before
    assert len({machine.ledger.height for machine in net.machines.values()}) == 1
    assert all(signer_of(machine).restored for machine in both)
    machine = net.victim
    assert machine.driver is not None
    why = stuck_sentence(machine.driver.replica.machine, {}, [], 30_000, restored=signer_of(machine).restored)
    assert "this node was restored" in why and "waiting for solar, wind" in why


def test_a_restored_node_may_have_been_the_only_one_to_know_of_a_decision() -> None:
    """It decided a height alone and signed in the next one; then it came back with the data from before."""
    net = running()
    machine, height = net.victim, net.victim.ledger.height + 1
    machine.crash()
    backup = Backup.of(machine)
    machine.start()
    net.run_for(10)

    def passes(sender: Machine, target: Machine, frame: Frame, body: bytes) -> bool:
        message = consensus(frame, body)
        late = isinstance(message, Proposal | Vote) and message.height > height
        return target is machine or not (carries_precommits(message) or frame is Frame.STATUS or late)

    net.passes = passes
    # One transfer for this height, and one that makes the node speak in the next.
    net.send("solar")
    assert net.reached(lambda: machine.ledger.height == height, LIMIT_MS), net.describe()
    net.send("solar")
    net.run_for(3_000)
    alone = words(net, SOLAR)
    assert alone[-1].height == height + 1
    machine.crash()
    backup.restore(machine)
    net.passes = lambda _sender, target, frame, body: (
        target is machine or not carries_precommits(consensus(frame, body))
    )
    machine.start()
    net.run_for(5_000)
    net.passes = None
    assert signs_again(net, SOLAR, alone) > height + 1


def test_a_restored_node_does_not_take_the_word_of_one_that_lags() -> None:
    net = running()
    lagging = net.machines["wind"]
    net.victim.crash()
    backup = Backup.of(net.victim)
    net.victim.start()
    lagging.crash()
    grow(net, 2)
    net.victim.crash()
    backup.restore(net.victim)
    before, top = words(net, SOLAR), net.machines["campus"].ledger.height
    away = [(name, SOLAR) for name in ("biodiesel", "campus")]
    away += [(one, other) for other, one in away]
    net.cut([*away, *((name, "wind") for name in ("biodiesel", "campus"))])
    lagging.start()
    net.victim.start()
    net.run_for(2_000)
    net.send("campus")
    net.mend([*away, *((name, "wind") for name in ("biodiesel", "campus"))])
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
    assert signs_again(net, SOLAR, before) > top + 1


# Logs that end early, stores that fall back


def nothing_new_at(net: CrashNetwork, height: int) -> Callable[[], bool]:
    """Whether the victim only repeats at this height from now on what it has said, byte for byte."""
    before = {at for at in words(net, SOLAR) if at.height == height}
    return lambda: before == {at for at in words(net, SOLAR) if at.height == height}


def voting(net: CrashNetwork) -> int:
    """The victim has voted at this height, which stays open: nobody hears precommits."""
    height = net.victim.ledger.height + 1
    net.passes = lambda _sender, _target, frame, body: not carries_precommits(consensus(frame, body))
    net.send("wind")
    last = Position(height, 0, 3)
    assert net.reached(lambda: all((name, last) in net.witness.said for name in net.machines), LIMIT_MS)
    return height


def boundaries(raw: bytes) -> Iterator[int]:
    """Ends of records."""
    at = 0
    while at < len(raw):
        at += 17 + int.from_bytes(raw[at : at + 4], "big")
        yield at


def test_a_log_that_ends_before_a_vote_of_its_key_stops_the_node_until_it_is_repaired() -> None:
    """At every record: what looks like a crash, and lost what was promised, is seen from the key."""
    net = running()
    height = voting(net)
    machine = net.victim
    machine.crash()
    backup = Backup.of(machine)
    (name, raw), *rest = reversed(backup.journal.items())
    assert not rest
    stopped = 0
    states = machine.disk.read(SIGN_STATE)
    for end in boundaries(raw):
        machine.disk.replace(JOURNAL / name, raw[:end])
        machine.disk.replace(SIGN_STATE, states)
        machine.start()
        if machine.error is None:
            assert end > raw.index(b"gridpact durable", len(raw) // 2)
        else:
            stopped += 1
            assert machine.error.code == "journal.corrupt"
            assert machine.error.message.startswith(f"{JOURNAL / segment_name(1)} is damaged at byte ")
            assert "gridpact repair" in machine.error.hint
        machine.crash()
    assert stopped > 10
    machine.disk.truncate(JOURNAL / name, next(boundaries(raw)))
    assert FileSigner.retire(SIGN_STATE, machine.disk) == height
    repair(JOURNAL, machine.disk)
    net.witness.errors.clear()
    faithful = nothing_new_at(net, height)
    machine.start()
    net.run_for(5_000)
    net.passes = None
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
    assert faithful()
    net.machines["wind"].crash()
    grow(net, 1)
    assert not net.witness.errors


def test_a_store_that_was_moved_away_does_not_make_the_node_forget_its_lock() -> None:
    """The node gets the blocks from its peers, then opens a height in which it had voted, without the log of it."""
    net = running()
    height = voting(net)
    machine = net.victim
    machine.crash()
    assert isinstance(machine.disk, FusedDisk)
    machine.store = FusedStore(machine.disk.fuse, machine.disk.trouble)
    faithful = nothing_new_at(net, height)
    machine.start()
    assert signer_of(machine).high_water == (height, LAST_ROUND, 3)
    net.run_for(20_000)
    assert machine.ledger.height == height - 1 and faithful()
    net.passes = None
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
    assert faithful()
    net.machines["wind"].crash()
    grow(net, 1)


def test_a_node_that_loses_everything_but_its_key_and_state_comes_back() -> None:
    net = running(heights=3)
    machine = net.victim
    machine.crash()
    for name in machine.disk.list(JOURNAL):
        machine.disk.remove(JOURNAL / name)
    machine.store = MemoryStore()
    machine.start()
    assert net.reached(lambda: settled(net), LIMIT_MS), net.describe()
    grow(net, 1)
    net.machines["wind"].crash()
    grow(net, 1)
