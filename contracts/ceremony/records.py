"""What state keeps about threshold keys: the records behind the tables of `contracts.schema`. Types and bounds only.

Keys and openings stay for good; the running ceremony and what dealers dealt stay while a seat may need them.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.units import Count, Hash, Height, Id, Meta, Point
from zk.sizes import MAX_SEATS, SHARE_NOTE_BYTES, threshold

MAX_THRESHOLD = threshold(MAX_SEATS)
MAX_HELD = 16
"""Keys that may be in use at once: the one in force, and those that rounds have pinned."""
MAX_OPEN = 256
"""Openings that may wait for shares at once."""
MAX_HEARD = 256
"""Organisations that a window remembers as proposers; no set has as many that weigh less than 1/3 together."""

REGISTER, COMMIT, DEAL, COMPLAIN, DONE, WAITING = PHASES = (
    "register",
    "commit",
    "deal",
    "complain",
    "done",
    "waiting",
)
"""`waiting`: fewer than the threshold may deal before the next epoch."""

MaybePoint = Annotated[bytes, Meta(max_length=48)]
"""A point, or empty where there is none."""
MaybeHash = Annotated[bytes, Meta(max_length=32)]
Vector = Annotated[tuple[Point, ...], Meta(min_length=1, max_length=MAX_THRESHOLD)]
ShareNote = Annotated[bytes, Meta(min_length=SHARE_NOTE_BYTES, max_length=SHARE_NOTE_BYTES)]
ShareNotes = Annotated[tuple[ShareNote, ...], Meta(min_length=1, max_length=MAX_SEATS)]


class Window(Record, frozen=True):
    """Blocks in which something is waited for; see `contracts.ceremony.window`."""

    since_height: Height
    """The window's first block is the one after this."""
    heard: Annotated[tuple[Id, ...], Meta(max_length=MAX_HEARD)] = ()
    """Organisations that have proposed in it, in the order of their first block."""


class Seat(Record, frozen=True):
    """One organisation in one attempt; its index is its place, from 1."""

    member: Id
    barred: bool = False
    """As a dealer it was silent or disqualified, and deals no more in these attempts."""
    key: MaybePoint = b""
    """To which shares are sealed, once it is registered."""
    commitment: MaybeHash = b""
    dealt: bool = False
    bad: bool = False
    """One of its shares was proven to be none."""


class Ceremony(Record, frozen=True):
    """The attempts at a key for one set of organisations, up to the one that runs. Written by
    `contracts.ceremony.making`."""

    epoch: Count
    """In which these attempts began."""
    attempt: Count
    """From 1."""
    phase: Id
    threshold: Count
    seats: Annotated[tuple[Seat, ...], Meta(max_length=MAX_SEATS)]
    """Ascending by member."""
    window: Window
    """Of the phase."""
    seen_epoch: Count
    """The last in which the organisations were compared with these."""


class Dealt(Record, frozen=True):
    """What one dealer dealt. Working record: kept while its key is held, since a bad share may be proven late."""

    vector: Vector
    shares: ShareNotes
    """To the seats that registered a key, in the order of their indices."""


class KeySeat(Record, frozen=True):
    """One seat of a key."""

    member: Id
    index: Count
    share: MaybePoint
    """Its public share X_j; empty where it had registered no key, so that it has none."""
    key: MaybePoint
    """To which its shares were sealed."""
    excused: bool = False
    """It has proven that one of its shares was none, so it can open nothing."""


class ThresholdKey(Record, frozen=True):
    """A key that any `threshold` of its seats open with. n is the number of its seats."""

    key_id: Hash
    epoch: Count
    attempt: Count
    point: Point
    """P."""
    threshold: Count
    seats: Annotated[tuple[KeySeat, ...], Meta(max_length=MAX_SEATS)]
    """Ascending by index, which is their place from 1."""
    dealers: Annotated[tuple[Id, ...], Meta(max_length=MAX_SEATS)]
    """Whose polynomials add up to it."""
    made_height: Height
    blamed: Annotated[tuple[Id, ...], Meta(max_length=MAX_SEATS)] = ()
    """Dealers of which a bad share was proven when the key was made already, ascending."""
    retired_height: Height = 0
    """From here on nobody needs it, and its seats erase their shares; 0: it is held."""


class HeldKey(Record, frozen=True):
    """A key that is not retired."""

    key_id: Hash
    pins: Count = 0
    """Rounds that use it."""


class HeldKeys(Record, frozen=True):
    """All of them, in the order in which they were made."""

    in_force: MaybeHash
    """The one that new rounds use; empty: none, since organisations have changed."""
    held: Annotated[tuple[HeldKey, ...], Meta(max_length=MAX_HELD)]


class GivenShare(Record, frozen=True):
    """A proven share of an opening."""

    index: Count
    point: Point


class OpeningRecord(Record, frozen=True):
    """One sum that the state machine has asked the seats to open. Written by `contracts.ceremony.openings`."""

    number: Count
    key_id: Hash
    purpose: Id
    round: Count
    tick: Count
    R: Point
    E: Point
    asked_height: Height
    window: Window
    shares: Annotated[tuple[GivenShare, ...], Meta(max_length=MAX_SEATS)] = ()
    """While it waits, ascending by index."""
    outcome: Id = "open"
    """`opened` or `late` in the end."""
    point: MaybePoint = b""
    """The opened value times V; the identity stands for 0."""
    withheld: Annotated[tuple[Id, ...], Meta(max_length=MAX_SEATS)] = ()
    """Seats that had a share and gave none, where it came too late."""


class OpeningCount(Record, frozen=True):
    """Openings so far."""

    count: Count


class OpenOpenings(Record, frozen=True):
    """Those that wait for shares, ascending. Working record."""

    numbers: Annotated[tuple[Count, ...], Meta(max_length=MAX_OPEN)]
