"""What a checked dispatch of one interval means for each member: its order, and what is paid on top of the price.

Pure: a case, what `contracts.program` made of a solution of it, and one of its intervals. Never decides who delivers,
and never settles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.program.case import Block, Case
from contracts.program.rows import providers
from contracts.program.verdict import Grid, Verdict
from contracts.records import LoadOrder, MeterOrder, NeedEntry, Order, ReserveOrder, StorageOrder


class Taken(NamedTuple):
    """What of one source's blocks is accepted, from the cheapest one on."""

    dearest_nano_per_wh: int
    """Price of the last accepted block; of the first where none is."""
    offered_nano: int
    """Accepted energy at its own prices."""
    above_nano: int
    """What of that is above the price of the zone."""


class Said(NamedTuple):
    """What stands for an interval beside its case."""

    needs: Sequence[NeedEntry]
    reserve_prices: Mapping[str, int]
    """By meter, as each asks in this interval."""


class Totals(NamedTuple):
    """An interval over all members."""

    price_nano_per_wh: int
    """Of the first place's zone."""
    zones: int
    served_wh: int
    shed_wh: int
    supplied_wh: int
    import_wh: int
    export_wh: int
    reserve_wh: int


class _Share:
    """An order in the making."""

    def __init__(self) -> None:
        self.requested = self.served = self.shed = 0
        self.above = self.offered = self.wear = self.held = self.spared = 0
        self.meters: list[MeterOrder] = []
        self.storages: list[StorageOrder] = []
        self.reserves: list[ReserveOrder] = []
        self.loads: list[LoadOrder] = []
        self.offer: int | None = None
        self.limit: int | None = None
        self.place: str | None = None
        """Of its demand; of what it delivers, where it takes nothing."""


def taken(blocks: tuple[Block, ...], energy_wh: int, price: int) -> Taken:
    """What so much of a source's blocks is worth where the zone pays this price."""
    dearest, offered, above = blocks[0].price_nano_per_wh, 0, 0
    for block in blocks:
        part_wh = min(block.energy_wh, energy_wh)
        if part_wh:
            dearest = block.price_nano_per_wh
            offered += part_wh * dearest
            above += part_wh * max(0, dearest - price)
            energy_wh -= part_wh
    return Taken(dearest, offered, above)


def totals(case: Case, verdict: Verdict, at: int, demand_wh: int) -> Totals:
    """The interval number `at` of the case, in which so much fixed demand stands."""
    made = verdict.schedule
    fixed_wh = _at(made.served_wh, at)
    # An island in which nobody wants or offers anything has no place, and no price but scarcity.
    nowhere = min(case.scarcity_nano_per_wh, case.offer_cap_nano_per_wh)
    return Totals(
        verdict.price_nano_per_wh[0][at] if verdict.price_nano_per_wh else nowhere,
        max(1, len({row[at] for row in verdict.zones})),
        fixed_wh + _at(made.bid_wh, at) + _at(made.load_wh, at) + _at(made.charge_wh, at),
        demand_wh - fixed_wh,
        _at(made.source_wh, at) + _at(made.discharge_wh, at),
        _at(made.import_wh, at),
        _at(made.export_wh, at),
        _at(made.reserve_wh, at),
    )


def orders(
    case: Case,
    verdict: Verdict,
    places: tuple[str, ...],
    at: int,
    interval: int,
    said: Said,
) -> list[Order]:
    """One order per member that wants, offers or is given something in the interval number `at`, ascending.

    `places` as `contracts.program.flows.network` numbers them.
    """
    return _Orders(case, verdict, places, at, interval, said).all()


class _Orders:
    def __init__(
        self,
        case: Case,
        verdict: Verdict,
        places: tuple[str, ...],
        at: int,
        interval: int,
        said: Said,
    ) -> None:
        self._case = case
        self._made = verdict.schedule
        self._at = at
        self._interval = interval
        self._said = said
        self._prices = {place: row[at] for place, row in zip(places, verdict.price_nano_per_wh, strict=True)}
        self._zoned = len({row[at] for row in verdict.zones}) > 1
        self._shares: dict[str, _Share] = {}

    def all(self) -> list[Order]:
        """Orders of all members."""
        self._demand()
        self._loads()
        self._sources()
        self._storages()
        self._reserves()
        return [self._order(member, share) for member, share in sorted(self._shares.items())]

    def _share(self, member: str, place: str) -> _Share:
        share = self._shares.setdefault(member, _Share())
        share.place = share.place or place
        return share

    def _demand(self) -> None:
        at = self._at
        for demand, row in zip(self._case.demands, self._made.served_wh, strict=True):
            if demand.energy_wh[at]:
                share = self._share(demand.organisation, demand.place)
                share.served += row[at]
                share.shed -= row[at]
        for bid, row in zip(self._case.bids, self._made.bid_wh, strict=True):
            if bid.energy_wh[at]:
                share = self._share(bid.organisation, bid.place)
                share.served += row[at]
                self._spare(share, bid.limit_nano_per_wh, row[at])
        # A case holds no more of what is wanted than could mean anything.
        for need in self._said.needs:
            share = self._shares.setdefault(need.member, _Share())
            share.requested += need.energy_wh
            share.shed += need.energy_wh if need.limit_nano_per_wh is None else 0

    def _spare(self, share: _Share, limit: int, served_wh: int) -> None:
        """A bid that is served below the price of its own place pays its limit, wherever that price is read."""
        assert share.place is not None, "who is served has a place"
        above = self._prices[share.place] - limit
        if served_wh and above > 0:
            share.spared += served_wh * above
            share.limit = limit if share.limit is None else min(share.limit, limit)

    def _loads(self) -> None:
        for load, row in zip(self._case.loads, self._made.load_wh, strict=True):
            if energy_wh := row[self._at]:
                share = self._share(load.organisation, load.place)
                share.requested += energy_wh
                share.served += energy_wh
                share.loads.append(LoadOrder(load.id, energy_wh))

    def _sources(self) -> None:
        for source, row in zip(self._case.sources, self._made.source_wh, strict=True):
            blocks = source.blocks[self._at]
            if not blocks:
                continue
            share, price = self._share(source.organisation, source.place), self._prices[source.place]
            part = taken(blocks, row[self._at], price)
            share.meters.append(self._meter(source.id, row[self._at], source.place))
            share.offered += part.offered_nano
            share.above += part.above_nano
            dearest = part.dearest_nano_per_wh
            share.offer = dearest if share.offer is None else min(share.offer, dearest)

    def _storages(self) -> None:
        at, made = self._at, self._made
        rows = zip(self._case.storages, made.charge_wh, made.discharge_wh, made.soc, strict=True)
        for store, charge_wh, discharge_wh, soc in rows:
            if not (store.most_charge_wh[at] or store.most_discharge_wh[at]):
                continue
            share = self._share(store.organisation, store.place)
            share.requested += charge_wh[at]
            share.served += charge_wh[at]
            share.wear += discharge_wh[at] * store.wear_nano_per_wh
            share.meters.append(self._meter(store.id, discharge_wh[at], store.place))
            share.storages.append(StorageOrder(store.id, charge_wh[at], discharge_wh[at], soc[at]))

    def _reserves(self) -> None:
        for one, row in zip(providers(self._case), self._made.reserve_wh, strict=True):
            if energy_wh := row[self._at]:
                price = self._said.reserve_prices[one.id]
                share = self._share(one.organisation, one.place)
                share.held += energy_wh * price
                share.reserves.append(ReserveOrder(one.id, energy_wh, price))

    def _meter(self, meter: str, energy_wh: int, place: str) -> MeterOrder:
        return MeterOrder(meter, energy_wh, self._prices[place] if self._zoned else None)

    def _order(self, member: str, share: _Share) -> Order:
        price = self._prices[share.place] if self._zoned and share.place is not None else None
        return Order(
            member,
            self._interval,
            share.requested,
            share.served,
            share.shed,
            tuple(sorted(share.meters, key=lambda one: one.meter)),
            sum(one.energy_wh for one in share.meters),
            share.above,
            share.offer,
            price,
            share.offered,
            share.wear,
            share.held,
            tuple(share.storages),
            tuple(sorted(share.reserves, key=lambda one: one.meter)),
            tuple(share.loads),
            share.spared,
            share.limit,
        )


def _at(rows: Grid, at: int) -> int:
    return sum(row[at] for row in rows)
