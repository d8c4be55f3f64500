"""What a state knows, in the terms of the multiplexer's truth table. Reads the state and changes nothing."""

from __future__ import annotations

from consensus.effects import HeightContext
from consensus.multiplexer import Commitment, Seen, Standing, View
from consensus.quorum import is_quorum
from consensus.round import Mark
from consensus.state import State
from consensus.tally import has_polka_nil


def view(state: State, context: HeightContext) -> View:
    """The facts of the height, as seen from the current round."""
    current, total = state.round, context.validators.total_power
    votes = state.tally.round(current)
    return View(
        proposals=tuple(
            Seen(
                received.block_id,
                received.proposal.valid_round,
                state.candidates[received.block_id].standing,
                received.refusal is not None,
            )
            for received in state.proposals.get(current, ())
        ),
        polkas=state.polkas,
        polka_nil=has_polka_nil(votes, total),
        # A polka certificate may hold votes that were not counted here: their voters had voted twice.
        prevotes_any=is_quorum(votes.prevoted, total) or current in state.polkas,
        precommits_any=is_quorum(votes.precommitted, total),
        commit=_commitment(state),
        skip_to=_skip_target(state, total),
        earlier=_earlier_polka(state),
    )


def _commitment(state: State) -> Commitment | None:
    if state.commit is None:
        return None
    candidate = state.candidates.get(state.commit.block_id)
    ready = candidate is not None and candidate.standing == Standing.VALID
    return Commitment(state.commit.block_id, ready)


def _skip_target(state: State, total: int) -> int | None:
    """Newest later round that more than 1/3 is known to be in: by counted votes, or by a certificate that
    stands by itself (L55)."""
    targets = [number for number in state.polkas if number > state.round]
    by_votes = state.tally.skip_target(state.round, total)
    if by_votes is not None:
        targets.append(by_votes)
    if state.round_certificate is not None and state.round_certificate.round > state.round:
        targets.append(state.round_certificate.round)
    return max(targets, default=None)


def _earlier_polka(state: State) -> Mark | None:
    """Newest polka of an earlier round whose block could be proposed."""
    rounds = [
        number
        for number, polka in state.polkas.items()
        if number < state.round
        and polka.block_id in state.candidates
        and state.candidates[polka.block_id].standing == Standing.VALID
    ]
    if not rounds:
        return None
    newest = max(rounds)
    return Mark(state.polkas[newest].block_id, newest)
