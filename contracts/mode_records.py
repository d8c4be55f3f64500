"""What state keeps about islands, injection and demand response: the records of the site's mode.

Standing orders, what the tie meters showed, calls to do without energy with their answers and payments, and the base
load that an island serves last of all. Types and bounds only: `contracts.modes`, `contracts.demand_response` and
`contracts.base_load` write them.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.records import Reason
from contracts.units import Count, Energy, Id, Interval, Meta, Money, Name, Price, Total

MAX_ISLAND_ORDERS = 4
"""Members that may keep one interval an island at the same time."""
MAX_BASELINE_DAYS = 10
MAX_EVENT_DAYS = 64
"""Days with an event that are remembered: more than a baseline looks back."""
MAX_BASE_LOADS = 1_024


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


class Link(Record, frozen=True):
    """What the tie meters showed at the last close that changed it. An empty reason: connected."""

    interval: Interval
    reason: Reason


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
