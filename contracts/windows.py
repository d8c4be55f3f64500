"""From state to a dispatch case: what stands for a window of intervals and its look-ahead, when its offers lock.

A window is ordered by one case. The look-ahead takes what stands by then, and stays open: what is said about it later
counts in its own window. The case is kept, so that builders, judges and whoever doubts an order have the very same
question, whatever is said in between (`contracts.schema.CASES`).

Where a dispatch begins: a ramp-limited source at its last order, a storage at what its meter reported or its registers
say, moved by what is ordered since. Where an earlier window is not decided yet nobody knows that, so storages and loads
wait in this one, and ramps start anywhere.

Reads state and never dispatches; see `contracts.ordering`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from contracts import modes
from contracts.carbon.cases import dispatched
from contracts.context import BlockContext
from contracts.envelopes import clamp, clamp_flexible, enveloped, limits
from contracts.flexible import assets
from contracts.flexible.records import (
    FlexibleOffers,
    Load,
    ReserveEntry,
    StorageEntry,
    StoredCase,
)
from contracts.members import Meter
from contracts.params import PactParams
from contracts.program import case as program
from contracts.program.case import Case
from contracts.records import LOCKED, ORDERED, SETTLED, IntervalRecord, NeedEntry, OfferEntry, TariffRecord
from contracts.rolls import BUCKETS
from contracts.schedule import Window, unsettled
from contracts.schema import (
    CASES,
    CHARGES,
    FLEXIBLE,
    INTERVALS,
    LOADS,
    METERS,
    NEEDS,
    OFFERS,
    OPEN_LOAD_LIST,
    OPEN_LOADS,
    ORDERS,
    REQUIREMENTS,
    TARIFFS,
    UTILITIES,
    UTILITY,
)
from contracts.standing import Counted, counted
from contracts.state import State
from contracts.units import MAX_COUNT
from zk.hashing import domain, sha256

E = TypeVar("E", bound=OfferEntry | ReserveEntry | StorageEntry)
GRID = "grid"
"""Name of the connection in a case."""
_document = msgspec.json.Decoder(Case)


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
    def size(self) -> int:
        """Entries of its stack, roughly."""
        return len(self.needs) + sum(len(offer.blocks) for offer in self.offers)


def round_id(chain_id: str, interval: int) -> bytes:
    """What orders ties of a window, by its first interval: nobody can choose it."""
    return sha256(domain("dispatch", chain_id) + interval.to_bytes(8, "big"))


def load_case(state: State, context: BlockContext, window: Window) -> Case:
    """The case by which a window is ordered: as its lock kept it, else as it stands by now."""
    kept = state.load(CASES, CASES.key(window.first))
    return _document.decode(kept.document) if kept is not None else build(state, context, window)


def keep(state: State, window: Window, case: Case) -> None:
    """Keep the case of a window whose offers lock."""
    document = msgspec.json.encode(case)
    state.save(CASES.key(window.first), StoredCase(window.first, window.length, document))


def is_plain(case: Case) -> bool:
    """Whether needs and offers of one interval, which lock with it, say all of the case."""
    return (
        case.intervals == 1
        and not (case.storages or case.loads or case.reserve_wh)
        and not any(source.ramp_wh is not None or source.reserve is not None for source in case.sources)
    )


def standing(state: State, params: PactParams, interval: int) -> Standing:
    """What stands for an interval by now."""
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    needs: list[NeedEntry] = []
    offers: list[OfferEntry] = []
    for number in range(BUCKETS):
        if record.need_buckets >> number & 1:
            held = state.load(NEEDS, NEEDS.key(interval, number))
            needs += held.entries if held else ()
        if record.offer_buckets >> number & 1:
            stands = state.load(OFFERS, OFFERS.key(interval, number))
            offers += stands.entries if stands else ()
    offers = clamp(state, interval, offers)
    if record.status in (LOCKED, ORDERED, SETTLED):
        connected = record.grid
    else:
        connected = state.load(UTILITIES, UTILITY) is not None and not modes.island_reason(state, interval)
    flexible = clamp_flexible(state, interval, state.load(FLEXIBLE, FLEXIBLE.key(interval)) or FlexibleOffers())
    terms = tariff(state, params, interval)
    found = counted(state, params, interval, connected, needs, offers, flexible, terms)
    return Standing(found.needs, found.offers, flexible, found.tariff, connected, found)


def tariff(state: State, params: PactParams, interval: int) -> TariffRecord:
    """What the utility asks and gives: as it wrote, or the terms in force."""
    return state.load(TARIFFS, TARIFFS.key(interval)) or TariffRecord(
        params.import_nano_per_wh,
        params.export_nano_per_wh,
        params.import_limit_wh,
        params.export_limit_wh,
        params.import_factor_ug_per_wh,
    )


def build(state: State, context: BlockContext, window: Window) -> Case:
    """The case of a window as things stand; the look-ahead is cut where it would pass the bound of judged programs."""
    params = context.params
    ahead = params.look_ahead_intervals if window.length <= params.window_intervals else 0
    seen = [standing(state, params, interval) for interval in window.intervals]
    size = sum(one.size for one in seen)
    end = window.first + window.length
    for interval in range(end, min(end + ahead, MAX_COUNT + 1)):
        one = standing(state, params, interval)
        size += one.size
        if size > params.max_dispatch_variables:
            break
        seen.append(one)
    return dispatched(state, context, window.first, _Builder(state, context, window, seen).case()).case


class _Builder:
    """One case in the making. `seen` is what stands, by interval from the window's first one on."""

    def __init__(self, state: State, context: BlockContext, window: Window, seen: Sequence[Standing]) -> None:
        self._state = state
        self._context = context
        self._params = context.params
        self._window = window
        self._seen = seen
        self._end = window.first + len(seen)
        waiting = [_status(state, interval) for interval in unsettled(state, window.first)]
        self._decided = LOCKED not in waiting
        """All earlier windows are ordered, so that one knows where this one begins."""

    def case(self) -> Case:
        """The whole case."""
        params, seen = self._params, self._seen
        utility = self._state.load(UTILITIES, UTILITY)
        reserve_wh, carbon_cap_ug = self._required()
        return Case(
            name=f"{self._context.chain_id} {self._window.first}",
            intervals=len(seen),
            binding=self._window.length,
            round_id=round_id(self._context.chain_id, self._window.first).hex(),
            sources=self._sources(),
            storages=self._storages() if self._decided else (),
            connections=() if utility is None else self._connections(utility.member),
            demands=self._demands(),
            bids=self._bids(),
            loads=self._loads() if self._decided else (),
            reserve_wh=reserve_wh,
            carbon_cap_ug=carbon_cap_ug,
            line_loss_ppm=params.line_loss_ppm,
            shed_nano_per_wh=params.shed_nano_per_wh,
            offer_cap_nano_per_wh=params.offer_cap_nano_per_wh,
            price_floor_nano_per_wh=params.price_floor_nano_per_wh,
            scarcity_nano_per_wh=params.scarcity_price_nano_per_wh,
            price_slack_ppm=params.price_slack_ppm,
            loss_ppm=params.wagering.loss_ppm,
            energy_ppm=params.energy_ppm,
            reference_nano_per_wh=tuple(
                max(0, params.import_nano_per_wh if utility is None else one.tariff.import_nano_per_wh) for one in seen
            ),
        )

    def _demands(self) -> tuple[program.Demand, ...]:
        last = len(self._params.shed_nano_per_wh) - 1
        fixed: dict[tuple[str, int], list[int]] = {}
        for at, one in enumerate(self._seen):
            for need in one.needs:
                if need.limit_nano_per_wh is None:
                    self._row(fixed, (need.member, min(need.tier, last)))[at] += need.energy_wh
        return tuple(program.Demand(member, tuple(row), tier) for (member, tier), row in sorted(fixed.items()))

    def _bids(self) -> tuple[program.Bid, ...]:
        limited: dict[tuple[str, int], list[int]] = {}
        for at, one in enumerate(self._seen):
            for need in one.needs:
                if need.limit_nano_per_wh is not None:
                    self._row(limited, (need.member, need.limit_nano_per_wh))[at] += need.energy_wh
        return tuple(program.Bid(member, limit, tuple(row)) for (member, limit), row in sorted(limited.items()))

    def _row(self, rows: dict[tuple[str, int], list[int]], key: tuple[str, int]) -> list[int]:
        """Energies of one thing, by interval."""
        return rows.setdefault(key, [0] * len(self._seen))

    def _connections(self, utility: str) -> tuple[program.Connection, ...]:
        terms = [one.tariff for one in self._seen]
        return (
            program.Connection(
                GRID,
                utility,
                tuple(one.import_nano_per_wh for one in terms),
                tuple(one.export_nano_per_wh for one in terms),
                tuple(one.tariff.import_limit_wh if one.connected else 0 for one in self._seen),
                tuple(one.tariff.export_limit_wh if one.connected else 0 for one in self._seen),
                tuple(one.factor_ug_per_wh for one in terms),
            ),
        )

    # Sources

    def _sources(self) -> tuple[program.Source, ...]:
        offers = _by_meter(self._seen, lambda one: one.offers)
        reserves = _by_meter(self._seen, lambda one: one.flexible.reserves)
        sources = []
        for name, by_time in sorted(offers.items()):
            meter = self._meter(name)
            first = next(iter(by_time.values()))
            blocks = tuple(
                tuple(program.Block(one.price_nano_per_wh, one.energy_wh) for one in offer.blocks) if offer else ()
                for offer in map(by_time.get, range(len(self._seen)))
            )
            reserve = self._reserve(reserves.get(name, {}))
            ramp_wh, rating_wh = self._bounds(meter)
            sources.append(
                program.Source(
                    name,
                    first.member,
                    blocks,
                    factor_ug_per_wh=first.factor_ug_per_wh,
                    rating_wh=None if reserve is None else rating_wh,
                    ramp_wh=ramp_wh,
                    last_wh=None if ramp_wh is None else self._last_wh(meter, blocks, ramp_wh),
                    reserve=reserve,
                )
            )
        return tuple(sources)

    def _bounds(self, meter: Meter) -> tuple[int | None, int]:
        """Ramp and rating of a source: those of its equipment, or of its envelope where that is narrower."""
        ramp_w = assets.asset_of(meter).ramp_w
        ramps = [] if ramp_w is None else [assets.interval_wh(ramp_w, self._params)]
        rating_wh = assets.interval_wh(meter.rating_w, self._params)
        if meter.id in enveloped(self._state):
            allowed = [limits(self._state, meter.id, self._window.first + at) for at in range(len(self._seen))]
            ramps += [one.ramp_wh for one in allowed if one.ramp_wh is not None]
            rating_wh = min(rating_wh, *(one.give_wh for one in allowed))
        return min(ramps, default=None), rating_wh

    def _last_wh(self, meter: Meter, blocks: Sequence[program.Blocks], ramp_wh: int) -> int | None:
        """What was ordered from a ramp-limited source last, no more than from where it can follow what it offers: a
        source that failed is not held to its ramp."""
        before = self._window.first - 1
        if not self._decided or _status(self._state, before) not in (ORDERED, SETTLED):
            return None
        order = self._state.entry(ORDERS, meter.member, before)
        ordered_wh = sum(one.energy_wh for one in order.meters if one.meter == meter.id) if order else 0
        offered_wh = [sum(block.energy_wh for block in one) for one in blocks]
        return min(ordered_wh, *(most_wh + step * ramp_wh for step, most_wh in enumerate(offered_wh, start=1)))

    def _reserve(self, by_time: Mapping[int, ReserveEntry | StorageEntry]) -> program.Reserve | None:
        """A reserve at the dearest of its prices: the dispatch never takes it for less than it is paid."""
        most_wh = tuple(one.reserve_wh if one else 0 for one in map(by_time.get, range(len(self._seen))))
        if not any(most_wh):
            return None
        price = max(one.reserve_nano_per_wh for one in by_time.values() if one.reserve_wh)
        return program.Reserve(price, most_wh)

    # Storages and loads

    def _storages(self) -> tuple[program.Storage, ...]:
        stores = []
        for name, by_time in sorted(_by_meter(self._seen, lambda one: one.flexible.storages).items()):
            meter = self._meter(name)
            asset = assets.asset_of(meter)
            entries = [by_time.get(at) for at in range(len(self._seen))]
            stores.append(
                program.Storage(
                    name,
                    meter.member,
                    meter.capacity_wh or 0,
                    self._start_soc(meter),
                    tuple(one.charge_wh if one else 0 for one in entries),
                    tuple(one.discharge_wh if one else 0 for one in entries),
                    asset.efficiency_n,
                    asset.efficiency_d,
                    end_value_nano_per_wh=by_time[max(by_time)].end_value_nano_per_wh,
                    wear_nano_per_wh=asset.wear_nano_per_wh,
                    factor_ug_per_wh=asset.embodied_ug_per_wh,
                    reserve=self._reserve(by_time),
                )
            )
        return tuple(stores)

    def _start_soc(self, meter: Meter) -> int:
        """What a storage will hold when the window begins, if it follows its orders until then."""
        held = self._state.entry(CHARGES, meter.id)
        assert held is not None, "what a storage holds is on the ledger from its admission on"
        soc = assets.start_soc(meter, held)
        for interval in unsettled(self._state, self._window.first):
            order = self._state.entry(ORDERS, meter.member, interval) if interval > held.interval else None
            for one in order.storages if order else ():
                if one.meter == meter.id:
                    soc = assets.moved(meter, soc, one.charge_wh, one.discharge_wh)
        return soc

    def _loads(self) -> tuple[program.Load, ...]:
        waiting = self._state.load(OPEN_LOADS, OPEN_LOAD_LIST)
        found = []
        for place in waiting.entries if waiting else ():
            load = self._state.load(LOADS, LOADS.key(place.member, place.id))
            assert load is not None, "what waits is on record"
            energy_wh = due_wh(load, self._window.first, self._end)
            if energy_wh:
                first, until = max(load.first, self._window.first), min(load.until, self._end)
                found.append(
                    program.Load(
                        load.id,
                        load.member,
                        energy_wh,
                        load.most_wh,
                        first - self._window.first,
                        until - self._window.first,
                        load.value_nano_per_wh,
                    )
                )
        return tuple(found)

    def _required(self) -> tuple[tuple[int, ...], int | None]:
        """Reserve per interval (none where none needs any), and the cap on the emission of all intervals together,
        which there is only where each of them has one."""
        needed_wh, capped_ug = [], []
        for interval in range(self._window.first, self._end):
            required = self._state.load(REQUIREMENTS, REQUIREMENTS.key(interval))
            entries = required.entries if required else ()
            needed_wh.append(max([self._params.reserve_wh, *(one.reserve_wh for one in entries)]))
            caps = [self._params.carbon_cap_ug, *(one.carbon_cap_ug for one in entries)]
            capped_ug.append(min((cap for cap in caps if cap is not None), default=None))
        known = [cap for cap in capped_ug if cap is not None]
        return tuple(needed_wh) if any(needed_wh) else (), sum(known) if len(known) == len(capped_ug) else None

    def _meter(self, name: str) -> Meter:
        meter = self._state.load(METERS, METERS.key(name))
        assert meter is not None, "who offers is registered"
        return meter


def due_wh(load: Load, first: int, end: int) -> int:
    """What a load has to get in these intervals: what it still wants, less what it can have after them."""
    times = min(load.until, end) - max(load.first, first)
    if times <= 0:
        return 0
    later_wh = load.most_wh * max(0, load.until - end)
    return max(0, min(load.energy_wh - load.ordered_wh - later_wh, load.most_wh * times))


def _by_meter(seen: Sequence[Standing], entries: Callable[[Standing], Sequence[E]]) -> dict[str, dict[int, E]]:
    """Entries by meter, then by place in time."""
    found: dict[str, dict[int, E]] = {}
    for at, one in enumerate(seen):
        for entry in entries(one):
            found.setdefault(entry.meter, {})[at] = entry
    return found


def _status(state: State, interval: int) -> str:
    record = state.load(INTERVALS, INTERVALS.key(interval)) if interval >= 0 else None
    return "" if record is None else record.status
