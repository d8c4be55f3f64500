"""What the clock does to sealed rounds, and what the last word of a phase brings about at once.

Every block moves every round that waits; a transaction that says the last thing that a phase waits for moves its round
in the same block, so that openings follow each other without one in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from contracts.ceremony import window
from contracts.context import BlockContext
from contracts.params import PactParams
from contracts.receipts import AnyEvent
from contracts.schedule import Window
from contracts.sealed import agenda, asking, awarding, bidding, delivering, endings, opening
from contracts.sealed.bodies import ClaimSum
from contracts.sealed.opening import Moved
from contracts.sealed.records import (
    BALANCING,
    BIDDING,
    ORDERED,
    RUNNING,
    SEARCHING,
    SETTLING,
    SUMMING,
    SUSPENDED,
    SealedRound,
)
from contracts.state import State

_replace = msgspec.structs.replace
OPENING = (SUMMING, SEARCHING, BALANCING, SETTLING)
"""Phases that wait for what is opened, and for somebody to find what that says."""
UNPRICED = (BIDDING, SUMMING, SEARCHING)
RESTING = (RUNNING, ORDERED, SUSPENDED)
"""Phases that wait for time, and for no block."""


def advance(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """What a block does to rounds before its first transaction, once intervals that are due have locked and closed."""
    events: list[AnyEvent] = []
    for interval in agenda.intervals(state):
        round_ = _waiting(state, interval)
        after, more = _advanced(state, context, asking.listen(state, round_))
        if after is not round_:
            agenda.save(state, after)
        events += more
        state.commit()
    return tuple(events)


def _waiting(state: State, interval: int) -> SealedRound:
    round_ = agenda.find(state, interval)
    assert round_ is not None, "what waits is on record"
    return round_


def _advanced(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    if round_.phase == BIDDING and not round_.closing and context.time_ms >= round_.deadline_ms:
        round_ = _replace(round_, closing=True)
    is_over = _is_over(state, context, round_)
    if round_.phase in OPENING and is_over:
        round_ = asking.forget_unclaimed(state, round_)
    moved, events = _moved(state, context, round_, is_over)
    if moved.phase != round_.phase or moved.phase in RESTING:
        return moved, events
    if moved.phase in OPENING and not asking.is_claimable(state, moved):
        # Seats have a window of their own; whoever looks for what is open has one after that.
        return _replace(moved, window=window.begin(context)), events
    heard = window.hear(state, context, moved.window)
    return (moved if heard is moved.window else _replace(moved, window=heard)), events


def _is_over(state: State, context: BlockContext, round_: SealedRound) -> bool:
    """Whether nobody is waited for any longer; nobody is in a phase that rests, and bids may come until the deadline
    in any case."""
    if round_.phase == BIDDING:
        return round_.closing and window.has_spanned(state, context, round_.window)
    return round_.phase not in RESTING and window.is_over(state, context, round_.window)


def _moved(state: State, context: BlockContext, round_: SealedRound, is_over: bool) -> Moved:
    """The round in the phase in which it waits for somebody."""
    events: list[AnyEvent] = []
    while (step := _step(state, context, round_, is_over)) is not None:
        is_over = False
        after, more = step
        events += more
        if after.phase == round_.phase and after.asked == round_.asked:
            return after, events
        round_ = after
    return round_, events


def _step(state: State, context: BlockContext, round_: SealedRound, is_over: bool) -> Moved | None:
    """The round after what its phase has waited for; None: that has not come."""
    is_answered = asking.is_answered(round_)
    match round_.phase:
        case "bidding" if _all_bid(round_) or is_over:
            return opening.freeze(state, context, round_)
        case "summing" if is_answered:
            return opening.summed(state, context, round_)
        case "searching" if is_answered:
            return opening.searched(state, context, round_)
        case "awarding" if round_.awards == len(round_.bidders) or is_over:
            return awarding.balance(state, context, round_)
        case "balancing" if is_answered:
            return awarding.balanced(state, context, round_)
        case "running" | "ordered" if delivering.is_due(state, context, round_):
            return delivering.begin(state, context, round_)
        case "delivering" if is_over:
            return delivering.late(state, context, round_)
        case "settling" if is_answered:
            return delivering.settled(state, context, round_)
        case "suspended":
            return delivering.resume(state, context, round_)
        case _:
            return None


def _all_bid(round_: SealedRound) -> bool:
    """Whether nothing can be said to the round any more, before its deadline."""
    return round_.demand_wh is not None and len(round_.bidders) == len(round_.participants)


def at_lock(state: State, context: BlockContext, locking: Window) -> tuple[AnyEvent, ...]:
    """Offers of a window lock: a round that has no price by now has failed."""
    events: list[AnyEvent] = []
    for interval in locking.intervals:
        round_ = agenda.find(state, interval)
        if round_ is not None and round_.phase in UNPRICED:
            failed, more = endings.fail(state, context, asking.listen(state, round_), "late")
            agenda.save(state, failed)
            events += more
    return tuple(events)


def earliest_deadline_ms(state: State, params: PactParams) -> int | None:
    """Earliest ledger time at which a block would move a round that rests; the closes of intervals are deadlines of
    their own. None when none rests."""
    deadlines = []
    for interval in agenda.intervals(state):
        round_ = _waiting(state, interval)
        if round_.phase == BIDDING and not round_.closing:
            deadlines.append(round_.deadline_ms)
        elif round_.phase == SUSPENDED:
            deadlines.append(delivering.excused_until_ms(params, round_))
    return min(deadlines, default=None)


def phase_open(state: State) -> bool:
    """Whether a round needs the next block, even if that is empty."""
    for interval in agenda.intervals(state):
        round_ = _waiting(state, interval)
        if round_.closing if round_.phase == BIDDING else round_.phase not in RESTING:
            return True
    return False


# Words after which a phase may wait for nothing more

Handler = Callable[[State, BlockContext, str, Any], tuple[AnyEvent, ...] | str]


def _then_move(handler: Handler) -> Handler:
    def handled(state: State, context: BlockContext, sender: str, body: Any) -> tuple[AnyEvent, ...] | str:
        said = handler(state, context, sender, body)
        if isinstance(said, str):
            return said
        round_ = _waiting(state, body.interval)
        moved, events = _moved(state, context, round_, is_over=False)
        if moved is not round_:
            agenda.save(state, moved)
        return (*said, *events)

    return handled


def _claim(state: State, context: BlockContext, sender: str, body: ClaimSum) -> tuple[AnyEvent, ...] | str:
    """What an opening says, by whoever found it. Refuses `sealed.round`, `sealed.phase`, `sealed.opening`,
    `sealed.claim`."""
    round_ = agenda.in_phase(state, body.interval, *OPENING)
    if isinstance(round_, str):
        return round_
    found = asking.claim(state, round_, body)
    if isinstance(found, str):
        return found
    # Whoever finds one sum after the other is not to lose the last for want of blocks.
    agenda.save(state, _replace(found[0], window=window.begin(context)))
    return (found[1],)


bid: Handler = _then_move(bidding.bid)
award: Handler = _then_move(awarding.award)
claim: Handler = _then_move(_claim)
