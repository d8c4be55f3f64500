"""What members say about storages, flexible loads, reserves and requirements of intervals whose offers are not locked.

Everything stands per interval and is replaced by the same member's later word, until the interval locks. A meter
offers in one way per interval: blocks, or itself as a storage. Nothing here is dispatched or paid.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

import msgspec

from contracts import order_book
from contracts.bodies import MAX_SPAN, FlexibleLoad, Require, ReserveOffer, StorageOffer, WithdrawLoad
from contracts.context import BlockContext
from contracts.envelopes import refusal
from contracts.flexible.assets import charge_limits_wh, interval_wh, is_storage
from contracts.flexible.records import (
    MAX_LOADS_PER_MEMBER,
    MAX_OPEN_LOADS,
    MAX_REQUIRING,
    MAX_STORAGES,
    FlexibleOffers,
    Load,
    OpenLoad,
    OpenLoads,
    RequirementEntry,
    Requirements,
    ReserveEntry,
    StorageEntry,
)
from contracts.members import Meter
from contracts.params import PactParams
from contracts.receipts import AnyEvent, LoadAccepted, LoadWithdrawn, RequirementSet, ReserveOffered, StorageOffered
from contracts.schedule import await_lock, is_locked, late_or_far
from contracts.schema import (
    FLEXIBLE,
    INTERVALS,
    LOADS,
    MEMBERS,
    METERS,
    OPEN_LOAD_LIST,
    OPEN_LOADS,
    REQUIREMENTS,
)
from contracts.sealed.exclusive import sells_sealed
from contracts.state import State

_replace = msgspec.structs.replace
REQUIRING_ROLES = ("campus", "utility")
T = TypeVar("T")


def offer_storage(state: State, context: BlockContext, sender: str, body: StorageOffer) -> tuple[AnyEvent, ...] | str:
    """Let a storage be dispatched. Refuses `meter.unknown`, `storage.meter`, `storage.kind`, `storage.late`,
    `storage.horizon`, `storage.rating`, `storage.price`, `storage.blocks`, `storage.full`, `offer.sealed`,
    `envelope.*`; all intervals or none.
    """
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member != sender:
        return "storage.meter"
    if not is_storage(meter):
        return "storage.kind"
    code = late_or_far(state, context, ("storage.late", "storage.horizon"), body.interval, body.count)
    if code is not None:
        return code
    most_charge_wh, most_discharge_wh = charge_limits_wh(meter, context.params)
    if body.charge_wh > most_charge_wh or body.discharge_wh > most_discharge_wh or body.reserve_wh > body.discharge_wh:
        return "storage.rating"
    end_value = body.end_value_nano_per_wh
    if (end_value is not None and not in_bounds(context.params, end_value)) or not in_bounds(
        context.params, body.reserve_nano_per_wh
    ):
        return "storage.price"
    entry = StorageEntry(
        meter.id,
        sender,
        body.charge_wh,
        body.discharge_wh,
        end_value,
        body.reserve_wh,
        body.reserve_nano_per_wh,
    )
    stands = body.charge_wh > 0 or body.discharge_wh > 0
    for interval in range(body.interval, body.interval + body.count):
        beyond = refusal(state, meter.id, interval, give_wh=body.discharge_wh, take_wh=body.charge_wh)
        if beyond is not None:
            return beyond
        if stands and offers_blocks(state, meter, interval):
            return "storage.blocks"
        if stands and sells_sealed(state, interval, sender):
            return "offer.sealed"
        held = state.load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers()
        storages = _with(held.storages, entry if stands else None, meter.id, lambda one: one.meter)
        if len(storages) > MAX_STORAGES:
            return "storage.full"
        _stand(state, interval, _replace(held, storages=storages))
    return (StorageOffered(meter.id, body.interval, body.count),)


def offer_reserve(state: State, context: BlockContext, sender: str, body: ReserveOffer) -> tuple[AnyEvent, ...] | str:
    """Let a source hold something back. Refuses `meter.unknown`, `meter.private`, `reserve.meter`, `reserve.kind`,
    `reserve.late`, `reserve.horizon`, `reserve.rating`, `reserve.price`, `reserve.full`, `offer.sealed`, `envelope.*`;
    all intervals or none.
    """
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member != sender:
        return "reserve.meter"
    if meter.private is not None:
        return "meter.private"
    if meter.kind != "source":
        return "reserve.kind"
    code = late_or_far(state, context, ("reserve.late", "reserve.horizon"), body.interval, body.count)
    if code is not None:
        return code
    if body.reserve_wh > interval_wh(meter.rating_w, context.params):
        return "reserve.rating"
    if not in_bounds(context.params, body.reserve_nano_per_wh):
        return "reserve.price"
    entry = ReserveEntry(meter.id, sender, body.reserve_wh, body.reserve_nano_per_wh) if body.reserve_wh else None
    for interval in range(body.interval, body.interval + body.count):
        beyond = refusal(state, meter.id, interval, give_wh=body.reserve_wh)
        if beyond is not None:
            return beyond
        if entry is not None and sells_sealed(state, interval, sender):
            return "offer.sealed"
        held = state.load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers()
        reserves = _with(held.reserves, entry, meter.id, lambda one: one.meter)
        if len(reserves) > MAX_STORAGES:
            return "reserve.full"
        _stand(state, interval, _replace(held, reserves=reserves))
    return (ReserveOffered(meter.id, body.interval, body.count),)


def require(state: State, context: BlockContext, sender: str, body: Require) -> tuple[AnyEvent, ...] | str:
    """Require reserve, or a cap on carbon. Refuses `require.role`, `require.late`, `require.horizon`,
    `require.full`; all intervals or none.
    """
    member = state.load(MEMBERS, MEMBERS.key(sender))
    if member is None or not any(role in member.roles for role in REQUIRING_ROLES):
        return "require.role"
    code = late_or_far(state, context, ("require.late", "require.horizon"), body.interval, body.count)
    if code is not None:
        return code
    entry = RequirementEntry(sender, body.reserve_wh, body.carbon_cap_ug)
    stands = body.reserve_wh > 0 or body.carbon_cap_ug is not None
    for interval in range(body.interval, body.interval + body.count):
        key = REQUIREMENTS.key(interval)
        held = state.load(REQUIREMENTS, key)
        entries = _with(held.entries if held else (), entry if stands else None, sender, lambda one: one.member)
        if len(entries) > MAX_REQUIRING:
            return "require.full"
        if held is not None or entries:
            state.save(key, Requirements(entries))
    return (RequirementSet(sender, body.interval, body.count),)


def want(state: State, context: BlockContext, sender: str, body: FlexibleLoad) -> tuple[AnyEvent, ...] | str:
    """Let a load wait for energy. Refuses `load.late`, `load.horizon`, `load.deadline`, `load.energy`, `load.price`,
    `load.taken`, `load.full`.
    """
    count = body.until - body.interval
    if not 1 <= count <= MAX_SPAN:
        return "load.deadline"
    code = late_or_far(state, context, ("load.late", "load.horizon"), body.interval, count)
    if code is not None:
        return code
    if body.energy_wh > body.most_wh * count:
        return "load.energy"
    if not in_bounds(context.params, body.value_nano_per_wh):
        return "load.price"
    key = LOADS.key(body.id)
    if state.load(LOADS, key) is not None:
        return "load.taken"
    waiting = state.load(OPEN_LOADS, OPEN_LOAD_LIST)
    entries = waiting.entries if waiting else ()
    if len(entries) >= MAX_OPEN_LOADS or sum(one.member == sender for one in entries) >= MAX_LOADS_PER_MEMBER:
        return "load.full"
    state.save(
        key,
        Load(
            body.id,
            sender,
            body.interval,
            body.until,
            body.energy_wh,
            body.most_wh,
            body.value_nano_per_wh,
        ),
    )
    place = OpenLoad(body.id, sender, body.until)
    at = bisect_left(entries, body.id, key=lambda one: one.id)
    state.save(OPEN_LOAD_LIST, OpenLoads((*entries[:at], place, *entries[at:])))
    for interval in range(body.interval, body.until):
        _await(state, interval)
    return (LoadAccepted(sender, body.id, body.until),)


def withdraw_load(state: State, context: BlockContext, sender: str, body: WithdrawLoad) -> tuple[AnyEvent, ...] | str:
    """Let a load want nothing more than what is ordered. Refuses `load.unknown`, `load.closed`."""
    key = LOADS.key(body.id)
    load = state.load(LOADS, key)
    if load is None or load.member != sender:
        return "load.unknown"
    waiting = state.load(OPEN_LOADS, OPEN_LOAD_LIST)
    entries = waiting.entries if waiting else ()
    left = tuple(one for one in entries if one.id != body.id)
    if len(left) == len(entries) or is_locked(state, context, load.until - 1):
        return "load.closed"
    state.save(key, _replace(load, withdrawn=True))
    state.save(OPEN_LOAD_LIST, OpenLoads(left))
    return (LoadWithdrawn(sender, body.id),)


def in_bounds(params: PactParams, price: int) -> bool:
    """Whether a price lies between floor and cap."""
    return params.price_floor_nano_per_wh <= price <= params.offer_cap_nano_per_wh


def offers_blocks(state: State, meter: Meter, interval: int) -> bool:
    """Whether blocks of the meter stand for the interval."""
    record = state.load(INTERVALS, INTERVALS.key(interval))
    return record is not None and order_book.offer_of(state, record, meter.id) is not None


def offers_itself(state: State, meter: Meter, interval: int) -> bool:
    """Whether the meter stands as a storage for the interval."""
    held = state.load(FLEXIBLE, FLEXIBLE.key(interval))
    return held is not None and any(entry.meter == meter.id for entry in held.storages)


def _stand(state: State, interval: int, offers: FlexibleOffers) -> None:
    state.save(FLEXIBLE.key(interval), offers)
    _await(state, interval)


def _await(state: State, interval: int) -> None:
    """The interval has content from now on."""
    if state.load(INTERVALS, INTERVALS.key(interval)) is None:
        await_lock(state, interval)


def _with(entries: tuple[T, ...], entry: T | None, name: str, name_of: Callable[[T], str]) -> tuple[T, ...]:
    """The entries, ascending, with this one in place of that of the same name; without one: that one is gone."""
    at = bisect_left(entries, name, key=name_of)
    after = at + (at < len(entries) and name_of(entries[at]) == name)
    return (*entries[:at], *(() if entry is None else (entry,)), *entries[after:])
