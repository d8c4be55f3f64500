"""From standing needs and offers to orders: who shall deliver and who is served in one interval.

Reads state into the plain tuples of `contracts.dispatch`, and writes what they answer: the dispatch that every node
computes for itself, or the one that a round of wagering decided for. Never decides between them, and never bills.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts import dispatch, modes, windows
from contracts.context import BlockContext
from contracts.params import PactParams
from contracts.receipts import OK, IntervalOrdered
from contracts.records import (
    LOCKED,
    MAX_NAMED,
    ORDERED,
    IntervalRecord,
    MeterOrder,
    NeedEntry,
    OfferEntry,
    Order,
    TariffRecord,
)
from contracts.schema import INTERVALS, ORDERS, UTILITIES, UTILITY
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.hashing import domain, sha256

_replace = msgspec.structs.replace
OUT_OF_RANGE = "amount.range"


def round_id(chain_id: str, interval: int) -> bytes:
    """What orders ties of one interval: nobody can choose it."""
    return sha256(domain("dispatch", chain_id) + interval.to_bytes(8, "big"))


def lock(state: State, context: BlockContext, interval: int, round_: int) -> None:
    """Fix the terms of an interval that a round will decide: whether the site is an island may change until then."""
    state.save(INTERVALS.key(interval), _replace(_record(state, context, interval), status=LOCKED, round=round_))


def market(state: State, context: BlockContext, interval: int) -> dispatch.Market:
    """Everything that decides the interval; the same from its lock to its order, unless parameters change."""
    record = _record(state, context, interval)
    return _market(state, context, record, windows.standing(state, context.params, interval))


def _market(state: State, context: BlockContext, record: IntervalRecord, stands: windows.Standing) -> dispatch.Market:
    utility = state.load(UTILITIES, UTILITY)
    grid = make_grid(context.params, utility.member, stands.tariff) if record.grid and utility else None
    return make_market(context.chain_id, context.params, record.interval, grid, stands.needs, stands.offers)


def make_market(
    chain_id: str,
    params: PactParams,
    interval: int,
    grid: dispatch.Grid | None,
    needs: Sequence[NeedEntry],
    offers: Sequence[OfferEntry],
) -> dispatch.Market:
    """The market of needs and offers in the order in which they stand; `grid` is None for an island."""
    return dispatch.Market(
        round_id(chain_id, interval),
        [
            dispatch.Supply(entry.member, entry.meter, block.price_nano_per_wh, entry.factor_ug_per_wh, block.energy_wh)
            for entry in offers
            for block in entry.blocks
        ],
        [dispatch.Demand(need.member, need.energy_wh, need.limit_nano_per_wh, need.tier) for need in needs],
        grid,
        params.offer_cap_nano_per_wh,
        params.scarcity_price_nano_per_wh,
        params.price_slack_ppm,
    )


def order(
    state: State,
    context: BlockContext,
    interval: int,
    planned: dispatch.Dispatch | None = None,
    builder: str | None = None,
) -> IntervalOrdered:
    """Write an order per member that needs or offers: of what a `builder` planned, else the merit order."""
    record = _record(state, context, interval)
    stands = windows.standing(state, context.params, interval)
    if planned is None:
        planned = dispatch.clear(_market(state, context, record, stands))
    orders = _orders(interval, stands.needs, stands.offers, planned)
    code = OK
    if any(one.pay_as_bid_nano > MAX_MONEY for one in orders):
        orders, code = [], OUT_OF_RANGE
    state.fill(ORDERS, orders, interval)
    served_wh = sum(planned.served_wh)
    record = _replace(
        record,
        status=ORDERED,
        export_lowered=planned.export_lowered,
        price_nano_per_wh=planned.price_nano_per_wh,
        served_wh=served_wh,
        shed_wh=planned.shed_wh,
        supplied_wh=sum(planned.supplied_wh),
        import_wh=planned.import_wh,
        export_wh=planned.export_wh,
        code=code,
        scarcity_nano_per_wh=context.params.scarcity_price_nano_per_wh,
        penalty_ppm=context.params.penalty_ppm,
        builder=builder,
    )
    state.save(INTERVALS.key(interval), record)
    return IntervalOrdered(interval, record.price_nano_per_wh, record.demand_wh + record.bids_wh, served_wh)


def _record(state: State, context: BlockContext, interval: int) -> IntervalRecord:
    """The interval with what the site's connection is in it, and what that costs: as its lock fixed it, else by now."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    if record.status == LOCKED:
        return record
    stands = windows.standing(state, context.params, interval)
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


def make_grid(params: PactParams, utility: str, tariff: TariffRecord | None) -> dispatch.Grid:
    """The connection under a tariff, or under the terms in force."""
    tariff = tariff or TariffRecord(
        params.import_nano_per_wh,
        params.export_nano_per_wh,
        params.import_limit_wh,
        params.export_limit_wh,
        params.import_factor_ug_per_wh,
    )
    return dispatch.Grid(
        utility,
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
