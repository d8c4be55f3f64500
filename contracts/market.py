"""Needs, offers and tariffs: what members say about an interval before its gate.

Needs and offers are kept in buckets, which stand for good once they lock. Needs add up: every need of a member
is wanted on top of its earlier ones; equal ones (same tier, or same limit price) are kept as one sum. An offer
replaces the earlier one of its meter and interval. Nothing here is dispatched or paid.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from contracts.bodies import Need, Offer, OfferBlock, Tariff
from contracts.carbon import factors
from contracts.context import BlockContext
from contracts.envelopes import refusal
from contracts.flexible.offers import in_bounds, offers_itself
from contracts.members import Meter
from contracts.receipts import AnyEvent, NeedAccepted, OfferAccepted, TariffAccepted
from contracts.records import (
    MAX_NEEDS_PER_MEMBER,
    IntervalRecord,
    NeedBucket,
    NeedEntry,
    OfferBucket,
    OfferEntry,
    TariffRecord,
)
from contracts.rolls import bucket
from contracts.schedule import await_lock, late_or_far
from contracts.schema import INTERVALS, METERS, NEEDS, OFFERS, TARIFFS, UTILITIES, UTILITY
from contracts.sealed.exclusive import sells_sealed
from contracts.state import State
from contracts.units import MAX_ENERGY, WH_MS

_replace = msgspec.structs.replace
OFFERING_KINDS = ("source", "storage")


def need(state: State, context: BlockContext, sender: str, body: Need) -> tuple[AnyEvent, ...] | str:
    """Add energy to what the sender wants in each interval.

    Refuses `need.late`, `need.horizon`, `need.price`, `need.full`, `amount.range`; all intervals or none.
    """
    limit = body.limit_nano_per_wh
    code = late_or_far(state, context, ("need.late", "need.horizon"), body.interval, body.count)
    if code is not None:
        return code
    if limit is not None and not in_bounds(context.params, limit):
        return "need.price"
    first: IntervalRecord | None = None
    for interval in range(body.interval, body.interval + body.count):
        record = _open_interval(state, interval)
        first = first or record
        code = _add_need(state, context, sender, body, record)
        if code is not None:
            return code
    assert first is not None, "a need covers at least one interval"
    return (NeedAccepted(sender, body.interval, body.count, first.needs),)


def stand_need(state: State, context: BlockContext, member: str, interval: int, energy_wh: int) -> str | None:
    """Let a contract need energy for a member in an interval whose offers have not been locked, as fixed demand of the
    most critical tier. Where there is no room for it, a code says why."""
    record = _open_interval(state, interval)
    return _add_need(state, context, member, Need(interval, 1, energy_wh, None, 0), record)


def _add_need(state: State, context: BlockContext, sender: str, body: Need, record: IntervalRecord) -> str | None:
    """One interval of a need; a code refuses."""
    if record.needs >= context.params.max_needs_per_interval:
        return "need.full"
    if record.demand_wh + record.bids_wh + body.energy_wh > MAX_ENERGY:
        return "amount.range"
    limit = body.limit_nano_per_wh
    tier = body.tier if limit is None else 0
    number = bucket(sender)
    key = NEEDS.key(record.interval, number)
    held = state.load(NEEDS, key) if record.need_buckets >> number & 1 else None
    entries = held.entries if held else ()
    own = 0
    for at, entry in enumerate(entries):
        if entry.member == sender:
            if entry.limit_nano_per_wh == limit and entry.tier == tier:
                summed = NeedEntry(sender, limit, tier, entry.energy_wh + body.energy_wh)
                entries = (*entries[:at], summed, *entries[at + 1 :])
                break
            own += 1
    else:
        if own >= MAX_NEEDS_PER_MEMBER:
            return "need.full"
        entries = (*entries, NeedEntry(sender, limit, tier, body.energy_wh))
    state.save(key, NeedBucket(entries))
    fixed_wh = body.energy_wh if limit is None else 0
    state.save(
        INTERVALS.key(record.interval),
        _replace(
            record,
            needs=record.needs + 1,
            demand_wh=record.demand_wh + fixed_wh,
            bids_wh=record.bids_wh + body.energy_wh - fixed_wh,
            need_buckets=record.need_buckets | 1 << number,
        ),
    )
    return None


def offer(state: State, context: BlockContext, sender: str, body: Offer) -> tuple[AnyEvent, ...] | str:
    """Let an offer stand for its meter and interval; no blocks withdraw it.

    Refuses `meter.unknown`, `meter.private`, `offer.meter`, `offer.kind`, `offer.late`, `offer.horizon`, `offer.order`,
    `offer.price`, `offer.rating`, `offer.storage`, `offer.sealed`, `offer.full`, `envelope.power`, `envelope.time`,
    `envelope.revoked`.
    """
    params = context.params
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member != sender:
        return "offer.meter"
    if meter.private is not None:
        return "meter.private"
    if meter.kind not in OFFERING_KINDS:
        return "offer.kind"
    code = late_or_far(state, context, ("offer.late", "offer.horizon"), body.interval)
    if code is not None:
        return code
    prices = [block.price_nano_per_wh for block in body.blocks]
    if any(low >= high for low, high in pairwise(prices)):
        return "offer.order"
    if not all(in_bounds(params, price) for price in prices):
        return "offer.price"
    offered_wh = sum(block.energy_wh for block in body.blocks)
    if offered_wh * WH_MS > meter.rating_w * params.interval_ms:
        return "offer.rating"
    if body.blocks and offers_itself(state, meter, body.interval):
        return "offer.storage"
    if body.blocks and sells_sealed(state, body.interval, sender):
        return "offer.sealed"
    beyond = refusal(state, body.meter, body.interval, give_wh=offered_wh)
    if beyond is not None:
        return beyond

    code = stand_offer(state, context, meter, body.interval, body.blocks)
    return (OfferAccepted(body.meter, body.interval),) if code is None else code


def stand_offer(
    state: State, context: BlockContext, meter: Meter, interval: int, blocks: tuple[OfferBlock, ...]
) -> str | None:
    """Let these blocks, which fit the meter, stand for it in an interval whose offers have not been locked; none
    withdraw what stands. Where there is no room for them, a code says why."""
    params, record, number = context.params, _open_interval(state, interval), bucket(meter.id)
    key = OFFERS.key(interval, number)
    held = state.load(OFFERS, key) if record.offer_buckets >> number & 1 else None
    others = tuple(entry for entry in held.entries if entry.meter != meter.id) if held else ()
    offers = record.offers - (len(held.entries) - len(others) if held else 0)
    if blocks:
        if offers >= params.max_offers_per_interval:
            return "offer.full"
        factor = factors.applied(state, params, meter, interval).total_ug_per_wh
        reference = meter.reference_price_nano_per_wh
        others = (*others, OfferEntry(meter.id, meter.member, factor, blocks, reference))
        offers += 1
    state.save(key, OfferBucket(others))
    state.save(
        INTERVALS.key(interval),
        _replace(record, offers=offers, offer_buckets=record.offer_buckets | 1 << number),
    )
    return None


def tariff(state: State, context: BlockContext, sender: str, body: Tariff) -> tuple[AnyEvent, ...] | str:
    """Write the utility's prices ahead; later ones replace earlier ones until the gate.

    Refuses `tariff.role`, `tariff.late`, `tariff.horizon`, `tariff.price`. Import below export is allowed:
    the interval then clears with export := import.
    """
    utility = state.load(UTILITIES, UTILITY)
    if utility is None or utility.member != sender:
        return "tariff.role"
    code = late_or_far(state, context, ("tariff.late", "tariff.horizon"), body.interval, body.count)
    if code is not None:
        return code
    if not (in_bounds(context.params, body.import_nano_per_wh) and in_bounds(context.params, body.export_nano_per_wh)):
        return "tariff.price"
    record = TariffRecord(
        body.import_nano_per_wh,
        body.export_nano_per_wh,
        body.import_limit_wh,
        body.export_limit_wh,
        body.factor_ug_per_wh,
    )
    for interval in range(body.interval, body.interval + body.count):
        state.save(TARIFFS.key(interval), record)
    return (TariffAccepted(body.interval, body.count),)


def _open_interval(state: State, interval: int) -> IntervalRecord:
    """The open record of an interval, scheduled from its first content on."""
    record = state.load(INTERVALS, INTERVALS.key(interval))
    if record is None:
        await_lock(state, interval)
        return IntervalRecord(interval)
    return record
