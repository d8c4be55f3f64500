"""How a cycle's total falls to its sources, and what each answers.

The campus publishes a point for each: together, with what it holds back, they are the total. That needs no proof but
the addition, since the campus knows the total's opening and chooses the last blinding. Each supplier reads its own
share in a note, compares it with what its meter proves, and answers: by the public difference of both, or, where even
that is nobody's business, by a proof that the difference is within the line's loss.

A share that differs by more is not paid: the delivery is, and the campus is named. The residual is then the campus's,
who bills the loads and pays the sources.

What estimates put into a total is not what anybody delivered, so the campus may hold back as much, in public, until the
meters have spoken; then it has to give it out.
"""

from __future__ import annotations

import msgspec

from contracts.confidential import keys
from contracts.context import BlockContext
from contracts.members import Private
from contracts.private import agenda, cycles
from contracts.private.bodies import Reconcile, ShareOfBill, SplitCycle
from contracts.private.events import CycleSplit
from contracts.private.points import Hidden, combine, is_point, total, with_public
from contracts.private.records import ANSWERING, OPENING, SPLITTING, Outcome, PrivateCycle, Share
from contracts.receipts import AnyEvent
from contracts.schema import ESTIMATE_BOOKS, METERS
from contracts.state import State
from contracts.units import MAX_ENERGY, PPM
from zk import notes
from zk.statements import known_difference, ranges, within_loss
from zk.statements.assertion import Assertion, Where
from zk.statements.parts import BELOW_2_62

_replace = msgspec.structs.replace
KIND = "range"
"""Of the statement about the shares of a bill."""


def split_where(chain_id: str, campus: str, cycle: int) -> Where:
    """The place that the proof of a split is good for."""
    return Where(chain_id, campus, cycle)


def answer_where(chain_id: str, meter: str, cycle: int) -> Where:
    """The place that a supplier's answer is good for."""
    return Where(chain_id, meter, cycle)


def route(chain_id: str, meter: str, cycle: int, campus: str, owner: str) -> notes.Route:
    """How the note about a share goes to the source's owner."""
    return notes.Route(purpose=f"share/{meter}", chain_id=chain_id, epoch=cycle, sender=campus, recipient=owner)


def split(state: State, context: BlockContext, sender: str, body: SplitCycle) -> tuple[AnyEvent, ...] | str:
    """Split a cycle. Said before the time for complaints is over, it takes every use as it stands.

    Refuses `private.cycle`, `private.phase`, `private.awards`, `private.shares`, `private.held`, `private.sum`,
    `private.note-key`, `private.note`, `private.proof`.
    """
    record = agenda.load(state, sender, body.cycle)
    if record is None:
        return "private.cycle"
    if record.phase not in (OPENING, SPLITTING):
        return "private.phase"
    if record.by_awards:
        return "private.awards"
    events: list[AnyEvent] = []
    if record.phase == OPENING:
        record = cycles.fix(state, context, record, events)
    if [one.meter for one in body.shares] != [one.meter for one in record.shares] or not body.shares:
        return "private.shares"
    if not all(is_point(one.point) for one in body.shares):
        return "private.shares"
    book = cycles.book_of(state, sender)
    held_wh = book.held_wh + body.held_wh
    if not 0 <= held_wh <= book.standing_wh:
        return "private.held"
    if with_public(total(one.point for one in body.shares), body.held_wh) != record.total:
        return "private.sum"
    shares: list[Share] = []
    for share, said in zip(record.shares, body.shares, strict=True):
        to = keys.note_key(state, share.member)
        if to is None:
            return "private.note-key"
        sealed = notes.check(said.note, to, **route(context.chain_id, said.meter, body.cycle, sender, share.member))
        if sealed is None or not context.proves(sealed):
            return "private.note"
        billed = _replace(share, bill=said.point, note=said.note, note_key=to)
        if billed.is_delivery:
            billed = cycles.decided(billed, "equal", 0, body.cycle, events)
        shares.append(billed)
    if not context.proves(asserted(context.chain_id, sender, body.cycle, body.shares, body.proof)):
        return "private.proof"
    state.save(ESTIMATE_BOOKS.key(sender), _replace(book, held_wh=held_wh))
    events.append(CycleSplit(sender, body.cycle, body.held_wh))
    record = _replace(record, shares=tuple(shares), held_wh=body.held_wh, own_note=body.own_note)
    agenda.save(state, cycles.enter(context, record, ANSWERING, events))
    return tuple(events)


def asserted(chain_id: str, campus: str, cycle: int, shares: tuple[ShareOfBill, ...], proof: bytes) -> Assertion:
    """That every share is an energy."""
    points = [one.point for one in shares]
    limits = [(0, MAX_ENERGY)] * len(points)
    return ranges.assertion(KIND, split_where(chain_id, campus, cycle), points, limits, proof)


def answer(state: State, context: BlockContext, sender: str, body: Reconcile) -> tuple[AnyEvent, ...] | str:
    """Decide what a source is paid for by its owner's answer.

    Refuses `private.meter`, `private.cycle`, `private.phase`, `private.answered`, `private.delivery`, `private.proof`.
    """
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None or meter.private is None or meter.member != sender:
        return "private.meter"
    record = agenda.load(state, meter.private.campus, body.cycle)
    if record is None:
        return "private.cycle"
    if record.phase != ANSWERING:
        return "private.phase"
    share = next((one for one in record.shares if one.meter == body.meter), None)
    if share is None:
        return "private.meter"
    if share.outcome:
        return "private.answered"
    if share.delivery is None or share.bill is None:
        return "private.delivery"
    place = answer_where(context.chain_id, body.meter, body.cycle)
    events: list[AnyEvent] = []
    outcome: Outcome = "within"
    if body.difference_wh is None:
        if not context.proves(_within(place, share.bill, share.delivery, meter.private, body.proof)):
            return "private.proof"
    else:
        said = known_difference.assertion(place, share.bill, share.delivery, body.difference_wh, body.proof)
        if not context.proves(said):
            return "private.proof"
        decision = _beyond(context, meter.private, place, share.delivery, body)
        if decision is None:
            return "private.proof"
        outcome = "delivery" if decision else "within"
    record = decide(record, share, outcome, body.difference_wh, events)
    agenda.save(state, record)
    return tuple(events)


def decide(
    record: PrivateCycle, share: Share, outcome: Outcome, difference_wh: int | None, events: list[AnyEvent]
) -> PrivateCycle:
    """The cycle with one share decided; where the delivery is paid the campus is named and has the residual."""
    after = cycles.decided(share, outcome, difference_wh, record.cycle, events)
    shares = tuple(after if one.meter == share.meter else one for one in record.shares)
    record = _replace(record, shares=shares)
    if outcome == "delivery":
        record = _replace(record, residual_wh=record.residual_wh + (difference_wh or 0))
        record = cycles.name(record, record.campus, share.meter, "loss", events)
    return record


def shortfall(delivery: bytes, terms: Private, difference_wh: int) -> Hidden:
    """A commitment that hides no less than nothing when, and only when, a bill falls short of a delivery by more than
    the line loses: 10^6 (-difference - fixed) - ppm * delivery - 1."""
    return with_public(combine((delivery, -terms.loss_ppm)), PPM * (-difference_wh - terms.fixed_wh) - 1)


def _within(place: Where, bill: bytes, delivery: bytes, terms: Private, proof: bytes) -> Assertion:
    return within_loss.assertion(
        place,
        bill,
        delivery,
        proof,
        loss_ppm=terms.loss_ppm,
        fixed_wh=terms.fixed_wh,
        accuracy_wh=terms.accuracy_wh,
    )


def _beyond(context: BlockContext, terms: Private, place: Where, delivery: bytes, body: Reconcile) -> bool | None:
    """Whether a public difference is more than the line's loss; None where what is said of that is not proven."""
    assert body.difference_wh is not None, "a hidden difference is proven to be within"
    if body.difference_wh >= 0:
        return body.difference_wh > terms.accuracy_wh
    hidden = shortfall(delivery, terms, body.difference_wh)
    if not terms.loss_ppm or hidden is None:
        return -body.difference_wh > terms.fixed_wh
    if not body.beyond:
        return False
    return True if context.proves(ranges.assertion(KIND, place, [hidden], [BELOW_2_62], body.beyond)) else None
