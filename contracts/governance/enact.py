"""Which changes the pact can live with, and what carrying one out does to state.

`admissible` is asked when a change is proposed and again when it is carried out, since other changes may have come
between. `enact` is total once the answer was "ok". What a chain rests on for good is refused: the numbering of
intervals, billing cycles and epochs, and evidence that would count again after bonds were freed.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from consensus.power import MIN_ORGANISATIONS
from contracts.context import BlockContext
from contracts.epochs import wanted_weights
from contracts.genesis import ConsensusParams
from contracts.governance import envelopes, membership
from contracts.governance.changes import (
    AdmitMember,
    Change,
    ReKey,
    RemoveMember,
    RevokeKey,
    SetConsensusParams,
    SetEnvelope,
    SetNetwork,
    SetParams,
    SetRoles,
    SetRuleSet,
)
from contracts.governance.rules import rules
from contracts.network import registered
from contracts.params import PactParams, problem
from contracts.receipts import OK
from contracts.schema import RULES_IN_FORCE
from contracts.state import State

_replace = msgspec.structs.replace


def admissible(state: State, context: BlockContext, change: Change) -> str:
    """ "ok", or why this change can not be carried out now."""
    match change:
        case AdmitMember():
            return membership.may_admit(state, change)
        case RemoveMember(member):
            return membership.may_remove(state, member)
        case ReKey():
            return membership.may_re_key(state, context, change)
        case SetRoles(member, roles):
            return membership.may_set_roles(state, member, roles)
        case SetParams(params):
            return _may_set_params(rules(state).params, params)
        case SetConsensusParams(consensus):
            return _may_set_consensus(state, rules(state).consensus, consensus)
        case SetRuleSet(rule_set):
            return OK if rule_set > rules(state).rule_set else "governance.rule-set"
        case SetEnvelope(envelope, public_key):
            return envelopes.may_set(state, envelope, public_key)
        case RevokeKey(member, public_key):
            return envelopes.may_revoke(state, member, public_key)
        case SetNetwork(network):
            return OK if network is None else registered.may_set(state, rules(state).params, network)
        case _:
            assert_never(change)


def enact(state: State, context: BlockContext, change: Change) -> None:
    """Carry out what is admissible. What it does to rules is in force from the next block on."""
    match change:
        case AdmitMember():
            membership.admit(state, context, change)
        case RemoveMember(member):
            membership.remove(state, context, member)
        case ReKey():
            membership.re_key(state, context, change)
        case SetRoles(member, roles):
            membership.set_roles(state, member, roles)
        case SetParams(params):
            _set_rules(state, context, params=params)
        case SetConsensusParams(consensus):
            _set_rules(state, context, consensus=consensus)
        case SetRuleSet(rule_set):
            _set_rules(state, context, rule_set=rule_set)
        case SetEnvelope(envelope, public_key):
            envelopes.set_envelope(state, context, envelope, public_key)
        case RevokeKey(member, public_key):
            envelopes.revoke(state, context, member, public_key)
        case SetNetwork(network):
            registered.put(state, network)
        case _:
            assert_never(change)
    if isinstance(change, AdmitMember | RemoveMember | ReKey | SetRoles):
        state.save(RULES_IN_FORCE, _replace(rules(state), members_height=context.height))


def _may_set_params(now: PactParams, params: PactParams) -> str:
    old, new = ((one.interval_ms, one.cycle_ms, one.cycle_starts_ms) for one in (now, params))
    if old != new:
        return "governance.fixed"
    return OK if problem(params) is None else "governance.params"


def _may_set_consensus(state: State, now: ConsensusParams, consensus: ConsensusParams) -> str:
    if consensus.epoch_blocks != now.epoch_blocks:
        return "governance.fixed"
    if consensus.evidence_age_blocks > now.evidence_age_blocks or consensus.evidence_age_ms > now.evidence_age_ms:
        return "governance.evidence-age"
    # A bar that hardly anybody reaches would hold four in their seats for ever, and let nobody else in.
    bar = consensus.seat_bond_tokens
    if bar > now.seat_bond_tokens and len(wanted_weights(state, bar)) < MIN_ORGANISATIONS:
        return "governance.too-few"
    return OK


def _set_rules(state: State, context: BlockContext, **changes: int | PactParams | ConsensusParams) -> None:
    state.save(RULES_IN_FORCE, _replace(rules(state), height=context.height + 1, **changes))
