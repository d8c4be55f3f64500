"""Evidence on its way: from contradictions seen here, peers and light clients into blocks.

Keeps one verified piece for each (accused, height) until a block has it or it expires, and tells peers once. What is
about an organisation that has lost its bond already is refused: there is nothing left to take, and nobody may keep an
idle chain making blocks. The evidence of proposed blocks is judged by committed state alone: the set and the time of
the height that it is about. Two certificates that exclude each other mean that more than 1/3 were faulty: then the node
stops for good, with both on disk and sent to everybody. Punishes nobody: that is the contracts' matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Annotated

from msgspec import Meta, Struct, json

from consensus import evidence as rules
from consensus.evidence import EQUIVOCATION, Amnesia, Contradiction, Equivocation, Fork
from consensus.messages import (
    MAX_EVIDENCE,
    Block,
    Commit,
    CommitCertificate,
    Message,
    PolkaCertificate,
    Proposal,
    Vote,
)
from consensus.refusals import Refusal
from consensus.state import MAX_POLKAS
from consensus.state import State as Machine
from contracts import api
from contracts.api import Charge
from contracts.state import State
from node import journal
from node.effects import Append, Fatal, Reply, Send, SendAll, Submission, Sync, Triple
from node.ledger.ledger import Ledger
from node.peer.wire import Frame
from node.render import render
from node.seats import Sets
from node.work import Work
from zk.codec import Codec, Malformed, encode

MAX_PENDING = 1_024
"""Pieces that wait for a block, together at most 1 MiB."""
MAX_PER_ACCUSED = 4
"""Of one seat: who contradicts itself often does not keep others out of the pool."""
AHEAD = 2
"""Evidence may be of a height that is not executed here, as far as the sets are known."""

DISHONEST = (
    "consensus.evidence-malformed",
    "consensus.evidence-order",
    "consensus.evidence-pair",
    "consensus.evidence-same",
    "consensus.no-quorum",
    "consensus.signature",
    "consensus.stranger",
    "consensus.unsorted",
)
"""Refusals of what no honest node sends on."""

Answer = Callable[[str], None]
"""Gets "ok" once the evidence is held, else the code of a refusal."""


class Halt(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Why a node stopped for good: the journal's record of it. `rebuttals` are polkas that clear the accused."""

    pair: Contradiction
    rebuttals: Annotated[tuple[PolkaCertificate, ...], Meta(max_length=MAX_POLKAS)] = ()


HALT: Codec[Halt] = Codec(Halt, journal.MAX_RECORD_BYTES)


class EvidencePool:
    """The evidence of one node. `on_payload` passes the verdict on a block's evidence on; `on_arrival` says that
    there is something to put into a block."""

    def __init__(
        self,
        ledger: Ledger,
        sets: Sets,
        work: Work,
        on_payload: Callable[[bytes, bool], None],
        on_arrival: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._sets = sets
        self._work = work
        self._on_payload = on_payload
        self._on_arrival = on_arrival
        self._pieces: dict[tuple[str, int], bytes] = {}
        """Encoded, by accused and height."""
        self._comparing = False

    def __len__(self) -> int:
        return len(self._pieces)

    def pending(self) -> list[bytes]:
        """Everything that waits for a block, encoded."""
        return list(self._pieces.values())

    # Heights

    def recover(self, records: Iterable[tuple[int, int, bytes]]) -> bool:
        """Take back what the journal holds. False when it holds two certificates that exclude each other: then the
        node has halted, and halts again."""
        for kind, _, body in records:
            if kind == journal.CONTRADICTION:
                self._stop(HALT.decode(body))
                return False
            if kind == journal.EVIDENCE:
                evidence = EQUIVOCATION.decode(body)
                if self._refusal(evidence) is None:
                    self._pieces[rules.offence_of(evidence)] = body
        return True

    def height_done(self, block: Block) -> None:
        """The ledger has a new height: drop what it recorded, and what has expired."""
        if block.evidence:
            for key in [key for key in self._pieces if self._is_done(*key)]:
                del self._pieces[key]
        height, time_ms = self._ledger.height + 1, self._ledger.time_ms(self._ledger.height)
        for key in [key for key in self._pieces if self._expired(key[1], height, time_ms)]:
            del self._pieces[key]

    def select(self, time_ms: int) -> tuple[bytes, ...]:
        """Evidence for a block of the open height at `time_ms`, oldest first."""
        if not self._pieces:
            return ()
        height = self._ledger.height + 1
        ordered = sorted((at, accused) for accused, at in self._pieces if at <= height)
        fresh = (key for key in ordered if not self._expired(key[0], height, time_ms))
        return tuple(self._pieces[accused, at] for at, accused in islice(fresh, MAX_EVIDENCE))

    def charges(self, block: Block) -> tuple[Charge, ...]:
        """What the evidence of a decided block says, for execution."""
        if not block.evidence:
            return ()
        reporter = self._organisation(block.header.proposer, block.header.height)
        assert reporter is not None, "a block is decided only when its proposer had the turn"
        return tuple(self._charge(rules.decode(raw), reporter) for raw in block.evidence)

    def _charge(self, evidence: Equivocation, reporter: str) -> Charge:
        accused, height = rules.offence_of(evidence)
        member = self._organisation(accused, height)
        assert member is not None, "a block is decided only when its evidence was checked"
        hash_ = rules.evidence_hash(evidence, self._ledger.chain_id)
        return Charge(accused, member, evidence.kind, height, evidence.first.round, hash_, reporter)

    def _organisation(self, node: str, height: int) -> str | None:
        """Whose seat a node was at a height; None: it had none."""
        seat = self._sets(height).seat(node)
        return None if seat is None else seat.organisation

    def _is_done(self, accused: str, height: int) -> bool:
        """Whether nothing can come of evidence any more, whatever it says of this seat at this height."""
        return self._settled(State(self._ledger, self._ledger.records), accused, height) is not None

    def _settled(self, state: State, accused: str, height: int) -> str | None:
        """The code by which committed state refuses evidence of this seat at this height; None: it is welcome."""
        if api.is_accused(state, accused, height):
            return "consensus.evidence-known"
        organisation = self._organisation(accused, height)
        if organisation is not None and api.is_tombstoned(state, organisation):
            return "consensus.evidence-tombstoned"
        return None

    # Blocks

    def judge(self, block: Block, ok: bool) -> None:
        """The transactions of a proposed block are here and valid (`ok`): see to its evidence, then pass it on."""
        block_id = block.header.id()
        if not ok or not block.evidence:
            self._on_payload(block_id, ok)
            return
        try:
            triples = self._check_block(block)
        except Refusal as refusal:
            self._work.counters[refusal.code] += 1
            self._on_payload(block_id, False)
            return
        self._work.verify(triples, partial(self._judged, block.header.height, block_id), urgent=True)

    def _judged(self, height: int, block_id: bytes, valid: list[bool]) -> None:
        if height == self._ledger.height + 1:
            self._on_payload(block_id, all(valid))

    def _check_block(self, block: Block) -> list[Triple]:
        """Signatures of evidence that is well formed, young enough, once per accused and height, and against nobody who
        was punished by an earlier block. Depends on the block and committed state alone."""
        header, state = block.header, State(self._ledger, self._ledger.records)
        triples: list[Triple] = []
        seen: set[tuple[str, int]] = set()
        for raw in block.evidence:
            evidence = rules.decode(raw)
            accused, height = rules.offence_of(evidence)
            if not 1 <= height <= header.height:
                raise Refusal("consensus.evidence-height", f"{height} in block {header.height}")
            if self._expired(height, header.height, header.time_ms):
                raise Refusal("consensus.evidence-expired", f"{height} in block {header.height}")
            code = "consensus.evidence-known" if (accused, height) in seen else self._settled(state, accused, height)
            if code is not None:
                raise Refusal(code, f"{accused} at height {height}")
            seen.add((accused, height))
            triples += self._checks(evidence)
        return triples

    def _checks(self, evidence: Equivocation) -> list[Triple]:
        validators = self._sets(evidence.first.height)
        return [Triple(*one) for one in rules.check(evidence, self._ledger.chain_id, validators)]

    def _expired(self, height: int, at_height: int, at_ms: int) -> bool:
        """Whether a block of `at_height` and `at_ms` is too late for evidence about `height`."""
        if height > self._ledger.height:
            return False
        params = api.rules(State(self._ledger, self._ledger.records)).consensus
        age_ms = at_ms - self._ledger.time_ms(height)
        return rules.is_expired(at_height - height, age_ms, params.evidence_age_blocks, params.evidence_age_ms)

    # Taking evidence in

    def conflict(self, one: Proposal | Vote, other: Proposal | Vote) -> None:
        """The machine saw one key contradict itself."""
        evidence = rules.equivocation(one, other)
        if evidence is not None:
            self._consider(evidence, self._count)

    def received(self, peer: str, message: Equivocation | Contradiction) -> None:
        """A peer reports what it saw."""

        def answer(code: str) -> None:
            if code in DISHONEST:
                self._work.penalise(peer, code)
            else:
                self._count(code)

        if isinstance(message, Fork | Amnesia):
            self._compare(message, answer)
        else:
            self._consider(message, answer)

    def reported(self, request: int, raw: bytes) -> None:
        """A client, such as a light client that was lied to, reports what it saw."""

        def answer(code: str) -> None:
            self._work.emit(Sync(), Reply(request, [Submission(b"", code)]))

        try:
            evidence = EQUIVOCATION.decode(raw)
        except Malformed:
            answer("consensus.evidence-malformed")
            return
        self._consider(evidence, answer)

    def introduce(self, peer: str) -> None:
        """Tell a peer that has just connected what waits here."""
        for raw in self._pieces.values():
            self._work.emit(Send(peer, Frame.EVIDENCE, raw))

    def _count(self, code: str) -> None:
        if code != "ok":
            self._work.counters[code] += 1

    def _refusal(self, evidence: Equivocation) -> str | None:
        """Why this evidence is of no use, without its signatures; None: it is."""
        accused, height = rules.offence_of(evidence)
        if not 1 <= height <= self._ledger.height + AHEAD:
            return "consensus.future-height"
        if (accused, height) in self._pieces:
            return "consensus.evidence-known"
        code = self._settled(State(self._ledger, self._ledger.records), accused, height)
        if code is not None:
            return code
        if self._expired(height, self._ledger.height + 1, self._ledger.time_ms(self._ledger.height)):
            return "consensus.evidence-expired"
        held = sum(name == accused for name, _ in self._pieces)
        if len(self._pieces) >= MAX_PENDING or held >= MAX_PER_ACCUSED:
            return "consensus.evidence-full"
        return None

    def _consider(self, evidence: Equivocation, answer: Answer) -> None:
        code = self._refusal(evidence)
        if code is not None:
            answer(code)
            return
        try:
            triples = self._checks(evidence)
        except Refusal as refusal:
            answer(refusal.code)
            return
        self._work.verify(triples, partial(self._considered, evidence, answer), urgent=True)

    def _considered(self, evidence: Equivocation, answer: Answer, valid: list[bool]) -> None:
        code = self._refusal(evidence) if all(valid) else "consensus.signature"
        if code is None:
            self._keep(evidence)
        answer(code or "ok")

    def _keep(self, evidence: Equivocation) -> None:
        raw = encode(evidence)
        self._pieces[rules.offence_of(evidence)] = raw
        self._work.counters["evidence.kept"] += 1
        self._work.emit(Append(journal.EVIDENCE, self._ledger.height + 1, raw), SendAll(Frame.EVIDENCE, raw, own=False))
        self._on_arrival()

    # Certificates that exclude each other

    def halts_on(self, machine: Machine, certificate: CommitCertificate | PolkaCertificate | None) -> bool:
        """Compare all checked certificates of the open height, those that the machine holds and one that just came.

        True: two exclude each other, and the node stops."""
        if certificate is None:
            return False
        held = [machine.polkas[round_] for round_ in sorted(machine.polkas)]
        known = (certificate, *held) if machine.commit is None else (certificate, machine.commit, *held)
        for commit in known:
            for other in known:
                pair = rules.contradiction(commit, other) if isinstance(commit, CommitCertificate) else None
                if pair is not None:
                    self._halt(pair, tuple(polka for polka in held if rules.rebuts(polka, pair)))
                    return True
        return False

    def past(self, peer: str, message: Message) -> None:
        """A message of a height that is executed here: of use only if it shows that another block was decided."""
        other = certificate_of(message)
        known = None if other is None else self._ledger.certificate(other.height)
        pair = None if known is None or other is None else rules.contradiction(known, other)
        if pair is not None:
            self.received(peer, pair)

    def _compare(self, pair: Contradiction, answer: Answer) -> None:
        """Have a pair from outside verified, one at a time: it may hold hundreds of signatures."""
        height = _height(pair)
        if self._comparing or not 1 <= height <= self._ledger.height + AHEAD:
            return
        try:
            checks = rules.check_contradiction(pair, self._ledger.chain_id, self._sets(height))
        except Refusal as refusal:
            answer(refusal.code)
            return
        self._comparing = True
        self._work.verify([Triple(*one) for one in checks], partial(self._compared, pair, answer), urgent=False)

    def _compared(self, pair: Contradiction, answer: Answer, valid: list[bool]) -> None:
        self._comparing = False
        if all(valid):
            self._halt(pair)
        else:
            answer("consensus.signature")

    def _halt(self, pair: Contradiction, rebuttals: tuple[PolkaCertificate, ...] = ()) -> None:
        """Put it on disk, tell everybody, and stop: the journal keeps a node that has halted from starting again."""
        halt = Halt(pair, rebuttals)
        if isinstance(pair, Fork):
            for evidence in rules.duplicate_precommits(pair.first, pair.second, self._sets(pair.first.height)):
                if self._refusal(evidence) is None:
                    self._keep(evidence)
        self._work.emit(
            Append(journal.CONTRADICTION, self._ledger.height + 1, encode(halt)),
            Sync(),
            SendAll(Frame.EVIDENCE, encode(pair), own=False),
        )
        self._stop(halt)

    def _stop(self, halt: Halt) -> None:
        height = _height(halt.pair)
        # The journal outlives a store that was moved away, and with it the seats.
        seated = height <= self._ledger.height + AHEAD
        self._work.emit(describe(halt, rules.signers_of_both(halt.pair, self._sets(height)) if seated else ()))


def certificate_of(message: Message) -> CommitCertificate | PolkaCertificate | None:
    """The certificate in a message, of the kinds that may exclude each other."""
    match message:
        case Commit(certificate):
            return certificate
        case PolkaCertificate():
            return message
        case _:
            return None


def describe(halt: Halt, signers: tuple[str, ...]) -> Fatal:
    """Why the node stops, in a sentence, and all certificates as a report. No `signers` means that this store does not
    reach the height: two quorums always share somebody."""
    pair, names = halt.pair, ", ".join(signers) or "seats that this store does not know yet"
    if isinstance(pair, Fork):
        code, one, other = "consensus.fork", pair.first, pair.second
        message = (
            f"Two quorums decided height {one.height}: block {one.block_id.hex()} in round {one.round} and block "
            f"{other.block_id.hex()} in round {other.round}. Signed both: {names}."
        )
    else:
        code, commit, polka = "consensus.amnesia", pair.commit, pair.polka
        message = (
            f"At height {commit.height} a quorum precommitted block {commit.block_id.hex()} in round {commit.round}, "
            f"and in round {polka.round} a quorum prevoted block {polka.block_id.hex()} as of round "
            f"{polka.valid_round}. Signed both: {names}. "
        )
        message += (
            f"The polka of round {halt.rebuttals[0].round} clears them: they may have locked anew there."
            if halt.rebuttals
            else "They stand accused unless they show a polka in between."
        )
    hint = (
        f"Both certificates are in {code}.json in this node's home. It signs nothing any more. Show them to the other "
        "members: they decide from which block to go on, by export and a new genesis."
    )
    report = {
        "code": code,
        "message": message,
        "signed_both": signers,
        **render(pair),
        "rebuttals": render(halt.rebuttals),
        "encoded": encode(pair).hex(),
    }
    return Fatal(code, message, hint, json.format(json.encode(report), indent=2) + b"\n")


def _height(pair: Contradiction) -> int:
    return (pair.first if isinstance(pair, Fork) else pair.commit).height
