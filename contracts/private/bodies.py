"""What members say about hidden energy: bodies with the tags 104..111. Types and bounds only; the union is in
`contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from contracts.confidential.bodies import Spend
from contracts.members import Record
from contracts.units import MAX_ENERGY, PPM, Balance, Count, Energy, Id, Meta, Note, Point, Proof, Small

MAX_HIDDEN_SOURCES = 32
"""Private sources of one campus: the shares of a split are proven by one proof, which has so much room."""


MAX_GREEN_LOTS = 32
"""Kinds of certificates that one retirement may name."""


class GreenShare(Record, frozen=True):
    """So many millionths of what a load used shall be green; how much energy that is, is hidden."""

    ppm: Annotated[int, Meta(ge=1, le=PPM)]
    volume: Point
    remainder: Point
    """Of the division by a million."""
    proof: Proof


class ProveUse(Record, frozen=True, tag=104):
    """By how much a private meter's register grew up to the end of a cycle, hidden, with the proof of its size."""

    meter: Id
    cycle: Count
    wide: bool
    """The proof is of what the rating allows where less was agreed; everybody sees which of them it is of."""
    proof: Proof
    note: Note
    """The opening of the difference, and that of a green volume behind it, sealed to the campus."""
    green: GreenShare | None = None


class BlameNote(Record, frozen=True, tag=105):
    """A recipient shows that a note does not open what it was sent for: everybody reads it from here on."""

    meter: Id
    cycle: Count
    of_share: bool
    """The campus's note about the source's share of the bill; else the owner's note about its meter's use."""
    shown: Annotated[bytes, Meta(max_length=256)]
    """The common point of the note with its proof, see `zk.notes`."""


class ShareOfBill(Record, frozen=True):
    """What one source is to be paid for."""

    meter: Id
    point: Point
    note: Note
    """The opening of the point, sealed to the source's owner."""


class SplitCycle(Record, frozen=True, tag=106):
    """The campus says how a cycle's total falls to its sources: the shares and what it holds back add up to it."""

    cycle: Count
    held_wh: Balance
    """Of what estimates put into the total: held back until the meters speak again, or (negative) given out now."""
    shares: Annotated[tuple[ShareOfBill, ...], Meta(max_length=MAX_HIDDEN_SOURCES)]
    """One for each source, ascending by meter."""
    proof: Proof
    """That each is an energy."""
    own_note: Note
    """Amounts and entropy, sealed to the campus itself: without them it could not pay what it split."""


class Reconcile(Record, frozen=True, tag=107):
    """A supplier answers to its share of a bill with what its meter says it delivered."""

    meter: Id
    cycle: Count
    difference_wh: Balance | None
    """The share less the delivery, shown to all; None: it stays hidden, and is proven to be within the line's loss."""
    proof: Proof
    beyond: Proof
    """Where less is billed than was delivered: that it is less by more than the line loses. Empty: it is not."""


class PayBill(Record, frozen=True, tag=108):
    """A load's owner, or the campus for a source, pays what a cycle comes to: the tariff times the hidden energy."""

    meter: Id
    cycle: Count
    spend: Spend | None
    """Of the very commitment that the bill comes to, value and blinding; None: the bill is of nothing."""
    nothing: Proof
    """That it is; empty where something is spent."""
    green: bool = False
    """The bill of the load's green share, at its own price."""


Sealed = Literal[
    "reserve",
    "voltage_mv",
    "current_ma",
    "frequency_mhz",
    "power_factor_ppm",
    "thd_ppm",
    "ambient_mc",
    "ambient_humidity_ppm",
]
"""What a meter may commit to beside its registers; the fields of a `Quality`, in their order, behind the reserve."""
SEALED: tuple[Sealed, ...] = get_args(Sealed)


class ShowReading(Record, frozen=True, tag=109):
    """Something that a meter saw and committed to lies between two bounds: a current at 32 A at most, a reserve that
    covers a delivery."""

    meter: Id
    field: Sealed
    at: Count
    """Of a field: the sequence of the reading, which is the newest with such a record. Of the reserve: the cycle whose
    proven delivery it is held against."""
    low: Small
    high: Annotated[int, Meta(ge=-(2**31), le=MAX_ENERGY)]
    proof: Proof


class GreenLot(Record, frozen=True):
    """Certificates of origin of one meter's generation in one cycle."""

    meter: Id
    cycle: Count
    energy_wh: Annotated[int, Meta(ge=1, le=MAX_ENERGY)]


class RetireGreen(Record, frozen=True, tag=110):
    """The campus opens how much green energy all buyers of a cycle bought, and uses up as many certificates."""

    cycle: Count
    energy_wh: Energy
    proof: Proof
    lots: Annotated[tuple[GreenLot, ...], Meta(max_length=MAX_GREEN_LOTS)]


PrivateBody = ProveUse | BlameNote | SplitCycle | Reconcile | PayBill | ShowReading | RetireGreen
