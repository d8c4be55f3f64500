"""What happened to hidden energy: events with the tags 114..122. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.private.records import Outcome, Phase, Reason
from contracts.units import Balance, Count, Id, Small, Total


class UseProven(Record, frozen=True, tag=114):
    """A private meter's difference of a cycle stands; `wide` when it is not inside the agreed bounds."""

    meter: Id
    cycle: Count
    wide: bool


class CycleMoved(Record, frozen=True, tag=115):
    """A campus's billing cycle is in its next phase."""

    campus: Id
    cycle: Count
    phase: Phase


class MemberNamed(Record, frozen=True, tag=116):
    """A member kept a cycle from settling as it should; see `contracts.private.records.Reason`."""

    campus: Id
    cycle: Count
    member: Id
    meter: Id | None
    reason: Reason


class TotalFixed(Record, frozen=True, tag=117):
    """The total of a cycle is a point from now on: so many uses, and so much of estimates in public."""

    campus: Id
    cycle: Count
    uses: Count
    estimated_wh: Total
    returned_wh: Total


class CycleSplit(Record, frozen=True, tag=118):
    """The shares of a cycle's sources add up to its total, less what the campus holds back."""

    campus: Id
    cycle: Count
    held_wh: Balance


class ShareDecided(Record, frozen=True, tag=119):
    """What a source is paid for in a cycle."""

    meter: Id
    cycle: Count
    outcome: Outcome
    difference_wh: Balance | None


class BillPaid(Record, frozen=True, tag=120):
    """What a meter is billed for in a cycle is paid."""

    meter: Id
    cycle: Count


class ReadingShown(Record, frozen=True, tag=121):
    """Something that a meter committed to lies between two bounds; see `contracts.private.bodies.ShowReading`."""

    meter: Id
    field: Id
    at: Count
    low: Small
    high: Balance


class GreenRetired(Record, frozen=True, tag=122):
    """As many certificates are used up as the buyers of a cycle's green energy bought together."""

    campus: Id
    cycle: Count
    energy_wh: Total


PrivateEvent = (
    UseProven
    | CycleMoved
    | MemberNamed
    | TotalFixed
    | CycleSplit
    | ShareDecided
    | BillPaid
    | ReadingShown
    | GreenRetired
)
