"""What seats say about threshold keys: bodies with the tags 160..175. Types and bounds only; the union is in
`contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated

from contracts.ceremony.records import ShareNotes, Vector
from contracts.members import Record
from contracts.units import Count, Hash, Id, Meta, Point
from zk.sizes import EQUAL_BYTES, KNOWN_BYTES, REVEALED_BYTES

Possession = Annotated[bytes, Meta(min_length=KNOWN_BYTES, max_length=KNOWN_BYTES)]
Shown = Annotated[bytes, Meta(min_length=REVEALED_BYTES, max_length=REVEALED_BYTES)]
ShareProof = Annotated[bytes, Meta(min_length=EQUAL_BYTES, max_length=EQUAL_BYTES)]


class RegisterSeat(Record, frozen=True, tag=160):
    """A seat takes part in an attempt: to this fresh key its shares are sealed."""

    epoch: Count
    attempt: Count
    key: Point
    possession: Possession


class CommitDealing(Record, frozen=True, tag=161):
    """A dealer binds itself to its polynomial; see `zk.ceremony.digest`."""

    epoch: Count
    attempt: Count
    commitment: Hash


class Deal(Record, frozen=True, tag=162):
    """A dealer shows its vector and deals its shares; see `zk.ceremony.Dealing`."""

    epoch: Count
    attempt: Count
    vector: Vector
    possession: Possession
    shares: ShareNotes


class Complain(Record, frozen=True, tag=163):
    """A seat shows that a dealer's note to it holds no share: in the attempt, or as long as its key is held."""

    epoch: Count
    attempt: Count
    dealer: Id
    shown: Shown
    """The common point of the note, with its proof; see `zk.notes.reveal`."""


class GiveShare(Record, frozen=True, tag=164):
    """A seat's share of what the state machine has asked to open."""

    opening: Count
    point: Point
    proof: ShareProof


CeremonyBody = RegisterSeat | CommitDealing | Deal | Complain | GiveShare
