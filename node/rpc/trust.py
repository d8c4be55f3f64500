"""Trust of members as a query shows it: tokens in every form, index, weight, and the power that the rule gives for it.

Figures are as of one height: what has unlocked by then is free, although the ledger writes it down with the member's
next transaction. The power is what `consensus.power` makes of today's bonds; who votes is in the headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consensus import power
from contracts.genesis import ConsensusParams
from contracts.members import Trust
from contracts.schema import TRUST_POOLS, TRUSTS
from contracts.trust import EMPTY_POOL, all_tokens, unlocked, unlocking_tokens
from node.render import render
from node.rpc.turns import in_turns

if TYPE_CHECKING:
    from node.rpc.view import View

Document = dict[str, Any]


def trust_of_member(view: View, member: str, time_ms: int, consensus: ConsensusParams) -> Document | None:
    """One member's tokens and index with what changed them last; None: no such member."""
    found = view.entry(TRUSTS, member)
    return None if found is None else _document(unlocked(found, view.height, time_ms, consensus), consensus)


async def trust_of_all(view: View, time_ms: int, consensus: ConsensusParams) -> Document:
    """Everybody's trust, and the power that it has under the rule; `power` is None while fewer than four weigh."""
    everybody = [unlocked(one, view.height, time_ms, consensus) for one in view.group(TRUSTS)]
    weights = {one.member: _weight(one) for one in everybody}
    organisations = sum(1 for weight in weights.values() if weight)
    enough = organisations >= power.MIN_ORGANISATIONS
    powers = power.powers(weights) if enough else {}
    pool = view.load(TRUST_POOLS, "all") or EMPTY_POOL
    members = []
    async for one in in_turns(everybody):
        own = powers.get(one.member, 0) if enough else None
        members.append({**_document(one, consensus), "power": render(own, "power")})
    return {
        "supply_tokens": str(sum(map(all_tokens, everybody)) + pool.pool_tokens),
        **render(pool),
        "organisations": organisations,
        "total_power": render(sum(powers.values()) if enough else None, "total_power"),
        "members": members,
    }


def _weight(trust: Trust) -> int:
    return power.weight(trust.bonded_tokens, trust.index_ppm)


def _document(trust: Trust, consensus: ConsensusParams) -> Document:
    document: Document = render(trust)
    for part in document["unlocking"]:
        has_power = not part["power_height"]
        part["free_after_height"] = None if has_power else part["power_height"] + consensus.evidence_age_blocks
        part["free_after_ms"] = None if has_power else part["power_ms"] + consensus.evidence_age_ms
    return {**document, "unlocking_tokens": str(unlocking_tokens(trust)), "weight": _weight(trust)}
