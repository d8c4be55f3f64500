"""Governance as a query shows it: the rules in force, proposals with who approves them, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contracts.governance.records import Agenda, Ballot, Proposal
from contracts.schema import AGENDAS, BALLOTS, NETWORKS, PROPOSALS, RULES
from node.render import render
from node.rpc.arguments import newest

if TYPE_CHECKING:
    from node.rpc.view import View

Document = dict[str, Any]
KINDS = {
    "AdmitMember": "admit-member",
    "RemoveMember": "remove-member",
    "ReKey": "re-key",
    "SetRoles": "set-roles",
    "SetParams": "set-params",
    "SetConsensusParams": "set-consensus",
    "SetRuleSet": "set-rule-set",
    "SetEnvelope": "set-envelope",
    "RevokeKey": "revoke-key",
    "SetNetwork": "set-network",
}


def rules_of(view: View) -> Document:
    """Parameters, rule set, and since which block."""
    found = view.load(RULES, "in-force")
    assert found is not None, "genesis writes the rules"
    document: Document = render(found)
    return document


def network_of(view: View) -> Document | None:
    """Places, lines and envelopes; None where everything is at one place."""
    found = view.load(NETWORKS, "site")
    return None if found is None else render(found)


def proposals(view: View, before: int | None) -> Document:
    """The newest proposals, or those just below number `before`, newest first."""
    agenda = view.load(AGENDAS, "open") or Agenda(0, ())
    numbers = newest(agenda.next_number, before)
    found = [one for number in numbers if (one := proposal(view, number)) is not None]
    return {"count": agenda.next_number, "open": len(agenda.open), "proposals": found}


def proposal(view: View, number: int) -> Document | None:
    """One proposal and its ballot."""
    made, ballot = view.load(PROPOSALS, number), view.load(BALLOTS, number)
    if made is None or ballot is None:
        return None
    return {**_summary(made, ballot), "change": render(made.change), "approvals": render(ballot.approvals)}


def _summary(made: Proposal, ballot: Ballot) -> Document:
    named = getattr(made.change, "member", None)
    return {
        "number": made.number,
        "kind": KINDS[type(made.change).__name__],
        "member": named if isinstance(named, str) or named is None else named.id,
        "epoch": getattr(made.change, "epoch", None),
        "proposer": made.proposer,
        "reason": made.reason,
        "height": made.height,
        "expiry_height": made.expiry_height,
        "status": ballot.status,
        "status_height": ballot.status_height,
        "code": ballot.code,
        "postponed": ballot.postponed,
        "approving_power": render(ballot.approving_power, "approving_power"),
        "total_power": render(ballot.total_power, "total_power"),
    }
