"""Why a height is where it is: plain data for `status`, and one sentence for people.

Reads the state and changes nothing.
"""

from __future__ import annotations

import msgspec

from consensus.effects import HeightContext
from consensus.multiplexer import Standing
from consensus.quorum import is_quorum
from consensus.state import State


class RoundVotes(msgspec.Struct, frozen=True):
    """Who has voted in one round, ids in seat order."""

    round: int
    proposer: str
    proposal: str
    """`missing`, `payload-missing`, `ready`, or the code with which it was refused."""
    prevoted: tuple[str, ...]
    awaited_prevotes: tuple[str, ...]
    precommitted: tuple[str, ...]
    awaited_precommits: tuple[str, ...]


class Status(msgspec.Struct, frozen=True):
    """The machine's height in numbers and names."""

    height: int
    phase: str
    """`idle`, `propose`, `prevote`, `precommit`, `committing` (decided, block or payload missing) or
    `decided`."""
    round: int
    locked_round: int | None
    valid_round: int | None
    rounds: tuple[RoundVotes, ...]
    """Tracked rounds with votes or a proposal, and the current one, ascending."""
    missing_payloads: tuple[bytes, ...]
    """Block ids whose transactions were asked for and are not here."""
    missing_block: bytes | None
    """Block id that is decided and unknown here."""


def status(state: State) -> Status | None:
    """Status of the current height; None before the first `StartHeight`."""
    context = state.context
    if context is None:
        return None
    core, commit = state.core, state.commit
    numbers = {*state.tally.rounds, *state.proposals, state.round}
    return Status(
        height=context.height,
        phase=_phase(state),
        round=state.round,
        locked_round=None if core is None or core.locked is None else core.locked.round,
        valid_round=None if core is None or core.valid is None else core.valid.round,
        rounds=tuple(_round_votes(state, context, number) for number in sorted(numbers)),
        missing_payloads=tuple(
            block_id
            for block_id, candidate in state.candidates.items()
            if candidate.requested and not candidate.payload
        ),
        missing_block=None if commit is None or commit.block_id in state.candidates else commit.block_id,
    )


def explain(state: State) -> str:
    """One sentence: what this height is waiting for, and for whom."""
    now, context = status(state), state.context
    if now is None or context is None:
        return "consensus has not started"
    where = f"height {now.height} round {now.round}"
    votes = next(entry for entry in now.rounds if entry.round == now.round)
    match now.phase:
        case "idle":
            return f"height {now.height} is idle: nothing to put into a block"
        case "decided":
            return f"height {now.height} is decided"
        case "committing" if now.missing_block is not None:
            return f"height {now.height} is decided, its block {now.missing_block.hex()[:16]} is missing"
        case "committing":
            return f"height {now.height} is decided, its transactions are missing"
        case "propose" if votes.proposal == "missing":
            return f"{where}: no proposal from {votes.proposer}"
        case "propose" if votes.proposal == "payload-missing":
            return f"{where}: transactions of the proposal from {votes.proposer} are missing"
        case "propose":
            return f"{where}: the proposal from {votes.proposer} waits for its polka of an earlier round"
        case "prevote":
            return f"{where}: {_awaiting('prevotes', votes.prevoted, votes.awaited_prevotes, context)}"
        case _:
            awaited = votes.awaited_precommits
            return f"{where}: {_awaiting('precommits', votes.precommitted, awaited, context)}"


def _phase(state: State) -> str:
    if state.core is None:
        return "idle"
    if state.core.decided:
        return "decided"
    return "committing" if state.commit is not None else state.core.step.name.lower()


def _round_votes(state: State, context: HeightContext, number: int) -> RoundVotes:
    votes = state.tally.round(number)
    seats = [seat.id for seat in context.validators.seats]
    return RoundVotes(
        round=number,
        proposer=context.proposers.proposer(number).id,
        proposal=_proposal_state(state, number),
        prevoted=tuple(id_ for id_ in seats if id_ in votes.prevotes),
        awaited_prevotes=tuple(id_ for id_ in seats if id_ not in votes.prevotes),
        precommitted=tuple(id_ for id_ in seats if id_ in votes.precommits),
        awaited_precommits=tuple(id_ for id_ in seats if id_ not in votes.precommits),
    )


def _proposal_state(state: State, number: int) -> str:
    known = state.proposals.get(number, ())
    if not known:
        return "missing"
    candidate = state.candidates[known[0].block_id]
    refusal = candidate.refusal or known[0].refusal
    if refusal is not None:
        return refusal
    return "ready" if candidate.standing == Standing.VALID else "payload-missing"


def _awaiting(what: str, got: tuple[str, ...], awaited: tuple[str, ...], context: HeightContext) -> str:
    power = sum(context.validators.counted_power(id_) for id_ in got)
    total = context.validators.total_power
    names = ", ".join(awaited) or "nobody"
    if is_quorum(power, total):
        return f"{what} of {power} of {total} power differ; waiting for {names} or the timeout"
    return f"{what} of {power} of {total} power, no quorum; waiting for {names}"
