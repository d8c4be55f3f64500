"""A dispatch case in the making: what stands for a window and its look-ahead, as `contracts.program` takes it.

Where a dispatch begins: a ramp-limited source at its last order, a storage at what its meter reported or its registers
say, moved by what is ordered since. Where an earlier window is not decided yet nobody knows that, so storages and loads
wait in this one, and ramps start anywhere.

Reads state, writes nothing; `contracts.windows` says what stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from contracts.bounding import counted_limits, one_way
from contracts.context import BlockContext
from contracts.envelopes import enveloped, limits
from contracts.flexible import assets
from contracts.flexible.records import (
    Load,
    ReserveEntry,
    StorageEntry,
)
from contracts.members import Meter
from contracts.network import registered
from contracts.network.lines import program_lines, program_transfers
from contracts.network.records import Network
from contracts.program import case as program
from contracts.program.case import Case
from contracts.records import (
    LOCKED,
    ORDERED,
    SETTLED,
    OfferEntry,
    Site,
)
from contracts.schedule import Window, unsettled
from contracts.schema import (
    CHARGES,
    INTERVALS,
    LOADS,
    METERS,
    OPEN_LOAD_LIST,
    OPEN_LOADS,
    ORDERS,
    REQUIREMENTS,
    SITE,
    SITES,
    UTILITIES,
    UTILITY,
)
from contracts.standing import Standing
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.hashing import domain, sha256

E = TypeVar("E", bound=OfferEntry | ReserveEntry | StorageEntry)
MAX_UNHEARD = 96
"""Intervals before a window whose orders say where a storage stands that has not been heard since."""
GRID = "grid"
"""Name of the connection in a case."""


def round_id(chain_id: str, interval: int) -> bytes:
    """What orders ties of a window, by its first interval: nobody can choose it."""
    return sha256(domain("dispatch", chain_id) + interval.to_bytes(8, "big"))


class Question:
    """One case in the making. `seen` is what stands, by interval from the window's first one on."""

    def __init__(self, state: State, context: BlockContext, window: Window, seen: Sequence[Standing]) -> None:
        self._state = state
        self._context = context
        self._params = context.params
        self._window = window
        self._seen = seen = one_way(seen)
        self._end = window.first + len(seen)
        _, cap = self._bounds()
        penalties = self._params.shed_nano_per_wh
        # Nothing that is offered is dearer than shedding, or it would never be taken.
        self._penalties = tuple(one for one in penalties if one >= cap) or (max(penalties[0], cap),)
        waiting = [_status(state, interval) for interval in unsettled(state, window.first)]
        self._network = registered.of(state)
        self._most_wh = [2 * one.supply_wh + 1 for one in seen]
        self._place_of = {} if self._network is None else _places(state, self._network)
        self._elsewhere = registered.place_of(self._network, self._network.places[0].id if self._network else "")
        """Of who has no meter."""
        self._decided = LOCKED not in waiting
        """All earlier windows are ordered, so that one knows where this one begins."""

    def case(self) -> Case:
        """The whole case."""
        params, seen = self._params, self._seen
        utility = self._state.load(UTILITIES, UTILITY)
        reserve_wh, carbon_cap_ug = self._required()
        floor, cap = self._bounds()
        return Case(
            name=f"{self._context.chain_id} {self._window.first}",
            intervals=len(seen),
            binding=self._window.length,
            round_id=round_id(self._context.chain_id, self._window.first).hex(),
            sources=self._sources(),
            storages=self._storages() if self._decided else (),
            connections=() if utility is None else self._connections(utility.member, floor, cap),
            demands=self._demands(),
            bids=self._bids(),
            loads=self._loads() if self._decided else (),
            reserve_wh=reserve_wh,
            carbon_cap_ug=carbon_cap_ug,
            lines=program_lines(self._network, params.interval_ms, len(seen)) if self._network else (),
            transfers=program_transfers(self._network, params.interval_ms) if self._network else (),
            line_loss_ppm=params.line_loss_ppm,
            shed_nano_per_wh=self._penalties,
            offer_cap_nano_per_wh=cap,
            price_floor_nano_per_wh=floor,
            scarcity_nano_per_wh=params.scarcity_price_nano_per_wh,
            price_slack_ppm=params.price_slack_ppm,
            loss_ppm=params.wagering.loss_ppm,
            energy_ppm=params.energy_ppm,
            reference_nano_per_wh=tuple(
                max(0, params.import_nano_per_wh if utility is None else one.tariff.import_nano_per_wh) for one in seen
            ),
        )

    def _bounds(self) -> tuple[int, int]:
        """Floor and cap: those in force, and of what stands from before they were."""
        params = self._params
        stands = [
            *(block.price_nano_per_wh for one in self._seen for offer in one.offers for block in offer.blocks),
            *(need.limit_nano_per_wh for one in self._seen for need in one.needs if need.limit_nano_per_wh is not None),
            *(
                store.end_value_nano_per_wh
                for one in self._seen
                for store in one.flexible.storages
                if store.end_value_nano_per_wh is not None
            ),
        ]
        return min([params.price_floor_nano_per_wh, *stands]), max([params.offer_cap_nano_per_wh, *stands])

    def _demands(self) -> tuple[program.Demand, ...]:
        last = len(self._penalties) - 1
        fixed: dict[tuple[str, int], list[int]] = {}
        for at, one in enumerate(self._seen):
            for need in one.needs:
                if need.limit_nano_per_wh is None:
                    self._row(fixed, (need.member, min(need.tier, last)))[at] += need.energy_wh
        return tuple(
            program.Demand(member, self._servable(row), tier, self._home(member))
            for (member, tier), row in sorted(fixed.items())
        )

    def _bids(self) -> tuple[program.Bid, ...]:
        limited: dict[tuple[str, int], list[int]] = {}
        limits = counted_limits(self._seen)
        for at, one in enumerate(self._seen):
            for need in one.needs:
                limit = need.limit_nano_per_wh
                counts = None if limit is None else limits.get((need.member, limit))
                if counts is not None:
                    self._row(limited, (need.member, counts))[at] += need.energy_wh
        return tuple(
            program.Bid(member, limit, self._servable(row), self._home(member))
            for (member, limit), row in sorted(limited.items())
        )

    def _servable(self, row: Sequence[int]) -> tuple[int, ...]:
        """Energies as far as they mean anything: no more than twice what could be delivered at all, so that nobody
        drives a case out of the bounds of money by wanting the moon. Shares and prices stay what they are."""
        return tuple(map(min, row, self._most_wh))

    def _home(self, member: str) -> str:
        """Where a member takes energy."""
        return self._place_of.get(member, self._elsewhere)

    def _row(self, rows: dict[tuple[str, int], list[int]], key: tuple[str, int]) -> list[int]:
        """Energies of one thing, by interval."""
        return rows.setdefault(key, [0] * len(self._seen))

    def _connections(self, utility: str, floor: int, cap: int) -> tuple[program.Connection, ...]:
        terms = [one.tariff for one in self._seen]

        def bounded(price: int) -> int:
            return max(floor, min(cap, price))

        return (
            program.Connection(
                GRID,
                utility,
                tuple(bounded(one.import_nano_per_wh) for one in terms),
                tuple(bounded(one.export_nano_per_wh) for one in terms),
                tuple(one.tariff.import_limit_wh if one.connected else 0 for one in self._seen),
                self._servable([one.tariff.export_limit_wh if one.connected else 0 for one in self._seen]),
                tuple(one.factor_ug_per_wh for one in terms),
                self._home(utility),
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
            ramp_wh, room_wh = self._room(meter)
            rating_wh = max(room_wh)
            # A case has one rating: where an envelope leaves less, nothing is held back on top of what is delivered.
            held = {at: one for at, one in reserves.get(name, {}).items() if room_wh[at] == rating_wh}
            reserve = self._reserve(held)
            sources.append(
                program.Source(
                    name,
                    first.member,
                    blocks,
                    registered.place_of(self._network, assets.place_of(meter)),
                    factor_ug_per_wh=first.factor_ug_per_wh,
                    rating_wh=None if reserve is None else rating_wh,
                    ramp_wh=ramp_wh,
                    last_wh=None if ramp_wh is None else self._last_wh(meter, blocks, ramp_wh),
                    reserve=reserve,
                )
            )
        return tuple(sources)

    def _room(self, meter: Meter) -> tuple[int | None, list[int]]:
        """Ramp of a source, and most that it delivers in each interval, reserve included: those of its equipment, or of
        its envelope where that is narrower."""
        ramp_w = assets.asset_of(meter).ramp_w
        ramps = [] if ramp_w is None else [assets.interval_wh(ramp_w, self._params)]
        room_wh = [assets.interval_wh(meter.rating_w, self._params)] * len(self._seen)
        if meter.id in enveloped(self._state):
            allowed = [limits(self._state, meter.id, self._window.first + at) for at in range(len(self._seen))]
            ramps += [one.ramp_wh for one in allowed if one.ramp_wh is not None]
            room_wh = [min(most_wh, one.give_wh) for most_wh, one in zip(room_wh, allowed, strict=True)]
        return min(ramps, default=None), room_wh

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
                    registered.place_of(self._network, assets.place_of(meter)),
                    end_value_nano_per_wh=by_time[max(by_time)].end_value_nano_per_wh,
                    wear_nano_per_wh=asset.wear_nano_per_wh,
                    factor_ug_per_wh=asset.embodied_ug_per_wh,
                    reserve=self._reserve(by_time),
                )
            )
        return tuple(stores)

    def _start_soc(self, meter: Meter) -> int:
        """What a storage will hold when the window begins, if it follows its orders until then, also those of intervals
        in which its meter was silent."""
        held = self._state.entry(CHARGES, meter.id)
        assert held is not None, "what a storage holds is on the ledger from its admission on"
        soc = assets.start_soc(meter, held)
        for interval in range(max(held.interval + 1, self._window.first - MAX_UNHEARD), self._window.first):
            order = self._state.entry(ORDERS, meter.member, interval)
            for one in order.storages if order else ():
                if one.meter == meter.id:
                    soc = assets.moved(meter, soc, one.charge_wh, one.discharge_wh)
        return soc

    def _loads(self) -> tuple[program.Load, ...]:
        waiting = self._state.load(OPEN_LOADS, OPEN_LOAD_LIST)
        found = []
        for place in waiting.entries if waiting else ():
            load = self._state.load(LOADS, LOADS.key(place.id))
            assert load is not None, "what waits is on record"
            energy_wh = due_wh(load, self._window.first, self._end)
            if energy_wh:
                first, until = max(load.first, self._window.first), min(load.until, self._end)
                most_wh = min(load.most_wh, max(self._most_wh))
                found.append(
                    program.Load(
                        load.id,
                        load.member,
                        min(energy_wh, most_wh * (until - first)),
                        most_wh,
                        first - self._window.first,
                        until - self._window.first,
                        load.value_nano_per_wh,
                        self._home(load.member),
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
        # Caps of many intervals may come to more than an emission may be, and then don't bind.
        cap_ug = min(sum(known), MAX_MONEY) if len(known) == len(capped_ug) else None
        return tuple(needed_wh) if any(needed_wh) else (), cap_ug

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


def _places(state: State, network: Network) -> dict[str, str]:
    """Where each member takes energy: at its first load meter, at its first tie if it is the utility, else at the first
    of its meters."""
    site = state.load(SITES, SITE) or Site(())
    ranked: dict[str, tuple[bool, str]] = {}
    for one in site.meters:
        meter = state.load(METERS, METERS.key(one.meter))
        assert meter is not None, "every meter of the site is registered"
        rank = meter.kind not in ("load", "tie"), assets.place_of(meter)
        if not one.stopped and (one.member not in ranked or rank[0] < ranked[one.member][0]):
            ranked[one.member] = rank
    return {member: registered.place_of(network, place) for member, (_, place) in ranked.items()}


def _status(state: State, interval: int) -> str:
    record = state.load(INTERVALS, INTERVALS.key(interval)) if interval >= 0 else None
    return "" if record is None else record.status
