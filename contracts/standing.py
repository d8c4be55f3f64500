"""What counts of what stands for an interval, once its mode is known: the same rules for every dispatch of it.

In order: reductions that were called for are taken out of needs (on the grid), shedding tier 0 is kept for what is
promised, offers that an island can't do without are capped, and export is closed where the pact wants the mode
`injection` for it. Reads state, writes nothing; see `contracts.modes` for who decides the mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts import base_load, demand_response, market_power, mode_rules, order_book
from contracts.flexible import assets
from contracts.flexible.records import FlexibleOffers, StorageEntry
from contracts.mode_records import IslandOrder, ModeRecord
from contracts.mode_rules import Slot
from contracts.params import PactParams
from contracts.records import IntervalRecord, NeedEntry, OfferEntry, TariffRecord
from contracts.schema import CHARGES, FLEXIBLE, INTERVALS, METERS, MODES, REQUIREMENTS
from contracts.state import State

_replace = msgspec.structs.replace
REFUSED = {
    "": "export saves no more than the threshold",
    "paid": "the grid pays for what it delivers",
    "surplus": "there is no surplus",
    "unusual": "a surplus is not usual",
}
"""Why an interval is not injection although that was ordered, by the rule that it breaks."""


class Promised(NamedTuple):
    """What was promised and ordered beyond the market in an interval that settles."""

    needs: list[NeedEntry]
    reduced: dict[str, int]
    """What members were ordered to do without."""
    promised: dict[str, int]
    """Base load by member, in Wh."""


class Counted(NamedTuple):
    """What an interval is dispatched by."""

    needs: list[NeedEntry]
    offers: list[OfferEntry]
    tariff: TariffRecord
    mode: str
    reason: str
    """Why it is not `grid`, or why it is although more was ordered."""
    reduced_wh: int
    """What members were ordered to do without."""
    surplus_wh: int
    capped: tuple[str, ...]
    """Members whose offers count at their references."""


class Standing(NamedTuple):
    """All that stands for one interval."""

    needs: list[NeedEntry]
    offers: list[OfferEntry]
    flexible: FlexibleOffers
    tariff: TariffRecord
    connected: bool
    """Import and export are possible."""
    counted: Counted
    """Why that is what counts, and which mode it is."""

    @property
    def supply_wh(self) -> int:
        """Most that could be put in."""
        offered_wh = sum(block.energy_wh for offer in self.offers for block in offer.blocks)
        stored_wh = sum(store.discharge_wh for store in self.flexible.storages)
        return offered_wh + stored_wh + (self.tariff.import_limit_wh if self.connected else 0)


def counted(
    state: State,
    params: PactParams,
    interval: int,
    connected: bool,
    needs: Sequence[NeedEntry],
    offers: Sequence[OfferEntry],
    flexible: FlexibleOffers,
    tariff: TariffRecord,
) -> Counted:
    """Needs, offers and tariff as they count, and the mode that this is."""
    orders = state.load(MODES, MODES.key(interval)) or ModeRecord()
    reduced = demand_response.ordered_wh(state, interval, needs) if connected else {}
    wanted = demand_response.without(needs, reduced) if reduced else list(needs)
    wanted = base_load.tiered(wanted, base_load.promised_wh(state, params, interval))
    stored_wh = _stored_wh(state, flexible.storages)
    slot = Slot(
        sum(need.energy_wh for need in wanted if need.limit_nano_per_wh is None),
        sum(block.energy_wh for offer in offers for block in offer.blocks),
        sum(stored_wh.values()),
        _reserve_wh(state, params, interval),
        tariff.import_nano_per_wh,
        _history(state, params, interval) if connected and orders.injections else (),
    )
    windows = [_window(state, params, slot, interval, order) for order in orders.injections] if connected else []
    surplus_wh = mode_rules.surplus_wh(slot)
    if not connected:
        capped = market_power.cap(wanted, offers, stored_wh, max(0, tariff.import_nano_per_wh))
        return Counted(wanted, capped.offers, tariff, mode_rules.ISLAND, "", 0, surplus_wh, capped.members)
    mode, reasons = mode_rules.GRID, list[str]()
    if reduced and orders.call is not None:
        mode = mode_rules.DEMAND_RESPONSE
        reasons.append(f"called by {orders.call.member}: {orders.call.reason}")
    sells = False
    if orders.injections:
        saved_nano, threshold_nano = saved_by_export_nano(wanted, offers, tariff), params.modes.export_threshold_nano
        sells = any(mode_rules.injects(window, -saved_nano, 0, threshold_nano) for window in windows)
        mode = mode_rules.INJECTION if sells and not reduced else mode
        said = "; ".join(f"ordered by {order.member}: {order.reason}" for order in orders.injections)
        reasons.append(said if sells else f"no injection, {REFUSED[mode_rules.may_inject(windows[0])]}; {said}")
    if params.modes.export_by_order and not sells:
        tariff = _replace(tariff, export_limit_wh=0)
    reason, reduced_wh = "; ".join(reasons), sum(reduced.values())
    return Counted(wanted, list(offers), tariff, mode, reason, reduced_wh, surplus_wh, ())


def promised(state: State, params: PactParams, record: IntervalRecord) -> Promised:
    """What an ordered interval was dispatched by beyond orders: whom it promised base load, who does without what."""
    interval = record.interval
    base_wh = base_load.promised_wh(state, params, interval)
    responds = record.mode == mode_rules.DEMAND_RESPONSE
    if not (base_wh or responds):
        return Promised([], {}, {})
    needs = order_book.needs(state, record)
    reduced = demand_response.ordered_wh(state, interval, needs) if responds else {}
    return Promised(base_load.tiered(demand_response.without(needs, reduced), base_wh), reduced, base_wh)


def saved_by_export_nano(needs: Sequence[NeedEntry], offers: Sequence[OfferEntry], tariff: TariffRecord) -> int:
    """What the cheapest dispatch of one interval costs less with export than without: each Wh behind those that serve
    the site, storage idle, that asks less than the utility pays. Bids are supply at their own price, as always."""
    stack = [(block.price_nano_per_wh, block.energy_wh) for offer in offers for block in offer.blocks]
    stack += [(need.limit_nano_per_wh, need.energy_wh) for need in needs if need.limit_nano_per_wh is not None]
    stack.append((tariff.import_nano_per_wh, tariff.import_limit_wh))
    export = min(tariff.export_nano_per_wh, tariff.import_nano_per_wh)
    served_wh, left_wh, saved_nano = sum(need.energy_wh for need in needs), tariff.export_limit_wh, 0
    for price, energy_wh in sorted(stack):
        own_wh = min(energy_wh, served_wh)
        sold_wh = min(energy_wh - own_wh, left_wh)
        served_wh, left_wh = served_wh - own_wh, left_wh - sold_wh
        saved_nano += sold_wh * max(0, export - price)
    return saved_nano


def _window(state: State, params: PactParams, slot: Slot, interval: int, order: IslandOrder) -> list[Slot]:
    """All intervals that one order of injection is about, as they stand by now; `slot` is this one's."""
    others = range(order.first, order.first + order.count) if order.count else ()
    return [slot, *(_slot_by_now(state, params, one) for one in others if one != interval)]


def _slot_by_now(state: State, params: PactParams, interval: int) -> Slot:
    """Another interval of a window: its fixed demand and its offers, whatever will be made of them."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    flexible = state.load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers()
    return Slot(
        record.demand_wh,
        sum(block.energy_wh for offer in order_book.offers(state, record) for block in offer.blocks),
        sum(_stored_wh(state, flexible.storages).values()),
        _reserve_wh(state, params, interval),
        order_book.tariff(state, params, interval).import_nano_per_wh,
        _history(state, params, interval),
    )


def _stored_wh(state: State, storages: Sequence[StorageEntry]) -> dict[str, int]:
    """What each member's storages that offer themselves could give from their charge."""
    found: dict[str, int] = {}
    for store in storages:
        meter, held = state.load(METERS, METERS.key(store.meter)), state.entry(CHARGES, store.meter)
        if meter is not None and held is not None:
            asset, soc = assets.asset_of(meter), assets.start_soc(meter, held)
            give_wh = mode_rules.deliverable_wh(soc, asset.efficiency_n, asset.efficiency_d, store.discharge_wh)
            found[store.member] = found.get(store.member, 0) + give_wh
    return found


def _reserve_wh(state: State, params: PactParams, interval: int) -> int:
    required = state.load(REQUIREMENTS, REQUIREMENTS.key(interval))
    entries = required.entries if required else ()
    return max((params.reserve_wh, *(entry.reserve_wh for entry in entries)))


def _history(state: State, params: PactParams, interval: int) -> tuple[bool, ...]:
    """Whether there was a surplus in the same interval of the days before, the latest first."""
    per_day = params.day_intervals
    earlier = [interval - day * per_day for day in range(1, params.modes.injection_days + 1)]
    records = [state.load(INTERVALS, INTERVALS.key(one)) if one >= 0 else None for one in earlier]
    return tuple(one is not None and one.surplus_wh is not None and one.surplus_wh >= 0 for one in records)
