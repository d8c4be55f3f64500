"""What state keeps about equipment that can move energy in time: offers, loads, requirements, charge, and what
a day of orders cost a storage.

Types and bounds only; who writes them is in the docstring of each.
"""

from __future__ import annotations

from typing import Annotated

from contracts.bodies import ReservePrice
from contracts.members import Record
from contracts.units import Charge, Count, Emission, Energy, Id, Interval, Meta, Money, Price

MAX_STORAGES = 256
"""Storages, and sources with a reserve, that offer themselves in one interval."""
MAX_OPEN_LOADS = 512
"""Flexible loads whose deadline has not come."""
MAX_LOADS_PER_MEMBER = 64
"""Of these, one member's."""
MAX_REQUIRING = 4
"""Members that require something of one interval."""
MAX_DOCUMENT_BYTES = 8 * 1_024 * 1_024
"""Of a case as state keeps it."""


class StorageEntry(Record, frozen=True):
    """What stands for one storage in one interval; see `contracts.bodies.StorageOffer`."""

    meter: Id
    member: Id
    charge_wh: Energy
    discharge_wh: Energy
    end_value_nano_per_wh: Price | None
    reserve_wh: Energy
    reserve_nano_per_wh: ReservePrice


class ReserveEntry(Record, frozen=True):
    """The reserve that stands for one source in one interval."""

    meter: Id
    member: Id
    reserve_wh: Energy
    reserve_nano_per_wh: ReservePrice


class FlexibleOffers(Record, frozen=True):
    """Storages and reserves of one interval, each ascending by meter. Written by `contracts.flexible.offers`, fixed
    once the interval locks."""

    storages: Annotated[tuple[StorageEntry, ...], Meta(max_length=MAX_STORAGES)] = ()
    reserves: Annotated[tuple[ReserveEntry, ...], Meta(max_length=MAX_STORAGES)] = ()

    @property
    def entries(self) -> tuple[StorageEntry | ReserveEntry, ...]:
        """All that members offer."""
        return (*self.storages, *self.reserves)


class RequirementEntry(Record, frozen=True):
    """What one member requires of an interval."""

    member: Id
    reserve_wh: Energy
    carbon_cap_ug: Emission | None


class Requirements(Record, frozen=True):
    """What is required of one interval, ascending by member; the strictest counts. Written by
    `contracts.flexible.offers`."""

    entries: Annotated[tuple[RequirementEntry, ...], Meta(max_length=MAX_REQUIRING)]


class Load(Record, frozen=True):
    """A flexible load and what became of it; see `contracts.bodies.FlexibleLoad`. Stays for good."""

    id: Id
    member: Id
    first: Interval
    until: Interval
    energy_wh: Energy
    most_wh: Energy
    value_nano_per_wh: Price
    ordered_wh: Energy = 0
    """In all intervals that are ordered."""
    withdrawn: bool = False


class OpenLoad(Record, frozen=True):
    """Place of a load that may still be served."""

    id: Id
    member: Id
    until: Interval


class OpenLoads(Record, frozen=True):
    """Loads that wait for energy, ascending by id. Working record."""

    entries: Annotated[tuple[OpenLoad, ...], Meta(max_length=MAX_OPEN_LOADS)]


class StorageCharge(Record, frozen=True):
    """What a storage holds after an interval. Written when that closes, and at admission."""

    meter: Id
    interval: Interval
    soc: Charge
    """By its registers, in 1/(n*d) Wh, never below nothing nor above its capacity."""
    reported_wh: Energy | None = None
    """What its meter said of itself at the last reading that settled; None: nothing."""


class StoredCase(Record, frozen=True):
    """The question that a window put: what stood when its offers locked. Never changes; see `contracts.windows`."""

    interval: Interval
    count: Count
    """Intervals that are ordered by it."""
    document: Annotated[bytes, Meta(max_length=MAX_DOCUMENT_BYTES)]
    """`contracts.program.case.Case` as JSON, by itself enough to check any solution."""


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
