"""What validators say to each other about one height, and what exactly they sign.

Types only: sizes and rates on the wire are in `node.peer.wire`, verification in `consensus.certificates`.
Ids are 1..32 of `[a-z0-9-]`; hashes 32 bytes; signatures Ed25519, 64 bytes; times UTC milliseconds.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

import msgspec

from zk.codec import encode
from zk.hashing import domain, sha256

Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
ChainId = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,49}\Z")]
Hash = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
PublicKey = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Height = Annotated[int, msgspec.Meta(ge=0, le=2**48 - 1)]
Round = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
ValidRound = Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)]
Time = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Power = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]

MAX_VALIDATORS = 256
MAX_PAYLOAD = 8192
"""Transactions in one block."""
MAX_EVIDENCE = 64
"""Pieces of evidence in one block."""
MAX_EVIDENCE_BYTES = 1024
"""Encoding of one piece of evidence: two signed votes or proposals, these by block id."""

NO_ROUND = -1
"""`valid_round` of a value that never had a polka."""


class VoteType(IntEnum):
    """The two voting steps."""

    PREVOTE = 1
    PRECOMMIT = 2


class Header(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a block id commits to.

    `state_root` and `receipts_root` are those after executing the parent. `proposer` and `proposer_round` are
    the original ones, so that a locked value stays valid when somebody else proposes it again (L28).
    """

    version: Annotated[int, msgspec.Meta(ge=1, le=255)]
    chain_id: ChainId
    height: Height
    parent_hash: Hash
    time_ms: Time
    params_hash: Hash
    proposer: Id
    proposer_round: Round
    set_hash: Hash
    next_set_hash: Hash
    last_certificate_hash: Hash
    payload_root: Hash
    state_root: Hash
    receipts_root: Hash
    evidence_root: Hash
    beacon: Annotated[bytes, msgspec.Meta(max_length=48)]

    def id(self) -> bytes:
        """Block id: the domain-separated hash of the header."""
        return sha256(domain("header", self.chain_id) + encode(self))


class CommitCertificate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """More than 2/3 of power precommitted `block_id` in `round`: anybody can check the decision from it
    alone.

    `signatures` are (seat index in the id-sorted set, signature), strictly ascending by index.
    """

    height: Height
    round: Round
    block_id: Hash
    signatures: Annotated[
        tuple[tuple[Annotated[int, msgspec.Meta(ge=0, lt=MAX_VALIDATORS)], Signature], ...],
        msgspec.Meta(max_length=MAX_VALIDATORS),
    ]

    def hash(self, chain_id: str) -> bytes:
        """What the next header commits to."""
        return sha256(domain("commit", chain_id) + encode(self))


class Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A header with everything that it commits to, transactions by hash."""

    header: Header
    payload: Annotated[tuple[Hash, ...], msgspec.Meta(max_length=MAX_PAYLOAD)]
    last_certificate: CommitCertificate | None
    """Certificate of height - 1 that the proposer included; None only at height 1."""
    evidence: Annotated[
        tuple[Annotated[bytes, msgspec.Meta(max_length=MAX_EVIDENCE_BYTES)], ...], msgspec.Meta(max_length=MAX_EVIDENCE)
    ]
    """Encoded `consensus.evidence.Equivocation`s."""


class Proposal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """`<PROPOSAL, h, r, v, validRound>` of the paper, signed by the proposer of (height, round)."""

    height: Height
    round: Round
    valid_round: ValidRound
    block: Block
    proposer: Id
    signature: Annotated[bytes, msgspec.Meta(max_length=64)]

    def sign_bytes(self, chain_id: str) -> bytes:
        """What the proposer signs: the block by its id."""
        return proposal_sign_bytes(chain_id, self.height, self.round, self.valid_round, self.block.header.id())


def proposal_sign_bytes(chain_id: str, height: int, round_: int, valid_round: int, block_id: bytes) -> bytes:
    """Signed form of a proposal, also of those inside evidence."""
    return domain("proposal", chain_id) + encode((height, round_, valid_round, block_id))


class Vote(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """`<PREVOTE|PRECOMMIT, h, r, id(v)>`; `block_id` None is nil.

    A prevote repeats the proposal's `valid_round` (accountable Tendermint), so that whoever forgets a lock
    can be named later; it is -1 on precommits and nil votes.
    """

    kind: VoteType
    height: Height
    round: Round
    block_id: Hash | None
    valid_round: ValidRound
    voter: Id
    signature: Annotated[bytes, msgspec.Meta(max_length=64)]

    def sign_bytes(self, chain_id: str) -> bytes:
        """What the voter signs; the voter itself is named by its key."""
        return vote_sign_bytes(chain_id, self.kind, self.height, self.round, self.block_id, self.valid_round)


def vote_sign_bytes(
    chain_id: str, kind: VoteType, height: int, round_: int, block_id: bytes | None, valid_round: int
) -> bytes:
    """Signed form of a vote, also of those inside certificates."""
    return domain("vote", chain_id) + encode((int(kind), height, round_, block_id, valid_round))


class PolkaCertificate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """More than 2/3 of power prevoted `block_id` with one `valid_round` in `round`.

    Brings a locked value to those who missed its prevotes.
    """

    height: Height
    round: Round
    block_id: Hash
    valid_round: ValidRound
    signatures: Annotated[
        tuple[tuple[Annotated[int, msgspec.Meta(ge=0, lt=MAX_VALIDATORS)], Signature], ...],
        msgspec.Meta(max_length=MAX_VALIDATORS),
    ]


class RoundCertificate(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """Votes of distinct seats worth more than 1/3 of power in `round`: the reason to skip to it (L55)."""

    height: Height
    round: Round
    votes: Annotated[tuple[Vote, ...], msgspec.Meta(max_length=MAX_VALIDATORS)]


class Commit(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=5):
    """A commit certificate on the wire, with the block when the sender has reason to think it is missing."""

    certificate: CommitCertificate
    block: Block | None


Message = Proposal | Vote | PolkaCertificate | RoundCertificate | Commit
