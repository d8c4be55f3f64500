"""Collected signatures: what has to be verified, whether it is enough, and how to build it from votes.

Checks the form of every message against its height (who may sign, in which order, how much power) and lists
the signatures in it. Verifies none of them, with one exception: `verify_commit`, for those who hold nothing
but a certificate and a set. Every function raises `Refusal` with a `consensus.*` code and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from consensus.effects import HeightContext
from consensus.messages import (
    NO_ROUND,
    Commit,
    CommitCertificate,
    Message,
    PolkaCertificate,
    Proposal,
    RoundCertificate,
    Vote,
    VoteType,
    vote_sign_bytes,
)
from consensus.quorum import is_quorum, is_skip
from consensus.refusals import Refusal
from consensus.validators import ValidatorSet
from zk import ed25519

Signatures = Sequence[tuple[int, bytes]]
"""(seat index, signature), as certificates hold them."""
Certificate = CommitCertificate | PolkaCertificate
"""Of more than 2/3 for one value."""


class SignatureCheck(NamedTuple):
    """One signature to verify: 32-byte key, signed bytes, 64-byte signature."""

    public_key: bytes
    sign_bytes: bytes
    signature: bytes


# Form: everything about a message that can be checked without a signature.


def check_message(message: Message, context: HeightContext) -> None:
    """Raise `Refusal` unless `message` belongs to this height (votes: or to the one below) and is well
    formed."""
    match message:
        case Vote():
            check_vote(message, set_of_vote(message, context))
        case Proposal():
            _check_height(message.height, context)
            _check_proposal_form(message, context)
        case PolkaCertificate():
            _check_height(message.height, context)
            if not NO_ROUND <= message.valid_round < message.round:
                raise Refusal("consensus.valid-round", f"{message.valid_round} in round {message.round}")
            check_quorum(message.signatures, context.validators)
        case RoundCertificate():
            _check_height(message.height, context)
            _check_round_certificate(message, context.validators)
        case Commit():
            _check_height(message.certificate.height, context)
            check_quorum(message.certificate.signatures, context.validators)
            if message.block is not None and message.block.header.id() != message.certificate.block_id:
                raise Refusal("consensus.wrong-block", "the block is not the decided one")


def check_vote(vote: Vote, validators: ValidatorSet) -> None:
    """Raise `Refusal` unless the voter has a seat and `valid_round` is where it may be."""
    if vote.voter not in validators.index:
        raise Refusal("consensus.stranger", vote.voter)
    is_prevote_of_value = vote.kind == VoteType.PREVOTE and vote.block_id is not None
    highest = vote.round - 1 if is_prevote_of_value else NO_ROUND
    if vote.valid_round > highest:
        raise Refusal("consensus.valid-round", f"{vote.valid_round} in round {vote.round}")


def set_of_vote(vote: Vote, context: HeightContext) -> ValidatorSet:
    """The set that a vote is checked against: late votes of the height below complete its certificate."""
    if vote.height == context.height - 1 and context.parent.certificate is not None:
        return context.parent.validators
    _check_height(vote.height, context)
    return context.validators


def check_quorum(signatures: Signatures, validators: ValidatorSet) -> None:
    """Raise `Refusal` unless the signers are strictly ascending seats of the set with a quorum of its
    power."""
    _check_ascending([index for index, _ in signatures])
    if signatures and signatures[-1][0] >= len(validators):
        raise Refusal("consensus.stranger", f"seat {signatures[-1][0]} of {len(validators)}")
    got = sum(validators.seats[index].counted_power for index, _ in signatures)
    if not is_quorum(got, validators.total_power):
        raise Refusal("consensus.no-quorum", f"{got} of {validators.total_power}")


def _check_height(height: int, context: HeightContext) -> None:
    if height < context.height:
        raise Refusal("consensus.stale-height", f"{height}, here {context.height}")
    if height > context.height:
        raise Refusal("consensus.future-height", f"{height}, here {context.height}")


def _check_proposal_form(proposal: Proposal, context: HeightContext) -> None:
    expected = context.proposers.proposer(proposal.round).id
    if proposal.proposer != expected:
        raise Refusal("consensus.wrong-proposer", f"{proposal.proposer}, expected {expected}")
    if proposal.valid_round >= proposal.round:
        raise Refusal("consensus.valid-round", f"{proposal.valid_round} in round {proposal.round}")
    certificate = proposal.block.last_certificate
    if certificate is not None:
        _check_last_certificate(certificate, context)


def _check_last_certificate(certificate: CommitCertificate, context: HeightContext) -> None:
    if certificate.height != context.height - 1:
        raise Refusal("consensus.stale-height", f"certificate of {certificate.height}")
    check_quorum(certificate.signatures, context.parent.validators)


def _check_round_certificate(certificate: RoundCertificate, validators: ValidatorSet) -> None:
    for vote in certificate.votes:
        if (vote.height, vote.round) != (certificate.height, certificate.round):
            raise Refusal("consensus.wrong-round", f"{vote.round} in a certificate of {certificate.round}")
        check_vote(vote, validators)
    _check_ascending([validators.index[vote.voter] for vote in certificate.votes])
    got = sum(validators.counted_power(vote.voter) for vote in certificate.votes)
    if not is_skip(got, validators.total_power):
        raise Refusal("consensus.no-skip", f"{got} of {validators.total_power}")


def _check_ascending(seats: list[int]) -> None:
    if any(following <= seat for seat, following in pairwise(seats)):
        raise Refusal("consensus.unsorted", str(seats))


# Signatures: everything that has to be verified before the machine may see a message.


def signatures_of(message: Message, context: HeightContext) -> list[SignatureCheck]:
    """Every signature in `message`, nested certificates included, after `check_message`. Raises `Refusal`."""
    check_message(message, context)
    chain_id = context.chain_id
    match message:
        case Vote():
            return [_vote_check(message, chain_id, set_of_vote(message, context))]
        case Proposal():
            seat = context.validators.seats[context.validators.index[message.proposer]]
            own = SignatureCheck(seat.public_key, message.sign_bytes(chain_id), message.signature)
            return [own, *_nested_checks(message.block.last_certificate, context)]
        case PolkaCertificate():
            return certificate_checks(message, chain_id, context.validators)
        case RoundCertificate():
            return [_vote_check(vote, chain_id, context.validators) for vote in message.votes]
        case Commit():
            checks = certificate_checks(message.certificate, chain_id, context.validators)
            if message.block is not None and message.block.last_certificate is not None:
                _check_last_certificate(message.block.last_certificate, context)
                checks += _nested_checks(message.block.last_certificate, context)
            return checks


def _vote_check(vote: Vote, chain_id: str, validators: ValidatorSet) -> SignatureCheck:
    seat = validators.seats[validators.index[vote.voter]]
    return SignatureCheck(seat.public_key, vote.sign_bytes(chain_id), vote.signature)


def _nested_checks(certificate: CommitCertificate | None, context: HeightContext) -> list[SignatureCheck]:
    if certificate is None:
        return []
    return certificate_checks(certificate, context.chain_id, context.parent.validators)


def certificate_checks(certificate: Certificate, chain_id: str, validators: ValidatorSet) -> list[SignatureCheck]:
    """Signatures of a certificate whose signers are seats of `validators` (`check_quorum`): all over the same bytes."""
    kind, valid_round = _ballot(certificate)
    signed = vote_sign_bytes(chain_id, kind, certificate.height, certificate.round, certificate.block_id, valid_round)
    return [
        SignatureCheck(validators.seats[index].public_key, signed, signature)
        for index, signature in certificate.signatures
    ]


def _ballot(certificate: Certificate) -> tuple[VoteType, int]:
    """Type and valid_round of the votes that a certificate stands for."""
    if isinstance(certificate, CommitCertificate):
        return VoteType.PRECOMMIT, NO_ROUND
    return VoteType.PREVOTE, certificate.valid_round


def verify_commit(certificate: CommitCertificate, chain_id: str, validators: ValidatorSet) -> None:
    """Raise `Refusal` unless `certificate` proves its decision to somebody who trusts `validators`.

    For block sync and light proofs. Says nothing about which height or block was wanted: compare those first.
    """
    check_quorum(certificate.signatures, validators)
    for check in certificate_checks(certificate, chain_id, validators):
        if not ed25519.verify(*check):
            raise Refusal("consensus.signature", f"commit certificate of height {certificate.height}")


# Building: votes are of one (height, round) and already counted, so their signatures are known to be good.


def polka_certificate(votes: Iterable[Vote], choice: Vote, validators: ValidatorSet) -> PolkaCertificate:
    """Certificate of the prevotes that agree with `choice`; the caller has seen the quorum."""
    assert choice.block_id is not None and choice.kind == VoteType.PREVOTE
    return PolkaCertificate(
        choice.height, choice.round, choice.block_id, choice.valid_round, _agreeing(votes, choice, validators)
    )


def commit_certificate(votes: Iterable[Vote], choice: Vote, validators: ValidatorSet) -> CommitCertificate:
    """Certificate of the precommits that agree with `choice`; the caller has seen the quorum."""
    assert choice.block_id is not None and choice.kind == VoteType.PRECOMMIT
    return CommitCertificate(choice.height, choice.round, choice.block_id, _agreeing(votes, choice, validators))


def round_certificate(votes: Sequence[Vote], validators: ValidatorSet) -> RoundCertificate:
    """Certificate of `votes`: at least one, of one (height, round), one per voter."""
    ordered = sorted(votes, key=lambda vote: validators.index[vote.voter])
    return RoundCertificate(votes[0].height, votes[0].round, tuple(ordered))


def votes_of(certificate: Certificate, validators: ValidatorSet) -> list[Vote]:
    """The votes that a checked certificate stands for: prevotes of a polka, precommits of a commit."""
    kind, valid_round = _ballot(certificate)
    return [
        Vote(
            kind,
            certificate.height,
            certificate.round,
            certificate.block_id,
            valid_round,
            validators.seats[index].id,
            signature,
        )
        for index, signature in certificate.signatures
    ]


def extend_commit(certificate: CommitCertificate, vote: Vote, validators: ValidatorSet) -> CommitCertificate:
    """`certificate` with the precommit `vote` added; unchanged when it is for something else or already
    there.

    Late precommits are how a slow member's participation still gets counted (participation reads included
    certificates only).
    """
    decided = (VoteType.PRECOMMIT, certificate.height, certificate.round, certificate.block_id)
    index = validators.index.get(vote.voter)
    if index is None or (vote.kind, vote.height, vote.round, vote.block_id) != decided:
        return certificate
    if validators.seats[index].flagged or any(seat == index for seat, _ in certificate.signatures):
        return certificate
    signatures = tuple(sorted((*certificate.signatures, (index, vote.signature))))
    return CommitCertificate(certificate.height, certificate.round, certificate.block_id, signatures)


def _agreeing(votes: Iterable[Vote], choice: Vote, validators: ValidatorSet) -> tuple[tuple[int, bytes], ...]:
    """Sorted signatures of the votes equal to `choice`; flagged seats would add nothing and are left out."""
    return tuple(
        sorted(
            (validators.index[vote.voter], vote.signature)
            for vote in votes
            if (vote.block_id, vote.valid_round) == (choice.block_id, choice.valid_round)
            and validators.counted_power(vote.voter)
        )
    )
