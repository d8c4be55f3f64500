"""Which nodes there are, as peers need to know them: by id, with every set of keys that may speak for it now.

The present keys come first. Keys that were replaced or removed follow as long as they may have a seat: until the epoch
after next, or longer where the churn budget keeps an organisation seated. Never says who votes: that is
`contracts.epochs`.
"""

from __future__ import annotations

from contracts.epochs import epoch_of, seats
from contracts.genesis import ConsensusParams
from contracts.members import NodeKeys
from contracts.schema import MEMBERS, MEMBERSHIPS, TRUSTS
from contracts.state import State


def registered(state: State, height: int, consensus: ConsensusParams) -> dict[str, tuple[NodeKeys, ...]]:
    """Every node of every member for the block `height`, the one after this state; ascending by id."""
    seated = {(seat.id, seat.public_key) for at in (height, height + 1) for seat in seats(state, at)}
    found: dict[str, tuple[NodeKeys, ...]] = {}
    for key in TRUSTS.roll_keys():
        for held in state.roll(TRUSTS, key):
            member = state.load(MEMBERS, MEMBERS.key(held.member))
            for node in member.nodes if member else ():
                found[node.node] = (node, *found.get(node.node, ()))
            changed = state.load(MEMBERSHIPS, MEMBERSHIPS.key(held.member))
            for former in changed.former_nodes if changed else ():
                keys = former.keys
                young = epoch_of(former.height, consensus) + 2 > epoch_of(height, consensus)
                if young or (keys.node, keys.consensus_key) in seated:
                    found[keys.node] = (*found.get(keys.node, ()), keys)
    return {node: found[node] for node in sorted(found)}
