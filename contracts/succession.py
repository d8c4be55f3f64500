"""A new chain in place of one that can not go on: its genesis from committed state, and who among the members signs it.

After a fork, or the loss of more than a third of the power for good, no agreement is left that could change a thing.
Then members agree outside: they take the state of a height that they all hold, and each signs the document made from
it. More than 2/3 of the power that the document itself founds must have signed. That power comes from the bonds and
indexes of the exported height, so anybody checks it with two files and no node; and those will run the chain.

What is taken over: members, keys, nodes, meters with the registers up to which they are settled, balances, tokens and
indexes, hidden money, lines, envelopes (of what was revoked the safe state), rules. What is unlocking or wagered is
free again, since no evidence and no round of the old chain counts on the new one. What the pool holds stays counted,
with a member that has no keys. What begins anew says `LeftBehind`. Never decides to go on.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec

from consensus.quorum import is_quorum
from contracts import base_load, epochs, trust
from contracts.carbon import factors
from contracts.confidential import succession as hidden
from contracts.envelopes import newest
from contracts.genesis import Balance, Genesis, OpeningRegister, OpeningTrust
from contracts.governance.proposals import open_proposals
from contracts.governance.rules import rules
from contracts.members import MAX_MEMBERS, AccessCount, Member, Meter, PowerLine
from contracts.network import registered
from contracts.private import meters as hidden_meters
from contracts.private.records import HiddenMeter
from contracts.records import Lines, Site
from contracts.schema import (
    ACCESS_COUNT,
    ACCESS_COUNTS,
    ACCESS_PLACES,
    BALANCES,
    LINE_LIST,
    LINES,
    MEMBERS,
    METERS,
    REGISTERS,
    SITE,
    SITES,
    TRUSTS,
)
from contracts.sealed import agenda
from contracts.sealed import succession as sealed
from contracts.state import State
from contracts.units import Hash, Height, Id, Meta, PublicKey, Signature
from contracts.wagers.rounds import open_rounds
from zk import ed25519
from zk.codec import encode
from zk.hashing import domain

POOL = "pool"
"""Id of the member without keys that keeps what members had lost."""
SIGNING_SCOPES = ("all", "governance")
_replace = msgspec.structs.replace


class Origin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is signed: which state of which chain goes on as which new one."""

    chain_id: str
    height: Height
    state_root: Hash
    successor: str
    """Chain id of the new document, so its hash, too."""
    genesis_hash: Hash


class Signed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A member's word, by one of its account keys."""

    member: Id
    public_key: PublicKey
    signature: Signature


class Succession(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The origin of a chain with everybody who stands for it, ascending by member."""

    origin: Origin
    signatures: Annotated[tuple[Signed, ...], Meta(max_length=MAX_MEMBERS)] = ()


class Support(NamedTuple):
    """Power of those whose signatures are good, and of everybody."""

    members: tuple[str, ...]
    got: int
    total: int

    @property
    def enough(self) -> bool:
        """More than 2/3."""
        return is_quorum(self.got, self.total)


class LeftBehind(NamedTuple):
    """What the new chain knows nothing of, for members to know before they sign."""

    tombstoned: tuple[str, ...]
    """Members that may bond again: without a node and with an index of zero, so that no bond of theirs weighs."""
    policies: tuple[str, ...]
    """Members whose records are open to everybody until they say again who may read them, in the order in which they
    first did."""
    rounds: tuple[int, ...]
    """Rounds that nobody judges; all that was wagered on them is free again."""
    proposals: tuple[int, ...]
    """Changes that nobody approves any more."""
    certified: tuple[str, ...] = ()
    """Meters that go on with the factor that counts now, as registered; certificates have to be given again."""
    promised: tuple[str, ...] = ()
    """Meters whose base load has to be registered again, in the order in which it was admitted."""
    sealed: tuple[int, ...] = ()
    """Intervals whose sealed rounds nobody ends: escrows and wagers go back, what was paid and not credited is lost."""
    private: tuple[str, ...] = ()
    """Private meters: nobody knows where their registers stand, so they have to be admitted again, with registers that
    everybody sees, once their last cycle is paid."""


def sign_bytes(origin: Origin) -> bytes:
    """What a member signs."""
    return domain("succession", origin.chain_id) + encode(origin)


def support(genesis: Genesis, succession: Succession) -> Support:
    """Who stands for this document; a succession of another document has nobody."""
    first, _ = epochs.founding(genesis)
    total = sum(one.power for one in first.organisations)
    origin = succession.origin
    if (origin.successor, origin.genesis_hash) != (genesis.chain_id(), genesis.hash()):
        return Support((), 0, total)
    members, message = {member.id: member for member in genesis.members}, sign_bytes(origin)
    good = {one.member for one in succession.signatures if _is_good(members.get(one.member), one, message)}
    return Support(tuple(sorted(good)), sum(one.power for one in first.organisations if one.id in good), total)


def _is_good(member: Member | None, signed: Signed, message: bytes) -> bool:
    keys = [key.public_key for key in member.keys if key.scope in SIGNING_SCOPES] if member else []
    return signed.public_key in keys and ed25519.verify(signed.public_key, message, signed.signature)


def successor(state: State, old: Genesis, name: str, time_ms: int) -> Genesis:
    """The document of a chain `name` that goes on from this state at this time. Money and tokens are the same."""
    now, gone = rules(state), frozenset(trust.tombstoned(state))
    held = sorted(state.group(TRUSTS), key=lambda one: one.member)
    members = [_kept(_member(state, one.member), one.member in gone) for one in held]
    trusts = [
        OpeningTrust(one.member, trust.all_tokens(one) - one.bonded_tokens, one.bonded_tokens, one.index_ppm)
        for one in held
    ]
    returned = sealed.returned(state)
    balances = [
        Balance(one.member, one.balance_nano + returned.members_nano.get(one.member, 0))
        for one in state.group(BALANCES)
    ]
    lost = trust.pool_tokens(state)
    if lost or returned.nobodys_nano:
        keeper = _free_id({member.id for member in members})
        members.append(Member(keeper, "What members lost", (), old.members[0].site, (), (), b""))
        trusts.append(OpeningTrust(keeper, lost, 0, 0))
        if returned.nobodys_nano:
            balances.append(Balance(keeper, returned.nobodys_nano))
    site = state.load(SITES, SITE) or Site(())
    going = [one.meter for one in site.meters if not one.stopped]
    settled = {one.meter: one for one in state.group(REGISTERS)}
    lines = (state.load(LINES, LINE_LIST) or Lines(())).lines
    return Genesis(
        name=name,
        rule_set=now.rule_set,
        time_ms=time_ms,
        params=now.params,
        consensus=now.consensus,
        members=tuple(sorted(members, key=lambda member: member.id)),
        meters=tuple(factors.carried(state, now.params, _meter(state, id_), time_ms) for id_ in going),
        balances=tuple(sorted(balances, key=lambda one: one.member)),
        registers=tuple(OpeningRegister(id_, settled[id_].import_wh, settled[id_].export_wh) for id_ in going),
        validators=tuple(sorted(node.node for member in members for node in member.nodes if node.validator)),
        devnet_clock=old.devnet_clock,
        lines=tuple(line for line in lines if _ends(line) <= set(going)),
        trusts=tuple(sorted(trusts, key=lambda one: one.member)),
        envelopes=tuple(kept for id_ in going if (kept := newest(state, id_)) is not None),
        network=registered.carried(state),
        hidden=hidden.carried(state, old.chain_id(), [member.id for member in members]),
    )


def left_behind(state: State) -> LeftBehind:
    """What `successor` does not take over from this state."""
    counted = state.load(ACCESS_COUNTS, ACCESS_COUNT) or AccessCount(0, 0)
    site = state.load(SITES, SITE) or Site(())
    places = [state.load(ACCESS_PLACES, ACCESS_PLACES.key(number)) for number in range(counted.policies)]
    return LeftBehind(
        tombstoned=trust.tombstoned(state),
        policies=tuple(place.member for place in places if place is not None),
        rounds=open_rounds(state),
        proposals=tuple(one.number for one in open_proposals(state)),
        certified=tuple(one.meter for one in site.meters if factors.is_certified(state, one.meter)),
        promised=base_load.registered(state),
        sealed=agenda.intervals(state),
        private=tuple(sorted(one.meter for campus in hidden_meters.campuses(state) for one in _hidden(state, campus))),
    )


def _hidden(state: State, campus: str) -> tuple[HiddenMeter, ...]:
    return tuple(one for one in hidden_meters.campus_site(state, campus).meters if not one.stopped)


def _kept(member: Member, tombstoned: bool) -> Member:
    """A tombstoned member keeps its keys and money, and has no node: it weighs nothing, with an index of zero."""
    return _replace(member, nodes=()) if tombstoned else member


def _member(state: State, id_: str) -> Member:
    found = state.load(MEMBERS, MEMBERS.key(id_))
    assert found is not None, "who has tokens is or was a member"
    return found


def _meter(state: State, id_: str) -> Meter:
    found = state.load(METERS, METERS.key(id_))
    assert found is not None, "every meter of the site is registered"
    return found


def _ends(line: PowerLine) -> set[str]:
    return {line.sending_meter, line.receiving_meter, line.parent_meter}


def _free_id(taken: set[str]) -> str:
    return next(id_ for number in range(len(taken) + 1) if (id_ := f"{POOL}-{number}" if number else POOL) not in taken)
