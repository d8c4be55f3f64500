"""What members say about hidden energy: bodies with the tags 104..111. Types and bounds only; the union is in
`contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated

from contracts.confidential.bodies import Spend
from contracts.members import Record
from contracts.units import Balance, Count, Id, Meta, Note, Point, Proof

MAX_HIDDEN_SOURCES = 32
"""Private sources of one campus: the shares of a split are proven by one proof, which has so much room."""


class ProveUse(Record, frozen=True, tag=104):
    """By how much a private meter's register grew up to the end of a cycle, hidden, with the proof of its size."""

    meter: Id
    cycle: Count
    wide: bool
    """The proof is of what the rating allows where less was agreed; everybody sees which of them it is of."""
    proof: Proof
    note: Note
    """The opening of the difference, sealed to the campus."""


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


PrivateBody = ProveUse | BlameNote | SplitCycle | Reconcile | PayBill
