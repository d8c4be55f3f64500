"""Power failures at every point of a run that can be told apart from outside, one run for each.

A `Fuse` counts the points that one node passes: before each record is appended, inside each operation of its disk (torn
in several ways), before each write of its store, each frame to each peer and each answer to a client. What comes after
one point is what comes before the next. A run whose fuse blows at point n loses the power of that node there, or of the
whole site, starts again, and must end as if nothing had happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

from consensus.messages import Message, Proposal, Vote
from contracts.bodies import Transfer
from contracts.envelope import Domains
from devnet.simulator.machine import JOURNAL, SIGN_STATE, Machine
from devnet.simulator.network import Network, Watcher, Weather
from node import driver, journal
from node.disk import MemoryDisk, PowerLoss, Tear
from node.effects import Submission
from node.errors import NodeError
from node.journal import Journal
from node.ledger.store import Batch, MemoryStore
from node.peer.wire import CODECS, Frame
from node.signer import FileSigner, Position, position
from tests.support.memory import in_turn
from tests.support.pact import VALIDATORS, Speaker, genesis
from zk.ed25519 import SigningKey

TEARS = (Tear(0), Tear(40), Tear(40, last=True), Tear(4_096), Tear(4_096, last=True), Tear(1_000_000))
"""Nothing survives, a piece of a record, a copy of the signing state, all (what SIGKILL leaves)."""
DISK = "disk"
"""The kind of the points inside an operation of the disk, where it matters how much of it is left."""
DOWN_MS = 200
LIMIT_MS = 30_000
PAUSE_MS = 500

_append = Journal.append


class Fuse:
    """Counts, and cuts the power at the points with the numbers `blows`."""

    def __init__(self, blows: tuple[int, ...] = ()) -> None:
        self.blows = blows
        self.points: list[str] = []
        self.blown = 0

    def pass_(self, kind: str) -> None:
        """The node is at a point of this kind."""
        self.points.append(kind)
        if len(self.points) - 1 in self.blows:
            self.blown += 1
            raise PowerLoss


class Trouble:
    """Operations of a disk and of the store on it that fail, and leave everything as it was."""

    def __init__(self) -> None:
        self.operations = 0
        self.first: int | None = None
        """Number of the first that fails; None: none."""
        self.lasting = False
        """So do all that follow, until somebody frees space."""

    def pass_(self) -> None:
        """One operation begins."""
        self.operations += 1
        late = self.operations - 1 - (self.operations if self.first is None else self.first)
        if late == 0 or (late > 0 and self.lasting):
            raise NodeError("disk.full" if self.lasting else "disk.failed", "The disk has a bad day.", "Wait.")


class FusedDisk(MemoryDisk):
    """Every step of an operation is a point."""

    def __init__(self, fuse: Fuse) -> None:
        self.trouble = Trouble()
        super().__init__()
        self.fuse = fuse

    def use(self, more: int, epoch: int | None = None) -> None:
        super().use(more, epoch)
        self.trouble.pass_()

    def step(self) -> None:
        super().step()
        self.fuse.pass_(DISK)

    def durable(self) -> bytes:
        """What a power failure would leave of the journal now."""
        return b"".join(bytes(c.durable) for path, c in self._files.items() if path.parent == JOURNAL)

    def signed(self, key: SigningKey) -> Position:
        """The highest position that a power failure would leave in the signing state now."""
        copy = MemoryDisk()
        copy.replace(SIGN_STATE, bytes(self._files[SIGN_STATE].durable))
        return FileSigner(key, SIGN_STATE, copy).high_water


class FusedStore(MemoryStore):
    """A synced batch is there or not."""

    def __init__(self, fuse: Fuse, trouble: Trouble) -> None:
        super().__init__()
        self.fuse = fuse
        self.trouble = trouble

    def write(self, batch: Batch, sync: bool) -> None:
        self.trouble.pass_()
        self.fuse.pass_("store")
        super().write(batch, sync)

    def crash(self) -> MemoryStore:
        survivor = FusedStore(self.fuse, self.trouble)
        survivor._entries = super().crash()._entries
        return survivor


class Witness(Watcher):
    """Fails at the first contradiction, the first message that leaves before it is durable, the first fork."""

    def __init__(self) -> None:
        self.fuses: dict[str, Fuse] = {}
        self.said: dict[tuple[str, Position], bytes] = {}
        self.spoken: list[tuple[str, Position]] = []
        """Every time that an own message leaves its node."""
        self.blocks: dict[bytes, Proposal] = {}
        self.chain: dict[int, tuple[bytes, bytes]] = {}
        self.dark: list[Machine] = []
        self.errors: list[NodeError] = []
        self.raws: dict[bytes, bytes] = {}

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        # Every frame to every peer is a point, so that a broadcast can end anywhere.
        self.fuses[machine.name].pass_("publish")
        self.judge(machine, frame, body)

    def judge(self, machine: Machine, frame: Frame, body: bytes) -> None:
        """Read what a node says."""
        if frame is not Frame.CONSENSUS:
            return
        message: Message = CODECS[frame].decode(body)
        if not isinstance(message, Proposal | Vote):
            return
        if isinstance(message, Proposal):
            self.blocks[message.block.header.id()] = message
        signer = message.proposer if isinstance(message, Proposal) else message.voter
        signed = message.sign_bytes(machine.ledger.chain_id)
        at = (signer, position(message))
        if signer == machine.node:
            self.spoken.append(at)
        if at not in self.said:
            self.said[at] = signed
            assert signer == machine.node, "others' words are known before they are repeated"
            self.durable(machine, message, body)
        assert self.said[at] == signed, f"{signer} contradicts itself at {at[1]}"

    def durable(self, machine: Machine, message: Proposal | Vote, body: bytes) -> None:
        """What backs a message is on the disk of its signer when it leaves."""
        disk = machine.disk
        assert isinstance(disk, FusedDisk)
        log = disk.durable()
        assert body in log, "published before it was durable"
        assert disk.signed(machine.key) >= position(message)
        if isinstance(message, Vote) and message.block_id is not None:
            payload = self.blocks[message.block_id].block.payload
            assert all(self.raws[hash_] in log for hash_ in payload), "voted for what is not on this disk"

    def stored(self, machine: Machine, height: int) -> None:
        known = (machine.ledger.block_id(height), machine.ledger.state_root)
        assert self.chain.setdefault(height, known) == known, f"{machine.name} forks at {height}"

    def stopped(self, machine: Machine, error: NodeError) -> None:
        self.errors.append(error)

    def lost_power(self, machine: Machine) -> None:
        self.dark.append(machine)


class CrashNetwork(Network):
    """Four replicas; `victim` has the fuse, and loses power with what `left` leaves."""

    def __init__(
        self,
        victim: str,
        blows: tuple[int, ...] = (),
        left: Tear = TEARS[0],
        *,
        site: bool = False,
        rounds: int = 1,
        validators: tuple[str, ...] = VALIDATORS,
    ) -> None:
        self.witness = Witness()
        super().__init__(
            genesis(validators=validators), weather=Weather(1, 5), led=in_turn(validators), watcher=self.witness
        )
        self.victim = self.machines[victim]
        self.fuse = Fuse(blows)
        self.left = left
        self.site = site
        self.rounds = rounds
        self.speaker = Speaker(self.genesis.chain_id())
        self.domains = Domains(self.speaker.chain_id)
        self.unanswered: dict[bytes, bytes] = {}
        self.absent = ""
        self.points: tuple[str, ...] = ()
        for machine in self.machines.values():
            fuse = self.fuse if machine is self.victim else Fuse()
            disk = machine.disk = FusedDisk(Fuse())
            FileSigner.create(SIGN_STATE, disk, machine.key.public_key)
            disk.fuse = fuse
            machine.store = FusedStore(fuse, disk.trouble)
            self.witness.fuses[machine.name] = fuse
            machine.reply = partial(_reply, machine, fuse)  # type: ignore[method-assign]

    def tear(self, machine: Machine) -> Tear:
        return self.left

    def send(self, node: str) -> None:
        """One transfer to a node; an answer may never come."""
        raw = self.speaker.member("campus", Transfer("wind", 1, ""))
        hash_ = self.domains.transaction_id(raw)
        self.witness.raws[hash_] = self.unanswered[hash_] = raw
        self.offer(node, hash_, raw)

    def offer(self, node: str, hash_: bytes, raw: bytes) -> None:
        """Hand it over; once the node says ok, it is the node's."""
        machine = self.machines[node]
        if machine.driver is not None:
            results = machine.replies.pop(machine.submit(raw), None)
            final = machine.driver is not None and machine.ledger.find_transaction(hash_) is not None
            if final or (results is not None and results[0].code == "ok"):
                self.unanswered.pop(hash_, None)

    def go(self, duration_ms: int) -> None:
        """Let time pass; whoever lost its power gets it back `DOWN_MS` later, with the others of its site."""
        end = self.now_ms + duration_ms
        while self.now_ms < end:
            self.run_for(1)
            self.recover()

    def recover(self) -> None:
        """Restart what is dark, and repeat what was not answered."""
        while self.witness.dark:
            self.witness.dark.clear()
            if self.site:
                for machine in self.alive():
                    machine.crash()
            self.run_for(DOWN_MS)
            for machine in self.machines.values():
                if machine.driver is None and machine.name != self.absent:
                    machine.start()
        for hash_, raw in list(self.unanswered.items()):
            self.offer("solar" if self.victim.name != "solar" else "campus", hash_, raw)

    def settled(self) -> bool:
        """Everybody has everything."""
        self.recover()
        present = [machine for machine in self.machines.values() if machine.name != self.absent]
        return not self.unanswered and all(
            machine.driver is not None
            and machine.ledger.height == present[0].ledger.height
            and all(machine.ledger.find_transaction(hash_) is not None for hash_ in self.witness.raws)
            for machine in present
        )

    def run(self) -> None:
        """The scenario: transfers to the victim and to another, some heights, and one node fewer in the end."""
        other = next(name for name in VALIDATORS if name != self.victim.name)
        with mock.patch.object(Journal, "append", _fused_append):
            for machine in self.machines.values():
                machine.start()
            for _ in range(self.rounds):
                self.go(60)
                self.send(self.victim.name)
                self.go(40)
                self.send(other)
                self.go(PAUSE_MS)
            assert self.reached(self.settled, LIMIT_MS), self.describe()
            self.points = tuple(self.fuse.points)
            self.fuse.blows = ()
            # Whoever recovered counts again: with one node less, its votes are needed.
            self.absent = other
            self.machines[other].crash()
            self.send(self.victim.name)
            assert self.reached(self.settled, LIMIT_MS), self.describe()
        assert not self.witness.errors, self.witness.errors


def _reply(machine: Machine, fuse: Fuse, request: int, results: list[Submission]) -> None:
    fuse.pass_("reply")
    machine.replies[request] = results


def _fused_append(log: Journal, kind: int, height: int, body: bytes) -> None:
    disk = log._disk
    assert isinstance(disk, FusedDisk)
    disk.fuse.pass_("append")
    _append(log, kind, height, body)


@contextmanager
def small_segments(size: int | None) -> Iterator[None]:
    """Journals that begin a segment at every `size` bytes and are cut at every height."""
    if size is None:
        yield
        return
    with mock.patch.object(journal, "SEGMENT_BYTES", size), mock.patch.object(driver, "CHECKPOINT_BYTES", 0):
        yield
