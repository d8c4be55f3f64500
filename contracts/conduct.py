"""What suppliers are worth that are counted on: who gives less than ordered loses trust, who holds back is named.

Judged when an interval closes, per source and storage, by its own registers: more than `delivery_loss_ppm` of what was
ordered missing is a shortfall, on record with its Wh. A member's shortfalls at one close would cost a quarter of its
index times the missing part of what those meters were ordered; of the closes of one UTC day the worst counts. So a day
without wind, or a machine that broke, never costs more than a lie does.

- A silent meter is not judged while it is estimated, since nobody knows. When its register returns, the whole run of
  silent intervals is judged at once, against all that was ordered in it (in the last `MAX_JUDGED` intervals of longer
  ones): how the energy spreads inside the run is not known, its sum is. The interval of the returning reading, over
  which the same energy spreads, belongs to the run. So nothing is judged twice, and silence hides nothing.
- Other later words (what an owner restates against itself, what a parent meter decides) move money alone: honesty is
  not to cost what a lie would keep.
- In an island energy that nobody takes can't be given. What consumers, batteries and the grid took less than ordered
  counts as not ordered, in equal parts of every order; so does all export of an interval that turned out to be one.

Withholding is reported, and nothing follows from it by itself: a source's meter says with its reading what it could
give (`generation_w`), and the member offered less of it, as blocks or reserve, than that by more than the tolerance,
less what it took itself. A gust that nobody foresaw looks the same, so people judge it.

Never moves money: that is `contracts.settlement`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import msgspec

from contracts import order_book, trust
from contracts.conduct_records import ConductDay, Shortfall, Withholding
from contracts.context import BlockContext
from contracts.delivery import Delivery
from contracts.params import PactParams
from contracts.receipts import AnyEvent, UnderDelivered, WithholdingReported
from contracts.records import IntervalRecord, SiteMeter
from contracts.schema import (
    CONDUCT_DAYS,
    FLEXIBLE,
    INTERVALS,
    METERED,
    METERS,
    ORDERS,
    SHORTFALLS,
    WITHHOLDINGS,
)
from contracts.state import State
from contracts.units import MAX_ENERGY, PPM, energy_wh

_replace = msgspec.structs.replace
MAX_JUDGED = 96
"""Intervals of one run of silence whose orders are looked at, the last ones."""


class _Run(NamedTuple):
    """One meter's energy in intervals in which it is judged together."""

    member: str
    first: int
    length: int
    ordered_wh: int
    delivered_wh: int


def judge(state: State, context: BlockContext, record: IntervalRecord, delivery: Delivery) -> list[AnyEvent]:
    """Write the shortfalls that the close of an interval finds, and lower indexes for them."""
    found: list[Shortfall] = []
    for meter, run in sorted(_runs(state, record, delivery)):
        if (run.ordered_wh - run.delivered_wh) * PPM > run.ordered_wh * context.params.delivery_loss_ppm:
            found.append(Shortfall(meter, run.member, run.first, run.length, run.ordered_wh, run.delivered_wh))
    if not found:
        return []
    state.fill(SHORTFALLS, found, record.interval)
    together: dict[str, tuple[int, int]] = {}
    for one in found:
        ordered_wh, missing_wh = together.get(one.member, (0, 0))
        together[one.member] = ordered_wh + one.ordered_wh, missing_wh + one.ordered_wh - one.delivered_wh
    events: list[AnyEvent] = []
    for member, (ordered_wh, missing_wh) in sorted(together.items()):
        lost_ppm = _blame(state, context, record.interval, member, missing_wh, ordered_wh)
        events.append(UnderDelivered(member, record.interval, lost_ppm))
    return events


def _blame(state: State, context: BlockContext, interval: int, member: str, missing_wh: int, ordered_wh: int) -> int:
    """What a close with shortfalls costs a member's index beyond what its day has cost already, in ppm."""
    today = context.params.day_of(interval)
    day, held = state.entry(CONDUCT_DAYS, member), trust.current(state, context, member)
    assert held is not None, "only members deliver"
    if day is None or day.day != today:
        day = ConductDay(member, today, held.index_ppm, 0)
    due_ppm = day.index_ppm * missing_wh // (4 * ordered_wh)
    if due_ppm <= day.lost_ppm:
        return 0
    lost_ppm = trust.lower_index(state, context, member, "under-delivery", due_ppm - day.lost_ppm)
    state.put(CONDUCT_DAYS, _replace(day, lost_ppm=due_ppm))
    return lost_ppm


def report(
    state: State, params: PactParams, record: IntervalRecord, delivery: Delivery
) -> tuple[list[Withholding], list[AnyEvent]]:
    """Write what sources could have offered and did not in an interval that closes."""
    interval = record.interval
    found: list[Withholding] = []
    by_member: dict[str, list[Withholding]] = {}
    for meter, power_w in sorted(delivery.available_w.items()):
        registered = state.load(METERS, METERS.key(meter))
        assert registered is not None, "who said something is registered"
        own_wh = delivery.members[registered.member][0]
        available_wh, offered_wh = energy_wh(power_w, params.interval_ms), _offered_wh(state, record, meter)
        one = Withholding(meter, registered.member, interval, available_wh, offered_wh, min(own_wh, MAX_ENERGY))
        by_member.setdefault(registered.member, []).append(one)
    for own in by_member.values():
        could_wh = sum(one.available_wh for one in own)
        idle_wh = could_wh - sum(min(one.available_wh, one.offered_wh) for one in own) - own[0].own_wh
        if idle_wh * PPM > could_wh * params.delivery_loss_ppm:
            found += [one for one in own if one.offered_wh < one.available_wh]
    found.sort(key=WITHHOLDINGS.id)
    state.fill(WITHHOLDINGS, found, interval)
    return found, [WithholdingReported(member, interval) for member in sorted({one.member for one in found})]


def _offered_wh(state: State, record: IntervalRecord, meter: str) -> int:
    """Energy of all blocks and of the reserve of one meter in one interval."""
    offer = order_book.offer_of(state, record, meter)
    blocks_wh = sum(block.energy_wh for block in offer.blocks) if offer else 0
    flexible = state.load(FLEXIBLE, FLEXIBLE.key(record.interval))
    return blocks_wh + sum(one.reserve_wh for one in (flexible.reserves if flexible else ()) if one.meter == meter)


def _runs(state: State, record: IntervalRecord, delivery: Delivery) -> Iterator[tuple[str, _Run]]:
    """What each meter is judged by that spoke about the interval, or about earlier ones for the first time."""
    interval = record.interval
    measured = {one.meter: one for one in state.group(METERED, interval)}
    # Its deliveries are not in the record yet.
    now = _replace(record, withdrawn_wh=sum(flow[0] for flow in delivery.members.values()), tie_export_wh=0)
    for order in state.group(ORDERS, interval):
        for part in order.meters:
            metered = measured.get(part.meter)
            if metered is not None and part.energy_wh and part.meter not in delivery.returned:
                expected_wh = _expected(now, part.energy_wh)
                yield part.meter, _Run(order.member, interval, 1, expected_wh, min(metered.export_wh, expected_wh))
    for meter, (owner, returns) in delivery.returned.items():
        spans = [range(one.interval, one.interval + one.count) for one in returns]
        energy_wh = sum(one.export_wh or 0 for one in returns)
        if meter in measured:
            spans.append(range(interval, interval + 1))
            energy_wh += measured[meter].export_wh
        latest = islice((at for span in reversed(spans) for at in reversed(span)), MAX_JUDGED)
        ordered_wh = sum(_ordered(state, now, owner, at) for at in latest)
        length = sum(map(len, spans))
        yield meter, _Run(owner.member, returns[0].interval, length, ordered_wh, min(energy_wh, ordered_wh))


def _ordered(state: State, now: IntervalRecord, meter: SiteMeter, interval: int) -> int:
    """What was to be expected of one meter in one interval of its run; `now` is the one that closes."""
    record = now if interval == now.interval else state.load(INTERVALS, INTERVALS.key(interval))
    order = state.entry(ORDERS, meter.member, interval)
    if record is None or order is None:
        return 0
    return _expected(record, sum(part.energy_wh for part in order.meters if part.meter == meter.meter))


def _expected(record: IntervalRecord, ordered_wh: int) -> int:
    """The part of an order that somebody was there to take."""
    taken_wh = record.withdrawn_wh - record.tie_export_wh
    # What was to be taken: by consumers and the grid, or where batteries charge all that was to come in.
    wanted_wh = max(record.served_wh + record.export_wh, record.supplied_wh + record.import_wh)
    untaken_wh = 0 if record.grid else max(0, wanted_wh - taken_wh)
    supplied_wh = max(record.supplied_wh, ordered_wh)
    return ordered_wh - (-(-ordered_wh * min(untaken_wh, supplied_wh) // supplied_wh) if supplied_wh else 0)
