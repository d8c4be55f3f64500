"""Several machines and everything in flight between them, with oracles that watch every effect.

A schedule picks what happens next: a message arrives, is lost or comes twice; a timer runs out; a signature,
block or payload gets ready. Nothing happens by itself. `run_fairly` is the one schedule under which the
height must end.
"""

from __future__ import annotations

import heapq
import itertools
from typing import NamedTuple

from consensus import machine
from consensus.block import check_commitments, check_validity
from consensus.certificates import signatures_of
from consensus.effects import (
    Broadcast,
    BuildValue,
    CheckPayload,
    Decide,
    Effect,
    HeightContext,
    Input,
    LoggedInput,
    MissingBlock,
    PayloadChecked,
    Received,
    ReportConflict,
    Schedule,
    Sign,
    Signed,
    StartHeight,
    Timeout,
    ValueBuilt,
    Wake,
)
from consensus.evidence import Equivocation, equivocation
from consensus.evidence import check as check_evidence
from consensus.messages import Block, Commit, CommitCertificate, Message, Proposal, Vote, VoteType
from consensus.quorum import is_quorum
from consensus.refusals import Refusal
from consensus.state import State
from tests.consensus.height import (
    START_MS,
    build,
    payload_named,
    signed_proposal,
    signed_vote,
    verifies,
)

BAD = b"\xff"
"""First byte of a transaction hash whose transaction never passes the stateless checks."""
LATENCY_MS = 5
FAIR_LIMIT_MS = 120_000


class Flight(NamedTuple):
    """A message on its way."""

    to: str
    message: Message


class Wait(NamedTuple):
    """A running timer."""

    node: str
    timeout: Timeout
    duration_ms: int


class Answer(NamedTuple):
    """An input that a node owes itself: a signature, a block, a payload."""

    node: str
    effect: Sign | BuildValue | CheckPayload | MissingBlock


class Honest:
    """One honest node: its machine, its log, and what it has promised so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: State = machine.initial(name)
        self.log: list[LoggedInput] = []
        self.effects: list[list[Effect]] = []
        self.turns: set[tuple[int, str]] = set()
        self.precommits: dict[int, bytes] = {}
        self.decision: tuple[Block, CommitCertificate] | None = None


class Soup:
    """Machines of the honest members of one height. Members without a machine are the adversary's."""

    def __init__(self, context: HeightContext, honest: tuple[str, ...]) -> None:
        self.context = context
        self.nodes = {name: Honest(name) for name in honest}
        self.flights: list[Flight] = []
        self.waits: list[Wait] = []
        self.answers: list[Answer] = []
        self.published: list[Message] = []
        """Everything that honest nodes sent, in order: what an adversary can know."""
        self.now_ms = START_MS
        for node in self.nodes.values():
            self.feed(node, StartHeight(context))

    # What a schedule can do.

    def wake(self, name: str) -> None:
        """Give a node a reason for a block."""
        self.feed(self.nodes[name], Wake(self.context.height))

    def deliver(self, index: int, *, keep: bool = False, skew_ms: int = 0) -> None:
        """Message `index` arrives; with `keep` it will arrive again."""
        flight = self.flights[index] if keep else self.flights.pop(index)
        self.hand(flight.to, flight.message, skew_ms)

    def drop(self, index: int) -> None:
        """Message `index` is lost."""
        self.flights.pop(index)

    def fire(self, index: int) -> None:
        """Timer `index` runs out."""
        wait = self.waits.pop(index)
        self.feed(self.nodes[wait.node], wait.timeout)

    def answer(self, index: int) -> None:
        """Pending answer `index` gets ready."""
        self.resolve(self.answers.pop(index))

    def send(self, to: str, message: Message) -> None:
        """Put a message of the adversary on its way."""
        self.flights.append(Flight(to, message))

    def hand(self, to: str, message: Message, skew_ms: int = 0) -> None:
        """A message arrives at an honest node, which verifies its signatures before the machine sees it."""
        node = self.nodes[to]
        try:
            checks = signatures_of(message, self.context)
        except Refusal:
            return
        if all(verifies(*check) for check in checks):
            self.feed(node, Received(message, self.now_ms + skew_ms))

    # The node around the machine.

    def feed(self, node: Honest, input_: Input) -> None:
        """One step, its effects under the oracles."""
        before = node.state
        node.state, effects = machine.step(before, input_)
        if not isinstance(input_, StartHeight):
            node.log.append(input_)
            node.effects.append(effects)
        for effect in effects:
            self.perform(node, effect)

    def perform(self, node: Honest, effect: Effect) -> None:
        """What a driver would do."""
        match effect:
            case Sign(message):
                self.watch_signature(node, message)
                self.answers.append(Answer(node.name, effect))
            case BuildValue() | CheckPayload() | MissingBlock():
                self.answers.append(Answer(node.name, effect))
            case Broadcast(message):
                self.watch_broadcast(node, message)
                self.published.append(message)
                self.flights += [Flight(name, message) for name in self.nodes if name != node.name]
            case Schedule(step, height, round_, duration_ms):
                assert duration_ms > 0
                self.waits.append(Wait(node.name, Timeout(step, height, round_), duration_ms))
            case Decide(block, certificate):
                self.watch_decision(node, block, certificate)
            case ReportConflict(first, second):
                self.watch_accusation(self.evidence_of(first, second).accused)
            case _:
                pass

    def resolve(self, answer: Answer) -> None:
        """Hand a node what it asked for."""
        node, context = self.nodes[answer.node], self.context
        match answer.effect:
            case Sign(Proposal() as proposal):
                self.feed(node, Signed(signed_proposal(proposal), self.now_ms))
            case Sign(Vote() as vote):
                self.feed(node, Signed(signed_vote(vote), self.now_ms))
            case BuildValue(height, round_, certificate):
                payload = payload_named(f"{node.name}/{round_}")
                block = build(context, round_, payload, self.now_ms, certificate)
                self.feed(node, ValueBuilt(height, round_, block))
            case CheckPayload(block):
                bad = any(leaf.startswith(BAD) for leaf in block.payload)
                self.feed(node, PayloadChecked(context.height, block.header.id(), not bad))
            case MissingBlock(_, block_id):
                self.fetch(node, block_id)

    def fetch(self, node: Honest, block_id: bytes) -> None:
        """Ask every other honest node for a decided block."""
        for other in self.nodes.values():
            candidate = other.state.candidates.get(block_id)
            if candidate is not None and node.state.commit is not None:
                self.hand(node.name, Commit(node.state.commit, candidate.block))
                return

    # Oracles.

    def watch_signature(self, node: Honest, message: Proposal | Vote) -> None:
        """One signature per (round, type); no prevote against a lock without a newer polka."""
        kind = "proposal" if isinstance(message, Proposal) else message.kind.name
        turn = (message.round, kind)
        assert turn not in node.turns, f"{node.name} signs {turn} twice"
        node.turns.add(turn)
        if isinstance(message, Proposal) or message.block_id is None:
            return
        if message.kind == VoteType.PRECOMMIT:
            node.precommits[message.round] = message.block_id
            return
        if node.precommits:
            locked_round = max(node.precommits)
            is_locked_value = message.block_id == node.precommits[locked_round]
            assert is_locked_value or message.valid_round >= locked_round, "prevote against a lock"

    def watch_broadcast(self, node: Honest, message: Message) -> None:
        """Whatever an honest node sends verifies, and own messages only leave with their signature."""
        assert all(verifies(*check) for check in signatures_of(message, self.context)), message

    def watch_decision(self, node: Honest, block: Block, certificate: CommitCertificate) -> None:
        """Once; valid, with its payload, under a quorum; and the same as everybody's."""
        assert node.decision is None, f"{node.name} decides twice"
        node.decision = (block, certificate)
        check_commitments(block)
        check_validity(block, self.context)
        assert not any(leaf.startswith(BAD) for leaf in block.payload), "decided without payload"
        assert certificate.block_id == block.header.id()
        signers = [self.context.validators.seats[index].id for index, _ in certificate.signatures]
        assert len(set(signers)) == len(signers)
        power = sum(self.context.validators.counted_power(name) for name in signers)
        assert is_quorum(power, self.context.validators.total_power)
        decided = {other.decision[0].header.id() for other in self.nodes.values() if other.decision}
        assert len(decided) == 1, "two decisions at one height"

    def evidence_of(self, first: Proposal | Vote, second: Proposal | Vote) -> Equivocation:
        """What a report proves: it holds for everybody."""
        evidence = equivocation(first, second)
        assert evidence is not None, "an accusation without a contradiction"
        checks = check_evidence(evidence, self.context.chain_id, self.context.validators)
        assert all(verifies(*check) for check in checks)
        return evidence

    def watch_accusation(self, accused: str) -> None:
        """Whatever the schedule: the accused is the faulty member."""
        assert accused not in self.nodes, f"{accused} is honest"

    def check_replay(self) -> None:
        """The log of every node, run again from the start, gives its state and effects again."""
        for node in self.nodes.values():
            state, _ = machine.step(machine.initial(node.name), StartHeight(self.context))
            for input_, recorded in zip(node.log, node.effects, strict=True):
                state, effects = machine.step(state, input_)
                assert effects == recorded
            assert state == node.state

    # The fair schedule.

    def run_fairly(self) -> None:
        """Messages arrive soon and in order, timers on time; nothing in flight before is needed."""
        order = itertools.count()
        queue: list[tuple[int, int, Flight | Wait | Answer]] = []
        self.flights.clear()
        for name in self.nodes:
            self.wake(name)
        limit = self.now_ms + FAIR_LIMIT_MS
        while True:
            for flight in self.flights:
                heapq.heappush(queue, (self.now_ms + LATENCY_MS, next(order), flight))
            for wait in self.waits:
                heapq.heappush(queue, (self.now_ms + wait.duration_ms, next(order), wait))
            for answer in self.answers:
                heapq.heappush(queue, (self.now_ms + 1, next(order), answer))
            self.flights, self.waits, self.answers = [], [], []
            if all(node.decision for node in self.nodes.values()):
                return
            assert queue, "nothing left to happen, and no decision"
            self.now_ms, _, event = heapq.heappop(queue)
            assert self.now_ms < limit, "no decision in time"
            match event:
                case Flight(to, message):
                    self.hand(to, message)
                case Wait(name, timeout, _):
                    self.feed(self.nodes[name], timeout)
                case Answer():
                    self.resolve(event)
