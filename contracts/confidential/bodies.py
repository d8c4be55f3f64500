"""What members say about hidden money: bodies with the tags 96..103. Types and bounds only; the union is in
`contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.units import Amount, Count, Id, Meta, Note, Point, Proof

MAX_PENDING = 256
"""Items that may wait for one owner at once, and that one acceptance may name."""


class RegisterNoteKey(Record, frozen=True, tag=96):
    """The point n*B that notes to the sender are sealed to from now on; see `contracts.confidential.keys`."""

    point: Point
    proof: Proof
    """That the sender knows n."""


class Deposit(Record, frozen=True, tag=97):
    """Money goes from the sender's public balance into its hidden one. The amount is public, and so is what it makes
    of an empty balance until something hidden joins it."""

    amount_nano: Amount


class Withdraw(Record, frozen=True, tag=98):
    """Money goes from the sender's hidden balance into its public one. The amount is public, what remains is not."""

    amount_nano: Amount
    sequence: Count
    """Of the sender's account, as for `Spend`."""
    proof: Proof
    """That what remains is no debt. Empty where nothing at all remains, in sight of everybody."""


class Spend(Record, frozen=True, tag=99):
    """A hidden amount of at least 1 goes to a member, and waits there until it is accepted or returns."""

    to: Id
    sequence: Count
    """Of the sender's account: how often its balance has changed. The proof is good for this one alone."""
    commitment: Point
    """To the amount."""
    proof: Proof
    note: Note
    """The opening of the commitment, sealed to the recipient."""
    own_note: Note
    """What the sender needs to go on with nothing but its keys: this opening, and that of what remains."""


class Accept(Record, frozen=True, tag=100):
    """What waits for the sender joins its balance. Accept only what opens: the ledger can not tell."""

    sequence: Count
    """Of the sender's account, as for `Spend`."""
    items: Annotated[tuple[Count, ...], Meta(max_length=MAX_PENDING)]
    """Numbers of waiting items, ascending."""
    credits: Point | None
    """All of what awards and returns have added beside the balance, as it stands; None leaves it there."""
    own_note: Note
    """The opening of the balance afterwards, sealed to the sender."""


ConfidentialBody = RegisterNoteKey | Deposit | Withdraw | Spend | Accept
