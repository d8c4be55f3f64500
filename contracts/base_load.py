"""Base load: demand that a site promises to serve whatever happens, as far as an island can keep that promise.

A member registers one of its load meters with a power; its site is the member's. It is admitted while all base loads
together stay within the firm capacity of an island whose largest source is out: what sources give at any time (`firm_w`
of their registration; sun and wind are not firm). In the order of admission: when capacity goes, who came last loses
the promise, until there is room again.

While anything is promised, shedding tier 0 belongs to it: fixed demand of tier 0 beyond the member's base load counts
as tier 1. So base load is shed last, and what is shed of it is a breach, paid at `breach_nano_per_wh` out of the
residual on top of what the member does not pay for. Only orders break the promise; what a member does not take is its
own affair.

Never dispatches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from contracts.bodies import BaseLoad
from contracts.context import BlockContext, current_interval
from contracts.mode_records import MAX_BASE_LOADS, BaseLoadEntry, BaseLoads
from contracts.params import PactParams
from contracts.receipts import AnyEvent, BaseLoadRegistered
from contracts.records import Line, NeedEntry, Order, Site
from contracts.schedule import is_locked
from contracts.schema import BASE_LOAD_LIST, BASE_LOADS, MEMBERS, METERS, SITE, SITES
from contracts.settlement import Due, Owed
from contracts.state import State
from contracts.units import MAX_MONEY, WH_MS

_replace = msgspec.structs.replace
PROMISED, OTHER = 0, 1
"""Shedding tiers of base load and of the rest of what was asked for as tier 0."""


def register(state: State, context: BlockContext, sender: str, body: BaseLoad) -> tuple[AnyEvent, ...] | str:
    """Promise a load meter its power from the first interval on whose offers are not locked, or give that up.

    Refuses `meter.unknown`, `meter.private`, `base.meter`, `base.kind`, `base.rating`, `base.capacity`,
    `base.unknown`, `base.full`. More power than before is promised behind all others, less at its place.
    """
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None:
        return "meter.unknown"
    if meter.member != sender:
        return "base.meter"
    if meter.private is not None:
        return "meter.private"
    if meter.kind != "load":
        return "base.kind"
    if body.power_w > meter.rating_w:
        return "base.rating"
    entries = _entries(state)
    before = next((entry for entry in entries if entry.meter == meter.id), None)
    others = tuple(entry for entry in entries if entry.meter != meter.id)
    if not body.power_w:
        if before is None:
            return "base.unknown"
        _save(state, others)
        return (BaseLoadRegistered(sender, meter.id, 0),)
    if before is not None and body.power_w <= before.power_w:
        _save(state, tuple(_replace(one, power_w=body.power_w) if one is before else one for one in entries))
        return (BaseLoadRegistered(sender, meter.id, body.power_w),)
    if len(others) >= MAX_BASE_LOADS:
        return "base.full"
    if sum(entry.power_w for entry in others) + body.power_w > firm_w(state):
        return "base.capacity"
    member = state.load(MEMBERS, MEMBERS.key(sender))
    assert member is not None, "only members speak"
    since = current_interval(context)
    while is_locked(state, context, since):
        since += 1
    _save(state, (*others, BaseLoadEntry(meter.id, sender, member.site, body.power_w, since)))
    return (BaseLoadRegistered(sender, meter.id, body.power_w),)


def registered(state: State) -> tuple[str, ...]:
    """Meters with a base load, in the order of admission."""
    return tuple(entry.meter for entry in _entries(state))


def firm_w(state: State) -> int:
    """What an island gives at any time without its largest source."""
    site = state.load(SITES, SITE) or Site(())
    firm = [meter.firm_w for meter in site.meters if meter.firm_w and not meter.stopped]
    return sum(firm) - max(firm, default=0)


def admitted(state: State, interval: int) -> tuple[BaseLoadEntry, ...]:
    """What the site can promise in an interval, in the order of admission."""
    entries = _entries(state)
    if not entries:
        return ()
    site = state.load(SITES, SITE) or Site(())
    stopped = {meter.meter for meter in site.meters if meter.stopped}
    left_w, kept = firm_w(state), list[BaseLoadEntry]()
    for entry in entries:
        if entry.power_w <= left_w and entry.since <= interval and entry.meter not in stopped:
            kept.append(entry)
            left_w -= entry.power_w
    return tuple(kept)


def promised_wh(state: State, params: PactParams, interval: int) -> dict[str, int]:
    """Energy that each member is promised in an interval; empty where nobody is."""
    power_w: dict[str, int] = {}
    for entry in admitted(state, interval):
        power_w[entry.member] = power_w.get(entry.member, 0) + entry.power_w
    return {member: power * params.interval_ms // WH_MS for member, power in power_w.items()}


def tiered(needs: Sequence[NeedEntry], promised: Mapping[str, int]) -> list[NeedEntry]:
    """Needs with tier 0 for what is promised alone; the same where nothing is."""
    if not promised:
        return list(needs)
    left, counted = dict(promised), list[NeedEntry]()
    for need in needs:
        if need.limit_nano_per_wh is not None or need.tier != PROMISED:
            counted.append(need)
            continue
        base_wh = min(left.get(need.member, 0), need.energy_wh)
        left[need.member] = left.get(need.member, 0) - base_wh
        parts = (PROMISED, base_wh), (OTHER, need.energy_wh - base_wh)
        counted += [_replace(need, tier=tier, energy_wh=energy_wh) for tier, energy_wh in parts if energy_wh]
    return counted


def broken_wh(needs: Sequence[NeedEntry], order: Order) -> int:
    """How much base load of a member was shed: the last of its fixed demand to go. `needs` as `tiered` makes them."""
    fixed = [need for need in needs if need.member == order.member and need.limit_nano_per_wh is None]
    other_wh = sum(need.energy_wh for need in fixed if need.tier != PROMISED)
    return max(0, order.shed_wh - other_wh)


def due(params: PactParams, needs: Sequence[NeedEntry], orders: Sequence[Order], promised: Mapping[str, int]) -> Due:
    """What the breach of promises costs the site in an interval. `needs` as `tiered` makes them."""
    rate, owed = params.modes.breach_nano_per_wh, list[Owed]()
    for order in orders:
        shed_wh = broken_wh(needs, order) if order.shed_wh and order.member in promised else 0
        if shed_wh and rate and shed_wh * rate <= MAX_MONEY:
            owed.append(Owed(order.member, Line("base-load", shed_wh, rate, shed_wh * rate)))
    return Due(tuple(owed))


def _entries(state: State) -> tuple[BaseLoadEntry, ...]:
    held = state.load(BASE_LOADS, BASE_LOAD_LIST)
    return held.entries if held else ()


def _save(state: State, entries: tuple[BaseLoadEntry, ...]) -> None:
    if entries:
        state.save(BASE_LOAD_LIST, BaseLoads(entries))
    else:
        state.remove(BASE_LOAD_LIST)
