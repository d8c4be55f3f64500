"""Carries a replica's effects out, in order, over the interfaces of `node.interfaces`.

Keeps the promise that nothing signed here leaves before its journal record is durable, and asserts it. Knows no
event loop: the runner, tests and the simulator call `feed` and `work`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from consensus.messages import Proposal, Vote
from node.effects import (
    Append,
    Checkpoint,
    Effect,
    Execute,
    Executed,
    Fatal,
    Input,
    Now,
    OwnSigned,
    Penalise,
    Prove,
    Recover,
    Reply,
    Resume,
    Send,
    SendAll,
    SetLedgerTimer,
    SetTimer,
    SignMessage,
    Submission,
    Sync,
    Timer,
    Triple,
    Verified,
    Verify,
)
from node.errors import NodeError
from node.execution import Outcome, execute, run_block, unfinished
from node.interfaces import Clock, Network, Signer
from node.journal import Journal
from node.proving.proofs import Checker, Proofs, check_here, nothing_to_hurry
from node.replica import Replica
from zk import ed25519

RUNS = 2
"""Of a block as if all unknown proofs held. Where false ones hide what the next ones ask, it is not run without end:
then each proof is checked in its place, and a block has room for so many."""
CHECKPOINT_BYTES = 16 * 1024 * 1024
"""A journal longer than this and twice what has to be kept is cut at the next stored height."""


class Host(Protocol):
    """What only the surroundings can do."""

    def set_timer(self, timer: Timer, delay_ms: int) -> None:
        """Feed `TimerFired(timer)` after `delay_ms`; a timer of the same name is replaced."""
        ...

    def set_ledger_timer(self, timer: Timer, at_ms: int) -> None:
        """Feed `TimerFired(timer)` once ledger time reaches `at_ms`."""
        ...

    def reply(self, request: int, results: list[Submission]) -> None:
        """Answer a client."""
        ...

    def stored(self, height: int) -> None:
        """The ledger has a new height."""
        ...

    def penalise(self, peer: str, code: str) -> None:
        """A peer misbehaved."""
        ...

    def fatal(self, error: NodeError) -> None:
        """Stop; the driver does nothing any more."""
        ...


class _Job:
    """Signatures of one `Verify` that are checked a few at a time."""

    __slots__ = ("job", "results", "triples")

    def __init__(self, job: int, triples: list[Triple]) -> None:
        self.job = job
        self.triples = triples
        self.results: list[bool] = []


class _Run(NamedTuple):
    """A block that was run as if its unknown proofs held, and what is known of them now."""

    wish: Execute
    outcome: Outcome | None
    """None: a contract that took a false proof for a true one could not go on."""
    runs: int
    """That are left."""
    valid: list[bool]


class Driver:
    """One replica at work. `signer` None: this node has no seat."""

    def __init__(
        self,
        replica: Replica,
        journal: Journal,
        signer: Signer | None,
        network: Network,
        clock: Clock,
        host: Host,
        *,
        verify: Callable[[bytes, bytes, bytes], bool] = ed25519.verify,
        checker: Checker = check_here,
        hurry: Callable[[], None] = nothing_to_hurry,
    ) -> None:
        self.replica = replica
        self.journal = journal
        self.stopped = False
        self.executed = 0
        """Transactions executed since the start."""
        self.fsyncs = 0
        """Waits for the medium since the start: journal, signing state and store."""
        self._signer = signer
        self._network = network
        self._clock = clock
        self._host = host
        self._check = verify
        self.proofs = Proofs(checker, hurry)
        self._inputs: deque[Input | _Run] = deque()
        self._busy = False
        self._jobs: deque[_Job] = deque()

    def start(self) -> None:
        """Replay the journal."""
        self.feed(Recover([(kind, height, body) for kind, height, body in self.journal.records()]))

    def feed(self, event: Input | _Run) -> None:
        """Handle an input and everything that follows from it at once."""
        self._inputs.append(event)
        if self._busy or self.stopped:
            return
        self._busy = True
        try:
            while self._inputs and not self.stopped:
                event = self._inputs.popleft()
                if isinstance(event, _Run):
                    self._proven(event)
                    continue
                now = Now(self._clock.ledger_ms(), self._clock.monotonic_ms())
                for effect in self.replica.handle(event, now):
                    self._carry_out(effect)
        except NodeError as error:
            self._stop(error)
        finally:
            self._busy = False

    @property
    def has_work(self) -> bool:
        """Signatures wait for `work`."""
        return bool(self._jobs)

    def work(self, signatures: int) -> None:
        """Check up to so many waiting signatures, oldest job first."""
        while signatures > 0 and self._jobs and not self.stopped:
            job = self._jobs[0]
            start = len(job.results)
            part = job.triples[start : start + signatures]
            signatures -= len(part)
            job.results += [self._check(*triple) for triple in part]
            if len(job.results) == len(job.triples):
                self._jobs.popleft()
                self.feed(Verified(job.job, job.results))

    def _stop(self, error: NodeError) -> None:
        self.stopped = True
        self._inputs.clear()
        self._jobs.clear()
        self._host.fatal(error)

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Send(peer, frame, body):
                self._network.send(peer, frame, body)
            case SendAll(frame, body, own):
                assert not own or not self.journal.unsynced, "an own message leaves before its record is durable"
                self._network.broadcast(frame, body)
            case Append(kind, height, body):
                self.journal.append(kind, height, body)
            case Sync():
                self.fsyncs += self.journal.unsynced > 0
                self.journal.sync()
            case Verify(job, triples, urgent):
                if urgent:
                    self._inputs.append(Verified(job, [self._check(*triple) for triple in triples]))
                else:
                    self._jobs.append(_Job(job, triples))
            case Prove(job, assertions):
                self.proofs.check(assertions, urgent=False, done=lambda valid: self.feed(Verified(job, valid)))
            case SetTimer(timer, delay_ms):
                self._host.set_timer(timer, delay_ms)
            case SetLedgerTimer(timer, at_ms):
                self._host.set_ledger_timer(timer, at_ms)
            case SignMessage(message):
                self._sign(message)
            case Execute():
                self._run(effect, RUNS)
            case Reply(request, results):
                assert not self.journal.unsynced, "a transaction is called accepted before it is durable"
                self._host.reply(request, results)
            case Resume(height, last):
                if self._signer is not None and not self._signer.resume(height, last):
                    raise self.journal.ends_early("it ends before a vote that this node's key has signed")
            case Checkpoint(height):
                self._checkpoint(height)
            case Penalise(peer, code):
                self._host.penalise(peer, code)
            case Fatal(code, message, hint, report):
                raise NodeError(code, message, hint, report)

    def _run(self, wish: Execute, runs: int) -> None:
        """Execute a block: at once, unless it asks for proofs that nobody has checked yet."""
        by = self.replica.flow.admission.rule_set
        if not any(by.asks_proof(envelope) for _, envelope in wish.envelopes):
            self._store(wish)
            return
        recording = self.proofs.recording()
        proves = recording if runs else self.proofs.proves
        outcome: Outcome | None = None
        try:
            outcome = run_block(self.replica.ledger, wish.block, wish.envelopes, wish.charges, proves)
        except Exception:
            # What holds of a ledger need not hold of one on which a false proof counted. A defect comes again.
            if not recording.unknown:
                raise
        if recording.unknown:
            done = partial(self._checked, wish, outcome, runs - 1)
            self.proofs.check(recording.unknown, urgent=True, done=done)
        else:
            self._store(wish, outcome)

    def _checked(self, wish: Execute, outcome: Outcome | None, runs: int, valid: list[bool]) -> None:
        self.feed(_Run(wish, outcome, runs, valid))

    def _proven(self, run: _Run) -> None:
        if run.outcome is not None and all(run.valid):
            self._store(run.wish, run.outcome)
        else:
            self._run(run.wish, run.runs)

    def _store(self, wish: Execute, outcome: Outcome | None = None) -> None:
        block, certificate, envelopes, charges, passed = wish
        receipts = execute(self.replica.ledger, block, certificate, envelopes, charges, passed, outcome)
        self.executed += len(envelopes)
        self.fsyncs += 1
        self._inputs.append(Executed(block.header.height, unfinished(block, receipts)))

    def _sign(self, message: Proposal | Vote) -> None:
        """Sign unless the signing state forbids it: then this node stays silent in this step."""
        assert not self.journal.unsynced, "the key would run ahead of the log"
        if self._signer is None:
            return
        try:
            signed = self._signer.sign(message, self.replica.ledger.chain_id)
        except NodeError as error:
            if not error.code.startswith("signer."):
                raise
            self.replica.work.counters[error.code] += 1
            return
        self.fsyncs += 1
        self._inputs.append(OwnSigned(signed))

    def _checkpoint(self, height: int) -> None:
        if self._signer is not None and self._signer.restored and self.replica.catch_up.safe_to_sign_above(height):
            self._signer.clear_restored(height)
        if self.journal.size > CHECKPOINT_BYTES + 2 * self.replica.flow.mempool.size:
            pending = [entry.raw for entry in self.replica.flow.mempool]
            self.journal.checkpoint(height, pending, self.replica.evidence.pending())
        self._host.stored(height)
