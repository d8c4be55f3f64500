"""Who is a member with which keys, nodes and meters: what an admission, a removal and new keys do to state.

Ids of members, nodes and meters are never reused, and no key is registered twice: a nonce lane of an old key would
begin anew, and what it once signed would count again. Each function that writes is called only after the one that
checks has answered "ok". Never touches the seats of a height: those change with the epoch after next.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

import msgspec

from consensus.power import MIN_ORGANISATIONS
from contracts import trust
from contracts.bodies import Unbond
from contracts.carbon import factors
from contracts.context import BlockContext, current_interval
from contracts.epochs import epoch_of, seats, wanted_weights
from contracts.flexible import assets
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.governance.changes import AdmitMember, NewMeter, ReKey
from contracts.governance.records import MAX_FORMER_NODES, FormerNode, KeyUse, Membership, NodeOwner, Purpose
from contracts.governance.rules import rules
from contracts.members import (
    MAX_MEMBERS,
    MAX_METERS,
    ROLES,
    SCOPES,
    STARTING_INDEX_PPM,
    Account,
    AccountKey,
    Holding,
    Lane,
    Member,
    MeterHead,
    NodeKeys,
    Registers,
)
from contracts.network import registered
from contracts.private import meters as hidden_meters
from contracts.receipts import OK
from contracts.records import Site, SiteMeter
from contracts.schema import (
    ACCOUNTS,
    BALANCES,
    CHARGES,
    HEADS,
    KEY_USES,
    MEMBERS,
    MEMBERSHIPS,
    METERS,
    NODE_OWNERS,
    REGISTERS,
    SITE,
    SITES,
    TRUSTS,
)
from contracts.state import State
from zk.codec import encode
from zk.ed25519 import is_registrable
from zk.hashing import ZERO_HASH, sha256

_replace = msgspec.structs.replace
NEW_METER_KINDS = ("source", "load", "storage")
"""A tie is the utility's, and stands in genesis."""
FIXED_ROLE = "utility"


# Genesis


def opening_records(members: Sequence[Member]) -> dict[bytes, bytes]:
    """Whose keys and nodes those of genesis are, encoded."""
    records: dict[bytes, bytes] = {}
    for member in members:
        for key, purpose in _uses(member.keys, member.nodes):
            records[_key(key)] = encode(KeyUse(member.id, purpose))
        for node in member.nodes:
            records[NODE_OWNERS.key(node.node)] = encode(NodeOwner(member.id))
    return records


# Checks


def may_admit(state: State, change: AdmitMember) -> str:
    """ "ok", or why this organisation can not be admitted."""
    member = change.member
    if state.load(MEMBERS, MEMBERS.key(member.id)) is not None:
        return "governance.id-taken"
    code = may_have_roles(member.roles)
    if code == OK:
        code = _may_have_keys(state, member.id, member.keys, member.nodes)
    if code != OK:
        return code
    if not member.keys:
        return "governance.keys"
    ids = [new.meter.id for new in change.meters]
    if ids != sorted(set(ids)) or any(not _fits(new, member.id) for new in change.meters):
        return "governance.meter"
    if any(assets.problem(new.meter) is not None for new in change.meters):
        return "governance.asset"
    if any(state.load(METERS, METERS.key(id_)) is not None for id_ in ids):
        return "governance.id-taken"
    if not all(registered.is_place(state, new.meter) for new in change.meters):
        return "network.place"
    if not _may_hide(state, change):
        return "governance.private"
    members = len(state.group(TRUSTS))
    if members >= MAX_MEMBERS or len(_site(state).meters) + len(ids) > MAX_METERS:
        return "governance.too-many"
    return OK


def may_remove(state: State, member: str) -> str:
    """ "ok", or why this member has to stay."""
    found = state.load(MEMBERS, MEMBERS.key(member))
    if found is None or is_removed(state, member):
        return "governance.member"
    if FIXED_ROLE in found.roles:
        return "governance.utility"
    return OK if _enough_without(state, member) else "governance.too-few"


def may_re_key(state: State, context: BlockContext, change: ReKey) -> str:
    """ "ok", or why these keys and nodes can not replace those of the member."""
    found = state.load(MEMBERS, MEMBERS.key(change.member))
    if found is None or is_removed(state, change.member):
        return "governance.member"
    if not change.keys:
        return "governance.keys"
    code = _may_have_keys(state, change.member, change.keys, change.nodes)
    if code != OK:
        return code
    if len(_seated_still(state, context, found)) + len(_leaving(found, change.nodes)) > MAX_FORMER_NODES:
        return "governance.re-key-full"
    validates = any(node.validator for node in change.nodes)
    return OK if validates or _enough_without(state, change.member) else "governance.too-few"


def may_set_roles(state: State, member: str, roles: tuple[str, ...]) -> str:
    """ "ok", or why the member can not have these roles."""
    found = state.load(MEMBERS, MEMBERS.key(member))
    if found is None or is_removed(state, member):
        return "governance.member"
    if FIXED_ROLE in found.roles and FIXED_ROLE in roles:
        roles = tuple(role for role in roles if role != FIXED_ROLE)
    elif FIXED_ROLE in found.roles:
        return "governance.utility"
    return may_have_roles(roles)


def may_have_roles(roles: tuple[str, ...]) -> str:
    """ "ok", or why nobody can be given these roles: tie meters and tariffs hang on the utility's."""
    if FIXED_ROLE in roles:
        return "governance.utility"
    return OK if list(roles) == sorted(set(roles)) and set(roles) <= set(ROLES) else "governance.roles"


def may_rotate(state: State, member: str, keys: Sequence[AccountKey]) -> str:
    """ "ok", or why a member can not have these account keys."""
    if not any(key.scope == "all" for key in keys):
        return "governance.keys"
    return _may_have_keys(state, member, keys, ())


def is_member(state: State, member: str) -> bool:
    """Whether this id is a member's."""
    return state.load(MEMBERS, MEMBERS.key(member)) is not None and not is_removed(state, member)


def is_removed(state: State, member: str) -> bool:
    """Whether this id was a member's and is nobody's any more."""
    found = state.load(MEMBERSHIPS, MEMBERSHIPS.prefix + member.encode())
    return found is not None and found.removed_height > 0


def is_silenced(state: State, member: str) -> bool:
    """Whether nothing that this id says about others counts any more: it is removed, or tombstoned."""
    return trust.is_tombstoned(state, member) or is_removed(state, member)


def seated_keys(state: State, height: int) -> frozenset[tuple[str, bytes]]:
    """Node and consensus key of each seat of a height and of the next one."""
    return frozenset((seat.id, seat.public_key) for at in (height, height + 1) for seat in seats(state, at))


def may_sit(
    former: FormerNode, member: Member, height: int, consensus: ConsensusParams, seated: Container[tuple[str, bytes]]
) -> bool:
    """Whether keys that `member` had may still have a seat: until the epoch after next, or longer where the churn
    budget keeps a member seated that has no node any more. A seat whose key stayed is that of the present keys."""
    if epoch_of(former.height, consensus) + 2 > epoch_of(height, consensus):
        return True
    key = former.keys.node, former.keys.consensus_key
    return key in seated and key not in [(node.node, node.consensus_key) for node in member.nodes]


# Changes


def admit(state: State, context: BlockContext, change: AdmitMember) -> None:
    """Write everything that genesis writes of a member, without money and tokens."""
    member, now = change.member, current_interval(context)
    lanes = tuple(Lane(0, now, 0) for _ in member.keys)
    state.save(MEMBERS.key(member.id), member)
    state.save(ACCOUNTS.key(member.id), Account(lanes))
    state.save(MEMBERSHIPS.key(member.id), Membership(member.id, admitted_height=context.height))
    _note_keys(state, member)
    state.put(BALANCES, Holding(member.id, 0))
    state.put(TRUSTS, trust.opening(OpeningTrust(member.id, index_ppm=STARTING_INDEX_PPM), "admitted", context.height))
    for new in change.meters:
        meter = new.meter
        head = MeterHead(
            sequence=0,
            reading_hash=ZERO_HASH,
            interval=now,
            import_wh=new.import_wh,
            export_wh=new.export_wh,
            open=(),
            budget_interval=now,
            units_used=0,
        )
        state.save(METERS.key(meter.id), meter)
        state.save(HEADS.key(meter.id), head)
        if meter.private is None:
            state.put(REGISTERS, Registers(meter.id, now, new.import_wh, new.export_wh))
        if assets.is_storage(meter):
            state.put(CHARGES, assets.opening(meter, now))
    if change.meters:
        added = [
            SiteMeter(new.meter.id, member.id, tie=False, since=now, firm_w=assets.asset_of(new.meter).firm_w)
            for new in change.meters
            if new.meter.private is None
        ]
        hidden_meters.admit(state, [new.meter for new in change.meters], now)
        _save_site(state, [*_site(state).meters, *added])
        factors.note(state, context.params, [factors.registered(new.meter) for new in change.meters])


def remove(state: State, context: BlockContext, member: str) -> None:
    """Silence the keys, stop the meters, let the bond go. Balance and tokens stay in the member's name."""
    found = _member(state, member)
    _retire(state, context, found, (), removed_height=context.height)
    state.save(MEMBERS.key(member), _replace(found, roles=(), keys=(), nodes=()))
    state.save(ACCOUNTS.key(member), Account(()))
    meters = _site(state).meters
    if any(meter.member == member for meter in meters):
        _save_site(state, [_replace(meter, stopped=True) if meter.member == member else meter for meter in meters])
    hidden_meters.stop(state, member)
    bonded = state.entry(TRUSTS, member)
    if bonded is not None and bonded.bonded_tokens:
        # Where too many parts are unlocking the bond stays: it weighs nothing without a node.
        trust.unbond(state, context, member, Unbond(bonded.bonded_tokens))


def re_key(state: State, context: BlockContext, change: ReKey) -> None:
    """Replace keys and nodes. A key that stays keeps its nonces."""
    found = _member(state, change.member)
    _retire(state, context, found, change.nodes)
    nodes, encryption_key = change.nodes, change.encryption_key
    _set_keys(state, context, _replace(found, nodes=nodes, encryption_key=encryption_key), change.keys)


def rotate(state: State, context: BlockContext, member: str, keys: tuple[AccountKey, ...]) -> None:
    """Replace the account keys alone."""
    _set_keys(state, context, _member(state, member), keys)


def set_roles(state: State, member: str, roles: tuple[str, ...]) -> None:
    """Replace the roles."""
    state.save(MEMBERS.key(member), _replace(_member(state, member), roles=roles))


# Within


def _may_have_keys(state: State, member: str, keys: Sequence[AccountKey], nodes: Sequence[NodeKeys]) -> str:
    """Every key can not forge, has one purpose, and is new or the member's for that purpose already; every node id is
    new or the member's; every BLS key has its proof."""
    uses = list(_uses(keys, nodes))
    if len({key for key, _ in uses}) < len(uses) or any(key.scope not in SCOPES for key in keys):
        return "governance.keys"
    current = state.load(MEMBERS, MEMBERS.key(member))
    held = set() if current is None else set(_uses(current.keys, current.nodes))
    for key, purpose in uses:
        if (key, purpose) in held:
            continue
        if purpose in ("account", "consensus") and not is_registrable(key):
            return "governance.keys"
        if state.load(KEY_USES, _key(key)) is not None:
            return "governance.key-taken"
    ids = [node.node for node in nodes]
    if ids != sorted(set(ids)) or any(not node.tls_certificate for node in nodes):
        return "governance.node"
    from zk import bls  # Only where it is needed: who verifies proofs alone has no curves.

    for node in nodes:
        owner = state.load(NODE_OWNERS, NODE_OWNERS.key(node.node))
        if owner is not None and owner.member != member:
            return "governance.id-taken"
        if (node.bls_key, "bls") not in held and not bls.verify_possession(node.bls_key, node.bls_possession):
            return "governance.possession"
    return OK


def _may_hide(state: State, change: AdmitMember) -> bool:
    """Whether the private ones of new meters can be, and their campuses have room for them."""
    meters = [new.meter for new in change.meters]
    for meter in meters:
        campus = None if meter.private is None else state.load(MEMBERS, MEMBERS.key(meter.private.campus))
        if hidden_meters.problem(meter, campus) is not None:
            return False
    return hidden_meters.too_many(hidden_meters.after(state, meters)) is None


def _fits(new: NewMeter, member: str) -> bool:
    return new.meter.member == member and new.meter.kind in NEW_METER_KINDS and is_registrable(new.meter.public_key)


def _enough_without(state: State, member: str) -> bool:
    """Whether four organisations with weight and a node are left."""
    weights = wanted_weights(state, rules(state).consensus.seat_bond_tokens)
    return len(weights) - (member in weights) >= MIN_ORGANISATIONS


def _retire(
    state: State, context: BlockContext, found: Member, nodes: Sequence[NodeKeys], removed_height: int = 0
) -> None:
    """Remember the nodes' keys that go: peers know them as long as they may have a seat."""
    before = state.load(MEMBERSHIPS, MEMBERSHIPS.key(found.id)) or Membership(found.id)
    former = _seated_still(state, context, found)
    # A removal needs no room: what is oldest goes, and is at worst not known by its old certificate.
    former = (former + [FormerNode(keys, context.height) for keys in _leaving(found, nodes)])[-MAX_FORMER_NODES:]
    state.save(MEMBERSHIPS.key(found.id), _replace(before, removed_height=removed_height, former_nodes=tuple(former)))


def _seated_still(state: State, context: BlockContext, member: Member) -> list[FormerNode]:
    found = state.load(MEMBERSHIPS, MEMBERSHIPS.key(member.id))
    if found is None:
        return []
    seated = seated_keys(state, context.height)
    return [one for one in found.former_nodes if may_sit(one, member, context.height, context.consensus, seated)]


def _leaving(found: Member, nodes: Sequence[NodeKeys]) -> list[NodeKeys]:
    """Nodes of the member that these do not have with the same keys."""
    stay = {(node.node, node.consensus_key, node.tls_certificate) for node in nodes}
    return [node for node in found.nodes if (node.node, node.consensus_key, node.tls_certificate) not in stay]


def _set_keys(state: State, context: BlockContext, member: Member, keys: tuple[AccountKey, ...]) -> None:
    """A new key begins with what the member has used up in this interval: rotating brings no budget."""
    account = state.load(ACCOUNTS, ACCOUNTS.key(member.id))
    assert account is not None, "every member has an account"
    now = current_interval(context)
    lanes = {key.public_key: lane for key, lane in zip(member.keys, account.lanes, strict=True)}
    used = max((lane.units_used for lane in account.lanes if lane.interval == now), default=0)
    state.save(ACCOUNTS.key(member.id), Account(tuple(lanes.get(key.public_key, Lane(0, now, used)) for key in keys)))
    after = _replace(member, keys=keys)
    state.save(MEMBERS.key(member.id), after)
    _note_keys(state, after)


def _note_keys(state: State, member: Member) -> None:
    for key, purpose in _uses(member.keys, member.nodes):
        if state.load(KEY_USES, _key(key)) is None:
            state.save(_key(key), KeyUse(member.id, purpose))
    for node in member.nodes:
        state.save(NODE_OWNERS.key(node.node), NodeOwner(member.id))


def _uses(keys: Sequence[AccountKey], nodes: Sequence[NodeKeys]) -> Iterator[tuple[bytes, Purpose]]:
    """Every key with its purpose, certificates by their hash."""
    for key in keys:
        yield key.public_key, "account"
    for node in nodes:
        yield node.consensus_key, "consensus"
        if node.bls_key:
            yield node.bls_key, "bls"
        if node.tls_certificate:
            yield sha256(node.tls_certificate), "tls"


def _key(public_key: bytes) -> bytes:
    return KEY_USES.key(public_key.hex())


def _member(state: State, member: str) -> Member:
    found = state.load(MEMBERS, MEMBERS.key(member))
    assert found is not None, "checked before"
    return found


def _site(state: State) -> Site:
    return state.load(SITES, SITE) or Site(())


def _save_site(state: State, meters: Sequence[SiteMeter]) -> None:
    state.save(SITE, Site(tuple(sorted(meters, key=lambda meter: meter.meter))))
