"""What state keeps about promises that were not kept: the records of conduct and of offences.

Suppliers that gave less than ordered or offered less than they had, and seats of the consensus that contradicted
themselves. Types and bounds only: `contracts.conduct` and `contracts.offences` write them.
"""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Count, Energy, Hash, Height, Id, Interval, Ppm, Time, Tokens, Total


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
