"""What state keeps about time, the market, money and offences: the records behind the tables of `contracts.schema`.

Members, accounts, meters and heads are in `contracts.members`. Types and bounds only; who writes them is in
the docstring of each. Sums over many meters or members are `Total`s, since they may pass the bound of a
single one.
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
    Ppm,
    Price,
    Rate,
    Time,
    Tokens,
    Total,
)

FINAL_DAYS = 35
"""After so many days a closed interval is final: later differences are recorded, and billed no more."""
MAX_NAMED = 16
"""Estimated meters that an interval names; more are counted."""
MAX_OPEN_DISPUTES = 1_024
"""Disputes that wait for their parent meter; the oldest beyond it are final."""
MAX_RETURNS = 4_096
"""Differences of one meter that wait to be billed; the oldest beyond it are final."""
MAX_NEEDS_PER_MEMBER = 64
"""Different needs (by tier or limit price) of one member in one interval; equal ones add up."""

MAX_RELAXED = 5
MAX_BASELINE_DAYS = 10
MAX_EVENT_DAYS = 64
"""Days with an event that are remembered: more than a baseline looks back."""
MAX_BASE_LOADS = 1_024

MAX_ISLAND_ORDERS = 4
"""Members that may keep one interval an island at the same time."""

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


class IslandOrder(Record, frozen=True):
    """Who keeps the connection to the public grid open in an interval, or lets the site sell through it, and why."""

    member: Id
    reason: Name
    first: Interval = 0
    """The window that was ordered as one: `count` intervals from this one on; 0 of them: the interval alone."""
    count: Count = 0


class ReductionCall(Record, frozen=True):
    """The utility pays for energy that members do without."""

    member: Id
    energy_wh: Energy
    payment_nano_per_wh: Price
    reason: Name
    called: Interval
    """In which it was called: what happened from then on says nothing about what is usual."""


class ModeRecord(Record, frozen=True):
    """Standing orders about the mode of one interval; none: the site is on the grid. Written by `contracts.modes` and
    `contracts.demand_response`.
    """

    islands: Annotated[tuple[IslandOrder, ...], Meta(max_length=MAX_ISLAND_ORDERS)] = ()
    injections: Annotated[tuple[IslandOrder, ...], Meta(max_length=MAX_ISLAND_ORDERS)] = ()
    """Who lets the site sell, and why."""
    call: ReductionCall | None = None


class ReductionOffer(Record, frozen=True):
    """What one member would do without in one interval."""

    member: Id
    energy_wh: Energy
    value_nano_per_wh: Price
    rebound_nano_per_wh: Price


class Reduction(Record, frozen=True):
    """What a member was ordered to do without in one interval, and what it is paid for. Written once, for good."""

    member: Id
    interval: Interval
    ordered_wh: Energy
    payment_nano_per_wh: Price
    like: Annotated[tuple[Interval, ...], Meta(max_length=MAX_BASELINE_DAYS)]
    """The same interval of the days that the baseline is the mean of, ascending."""
    factor_ppm: Count
    """By how much the day began otherwise than those."""
    baseline_wh: Energy
    """With that factor."""
    metered_wh: Total | None
    """None: a load meter of the member was silent, and nothing is paid."""
    withdrawn_wh: Energy
    """What it wanted and the dispatch did not serve: nobody is paid for doing without that."""
    paid_wh: Energy
    amount_nano: Money


class EventDays(Record, frozen=True):
    """UTC days on which anybody was ordered to do without anything, ascending: no day of these is usual."""

    days: Annotated[tuple[Count, ...], Meta(max_length=MAX_EVENT_DAYS)]


class BaseLoadEntry(Record, frozen=True):
    """Base load of one meter; see `contracts.base_load`."""

    meter: Id
    member: Id
    site: Id
    power_w: Energy
    since: Interval
    """The first interval that it counts in."""


class BaseLoads(Record, frozen=True):
    """All base load, in the order in which it was admitted."""

    entries: Annotated[tuple[BaseLoadEntry, ...], Meta(max_length=MAX_BASE_LOADS)]


class Link(Record, frozen=True):
    """What the tie meters showed at the last close that changed it. An empty reason: connected."""

    interval: Interval
    reason: Reason


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


class Estimate(Record, frozen=True):
    """What a silent meter was billed for in one interval. Written at its close, for good."""

    meter: Id
    interval: Interval
    import_wh: Energy
    export_wh: Energy
    like: Annotated[tuple[Interval, ...], Meta(max_length=4)]
    """The measured intervals that it is the adverse extreme of; none: rating or nothing."""


class Return(Record, frozen=True):
    """True energy of a meter in `count` closed intervals from `interval` on, waiting to be billed.

    It spreads evenly in whole Wh; what is left over goes to the earliest intervals, 1 Wh each.
    """

    interval: Interval
    count: Count
    import_wh: Energy | None
    """None: as it is billed by then."""
    export_wh: Energy | None
    cause: Id


class Returns(Record, frozen=True):
    """What waits of one meter, oldest first. Working record of `contracts.corrections`."""

    entries: Annotated[tuple[Return, ...], Meta(max_length=MAX_RETURNS)]


class Basis(Record, frozen=True):
    """Energy of one meter in one closed interval as it is billed by now. Working record."""

    import_wh: Energy
    export_wh: Energy
    corrections: Count
    """How many `Correction`s name it."""


class Standing(Record, frozen=True):
    """Position of one member in one closed interval as it is billed by now. Working record."""

    net_wh: Balance
    """Injected minus withdrawn, ties excluded."""
    tie_import_wh: Balance
    tie_export_wh: Balance


class Correction(Record, frozen=True):
    """A later word about a closed interval: what its bill rests on, what is true, and what that is worth.

    The bill of `interval` stays as it is; `booked_in` is the interval whose bill of `member` has the amount,
    and whose residual has the other side of it.
    """

    interval: Interval
    meter: Id
    member: Id
    booked_in: Interval
    cause: Id
    old_import_wh: Energy
    old_export_wh: Energy
    new_import_wh: Energy
    new_export_wh: Energy
    lines: tuple[Line, ...]
    """New minus old, by kind; without a price, since both sides may have different ones."""
    amount_nano: Money
    final: bool
    """Too late, or beyond the bounds of money: recorded, not billed."""


class Dispute(Record, frozen=True):
    """Two ends of a line disagree in one interval. Written at its close, for good; the smaller settles."""

    interval: Interval
    line: Id
    sending_meter: Id
    receiving_meter: Id
    parent_meter: Id
    sent_wh: Energy
    received_wh: Energy
    settled_wh: Energy
    held_wh: Energy
    """The larger reading less the smaller."""
    held_nano: Money
    """What the end that read more would have received on top, had its own reading settled; may be a debt."""


class OpenDispute(Record, frozen=True):
    """Place of a dispute without a verdict."""

    interval: Interval
    line: Id


class OpenDisputes(Record, frozen=True):
    """Those that wait for a parent meter, oldest first. Working record of `contracts.disputes`."""

    entries: Annotated[tuple[OpenDispute, ...], Meta(max_length=MAX_OPEN_DISPUTES)]


class Verdict(Record, frozen=True):
    """What the parent meter of a disputed line saw, and what both ends settle at from then on."""

    interval: Interval
    line: Id
    parent_meter: Id
    parent_wh: Energy
    settled_wh: Energy
    decided_in: Interval
    """The interval whose close brought the verdict; its bills, or those of the next ones, carry it."""
    final: bool
    """Nobody decided in time: what settled stays."""


class Metered(Record, frozen=True):
    """Energy of one meter in one interval, and the sequence of the reading that settled it. Never changes.

    What like-day estimates and baselines are made of.
    """

    meter: Id
    import_wh: Energy
    export_wh: Energy
    sequence: Count = 0


class StoreAccount(Record, frozen=True):
    """What dispatching one storage cost and brought on the day that runs, and what is in it. Working record of
    `contracts.make_whole`.
    """

    meter: Id
    member: Id
    day: Count
    """UTC, from 1970-01-01."""
    stored: Charge = 0
    """Energy in it that was ordered, in 1/(n*d) Wh, and what was paid for it."""
    stored_nano: Money = 0
    used_nano: Money = 0
    """The day's sums: what the discharged energy had cost, its wear, and what was paid for it."""
    wear_nano: Money = 0
    revenue_nano: Money = 0


class MadeWhole(Record, frozen=True):
    """What a storage is paid because a day of orders cost it more than it brought. Written once, for good."""

    meter: Id
    member: Id
    day: Count
    interval: Interval
    """Whose bills have it."""
    used_nano: Money
    wear_nano: Money
    revenue_nano: Money
    amount_nano: Money


class Shortfall(Record, frozen=True):
    """A source or storage gave less than ordered, beyond the tolerance. Written once, for good."""

    meter: Id
    member: Id
    interval: Interval
    """The first of `count`: more than one where the meter had been silent, and its register has returned."""
    count: Count
    ordered_wh: Total
    """As far as somebody took energy: in an island nobody can give what nobody takes."""
    delivered_wh: Total


class ConductDay(Record, frozen=True):
    """What a member's shortfalls of one UTC day have cost its index. Working record of `contracts.conduct`."""

    member: Id
    day: Count
    index_ppm: Ppm
    """Before the first of them."""
    lost_ppm: Ppm


class Withholding(Record, frozen=True):
    """A source could have given more than it offered. A report: nothing follows from it. Written once, for good."""

    meter: Id
    member: Id
    interval: Interval
    available_wh: Energy
    """By what its meter said it could give."""
    offered_wh: Energy
    """In blocks and as reserve."""
    own_wh: Energy
    """What its member took itself in the interval."""


class Offence(Record, frozen=True):
    """A seat contradicted itself at `height`. Written once, never changed."""

    node: Id
    member: Id
    kind: Id
    """`duplicate-prevote`, `duplicate-precommit` or `duplicate-proposal`."""
    height: Height
    round: Count
    evidence_hash: Hash
    recorded_height: Height
    """Block whose evidence says so."""
    recorded_ms: Time
    number: Count
    """Offences are counted from 0."""
    taken_tokens: Tokens = 0
    """What its member had bonded and unlocking; 0 where that was taken for an earlier offence."""
    whistleblower: Id | None = None
    """Organisation that had a share of it; None: nobody had."""
    rewarded_tokens: Tokens = 0


class OffencePlace(Record, frozen=True):
    """Where the offence with a number lies."""

    node: Id
    height: Height


class OffenceCount(Record, frozen=True):
    """Offences so far."""

    count: Count


class EpochMix(Record, frozen=True):
    """Randomness of the chain after the last block of an epoch, written in that block."""

    height: Height
    mix: Hash


class Sentinel(Record, frozen=True):
    """A leaf that is always there, so that non-existence always has a neighbour."""

    name: str
