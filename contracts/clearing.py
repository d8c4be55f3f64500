"""What the clock does to an interval: orders when offers lock, bills when readings are in.

Where builders wager on solutions, the lock opens a round, and the interval is ordered when that is judged
(`contracts.wagers`). Reads state into the plain tuples of `contracts.settlement`, and writes what they answer. Holds
no rule about who is dispatched or paid, and never looks at anything but the intervals that are due.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts import (
    base_load,
    conduct,
    corrections,
    demand_response,
    disputes,
    make_whole,
    modes,
    rewards,
    settlement,
    standing,
    surges,
)
from contracts.carbon import bids, book
from contracts.carbon.green import Sale
from contracts.confidential import fees
from contracts.context import BlockContext
from contracts.delivery import NO_MEMBER, Delivery, deliver
from contracts.members import Holding
from contracts.ordering import OUT_OF_RANGE, order, plan
from contracts.receipts import OK, AnyEvent, IntervalSettled, MetersEstimated
from contracts.records import LOCKED, MAX_NAMED, ORDERED, SETTLED, Bill, IntervalRecord, SiteMeter
from contracts.schedule import Window, closed, due_window, locked, next_due
from contracts.schema import BALANCES, BILLS, INTERVALS, ORDERS, UTILITIES, UTILITY
from contracts.sealed import books, clock
from contracts.state import State
from contracts.units import MAX_MONEY
from contracts.wagers import certified

_replace = msgspec.structs.replace


def advance(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """Lock and close what is due, oldest deadline first, at most `max_closes_per_block` of them."""
    events: list[AnyEvent] = []
    for _ in range(context.params.max_closes_per_block):
        due = next_due(state, context)
        if due is None:
            break
        interval, lock = due
        if lock:
            window = due_window(state, context.params, interval)
            events += clock.at_lock(state, context, window)
            events += certified.lock(state, context, window)
            locked(state, window)
        elif _is_undecided(state, interval):
            break
        else:
            events += _settle(state, context, interval)
            closed(state, interval)
        state.commit()
    return tuple(events)


def _is_undecided(state: State, interval: int) -> bool:
    """Its round is still to be judged: one block takes so many rounds, and they may be about other things, too."""
    record = state.load(INTERVALS, INTERVALS.key(interval))
    return record is not None and record.status == LOCKED


# Bills


def _settle(state: State, context: BlockContext, interval: int) -> list[AnyEvent]:
    """Fold registers, settle, book. An interval that only meters spoke about is ordered (emptily) first."""
    events: list[AnyEvent] = []
    key = INTERVALS.key(interval)
    record = state.load(INTERVALS, key)
    if record is None or record.status != ORDERED:
        alone = Window(interval, 1)
        events += order(state, context, alone, plan(state, context, alone, 0))
        record = state.load(INTERVALS, key)
        assert record is not None, "ordering writes the record"
    params = context.params
    delivery = deliver(state, params, interval)
    detected = modes.observe(state, interval, delivery.ties)
    if detected and record.grid:
        record = _replace(record, grid=False, mode_reason=detected)
    if record.code == OK:
        events += conduct.judge(state, context, record, delivery)
    withheld, reported = conduct.report(state, params, record, delivery)
    events += reported
    # Verdicts come before new disputes: what they correct is settled.
    behind, decided = disputes.decide(state, params, interval, delivery.behind) if record.code == OK else ([], [])
    delivery, disputed = disputes.compare(state, params, record, delivery)
    residual_nano: int | None = None
    booked = _NOTHING
    if record.code == OK:
        residual_nano, booked = _bill(state, context, record, delivery, behind)
        events += [*decided, *booked.batch.events()]
    hidden = books.hidden_energy(state, params, interval)
    events += book.close(state, params, interval, delivery.flows, booked.batch.corrections, booked.sales, hidden)
    code = OK if residual_nano is not None else OUT_OF_RANGE
    withdrawn_wh = sum(flow[0] for flow in delivery.members.values()) + delivery.tie_export_wh
    injected_wh = sum(flow[1] for flow in delivery.members.values()) + delivery.tie_import_wh
    events += disputed
    events += surges.ask(state, context, interval, delivery)
    silent = delivery.silent()
    if silent:
        events.append(MetersEstimated(interval, len(silent), tuple(silent[:MAX_NAMED])))
    state.save(
        key,
        _replace(
            record,
            status=SETTLED,
            injected_wh=injected_wh,
            withdrawn_wh=withdrawn_wh,
            tie_import_wh=delivery.tie_import_wh,
            tie_export_wh=delivery.tie_export_wh,
            losses_wh=injected_wh - withdrawn_wh,
            residual_nano=residual_nano or 0,
            code=code,
            estimated=len(silent),
            estimated_meters=tuple(silent[:MAX_NAMED]),
            disputes=len(disputed),
            withholding=len(withheld),
        ),
    )
    events.append(IntervalSettled(interval, injected_wh, withdrawn_wh, residual_nano or 0, code))
    return events


class _Booked(NamedTuple):
    """What an interval's bills carry besides its own energy."""

    batch: corrections.Batch
    sales: list[Sale]


_NOTHING = _Booked(corrections.Batch({}, {}, {}, {}), [])


def _bill(
    state: State, context: BlockContext, record: IntervalRecord, delivery: Delivery, behind: Sequence[SiteMeter]
) -> tuple[int | None, _Booked]:
    """Book all lines with the corrections that they carry and what else is owed, or without either where money would
    leave its bounds; the residual, None where no line was booked at all.
    """
    interval, terms = record.interval, corrections.terms(record)
    positions, bought = books.adjust(state, record, _positions(state, interval, delivery), delivery)
    utility = state.load(UTILITIES, UTILITY)
    tie: settlement.Tie | None = None
    if utility is not None:
        tie = settlement.Tie(
            utility.member, delivery.tie_import_wh, delivery.tie_export_wh, NO_MEMBER in delivery.estimated
        )
    batch = corrections.carry(state, context.params, interval, behind)
    sales = _green_sales(state, context, record, delivery)
    dues = [bought, *_dues(state, context, record, delivery), bids.due(state, sales)]
    owed = [one for due in dues for one in due.owed]
    residual_nano = _book(
        state, interval, settlement.settle(terms, positions, tie, batch.amounts, owed), delivery, batch
    )
    if residual_nano is None and owed:
        dues, sales = [], []
        residual_nano = _book(state, interval, settlement.settle(terms, positions, tie, batch.amounts), delivery, batch)
    if residual_nano is None and batch.amounts:
        batch = corrections.cancel(state, batch)
        residual_nano = _book(state, interval, settlement.settle(terms, positions, tie), delivery, batch)
    if residual_nano is not None:
        for key, entry in (item for due in dues for item in due.writes.items()):
            state.save(key, entry)
    return residual_nano, _Booked(batch, sales if residual_nano is not None else [])


def _dues(state: State, context: BlockContext, record: IntervalRecord, delivery: Delivery) -> list[settlement.Due]:
    """What is owed beyond orders and meters."""
    interval, promised = record.interval, standing.promised(state, context.params, record)
    orders = state.group(ORDERS, interval)
    return [
        rewards.builders(state, record),
        rewards.proposer(state, context, delivery),
        make_whole.due(state, context.params, record),
        base_load.due(context.params, promised.needs, orders, promised.promised),
        demand_response.due(state, context.params, interval, orders, promised.reduced),
        fees.due(state, delivery),
    ]


def _green_sales(state: State, context: BlockContext, record: IntervalRecord, delivery: Delivery) -> list[Sale]:
    """What buyers of a green share get of what was ordered and metered; nothing of an estimate."""
    demand = bids.wanted(state, record.interval)
    if not demand:
        return []
    accepted = {
        ordered.meter: ordered.energy_wh for one in state.group(ORDERS, record.interval) for ordered in one.meters
    }
    silent = delivery.silent()
    metered = {meter: flow[1] for meter, flow in delivery.flows.items() if meter not in silent}
    return bids.sold(state, context, record.interval, demand, accepted, metered)


def _positions(state: State, interval: int, delivery: Delivery) -> list[settlement.Position]:
    """Orders beside deliveries, ascending by member."""
    orders = {order.member: order for order in state.group(ORDERS, interval)}
    positions = []
    for member in sorted(orders.keys() | delivery.members.keys()):
        order = orders.get(member)
        withdrawn_wh, injected_wh = delivery.members.get(member, (0, 0))
        positions.append(corrections.position(member, order, withdrawn_wh, injected_wh, member in delivery.estimated))
    return positions


def _book(
    state: State, interval: int, sheet: settlement.Sheet | None, delivery: Delivery, batch: corrections.Batch
) -> int | None:
    """Write bills and move balances (below zero if need be); the residual. None, and nothing written, where there is
    no sheet or a balance would leave its bounds.
    """
    if sheet is None:
        return None
    held = {holding.member: holding.balance_nano for holding in state.group(BALANCES)}
    for member, total_nano in sheet.totals.items():
        if member not in held or abs(held[member] + total_nano) > MAX_MONEY:
            return None
        held[member] += total_nano
    bills = [
        Bill(
            member,
            interval,
            lines,
            sheet.totals[member],
            *delivery.members.get(member, (0, 0)),
            len(delivery.estimated.get(member, ())),
            batch.counts.get(member, 0),
        )
        for member, lines in sheet.lines.items()
    ]
    state.fill(BALANCES, [Holding(member, held[member]) for member in sorted(held)])
    state.fill(BILLS, bills, interval)
    return sheet.residual_nano
