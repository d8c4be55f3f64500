"""What members may agree to change: the ten kinds of a proposal's content. Types and bounds only.

`contracts.governance.enact` says which of them are admissible and carries them out. A kind keeps its tag for good.
"""

from __future__ import annotations

from typing import Annotated

from contracts.genesis import ConsensusParams
from contracts.members import MAX_KEYS, MAX_NODES, ROLES, AccountKey, AssetEnvelope, Member, Meter, NodeKeys, Record
from contracts.network.records import Network
from contracts.params import PactParams
from contracts.units import Count, Energy, Id, Meta, PublicKey

MAX_NEW_METERS = 64
"""Meters that one admission brings."""


class NewMeter(Record, frozen=True):
    """A meter and the registers that it shows when it is admitted."""

    meter: Meter
    import_wh: Energy
    export_wh: Energy


class AdmitMember(Record, frozen=True, tag=0):
    """A legal organisation joins, with its keys, nodes and meters. It starts without money and tokens."""

    member: Member
    meters: Annotated[tuple[NewMeter, ...], Meta(max_length=MAX_NEW_METERS)]
    """Ascending by id."""


class RemoveMember(Record, frozen=True, tag=1):
    """A member leaves: its keys speak no more, its meters stop, its bond unlocks, its seats go with the epoch after
    next. What it owes or is owed stays in its balance."""

    member: Id


class ReKey(Record, frozen=True, tag=2):
    """All keys and nodes of a member from now on, those that stay included."""

    member: Id
    keys: Annotated[tuple[AccountKey, ...], Meta(max_length=MAX_KEYS)]
    nodes: Annotated[tuple[NodeKeys, ...], Meta(max_length=MAX_NODES)]
    encryption_key: Annotated[bytes, Meta(max_length=48)]


class SetRoles(Record, frozen=True, tag=3):
    """All roles of a member from now on."""

    member: Id
    roles: Annotated[tuple[Id, ...], Meta(max_length=len(ROLES))]
    """Ascending."""


class SetParams(Record, frozen=True, tag=4):
    """All parameters of the pact, from the next block on."""

    params: PactParams


class SetConsensusParams(Record, frozen=True, tag=5):
    """All parameters of consensus, from the first block of `epoch` on, or of the first later epoch with support."""

    consensus: ConsensusParams
    epoch: Count


class SetRuleSet(Record, frozen=True, tag=6):
    """The version of the rules, from the first block of `epoch` on, or of the first later epoch with support."""

    rule_set: Annotated[int, Meta(ge=1, le=255)]
    epoch: Count


class SetEnvelope(Record, frozen=True, tag=7):
    """What no order may make of an asset from now on, and the new key of its meter, where that was revoked."""

    envelope: AssetEnvelope
    public_key: PublicKey | None = None
    """None: the meter keeps its key."""


class RevokeKey(Record, frozen=True, tag=8):
    """A key of a member, or of one of its meters, is compromised: it speaks no more, and what it may have controlled
    falls to its safe state. An account key controls all assets of its member, a meter's key its own."""

    member: Id
    public_key: PublicKey


class SetNetwork(Record, frozen=True, tag=9):
    """All places, lines and transfer envelopes of the site from the next block on; None: everything is at one place."""

    network: Network | None


Change = (
    AdmitMember
    | RemoveMember
    | ReKey
    | SetRoles
    | SetParams
    | SetConsensusParams
    | SetRuleSet
    | SetEnvelope
    | RevokeKey
    | SetNetwork
)
SCHEDULED = (SetConsensusParams, SetRuleSet)
"""They wait for an epoch, and for more than 5/6 of the power."""
