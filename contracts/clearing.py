"""What the clock does to an interval: orders when offers lock, bills when readings are in.

Reads state into the plain tuples of `contracts.dispatch` and `contracts.settlement`, and writes what they
answer. Holds no rule about who is dispatched or paid, and never looks at anything but the intervals that are
due.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts import corrections, dispatch, disputes, modes, settlement
from contracts.context import BlockContext
from contracts.delivery import NO_MEMBER, Delivery, deliver
from contracts.members import Holding
from contracts.params import PactParams
from contracts.receipts import OK, AnyEvent, EnergyCorrected, IntervalOrdered, IntervalSettled, MetersEstimated
from contracts.records import (
    MAX_NAMED,
    ORDERED,
    SETTLED,
    Bill,
    IntervalRecord,
    MeterOrder,
    NeedEntry,
    OfferEntry,
    Order,
    SiteMeter,
    TariffRecord,
)
from contracts.rolls import BUCKETS
from contracts.schedule import done, next_due
from contracts.schema import (
    BALANCES,
    BILLS,
    INTERVALS,
    NEEDS,
    OFFERS,
    ORDERS,
    TARIFFS,
    UTILITIES,
    UTILITY,
)
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.hashing import domain, sha256

_replace = msgspec.structs.replace
_RANGE = "amount.range"


def advance(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """Lock and close what is due, oldest deadline first, at most `max_closes_per_block` of them."""
    events: list[AnyEvent] = []
    for _ in range(context.params.max_closes_per_block):
        due = next_due(state, context)
        if due is None:
            break
        interval, lock = due
        if lock:
            events.append(_order(state, context, interval))
        else:
            events += _settle(state, context, interval)
        done(state, interval, lock)
        state.commit()
    return tuple(events)


def round_id(chain_id: str, interval: int) -> bytes:
    """What orders ties of one interval: nobody can choose it."""
    return sha256(domain("dispatch", chain_id) + interval.to_bytes(8, "big"))


# Orders


def _order(state: State, context: BlockContext, interval: int) -> IntervalOrdered:
    """Compute the dispatch and write an order per member that needs or offers."""
    key = INTERVALS.key(interval)
    record = state.load(INTERVALS, key) or IntervalRecord(interval)
    needs, offers = _standing(state, record)
    params = context.params
    utility, island = _grid(state, params, interval), modes.island_reason(state, interval)
    grid = None if island else utility
    supplies = [
        dispatch.Supply(entry.member, entry.meter, block.price_nano_per_wh, entry.factor_ug_per_wh, block.energy_wh)
        for entry in offers
        for block in entry.blocks
    ]
    result = dispatch.clear(
        dispatch.Market(
            round_id(context.chain_id, interval),
            supplies,
            [dispatch.Demand(need.member, need.energy_wh, need.limit_nano_per_wh, need.tier) for need in needs],
            grid,
            params.offer_cap_nano_per_wh,
            params.scarcity_price_nano_per_wh,
            params.price_slack_ppm,
        )
    )
    orders = _orders(interval, needs, offers, result)
    code = OK
    if any(order.pay_as_bid_nano > MAX_MONEY for order in orders):
        orders, code = [], _RANGE
    state.fill(ORDERS, orders, interval)
    served_wh = sum(result.served_wh)
    record = _replace(
        record,
        status=ORDERED,
        grid=grid is not None,
        mode_reason=island,
        import_nano_per_wh=utility.import_nano_per_wh if utility else 0,
        export_nano_per_wh=min(utility.export_nano_per_wh, utility.import_nano_per_wh) if utility else 0,
        export_lowered=result.export_lowered,
        price_nano_per_wh=result.price_nano_per_wh,
        served_wh=served_wh,
        shed_wh=result.shed_wh,
        supplied_wh=sum(result.supplied_wh),
        import_wh=result.import_wh,
        export_wh=result.export_wh,
        code=code,
        scarcity_nano_per_wh=params.scarcity_price_nano_per_wh,
        penalty_ppm=params.penalty_ppm,
    )
    state.save(key, record)
    return IntervalOrdered(interval, record.price_nano_per_wh, record.demand_wh + record.bids_wh, served_wh)


def _standing(state: State, record: IntervalRecord) -> tuple[list[NeedEntry], list[OfferEntry]]:
    """All needs and offers of the interval, in bucket order. They stay: whoever doubts an order computes it
    again from what is proven.
    """
    needs: list[NeedEntry] = []
    offers: list[OfferEntry] = []
    for number in range(BUCKETS):
        if record.need_buckets >> number & 1:
            held = state.load(NEEDS, NEEDS.key(record.interval, number))
            needs += held.entries if held else ()
        if record.offer_buckets >> number & 1:
            standing = state.load(OFFERS, OFFERS.key(record.interval, number))
            offers += standing.entries if standing else ()
    return needs, offers


def _grid(state: State, params: PactParams, interval: int) -> dispatch.Grid | None:
    """The utility's terms for the interval: its tariff, else those of genesis; None where there is no
    utility.
    """
    utility = state.load(UTILITIES, UTILITY)
    if utility is None:
        return None
    tariff = state.load(TARIFFS, TARIFFS.key(interval)) or TariffRecord(
        params.import_nano_per_wh,
        params.export_nano_per_wh,
        params.import_limit_wh,
        params.export_limit_wh,
        params.import_factor_ug_per_wh,
    )
    return dispatch.Grid(
        utility.member,
        tariff.import_nano_per_wh,
        tariff.export_nano_per_wh,
        tariff.import_limit_wh,
        tariff.export_limit_wh,
        tariff.factor_ug_per_wh,
    )


class _Share:
    """An order in the making."""

    __slots__ = ("meters", "offer", "pay_as_bid", "requested", "served", "shed")

    def __init__(self) -> None:
        self.requested = self.served = self.shed = self.pay_as_bid = 0
        self.meters: list[MeterOrder] = []
        self.offer: int | None = None


def _orders(interval: int, needs: list[NeedEntry], offers: list[OfferEntry], result: dispatch.Dispatch) -> list[Order]:
    """One order per member, ascending; each covers all its needs and meters."""
    shares: dict[str, _Share] = {}
    for need, served_wh in zip(needs, result.served_wh, strict=True):
        share = shares.setdefault(need.member, _Share())
        share.requested += need.energy_wh
        share.served += served_wh
        if need.limit_nano_per_wh is None:
            share.shed += need.energy_wh - served_wh
    taken = iter(result.supplied_wh)
    for offer in offers:
        share = shares.setdefault(offer.member, _Share())
        supplied_wh, dearest = 0, offer.blocks[0].price_nano_per_wh
        for block, energy_wh in zip(offer.blocks, taken, strict=False):
            if energy_wh:
                supplied_wh, dearest = supplied_wh + energy_wh, block.price_nano_per_wh
                share.pay_as_bid += energy_wh * max(0, dearest - result.price_nano_per_wh)
        share.meters.append(MeterOrder(offer.meter, supplied_wh))
        share.offer = dearest if share.offer is None else min(share.offer, dearest)
    return [
        Order(
            member,
            interval,
            share.requested,
            share.served,
            share.shed,
            tuple(sorted(share.meters, key=lambda order: order.meter)),
            sum(order.energy_wh for order in share.meters),
            share.pay_as_bid,
            share.offer,
        )
        for member, share in sorted(shares.items())
    ]


# Bills


def _settle(state: State, context: BlockContext, interval: int) -> list[AnyEvent]:
    """Fold registers, settle, book. An interval that only meters spoke about is ordered (emptily) first."""
    events: list[AnyEvent] = []
    key = INTERVALS.key(interval)
    record = state.load(INTERVALS, key)
    if record is None or record.status != ORDERED:
        events.append(_order(state, context, interval))
        record = state.load(INTERVALS, key)
        assert record is not None, "ordering writes the record"
    params = context.params
    delivery = deliver(state, params, interval)
    detected = modes.observe(state, interval, delivery.ties)
    if detected and record.grid:
        record = _replace(record, grid=False, mode_reason=detected)
    # Verdicts come before new disputes: what they correct is settled.
    behind, decided = disputes.decide(state, params, interval, delivery.behind) if record.code == OK else ([], [])
    delivery, disputed = disputes.compare(state, params, record, delivery)
    residual_nano: int | None = None
    if record.code == OK:
        residual_nano, corrected = _bill(state, params, record, delivery, behind)
        events += [*decided, *corrected]
    code = OK if residual_nano is not None else _RANGE
    withdrawn_wh = sum(flow[0] for flow in delivery.members.values()) + delivery.tie_export_wh
    injected_wh = sum(flow[1] for flow in delivery.members.values()) + delivery.tie_import_wh
    events += disputed
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
        ),
    )
    events.append(IntervalSettled(interval, injected_wh, withdrawn_wh, residual_nano or 0, code))
    return events


def _bill(
    state: State, params: PactParams, record: IntervalRecord, delivery: Delivery, behind: Sequence[SiteMeter]
) -> tuple[int | None, list[EnergyCorrected]]:
    """Book all lines with the corrections that they carry, or without them where money would leave its bounds; the
    residual, None where no line was booked at all.
    """
    interval, terms = record.interval, corrections.terms(record)
    positions = _positions(state, interval, delivery)
    utility = state.load(UTILITIES, UTILITY)
    tie: settlement.Tie | None = None
    if utility is not None:
        tie = settlement.Tie(
            utility.member, delivery.tie_import_wh, delivery.tie_export_wh, NO_MEMBER in delivery.estimated
        )
    batch = corrections.carry(state, params, interval, behind)
    residual_nano = _book(state, interval, settlement.settle(terms, positions, tie, batch.amounts), delivery, batch)
    if residual_nano is None and batch.amounts:
        batch = corrections.cancel(state, batch)
        residual_nano = _book(state, interval, settlement.settle(terms, positions, tie), delivery, batch)
    return residual_nano, batch.events()


def _positions(state: State, interval: int, delivery: Delivery) -> list[settlement.Position]:
    """Orders beside deliveries, ascending by member."""
    orders = {order.member: order for key in ORDERS.roll_keys(interval) for order in state.roll(ORDERS, key)}
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
    held = {
        holding.member: holding.balance_nano for key in BALANCES.roll_keys() for holding in state.roll(BALANCES, key)
    }
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
