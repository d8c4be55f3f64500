"""Who contradicted itself: signed evidence, what makes it hold, and whom it names.

Three kinds. Equivocation is two signed messages of one key for one (height, round, type) that say different
things: it convicts its signer by itself and goes into blocks. A fork (two commit certificates) and amnesia (a
commit certificate and a later polka for another value) say that more than 1/3 were faulty: whoever holds one
halts. Amnesia is never held against a single member: one that locked anew for a polka in between looks the
same, and may show that polka (`rebuts`).

Checks take the set *of the height of the evidence*, raise `Refusal`, and list signatures for the caller to
verify. Never decides what is done to the accused: that is the contracts' matter.
"""

from __future__ import annotations

import msgspec

from consensus.certificates import (
    Certificate,
    SignatureCheck,
    certificate_checks,
    check_quorum,
    votes_of,
)
from consensus.messages import (
    MAX_EVIDENCE_BYTES,
    CommitCertificate,
    Hash,
    Height,
    Id,
    PolkaCertificate,
    Proposal,
    Round,
    Signature,
    ValidRound,
    Vote,
    proposal_sign_bytes,
)
from consensus.refusals import Refusal
from consensus.validators import ValidatorSet
from zk.codec import Codec, Malformed, encode
from zk.hashing import domain, sha256


class SignedProposal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a proposer signed, with the block by its id."""

    height: Height
    round: Round
    valid_round: ValidRound
    block_id: Hash
    proposer: Id
    signature: Signature

    def sign_bytes(self, chain_id: str) -> bytes:
        """The same bytes that `Proposal.sign_bytes` gives."""
        return proposal_sign_bytes(chain_id, self.height, self.round, self.valid_round, self.block_id)


class DuplicateVote(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=1):
    """Two votes of one key for one (height, round, type), in the order of `statement`."""

    first: Vote
    second: Vote

    @property
    def accused(self) -> str:
        """Seat whose key signed both."""
        return self.first.voter

    @property
    def kind(self) -> str:
        """`duplicate-prevote` or `duplicate-precommit`."""
        return f"duplicate-{self.first.kind.name.lower()}"


class DuplicateProposal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=2):
    """Two proposals of one key for one (height, round), in the order of `statement`."""

    first: SignedProposal
    second: SignedProposal

    @property
    def accused(self) -> str:
        """Seat whose key signed both."""
        return self.first.proposer

    @property
    def kind(self) -> str:
        """`duplicate-proposal`."""
        return "duplicate-proposal"


class Fork(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=3):
    """Two quorums decided different blocks at one height; in the order of (round, block id)."""

    first: CommitCertificate
    second: CommitCertificate


class Amnesia(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=4):
    """A quorum precommitted one value, and in a later round a quorum prevoted another one whose `valid_round`
    lies before: every correct signer of both must have locked anew in between."""

    commit: CommitCertificate
    polka: PolkaCertificate


Equivocation = DuplicateVote | DuplicateProposal
Contradiction = Fork | Amnesia

EQUIVOCATION: Codec[Equivocation] = Codec(Equivocation, MAX_EVIDENCE_BYTES)
MAX_CONTRADICTION_BYTES = 64 * 1024
"""Two certificates of at most `MAX_VALIDATORS` signatures each."""


def statement(message: Vote | SignedProposal) -> bytes:
    """What a message says beyond who, where and which type: the order of the two halves of evidence."""
    return encode((message.block_id, message.valid_round))


def decode(raw: bytes) -> Equivocation:
    """Evidence as blocks carry it. Raises `Refusal`."""
    try:
        return EQUIVOCATION.decode(raw)
    except Malformed as error:
        raise Refusal("consensus.evidence-malformed", error.code) from None


def evidence_hash(evidence: Equivocation, chain_id: str) -> bytes:
    """Content hash, by which an offence names its evidence."""
    return sha256(domain("evidence", chain_id) + encode(evidence))


def offence_of(evidence: Equivocation) -> tuple[str, int]:
    """(accused, height): one piece of evidence for each is enough."""
    return evidence.accused, evidence.first.height


def equivocation(one: Vote | Proposal, other: Vote | Proposal) -> Equivocation | None:
    """Evidence out of two contradicting messages with good signatures; None when they do not contradict."""
    evidence: Equivocation
    match one, other:
        case Vote(), Vote():
            left, right = sorted((one, other), key=statement)
            evidence = DuplicateVote(left, right)
        case Proposal(), Proposal():
            low, high = sorted((_compact(one), _compact(other)), key=statement)
            evidence = DuplicateProposal(low, high)
        case _:
            return None
    return evidence if _contradicts(evidence) else None


def duplicate_precommits(
    one: CommitCertificate, other: CommitCertificate, validators: ValidatorSet
) -> list[DuplicateVote]:
    """What two certificates of the same height and round prove about single members: each seat that signed
    both, in seat order. Empty when the rounds differ."""
    votes = {vote.voter: vote for vote in votes_of(one, validators)}
    pairs = (equivocation(votes[vote.voter], vote) for vote in votes_of(other, validators) if vote.voter in votes)
    return [pair for pair in pairs if isinstance(pair, DuplicateVote)]


def check(evidence: Equivocation, chain_id: str, validators: ValidatorSet) -> list[SignatureCheck]:
    """The two signatures to verify, of evidence that is well formed against the set of its height. Raises
    `Refusal`."""
    seat = validators.seat(evidence.accused)
    # Only a seat can break the rules of its height.
    if seat is None:
        raise Refusal("consensus.stranger", evidence.accused)
    # The two messages can not both come from a correct member.
    if not _contradicts(evidence):
        raise Refusal("consensus.evidence-same", f"height {evidence.first.height}")
    # One contradiction has one encoding.
    if statement(evidence.first) > statement(evidence.second):
        raise Refusal("consensus.evidence-order")
    return [
        SignatureCheck(seat.public_key, message.sign_bytes(chain_id), message.signature)
        for message in (evidence.first, evidence.second)
    ]


def is_expired(age_blocks: int, age_ms: int, max_age_blocks: int, max_age_ms: int) -> bool:
    """Expired only when older than both: neither a stall nor a burst of blocks lets an offender escape."""
    return age_blocks > max_age_blocks and age_ms > max_age_ms


def contradiction(commit: CommitCertificate, other: Certificate) -> Contradiction | None:
    """What two checked certificates of one height say together about more than 1/3 of the members; None:
    nothing."""
    if commit.height != other.height or commit.block_id == other.block_id:
        return None
    if isinstance(other, CommitCertificate):
        first, second = sorted((commit, other), key=lambda one: (one.round, one.block_id))
        return Fork(first, second)
    if other.valid_round < commit.round < other.round:
        return Amnesia(commit, other)
    return None


def check_contradiction(pair: Contradiction, chain_id: str, validators: ValidatorSet) -> list[SignatureCheck]:
    """Every signature of both certificates, each of which is a quorum of the set of its height. Raises
    `Refusal`."""
    one, other = _certificates(pair)
    # They are of one height and exclude each other.
    if contradiction(one, other) != pair:
        raise Refusal("consensus.evidence-pair", f"heights {one.height} and {other.height}")
    check_quorum(one.signatures, validators)
    check_quorum(other.signatures, validators)
    return certificate_checks(one, chain_id, validators) + certificate_checks(other, chain_id, validators)


def signers_of_both(pair: Contradiction, validators: ValidatorSet) -> tuple[str, ...]:
    """Seats that signed both certificates, in seat order: more than 1/3 of the power. Of amnesia they are
    accused, not convicted."""
    one, other = _certificates(pair)
    again = {index for index, _ in other.signatures}
    return tuple(validators.seats[index].id for index, _ in one.signatures if index in again)


def rebuts(polka: PolkaCertificate, pair: Contradiction) -> bool:
    """Whether a checked polka clears those accused of amnesia: the value had a quorum between the two rounds, so
    a correct member may have locked it there. Nothing excuses a fork."""
    if not isinstance(pair, Amnesia):
        return False
    later = pair.polka
    return (polka.height, polka.block_id) == (later.height, later.block_id) and (
        pair.commit.round < polka.round < later.round
    )


def _certificates(pair: Contradiction) -> tuple[CommitCertificate, Certificate]:
    match pair:
        case Fork(first, second):
            return first, second
        case Amnesia(commit, polka):
            return commit, polka


def _compact(proposal: Proposal) -> SignedProposal:
    return SignedProposal(
        proposal.height,
        proposal.round,
        proposal.valid_round,
        proposal.block.header.id(),
        proposal.proposer,
        proposal.signature,
    )


def _contradicts(evidence: Equivocation) -> bool:
    return statement(evidence.first) != statement(evidence.second) and _turn(evidence.first) == _turn(evidence.second)


def _turn(message: Vote | SignedProposal) -> tuple[object, ...]:
    """Where only one thing may be said, and by whom."""
    match message:
        case Vote():
            return message.voter, message.height, message.round, message.kind
        case SignedProposal():
            return message.proposer, message.height, message.round
