"""Sets, contexts, blocks and signed messages of a test height.

Signatures are hashes of (key, bytes): unforgeable here because an adversary only signs with its own key, and
cheap enough for thousands of schedules.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache, partial

from msgspec.structs import replace

from consensus.block import build_block
from consensus.effects import HeightContext, Parent, Timing
from consensus.messages import (
    NO_ROUND,
    Block,
    CommitCertificate,
    PolkaCertificate,
    Proposal,
    Vote,
    VoteType,
)
from consensus.proposers import Proposers
from consensus.validators import Validator, ValidatorSet
from tests.support.pact import beacon_key_of
from zk.hashing import ZERO_HASH, sha256

CHAIN = "test-chain"
NAMES = ("ann", "bob", "cyd", "dan")
TIMING = Timing(target_block_ms=100, precision_ms=200, message_delay_ms=200)
START_MS = 1_700_000_000_000
HEIGHT = 8
"""Round 0 belongs to ann, round 1 to bob, and so on."""
PREVOTE, PRECOMMIT = VoteType.PREVOTE, VoteType.PRECOMMIT


def key_of(name: str) -> bytes:
    """Public key of a member, 32 bytes."""
    return sha256(b"key/" + name.encode())


def sign(name: str, signed: bytes) -> bytes:
    """64 bytes that only the harness makes."""
    return hashlib.sha512(key_of(name) + signed).digest()


def verifies(key: bytes, signed: bytes, signature: bytes) -> bool:
    """Counterpart of `sign`."""
    return hashlib.sha512(key + signed).digest() == signature


def signed_vote(vote: Vote) -> Vote:
    """The vote with its voter's signature."""
    return replace(vote, signature=sign(vote.voter, vote.sign_bytes(CHAIN)))


def signed_proposal(proposal: Proposal) -> Proposal:
    """The proposal with its proposer's signature."""
    return replace(proposal, signature=sign(proposal.proposer, proposal.sign_bytes(CHAIN)))


def vote(
    voter: str,
    kind: VoteType,
    round_: int,
    block_id: bytes | None,
    valid_round: int = NO_ROUND,
    height: int = HEIGHT,
) -> Vote:
    """A signed vote."""
    return signed_vote(Vote(kind, height, round_, block_id, valid_round, voter, b""))


def make_set(
    names: Iterable[str] = NAMES, powers: Sequence[int] | None = None, flagged: Iterable[str] = ()
) -> ValidatorSet:
    """A set of the named members, power 1 each unless given."""
    ordered = sorted(names)
    weights = [1] * len(ordered) if powers is None else list(powers)
    hidden = set(flagged)
    return ValidatorSet(
        tuple(
            Validator(name, name, key_of(name), beacon_key_of(name).public_key, weight, name in hidden)
            for name, weight in zip(ordered, weights, strict=True)
        )
    )


def commit_of(
    names: Iterable[str],
    validators: ValidatorSet,
    block_id: bytes,
    round_: int = 0,
    height: int = HEIGHT,
) -> CommitCertificate:
    """Commit certificate by the named members."""
    votes = [vote(name, PRECOMMIT, round_, block_id, height=height) for name in names]
    return CommitCertificate(
        height,
        round_,
        block_id,
        tuple(sorted((validators.index[each.voter], each.signature) for each in votes)),
    )


def polka_of(
    names: Iterable[str],
    validators: ValidatorSet,
    block_id: bytes,
    round_: int = 0,
    valid_round: int = NO_ROUND,
) -> PolkaCertificate:
    """Polka certificate by the named members."""
    votes = [vote(name, PREVOTE, round_, block_id, valid_round) for name in names]
    return PolkaCertificate(
        HEIGHT,
        round_,
        block_id,
        valid_round,
        tuple(sorted((validators.index[each.voter], each.signature) for each in votes)),
    )


@lru_cache(maxsize=4096)
def contribution(name: str, message: bytes) -> bytes:
    """What a member signs with its BLS key."""
    return beacon_key_of(name).sign(message)


def rotation(validators: ValidatorSet, height: int) -> Proposers:
    """Everybody in turn, by id."""
    count = len(validators)
    return Proposers((validators.seats[(height + round_) % count] for round_ in range(count)), count)


def make_context(validators: ValidatorSet | None = None, height: int = HEIGHT) -> HeightContext:
    """A height whose parent carried nothing and changed nothing: only a payload justifies a block."""
    validators = make_set() if validators is None else validators
    parent_id = sha256(b"parent")
    quorum = [seat.id for seat in validators.seats if not seat.flagged][: len(validators) * 2 // 3 + 1]
    return HeightContext(
        chain_id=CHAIN,
        version=1,
        height=height,
        validators=validators,
        proposers=rotation(validators, height),
        mix=sha256(b"mix"),
        next_set_hash=validators.hash,
        params_hash=sha256(b"params"),
        timing=TIMING,
        parent=Parent(
            block_id=parent_id,
            time_ms=START_MS - 1_000,
            state_root=sha256(b"state"),
            carried=False,
            validators=validators,
            certificate=commit_of(quorum, validators, parent_id, height=height - 1),
        ),
        state_root=sha256(b"state"),
        receipts_root=ZERO_HASH,
        earliest_deadline_ms=None,
        phase_open=False,
    )


def payload_named(label: str) -> tuple[bytes, ...]:
    """A payload of one made-up transaction hash."""
    return (b"\x01" + sha256(label.encode())[1:],)


def build(
    context: HeightContext,
    round_: int,
    payload: tuple[bytes, ...],
    clock_ms: int,
    certificate: CommitCertificate | None,
    evidence: tuple[bytes, ...] = (),
) -> Block:
    """What the proposer of `round_` makes of this, with its beacon."""
    contribute = partial(contribution, context.proposers.proposer(round_).id)
    return build_block(context, round_, payload, clock_ms, certificate, evidence, contribute=contribute)


def make_block(context: HeightContext, round_: int, label: str = "value", clock_ms: int = START_MS) -> Block:
    """The block that the proposer of `round_` builds, told apart by `label`."""
    return build(context, round_, payload_named(label), clock_ms, context.parent.certificate)


def propose(context: HeightContext, round_: int, block: Block, valid_round: int = NO_ROUND) -> Proposal:
    """`block`, proposed and signed by the proposer of `round_`."""
    proposer = context.proposers.proposer(round_).id
    return signed_proposal(Proposal(context.height, round_, valid_round, block, proposer, b""))
