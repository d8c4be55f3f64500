"""What state keeps about carbon: the records behind the tables of `contracts.schema`. Types and bounds only."""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.params import MAX_SURGE_WINDOW
from contracts.units import Balance, Count, Emission, Energy, Factor, Height, Id, Interval, Meta, Name, Price, Total

MAX_SPANS = 16
"""Certificates of one meter that may still count for something."""
MAX_LOTS = 1_024
"""Lots of certificates of origin that one member holds, or that one storage locks; the oldest beyond expire."""
MAX_OFFSETS = 256
"""Offsets that one member holds."""
MAX_RETIRED = 256
"""Retirements of one member in one billing cycle."""
MAX_GREEN_BIDS = 1_024
"""Members that bid for a green share of one interval."""

CERTIFICATE = "certificate"
REGISTRATION = "registration"
TARIFF = "tariff"
PACT = "pact"
WORST = "worst"
"""Where a factor comes from: a certifier; genesis or admission, to which the pact agreed; the utility's tariff; the
parameters of the pact; nowhere, so that the worst on the ledger applies."""


class Certificate(Record, frozen=True):
    """A certifier's word about a meter. Never changes; how long it counted is in `FactorSpans`."""

    meter: Id
    number: Count
    certifier: Id
    certificate: Name
    boundary: Name
    operating_ug_per_wh: Factor
    embodied_ug_per_wh: Factor
    first: Interval
    until: Interval
    height: Height


class Span(Record, frozen=True):
    """Intervals from `first` to before `until` in which a certificate counts."""

    number: Count
    certifier: Id
    operating_ug_per_wh: Factor
    embodied_ug_per_wh: Factor
    first: Interval
    until: Interval


class FactorSpans(Record, frozen=True):
    """What is certified for a meter. Written by `contracts.carbon.factors`."""

    meter: Id
    certificates: Count
    """So far."""
    since: Interval
    """First interval of the first one: from there on registration says nothing any more."""
    spans: Annotated[tuple[Span, ...], Meta(max_length=MAX_SPANS)]
    """Ascending, apart from each other; those that no correction can reach any more are dropped."""


class WorstFactor(Record, frozen=True):
    """Highest factor that was ever registered, by genesis, admission or a certifier."""

    ug_per_wh: Factor


class Emitted(Record, frozen=True):
    """What one meter brought into the site in one interval. Never changes."""

    meter: Id
    interval: Interval
    member: Id
    energy_wh: Energy
    operating_ug_per_wh: Factor
    embodied_ug_per_wh: Factor
    basis: Id
    certificate: Count | None
    """Number of the meter's certificate, where `basis` is one."""
    released_ug: Emission = 0
    """Of a storage: taken out of what it held."""
    unseen_wh: Energy = 0
    """Of a storage: discharged although nobody saw it go in,"""
    unseen_ug: Emission = 0
    """at the worst factor."""
    charged_wh: Energy = 0
    taken_ug: Emission = 0
    """Of a storage: charged, and what came with it."""
    origin_wh: Energy = 0
    """Certificates of origin that were issued."""


class IntervalCarbon(Record, frozen=True):
    """Carbon of one interval. Never changes: later words are in the intervals that book them."""

    interval: Interval
    code: str
    """`amount.range` when figures would have left their bounds and nothing was booked."""
    operating_ug: Emission = 0
    embodied_ug: Emission = 0
    unseen_ug: Emission = 0
    site_ug: Emission = 0
    travel_ug: Emission = 0
    corrected_ug: Balance = 0
    """Emission that corrections of earlier intervals add, or take back."""
    pool_ug: Emission = 0
    """Emitted by energy, and released by storages: divided by `energy_wh` it is the mix."""
    energy_wh: Total = 0
    exported_wh: Total = 0
    exported_ug: Emission = 0
    exported_corrected_ug: Balance = 0
    taken_ug: Emission = 0
    released_ug: Emission = 0
    stored_corrected_ug: Balance = 0
    attributed_ug: Balance = 0
    corrections: Count = 0
    policy: Id = "off"
    """`off`, `kept` or `broken`."""
    baseline_ug: Emission = 0
    """Of embodied emission, under the policy."""


class Carried(Record, frozen=True):
    """What one member carries of one interval. Never changes."""

    member: Id
    interval: Interval
    consumed_wh: Total
    energy_ug: Balance
    """Share of what consumption carries, losses and other members' corrections included."""
    site_ug: Emission
    travel_ug: Emission
    corrected_ug: Balance = 0
    """For its own later words about earlier intervals."""
    green_wh: Total = 0
    """Bought as a green share."""


class CarbonCorrection(Record, frozen=True):
    """What a correction of energy does to carbon, beside the `Correction` of the same interval, meter and number.

    What is left of `emitted_ug` is shared by consumption of the interval that books it.
    """

    interval: Interval
    meter: Id
    member: Id
    booked_in: Interval
    emitted_ug: Balance
    exported_ug: Balance
    member_ug: Balance
    stored_ug: Balance


class StoredCarbon(Record, frozen=True):
    """Carbon in a storage, beside the charge that the ledger saw go in: by what is billed, in 1/(n*d) Wh."""

    meter: Id
    charge: Total
    carbon_ug: Emission


class CarbonTotals(Record, frozen=True):
    """Since genesis: emitted is attributed, exported or held."""

    emitted_ug: Balance
    attributed_ug: Balance
    exported_ug: Balance
    held_ug: Emission


class Surges(Record, frozen=True):
    """Embodied emission above the baseline, as `contracts.carbon.policy.Past`, up to a settled interval."""

    interval: Interval
    run: Count
    excess_ug: Annotated[tuple[Emission, ...], Meta(max_length=MAX_SURGE_WINDOW)]


class Lot(Record, frozen=True):
    """Certificates of origin: metered generation of one meter in one billing cycle."""

    meter: Id
    cycle: Count
    energy_wh: Total


class OriginAccount(Record, frozen=True):
    """What one member holds. Written by `contracts.carbon.origin`."""

    member: Id
    lots: Annotated[tuple[Lot, ...], Meta(max_length=MAX_LOTS)] = ()
    """Ascending by cycle and meter."""
    owed_wh: Total = 0
    """Issued for energy that was corrected away, and gone by then: the next ones are cancelled for it."""


class LockedLot(Record, frozen=True):
    """Certificates whose energy is in a storage, and whose they are."""

    member: Id
    meter: Id
    cycle: Count
    energy_wh: Total


class LockedOrigins(Record, frozen=True):
    """What one storage locks."""

    meter: Id
    lots: Annotated[tuple[LockedLot, ...], Meta(max_length=MAX_LOTS)]
    """Ascending by cycle, meter and member."""


class OriginTotals(Record, frozen=True):
    """Certificates of origin since genesis: what was issued and is none of the others is held or locked."""

    issued_wh: Total = 0
    cancelled_wh: Total = 0
    """For energy that was corrected away."""
    lost_wh: Total = 0
    """With the losses of storages."""
    retired_wh: Total = 0
    expired_wh: Total = 0


class Offset(Record, frozen=True):
    """An offset, and who holds it or used it up."""

    certifier: Id
    serial: Id
    certificate: Name
    boundary: Name
    amount_ug: Emission
    height: Height
    holder: Id
    retired_in: Interval | None = None
    purpose: Name | None = None


class OffsetPlace(Record, frozen=True):
    """Where an offset lies."""

    certifier: Id
    serial: Id


class OffsetAccount(Record, frozen=True):
    """Offsets that a member holds and has not used up, oldest first."""

    member: Id
    offsets: Annotated[tuple[OffsetPlace, ...], Meta(max_length=MAX_OFFSETS)]


class Retirement(Record, frozen=True):
    """Something that was used up: an offset (`certifier`, `serial`, `amount_ug`) or certificates of origin (`meter`,
    `cycle`, `energy_wh`)."""

    interval: Interval
    purpose: Name
    certifier: Id | None = None
    serial: Id | None = None
    amount_ug: Emission = 0
    meter: Id | None = None
    cycle: Count | None = None
    energy_wh: Total = 0


class Retirements(Record, frozen=True):
    """What a member used up in one billing cycle, in order."""

    member: Id
    cycle: Count
    retired: Annotated[tuple[Retirement, ...], Meta(max_length=MAX_RETIRED)]


class GreenEntry(Record, frozen=True):
    """What one member pays on top for green energy in one interval."""

    member: Id
    premium_nano_per_wh: Price
    energy_wh: Energy


class GreenBids(Record, frozen=True):
    """Bids for a green share of one interval, ascending by member. Fixed once the interval locks."""

    entries: Annotated[tuple[GreenEntry, ...], Meta(max_length=MAX_GREEN_BIDS)]
