"""What state keeps about time, the site and the market: intervals from their first need to their bills.

Members, accounts, meters and heads are in `contracts.members`; what meters saw and every later word on it in
`contracts.metering_records`, modes of the site in `contracts.mode_records`, broken promises in
`contracts.conduct_records`. Types and bounds only; who writes them is in the docstring of each. Sums over many meters
or members are `Total`s, since they may pass the bound of a single one.
"""

from __future__ import annotations

from typing import Annotated

from contracts.bodies import MAX_BLOCKS, OfferBlock
from contracts.flexible.records import MAX_LOADS_PER_MEMBER, MAX_STORAGES
from contracts.members import MAX_LINES, MAX_METERS, PowerLine, Record
from contracts.rolls import BUCKETS
from contracts.units import (
    Balance,
    Charge,
    Count,
    Energy,
    Factor,
    Hash,
    Height,
    Id,
    Interval,
    Meta,
    Money,
    Name,
    Price,
    Rate,
    Total,
)

MAX_NAMED = 16
"""Estimated meters that an interval names; more are counted."""
MAX_NEEDS_PER_MEMBER = 64
"""Different needs (by tier or limit price) of one member in one interval; equal ones add up."""
MAX_RELAXED = 5

OPEN = "open"
LOCKED = "locked"
"""Offers locked, and builders are at work on the dispatch."""
ORDERED = "ordered"
SETTLED = "settled"

Reason = Annotated[str, Meta(max_length=1_024)]
Mask = Annotated[int, Meta(ge=0, lt=1 << BUCKETS)]
"""Bit b is set when bucket b exists."""


class Schedule(Record, frozen=True):
    """Intervals with content that still wait for something, ascending. Written by `contracts.schedule` alone.

    A deadline stays here until all that it waits for has happened.
    """

    locks: tuple[Interval, ...]
    closes: tuple[Interval, ...]
    closed: Interval | None = None
    """The interval that closed last: none up to it closes again, whatever becomes of the grace."""


class SiteMeter(Record, frozen=True):
    """A meter as settlement needs it."""

    meter: Id
    member: Id
    tie: bool
    """It is the utility's, between the site and the public grid."""
    since: Interval = 0
    """It counts from the interval after this one on; 0: from genesis on."""
    stopped: bool = False
    """Its member was removed: what it said is settled, and it is not estimated any more."""
    firm_w: Energy = 0
    """What it gives at any time of an island."""


class Site(Record, frozen=True):
    """Everything that settlement enumerates, ascending by meter id. Written at genesis and by governance."""

    meters: Annotated[tuple[SiteMeter, ...], Meta(max_length=MAX_METERS)]


class Lines(Record, frozen=True):
    """Lines with a meter at both ends, ascending. Written at genesis, where there are any."""

    lines: Annotated[tuple[PowerLine, ...], Meta(max_length=MAX_LINES)]


class Utility(Record, frozen=True):
    """Who connects the site to the public grid: the first member with that role. Written at genesis."""

    member: Id


class TariffRecord(Record, frozen=True):
    """Prices and limits of the utility for one interval. Written by `contracts.market`."""

    import_nano_per_wh: Price
    export_nano_per_wh: Price
    import_limit_wh: Energy
    export_limit_wh: Energy
    factor_ug_per_wh: Factor


class NeedEntry(Record, frozen=True):
    """What one member wants in one interval at one limit price (None: fixed demand of `tier`)."""

    member: Id
    limit_nano_per_wh: Price | None
    tier: Annotated[int, Meta(ge=0, le=7)]
    energy_wh: Energy


class NeedBucket(Record, frozen=True):
    """Needs of those members whose ids hash into one bucket. Fixed once the interval is ordered."""

    entries: tuple[NeedEntry, ...]


class OfferEntry(Record, frozen=True):
    """The offer that stands for one meter in one interval, with the factor of its meter."""

    meter: Id
    member: Id
    factor_ug_per_wh: Factor
    blocks: Annotated[tuple[OfferBlock, ...], Meta(max_length=MAX_BLOCKS)]
    reference_nano_per_wh: Price | None = None
    """What the meter is registered to ask at most where nobody can do without it."""


class OfferBucket(Record, frozen=True):
    """Offers of those meters whose ids hash into one bucket. Fixed once the interval is ordered."""

    entries: tuple[OfferEntry, ...]


class IntervalRecord(Record, frozen=True):
    """One settlement interval from its first need or offer to its last line.

    While `open` only the first block of fields is set, then (`ordered`) the dispatch, then (`settled`)
    deliveries. While `locked` the terms of the dispatch are fixed, the dispatch is not. `import` and `export` are
    what the site takes from and gives to the utility.
    """

    interval: Interval
    status: Id = OPEN
    needs: Count = 0
    """Needs accepted, also those that were added to an equal one."""
    offers: Count = 0
    """Offers that stand."""
    demand_wh: Energy = 0
    """Fixed demand."""
    bids_wh: Energy = 0
    """Demand with a limit price."""
    need_buckets: Mask = 0
    offer_buckets: Mask = 0

    grid: bool = False
    """Mode `grid`: import and export are possible. False is mode `island`, for `mode_reason`."""
    mode_reason: Reason = ""
    import_nano_per_wh: Price = 0
    export_nano_per_wh: Price = 0
    export_lowered: bool = False
    """Import was cheaper than export, so the interval cleared with export := import."""
    price_nano_per_wh: Price = 0
    served_wh: Total = 0
    """Fixed demand and bids that were ordered."""
    shed_wh: Total = 0
    """Fixed demand that was not."""
    supplied_wh: Total = 0
    """Ordered from offers."""
    import_wh: Total = 0
    export_wh: Total = 0

    injected_wh: Total = 0
    """Metered, the utility's meter included."""
    withdrawn_wh: Total = 0
    tie_import_wh: Total = 0
    """Metered flow from the utility to the site."""
    tie_export_wh: Total = 0
    losses_wh: Balance = 0
    residual_nano: Money = 0
    """What consumption shared: positive was handed out, negative was collected."""
    code: str = "ok"
    """`amount.range` when lines would have left the bounds of money and none was booked."""
    estimated: Count = 0
    """Meters that said nothing about the interval and were estimated; the first `MAX_NAMED` follow."""
    estimated_meters: Annotated[tuple[Id, ...], Meta(max_length=MAX_NAMED)] = ()
    disputes: Count = 0
    """Lines whose ends disagree; each has a `Dispute`."""
    scarcity_nano_per_wh: Price = 0
    penalty_ppm: Count = 0
    """Parameters in force when it was ordered: it is billed and corrected by them for ever."""
    round: Count | None = None
    """Round of wagering that decided the dispatch; None: the fallback was ordered when offers locked."""
    builder: Id | None = None
    """Whose solution that round ordered; None: the fallback's."""
    window: Interval | None = None
    """First interval of those that were ordered together with it; None: it was ordered alone."""
    relaxed: Annotated[tuple[Id, ...], Meta(max_length=MAX_RELAXED)] = ()
    """What had to go, in this order, for there to be any dispatch at all; see `contracts.relaxing`."""
    zones: Count = 1
    """Price zones; of several, `price_nano_per_wh` is that of the first place, and each order has its own."""
    reserve_wh: Total = 0
    """Held back, over all who do."""
    mode: Name | None = None
    """`grid`, `island`, `injection` or `demand_response`, once it is ordered."""
    reduced_wh: Total = 0
    """Fixed demand that members do without for pay: it is not wanted from the dispatch."""
    surplus_wh: Balance | None = None
    """What the site could have given away when it was ordered, and still served itself."""
    capped: Annotated[tuple[Id, ...], Meta(max_length=MAX_NAMED)] = ()
    """Suppliers that an island could not do without, whose offers counted at their references; the first of them."""
    withholding: Count = 0
    """Meters that offered less than was there; each has a `Withholding`."""


class MeterOrder(Record, frozen=True):
    """Energy ordered from one meter."""

    meter: Id
    energy_wh: Total
    price_nano_per_wh: Price | None = None
    """Of its zone; None: that of the interval, which has one."""


class StorageOrder(Record, frozen=True):
    """What one storage shall take and give."""

    meter: Id
    charge_wh: Energy
    discharge_wh: Energy
    soc: Charge
    """In 1/(n*d) Wh, once it has."""


class ReserveOrder(Record, frozen=True):
    """What one source or storage shall hold back, at its own price."""

    meter: Id
    energy_wh: Energy
    price_nano_per_wh: Price


class LoadOrder(Record, frozen=True):
    """Energy for one flexible load of the member."""

    load: Id
    energy_wh: Energy


class Order(Record, frozen=True):
    """What one member shall deliver and may take. Written when offers lock; provable to its member."""

    member: Id
    interval: Interval
    requested_wh: Energy
    served_wh: Energy
    shed_wh: Energy
    meters: tuple[MeterOrder, ...]
    supplied_wh: Total
    pay_as_bid_nano: Money
    """What accepted blocks above the price receive on top of it."""
    offer_nano_per_wh: Price | None
    """Lowest, over its meters, of the dearest accepted block's price (none accepted: the cheapest
    offered).
    """
    price_nano_per_wh: Price | None = None
    """Of the member's zone; None: that of the interval, which has one."""
    offered_nano: Money = 0
    """Accepted blocks at their own prices, must-run energy of ramp-limited sources included."""
    wear_nano: Money = 0
    """Of what its storages give."""
    reserve_nano: Money = 0
    """For what it holds back, as offered."""
    storages: Annotated[tuple[StorageOrder, ...], Meta(max_length=MAX_STORAGES)] = ()
    """Ascending by meter, as the next; their energy is in `served_wh`, `supplied_wh` and `meters`, too."""
    reserves: Annotated[tuple[ReserveOrder, ...], Meta(max_length=2 * MAX_STORAGES)] = ()
    loads: Annotated[tuple[LoadOrder, ...], Meta(max_length=MAX_LOADS_PER_MEMBER)] = ()
    """Their energy is in `served_wh`, too."""
    spared_nano: Money = 0
    """By how much its served bids would cost more at the price than at their own limits."""
    limit_nano_per_wh: Price | None = None
    """Lowest limit of such a bid; None: the price is above no limit."""


class Line(Record, frozen=True):
    """One line of a bill: energy at a price, and what it adds to the member's balance."""

    kind: Id
    energy_wh: Balance
    price_nano_per_wh: Rate | None
    amount_nano: Money
    estimated: bool = False
    """It rests on the estimate of a silent meter, and is trued up when the meter's register returns."""


class Bill(Record, frozen=True):
    """Settlement of one member in one interval. Over all members the totals sum to zero. Never changes."""

    member: Id
    interval: Interval
    lines: tuple[Line, ...]
    total_nano: Money
    withdrawn_wh: Total = 0
    """What the member's meters (ties excluded) saw or were estimated at."""
    injected_wh: Total = 0
    estimated: Count = 0
    """How many of its meters were estimated; each has an `Estimate`."""
    corrections: Count = 0
    """How many earlier intervals the line `correction` answers for; each has a `Correction`."""


class EpochMix(Record, frozen=True):
    """Randomness of the chain after the last block of an epoch, written in that block."""

    height: Height
    mix: Hash


class Sentinel(Record, frozen=True):
    """A leaf that is always there, so that non-existence always has a neighbour."""

    name: str
