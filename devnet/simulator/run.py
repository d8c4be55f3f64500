"""One run: carries a plan out on a network under the oracles, and says how it ended.

Phase 1 lasts `PHASE_1_MS` of virtual time, anything of the plan may happen, and safety is judged. Phase 2 ends all
faults, brings back a quorum of honest nodes and demands heights in bounded time until all epochs of the plan have
passed; then the absent return, and everybody must agree on everything. Liars lie throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial

import msgspec

from devnet.simulator.actors import Actor
from devnet.simulator.behaviours import Puppeteer, Signing
from devnet.simulator.builders import Builders
from devnet.simulator.lawmakers import Lawmakers
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Watcher, Watchers
from devnet.simulator.oracles import Oracles
from devnet.simulator.plan import (
    PHASE_1_MS,
    AnyFault,
    Drift,
    Outage,
    Partition,
    Pause,
    Plan,
    Storm,
    genesis_of,
)
from devnet.simulator.traffic import Traffic
from devnet.simulator.violations import Failure, Violation, judged

FIRST_HEIGHT_MS = 120_000
"""Virtual time from the healing of a quorum to its next height. Rounds that passed without one have made timeouts long:
they grow over 64 rounds."""
HEIGHT_MS = 30_000
"""Virtual time for each further height; transactions come all the time, so there is always a reason."""
RETURN_MS = 120_000
"""Virtual time in which the absent catch up and what was accepted becomes final."""


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to."""

    seed: int
    failure: Failure | None
    heights: int
    virtual_ms: int
    faults: dict[str, int]
    """By kind: those of the plan that happened, and what links did to frames."""
    byzantine: dict[str, int]
    """Deviations by behaviour."""


class Run:
    """`also` sees everything besides the oracles, for a trace."""

    def __init__(self, plan: Plan, also: Watcher | None = None) -> None:
        self.plan = plan
        self.network = Network(genesis_of(plan), seed=plan.seed, weather=plan.weather)
        self.oracles = Oracles(self.network, frozenset(plan.honest))
        self.network.watcher = self.oracles if also is None else Watchers(self.oracles, also)
        self.traffic = Traffic(plan, self.network)
        self._actors: list[Actor] = []
        """Besides the traffic, through which they speak."""
        if plan.wagering:
            self._actors.append(Builders(plan, self.network, self.traffic, self.oracles.reference))
        if plan.governing:
            self._actors.append(Lawmakers(plan, self.network, self.traffic, self.oracles.reference))
        self.faults: Counter[str] = Counter()
        self.byzantine: Counter[str] = Counter()
        self._storms: list[Storm] = []

    def go(self) -> Outcome:
        """Carry the plan out."""
        failure = judged(self._phases)
        return Outcome(
            self.plan.seed,
            failure,
            self.oracles.height,
            self.network.now_ms,
            dict(sorted((self.faults + self.network.counts).items())),
            dict(sorted(self.byzantine.items())),
        )

    # Phases

    def _phases(self) -> None:
        self._phase_1()
        self._phase_2()
        self._phase_3()

    def _phase_1(self) -> None:
        network = self.network
        for liar in self.plan.liars:
            machine = network.machines[liar.node]
            puppeteer = Puppeteer(machine, liar.behaviours, self.byzantine)
            machine.signer, machine.mouth = Signing(machine), puppeteer
            puppeteer.start()
        network.start()
        self.traffic.start()
        for actor in self._actors:
            actor.start()
        for fault in self.plan.faults:
            network.at(fault.at_ms, partial(self._begin, fault))
        network.run_for(PHASE_1_MS)

    def _phase_2(self) -> None:
        """All faults are over; whoever is absent stays away."""
        network = self.network
        network.watcher.noted(network.now_ms, "phase 2: a quorum is healed")
        for name, machine in network.machines.items():
            if name in self.plan.absent:
                if machine.driver is not None:
                    machine.crash()
            elif not machine.running:
                # A liar that stopped itself.
                machine.crash()
                machine.start()
        present = [network.machines[node] for node in self.plan.honest if node not in self.plan.absent]
        start = self.oracles.height
        limit = FIRST_HEIGHT_MS
        for height in range(start + 1, max(start + 2, self.plan.heights) + 1):
            if not network.reached(partial(_all_have, present, height), limit):
                raise Violation("liveness", f"no height {height} within {limit} ms {network.describe()}")
            limit = HEIGHT_MS

    def _phase_3(self) -> None:
        """Everybody returns, nothing new is said, and everything that was accepted becomes final."""
        network = self.network
        network.watcher.noted(network.now_ms, "phase 3: everybody is back")
        self.traffic.stop()
        for name in self.plan.absent:
            network.machines[name].start()
        honest = [network.machines[node] for node in self.plan.honest]

        def settled() -> bool:
            return len({machine.ledger.height for machine in honest}) == 1 and not self._missing()

        if not network.reached(settled, RETURN_MS):
            missing = self._missing()
            if missing:
                raise Violation("accepted", f"{len(missing)} transactions, such as {missing[0]}")
            raise Violation("liveness", f"not everybody catches up {network.describe()}")

    def _missing(self) -> list[str]:
        """What was accepted and is not final yet; what is final stays so."""
        accepted = self.traffic.accepted
        for hash_ in [hash_ for hash_ in accepted if self.oracles.on_ledger(hash_)]:
            del accepted[hash_]
        return [f"{hash_.hex()[:16]} accepted by {node}" for hash_, node in accepted.items()]

    # Faults

    def _begin(self, fault: AnyFault) -> None:
        network = self.network
        self.faults[type(fault).__name__.lower()] += 1
        network.watcher.noted(network.now_ms, f"{fault.describe()}, for {fault.for_ms} ms")
        network.at(min(fault.at_ms + fault.for_ms, PHASE_1_MS), partial(self._end, fault))
        match fault:
            case Outage(node=node, inside=inside):
                machine = network.machines[node]
                if machine.driver is not None and inside:
                    machine.disk.fail_at(inside)
                elif machine.driver is not None:
                    machine.crash(network.tear(machine))
            case Partition(links=links):
                network.cut(links)
            case Pause(node=node):
                machine = network.machines[node]
                machine.paused_until_ms = max(machine.paused_until_ms, min(fault.at_ms + fault.for_ms, PHASE_1_MS))
            case Drift(node=node, skew_ms=skew_ms):
                network.machines[node].skew_ms += skew_ms
            case Storm():
                self._storms.append(fault)
                network.weather = fault.weather

    def _end(self, fault: AnyFault) -> None:
        network = self.network
        match fault:
            case Outage(node=node):
                if network.machines[node].driver is not None:
                    # The disk was not used since, or the node has come back meanwhile: now it goes anyway.
                    network.machines[node].crash(network.tear(network.machines[node]))
                network.machines[node].start()
            case Partition(links=links):
                network.mend(links)
            case Pause():
                pass
            case Drift(node=node, skew_ms=skew_ms):
                network.machines[node].skew_ms -= skew_ms
            case Storm():
                self._storms.remove(fault)
                network.weather = self._storms[-1].weather if self._storms else self.plan.weather


def _all_have(machines: Iterable[Machine], height: int) -> bool:
    return all(machine.ledger.height >= height for machine in machines)
