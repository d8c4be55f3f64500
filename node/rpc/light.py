"""GET /light: what a light client needs of one height, as canonical MessagePack of `consensus.light.LightBlock`.

An answer has at most `MAX_LIGHT_BLOCK_BYTES`, whatever is asked for.
"""

from __future__ import annotations

from node import seats
from node.rpc.errors import unknown
from node.service import NodeService
from zk.codec import encode


def light_block(service: NodeService, which: int | None) -> bytes:
    """The light block of a height, or (None) of the latest one. Raises `Refusal` (404)."""
    ledger = service.ledger
    height = ledger.height if which is None else which
    block = seats.light_block(ledger, service.sets, height)
    if block is None:
        raise unknown("block", str(height), f"Blocks here are 1 to {ledger.height}.")
    return encode(block)
