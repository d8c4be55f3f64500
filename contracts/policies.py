"""Access policies: a member says who may read its records, and every holder keeps to it.

A member that has said nothing is open to everybody. From its first word about a kind of records on, that kind is read
by the member itself and by those it allows, past records included; other kinds stay as they were. What two members
share (a transfer, a dispute) is read by both, and by others only where both would let them. A grant that has ended
leaves the kind protected. `NEVER_HIDDEN` is out of any member's reach.

A policy binds who serves records (`node.access`), not who executes: every validator computes bills from readings, so it
holds them. Never decides what is true, and never changes another member's policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from contracts.context import BlockContext
from contracts.governance.bodies import AllowAccess, Reader, RevokeAccess
from contracts.governance.events import AccessAllowed, AccessRevoked
from contracts.members import MAX_GRANTS, ROLES, AccessCount, AccessPlace, AccessPolicy, Grant
from contracts.receipts import AnyEvent
from contracts.schema import ACCESS, ACCESS_COUNT, ACCESS_COUNTS, ACCESS_PLACES, MEMBERS
from contracts.state import State

NEVER_HIDDEN = (
    "headers, certificates and validator sets",
    "evidence and offences",
    "trust tokens and indices",
    "governance, modes, tariffs and access policies",
    "members, keys with their nonces, nodes, meters and lines as they are registered",
    "interval records: demand, price, totals, and the first meters that were estimated",
    "hashes of transactions and how many there are",
    "the genesis document with its opening balances and registers",
)
"""What every holder tells everybody, whatever a policy says."""

EVERYBODY = "all"


class Asker(NamedTuple):
    """Who wants to read: a member with its roles; nobody in particular has no id."""

    member: str = ""
    roles: tuple[str, ...] = ()


def may_read(policy: AccessPolicy | None, kind: str, asker: Asker, time_ms: int) -> bool:
    """Whether the records of `kind` of the policy's member are open to somebody else at `time_ms`."""
    if policy is None or kind not in policy.kinds:
        return True
    return any(
        grant.kind == kind and _is_meant(grant, asker) and not _has_ended(grant, time_ms) for grant in policy.grants
    )


def allow(state: State, context: BlockContext, sender: str, body: AllowAccess) -> tuple[AnyEvent, ...] | str:
    """Let readers read kinds of one's records. Refuses `access.reader`, `access.until`, `access.full`."""
    if not all(_exists(state, reader) for reader in body.readers):
        return "access.reader"
    if body.until_ms is not None and body.until_ms <= context.time_ms:
        return "access.until"
    policy = _policy(state, sender)
    given = {
        (kind, reader.sort, reader.id): Grant(kind, reader.sort, reader.id, body.until_ms)
        for kind in body.kinds
        for reader in body.readers
    }
    grants = {_place(grant): grant for grant in policy.grants} | given
    if not _save(state, context, policy, body.kinds, grants.values()):
        return "access.full"
    return (AccessAllowed(sender, _ascending(body.kinds), len(body.readers), body.until_ms),)


def revoke(state: State, context: BlockContext, sender: str, body: RevokeAccess) -> tuple[AnyEvent, ...] | str:
    """Take kinds of one's records from readers; without readers from all. Refuses `access.not-granted`."""
    policy = _policy(state, sender)
    gone = {(reader.sort, reader.id) for reader in body.readers}
    touched = [grant for grant in policy.grants if grant.kind in body.kinds]
    if gone - {(grant.sort, grant.reader) for grant in touched}:
        return "access.not-granted"
    left = [
        grant
        for grant in policy.grants
        if grant.kind not in body.kinds or (gone and (grant.sort, grant.reader) not in gone)
    ]
    _save(state, context, policy, body.kinds, left)
    return (AccessRevoked(sender, _ascending(body.kinds), len(body.readers)),)


def _policy(state: State, member: str) -> AccessPolicy:
    """The member's policy, or the next one, with nothing in it."""
    held = state.load(ACCESS, ACCESS.key(member))
    return AccessPolicy(member, (), (), _count(state).policies, 0) if held is None else held


def _save(
    state: State, context: BlockContext, policy: AccessPolicy, kinds: Sequence[str], grants: Iterable[Grant]
) -> bool:
    """Write the policy with these kinds protected, too, and only these grants; False when they are too many."""
    kept = sorted((grant for grant in grants if not _has_ended(grant, context.time_ms)), key=_place)
    if len(kept) > MAX_GRANTS:
        return False
    count = _count(state)
    if policy.number == count.policies:
        state.save(ACCESS_PLACES.key(policy.number), AccessPlace(policy.member))
    after = AccessPolicy(policy.member, _ascending((*policy.kinds, *kinds)), tuple(kept), policy.number, context.height)
    state.save(ACCESS.key(policy.member), after)
    policies = max(count.policies, policy.number + 1)
    state.save(ACCESS_COUNT, AccessCount(policies, count.changes + 1))
    return True


def _count(state: State) -> AccessCount:
    return state.load(ACCESS_COUNTS, ACCESS_COUNT) or AccessCount(0, 0)


def _exists(state: State, reader: Reader) -> bool:
    match reader.sort:
        case "member":
            return state.load(MEMBERS, MEMBERS.key(reader.id)) is not None
        case "role":
            return reader.id in ROLES
        case "all":
            return reader.id == EVERYBODY


def _is_meant(grant: Grant, asker: Asker) -> bool:
    match grant.sort:
        case "member":
            return grant.reader == asker.member
        case "role":
            return grant.reader in asker.roles
    return grant.sort == EVERYBODY


def _has_ended(grant: Grant, time_ms: int) -> bool:
    return grant.until_ms is not None and grant.until_ms <= time_ms


def _place(grant: Grant) -> tuple[str, str, str]:
    return grant.kind, grant.sort, grant.reader


def _ascending(kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set(kinds)))
