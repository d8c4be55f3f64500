"""Proposals that nobody should vote for: false blocks and times, transactions that are altered or that nobody has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from itertools import cycle

from msgspec.structs import replace

from consensus.block import certificate_hash
from consensus.messages import MAX_PAYLOAD, Block, CommitCertificate, Header, Proposal
from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.peer.wire import Frame, TransactionRequest, Transactions
from zk import merkle
from zk.codec import encode
from zk.hashing import sha256


class OtherBlocks(Behaviour, ABC):
    """In its turn proposes what `other` makes of the block; everybody gets the same."""

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._made: dict[bytes, bytes] = {}

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if not isinstance(message, Proposal):
            return [Out(target, frame, body)]
        if body not in self._made:
            block = self.other(message.block)
            self._made = {body: body if block is None else self.signed(replace(message, block=block))}
        if self._made[body] != body:
            self.acted()
        return [Out(target, frame, self._made[body])]

    @abstractmethod
    def other(self, block: Block) -> Block | None:
        """The block to propose, or None: this time an honest one."""


def with_payload(block: Block, payload: tuple[bytes, ...]) -> Block:
    """The block with another payload that its header commits to."""
    return replace(block, header=replace(block.header, payload_root=merkle.root(payload)), payload=payload)


def with_certificate(block: Block, certificate: CommitCertificate | None) -> Block:
    """The block with another included certificate that its header commits to."""
    hash_ = certificate_hash(certificate, block.header.chain_id)
    return replace(block, header=replace(block.header, last_certificate_hash=hash_), last_certificate=certificate)


FALSE_FIELDS: dict[str, Callable[[Header], object]] = {
    "version": lambda header: header.version % 255 + 1,
    "chain_id": lambda header: f"not-{header.chain_id}"[:49],
    "height": lambda header: header.height + 1,
    "parent_hash": lambda header: sha256(header.parent_hash),
    "time_ms": lambda _: 0,
    "params_hash": lambda header: sha256(header.params_hash),
    "proposer": lambda header: header.proposer[:-1] + ("a" if header.proposer[-1] != "a" else "b"),
    "proposer_round": lambda header: header.proposer_round + 1,
    "set_hash": lambda header: sha256(header.set_hash),
    "next_set_hash": lambda header: sha256(header.next_set_hash),
    "last_certificate_hash": lambda header: sha256(header.last_certificate_hash),
    "payload_root": lambda header: sha256(header.payload_root),
    "state_root": lambda header: sha256(header.state_root),
    "receipts_root": lambda header: sha256(header.receipts_root),
    "evidence_root": lambda header: sha256(header.evidence_root),
    "beacon": lambda _: b"chosen",
}
"""Another value for each field of a header."""


def false_header(field: str) -> Callable[[Block], Block]:
    """What makes a block whose header is wrong in this field."""
    return lambda block: replace(block, header=replace(block.header, **{field: FALSE_FIELDS[field](block.header)}))


def _other_body(block: Block) -> Block:
    return replace(block, payload=(*block.payload, sha256(b"smuggled in")))


def _twice(block: Block) -> Block:
    named = block.payload or (sha256(b"made up"),)
    return with_payload(block, named + named[:1])


def _oversize(block: Block) -> Block:
    return with_payload(block, tuple(sha256(b"%d" % number) for number in range(MAX_PAYLOAD + 1)))


def other_certificate(
    change: Callable[[CommitCertificate], CommitCertificate | None],
) -> Callable[[Block], Block]:
    """What makes a block that includes another certificate; block 1 includes none, and gets another parent instead."""

    def other(block: Block) -> Block:
        if block.last_certificate is None:
            return false_header("parent_hash")(block)
        return with_certificate(block, change(block.last_certificate))

    return other


def _weak(certificate: CommitCertificate) -> CommitCertificate:
    return replace(certificate, signatures=certificate.signatures[:1])


def _unsigned(certificate: CommitCertificate) -> CommitCertificate:
    return replace(certificate, signatures=tuple((index, bytes(64)) for index, _ in certificate.signatures))


def _of_another_block(certificate: CommitCertificate) -> CommitCertificate:
    return replace(certificate, block_id=sha256(certificate.block_id))


def _empty(block: Block) -> Block:
    """Without content; valid if there is a reason for it."""
    return with_payload(block, ())


def _false_evidence(block: Block) -> Block:
    evidence = (b"no evidence",)
    return replace(block, header=replace(block.header, evidence_root=merkle.root(evidence)), evidence=evidence)


FALSE_BLOCKS = (
    *map(false_header, FALSE_FIELDS),
    _other_body,
    _twice,
    _oversize,
    other_certificate(_weak),
    other_certificate(_unsigned),
    other_certificate(lambda _: None),
    other_certificate(_of_another_block),
    _empty,
    _false_evidence,
)


@behaviour
class FalseBlocks(OtherBlocks):
    """Proposes blocks that are wrong in one thing, each in its turn."""

    name = "false-blocks"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        shuffled = self.random.sample(FALSE_BLOCKS, len(FALSE_BLOCKS))
        self._next = cycle(shuffled)

    def other(self, block: Block) -> Block | None:
        return next(self._next)(block)


@behaviour
class FalseTimes(OtherBlocks):
    """Proposes blocks from the past and from the future, by a little and by much."""

    name = "false-times"
    SKEWS_MS = (1, 50, 200, 400, 1_000, 5_000, 60_000, 86_400_000)

    def other(self, block: Block) -> Block | None:
        skew_ms = self.random.choice((-1, 1)) * self.random.choice(self.SKEWS_MS)
        return replace(block, header=replace(block.header, time_ms=block.header.time_ms + skew_ms))


@behaviour
class FalseValidRounds(Behaviour):
    """Proposes in its turn as if the block had been proposed before and had had a polka, which nobody has seen."""

    name = "false-valid-rounds"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if not isinstance(message, Proposal) or message.round == 0:
            return [Out(target, frame, body)]
        # The same lie to everybody.
        valid_round = sha256(f"{message.height}/{message.round}".encode())[0] % message.round
        proposer = self.proposer(valid_round)
        # A proposer has one beacon to give in a height, so whoever has heard it can repeat it.
        heard = [known.block.header for known in self.state.candidates.values()]
        beacon = next((header.beacon for header in heard if header.proposer == proposer), message.block.header.beacon)
        header = replace(message.block.header, proposer=proposer, proposer_round=valid_round, beacon=beacon)
        self.acted()
        block = replace(message.block, header=header)
        return [Out(target, frame, self.signed(replace(message, block=block, valid_round=valid_round)))]


@behaviour
class HiddenPayloads(OtherBlocks):
    """Names transactions that nobody has, or only itself, and keeps them."""

    name = "hidden-payloads"

    def other(self, block: Block) -> Block | None:
        made_up = sha256(encode((self.node, block.header.height, block.header.proposer_round)))
        return with_payload(block, (*block.payload, made_up)[-MAX_PAYLOAD:])


class ServedBlocks(OtherBlocks, ABC):
    """Proposes transactions that only it has, and serves them to whoever asks."""

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self.served: dict[bytes, bytes] = {}
        """By hash, those of the newest block."""

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        if frame is not Frame.TRANSACTION_REQUEST:
            return []
        request = read(frame, body)
        if not isinstance(request, TransactionRequest):
            return []
        raws = tuple(self.served[hash_] for hash_ in request.hashes if hash_ in self.served)
        return [Out(peer, Frame.TRANSACTION_RESPONSE, encode(Transactions(raws)))] if raws else []


@behaviour
class ReplayedTransactions(ServedBlocks):
    """Proposes transactions that are on the ledger already."""

    name = "replayed-transactions"

    def other(self, block: Block) -> Block | None:
        ledger = self.machine.ledger
        height = self.random.randrange(ledger.height + 1)
        past = ledger.block(height)
        if past is None or not past.payload:
            return None
        self.served = dict(zip(past.payload, ledger.transactions(height), strict=True))
        return with_payload(block, (*past.payload, *(named for named in block.payload if named not in self.served)))


@behaviour
class AlteredTransactions(ServedBlocks):
    """Alters a transaction of somebody else, proposes it, and serves it to whoever asks."""

    name = "altered-transactions"

    def other(self, block: Block) -> Block | None:
        assert self.machine.driver is not None
        flow = self.machine.driver.replica.flow
        entry = None if not block.payload else flow.mempool.get(self.random.choice(block.payload))
        if entry is None:
            return None
        raw = bytearray(entry.raw)
        raw[-1 - self.random.randrange(len(raw) // 2)] ^= 1 << self.random.randrange(8)
        hash_ = flow.admission.hash(bytes(raw))
        self.served = {hash_: bytes(raw)}
        return with_payload(block, tuple(hash_ if named == entry.hash else named for named in block.payload))
