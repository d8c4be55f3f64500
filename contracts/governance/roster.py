"""Which nodes there are, as peers need to know them: by id, with every set of keys that may speak for it now.

The present keys come first. Keys that were replaced or removed follow as long as they may have a seat: until the epoch
after next, or longer where the churn budget keeps an organisation seated. Never says who votes: that is
`contracts.epochs`.
"""

from __future__ import annotations

from contracts.genesis import ConsensusParams
from contracts.governance.membership import may_sit, seated_keys
from contracts.members import NodeKeys
from contracts.schema import MEMBERS, MEMBERSHIPS, TRUSTS
from contracts.state import State


def registered(state: State, height: int, consensus: ConsensusParams) -> dict[str, tuple[NodeKeys, ...]]:
    """Every node of every member for the block `height`, the one after this state; ascending by id."""
    seated = seated_keys(state, height)
    found: dict[str, tuple[NodeKeys, ...]] = {}
    for held in state.group(TRUSTS):
        member = state.load(MEMBERS, MEMBERS.key(held.member))
        if member is None:
            continue
        for node in member.nodes:
            found[node.node] = (node, *found.get(node.node, ()))
        changed = state.load(MEMBERSHIPS, MEMBERSHIPS.key(member.id))
        for former in changed.former_nodes if changed else ():
            if may_sit(former, member, height, consensus, seated):
                found[former.keys.node] = (*found.get(former.keys.node, ()), former.keys)
    return {node: found[node] for node in sorted(found)}
