"""What a node repeats while its height is not decided, so that lost messages delay and never block.

Own votes, the proposal of the round, and the certificate that brings others here. With every correct node's
votes of a round delivered, that round ends; with a round certificate, everybody behind it catches up.
"""

from __future__ import annotations

from msgspec.structs import replace

from consensus.certificates import round_certificate
from consensus.effects import Broadcast, CheckPayload, Effect, HeightContext, MissingBlock, Step
from consensus.messages import Commit, RoundCertificate, Vote
from consensus.quorum import is_skip
from consensus.state import State


def rebroadcast(state: State, context: HeightContext) -> list[Effect]:
    """Effects of one REBROADCAST timer of an undecided height."""
    if state.commit is not None:
        return _repeat_commit(state)
    effects: list[Effect] = []
    for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        own = state.signed.get((state.round, step))
        if own is not None:
            effects.append(Broadcast(own))
    known = state.proposals.get(state.round, ())
    if known and (state.round, Step.PROPOSE) not in state.signed:
        effects.append(Broadcast(known[0].proposal))
    effects += [Broadcast(state.polkas[number]) for number in _useful_polkas(state)]
    certificate = _newest_round_certificate(state, context)
    if certificate is not None:
        effects.append(Broadcast(certificate))
    return effects


def _repeat_commit(state: State) -> list[Effect]:
    """Decided, but the block or its payload is not here yet."""
    assert state.commit is not None
    effects: list[Effect] = [Broadcast(Commit(state.commit, None))]
    candidate = state.candidates.get(state.commit.block_id)
    if candidate is None:
        effects.append(MissingBlock(state.commit.height, state.commit.block_id))
    elif candidate.refusal is None:
        effects.append(CheckPayload(candidate.block))
    return effects


def _useful_polkas(state: State) -> list[int]:
    """Rounds of the polkas behind the newest value, and behind this round's proposal (L28)."""
    rounds = [received.proposal.valid_round for received in state.proposals.get(state.round, ())[:1]]
    if state.core is not None and state.core.valid is not None:
        rounds.append(state.core.valid.round)
    return sorted({number for number in rounds if number in state.polkas})


def _newest_round_certificate(state: State, context: HeightContext) -> RoundCertificate | None:
    """From this round if more than 1/3 is known to be in it, else from the one before: precommits first,
    because a quorum of them ends a round (L47)."""
    for number in (state.round, state.round - 1):
        votes = state.tally.round(number)
        if number >= 0 and is_skip(votes.present, context.validators.total_power):
            chosen: dict[str, Vote] = {**votes.prevotes, **votes.precommits}
            return round_certificate(list(chosen.values()), context.validators)
    received = state.round_certificate
    return None if received is None else replace(received)
