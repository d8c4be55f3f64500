"""What members say to sealed dispatch: bodies with the tags 144..159. Types and bounds only; the union is in
`contracts.bodies`.

A note is sealed to its author's own note key, and says what the author needs to recover: nobody else reads it, and
nothing here depends on it.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.units import MAX_PRICE, Count, Id, Interval, Meta, Note, Point, Price, Proof, Signature, Time

MAX_TICKS = 64
MAX_REFERENCE = 8
"""Blocks of a reference offer."""
MAX_WH = 2**32 - 1
"""Of everything that is ever decrypted."""

Tick = Annotated[int, Meta(ge=1, le=MAX_PRICE)]
"""A price, in nano per Wh. At zero or below an award would print money."""
Quantity = Annotated[int, Meta(ge=0, le=MAX_WH)]
Demand = Annotated[int, Meta(ge=1, le=MAX_WH)]
OwnNote = Annotated[bytes, Meta(max_length=1_024)]
"""Room for the values of 64 ticks."""
Points = Annotated[tuple[Point, ...], Meta(min_length=1, max_length=MAX_TICKS)]


class ReferenceBlock(Record, frozen=True):
    """`energy_wh` more at this price, in open merit order."""

    price_nano_per_wh: Price
    energy_wh: Demand


class RegisterCapacity(Record, frozen=True, tag=144):
    """What a source of the sender can deliver in an interval at most, hidden, and what it offers where a sealed round
    fails. Replaces its earlier word; rounds that are open keep to what stood when they opened."""

    meter: Id
    capacity: Point
    """Committed in Wh per interval."""
    proof: Proof
    """That it lies in what the meter's rating delivers."""
    signature: Signature
    """The meter's own, over chain, meter and commitment."""
    reference: Annotated[tuple[ReferenceBlock, ...], Meta(min_length=1, max_length=MAX_REFERENCE)]
    """Prices rising."""
    note: OwnNote = b""


class OpenSealed(Record, frozen=True, tag=145):
    """The campus opens the one sealed round that an interval ever has, and is its buyer."""

    interval: Interval
    ticks: Annotated[tuple[Tick, ...], Meta(min_length=1, max_length=MAX_TICKS)]
    """Ascending."""
    demand_wh: Demand | None
    """None: the sum of what tenants seal."""
    deadline_ms: Time
    """Bids and sealed demands count until then, and until enough blocks have been made to take them."""


class SealDemand(Record, frozen=True, tag=146):
    """What a tenant takes from the round's interval, encrypted. The first one counts."""

    interval: Interval
    sealed: Point
    """E = dV + rP."""
    ephemeral: Point
    """R = rB."""
    proof: Proof
    note: OwnNote = b""


class SealBid(Record, frozen=True, tag=147):
    """What a supplier delivers more from each tick on, encrypted, inside its capacity. The first one counts."""

    interval: Interval
    sealed: Points
    """E_k, one for each tick."""
    ephemeral: Points
    """R_k."""
    slack: Point
    """What is left of the capacity, committed over V and the threshold key."""
    proof: Proof
    note: OwnNote = b""


class SealAward(Record, frozen=True, tag=148):
    """What a supplier's own bid gives it at the price, committed and encrypted."""

    interval: Interval
    award: Point
    """Q."""
    remainder: Annotated[bytes, Meta(max_length=48)]
    """X; empty where b = 1, since nothing can remain."""
    sealed: Point
    """T = qV + yP."""
    ephemeral: Point
    """R_T = yB."""
    proof: Proof
    note: OwnNote = b""


class ProveDelivery(Record, frozen=True, tag=149):
    """A supplier's meter saw what it was awarded, but for a public shortfall."""

    interval: Interval
    shortfall_wh: Quantity
    proof: Proof
    note: Note = b""
    """What opens the credit; see `contracts.confidential.crediting`."""


class ClaimSum(Record, frozen=True, tag=150):
    """What an opened point says, found by whoever looked for it. Anybody may claim; only what is true counts."""

    interval: Interval
    opening: Count
    value_wh: Quantity


SealedBody = RegisterCapacity | OpenSealed | SealDemand | SealBid | SealAward | ProveDelivery | ClaimSum
