"""One simulated node: a real driver and replica over a disk, a store and a clock that can fail.

What survives a crash is what the real node would find: the synced bytes of its disk, and the store's last batch.
Never looks into another machine: everything between two of them goes through `devnet.simulator.network`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from consensus.status import explain
from contracts.rulesets import RULE_SETS, RuleSets
from devnet.simulator.pact import START_MS, beacon_key_of, key_of
from devnet.simulator.turns import Scheduled
from node.disk import MemoryDisk, PowerLoss, Tear
from node.driver import Driver
from node.effects import FrameReceived, Input, PeerConnected, PeerGone, Submission, Submitted, Timer
from node.errors import NodeError
from node.interfaces import Signer
from node.journal import Journal
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.peer.wire import Frame
from node.replica import Replica
from node.signer import FileSigner

if TYPE_CHECKING:
    from devnet.simulator.network import Network

JOURNAL = Path("/home/data/journal")
SIGN_STATE = Path("/home/data/sign-state")
SIGNATURES_AT_ONCE = 64


class Mouth(Protocol):
    """What stands between a replica and everybody else: honest machines have none."""

    def say(self, target: str, frame: Frame, body: bytes) -> None:
        """The replica wants `target` to get this frame."""
        ...

    def hear(self, peer: str, frame: Frame, body: bytes) -> None:
        """The replica is about to get this frame."""
        ...

    def take(self, envelopes: list[bytes]) -> list[Submission] | None:
        """The answer to a client, or None: the replica is to answer."""
        ...


class Machine:
    """Node `node` under `name`: two machines with one `node` are twins, with the same key."""

    def __init__(self, name: str, node: str, network: Network) -> None:
        self.name = name
        self.node = node
        self.network = network
        self.key = key_of(f"{node} node")
        self.disk = MemoryDisk()
        self.store = MemoryStore()
        self.driver: Driver | None = None
        self.mouth: Mouth | None = None
        self.rule_sets: RuleSets = RULE_SETS
        """What its program knows."""
        self.signer: Signer | None = None
        """Instead of one that keeps its state on the disk and refuses to contradict itself."""
        self.replies: dict[int, list[Submission]] = {}
        self.error: NodeError | None = None
        self.life = 0
        self.paused_until_ms = 0
        self.skew_ms = 0
        """Ledger clock minus true time."""
        FileSigner.create(SIGN_STATE, self.disk, self.key.public_key)

    @property
    def ledger(self) -> Ledger:
        """The ledger of a running machine."""
        assert self.driver is not None
        return self.driver.replica.ledger

    @property
    def running(self) -> bool:
        """It has power and has not stopped by itself."""
        return self.driver is not None and self.error is None

    # Life and death

    def start(self) -> None:
        """Boot from what is on disk."""
        assert self.driver is None, "it runs already"
        self.life += 1
        self.error = None
        network = self.network
        try:
            ledger = Ledger.open(self.store, network.genesis, rule_sets=self.rule_sets)
            journal = Journal.open(JOURNAL, self.disk, ledger.chain_id)
            signer = self.signer or FileSigner(self.key, SIGN_STATE, self.disk)
            replica = Replica(
                ledger,
                self.node,
                sets=network.sets,
                contribute=beacon_key_of(self.node).sign,
                leaders=Leaders if network.led is None else partial(Scheduled, led=network.led),
            )
            self.driver = Driver(replica, journal, signer, _Links(self), self, self, verify=network.verify)
            self.driver.start()
        except PowerLoss:
            self._lose_power()
            return
        for other in network.others(self):
            if other.driver is not None and network.linked(self.name, other.name):
                self.feed(PeerConnected(other.node))
                other.feed(PeerConnected(self.node))

    def crash(self, tear: Tear | int = 0) -> None:
        """Lose everything that was not synced, but for what the tear keeps."""
        self.driver = None
        self.life += 1
        self.disk.crash(tear)
        self.store = self.store.crash()
        for other in self.network.others(self):
            if other.driver is not None and self.network.linked(self.name, other.name):
                other.feed(PeerGone(self.node))

    def feed(self, event: Input) -> None:
        """Handle one input and the work that follows from it, unless the power fails meanwhile."""
        if self.driver is None:
            return
        try:
            if self.mouth is not None and isinstance(event, FrameReceived):
                self.mouth.hear(*event)
            self.driver.feed(event)
            while self.driver.has_work:
                self.driver.work(SIGNATURES_AT_ONCE)
        except PowerLoss:
            self._lose_power()

    def _lose_power(self) -> None:
        self.crash(self.network.tear(self))
        self.network.watcher.lost_power(self)

    def submit(self, *envelopes: bytes) -> int:
        """Hand envelopes to this node as a client would; the request number, for `replies`."""
        request = self.network.next_request()
        answer = None if self.mouth is None else self.mouth.take(list(envelopes))
        if answer is not None:
            self.replies[request] = answer
            return request
        self.feed(Submitted(request, list(envelopes)))
        return request

    def describe(self) -> str:
        """Where it stands, for people."""
        if self.driver is None:
            return f"{self.name}: down"
        return f"{self.name}: height {self.ledger.height} {explain(self.driver.replica.machine)} {self.error or ''}"

    # Clock

    def ledger_ms(self) -> int:
        """UTC milliseconds as this node believes."""
        return START_MS + self.network.now_ms + self.skew_ms

    def monotonic_ms(self) -> int:
        """Virtual milliseconds since the start of the run."""
        return self.network.now_ms

    # Host

    def set_timer(self, timer: Timer, delay_ms: int) -> None:
        self.network.set_timer(self, timer, delay_ms)

    def set_ledger_timer(self, timer: Timer, at_ms: int) -> None:
        self.network.set_timer(self, timer, max(0, at_ms - self.ledger_ms()))

    def reply(self, request: int, results: list[Submission]) -> None:
        self.replies[request] = results

    def stored(self, height: int) -> None:
        self.network.watcher.stored(self, height)

    def penalise(self, peer: str, code: str) -> None:
        self.network.watcher.penalised(self, peer, code)

    def fatal(self, error: NodeError) -> None:
        self.error = error
        self.network.watcher.stopped(self, error)


class _Links:
    """The driver's network."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def send(self, node: str, frame: Frame, body: bytes) -> None:
        machine = self._machine
        machine.network.watcher.sending(machine, node, frame, body)
        if machine.mouth is None:
            machine.network.post(machine, node, frame, body)
        else:
            machine.mouth.say(node, frame, body)

    def broadcast(self, frame: Frame, body: bytes) -> None:
        for node in self._machine.network.nodes:
            if node != self._machine.node:
                self.send(node, frame, body)
