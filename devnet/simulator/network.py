"""Machines, the links between them, and one queue of events in virtual time.

All chance comes from streams that are named by seed and link, so that a run repeats exactly, and leaving one fault out
disturbs the others as little as possible. Decides nothing about right and wrong: `Watcher` sees all that happens.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, NamedTuple

from contracts.genesis import Genesis
from devnet.simulator.machine import Machine
from devnet.simulator.pact import START_MS
from devnet.simulator.turns import Led
from node.disk import Tear
from node.effects import FrameReceived, Input, PeerConnected, PeerGone, Timer, TimerFired
from node.errors import NodeError
from node.peer.wire import Frame
from node.seats import Sets
from zk import ed25519

PPM = 1_000_000
MAX_CHECKED = 200_000
"""Remembered results of signature checks, of one run."""

Link = tuple[str, str]
"""Names of sender and receiver: links fail in one direction at a time."""


class Weather(NamedTuple):
    """What links do: milliseconds of delay, least and most, and how many frames of a million are lost or doubled.

    Delays are drawn for each frame, so frames overtake each other.
    """

    least_ms: int = 1
    most_ms: int = 5
    loss_ppm: int = 0
    double_ppm: int = 0


class Watcher:
    """Sees everything at the moment it happens. Methods that are not overridden ignore it."""

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        """The machine's driver hands a frame to its network."""

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        """A frame reaches a machine."""

    def fired(self, machine: Machine, timer: Timer) -> None:
        """A timer of a machine runs out."""

    def stored(self, machine: Machine, height: int) -> None:
        """A machine's ledger has a new height."""

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        """A machine blames a peer."""

    def stopped(self, machine: Machine, error: NodeError) -> None:
        """A machine stopped by itself."""

    def lost_power(self, machine: Machine) -> None:
        """The power of a machine failed inside an operation of its disk."""

    def lost(self, sender: str, target: str, frame: Frame, body: bytes) -> None:
        """A frame never arrives."""

    def noted(self, at_ms: int, text: str) -> None:
        """Something happens to the network that concerns no single frame."""


class Watchers(Watcher):
    """Several as one; each sees everything, in the order given."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        for watcher in self._watchers:
            watcher.sending(machine, target, frame, body)

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        for watcher in self._watchers:
            watcher.delivered(machine, peer, frame, body)

    def fired(self, machine: Machine, timer: Timer) -> None:
        for watcher in self._watchers:
            watcher.fired(machine, timer)

    def stored(self, machine: Machine, height: int) -> None:
        for watcher in self._watchers:
            watcher.stored(machine, height)

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        for watcher in self._watchers:
            watcher.penalised(machine, peer, code)

    def stopped(self, machine: Machine, error: NodeError) -> None:
        for watcher in self._watchers:
            watcher.stopped(machine, error)

    def lost_power(self, machine: Machine) -> None:
        for watcher in self._watchers:
            watcher.lost_power(machine)

    def lost(self, sender: str, target: str, frame: Frame, body: bytes) -> None:
        for watcher in self._watchers:
            watcher.lost(sender, target, frame, body)

    def noted(self, at_ms: int, text: str) -> None:
        for watcher in self._watchers:
            watcher.noted(at_ms, text)


class Network:
    """The machines of one run. `sets` and `led` say who has seats and who leads, as a schedule by hand does; None: as
    state says. `twins` adds a second machine of a node, named `<node>~2`."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        seed: int = 0,
        weather: Weather | None = None,
        sets: Sets | None = None,
        led: Led | None = None,
        twins: tuple[str, ...] = (),
        watcher: Watcher | None = None,
    ) -> None:
        self.genesis = genesis
        self.seed = seed
        self.sets = sets
        self.led = led
        self.now_ms = 0
        self.weather = weather or Weather()
        self.watcher = watcher or Watcher()
        self.blocked: Counter[Link] = Counter()
        """How many faults cut each link."""
        self.passes: Callable[[Machine, Machine, Frame, bytes], bool] | None = None
        """Decides about each frame, besides `blocked` and the weather."""
        self.counts: Counter[str] = Counter()
        """What the links did: lost, doubled, cut."""
        self.nodes: tuple[str, ...] = genesis.validators
        self._checked: dict[tuple[bytes, bytes, bytes], bool] = {}
        self._streams: dict[Link, Random] = {}
        self._queue: list[tuple[int, int, Machine | None, int, Any]] = []
        self._timers: dict[tuple[str, Timer], int] = {}
        self._count = 0
        self._requests = 0
        names = [(node, node) for node in self.nodes] + [(f"{node}~2", node) for node in twins]
        self.machines: dict[str, Machine] = {name: Machine(name, node, self) for name, node in names}
        self._of_node: dict[str, list[Machine]] = {}
        for machine in self.machines.values():
            self._of_node.setdefault(machine.node, []).append(machine)

    # Who

    def others(self, machine: Machine) -> Iterator[Machine]:
        """All machines of other nodes."""
        return (other for other in self.machines.values() if other.node != machine.node)

    def alive(self) -> list[Machine]:
        """Machines with power."""
        return [machine for machine in self.machines.values() if machine.driver is not None]

    def next_request(self) -> int:
        """A number no request had before."""
        self._requests += 1
        return self._requests

    def ledger_ms(self) -> int:
        """True UTC milliseconds."""
        return START_MS + self.now_ms

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Ed25519, each triple once in a run: every machine comes to the same answer."""
        triple = (public_key, message, signature)
        known = self._checked.get(triple)
        if known is None:
            if len(self._checked) >= MAX_CHECKED:
                self._checked.clear()
            known = self._checked[triple] = ed25519.verify(*triple)
        return known

    def stream(self, *name: str) -> Random:
        """A stream of chance of this run, named."""
        return Random(f"{self.seed}/{'/'.join(name)}")

    def tear(self, machine: Machine) -> Tear:
        """What a power failure leaves of this machine's unsynced bytes."""
        random = self.stream("tear", machine.name, str(machine.life))
        return Tear(random.choice((0, 1, 7, 40, 200, 5_000)), random.random() < 0.5)

    # Links

    def linked(self, sender: str, target: str) -> bool:
        """Whether no fault cuts the link in this direction."""
        return not self.blocked[sender, target]

    def cut(self, links: Iterable[Link]) -> None:
        """Block links, each in one direction. Peers notice: they see each other go."""
        for link in links:
            self.blocked[link] += 1
            self.counts["cut"] += 1
            self._tell(link, PeerGone)

    def mend(self, links: Iterable[Link]) -> None:
        """Undo one `cut` of each; those that nothing else cuts connect again."""
        for link in links:
            self.blocked[link] -= 1
            if not self.blocked[link] and not self.blocked[link[::-1]]:
                self._tell(link, PeerConnected)

    def _tell(self, link: Link, event: type[PeerGone] | type[PeerConnected]) -> None:
        one, other = (self.machines[name] for name in link)
        one.feed(event(other.node))
        other.feed(event(one.node))

    def post(self, sender: Machine, node: str, frame: Frame, body: bytes, *, later_ms: int = 0) -> None:
        """Send to every machine of a node, as the links allow."""
        for target in self._of_node[node]:
            self.pass_on(sender, target, frame, body, later_ms=later_ms)

    def pass_on(self, sender: Machine, target: Machine, frame: Frame, body: bytes, *, later_ms: int = 0) -> None:
        """Send to one machine, as the link allows."""
        link = (sender.name, target.name)
        if self.blocked[link] or (self.passes is not None and not self.passes(sender, target, frame, body)):
            self.watcher.lost(sender.name, target.name, frame, body)
            return
        weather, random = self.weather, self._stream(link)
        event = FrameReceived(sender.node, frame, body)
        if weather.loss_ppm and random.randrange(PPM) < weather.loss_ppm:
            self.counts["lost"] += 1
            self.watcher.lost(sender.name, target.name, frame, body)
            return
        self._push(later_ms + random.randint(weather.least_ms, weather.most_ms), target, event)
        if weather.double_ppm and random.randrange(PPM) < weather.double_ppm:
            self.counts["doubled"] += 1
            self._push(later_ms + random.randint(weather.least_ms, 4 * weather.most_ms), target, event)

    def _stream(self, link: Link) -> Random:
        stream = self._streams.get(link)
        if stream is None:
            stream = self._streams[link] = self.stream("link", *link)
        return stream

    # Time

    def set_timer(self, machine: Machine, timer: Timer, delay_ms: int) -> None:
        """A timer of this life of a machine; setting it again replaces it."""
        self._timers[machine.name, timer] = self._push(delay_ms, machine, TimerFired(timer))

    def at(self, at_ms: int, action: Callable[[], None]) -> None:
        """Do something to the network at a virtual time."""
        self._count += 1
        heapq.heappush(self._queue, (max(at_ms, self.now_ms), self._count, None, 0, action))

    def _push(self, delay_ms: int, machine: Machine, event: Input) -> int:
        self._count += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._count, machine, machine.life, event))
        return self._count

    def start(self) -> None:
        """Boot everybody."""
        for machine in self.machines.values():
            machine.start()

    def step(self) -> None:
        """Run the next event."""
        at_ms, number, machine, life, event = heapq.heappop(self._queue)
        self.now_ms = max(self.now_ms, at_ms)
        if machine is None:
            event()
            return
        if machine.driver is None or machine.life != life:
            return
        if machine.paused_until_ms > self.now_ms:
            # The machine stands still; what was to happen to it happens afterwards, in the same order.
            heapq.heappush(self._queue, (machine.paused_until_ms, number, machine, life, event))
            return
        if isinstance(event, TimerFired):
            if self._timers.get((machine.name, event.timer)) != number:
                return
            self.watcher.fired(machine, event.timer)
        else:
            self.watcher.delivered(machine, event.peer, event.frame, event.body)
        machine.feed(event)

    def run_for(self, duration_ms: int) -> None:
        """Let virtual time pass."""
        end = self.now_ms + duration_ms
        while self._queue and self._queue[0][0] <= end:
            self.step()
        self.now_ms = end

    def reached(self, condition: Callable[[], bool], limit_ms: int) -> bool:
        """Run until `condition` holds; False when virtual time runs out first."""
        end = self.now_ms + limit_ms
        while not condition():
            if not self._queue or self._queue[0][0] > end:
                self.now_ms = end
                return False
            self.step()
        return True

    def describe(self) -> str:
        """Where everybody stands, for people."""
        return f"at {self.now_ms} ms\n" + "\n".join(machine.describe() for machine in self.machines.values())
