"""From a checked dispatch to orders: who shall deliver and who is served in the intervals of a window.

Asks `contracts.windows` for the case of a window, takes the answer of every node (`contracts.relaxing`) or what a round
of wagering decided for, and writes what it means for each member. Never decides between them, and never bills.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts import modes, orders, relaxing, windows
from contracts.context import BlockContext
from contracts.flexible.records import OpenLoads
from contracts.program.case import Case
from contracts.program.flows import network
from contracts.program.verdict import Verdict
from contracts.receipts import IntervalOrdered
from contracts.records import LOCKED, MAX_NAMED, ORDERED, IntervalRecord, Order
from contracts.schedule import Window
from contracts.schema import INTERVALS, LOADS, OPEN_LOAD_LIST, OPEN_LOADS, ORDERS, UTILITIES, UTILITY
from contracts.standing import Standing
from contracts.state import State
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace
OUT_OF_RANGE = "amount.range"


class Plan(NamedTuple):
    """What a window may be ordered by."""

    case: Case
    verdict: Verdict | None
    """None: there is no dispatch of it, and nobody is ordered anything."""
    relaxed: tuple[str, ...] = ()


def plan(state: State, context: BlockContext, window: Window, ahead: int) -> Plan:
    """What every node would order by now; nothing where the window as a whole is no case."""
    case = windows.build(state, context, window, ahead)
    if case.binding < window.length:
        return Plan(case, None)
    # Where builders may be asked, it is wanted again when they are judged.
    asked = context.params.wagering.on
    found = relaxing.remembered(msgspec.json.encode(case)) if asked else relaxing.answer(case)
    return Plan(case, None) if found is None else Plan(found.case, found.verdict, found.relaxed)


def lock(state: State, context: BlockContext, window: Window, relaxed: tuple[str, ...], round_: int) -> None:
    """Fix the terms of a window that a round will decide: whether the site is an island may change until then."""
    for interval in window.intervals:
        record = _record(state, interval, windows.standing(state, context.params, interval))
        record = _replace(record, status=LOCKED, round=round_, relaxed=relaxed, window=_window_of(window))
        state.save(INTERVALS.key(interval), record)


def order(
    state: State, context: BlockContext, window: Window, decided: Plan, builder: str | None = None
) -> tuple[IntervalOrdered, ...]:
    """Write an order per member and interval that wants, offers or is given something."""
    places = network(decided.case).places
    events = []
    for at, interval in enumerate(window.intervals):
        stands = windows.standing(state, context.params, interval)
        record = _record(state, interval, stands)
        record = _replace(
            record,
            status=ORDERED,
            export_lowered=record.grid and _is_lowered(decided.case, at),
            scarcity_nano_per_wh=context.params.scarcity_price_nano_per_wh,
            penalty_ppm=context.params.penalty_ppm,
            builder=builder,
            window=_window_of(window),
            relaxed=decided.relaxed,
        )
        written: list[Order] = []
        if decided.verdict is not None:
            totals = orders.totals(decided.case, decided.verdict, at, record.demand_wh - record.reduced_wh)
            asked = {one.meter: one.reserve_nano_per_wh for one in stands.flexible.entries}
            said = orders.Said(stands.needs, asked)
            written = orders.orders(decided.case, decided.verdict, places, at, interval, said)
            record = _replace(record, **totals._asdict())
        if decided.verdict is None or any(_is_beyond(one) for one in written):
            written, record = [], _replace(record, code=OUT_OF_RANGE)
        state.fill(ORDERS, written, interval)
        state.save(INTERVALS.key(interval), record)
        _serve_loads(state, written)
        wanted_wh = record.demand_wh + record.bids_wh
        events.append(IntervalOrdered(interval, record.price_nano_per_wh, wanted_wh, record.served_wh))
    _close_loads(state, window.first + window.length)
    return tuple(events)


def _window_of(window: Window) -> int | None:
    return window.first if window.length > 1 else None


def _is_lowered(case: Case, at: int) -> bool:
    return any(tie.import_nano_per_wh[at] < tie.export_nano_per_wh[at] for tie in case.connections)


def _is_beyond(one: Order) -> bool:
    amounts = (one.pay_as_bid_nano, abs(one.offered_nano), one.wear_nano, one.reserve_nano, one.spared_nano)
    return max(amounts) > MAX_MONEY


def _record(state: State, interval: int, stands: Standing) -> IntervalRecord:
    """The interval with what the site's connection is in it, and what that costs: as its lock fixed it, else by now."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    if record.status == LOCKED:
        return record
    counted, tariff = stands.counted, stands.tariff
    utility = state.load(UTILITIES, UTILITY)
    return _replace(
        record,
        grid=stands.connected,
        mode_reason=counted.reason if stands.connected else modes.island_reason(state, interval),
        import_nano_per_wh=tariff.import_nano_per_wh if utility else 0,
        export_nano_per_wh=min(tariff.export_nano_per_wh, tariff.import_nano_per_wh) if utility else 0,
        mode=counted.mode,
        reduced_wh=counted.reduced_wh,
        surplus_wh=counted.surplus_wh,
        capped=counted.capped[:MAX_NAMED],
    )


def _serve_loads(state: State, written: Sequence[Order]) -> None:
    """Count what was ordered for flexible loads."""
    for one in (load for order in written for load in order.loads):
        key = LOADS.key(one.load)
        load = state.load(LOADS, key)
        assert load is not None, "what is ordered was wanted"
        state.save(key, _replace(load, ordered_wh=load.ordered_wh + one.energy_wh))


def _close_loads(state: State, ordered_until: int) -> None:
    """Loads with nothing left to want wait no longer."""
    waiting = state.load(OPEN_LOADS, OPEN_LOAD_LIST)
    if waiting is None:
        return
    left = []
    for one in waiting.entries:
        load = state.load(LOADS, LOADS.key(one.id))
        assert load is not None, "what waits is on record"
        if load.until > ordered_until and load.ordered_wh < load.energy_wh:
            left.append(one)
    if len(left) < len(waiting.entries):
        state.save(OPEN_LOAD_LIST, OpenLoads(tuple(left)))
