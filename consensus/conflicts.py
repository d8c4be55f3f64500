"""Contradictions that counting does not meet: with the votes inside a commit certificate, and after a decision.

While a height is open, `consensus.tally` and `consensus.intake` report what contradicts a counted vote or a
kept proposal. Here are the rest, so that whoever sent one vote here and another one elsewhere is named as soon
as both meet. Reports by `ReportConflict` effects and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.certificates import votes_of
from consensus.effects import ReportConflict
from consensus.messages import Commit, CommitCertificate, Message, Proposal, Vote, VoteType
from consensus.state import State
from consensus.tally import choice_of
from consensus.validators import ValidatorSet


def with_certificate(
    certificate: CommitCertificate, votes: Iterable[Vote], validators: ValidatorSet
) -> list[ReportConflict]:
    """Votes that contradict the precommits of their voters in a checked certificate."""
    decided = (VoteType.PRECOMMIT, certificate.height, certificate.round)
    against = [vote for vote in votes if (vote.kind, vote.height, vote.round) == decided]
    if all(vote.block_id == certificate.block_id for vote in against):
        return []
    signed = {vote.voter: vote for vote in votes_of(certificate, validators)}
    return [
        ReportConflict(signed[vote.voter], vote)
        for vote in against
        if vote.voter in signed and vote.block_id != certificate.block_id
    ]


def after_decision(state: State, message: Message, validators: ValidatorSet) -> list[ReportConflict]:
    """What a checked message of the decided height contradicts of all that was known at the decision."""
    match message:
        case Vote():
            known = state.tally.round(message.round).of(message.kind).get(message.voter)
            if known is not None and choice_of(known) != choice_of(message):
                return [ReportConflict(known, message)]
            return [] if state.commit is None else with_certificate(state.commit, (message,), validators)
        case Proposal():
            said = (message.block.header.id(), message.valid_round)
            return [
                ReportConflict(received.proposal, message)
                for received in state.proposals.get(message.round, ())[:1]
                if (received.block_id, received.proposal.valid_round) != said
            ]
        case Commit(certificate):
            counted = state.tally.round(certificate.round).precommits.values()
            return with_certificate(certificate, counted, validators)
        case _:
            return []
