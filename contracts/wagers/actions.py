"""What members say to a round: wager, commit, reveal. Whose key and nonce it is was checked by `contracts.api`.

Each is taken only in its phase, which the clock alone moves (`contracts.wagers.rounds`). Nothing is judged here: a
reveal has to fit its commitment, what it says is read when all have revealed.
"""

from __future__ import annotations

import msgspec

from contracts import trust
from contracts.bodies import CommitSolution, RevealSolution, Wager
from contracts.context import BlockContext
from contracts.receipts import AnyEvent, SolutionCommitted, SolutionRevealed, WagerPlaced
from contracts.schema import ROUNDS, SOLUTIONS, WAGERS
from contracts.state import State
from contracts.wagers.records import (
    COMMITTING,
    MAX_WAGERS,
    REVEALING,
    WAGERING,
    Round,
    Solution,
    Wagered,
    minimum_trust,
    minimum_wager,
)
from contracts.wagers.rounds import net_trust
from contracts.wagers.sealing import commitment, solution_hash

_replace = msgspec.structs.replace


def wager(state: State, context: BlockContext, sender: str, body: Wager) -> tuple[AnyEvent, ...] | str:
    """Lock tokens on one's solution. One wager per organisation, whatever its keys.

    Refuses `wager.round`, `wager.phase`, `wager.twice`, `wager.minimum`, `wager.trust`, `wager.full`,
    `trust.tombstoned`, `trust.insufficient`.
    """
    round_ = _round(state, body.round, WAGERING)
    if isinstance(round_, str):
        return round_
    if state.entry(WAGERS, sender, body.round) is not None:
        return "wager.twice"
    if body.amount_tokens < minimum_wager(round_):
        return "wager.minimum"
    held = trust.current(state, context, sender)
    if held is None or net_trust(held) < minimum_trust(round_):
        return "wager.trust"
    if round_.wagers >= MAX_WAGERS:
        return "wager.full"
    code = trust.wager(state, context, sender, body.amount_tokens)
    if code is not None:
        return code
    state.put(WAGERS, Wagered(sender, body.round, body.claim, body.amount_tokens), body.round)
    state.save(ROUNDS.key(body.round), _replace(round_, wagers=round_.wagers + 1))
    return (WagerPlaced(body.round, sender, body.claim, body.amount_tokens),)


def commit(state: State, context: BlockContext, sender: str, body: CommitSolution) -> tuple[AnyEvent, ...] | str:
    """Bind a drawn builder to its solution, once. Refuses `wager.round`, `wager.phase`, `wager.drawn`,
    `wager.committed`.
    """
    one = _builder(state, body.round, sender, COMMITTING)
    if isinstance(one, str):
        return one
    if one.commitment:
        return "wager.committed"
    state.put(WAGERS, _replace(one, commitment=body.commitment), body.round)
    return (SolutionCommitted(body.round, sender, body.commitment),)


def reveal(state: State, context: BlockContext, sender: str, body: RevealSolution) -> tuple[AnyEvent, ...] | str:
    """Show what was committed to, once. Refuses `wager.round`, `wager.phase`, `wager.drawn`, `wager.commitment`,
    `wager.revealed`.
    """
    one = _builder(state, body.round, sender, REVEALING)
    if isinstance(one, str):
        return one
    if one.commitment != commitment(context.chain_id, body.round, sender, body.salt, body.solution):
        return "wager.commitment"
    if one.solution_hash:
        return "wager.revealed"
    hash_ = solution_hash(body.salt, body.solution)
    state.save(SOLUTIONS.key(body.round, sender), Solution(body.solution))
    state.put(WAGERS, _replace(one, solution_hash=hash_), body.round)
    return (SolutionRevealed(body.round, sender, hash_),)


def _round(state: State, number: int, phase: str) -> Round | str:
    round_ = state.load(ROUNDS, ROUNDS.key(number))
    if round_ is None:
        return "wager.round"
    return round_ if round_.phase == phase else "wager.phase"


def _builder(state: State, number: int, sender: str, phase: str) -> Wagered | str:
    """The wager of a drawn builder in the phase in which it may speak."""
    round_ = _round(state, number, phase)
    if isinstance(round_, str):
        return round_
    one = state.entry(WAGERS, sender, number) if sender in round_.builders else None
    return "wager.drawn" if one is None else one
