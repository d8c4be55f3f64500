"""What happened to hidden money: events with the tags 98..104. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Count, Id, Money, Point


class NoteKeyRegistered(Record, frozen=True, tag=98):
    """Notes to a member are sealed to this point from now on."""

    member: Id
    point: Point


class Deposited(Record, frozen=True, tag=99):
    """Money went from a public balance into a hidden one."""

    member: Id
    amount_nano: Money


class Withdrawn(Record, frozen=True, tag=100):
    """Money came from a hidden balance into a public one."""

    member: Id
    amount_nano: Money


class Spent(Record, frozen=True, tag=101):
    """A hidden amount waits for a member."""

    sender: Id
    to: Id
    item: Count


class Accepted(Record, frozen=True, tag=102):
    """What waited for a member is in its balance."""

    member: Id
    items: tuple[Count, ...]
    credits: bool
    """Whether awards and returns are, too."""


class SpendReturned(Record, frozen=True, tag=103):
    """An item that nobody accepted is beside its sender's balance again."""

    item: Count
    sender: Id
    to: Id


class AwardCredited(Record, frozen=True, tag=104):
    """An award of a round was added beside a member's balance."""

    member: Id
    round: Count


ConfidentialEvent = NoteKeyRegistered | Deposited | Withdrawn | Spent | Accepted | SpendReturned | AwardCredited
