"""Bids for a green share as they stand on the ledger: their way into the dispatch, and what is sold when it settles.

A bid counts for the intervals it names until they lock. What green sources offer then goes into the dispatch with the
premiums taken off (`contracts.carbon.green`). At the close the same rule, on the same bids and offers, says what of the
delivered energy was sold to whom: nothing has to be remembered in between.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from contracts import order_book
from contracts.carbon.bodies import GreenBid
from contracts.carbon.events import GreenBidAccepted
from contracts.carbon.factors import applied
from contracts.carbon.green import Bid, Level, Sale, Segment, Stack, discount, levels, sales
from contracts.carbon.origin import is_green
from contracts.carbon.records import MAX_GREEN_BIDS, GreenBids, GreenEntry, OriginAccount
from contracts.context import BlockContext
from contracts.records import IntervalRecord, Line, OfferEntry
from contracts.schedule import late_or_far
from contracts.schema import GREEN, INTERVALS, METERS, ORIGINS
from contracts.settlement import Due, Owed
from contracts.state import State
from zk.hashing import domain, sha256


def bid(state: State, context: BlockContext, sender: str, body: GreenBid) -> tuple[GreenBidAccepted, ...] | str:
    """Let a bid stand. Refuses `green.late`, `green.horizon`, `green.price`, `green.none`, `green.full`; all intervals
    or none."""
    code = late_or_far(state, context, ("green.late", "green.horizon"), body.interval, body.count)
    if code is not None:
        return code
    if body.premium_nano_per_wh > context.params.offer_cap_nano_per_wh:
        return "green.price"
    for interval in range(body.interval, body.interval + body.count):
        key = GREEN.key(interval)
        held = state.load(GREEN, key)
        entries = held.entries if held is not None else ()
        at = bisect_left(entries, sender, key=lambda entry: entry.member)
        there = at < len(entries) and entries[at].member == sender
        if not there and not body.energy_wh:
            return "green.none"
        if not there and len(entries) >= MAX_GREEN_BIDS:
            return "green.full"
        own = (GreenEntry(sender, body.premium_nano_per_wh, body.energy_wh),) if body.energy_wh else ()
        state.save(key, GreenBids((*entries[:at], *own, *entries[at + there :])))
    return (GreenBidAccepted(sender, body.interval, body.count),)


def wanted(state: State, interval: int) -> list[Level]:
    """What is bid for in an interval, the highest premium first; nothing where nobody bids. A share is one of what its
    buyer asked for: nobody buys energy green that it does not take."""
    held = state.load(GREEN, GREEN.key(interval))
    entries = held.entries if held is not None else ()
    found = []
    for one in entries:
        asked_wh = sum(need.energy_wh for need in order_book.needs_of(state, interval, one.member))
        if energy_wh := min(one.energy_wh, asked_wh):
            found.append(Bid(one.member, one.premium_nano_per_wh, energy_wh))
    return levels(found)


def segments(
    state: State,
    context: BlockContext,
    interval: int,
    demand: Sequence[Level],
    offered: Mapping[str, Sequence[tuple[int, int]]],
) -> dict[str, tuple[Segment, ...]]:
    """What green sources offer in an interval, with premiums, by meter; `demand` is what is `wanted` there. `offered`
    are the blocks of any sources, (price, energy); `green.blocks` of the segments go into the dispatch in their place.
    """
    stacks = []
    for name in sorted(offered):
        meter = state.load(METERS, METERS.key(name))
        assert meter is not None, "who offers is registered"
        factor = applied(state, context.params, meter, interval)
        if is_green(meter, factor):
            stacks.append(Stack(name, factor.total_ug_per_wh, offered[name]))
    round_id = sha256(domain("green", context.chain_id) + interval.to_bytes(8, "big"))
    return discount(stacks, demand, context.params.price_floor_nano_per_wh, round_id)


def sold(
    state: State,
    context: BlockContext,
    interval: int,
    demand: Sequence[Level],
    accepted_wh: Mapping[str, int],
    metered_wh: Mapping[str, int],
) -> list[Sale]:
    """What buyers get of green energy that was accepted and metered, by meter, where so much was `wanted`; what a
    source's member owes of its certificates of origin comes first."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    offers = order_book.offers(state, record)
    offered = segments(state, context, interval, demand, {one.meter: _blocks(one) for one in offers})
    owners = {one.meter: one.member for one in offers}
    owed: dict[str, int] = {}
    for member in sorted(set(owners.values())):
        owed[member] = (state.load(ORIGINS, ORIGINS.key(member)) or OriginAccount(member)).owed_wh
    delivered: dict[str, int] = {}
    for meter in sorted(offered):
        energy_wh = metered_wh.get(meter, 0)
        paid_wh = min(energy_wh, owed[owners[meter]])
        owed[owners[meter]] -= paid_wh
        delivered[meter] = min(energy_wh - paid_wh, accepted_wh.get(meter, 0))
    return sales(interval, offered, delivered, demand)


def due(state: State, found: Sequence[Sale]) -> Due:
    """Lines of the premiums: what buyers pay, and what the sources' members get. They sum to zero."""
    sums: dict[str, tuple[int, int]] = {}
    for sale in found:
        meter = state.load(METERS, METERS.key(sale.meter))
        assert meter is not None, "only what is registered is sold"
        for member, sign in ((sale.buyer, -1), (meter.member, 1)):
            energy_wh, amount_nano = sums.get(member, (0, 0))
            sums[member] = energy_wh + sign * sale.energy_wh, amount_nano + sign * sale.amount_nano
    lines = ((member, Line("green", sums[member][0], None, sums[member][1])) for member in sorted(sums))
    return Due(tuple(Owed(member, line) for member, line in lines if line.amount_nano))


def _blocks(offer: OfferEntry) -> list[tuple[int, int]]:
    return [(block.price_nano_per_wh, block.energy_wh) for block in offer.blocks]
