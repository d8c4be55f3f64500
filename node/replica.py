"""One node as a state machine: consensus, mempool, execution, journal and sync, without I/O.

`handle(input, now) -> effects`. The driver carries the effects out in order and feeds results back. Everything that
happens is a function of the inputs and the store, so that a run repeats exactly. Holds no rule of the pact: what is
valid, who is paid and who may propose is decided in `contracts` and `consensus`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from consensus import certificates, machine
from consensus.block import Contribute, build_block, empty_block_reason, proposal_time_ms
from consensus.effects import (
    Broadcast,
    BuildValue,
    CheckPayload,
    Decide,
    HeightContext,
    LoggedInput,
    MissingBlock,
    PayloadChecked,
    Received,
    Refused,
    ReportConflict,
    Schedule,
    Sign,
    Signed,
    StartHeight,
    Step,
    Timeout,
    ValueBuilt,
    Wake,
)
from consensus.effects import Effect as ConsensusEffect
from consensus.evidence import Amnesia, DuplicateProposal, DuplicateVote, Fork
from consensus.messages import (
    MAX_PAYLOAD,
    NO_ROUND,
    Block,
    Commit,
    CommitCertificate,
    Message,
)
from consensus.refusals import Refusal
from consensus.state import live_blocks
from contracts.envelope import Envelope
from node.catchup import CatchUp
from node.chain import height_context
from node.divergence import Diverged, Divergence, check_ground
from node.effects import (
    Append,
    Checkpoint,
    Effect,
    Execute,
    Executed,
    FrameReceived,
    Input,
    Now,
    OwnSigned,
    PeerConnected,
    PeerGone,
    Recover,
    Reported,
    Resume,
    Send,
    SendAll,
    SetLedgerTimer,
    SetTimer,
    SignMessage,
    Submitted,
    Sync,
    Timer,
    TimerFired,
    Triple,
    Verified,
)
from node.evidence import EvidencePool, certificate_of
from node.inbox import Inbox
from node.journal import INPUT, TRANSACTIONS, decode_batch
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.mempool import Lane, MempoolLimits, lane_of
from node.peer.wire import (
    CODECS,
    BlockRequest,
    BlockResponse,
    Frame,
    Status,
    TransactionRequest,
    Transactions,
    TreeRequest,
)
from node.replay import logged_inputs, unanswered
from node.roster import Roster
from node.seats import Sets
from node.statewalk import TreeServer
from node.transactions import TransactionFlow
from node.work import Work
from zk.codec import Malformed, encode

HOUSEKEEPING_MS = 500


class _Executing(NamedTuple):
    """What the block under execution makes final."""

    block: Block
    lanes: frozenset[Lane]


class Replica:
    """One node of one chain. `node_id` without a seat follows and never signs; `sets` None: those of the ledger.

    `contribute` signs beacons with the node's BLS key, a pure function; without it, nothing is ever proposed here.
    With a `public_key`, nothing is signed while the seat has another one.
    """

    def __init__(
        self,
        ledger: Ledger,
        node_id: str,
        limits: MempoolLimits | None = None,
        sets: Sets | None = None,
        *,
        contribute: Contribute | None = None,
        public_key: bytes | None = None,
        leaders: Callable[[Ledger, Sets], Leaders] = Leaders,
    ) -> None:
        self.ledger = ledger
        self.node_id = node_id
        self.work = Work()
        self._sets = sets or ledger.sets
        self.evidence = EvidencePool(ledger, self._sets, self.work, self._payload_checked, self._arrived)
        self.flow = TransactionFlow(ledger, self.work, limits or MempoolLimits(), self.evidence.judge, self._arrived)
        self.tree = TreeServer(ledger)
        self.divergence: Divergence | None = None
        """Set once a certified block builds on another state: then this replica takes no part any more."""
        self.catch_up = CatchUp(ledger, self.work, self.flow.admission, self._execute)
        self.machine = machine.initial(node_id)
        self._contribute = contribute
        self._leaders = leaders(ledger, self._sets)
        self._context: HeightContext = height_context(ledger, self._sets, self._leaders)
        self._events: deque[LoggedInput | StartHeight] = deque()
        self._started = False
        self._executing: _Executing | None = None
        self._awake = False
        self._height_started_ms = 0
        self._woken_ms = 0
        self._paced_from_ms = -(10**9)
        """When the last height that carried something was woken: an empty block delays no transaction."""
        self._build: BuildValue | None = None
        self._public_key = public_key
        self.roster = Roster(ledger)
        """The nodes that are registered now."""
        self._inbox = Inbox(len(self.roster.nodes))

    def handle(self, event: Input, now: Now) -> list[Effect]:
        """Effects of one input, in the order in which they must be carried out."""
        self.work.now = now
        try:
            if self.divergence is None:
                self._handle(event)
            else:
                self.divergence.handle(event)
        except Diverged as found:
            self.divergence = Divergence(self.ledger, self.work, self.node_id, found, self.evidence.charges)
        return self.work.take()

    def _handle(self, event: Input) -> None:
        match event:
            case FrameReceived(peer, frame, body):
                self._frame(peer, frame, body)
            case Verified(job, valid):
                self.work.verified(job, valid)
            case Submitted(request, envelopes):
                self.flow.submitted(request, envelopes)
            case Reported(request, evidence):
                self.evidence.reported(request, evidence)
            case OwnSigned(message):
                self._feed(Signed(message, self.work.now.ledger_ms))
            case TimerFired(timer):
                self._timer(timer)
            case Executed(height, unfinished):
                self._executed(height, unfinished)
            case PeerConnected(peer):
                self.work.peers.add(peer)
                self.work.emit(Send(peer, Frame.STATUS, encode(self._status())))
                self.flow.introduce(peer)
                self.evidence.introduce(peer)
            case PeerGone(peer):
                self.work.peers.discard(peer)
                self.catch_up.plan.forget(peer)
            case Recover(records):
                self._recover(records)

    # Recovery

    def _recover(self, records: list[tuple[int, int, bytes]]) -> None:
        """Run the journal of the open height through the same machine; then do what it had not done yet."""
        if not self.evidence.recover(records):
            return
        self.flow.recover(decode_batch(body) for kind, _, body in records if kind == TRANSACTIONS)
        pending = self._step(StartHeight(self._context))
        for logged in logged_inputs(records, self._context.height):
            pending = unanswered(pending, logged) + self._step(logged)
        self._started = True
        self.work.emit(Resume(self._context.height, max(self.machine.asked, default=(NO_ROUND, 0))))
        for effect in pending:
            self._perform(effect)
        self.flow.recovered()
        self.work.emit(SetTimer(("housekeeping",), HOUSEKEEPING_MS))
        self._consider_waking()

    # Consensus

    def _feed(self, event: LoggedInput | StartHeight) -> None:
        """Log an input and run it. What it causes right away queues behind it, so that nothing runs inside a step."""
        self._events.append(event)
        if len(self._events) > 1:
            return
        while self._events:
            event = self._events[0]
            if not isinstance(event, StartHeight):
                self.work.emit(Append(INPUT, self._context.height, encode(event)))
            for effect in self._step(event):
                self._perform(effect)
            self._events.popleft()

    def _step(self, event: LoggedInput | StartHeight) -> list[ConsensusEffect]:
        candidates = self.machine.candidates
        self.machine, effects = machine.step(self.machine, event)
        if self.machine.candidates is not candidates:
            self.flow.hold(live_blocks(self.machine))
        if not self._awake and self.machine.core is not None:
            self._awake = True
            self._woken_ms = self.work.now.monotonic_ms
        return effects

    def _perform(self, effect: ConsensusEffect) -> None:
        match effect:
            case Broadcast(message):
                self.work.emit(Sync(), SendAll(Frame.CONSENSUS, encode(message), own=True))
            case Sign(message):
                # What led to it becomes durable first: a node that finds its key ahead of its log could only be silent.
                if self._has_seat():
                    self.work.emit(Sync(), SignMessage(message))
            case Schedule(step, height, round_, duration_ms):
                self.work.emit(SetTimer(("timeout", int(step), height, round_), duration_ms))
            case CheckPayload(block):
                self.flow.check_payload(block)
            case BuildValue():
                self._build = effect
                self._try_build()
            case Decide(block, certificate):
                self._decide(block, certificate)
            case MissingBlock():
                self.work.counters["consensus.missing-block"] += 1
            case ReportConflict(first, second):
                self.work.counters["consensus.conflict"] += 1
                self.evidence.conflict(first, second)
            case Refused(code):
                self.work.counters[code] += 1

    def _consensus_frame(self, peer: str, body: bytes) -> None:
        if not self._inbox.is_new(body):
            return
        try:
            message: Any = CODECS[Frame.CONSENSUS].decode(body)
        except Malformed as error:
            self.work.penalise(peer, error.code)
            return
        height = message.certificate.height if isinstance(message, Commit) else message.height
        if height > self._context.height:
            if height == self._context.height + 1:
                self._inbox.wait(peer, body, message)
            return
        self._inbox.remember(body)
        if height < self._context.height:
            self.evidence.past(peer, message)
        self._consensus_message(peer, len(body), message)

    def _consensus_message(self, peer: str, size: int, message: Message) -> None:
        """Have the signatures that are not known yet checked, then hand the message to the machine."""
        if machine.is_redundant(self.machine, message):
            return
        try:
            required = certificates.signatures_of(message, self._context)
        except Refusal as refusal:
            self.work.counters[refusal.code] += 1
            return
        if not self._inbox.may_write(peer, size):
            self.work.counters["consensus.share"] += 1
            return
        unknown = self._inbox.unverified(Triple(*one) for one in required)
        if unknown:
            self.work.verify(unknown, partial(self._authentic, peer, message, unknown), urgent=True)
        else:
            self._authentic(peer, message, unknown, [])

    def _authentic(self, peer: str, message: Message, triples: list[Triple], valid: list[bool]) -> None:
        if not all(valid):
            self.work.penalise(peer, "consensus.signature")
            return
        self._inbox.verified(triples)
        match message:
            case Commit(certificate, Block(header=header) as block) if header.height == self._context.height:
                check_ground(block, certificate, self.ledger)
        if self.evidence.halts_on(self.machine, certificate_of(message)):
            return
        self._feed(Received(message, self.work.now.ledger_ms))

    def _payload_checked(self, block_id: bytes, ok: bool) -> None:
        self._feed(PayloadChecked(self._context.height, block_id, ok))

    # Proposing

    def _reason_for_empty(self) -> bool:
        time_ms = proposal_time_ms(self._context, self.work.now.ledger_ms)
        return empty_block_reason(self._context, time_ms) is not None

    def _arrived(self) -> None:
        """New transactions may be what a proposer or an idle height waits for."""
        self._try_build()
        self._consider_waking()

    def _try_build(self) -> None:
        """Answer the machine's wish for a value as soon as a valid one can be made."""
        wish = self._build
        if wish is None or self._executing or self._contribute is None:
            return
        entries = self.flow.select(MAX_PAYLOAD)
        clock_ms = self.work.now.ledger_ms
        evidence = self.evidence.select(proposal_time_ms(self._context, clock_ms))
        if not entries and not evidence and not self._reason_for_empty():
            return
        self._build = None
        block = build_block(
            self._context,
            round_=wish.round,
            payload=tuple(entry.hash for entry in entries),
            last_certificate=wish.last_certificate,
            clock_ms=clock_ms,
            evidence=evidence,
            contribute=self._contribute,
        )
        self._feed(ValueBuilt(wish.height, wish.round, block))

    def _consider_waking(self) -> None:
        """Leave idle when there is a reason for a block and the last one is old enough."""
        if self._awake or self._executing or not self._started:
            return
        if not (self._reason_for_empty() or self.flow.select(1) or self.evidence.select(self._context.parent.time_ms)):
            deadline = self._context.earliest_deadline_ms
            if deadline is not None:
                self.work.emit(SetLedgerTimer(("deadline",), deadline))
            return
        due = self._paced_from_ms + self._context.timing.target_block_ms
        if self.work.now.monotonic_ms < due:
            self.work.emit(SetTimer(("pace",), due - self.work.now.monotonic_ms))
            return
        self._feed(Wake(self._context.height))

    # Deciding and executing

    def _decide(self, block: Block, certificate: CommitCertificate) -> None:
        envelopes: list[tuple[bytes, Envelope]] = []
        for hash_ in block.payload:
            entry = self.flow.mempool.get(hash_)
            assert entry is not None, "the machine decides only blocks whose payload was checked"
            envelopes.append((entry.raw, entry.envelope))
        self._execute(block, certificate, envelopes)

    def _execute(self, block: Block, certificate: CommitCertificate, envelopes: list[tuple[bytes, Envelope]]) -> None:
        """Run a decided block, whether consensus or sync brought it first."""
        if self._executing is None and not self.evidence.halts_on(self.machine, certificate):
            lanes = frozenset(lane_of(envelope)[0] for _, envelope in envelopes)
            self._executing = _Executing(block, lanes)
            passed = self._context.proposers.passed(block.header.proposer_round)
            self.work.emit(Execute(block, certificate, envelopes, self.evidence.charges(block), passed))

    def _executed(self, height: int, unfinished: frozenset[bytes]) -> None:
        """The ledger has a new height: clear what is final and open the next one."""
        done = self._executing
        assert done is not None and height == self.ledger.height
        self._executing = None
        payload = done.block.payload
        if payload or done.block.evidence:
            self._paced_from_ms = self._woken_ms
        final = tuple(hash_ for hash_ in payload if hash_ not in unfinished) if unfinished else payload
        self.flow.height_done(final, done.lanes)
        self.evidence.height_done(done.block)
        self.work.emit(Checkpoint(height))
        self._context = height_context(self.ledger, self._sets, self._leaders)
        if self.roster.refresh():
            self._inbox.share_among(len(self.roster.nodes))
        self._awake = False
        self._height_started_ms = self.work.now.monotonic_ms
        self._build = None
        self._feed(StartHeight(self._context))
        for peer, body, message in self._inbox.next_height():
            self._consensus_message(peer, len(body), message)
        self._run_sync()
        self._consider_waking()

    # Frames

    def _frame(self, peer: str, frame: Frame, body: bytes) -> None:
        if frame is Frame.CONSENSUS:
            self._consensus_frame(peer, body)
            return
        try:
            message = CODECS[frame].decode(body)
        except Malformed as error:
            self.work.penalise(peer, error.code)
            return
        match message:
            case Transactions(envelopes) if frame is Frame.TRANSACTIONS:
                self.flow.gossiped(peer, envelopes)
            case Transactions(envelopes):
                self.flow.answered(peer, envelopes)
            case TransactionRequest(hashes):
                self.flow.serve(peer, hashes)
            case Status(height=height):
                self.catch_up.plan.heights[peer] = height
                self._run_sync()
            case DuplicateVote() | DuplicateProposal() | Fork() | Amnesia():
                self.evidence.received(peer, message)
            case TreeRequest():
                answer = self.tree.answer(peer, message, self.work.now.monotonic_ms)
                if answer is not None:
                    self.work.emit(Send(peer, Frame.TREE_RESPONSE, encode(answer)))
            case BlockRequest(first, last):
                self.catch_up.serve(peer, first, last)
            case BlockResponse(first, blocks):
                self.catch_up.answer(peer, first, blocks)
                self._run_sync()

    def _run_sync(self) -> None:
        self.catch_up.compare(self._context, self.node_id)
        if self._started and self._executing is None:
            self.catch_up.apply(self._context)
            self.catch_up.ask()

    def _status(self) -> Status:
        return Status(self.ledger.height, self._context.height, self.machine.round)

    # Timers

    def _timer(self, timer: Timer) -> None:
        match timer:
            case ("timeout", int(step), int(height), int(round_)):
                if height == self._context.height and self._executing is None:
                    self._feed(Timeout(Step(step), height, round_))
            case ("pace",) | ("deadline",):
                self._arrived()
            case ("fetch", str(block_id)):
                self.flow.fetch(bytes.fromhex(block_id))
            case ("housekeeping",):
                self._housekeeping()

    def _housekeeping(self) -> None:
        """Twice a second: say where we stand, ask for what is missing, re-send what is ours and still pending."""
        self.work.emit(SendAll(Frame.STATUS, encode(self._status()), own=False))
        self._inbox.forget()
        self._run_sync()
        if self.work.now.monotonic_ms - self._height_started_ms >= 2 * HOUSEKEEPING_MS:
            self.flow.resend()
        self._arrived()
        self.work.emit(SetTimer(("housekeeping",), HOUSEKEEPING_MS))

    def _has_seat(self) -> bool:
        """Whether the seat is that of this node's key: with another one registered its votes would look forged."""
        seat = self._context.validators.seat(self.node_id)
        return self._public_key is None or (seat is not None and seat.public_key == self._public_key)

    # For people

    @property
    def awake(self) -> bool:
        """Whether the open height has left idle."""
        return self._awake
