"""What happened to carbon: events with the tags 128..143. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Balance, Count, Emission, Energy, Id, Interval, Name


class FactorRegistered(Record, frozen=True, tag=128):
    """A certificate stands; see `contracts.carbon.records.Certificate`."""

    meter: Id
    number: Count
    certifier: Id
    first: Interval
    until: Interval


class FactorEnded(Record, frozen=True, tag=129):
    """Nothing is certified for a meter from an interval on."""

    meter: Id
    interval: Interval


class CarbonSettled(Record, frozen=True, tag=130):
    """The carbon of an interval is booked, with what corrections of earlier ones add.

    With a `code` other than "ok" nothing was booked, because a figure would have left its bounds.
    """

    interval: Interval
    emitted_ug: Balance
    attributed_ug: Balance
    exported_ug: Balance
    held_ug: Balance
    """What storages hold afterwards, over all."""
    code: str


class PolicyBroken(Record, frozen=True, tag=131):
    """An interval did not keep to `zero_ghg`."""

    interval: Interval
    operating_ug: Emission
    embodied_above_ug: Emission
    """Above the baseline."""


class OffsetIssued(Record, frozen=True, tag=132):
    """Somebody holds a new offset."""

    certifier: Id
    serial: Id
    to: Id
    amount_ug: Emission


class OffsetTransferred(Record, frozen=True, tag=133):
    """An offset changed hands."""

    certifier: Id
    serial: Id
    sender: Id
    to: Id


class OffsetRetired(Record, frozen=True, tag=134):
    """An offset is used up."""

    certifier: Id
    serial: Id
    member: Id
    purpose: Name


class OriginTransferred(Record, frozen=True, tag=135):
    """Certificates of origin changed hands."""

    sender: Id
    to: Id
    meter: Id
    cycle: Count
    energy_wh: Energy


class OriginRetired(Record, frozen=True, tag=136):
    """Certificates of origin are used up."""

    member: Id
    meter: Id
    cycle: Count
    energy_wh: Energy
    purpose: Name


class GreenBidAccepted(Record, frozen=True, tag=137):
    """A bid for a green share stands, or is withdrawn."""

    member: Id
    interval: Interval
    count: Count


CarbonEvent = (
    FactorRegistered
    | FactorEnded
    | CarbonSettled
    | PolicyBroken
    | OffsetIssued
    | OffsetTransferred
    | OffsetRetired
    | OriginTransferred
    | OriginRetired
    | GreenBidAccepted
)
