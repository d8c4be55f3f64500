"""What members say about the pact: its changes, their own keys, and who may read their records. Types and bounds only.

Tags 81..84 and 92..93; the union of all bodies is in `contracts.bodies`.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from contracts.governance.changes import Change
from contracts.members import MAX_KEYS, AccountKey, Record
from contracts.units import Count, Height, Id, Meta, Name, Time

MAX_READERS = 16
"""Readers that one body may name."""

RecordKind = Literal[
    "balance",
    "bills",
    "corrections",
    "disputes",
    "energy",
    "estimates",
    "needs",
    "offers",
    "orders",
    "readings",
    "registers",
    "transfers",
]
"""Kinds of records that a member may keep to itself; see `contracts.policies`."""
RECORD_KINDS: tuple[RecordKind, ...] = get_args(RecordKind)
Kinds = Annotated[tuple[RecordKind, ...], Meta(min_length=1, max_length=len(RECORD_KINDS))]


class Propose(Record, frozen=True, tag=81):
    """A change of the pact, open for approval up to and including block `expiry_height`."""

    change: Change
    reason: Name
    expiry_height: Height


class Approve(Record, frozen=True, tag=82):
    """Agree to a proposal; of a rule set or consensus parameters: one's own nodes are ready for it."""

    number: Count


class Withdraw(Record, frozen=True, tag=83):
    """Take back the sender's proposal, or its approval of somebody else's."""

    number: Count


class RotateKeys(Record, frozen=True, tag=84):
    """All account keys of the sender from now on; only a key of scope `all` may say so."""

    keys: Annotated[tuple[AccountKey, ...], Meta(max_length=MAX_KEYS)]


class Reader(Record, frozen=True):
    """A member, every member with a role, or (`all`, with the id `all`) everybody."""

    sort: Literal["all", "member", "role"]
    id: Id


class AllowAccess(Record, frozen=True, tag=92):
    """These readers, too, may read the sender's records of these kinds, until `until_ms` (None: until it is revoked).

    From the first word about a kind on, only those who are allowed may read it.
    """

    kinds: Kinds
    readers: Annotated[tuple[Reader, ...], Meta(min_length=1, max_length=MAX_READERS)]
    until_ms: Time | None


class RevokeAccess(Record, frozen=True, tag=93):
    """These readers may read the sender's records of these kinds no longer; none named: nobody but the sender may."""

    kinds: Kinds
    readers: Annotated[tuple[Reader, ...], Meta(max_length=MAX_READERS)]


GovernanceBody = Propose | Approve | Withdraw | RotateKeys | AllowAccess | RevokeAccess
