"""What state holds of confidential accounts. Points are never the identity: what is empty is absent."""

from __future__ import annotations

from typing import Annotated, Literal

from contracts.confidential.bodies import MAX_PENDING
from contracts.members import Record
from contracts.units import Balance, Count, Height, Id, Meta, Note, Point, Total

MAX_NOTE_KEYS = 16
"""Note keys that one member may have had: a dispute about an old note is judged by the key of its time."""

Source = Literal["award", "return", "carried"]
"""carried: from the chain that this one succeeds; see `contracts.confidential.succession`."""
ChainName = Annotated[str, Meta(max_length=64)]


class RegisteredKey(Record, frozen=True):
    """A note key, and the block from which on notes are sealed to it."""

    point: Point
    height: Height


class NoteKeys(Record, frozen=True):
    """Note keys of a member, oldest first; the last is in force."""

    keys: Annotated[tuple[RegisteredKey, ...], Meta(min_length=1, max_length=MAX_NOTE_KEYS)]


class CreditName(Record, frozen=True):
    """Which credit of a member: the round of an award, the item that came back, or its place among what was carried."""

    source: Source
    number: Count


class HiddenAccount(Record, frozen=True):
    """Hidden money of one member, and what waits beside it."""

    member: Id
    sequence: Count
    """Changes of the balance so far. Nobody but the owner makes one."""
    balance: Point | None
    note: Note
    """By the owner to itself: the opening of the balance after its last word with a note. Empty: of an empty one."""
    note_sequence: Count
    """The sequence that this word was made at."""
    since_nano: Balance
    """Public amounts that the balance has had since: deposits less withdrawals."""
    pending: Annotated[tuple[Count, ...], Meta(max_length=MAX_PENDING)]
    """Numbers of the items that wait for the owner, ascending."""
    credits: Point | None
    """Sum of the credits since the last acceptance of them. No part of the balance: it changes without the owner."""
    newest: CreditName | None
    """The last of these credits; each names the one before it."""
    noted_on: ChainName = ""
    """The chain that the note is bound to; empty: this one."""


class PendingItem(Record, frozen=True):
    """A spend that its recipient has not accepted. Gone once it is accepted or has come back."""

    number: Count
    sender: Id
    to: Id
    commitment: Point
    note: Note
    own_note: Note
    sequence: Count
    """Of the sender's account, which both notes are bound to."""
    height: Height
    due_height: Height
    """Once a block has reached this, it goes back to its sender."""


class Credit(Record, frozen=True):
    """What an award or a return added beside a member's balance. Stays, so that nothing is credited twice."""

    member: Id
    name: CreditName
    commitment: Point | None
    """None: an award of nothing."""
    note: Note
    """By the member to itself: the opening."""
    sequence: Count
    """Of the account when the note was written, for a return; 0 for an award."""
    previous: CreditName | None
    """The credit before this one that is not accepted either."""
    height: Height
    noted_on: ChainName = ""
    """The chain that the note is bound to; empty: this one."""
    noted_as: CreditName | None = None
    """The name that the note is bound to, where it is another."""


class HiddenTotal(Record, frozen=True):
    """Sums over all confidential accounts; see `contracts.confidential.book`."""

    net_nano: Balance
    """Deposits less withdrawals."""
    debited_nano: Total
    """Taken in public for what was credited in points."""
    held: Point | None
    """Sum of all balances, credits and waiting items."""
    credited: Point | None
    """Sum of all awards ever."""
    next_item: Count
    """Number of the next spend."""
    first_item: Count
    """All items before this one are accepted or came back."""


class SpendFee(Record, frozen=True):
    """Fees that the next bill of a member will have."""

    member: Id
    unbilled_nano: Total


class CarriedCredit(Record, frozen=True):
    """What waited beside a balance of the chain before, or was sent and not accepted there."""

    name: CreditName
    """As it was there, or on the first chain that had it."""
    commitment: Point
    note: Note
    sequence: Count
    noted_on: ChainName


class CarriedAccount(Record, frozen=True):
    """A hidden account that goes on; see `HiddenAccount`."""

    member: Id
    sequence: Count
    note: Note = b""
    note_sequence: Count = 0
    since_nano: Balance = 0
    noted_on: ChainName = ""
    balance: Point | None = None
    note_key: Point | None = None
    credits: tuple[CarriedCredit, ...] = ()
    """Oldest first."""


class HiddenFounding(Record, frozen=True):
    """Hidden money that a chain begins with: all that its predecessor had; see `HiddenTotal`."""

    net_nano: Balance
    debited_nano: Total
    next_item: Count
    accounts: tuple[CarriedAccount, ...]
    """Ascending by member."""
    credited: Point | None = None
