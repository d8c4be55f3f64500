"""Answers about the chain itself: blocks, transactions, receipts, and what a node says about its own state."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from consensus.evidence import Equivocation
from consensus.messages import CommitCertificate, Header
from contracts import bodies
from node.access.log import Entry
from node.proofs import ReceiptBundle

Decimal = Annotated[str, msgspec.Meta(pattern=r"^-?(0|[1-9][0-9]*)\Z")]
"""An integer as a string, because JavaScript loses digits of large ones."""
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Hex = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
Open = dict[str, Any]
"""A document of one of many forms, told apart by its `type`."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer's form."""


class Problem(Answer, frozen=True, kw_only=True):
    """Why a request was not carried out: a code that never changes its meaning, a sentence, and what to do next."""

    code: str
    message: str
    hint: str


class Block(Answer, frozen=True, kw_only=True):
    """A block with the certificate that decided it."""

    height: int
    id: Hash
    time_ms: int
    header: Header
    payload: tuple[Hash, ...]
    evidence: tuple[Equivocation, ...]
    certificate: CommitCertificate | None


class BlockHeader(Answer, frozen=True, kw_only=True):
    """A header with the certificate that decided it."""

    height: int
    id: Hash
    header: Header
    certificate: CommitCertificate | None


class BlockSummary(Answer, frozen=True, kw_only=True):
    """A block in a list."""

    height: int
    id: Hash
    time_ms: int
    proposer: str
    proposer_round: int
    transactions: int
    evidence: int


class Blocks(Answer, frozen=True, kw_only=True):
    """Newest blocks first. `next`: the `before` of the page that follows; none: this was the last."""

    height: int
    blocks: tuple[BlockSummary, ...]
    next: int | None


class Told(Answer, frozen=True, kw_only=True):
    """What a transaction did, as far as the asker may read it; an event that is kept is told by its sort alone."""

    code: str
    units: int | None
    events: tuple[Open, ...]


class Decided(Answer, frozen=True, kw_only=True):
    """A transaction in its block. Of one that is kept, `raw` is null and the envelope told by its sorts alone."""

    hash: Hash
    index: int
    envelope: Open
    raw: Hex | None
    receipt: Told


class Transaction(Answer, frozen=True, kw_only=True):
    """A decided transaction with its receipt."""

    height: int
    time_ms: int
    data: Decided
    proof: ReceiptBundle | None = None


class ClockReceipt(Answer, frozen=True, kw_only=True):
    """What the clock of a block did."""

    height: int
    time_ms: int
    data: Told


class TransactionSummary(Answer, frozen=True, kw_only=True):
    """A transaction in a list. `sender`: the member or meter that signed it; null: it is kept."""

    height: int
    index: int
    time_ms: int
    hash: Hash
    type: str
    body: str
    sender: str | None
    code: str


class Transactions(Answer, frozen=True, kw_only=True):
    """Newest first. `next`: the `before` of the page that follows, also where a page found nothing; none: all seen."""

    height: int
    transactions: tuple[TransactionSummary, ...]
    next: str | None


class PlainReading(bodies.PlainReading, frozen=True, kw_only=True):
    """An accepted reading with its transaction."""

    meter: str
    hash: Hash
    index: int
    envelope: Open
    raw: Hex | None
    receipt: Told


class CommittedReading(bodies.CommittedReading, frozen=True, kw_only=True):
    """An accepted reading whose registers are hidden in commitments, with its transaction."""

    meter: str
    hash: Hash
    index: int
    envelope: Open
    raw: Hex | None
    receipt: Told


class ReadingAnswer(Answer, frozen=True, kw_only=True):
    """A reading with the place of its transaction."""

    height: int
    time_ms: int
    data: PlainReading | CommittedReading
    proof: ReceiptBundle | None = None


class Status(Answer, frozen=True, kw_only=True):
    """Where a node stands, and why nothing happens if nothing does."""

    chain_id: str
    node: str
    height: int
    time_ms: int
    known_rule_sets: tuple[int, ...]
    access: dict[str, int]
    block_time_ms: int = 0
    restored: bool = False
    rule_set: int = 1
    state_root: Hex = ""
    syncing: bool = False
    best_peer_height: int = 0
    consensus: Open = {}
    epoch: Open = {}
    stuck: str | None = None
    executed: int = 0
    fsyncs: int = 0
    mempool: dict[str, int] = {}
    evidence: dict[str, int] = {}
    peers: tuple[Open, ...] = ()
    counters: dict[str, int] = {}


class Health(Answer, frozen=True, kw_only=True):
    """Whether the node makes progress."""

    ok: bool
    message: str


class Reported(Answer, frozen=True, kw_only=True):
    """What became of evidence: `kept` until a block has it, or `known`."""

    hash: Hash
    status: str


class Submitted(Answer, frozen=True, kw_only=True):
    """What became of one envelope. `final` and `code` "ok": it did what it says."""

    hash: Hash
    status: str
    code: str
    message: str = ""
    hint: str = ""
    height: int | None = None
    index: int | None = None
    receipt: Open | None = None
    proof: ReceiptBundle | None = None


class Submission(Answer, frozen=True, kw_only=True):
    """One result for each envelope, in order."""

    results: tuple[Submitted, ...]


class Refusals(Answer, frozen=True, kw_only=True):
    """What this node kept back of the asker's own records, newest first."""

    member: str
    entries: tuple[Entry, ...]
