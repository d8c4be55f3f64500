"""Who sets the envelopes of assets: more than 2/3 of the power, which also revokes compromised keys.

A revoked key speaks no more from the next transaction on, and what it may have controlled falls to its safe state: at
once at the device, and on the ledger from the first interval whose offers have not locked. It stays there until the
asset has a new envelope, whose meter has a new key. Each function that writes is called only after the one that checks
has answered "ok". Never widens an envelope beyond the rating of its meter.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.context import BlockContext, current_interval
from contracts.envelopes import fits
from contracts.governance import membership
from contracts.members import (
    MAX_ENVELOPES,
    MAX_TERMS,
    REVOKED_KEY,
    AssetEnvelope,
    Enveloped,
    EnvelopedList,
    Member,
    Meter,
    Terms,
)
from contracts.receipts import OK
from contracts.records import Site
from contracts.schedule import is_locked
from contracts.schema import ENVELOPED_LIST, ENVELOPED_LISTS, ENVELOPES, KEY_USES, MEMBERS, METERS, SITE, SITES
from contracts.state import State
from zk.ed25519 import is_registrable

_replace = msgspec.structs.replace


# Checks


def may_set(state: State, envelope: AssetEnvelope, public_key: bytes | None) -> str:
    """ "ok", or why the asset can not have this envelope, or its meter this key."""
    meter = state.load(METERS, METERS.key(envelope.meter))
    if meter is None or membership.is_removed(state, meter.member):
        return "governance.envelope-meter"
    if not fits(envelope, meter):
        return "governance.envelope"
    known = state.load(ENVELOPED_LISTS, ENVELOPED_LIST) or EnvelopedList(())
    if envelope.meter not in known.meters and len(known.meters) >= MAX_ENVELOPES:
        return "governance.envelopes-full"
    if public_key is None:
        return "governance.revoked" if meter.public_key == REVOKED_KEY else OK
    if not is_registrable(public_key):
        return "governance.keys"
    taken = public_key == meter.public_key or state.load(KEY_USES, KEY_USES.key(public_key.hex())) is not None
    return "governance.key-taken" if taken else OK


def may_revoke(state: State, member: str, public_key: bytes) -> str:
    """ "ok", or why there is no such key to revoke."""
    found = state.load(MEMBERS, MEMBERS.key(member))
    if found is None or membership.is_removed(state, member):
        return "governance.member"
    if _is_account_key(found, public_key):
        return OK
    return OK if any(meter.public_key == public_key for meter in _meters(state, member)) else "governance.no-key"


# Changes


def set_envelope(state: State, context: BlockContext, envelope: AssetEnvelope, public_key: bytes | None) -> None:
    """Let it be in force from the first interval on whose offers have not locked."""
    if public_key is not None:
        meter = state.load(METERS, METERS.key(envelope.meter))
        assert meter is not None, "checked before"
        state.save(METERS.key(meter.id), _replace(meter, public_key=public_key))
    _add(state, context, envelope.meter, envelope, revoked=False)


def revoke(state: State, context: BlockContext, member: str, public_key: bytes) -> None:
    """Silence the key, and let what it may have controlled fall to its safe state."""
    found = state.load(MEMBERS, MEMBERS.key(member))
    assert found is not None, "checked before"
    if _is_account_key(found, public_key):
        membership.rotate(state, context, member, tuple(key for key in found.keys if key.public_key != public_key))
        touched: Sequence[Meter] = _meters(state, member)
    else:
        touched = [meter for meter in _meters(state, member) if meter.public_key == public_key]
        for meter in touched:
            state.save(METERS.key(meter.id), _replace(meter, public_key=REVOKED_KEY))
    for meter in touched:
        held = state.load(ENVELOPES, ENVELOPES.key(meter.id))
        # Of an account key: what has no envelope is no asset that anybody controls from afar.
        if held is not None or meter.public_key == public_key:
            _add(state, context, meter.id, None if held is None else held.terms[-1].envelope, revoked=True)


def _add(state: State, context: BlockContext, meter: str, envelope: AssetEnvelope | None, *, revoked: bool) -> None:
    params = context.params
    since = (context.time_ms + params.gate_lead_ms) // params.interval_ms + 1
    while is_locked(state, context, since):
        since += 1
    known = state.load(ENVELOPED_LISTS, ENVELOPED_LIST) or EnvelopedList(())
    if meter not in known.meters and len(known.meters) >= MAX_ENVELOPES:
        # A revocation needs no room: a meter without an envelope speaks no more, and that is all.
        return
    held = state.load(ENVELOPES, ENVELOPES.key(meter))
    before = () if held is None else held.terms
    now = current_interval(context)
    present = next((at for at in reversed(range(len(before))) if before[at].since <= now), 0)
    # Of several changes within one lead the last one counts, where there is no room for all.
    kept = [terms for terms in before[present:] if terms.since < since][: MAX_TERMS - 1]
    terms = Terms(since, envelope, revoked, context.height)
    state.save(ENVELOPES.key(meter), Enveloped(meter, (*kept, terms)))
    if meter not in known.meters:
        state.save(ENVELOPED_LIST, EnvelopedList(tuple(sorted((*known.meters, meter)))))


def _is_account_key(member: Member, public_key: bytes) -> bool:
    return any(key.public_key == public_key for key in member.keys)


def _meters(state: State, member: str) -> list[Meter]:
    site = state.load(SITES, SITE) or Site(())
    found = (state.load(METERS, METERS.key(one.meter)) for one in site.meters if one.member == member)
    return [meter for meter in found if meter is not None]
