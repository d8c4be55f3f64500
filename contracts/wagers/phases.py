"""When a phase of a round is over, and how its builders are drawn.

A phase goes on for its milliseconds, and from then on until a block for each seat, and blocks of organisations with
more than 1/3 of the power together, have been made in which it still took every word. So whoever has spoken in time is
heard: neither a stall of the chain nor proposers with up to 1/3 can push an honest builder past its deadline, since at
least one of those who proposed was none of them.

Builders are drawn from the mixes of the first organisations that propose after the deadline and exceed 1/3 of power
together. Nobody knew those when wagering, and whoever withholds its block to get another draw gives up the block and
leaves the draw to the next. Everybody who is eligible is drawn alike: net trust is the bar to be in the pool.

Never moves a token and never writes state.
"""

from __future__ import annotations

import msgspec

from consensus.sampling import permutation
from contracts import epochs
from contracts.context import BlockContext
from contracts.params import MAX_BUILDERS
from contracts.state import State
from contracts.wagers.records import DRAWING, MAX_HEARD, Round
from zk.hashing import domain, sha256

_replace = msgspec.structs.replace


def is_over(state: State, context: BlockContext, round_: Round) -> bool:
    """Whether a phase that lasts for some time has ended before this block."""
    made = context.height - round_.closing_height
    enough = round_.closing_height > 0 and made >= len(epochs.seats(state, context.height))
    return enough and epochs.are_heard(state, context.height, round_.heard)


def waits_for_blocks(round_: Round) -> bool:
    """Whether the round needs the next block, whatever its time: what an open phase is to the empty-block rule."""
    return round_.phase == DRAWING or round_.closing_height > 0


def hear(state: State, context: BlockContext, round_: Round) -> Round:
    """The round with this block's proposer, for a draw with its mix, and else with the block from which on its phase
    is closing; the same where that adds nothing."""
    if round_.phase != DRAWING and round_.closing_height == 0:
        round_ = _replace(round_, closing_height=context.height)
    if epochs.are_heard(state, context.height, round_.heard):
        return round_
    name = epochs.organisation(state, context.height, context.proposer)
    if name is None or name in round_.heard or len(round_.heard) >= MAX_HEARD:
        return round_
    randomness = sha256(round_.randomness + context.mix) if round_.phase == DRAWING else round_.randomness
    return _replace(round_, heard=(*round_.heard, name), randomness=randomness)


def enter(context: BlockContext, round_: Round, phase: str, lasts_ms: int) -> Round:
    """The round at the beginning of its next phase."""
    return _replace(
        round_,
        phase=phase,
        since_height=context.height,
        ends_ms=context.time_ms + lasts_ms,
        closing_height=0,
        heard=(),
    )


def seed(chain_id: str, number: int) -> bytes:
    """What the mixes of a draw are hashed onto."""
    return sha256(domain("wager-draw", chain_id) + number.to_bytes(8, "big"))


def draw(round_: Round, trusts: dict[str, int], enough_tokens: int) -> tuple[tuple[str, ...], str]:
    """Builders out of the eligible, whose net `trusts` ascend by member, and why there are none.

    As many as the terms say (or all there are), then further ones until their net trust is enough. None, and `few` or
    `trust`, where they would be less than two or never be trusted enough.
    """
    names = list(trusts)
    if len(names) < 2:
        return (), "few"
    drawn: list[str] = []
    together_tokens = 0
    for place in permutation(round_.randomness, [1] * len(names)):
        drawn.append(names[place])
        together_tokens += trusts[names[place]]
        if len(drawn) >= min(round_.terms.builders, len(names)) and together_tokens >= enough_tokens:
            return tuple(drawn), ""
        if len(drawn) == MAX_BUILDERS:
            break
    return (), "trust"


def deadline_ms(round_: Round) -> int:
    """Ledger time at which something may happen to an open round even without transactions."""
    return round_.last_ms if round_.phase == DRAWING else min(round_.ends_ms, round_.last_ms)
