"""How rounds end: failed before there was a price, or done once everybody is settled.

A round that fails shows nothing more, gives back what it locked, and leaves its interval to open merit order, in which
the reference offers of its participants stand for them, and the buyer needs what is known of the demand.
"""

from __future__ import annotations

import msgspec

from contracts import market
from contracts.bodies import OfferBlock
from contracts.ceremony import keys, openings
from contracts.context import BlockContext
from contracts.private import cycles
from contracts.receipts import AnyEvent
from contracts.schema import METERS, SEALED_SUPPLIERS
from contracts.sealed import agenda, capacities, money
from contracts.sealed.events import SealedDone, SealedFailed, SealedMoved
from contracts.sealed.exclusive import open_sellers
from contracts.sealed.records import DONE, ORDERED, SealedRound
from contracts.state import State

_replace = msgspec.structs.replace


def fail(state: State, context: BlockContext, round_: SealedRound, reason: str) -> tuple[SealedRound, list[AnyEvent]]:
    """End a round that has no price, before the offers of its interval lock."""
    assert round_.clearing is None, "a round with a price does not fail"
    money.release(state, round_.buyer, round_.escrow_nano)
    for member in round_.bidders:
        money.release(state, member, agenda.supplier(state, round_, member).wager_nano)
        # Its meters may still have to show what its reference offer is ordered to deliver.
        state.remove(SEALED_SUPPLIERS.key(round_.interval, member))
    for one in round_.asked:
        # Seats that have not answered yet shall not: nothing more of this round is opened.
        if not one.late:
            openings.cancel(state, one.opening)
    failed = _replace(round_, asked=(), bidders=(), escrow_nano=0, outcome="failed", reason=reason)
    events: list[AnyEvent] = [SealedFailed(round_.interval, reason, round_.withheld)]
    agenda.save(state, failed)
    if round_.demand_wh:
        market.stand_need(state, context, round_.buyer, round_.interval, round_.demand_wh)
    _stand_references(state, context, failed)
    # Open dispatch pays hidden sources for what it orders of them: no split of their billing cycle does so as well.
    cycles.pay_by_awards(state, context, round_.buyer, round_.interval)
    unpinned = keys.unpin(state, context, round_.key_id)
    moved, event = agenda.enter(context, failed, ORDERED)
    return moved, [*events, *unpinned, event]


def _stand_references(state: State, context: BlockContext, round_: SealedRound) -> None:
    elsewhere = open_sellers(state, round_.interval)
    for one in round_.participants:
        if one.member in elsewhere:
            continue
        for meter in one.meters:
            held = capacities.reference_of(state, meter)
            assert held is not None, "participants are registered"
            blocks = tuple(OfferBlock(block.price_nano_per_wh, block.energy_wh) for block in held.reference)
            source = state.load(METERS, METERS.key(meter))
            assert source is not None, "pinned meters are registered"
            market.stand_offer(state, context, source, round_.interval, blocks)


def finish(state: State, context: BlockContext, round_: SealedRound) -> tuple[SealedRound, list[AnyEvent]]:
    """Nothing of a round is left to be settled."""
    unpinned = () if round_.outcome == "failed" else keys.unpin(state, context, round_.key_id)
    done = _replace(round_, phase=DONE, asked=())
    return done, [*unpinned, SealedMoved(round_.interval, DONE), SealedDone(round_.interval, round_.outcome)]
