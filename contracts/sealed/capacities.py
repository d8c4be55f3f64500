"""Capacities of sources, hidden: registered ahead, co-signed by the meter, and pinned by every round that opens.

What a source could deliver is its owner's secret; that it is no more than its rating delivers is proven, and its meter
signs for it. With it stands what the source offers in open merit order where a sealed round fails.
"""

from __future__ import annotations

from itertools import pairwise

from contracts.context import BlockContext
from contracts.envelopes import refusal
from contracts.flexible.offers import in_bounds
from contracts.governance.membership import is_removed
from contracts.members import Meter
from contracts.params import PactParams
from contracts.schema import CAPACITIES, CAPACITY_LIST, CAPACITY_LISTS, METERS
from contracts.sealed import assertions
from contracts.sealed.bodies import MAX_WH, RegisterCapacity
from contracts.sealed.events import CapacityRegistered
from contracts.sealed.exclusive import open_sellers
from contracts.sealed.points import IDENTITY, load
from contracts.sealed.records import MAX_CAPACITIES, MAX_PARTICIPANTS, Capacity, CapacityList, Participant
from contracts.state import State
from contracts.units import WH_MS, energy_wh
from zk.codec import encode
from zk.ed25519 import verify
from zk.hashing import domain


def signed_bytes(chain_id: str, meter: str, capacity: bytes) -> bytes:
    """What the meter signs of its capacity."""
    return domain("capacity", chain_id) + encode((meter, capacity))


def register(
    state: State, context: BlockContext, sender: str, body: RegisterCapacity
) -> tuple[CapacityRegistered] | str:
    """Let a capacity and a reference offer stand for rounds that open from now on.

    Refuses `sealed.off`, `meter.unknown`, `capacity.meter`, `capacity.kind`, `capacity.rating`, `capacity.order`,
    `capacity.full`, `capacity.signature`, `capacity.proof`.
    """
    if not context.params.sealed.on:
        return "sealed.off"
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member != sender:
        return "capacity.meter"
    if meter.kind != "source" or meter.private is None:
        return "capacity.kind"
    code = _unfit(context.params, meter, body)
    if code is not None:
        return code
    listed = _listed(state)
    if body.meter not in listed:
        members = {_capacity(state, one).member for one in listed} | {sender}
        if len(listed) >= MAX_CAPACITIES or len(members) > MAX_PARTICIPANTS:
            return "capacity.full"
    if not verify(meter.public_key, signed_bytes(context.chain_id, body.meter, body.capacity), body.signature):
        return "capacity.signature"
    nameplate_wh = nameplate(context.params, meter)
    if not context.proves(assertions.capacity(context, body, nameplate_wh)):
        return "capacity.proof"
    held = Capacity(body.meter, sender, body.capacity, nameplate_wh, body.reference, context.height, body.note)
    state.save(CAPACITIES.key(body.meter), held)
    if body.meter not in listed:
        state.save(CAPACITY_LIST, CapacityList(tuple(sorted((*listed, body.meter)))))
    return (CapacityRegistered(sender, body.meter),)


def _unfit(params: PactParams, meter: Meter, body: RegisterCapacity) -> str | None:
    prices = [block.price_nano_per_wh for block in body.reference]
    if any(low >= high for low, high in pairwise(prices)) or not all(in_bounds(params, price) for price in prices):
        return "capacity.order"
    offered_wh = sum(block.energy_wh for block in body.reference)
    rated_ms = meter.rating_w * params.interval_ms
    if rated_ms > MAX_WH * WH_MS or offered_wh * WH_MS > rated_ms:
        return "capacity.rating"
    return None


def nameplate(params: PactParams, meter: Meter) -> int:
    """What a meter's rating delivers in an interval, in Wh."""
    return energy_wh(meter.rating_w, params.interval_ms)


def able(state: State, interval: int) -> list[Participant]:
    """Suppliers that are registered as able to deliver in an interval and do not offer openly in it, ascending."""
    found: dict[str, list[Capacity]] = {}
    for meter in _listed(state):
        one = _capacity(state, meter)
        if not is_removed(state, one.member) and refusal(state, meter, interval, give_wh=1) is None:
            found.setdefault(one.member, []).append(one)
    return [_pinned(member, found[member]) for member in sorted(found.keys() - open_sellers(state, interval))]


def _pinned(member: str, held: list[Capacity]) -> Participant:
    """A supplier with its meters as one. Whoever makes a sum the identity has pinned a capacity of nothing."""
    total = load(IDENTITY)
    for one in held:
        total = total + load(one.capacity)
    nameplate_wh = sum(one.nameplate_wh for one in held)
    return Participant(member, tuple(one.meter for one in held), total.to_bytes(), nameplate_wh)


def reference_of(state: State, meter: str) -> Capacity | None:
    """What stands for a meter where its round fails."""
    return state.load(CAPACITIES, CAPACITIES.key(meter))


def _listed(state: State) -> tuple[str, ...]:
    held = state.load(CAPACITY_LISTS, CAPACITY_LIST)
    return () if held is None else held.meters


def _capacity(state: State, meter: str) -> Capacity:
    held = state.load(CAPACITIES, CAPACITIES.key(meter))
    assert held is not None, "what is listed is on record"
    return held
