"""What state keeps of governance: proposals, who approved, the rules in force, and keys and nodes that once were.

Types and bounds only; `contracts.governance` alone writes them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from contracts.genesis import ConsensusParams
from contracts.governance.changes import Change
from contracts.members import NodeKeys, Record
from contracts.params import PactParams
from contracts.units import Count, Height, Id, Meta, Name, Total

MAX_OPEN = 64
"""Proposals that may be open at once."""
MAX_OPEN_PER_MEMBER = 4
MAX_PROPOSAL_BLOCKS = 1_000_000
"""Longest that a proposal may be open."""
MAX_APPROVALS = 1_024
"""Organisations that may approve one proposal."""
MAX_FORMER_NODES = 8
"""Replaced node keys of one member that may still have a seat."""

Purpose = Literal["account", "consensus", "bls", "tls"]
Status = Literal["open", "enacted", "failed", "withdrawn", "lapsed"]


class Rules(Record, frozen=True):
    """What is in force from block `height` on; genesis is in force from block 1 on."""

    rule_set: Annotated[int, Meta(ge=1, le=255)]
    params: PactParams
    consensus: ConsensusParams
    height: Height
    members_height: Height
    """Block that changed members, their nodes or roles last; 0 is genesis."""


class Proposal(Record, frozen=True):
    """What somebody proposed. Never changes."""

    number: Count
    proposer: Id
    change: Change
    reason: Name
    height: Height
    expiry_height: Height
    """Last block in which it may be approved and take effect."""


class Approval(Record, frozen=True):
    """An organisation agrees, in this block."""

    member: Id
    height: Height


class Ballot(Record, frozen=True):
    """Who approves of a proposal, and what became of it."""

    number: Count
    status: Status
    status_height: Height
    """Block of the last change of the status or of what follows."""
    code: str
    """Why it failed, had to make room, or could not be carried out when it was tried last; "ok" otherwise."""
    approving_power: Total
    total_power: Total
    """Power when it was counted last."""
    postponed: Count
    """Epochs by which it was put off for want of support."""
    approvals: Annotated[tuple[Approval, ...], Meta(max_length=MAX_APPROVALS)]
    """Ascending by member."""


class OpenProposal(Record, frozen=True):
    """One that is not decided."""

    number: Count
    proposer: Id
    expiry_height: Height


class Agenda(Record, frozen=True):
    """Open proposals, oldest first, and the number of the next one."""

    next_number: Count
    open: Annotated[tuple[OpenProposal, ...], Meta(max_length=MAX_OPEN)]


class KeyUse(Record, frozen=True):
    """Whose a public key, or a certificate by its hash, is or was, and for what: none is ever registered twice."""

    member: Id
    purpose: Purpose


class NodeOwner(Record, frozen=True):
    """Whose node an id is or was: ids are never reused."""

    member: Id


class FormerNode(Record, frozen=True):
    """Keys of a node that were replaced or removed in a block; they have their seat until the epoch after next."""

    keys: NodeKeys
    height: Height


class Membership(Record, frozen=True):
    """What governance did to a member; members of genesis have none before."""

    member: Id
    admitted_height: Height = 0
    removed_height: Height = 0
    """0: it is a member."""
    former_nodes: Annotated[tuple[FormerNode, ...], Meta(max_length=MAX_FORMER_NODES)] = ()
    """Oldest first."""
