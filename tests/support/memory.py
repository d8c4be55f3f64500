"""Several real replicas in one process, on virtual time, network and disk: a run is a function of its arguments."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consensus.status import explain
from contracts.genesis import Genesis
from node.disk import MemoryDisk
from node.driver import Driver
from node.effects import FrameReceived, PeerConnected, Submission, Submitted, Timer, TimerFired
from node.errors import NodeError
from node.journal import Journal
from node.ledger.ledger import Ledger
from node.ledger.store import MemoryStore
from node.peer.wire import Frame
from node.replica import Replica
from node.signer import MemorySigner
from tests.support.pact import START_MS, key_of
from zk.hashing import sha256

JOURNAL = Path("/home/data/journal")


class VirtualClock:
    """Milliseconds that only the network moves."""

    def __init__(self) -> None:
        self.now_ms = 0

    def ledger_ms(self) -> int:
        return START_MS + self.now_ms

    def monotonic_ms(self) -> int:
        return self.now_ms


@dataclass
class Machine:
    """One node with what survives its crashes: disk, store and signing state."""

    name: str
    network: MemoryNetwork
    disk: MemoryDisk
    store: MemoryStore
    signer: MemorySigner
    driver: Driver | None = None
    replies: dict[int, list[Submission]] = field(default_factory=dict)
    error: NodeError | None = None
    life: int = 0

    @property
    def ledger(self) -> Ledger:
        assert self.driver is not None
        return self.driver.replica.ledger

    def start(self) -> None:
        """Boot from what is on disk."""
        self.life += 1
        ledger = Ledger.open(self.store, self.network.genesis)
        journal = Journal.open(JOURNAL, self.disk, ledger.chain_id)
        replica = Replica(ledger, self.name)
        self.driver = Driver(replica, journal, self.signer, _Links(self), self.network.clock, self)
        self.driver.start()
        for other in self.network.machines.values():
            if other is not self and other.driver is not None and self.network.linked(self.name, other.name):
                self.driver.feed(PeerConnected(other.name))
                other.driver.feed(PeerConnected(self.name))

    def crash(self) -> None:
        """Lose everything that was not synced."""
        self.driver = None
        self.disk.crash()
        self.store = self.store.crash()
        self.signer = MemorySigner(key_of(f"{self.name} node"), self.signer.state)

    def submit(self, *envelopes: bytes) -> int:
        """Hand envelopes to this node as a client would; the request number."""
        request = self.network.next_request()
        assert self.driver is not None
        self.driver.feed(Submitted(request, list(envelopes)))
        self.work()
        return request

    def work(self) -> None:
        """Check waiting signatures."""
        while self.driver is not None and self.driver.has_work:
            self.driver.work(64)

    # Host

    def set_timer(self, timer: Timer, delay_ms: int) -> None:
        self.network.after(delay_ms, self.name, timer)

    def set_ledger_timer(self, timer: Timer, at_ms: int) -> None:
        self.network.after(max(0, at_ms - self.network.clock.ledger_ms()), self.name, timer)

    def reply(self, request: int, results: list[Submission]) -> None:
        self.replies[request] = results

    def stored(self, height: int) -> None:
        self.network.on_height(self, height)

    def penalise(self, peer: str, code: str) -> None:
        self.network.penalties.append((self.name, peer, code))

    def fatal(self, error: NodeError) -> None:
        self.error = error


class _Links:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def send(self, node: str, frame: Frame, body: bytes) -> None:
        self._machine.network.transmit(self._machine.name, node, frame, body)

    def broadcast(self, frame: Frame, body: bytes) -> None:
        for other in self._machine.network.machines:
            if other != self._machine.name:
                self.send(other, frame, body)


class MemoryNetwork:
    """Machines, links with delays drawn from the seed, and one queue of events in virtual time."""

    def __init__(self, genesis: Genesis, *, seed: int = 0, delay_ms: tuple[int, int] = (1, 5)) -> None:
        self.genesis = genesis
        self.clock = VirtualClock()
        self.random = random.Random(seed)
        self.delay_ms = delay_ms
        self.trace: list[tuple[Any, ...]] = []
        self.penalties: list[tuple[str, str, str]] = []
        self.blocked: set[frozenset[str]] = set()
        self.drop: Callable[[str, str, Frame, bytes], bool] = lambda *_: False
        self.tamper: Callable[[str, str, Frame, bytes], bytes] = lambda _sender, _target, _frame, body: body
        self.on_height: Callable[[Machine, int], None] = lambda *_: None
        self._queue: list[tuple[int, int, str, int, Any]] = []
        self._timers: dict[tuple[str, Timer], int] = {}
        self._count = 0
        self._requests = 0
        self.machines: dict[str, Machine] = {
            name: Machine(name, self, MemoryDisk(), MemoryStore(), MemorySigner(key_of(f"{name} node")))
            for name in genesis.validators
        }

    def next_request(self) -> int:
        self._requests += 1
        return self._requests

    def linked(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.blocked

    def partition(self, *groups: set[str]) -> None:
        """Only nodes of one group reach each other."""
        names = sorted(self.machines)
        self.blocked = {
            frozenset((a, b)) for a in names for b in names if a < b and not any({a, b} <= g for g in groups)
        }

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.blocked = set()

    def transmit(self, sender: str, target: str, frame: Frame, body: bytes) -> None:
        """Deliver after a drawn delay, unless the link is cut or a fault drops it."""
        if self.linked(sender, target) and not self.drop(sender, target, frame, body):
            body = self.tamper(sender, target, frame, body)
            self._push(self.random.randint(*self.delay_ms), target, FrameReceived(sender, frame, body))

    def after(self, delay_ms: int, name: str, timer: Timer) -> None:
        """A timer of one life of a machine; setting it again replaces it."""
        self._timers[(name, timer)] = self._push(delay_ms, name, TimerFired(timer))

    def _push(self, delay_ms: int, name: str, event: Any) -> int:
        self._count += 1
        entry = (self.clock.now_ms + delay_ms, self._count, name, self.machines[name].life, event)
        heapq.heappush(self._queue, entry)
        return self._count

    def start(self) -> None:
        """Boot everybody."""
        for machine in self.machines.values():
            machine.start()

    def step(self) -> None:
        """Run the next event."""
        at_ms, number, name, life, event = heapq.heappop(self._queue)
        self.clock.now_ms = max(self.clock.now_ms, at_ms)
        machine = self.machines[name]
        if machine.driver is None or machine.life != life:
            return
        if isinstance(event, TimerFired):
            if self._timers.get((name, event.timer)) != number:
                return
            self.trace.append((at_ms, name, event.timer))
        else:
            self.trace.append((at_ms, name, event.peer, int(event.frame), sha256(event.body)))
        machine.driver.feed(event)
        machine.work()

    def run_until(self, condition: Callable[[], bool], limit_ms: int = 60_000) -> None:
        """Run until `condition` holds; AssertionError when virtual time runs out first."""
        end = self.clock.now_ms + limit_ms
        while not condition():
            assert self._queue and self._queue[0][0] <= end, self.describe()
            self.step()

    def run_for(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        end = self.clock.now_ms + duration_ms
        while self._queue and self._queue[0][0] <= end:
            self.step()
        self.clock.now_ms = end

    def alive(self) -> list[Machine]:
        """Machines that run."""
        return [machine for machine in self.machines.values() if machine.driver is not None]

    def describe(self) -> str:
        """Where everybody stands, for a failing test."""
        lines = [
            f"{m.name}: height {m.ledger.height} {explain(m.driver.replica.machine)} {m.error}"
            for m in self.alive()
            if m.driver is not None
        ]
        return f"virtual time ran out at {self.clock.now_ms} ms\n" + "\n".join(lines)
