"""Where a member's key stands: the nonce of what it signs next, proven, since an agent believes no node.

Never signs anything, and knows nothing of what is signed.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts import api
from contracts.schema import MEMBERS
from contracts.state import State
from node.agents.proven import Proven, ProvenLedger
from node.errors import NodeError


class Position(NamedTuple):
    """The next nonce of a key, as of the state after a block."""

    nonce: int
    height: int


async def position(ledger: ProvenLedger, member: str, public_key: bytes, least_height: int = 0) -> Position:
    """Where the key stands after block `least_height` or a later one. Raises `Unproven`, NodeError `account.key`."""

    def read(seen: Proven) -> Position | None:
        state = State(seen)
        registered = state.load(MEMBERS, MEMBERS.key(member))
        if registered is None or public_key not in [one.public_key for one in registered.keys]:
            return None
        return Position(api.next_position(state, member, public_key), seen.height)

    found = await ledger.ask(read, "member", member, least_height=least_height)
    if found is None:
        raise NodeError(
            "account.key",
            f"Member {member} of this chain does not list the key that would sign.",
            "Give the right key file with --as or --key.",
        )
    return found
