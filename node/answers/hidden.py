"""Answers about what is hidden: confidential money, private meters and cycles, and the threshold key. Points and sealed
notes alone: whoever holds the keys opens them at home.
"""

from __future__ import annotations

from contracts.ceremony.records import Ceremony, Dealt, OpeningRecord, ThresholdKey
from contracts.confidential.records import Credit, CreditName, HiddenAccount, NoteKeys, PendingItem
from contracts.members import Meter, MeterHead
from contracts.private.records import EstimateBook, HiddenHead, HiddenUse, PrivateCycle
from node.answers.chain import Answer, Hex


class HiddenMoney(Answer, frozen=True, kw_only=True):
    """A member's hidden account with all that waits beside it. `more`: the credit where the walk stopped."""

    member: str
    account: HiddenAccount | None
    note_key: Hex | None
    items: tuple[PendingItem | None, ...]
    credits: tuple[Credit, ...]
    more: CreditName | None


class Credits(Answer, frozen=True, kw_only=True):
    """Credits of a member from one on, back to the last acceptance."""

    member: str
    credits: tuple[Credit, ...]
    more: CreditName | None


class NoteKeysShown(NoteKeys, frozen=True, kw_only=True):
    """The note keys of a member, oldest first."""

    member: str


class CycleShown(PrivateCycle, frozen=True, kw_only=True):
    """A billing cycle of a campus with the use of each of its private meters."""

    uses: tuple[HiddenUse, ...]
    book: EstimateBook | None


class UseShown(Answer, frozen=True, kw_only=True):
    """What one private meter used up to the end of a billing cycle, if that stands, and that cycle."""

    meter: str
    use: HiddenUse | None
    cycle: PrivateCycle | None


class PrivateMeter(Meter, frozen=True, kw_only=True):
    """A private meter, where its registers stand, and the note keys of its owner and its campus."""

    head: MeterHead | None
    hidden: HiddenHead | None
    note_keys: tuple[NoteKeys | None, ...]


class KeyShown(ThresholdKey, frozen=True, kw_only=True):
    """A held threshold key, and how many openings need it."""

    pins: int


class Threshold(Answer, frozen=True, kw_only=True):
    """Where making a key stands, every held key, and the first openings that wait for shares."""

    running: Ceremony | None
    in_force: Hex | None
    keys: tuple[KeyShown, ...]
    waiting: int
    openings: tuple[OpeningRecord | None, ...]


class Dealing(Dealt, frozen=True, kw_only=True):
    """What a dealer dealt in an attempt."""

    dealer: str
