"""What the clock does to a private billing cycle, and what nobody can hold up.

    reading -> proving -> opening -> splitting -> answering -> paying -> done

proving: owners prove what their registers grew by. opening: the campus complains of notes that do not open. Then the
total is fixed: what stands, and an estimate in public of every load that proved nothing. splitting: the campus says
what falls to each source. answering: suppliers answer. paying: whoever owes, spends. A phase ends when nothing is left
to be said in it, and by itself once it has lasted: whoever was silent until then is named, and the cycle goes on.

A phase lasts `private_ms`, and then goes on for `private_blocks` or two blocks for each seat, whichever are more, and
until blocks of organisations with more than 1/3 of the power were in it: neither a stall of the chain nor a third of
the power keeps a word out of all of it.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from contracts import epochs
from contracts.context import BlockContext
from contracts.cycles import cycle as cycle_at
from contracts.cycles import cycle_of
from contracts.members import Holding, Meter
from contracts.params import PactParams
from contracts.private import agenda, bills
from contracts.private.events import CycleMoved, MemberNamed, ShareDecided, TotalFixed
from contracts.private.meters import campus_site, head_of
from contracts.private.points import total, with_public
from contracts.private.records import (
    DONE,
    LEAST_BUYERS,
    OPENING,
    PAYING,
    PROVING,
    READING,
    SPLITTING,
    CyclePlace,
    EstimateBook,
    Estimated,
    HiddenMeter,
    HiddenUse,
    Named,
    Outcome,
    Phase,
    PrivateCycle,
    Reason,
    Share,
)
from contracts.receipts import AnyEvent
from contracts.schema import BALANCES, ESTIMATE_BOOKS, HIDDEN_HEADS, HIDDEN_USES, METERS
from contracts.state import State
from contracts.units import MAX_MONEY, MAX_TIME, energy_wh

_replace = msgspec.structs.replace
BLOCKS_PER_SEAT = 2


def advance(state: State, context: BlockContext) -> list[AnyEvent]:
    """Move every cycle that has to be moved before this block's transactions."""
    events: list[AnyEvent] = []
    for place in agenda.places(state):
        before = record = agenda.load(state, place.campus, place.cycle)
        assert record is not None, "what waits has a record"
        if record.phase == READING:
            record = _begun(state, context, place, record, events)
        else:
            record = _hear(state, context, record)
        while (after := _moved(state, context, record, events)) is not None:
            record = after
        if record is not before:
            agenda.save(state, record)
            state.commit()
    return events


def _begun(
    state: State, context: BlockContext, place: CyclePlace, record: PrivateCycle, events: list[AnyEvent]
) -> PrivateCycle:
    """The cycle in its first phase of blocks, if its time has come."""
    if agenda.due_ms(context.params, record.cycle) > context.time_ms or agenda.waits_behind(state, place):
        return record
    return enter(context, record, PROVING, events)


def _moved(state: State, context: BlockContext, record: PrivateCycle, events: list[AnyEvent]) -> PrivateCycle | None:
    """The cycle in its next phase; None: it stays."""
    over = _is_over(state, context, record)
    match record.phase:
        case "proving" if over or record.proven >= len(_counted(state, context.params, record)):
            return enter(context, record, OPENING, events)
        case "opening" if over or not record.proven:
            return fix(state, context, record, events)
        case "splitting" if over or not record.shares:
            return _unsplit(context, record, events)
        case "answering" if over or all(share.outcome for share in record.shares):
            return _unanswered(context, record, events)
        case "paying":
            unpaid = _unpaid(state, context.params, record)
            is_owed = record.green_buyers >= LEAST_BUYERS and record.retired_wh is None
            if not over and (is_owed or next(unpaid, None) is not None):
                return None
            for meter in unpaid:
                record = name(record, bills.parties(meter)[0], meter.id, "unpaid", events)
            if is_owed:
                record = name(record, record.campus, None, "not-green", events)
            return enter(context, record, DONE, events)
        case _:
            return None


def enter(context: BlockContext, record: PrivateCycle, phase: Phase, events: list[AnyEvent]) -> PrivateCycle:
    """The cycle at the beginning of a phase."""
    events.append(CycleMoved(record.campus, record.cycle, phase))
    lasts_ms = context.params.private_ms
    return _replace(
        record,
        phase=phase,
        since_height=context.height,
        heard=(),
        ends_ms=min(context.time_ms + lasts_ms, MAX_TIME),
        closing_height=0 if lasts_ms else context.height,
    )


def name(record: PrivateCycle, member: str, meter: str | None, reason: Reason, events: list[AnyEvent]) -> PrivateCycle:
    """The cycle with one more name in it; nobody is named twice for one thing."""
    named = Named(member, meter, reason)
    if named in record.named:
        return record
    events.append(MemberNamed(record.campus, record.cycle, member, meter, reason))
    return _replace(record, named=(*record.named, named))


def use_of(state: State, cycle: int, meter: str) -> HiddenUse | None:
    """What a meter used up to the end of a cycle, if that stands."""
    found = state.load(HIDDEN_USES, HIDDEN_USES.key(cycle, meter))
    return None if found is None or found.wrong else found


def book_of(state: State, campus: str) -> EstimateBook:
    """What estimates put into a campus's totals."""
    return state.load(ESTIMATE_BOOKS, ESTIMATE_BOOKS.key(campus)) or EstimateBook(campus, 0, 0)


# Phases


def _hear(state: State, context: BlockContext, record: PrivateCycle) -> PrivateCycle:
    """The cycle with this block in its phase, once the time of that is over."""
    if context.time_ms < record.ends_ms:
        return record
    if not record.closing_height:
        record = _replace(record, closing_height=context.height)
    speaker = epochs.organisation(state, context.height, context.proposer)
    if speaker is None or speaker in record.heard or epochs.are_heard(state, context.height, record.heard):
        return record
    return _replace(record, heard=(*record.heard, speaker))


def _is_over(state: State, context: BlockContext, record: PrivateCycle) -> bool:
    """A phase of blocks has lasted."""
    if record.phase in (READING, DONE) or not record.closing_height:
        return False
    least = max(context.params.private_blocks, BLOCKS_PER_SEAT * len(epochs.seats(state, context.height)))
    return context.height - record.closing_height >= least and epochs.are_heard(state, context.height, record.heard)


def _counted(state: State, params: PactParams, record: PrivateCycle) -> list[HiddenMeter]:
    """Meters that belong to a cycle: admitted before its end, and not stopped."""
    last = cycle_at(params, record.cycle).last
    return [one for one in campus_site(state, record.campus).meters if one.since <= last and not one.stopped]


def pay_by_awards(state: State, context: BlockContext, campus: str, interval: int) -> bool:
    """Sealed dispatch pays the sources of the cycle of an interval, which is not split then; False where its readings
    are over, or no further cycle can wait."""
    cycle = cycle_of(context.params, interval)
    if agenda.is_closed(state, context, campus, cycle) or not agenda.begin(state, campus, cycle):
        return False
    record = agenda.load(state, campus, cycle)
    assert record is not None, "it has begun"
    agenda.save(state, _replace(record, by_awards=True))
    return True


# The total


def fix(state: State, context: BlockContext, record: PrivateCycle, events: list[AnyEvent]) -> PrivateCycle:
    """Settle every meter that proved its use, estimate every load that did not, and fix what all used."""
    params, estimates, shares = context.params, list[Estimated](), list[Share]()
    bought, buyers = list[bytes](), set[str]()
    returned_wh = 0
    for one in _counted(state, params, record):
        use = use_of(state, record.cycle, one.meter)
        if use is not None:
            returned_wh += _settle(state, record.campus, use)
            if use.green is not None:
                bought.append(use.green.point)
                buyers.add(use.member)
        else:
            _pass_over(state, one.meter, record.cycle)
        if use is None and not one.source:
            estimates.append(_estimate(state, context, record, one))
        if use is None and not _was_wrong(state, record.cycle, one.meter):
            record = name(record, one.member, one.meter, "silent", events)
        if one.source:
            shares.append(Share(one.meter, one.member, None if use is None else use.point))
    estimated_wh = sum(one.energy_wh for one in estimates)
    book = book_of(state, record.campus)
    standing_wh = book.standing_wh + estimated_wh - returned_wh
    state.save(ESTIMATE_BOOKS.key(record.campus), _replace(book, standing_wh=standing_wh))
    events.append(TotalFixed(record.campus, record.cycle, record.proven, estimated_wh, returned_wh))
    record = _replace(
        record,
        estimates=tuple(estimates),
        returned_wh=returned_wh,
        total=with_public(record.used, estimated_wh - returned_wh),
        shares=() if record.by_awards else tuple(shares),
        green=total(bought),
        green_buyers=len(buyers),
    )
    return enter(context, record, SPLITTING, events)


def _settle(state: State, campus: str, use: HiddenUse) -> int:
    """The meter is settled up to its proven use; returns the estimates that this puts in place of, paid back."""
    head = head_of(state, use.meter)
    latest = tuple(one for one in head.latest if one.cycle > use.cycle)
    # What would leave the bounds of money is given back with a later cycle.
    owed_nano = 0 if not head.owed_nano or _pay(state, campus, use.member, head.owed_nano) else head.owed_nano
    settled = _replace(head, settled=use.register, latest=latest, owed_wh=0, owed_nano=owed_nano)
    state.save(HIDDEN_HEADS.key(use.meter), settled)
    return head.owed_wh


def _pass_over(state: State, meter: str, cycle: int) -> None:
    """Registers of a cycle that was not proven are of no use any more: a later one covers it."""
    head = head_of(state, meter)
    latest = tuple(one for one in head.latest if one.cycle > cycle)
    state.save(HIDDEN_HEADS.key(meter), _replace(head, latest=latest))


def _estimate(state: State, context: BlockContext, record: PrivateCycle, one: HiddenMeter) -> Estimated:
    """A load that proved nothing is taken at its rating, and pays for that at once, in public."""
    meter = state.load(METERS, METERS.key(one.meter))
    assert meter is not None and meter.private is not None, "every private meter is registered"
    params = context.params
    intervals = cycle_at(params, record.cycle).intervals
    taken_wh = energy_wh(meter.rating_w, intervals * params.interval_ms)
    head = head_of(state, one.meter)
    owed_nano = taken_wh * meter.private.tariff_nano_per_wh
    # What would leave the bounds of money is not billed; the estimate stands, and the meter is named in any case.
    if head.owed_nano + owed_nano > MAX_MONEY or not _pay(state, one.member, record.campus, owed_nano):
        owed_nano = 0
    owed = _replace(head, owed_wh=head.owed_wh + taken_wh, owed_nano=head.owed_nano + owed_nano)
    state.save(HIDDEN_HEADS.key(one.meter), owed)
    return Estimated(one.meter, taken_wh)


def _pay(state: State, payer: str, payee: str, amount_nano: int) -> bool:
    """Move public money, also into a debt, as bills do; False where it would leave the bounds."""
    held = {one: state.entry(BALANCES, one) for one in (payer, payee)}
    moved = {payer: -amount_nano, payee: amount_nano}
    after = [Holding(one, found.balance_nano + moved[one]) for one, found in held.items() if found is not None]
    if len(after) < 2 or any(abs(one.balance_nano) > MAX_MONEY for one in after):
        return False
    for holding in after:
        state.put(BALANCES, holding)
    return True


def _was_wrong(state: State, cycle: int, meter: str) -> bool:
    found = state.load(HIDDEN_USES, HIDDEN_USES.key(cycle, meter))
    return found is not None and found.wrong


# The split and its answers


def _unsplit(context: BlockContext, record: PrivateCycle, events: list[AnyEvent]) -> PrivateCycle:
    """Nobody split the total: what sources proved to have delivered is what they are paid for."""
    if record.shares:
        record = name(record, record.campus, None, "no-split", events)
    shares = []
    for share in record.shares:
        if share.delivery is not None:
            shares.append(decided(share, "delivery", None, record.cycle, events))
        else:
            shares.append(share)
    return enter(context, _replace(record, shares=tuple(shares)), PAYING, events)


def _unanswered(context: BlockContext, record: PrivateCycle, events: list[AnyEvent]) -> PrivateCycle:
    """Shares stand that nobody answered to."""
    shares = []
    for share in record.shares:
        if not share.outcome:
            if share.delivery is not None:
                record = name(record, share.member, share.meter, "no-answer", events)
            shares.append(decided(share, "share", None, record.cycle, events))
        else:
            shares.append(share)
    return enter(context, _replace(record, shares=tuple(shares)), PAYING, events)


def decided(share: Share, outcome: Outcome, difference_wh: int | None, cycle: int, events: list[AnyEvent]) -> Share:
    """The share with what it is paid for."""
    events.append(ShareDecided(share.meter, cycle, outcome, difference_wh))
    return _replace(share, outcome=outcome, difference_wh=difference_wh)


def _unpaid(state: State, params: PactParams, record: PrivateCycle) -> Iterator[Meter]:
    """Meters with a bill that waits. Looked for one by one: while there is any, a block needs no other."""
    for one in _counted(state, params, record):
        meter = state.load(METERS, METERS.key(one.meter))
        assert meter is not None, "every private meter is registered"
        if any(bills.bill(state, record, meter, green) is not None for green in (False, True)):
            yield meter
