"""What happened in sealed dispatch: events with the tags 144..159. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Count, Energy, Id, Interval, Money, Price, Time


class CapacityRegistered(Record, frozen=True, tag=144):
    """A source's hidden capacity stands for rounds that open from now on."""

    member: Id
    meter: Id


class SealedOpened(Record, frozen=True, tag=145):
    """An interval has its sealed round."""

    interval: Interval
    buyer: Id
    ticks: Count
    participants: Count
    deadline_ms: Time


class DemandSealed(Record, frozen=True, tag=146):
    """A tenant's demand is in the round."""

    interval: Interval
    member: Id


class BidSealed(Record, frozen=True, tag=147):
    """A supplier's bid is in the round."""

    interval: Interval
    member: Id


class SealedMoved(Record, frozen=True, tag=148):
    """A round began a phase; the phases are in `contracts.sealed.records`."""

    interval: Interval
    phase: Id


class SealedFrozen(Record, frozen=True, tag=149):
    """No bid joins the round any more; who was silent in all of its blocks is named."""

    interval: Interval
    bidders: tuple[Id, ...]
    absent: tuple[Id, ...]


class SumFound(Record, frozen=True, tag=150):
    """What an opening says."""

    interval: Interval
    part: Id
    tick: Count
    supplier: Id | None
    value_wh: Energy


class SealedPriced(Record, frozen=True, tag=151):
    """A round has its price."""

    interval: Interval
    tick: Count
    price_nano_per_wh: Price
    target_wh: Energy
    shortage_wh: Energy


class AwardSealed(Record, frozen=True, tag=152):
    """A supplier has its award."""

    interval: Interval
    member: Id


class SealedBalanced(Record, frozen=True, tag=153):
    """Awards add up, or can not be seen to (`overpaid`), or do not (`void`); the buyer has paid."""

    interval: Interval
    buyer: Id
    outcome: Id
    awarded_wh: Energy | None
    remainder_wh: Energy
    paid_nano: Money


class DeliveryShown(Record, frozen=True, tag=154):
    """A supplier's obligation is settled: `shown` but for a shortfall, or `short` of all of it."""

    interval: Interval
    member: Id
    buyer: Id
    state: Id
    shortfall_wh: Energy | None
    refunded_nano: Money
    """To the buyer, of what it paid,"""
    charged_nano: Money
    """and from the supplier, for what was missing."""


class WagerLost(Record, frozen=True, tag=155):
    """A supplier said nothing of its award."""

    interval: Interval
    member: Id
    wager_nano: Money


class SealedFailed(Record, frozen=True, tag=156):
    """A round has no price: its interval is dispatched in open merit order. Seats that withheld shares are named."""

    interval: Interval
    reason: Id
    withheld: tuple[Id, ...]


class SealedDone(Record, frozen=True, tag=157):
    """Nothing of a round is left to be settled."""

    interval: Interval
    outcome: Id


SealedEvent = (
    CapacityRegistered
    | SealedOpened
    | DemandSealed
    | BidSealed
    | SealedMoved
    | SealedFrozen
    | SumFound
    | SealedPriced
    | AwardSealed
    | SealedBalanced
    | DeliveryShown
    | WagerLost
    | SealedFailed
    | SealedDone
)
