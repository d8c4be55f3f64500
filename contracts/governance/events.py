"""What happened to the pact: events with the tags 81..86 and 92..93. The union is in `contracts.receipts`."""

from __future__ import annotations

from contracts.members import Record
from contracts.units import Count, Id, Time


class ProposalMade(Record, frozen=True, tag=81):
    """A proposal is open."""

    number: Count
    member: Id


class ProposalApproved(Record, frozen=True, tag=82):
    """An organisation agrees."""

    number: Count
    member: Id


class ApprovalWithdrawn(Record, frozen=True, tag=83):
    """An organisation agrees no more."""

    number: Count
    member: Id


class ProposalDecided(Record, frozen=True, tag=84):
    """A proposal is closed: `enacted`, `failed` with a code, `withdrawn` or `lapsed`."""

    number: Count
    status: Id
    code: str


class ProposalPostponed(Record, frozen=True, tag=85):
    """A scheduled change had too little support; it is looked at again before this epoch."""

    number: Count
    epoch: Count


class KeysRotated(Record, frozen=True, tag=86):
    """A member has so many account keys, as it said itself."""

    member: Id
    keys: Count


class AccessAllowed(Record, frozen=True, tag=92):
    """A member named readers of some kinds of its records; see its `AccessPolicy`."""

    member: Id
    kinds: tuple[Id, ...]
    readers: Count
    until_ms: Time | None


class AccessRevoked(Record, frozen=True, tag=93):
    """A member took readers of some kinds of its records away. `readers` 0: all of them."""

    member: Id
    kinds: tuple[Id, ...]
    readers: Count


GovernanceEvent = (
    ProposalMade
    | ProposalApproved
    | ApprovalWithdrawn
    | ProposalDecided
    | ProposalPostponed
    | KeysRotated
    | AccessAllowed
    | AccessRevoked
)
