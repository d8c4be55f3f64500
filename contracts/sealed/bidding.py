"""What is said to a round before anything of it is opened: it is opened itself, tenants seal demand, suppliers bid.

A proof is looked at last, so that nobody makes nodes check what could not count anyway. Whatever holds is in the round
for good: the first word counts, and no other replaces it.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from contracts import modes
from contracts.ceremony import keys, window
from contracts.context import BlockContext
from contracts.params import PactParams
from contracts.private.meters import campus_site
from contracts.schedule import await_lock, late_or_far, lock_ms
from contracts.schema import (
    INTERVALS,
    MEMBERS,
    METERS,
    SEALED_DEMANDS,
    SEALED_OFFERS,
    SEALED_ROUNDS,
    SEALED_SUPPLIERS,
)
from contracts.sealed import agenda, assertions, capacities, money, points
from contracts.sealed.bodies import MAX_WH, OpenSealed, SealBid, SealDemand
from contracts.sealed.events import BidSealed, DemandSealed, SealedOpened
from contracts.sealed.exclusive import open_sellers
from contracts.sealed.records import (
    BIDDING,
    MAX_DEMANDS,
    MAX_OPEN,
    SealedDemand,
    SealedOffer,
    SealedRound,
    SealedSupplier,
)
from contracts.state import State
from zk.statements.parts import has_identity_sum

_replace = msgspec.structs.replace
ENOUGH = 3
"""Organisations without which a sum shows what one of them said."""


def open_round(state: State, context: BlockContext, sender: str, body: OpenSealed) -> tuple[SealedOpened] | str:
    """Open the one round of an interval; the sender is its buyer, and locks what a public demand may cost.

    Refuses `sealed.off`, `sealed.role`, `sealed.late`, `sealed.horizon`, `sealed.interval`, `sealed.ticks`,
    `sealed.price`, `sealed.deadline`, `sealed.island`, `sealed.full`, `sealed.key`, `sealed.few`, `sealed.nameplate`,
    `sealed.insolvent`.
    """
    params, interval = context.params, body.interval
    member = state.load(MEMBERS, MEMBERS.key(sender))
    if not params.sealed.on:
        return "sealed.off"
    if member is None or "campus" not in member.roles:
        return "sealed.role"
    code = late_or_far(state, context, ("sealed.late", "sealed.horizon"), interval)
    if code is not None:
        return code
    if state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval)) is not None:
        return "sealed.interval"
    if len(body.ticks) > params.sealed.max_ticks or any(low >= high for low, high in pairwise(body.ticks)):
        return "sealed.ticks"
    if body.ticks[-1] > params.offer_cap_nano_per_wh:
        return "sealed.price"
    if not context.time_ms < body.deadline_ms < lock_ms(params, interval):
        return "sealed.deadline"
    if modes.island_reason(state, interval):
        return "sealed.island"
    if len(agenda.intervals(state)) >= MAX_OPEN:
        return "sealed.full"
    key = keys.key_in_force(state)
    if key is None:
        return "sealed.key"
    participants = capacities.able(state, interval)
    if sum(one.nameplate_wh > 0 for one in participants) < ENOUGH:
        return "sealed.few"
    if sum(one.nameplate_wh for one in participants) > MAX_WH:
        return "sealed.nameplate"
    escrow_nano = body.ticks[-1] * (body.demand_wh or 0)
    if escrow_nano and not money.lock(state, sender, escrow_nano):
        return "sealed.insolvent"
    round_ = SealedRound(
        interval=interval,
        buyer=sender,
        ticks=body.ticks,
        deadline_ms=body.deadline_ms,
        key_id=key.key_id,
        key=key.point,
        participants=tuple(participants),
        demand_wh=body.demand_wh,
        demand_sums=points.NOTHING,
        sums=(points.NOTHING,) * len(body.ticks),
        award_sums=points.NOTHING,
        height=context.height,
        window=window.begin(context),
        escrow_nano=escrow_nano,
    )
    keys.pin(state, key.key_id)
    if state.load(INTERVALS, INTERVALS.key(interval)) is None:
        await_lock(state, interval)
    agenda.begin(state, round_)
    return (SealedOpened(interval, sender, len(body.ticks), len(participants), body.deadline_ms),)


def seal_demand(state: State, context: BlockContext, sender: str, body: SealDemand) -> tuple[DemandSealed] | str:
    """Add a tenant's demand to the sum that will be opened.

    Refuses `sealed.round`, `sealed.phase`, `sealed.demand-public`, `sealed.twice`, `sealed.tenant`, `sealed.full`,
    `sealed.point`, `sealed.proof`.
    """
    round_ = agenda.in_phase(state, body.interval, BIDDING)
    if isinstance(round_, str):
        return round_
    if round_.demand_wh is not None:
        return "sealed.demand-public"
    if sender in round_.tenants:
        return "sealed.twice"
    most_wh = rating_wh(state, context.params, round_.buyer, sender)
    if most_wh == 0:
        return "sealed.tenant"
    if len(round_.tenants) >= MAX_DEMANDS or round_.ratings_wh + most_wh > MAX_WH:
        return "sealed.full"
    said = points.said(body.sealed, body.ephemeral)
    if said is None:
        return "sealed.point"
    if not context.proves(assertions.demanded(context, round_, sender, body, most_wh)):
        return "sealed.proof"
    key = SEALED_DEMANDS.key(body.interval, sender)
    state.save(key, SealedDemand(sender, most_wh, body.sealed, body.ephemeral))
    after = _replace(
        round_,
        tenants=(*round_.tenants, sender),
        ratings_wh=round_.ratings_wh + most_wh,
        demand_sums=points.add(round_.demand_sums, said),
    )
    agenda.save(state, after)
    return (DemandSealed(body.interval, sender),)


def rating_wh(state: State, params: PactParams, campus: str, member: str) -> int:
    """What a tenant's private loads, which the campus bills, can take in an interval."""
    total_wh = 0
    for one in campus_site(state, campus).meters:
        if one.member == member and not one.source and not one.stopped:
            held = state.load(METERS, METERS.key(one.meter))
            assert held is not None, "what is listed is registered"
            total_wh += capacities.nameplate(params, held)
    return total_wh


def bid(state: State, context: BlockContext, sender: str, body: SealBid) -> tuple[BidSealed] | str:
    """Take a supplier's bid, and lock its wager. A second one, however valid, is refused.

    Refuses `sealed.round`, `sealed.phase`, `sealed.participant`, `sealed.twice`, `sealed.open`, `sealed.shape`,
    `sealed.point`, `sealed.wager`, `sealed.proof`.
    """
    round_ = agenda.in_phase(state, body.interval, BIDDING)
    if isinstance(round_, str):
        return round_
    supplier = agenda.participant(round_, sender)
    if supplier is None:
        return "sealed.participant"
    if sender in round_.bidders:
        return "sealed.twice"
    if sender in open_sellers(state, body.interval):
        return "sealed.open"
    if not len(body.sealed) == len(body.ephemeral) == len(round_.ticks):
        return "sealed.shape"
    said = [points.said(*one) for one in zip(body.sealed, body.ephemeral, strict=True)]
    ciphertexts = [one for one in said if one is not None]
    halves = [one.E for one in ciphertexts], [one.R for one in ciphertexts]
    if len(ciphertexts) < len(said) or any(map(has_identity_sum, halves)):
        return "sealed.point"
    wager_nano = context.params.sealed.wager_nano_per_wh * supplier.nameplate_wh
    if not money.lock(state, sender, wager_nano):
        return "sealed.wager"
    if not context.proves(assertions.offered(context, round_, supplier, body)):
        return "sealed.proof"
    state.save(SEALED_OFFERS.key(body.interval, sender), SealedOffer(sender, body.sealed, body.ephemeral, body.note))
    state.save(SEALED_SUPPLIERS.key(body.interval, sender), SealedSupplier(sender, wager_nano))
    sums = tuple(points.add(held, more) for held, more in zip(round_.sums, ciphertexts, strict=True))
    agenda.save(state, _replace(round_, bidders=(*round_.bidders, sender), sums=sums))
    return (BidSealed(body.interval, sender),)
