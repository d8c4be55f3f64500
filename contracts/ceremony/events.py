"""What happened to threshold keys: events with the tags 160..175. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Count, Hash, Id


class CeremonyMoved(Record, frozen=True, tag=160):
    """An attempt at a key began a phase; see `contracts.ceremony.records.PHASES`."""

    epoch: Count
    attempt: Count
    phase: Id


class SeatHeard(Record, frozen=True, tag=161):
    """A seat said what the phase asks of it."""

    member: Id
    epoch: Count
    attempt: Count
    phase: Id


class SeatNamed(Record, frozen=True, tag=162):
    """A seat did not do its part: it was `absent` when others registered, then `silent`, or has `withheld` its share of
    an opening; or it lied: it dealt what is no `share`, or made a `complaint` about a good one."""

    member: Id
    epoch: Count
    attempt: Count
    reason: Id
    lost_ppm: Count
    """Of its index."""


class KeyMade(Record, frozen=True, tag=163):
    """A threshold key is in force."""

    key_id: Hash
    epoch: Count
    attempt: Count
    threshold: Count
    seats: Count
    dealers: Count


class KeyRetired(Record, frozen=True, tag=164):
    """Nobody needs a key any more: its seats erase their shares."""

    key_id: Hash


class ShareGiven(Record, frozen=True, tag=165):
    """A seat gave its share of an opening."""

    member: Id
    opening: Count


class SumOpened(Record, frozen=True, tag=166):
    """Enough shares of an opening are there."""

    opening: Count
    purpose: Id
    round: Count
    tick: Count


class OpeningLate(Record, frozen=True, tag=167):
    """Enough shares were not there in time; whose are missing is named."""

    opening: Count
    purpose: Id
    round: Count
    tick: Count
    withheld: tuple[Id, ...]


CeremonyEvent = CeremonyMoved | SeatHeard | SeatNamed | KeyMade | KeyRetired | ShareGiven | SumOpened | OpeningLate
