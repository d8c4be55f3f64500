"""`gridpact bench scale`: what a height costs when there are many validators, in time, processor and bytes.

Real replicas with real signatures on the simulator's network: links take `LINK_MS` of virtual time and processing takes
none, so that virtual time shows what the protocol waits for, and processor time what it computes. One transaction is
submitted to one node after the other, and each height is over when all have executed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from consensus.messages import Proposal
from contracts.bodies import Transfer
from devnet.errors import DevnetError
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from devnet.simulator.network import Network, Watcher, Weather
from devnet.simulator.pact import Speaker, genesis
from devnet.simulator.plan import node_names
from node.peer.wire import HEADER_BYTES, Frame
from zk import ed25519

LINK_MS = 50
HEIGHT_MS = 30_000
"""Virtual time after which a height is given up."""


class Meter(Watcher):
    """Bytes that leave nodes, and when each height was first proposed and last stored, in virtual milliseconds."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.proposed_ms: dict[int, int] = {}
        self.stored_ms: dict[int, int] = {}

    def sending(self, machine: Machine, target: str, frame: Frame, body: bytes) -> None:
        self.sent_bytes += HEADER_BYTES + len(body)
        if frame is Frame.CONSENSUS and isinstance(message := read(frame, body), Proposal):
            self.proposed_ms.setdefault(message.height, machine.network.now_ms)

    def stored(self, machine: Machine, height: int) -> None:
        self.stored_ms[height] = machine.network.now_ms


class _Verifying(Network):
    """Every machine checks every signature itself, as on machines of their own."""

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        return ed25519.verify(public_key, message, signature)


class Scale:
    """A network of `validators` with equal power. `verifying` False: what one of them has verified, all have."""

    def __init__(self, validators: int, *, verifying: bool) -> None:
        self.meter = Meter()
        self._names = node_names(validators)
        kind = _Verifying if verifying else Network
        self.network = kind(genesis(validators=self._names), weather=Weather(LINK_MS, LINK_MS), watcher=self.meter)
        self._speaker = Speaker(self.network.genesis.chain_id())
        self.network.start()
        self._reach(1)

    def live(self, heights: int) -> int:
        """So many more heights; the virtual milliseconds that they took."""
        start_ms = self.network.now_ms
        for _ in range(heights):
            height = self._ledger_height() + 1
            sender, receiver = (self._names[(height + step) % len(self._names)] for step in (0, 1))
            self.network.machines[sender].submit(self._speaker.member(sender, Transfer(receiver, 1, "")))
            self._reach(height)
        return self.network.now_ms - start_ms

    def latency_ms(self) -> dict[int, int]:
        """By finished height: virtual milliseconds from its first proposal to its execution everywhere."""
        return {
            height: self.meter.stored_ms[height] - at_ms
            for height, at_ms in self.meter.proposed_ms.items()
            if height in self.meter.stored_ms
        }

    def _ledger_height(self) -> int:
        return min(machine.ledger.height for machine in self.network.machines.values())

    def _reach(self, height: int) -> None:
        if not self.network.reached(lambda: self._ledger_height() >= height, HEIGHT_MS):
            raise DevnetError(
                "bench.stuck", f"No height {height} in {HEIGHT_MS} ms.", "Run `gridpact simulate` to find out why."
            )


def measure(validators: int, heights: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Averages over `heights`, after a first one that only warms up."""
    say(f"Waiting for: {validators} validators to decide their first height")
    scale = Scale(validators, verifying=True)
    say(f"Waiting for: {heights} more heights")
    sent, start = scale.meter.sent_bytes, time.process_time()
    virtual_ms = scale.live(heights)
    cpu_ms = 1_000 * (time.process_time() - start) / heights
    latencies = scale.latency_ms()
    return {
        "validators": validators,
        "link_ms": LINK_MS,
        "heights": heights,
        "virtual_ms_per_height": round(virtual_ms / heights, 1),
        "proposal_to_decision_ms": max(latencies[height] for height in range(2, 2 + heights)),
        "cpu_ms_per_height": round(cpu_ms, 1),
        "cpu_ms_per_height_per_node": round(cpu_ms / validators, 2),
        "bytes_per_height": (scale.meter.sent_bytes - sent) // heights,
    }
