"""A running node: the driver on an event loop, with real clock, disk, network, RPC and admin socket.

Thin: every decision is the replica's. Stops with a sentence when going on would be unsafe.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from consensus.block import Contribute
from consensus.messages import Block
from contracts import api
from contracts.state import State
from node.clock import SystemClock
from node.driver import Driver
from node.effects import (
    FrameReceived,
    PeerConnected,
    PeerGone,
    Reported,
    Submission,
    Submitted,
    Timer,
    TimerFired,
)
from node.errors import NodeError
from node.interfaces import Network
from node.journal import Journal
from node.ledger.ledger import Ledger
from node.mempool import MempoolLimits
from node.peer.wire import Frame
from node.profile import Profiler
from node.proving.pool import Pool
from node.proving.proofs import Answer
from node.replica import Replica
from node.roster import Nodes, Roster
from node.signer import FileSigner
from node.status import epoch_of_next, open_height, stuck_sentence
from zk.statements.assertion import Assertion

LOG = logging.getLogger("gridpact")

SIGNATURES_PER_TURN = 32
"""Transaction signatures checked between two looks at the network (about 2 ms)."""
PRUNE_WORK = 256
"""Tree pages that one pass of pruning may look at."""
COMPACT_EVERY = 64
"""Heights between two looks whether pruning has left space to give back."""
STALL_MS = 3_000
"""A height that is awake for longer is called stuck."""
GC_THRESHOLDS = (50_000, 20, 50)
"""Python's garbage collector looks so seldom: what lives as long as the process is not worth looking at."""


class SystemEntropy:
    """Randomness of the operating system."""

    def below(self, bound: int) -> int:
        """Integer in [0, bound)."""
        return secrets.randbelow(bound)


class Node:
    """One node on the running loop. `network` is attached once the transport exists."""

    def __init__(
        self,
        ledger: Ledger,
        node_id: str,
        journal: Journal,
        signer: FileSigner | None,
        clock: SystemClock,
        limits: MempoolLimits,
        contribute: Contribute | None = None,
        public_key: bytes | None = None,
    ) -> None:
        self.ledger = ledger
        self.sets = ledger.sets
        self.node_id = node_id
        self.clock = clock
        self.stopped: asyncio.Future[NodeError | None] = asyncio.get_running_loop().create_future()
        self.profiler = Profiler()
        self.peers: Callable[[], list[dict[str, Any]]] = list
        self.on_penalty: Callable[[str, str], None] | None = None
        self.on_roster: Callable[[Nodes], None] | None = None
        """Called when nodes were registered or removed."""
        self._loop = asyncio.get_running_loop()
        self._replica = Replica(ledger, node_id, limits, self.sets, contribute=contribute, public_key=public_key)
        self._nodes_seen = self._replica.roster.nodes
        self._journal = journal
        self._signer = signer
        self._driver: Driver | None = None
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._ledger_timers: dict[Timer, int] = {}
        self._requests: dict[int, asyncio.Future[list[Submission]]] = {}
        self._last_request = 0
        self._heights: list[tuple[int, asyncio.Future[None]]] = []
        self._turn: asyncio.Handle | None = None
        self._stored_ms = clock.monotonic_ms()
        self._compaction: asyncio.Future[bool] | None = None
        self._pool = Pool()

    def start(self, network: Network) -> None:
        """Replay the journal and take part."""
        self._driver = Driver(
            self._replica,
            self._journal,
            self._signer,
            network,
            self.clock,
            self,
            checker=self._check_proofs,
            hurry=self._pool.hurry,
        )
        self._driver.start()
        self._work_later()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    def stop(self) -> None:
        """Take no part any more; what is on disk is complete."""
        if not self.stopped.done():
            self.stopped.set_result(None)
        if self._driver is not None:
            self._driver.stopped = True
        for handle in self._timers.values():
            handle.cancel()

    @property
    def roster(self) -> Roster:
        """The nodes that are registered now."""
        return self._replica.roster

    # Host of the driver

    def set_timer(self, timer: Timer, delay_ms: int) -> None:
        """Feed `TimerFired(timer)` after `delay_ms` of monotonic time."""
        running = self._timers.get(timer)
        if running is not None:
            running.cancel()
        self._timers[timer] = self._loop.call_later(delay_ms / 1000, self._fire, timer)

    def set_ledger_timer(self, timer: Timer, at_ms: int) -> None:
        """Feed `TimerFired(timer)` once the ledger clock shows `at_ms`."""
        self._ledger_timers[timer] = at_ms
        delay = self.clock.real_delay_ms(at_ms)
        if delay is not None:
            self.set_timer(timer, delay)

    def charges(self, block: Block) -> tuple[api.Charge, ...]:
        """What the evidence of a decided block says, for execution."""
        return self._replica.evidence.charges(block)

    def clock_moved(self) -> None:
        """The ledger clock was set by hand: look at its timers again."""
        for timer, at_ms in list(self._ledger_timers.items()):
            self.set_ledger_timer(timer, at_ms)

    def reply(self, request: int, results: list[Submission]) -> None:
        """Answer a waiting `submit`."""
        waiting = self._requests.pop(request, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(results)

    def stored(self, height: int) -> None:
        """Wake whoever waits for this height, and prune a little of what no reader needs any more."""
        self._stored_ms = self.clock.monotonic_ms()
        reached = [waiting for wanted, waiting in self._heights if wanted <= height]
        self._heights = [(wanted, waiting) for wanted, waiting in self._heights if wanted > height]
        for waiting in reached:
            if not waiting.done():
                waiting.set_result(None)
        if self.roster.nodes is not self._nodes_seen:
            self._nodes_seen = self.roster.nodes
            if self.on_roster is not None:
                self.on_roster(self._nodes_seen)
        self._loop.call_soon(self.ledger.prune, PRUNE_WORK)
        if height % COMPACT_EVERY == 0 and (self._compaction is None or self._compaction.done()):
            self._compaction = self._loop.run_in_executor(None, self.ledger.compact)
            self._compaction.add_done_callback(self._compacted)

    def _compacted(self, done: asyncio.Future[bool]) -> None:
        error = done.exception()
        if isinstance(error, NodeError):
            self.fatal(error)
        elif error is not None:
            raise error

    async def settled(self) -> None:
        """Wait for work in the background, before the store is closed, and end what checks proofs."""
        await self._pool.stop()
        if self._compaction is not None:
            await asyncio.wait([self._compaction])

    def penalise(self, peer: str, code: str) -> None:
        """Let the transport count it, and drop the peer at its limit."""
        LOG.warning("%s sent what no honest node sends: %s", peer, code)
        if self.on_penalty is not None:
            self.on_penalty(peer, code)

    def fatal(self, error: NodeError) -> None:
        """Going on would be unsafe."""
        LOG.error("%s: %s %s", error.code, error.message, error.hint)
        if not self.stopped.done():
            self.stopped.set_result(error)

    # Callbacks of the transport

    def frame(self, node: str, frame: Frame, body: bytes) -> None:
        """A frame of an authenticated peer."""
        self._feed(FrameReceived(node, frame, body))

    def connected(self, node: str) -> None:
        """A link is up."""
        LOG.info("linked to %s", node)
        self._feed(PeerConnected(node))

    def disconnected(self, node: str, reason: str) -> None:
        """A link is down."""
        LOG.info("lost the link to %s: %s", node, reason)
        self._feed(PeerGone(node))

    # Service for the RPC

    async def submit(self, envelopes: list[bytes]) -> list[Submission]:
        """Admit envelopes; returns once every accepted one is on disk."""
        return await self._ask(lambda request: Submitted(request, envelopes))

    async def report(self, evidence: bytes) -> str:
        """Take encoded evidence; "ok" once it is on disk, else the code of a refusal."""
        (answer,) = await self._ask(lambda request: Reported(request, evidence))
        return answer.code

    async def _ask(self, question: Callable[[int], Submitted | Reported]) -> list[Submission]:
        self._last_request += 1
        request = self._last_request
        waiting: asyncio.Future[list[Submission]] = self._loop.create_future()
        self._requests[request] = waiting
        self._feed(question(request))
        try:
            return await waiting
        finally:
            self._requests.pop(request, None)

    async def wait_height(self, height: int) -> None:
        """Return once `ledger.height >= height`."""
        if self.ledger.height < height:
            waiting: asyncio.Future[None] = self._loop.create_future()
            self._heights.append((height, waiting))
            try:
                await waiting
            finally:
                self._heights = [entry for entry in self._heights if entry[1] is not waiting]

    def now_ms(self) -> int:
        """This node's ledger time."""
        return self.clock.ledger_ms()

    def _silent(self) -> bool:
        """Whether this node came from a backup and may not sign yet."""
        return self._signer is not None and self._signer.restored

    def status(self) -> dict[str, Any]:
        """Where this node stands, and why nothing happens if nothing does."""
        peers = self.peers()
        best = self._replica.catch_up.best_height()
        stalled_ms = self.clock.monotonic_ms() - self._stored_ms
        machine = self._replica.machine
        stuck = None
        if self._replica.awake and stalled_ms >= STALL_MS:
            missing = self._replica.flow.missing()
            stuck = stuck_sentence(machine, missing, peers, stalled_ms, restored=self._silent())
        return {
            "chain_id": self.ledger.chain_id,
            "node": self.node_id,
            "height": self.ledger.height,
            "time_ms": self.clock.ledger_ms(),
            "block_time_ms": self.ledger.time_ms(self.ledger.height),
            "restored": self._silent(),
            "rule_set": api.rules(State(self.ledger, self.ledger.records)).rule_set,
            "known_rule_sets": sorted(self.ledger.rule_sets),
            "state_root": self.ledger.state_root.hex(),
            "syncing": best > self.ledger.height + 1,
            "best_peer_height": best,
            "consensus": open_height(machine),
            "epoch": epoch_of_next(self.ledger),
            "stuck": stuck,
            "executed": 0 if self._driver is None else self._driver.executed,
            "fsyncs": 0 if self._driver is None else self._driver.fsyncs,
            "mempool": {
                "transactions": len(self._replica.flow.mempool),
                "bytes": self._replica.flow.mempool.size,
            },
            "evidence": {"waiting": len(self._replica.evidence), "offences": api.offence_count(State(self.ledger))},
            "peers": peers,
            "counters": dict(self._replica.work.counters),
        }

    def waiting(self, member: str, public_key: bytes, nonce: int) -> int:
        """Of what this node has; another may have more."""
        return self._replica.flow.mempool.waiting((member, public_key), nonce, self.ledger.height + 1)

    def health(self) -> tuple[bool, str]:
        """Whether the node makes progress, and a sentence."""
        status = self.status()
        if self.stopped.done():
            return False, "The node has stopped."
        if status["stuck"]:
            return False, str(status["stuck"])
        if status["syncing"]:
            return False, f"Catching up: height {status['height']} of {status['best_peer_height']}."
        return True, f"Height {status['height']}."

    def metrics(self) -> dict[str, float]:
        """Gauges and counters by Prometheus name."""
        mempool = self._replica.flow.mempool
        values: dict[str, float] = {
            "gridpact_height": self.ledger.height,
            "gridpact_mempool_transactions": len(mempool),
            "gridpact_mempool_bytes": mempool.size,
            "gridpact_evidence_waiting": len(self._replica.evidence),
            "gridpact_peers_connected": sum(1 for peer in self.peers() if peer["connected"]),
            "gridpact_journal_bytes": self._journal.size,
            "gridpact_fsyncs_total": 0 if self._driver is None else self._driver.fsyncs,
            "gridpact_proofs_checked_total": self._pool.answered,
            "gridpact_proof_processes_total": self._pool.started,
            "gridpact_transactions_total": 0 if self._driver is None else self._driver.executed,
        }
        for code, count in self._replica.work.counters.items():
            values[f'gridpact_events_total{{code="{code}"}}'] = count
        return values

    # Inside

    def _feed(self, event: FrameReceived | PeerConnected | PeerGone | Submitted | Reported | TimerFired) -> None:
        if self._driver is None or self._driver.stopped:
            match event:
                case Submitted(request, envelopes):
                    self.reply(request, [Submission(b"", "node.stopped") for _ in envelopes])
                case Reported(request):
                    self.reply(request, [Submission(b"", "node.stopped")])
                case _:
                    pass
            return
        try:
            self._driver.feed(event)
        except Exception as error:
            self._crashed(error)
        self._work_later()

    def _fire(self, timer: Timer) -> None:
        self._timers.pop(timer, None)
        at_ms = self._ledger_timers.get(timer)
        if at_ms is not None:
            if self.clock.ledger_ms() < at_ms:
                self.set_ledger_timer(timer, at_ms)
                return
            del self._ledger_timers[timer]
        self._feed(TimerFired(timer))

    def _check_proofs(self, assertions: Sequence[Assertion], urgent: bool, done: Answer) -> None:
        """The `Checker` of the driver."""

        def answered(valid: list[bool]) -> None:
            try:
                done(valid)
            except Exception as error:
                self._crashed(error)
            self._work_later()

        self._pool.check(assertions, urgent, answered)

    def _work_later(self) -> None:
        if self._turn is None and self._driver is not None and self._driver.has_work:
            self._turn = self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._turn = None
        assert self._driver is not None
        try:
            self._driver.work(SIGNATURES_PER_TURN)
        except Exception as error:
            self._crashed(error)
        self._work_later()

    def _crashed(self, error: Exception) -> None:
        """A defect must not be survived half-way: the state in memory is no longer to be trusted, the disk is."""
        assert self._driver is not None
        self._driver.stopped = True
        self._loop.call_exception_handler({"message": "the replica failed", "exception": error})
        self.fatal(
            NodeError(
                "node.defect",
                f"{type(error).__name__}: {error}",
                "Restart the node: it recovers from its journal. Please report the traceback in its log.",
            )
        )
