"""From the price to the buyer's payment: awards, their sum, and step 8 for whoever says nothing of its own.

Who bid and then keeps silent is opened alone, so that a bid is no option; its award is public, and its wager is lost.
Where the sum of awards can not be opened the buyer pays for all that it asked for: nobody's silence makes energy
cheaper for the one that might have bought it.
"""

from __future__ import annotations

import msgspec

from contracts.context import BlockContext
from contracts.private import cycles
from contracts.receipts import AnyEvent
from contracts.sealed import agenda, asking, assertions, endings, money, points
from contracts.sealed.bidding import ENOUGH
from contracts.sealed.bodies import SealAward
from contracts.sealed.events import AwardSealed, SealedBalanced, WagerLost
from contracts.sealed.opening import Moved
from contracts.sealed.records import (
    AT,
    AWARDED,
    AWARDING,
    AWARDS,
    BALANCING,
    BID,
    LOW,
    OPENED,
    RUNNING,
    UNOPENED,
    VOID,
    Clearing,
    SealedRound,
    SealedSupplier,
)
from contracts.state import State
from zk.group import POINT_BYTES

_replace = msgspec.structs.replace


def award(state: State, context: BlockContext, sender: str, body: SealAward) -> tuple[AwardSealed] | str:
    """Take a bidder's award.

    Refuses `sealed.round`, `sealed.phase`, `sealed.bidder`, `sealed.twice`, `sealed.shape`, `sealed.point`,
    `sealed.proof`.
    """
    round_ = agenda.in_phase(state, body.interval, AWARDING)
    if isinstance(round_, str):
        return round_
    if sender not in round_.bidders:
        return "sealed.bidder"
    held = agenda.supplier(state, round_, sender)
    if held.state != BID:
        return "sealed.twice"
    clearing = clearing_of(round_)
    if len(body.remainder) != (POINT_BYTES if clearing.whole > 1 else 0):
        return "sealed.shape"
    said = points.said(body.sealed, body.ephemeral)
    if said is None:
        return "sealed.point"
    weighted = weighted_bid(state, round_, sender)
    if not context.proves(assertions.awarded(context, round_, clearing, sender, weighted, body)):
        return "sealed.proof"
    agenda.keep(state, round_, _replace(held, state=AWARDED, award=body.award, note=body.note))
    after = _replace(round_, awards=round_.awards + 1, award_sums=points.add(round_.award_sums, said))
    agenda.save(state, after)
    return (AwardSealed(body.interval, sender),)


def clearing_of(round_: SealedRound) -> Clearing:
    """What a round that has a price came to."""
    assert round_.clearing is not None, "awards follow the price"
    return round_.clearing


def weighted_bid(state: State, round_: SealedRound, member: str) -> bytes:
    """W: b times what a supplier bid below the marginal tick, and a times what it bid there, encrypted."""
    clearing, offer = clearing_of(round_), agenda.offer_of(state, round_, member)
    below = [(one, clearing.whole) for one in offer.sealed[: clearing.tick - 1]]
    return points.weighted(*below, (offer.sealed[clearing.tick - 1], clearing.part)).to_bytes()


def ask_alone(state: State, context: BlockContext, round_: SealedRound, member: str) -> SealedRound:
    """Have opened what one supplier bid below the marginal tick, if there is any tick below, and at it."""
    clearing, offer = clearing_of(round_), agenda.offer_of(state, round_, member)
    pairs = list(zip(offer.sealed, offer.ephemeral, strict=True))
    place = 1 + [one.member for one in round_.participants].index(member)
    if clearing.tick > 1:
        below = points.prefix(pairs, clearing.tick - 1)
        round_ = asking.ask(state, context, round_, LOW, place, below, member)
    marginal = points.pair(*pairs[clearing.tick - 1])
    return asking.ask(state, context, round_, AT, place, marginal, member)


def found_alone(round_: SealedRound, member: str) -> int | None:
    """What these openings make of a supplier's award; None: one of them came too late."""
    clearing = clearing_of(round_)
    below_wh = 0 if clearing.tick == 1 else asking.value(round_, LOW, member)
    marginal_wh = asking.value(round_, AT, member)
    if below_wh is None or marginal_wh is None:
        return None
    return (clearing.whole * below_wh + clearing.part * marginal_wh) // clearing.whole


def balance(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """No award comes any more: have their sum opened, and each silent bidder's bid."""
    moved, event = agenda.enter(context, _replace(round_, asked=()), BALANCING)
    if moved.awards >= ENOUGH:
        moved = asking.ask(state, context, moved, AWARDS, 0, points.pair(*moved.award_sums))
    for member in moved.bidders:
        if agenda.supplier(state, moved, member).state == BID:
            moved = ask_alone(state, context, moved, member)
    return moved, [event]


def balanced(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """Everything is opened that can be: the buyer pays."""
    clearing, events = clearing_of(round_), list[AnyEvent]()
    opened_wh, unopened = 0, False
    for member in round_.bidders:
        held = agenda.supplier(state, round_, member)
        if held.state == BID:
            award_wh = found_alone(round_, member)
            unopened = unopened or award_wh is None
            opened_wh += award_wh or 0
            point = points.of_value(award_wh).to_bytes() if award_wh else b""
            said = _replace(held, state=UNOPENED if award_wh is None else OPENED, award=point, award_wh=award_wh)
            events.append(lose_wager(state, round_, said))
    sealed_wh = asking.value(round_, AWARDS)
    awarded_wh = None if sealed_wh is None or unopened else sealed_wh + opened_wh
    remainder_wh = 0 if awarded_wh is None else clearing.target_wh - awarded_wh
    outcome = "overpaid" if awarded_wh is None else "balanced"
    bought_wh = clearing.target_wh if awarded_wh is None else awarded_wh
    paid_nano = clearing.price_nano_per_wh * bought_wh
    if not 0 <= remainder_wh < len(round_.bidders) or not money.pay(state, paid_nano):
        return _void(state, context, round_, events)
    money.release(state, round_.buyer, round_.escrow_nano - paid_nano)
    # So that what a source delivers is never paid out of a split of its billing cycle as well.
    cycles.pay_by_awards(state, context, round_.buyer, round_.interval)
    paid = _replace(round_, asked=(), escrow_nano=0, paid_nano=paid_nano, awarded_wh=awarded_wh, outcome=outcome)
    moved, event = agenda.enter(context, paid, RUNNING)
    told = SealedBalanced(round_.interval, round_.buyer, outcome, awarded_wh, remainder_wh, paid_nano)
    return moved, [*events, told, event]


def _void(state: State, context: BlockContext, round_: SealedRound, events: list[AnyEvent]) -> Moved:
    """Awards that do not add up to what was sold: nobody is credited, and the buyer gets everything back."""
    money.release(state, round_.buyer, round_.escrow_nano)
    for member in round_.bidders:
        held = agenda.supplier(state, round_, member)
        money.release(state, member, held.wager_nano)
        agenda.keep(state, round_, _replace(held, state=VOID, wager_nano=0))
    told = SealedBalanced(round_.interval, round_.buyer, "void", None, 0, 0)
    moved, more = endings.finish(state, context, _replace(round_, asked=(), escrow_nano=0, outcome="void"))
    return moved, [*events, told, *more]


def lose_wager(state: State, round_: SealedRound, held: SealedSupplier) -> WagerLost:
    """Keep where a supplier stands, without what its bid had locked."""
    money.forfeit(state, held.wager_nano)
    agenda.keep(state, round_, _replace(held, wager_nano=0, lost_wager=True))
    return WagerLost(round_.interval, held.member, held.wager_nano)
