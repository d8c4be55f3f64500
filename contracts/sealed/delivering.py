"""From the close of the interval to the end of the round: who shows its delivery is credited, who does not is opened.

A credit is p * (Q - uV), hidden, and follows a proof that meters saw all of the award but a public shortfall u. For u
the buyer has its money back, and the supplier pays what a missing Wh costs in open dispatch. Who shows nothing in time
is short of all: its bid alone is opened to know how much that is. Only a meter that has not spoken about the interval
excuses its supplier, and not for ever.

A failed round ends here as well: hidden meters were paid in open dispatch for what reference offers were ordered to
deliver, and show it in the same way.
"""

from __future__ import annotations

import msgspec

from contracts import corrections, settlement
from contracts.confidential import crediting
from contracts.context import BlockContext
from contracts.params import PactParams
from contracts.receipts import AnyEvent
from contracts.schedule import is_closed
from contracts.schema import INTERVALS
from contracts.sealed import agenda, assertions, awarding, books, endings, metered, money, points
from contracts.sealed.bodies import ProveDelivery
from contracts.sealed.events import DeliveryShown
from contracts.sealed.opening import Moved
from contracts.sealed.records import (
    AWARDED,
    DELIVERING,
    OPENED,
    ORDERED,
    SETTLED,
    SETTLING,
    SHORT,
    SHOWN,
    SUSPENDED,
    UNOPENED,
    Participant,
    SealedRound,
    SealedSupplier,
)
from contracts.state import State

_replace = msgspec.structs.replace


def show(state: State, context: BlockContext, sender: str, body: ProveDelivery) -> tuple[AnyEvent, ...] | str:
    """Take the proof that a supplier's meters saw its award but for a shortfall, and credit the rest.

    Refuses `sealed.round`, `sealed.phase`, `sealed.bidder`, `sealed.award`, `sealed.metered`, `sealed.shortfall`,
    `sealed.proof`.
    """
    round_ = agenda.in_phase(state, body.interval, DELIVERING, SUSPENDED)
    if isinstance(round_, str):
        return round_
    supplier = agenda.participant(round_, sender)
    if supplier is None or sender not in round_.bidders:
        return "sealed.bidder"
    held = agenda.supplier(state, round_, sender)
    if held.state not in (AWARDED, OPENED):
        return "sealed.award"
    if held.award_wh is not None and body.shortfall_wh >= held.award_wh:
        return "sealed.shortfall"
    seen = metered.of_supplier(state, round_, supplier)
    if seen is None:
        return "sealed.metered"
    others_wh = _others_wh(state, round_, supplier)
    shown = assertions.delivered(context, round_, sender, held.award, seen, body.shortfall_wh, others_wh, body.proof)
    if not context.proves(shown):
        return "sealed.proof"
    events = _settle(state, context, round_, held, body.shortfall_wh, SHOWN, body.note)
    moved, more = finish(state, context, round_)
    agenda.save(state, moved)
    return (*events, *more)


def _others_wh(state: State, round_: SealedRound, supplier: Participant) -> int:
    """What open dispatch has ordered from the same meters."""
    if round_.outcome == "failed":
        return 0  # That is what is shown.
    return sum(books.ordered(state, round_, supplier).values())


def begin(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The interval has closed: deliveries may be shown."""
    if round_.phase == ORDERED:
        round_ = _owing(state, round_)
    moved, event = agenda.enter(context, round_, DELIVERING)
    if any(agenda.supplier(state, moved, one).state not in SETTLED for one in moved.bidders):
        return moved, [event]
    return finish(state, context, moved)


def _owing(state: State, round_: SealedRound) -> SealedRound:
    """A failed round, with those as its bidders that were ordered something at its hidden meters."""
    owing = []
    for one in round_.participants:
        ordered_wh = sum(books.ordered(state, round_, one).values())
        if ordered_wh:
            owing.append(one.member)
            point = points.of_value(ordered_wh).to_bytes()
            agenda.keep(state, round_, SealedSupplier(one.member, 0, OPENED, point, ordered_wh))
    return _replace(round_, bidders=tuple(owing))


def late(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The time to show deliveries is over: who could and did not is short of everything."""
    events: list[AnyEvent] = []
    asked = _replace(round_, asked=())
    for member in round_.bidders:
        held = agenda.supplier(state, round_, member)
        if held.state in SETTLED or _is_excused(state, context, round_, member):
            continue
        if held.award_wh is not None:
            events += _settle(state, context, round_, held, held.award_wh, SHORT, b"")
        else:
            asked = awarding.ask_alone(state, context, asked, member)
    if asked.asked:
        moved, event = agenda.enter(context, asked, SETTLING)
        return moved, [*events, event]
    moved, more = finish(state, context, asked)
    return moved, [*events, *more]


def settled(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The bids of those that showed nothing are opened, or never will be."""
    events: list[AnyEvent] = []
    outcome = round_.outcome
    for member in sorted({one.supplier for one in round_.asked if one.supplier is not None}):
        held = agenda.supplier(state, round_, member)
        award_wh = awarding.found_alone(round_, member)
        if award_wh is None:
            # What it was paid for nobody knows, so it stays where it is for good.
            outcome = "overpaid"
            events.append(awarding.lose_wager(state, round_, _replace(held, state=UNOPENED)))
            events.append(DeliveryShown(round_.interval, member, round_.buyer, UNOPENED, None, 0, 0))
        else:
            known = _replace(held, award_wh=award_wh)
            events += _settle(state, context, round_, known, award_wh, SHORT, b"")
    moved, more = finish(state, context, _replace(round_, asked=(), outcome=outcome))
    return moved, [*events, *more]


def finish(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """The round is done once nobody is left; it is suspended where only silent meters are."""
    left = [one for one in round_.bidders if agenda.supplier(state, round_, one).state not in SETTLED]
    if not left:
        return endings.finish(state, context, round_)
    if round_.phase != SUSPENDED and all(_is_excused(state, context, round_, member) for member in left):
        moved, event = agenda.enter(context, round_, SUSPENDED)
        return moved, [event]
    if round_.phase == SETTLING:
        moved, event = agenda.enter(context, round_, DELIVERING)
        return moved, [event]
    return round_, []


def resume(state: State, context: BlockContext, round_: SealedRound) -> Moved:
    """A suspended round goes on once a meter has spoken, or was silent for too long."""
    left = [one for one in round_.bidders if agenda.supplier(state, round_, one).state not in SETTLED]
    if all(_is_excused(state, context, round_, member) for member in left):
        return round_, []
    moved, event = agenda.enter(context, round_, DELIVERING)
    return moved, [event]


def excused_until_ms(params: PactParams, round_: SealedRound) -> int:
    """From when on a silent meter excuses nobody any more."""
    return (round_.interval + 1) * params.interval_ms + params.sealed.defect_ms


def _is_excused(state: State, context: BlockContext, round_: SealedRound, member: str) -> bool:
    supplier = agenda.participant(round_, member)
    assert supplier is not None, "bidders take part"
    is_silent = metered.of_supplier(state, round_, supplier) is None
    return is_silent and context.time_ms < excused_until_ms(context.params, round_)


def is_due(state: State, context: BlockContext, round_: SealedRound) -> bool:
    """Whether the interval has closed, and been settled in the open."""
    return is_closed(state, context, round_.interval)


def _settle(
    state: State,
    context: BlockContext,
    round_: SealedRound,
    held: SealedSupplier,
    shortfall_wh: int,
    outcome: str,
    note: bytes,
) -> list[AnyEvent]:
    """Credit what was delivered, give back and charge what was not, and free the wager."""
    events: list[AnyEvent] = []
    is_failed = round_.outcome == "failed"
    price = 0 if is_failed else awarding.clearing_of(round_).price_nano_per_wh
    used = points.IDENTITY
    if outcome == SHOWN:
        used = points.weighted((held.award, 1), (points.V, -shortfall_wh)).to_bytes()
        if not is_failed:
            credit = points.weighted((used, price)).to_bytes()
            credited = crediting.credit_award(state, context, held.member, credit, note, round_=round_.interval)
            assert credited is not None, "a round settles a supplier once"
            events.append(credited)
    charged_nano, refunded_nano = 0, price * shortfall_wh
    if shortfall_wh:
        money.refund(state, round_.buyer, refunded_nano)
        rate = _short_price(state, round_, price)
        charged_nano = money.charge(state, held.member, round_.buyer, max(0, rate) * shortfall_wh)
    if held.wager_nano:
        money.release(state, held.member, held.wager_nano)
    supplier = agenda.participant(round_, held.member)
    assert supplier is not None, "bidders take part"
    metered.pass_on(state, round_, supplier, used)
    agenda.keep(state, round_, _replace(held, state=outcome, shortfall_wh=shortfall_wh, wager_nano=0))
    moved = refunded_nano, charged_nano
    events.append(DeliveryShown(round_.interval, held.member, round_.buyer, outcome, shortfall_wh, *moved))
    return events


def _short_price(state: State, round_: SealedRound, price_nano_per_wh: int) -> int:
    """What a missing Wh costs by the terms of the interval, by which it has settled."""
    record = state.load(INTERVALS, INTERVALS.key(round_.interval))
    assert record is not None, "a closed interval has a record"
    dearest = max(price_nano_per_wh, record.price_nano_per_wh) if round_.outcome == "failed" else price_nano_per_wh
    return settlement.short_price(corrections.terms(record), dearest)
