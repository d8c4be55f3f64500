"""The `status` document's facts about the open height and its epoch, and the one line that says why nothing happens."""

from __future__ import annotations

from typing import Any

import msgspec

from consensus import status as consensus_status
from consensus.state import State
from contracts import epochs
from contracts import state as ledger_state
from node.ledger.ledger import Ledger


def open_height(state: State) -> dict[str, Any]:
    """JSON-ready: phase, round, locks, per round who has voted and who has not, the power of each seat, and whether
    this node has one."""
    facts = consensus_status.status(state)
    document = {} if facts is None else msgspec.to_builtins(facts, builtin_types=(bytes,))
    for name in ("missing_payloads", "missing_block"):
        value = document.get(name)
        if isinstance(value, bytes):
            document[name] = value.hex()
        elif isinstance(value, list | tuple):
            document[name] = [block_id.hex() for block_id in value]
    if state.context is not None:
        validators = state.context.validators
        document["power"] = {seat.id: seat.counted_power for seat in validators.seats}
        document["seat"] = state.seat is not None
    return document


def epoch_of_next(ledger: Ledger) -> dict[str, Any]:
    """Who has power in the epoch of the next block, by organisation, and whose votes do not count."""
    height = ledger.height + 1
    seating = epochs.seating(ledger_state.State(ledger, ledger.records), height)
    return {
        "number": seating.number,
        "ends_with": (seating.number + 1) * ledger.genesis.consensus.epoch_blocks,
        "set_hash": ledger.sets(height).hash.hex(),
        "powers": {one.id: one.power for one in seating.organisations},
        "flagged": [one.id for one in seating.organisations if one.flagged],
    }


def stuck_sentence(
    state: State, missing: dict[bytes, int], peers: list[dict[str, Any]], stalled_ms: int, *, restored: bool
) -> str:
    """Who has not voted in which round, which payload is missing, who is out of reach."""
    parts = [f"No block for {stalled_ms / 1000:.0f} s: {consensus_status.explain(state)}"]
    for block_id, count in missing.items():
        parts.append(f"{count} transactions of block {block_id.hex()[:16]} are missing")
    away = [peer["id"] for peer in peers if not peer["connected"] or peer.get("blocked")]
    if away:
        parts.append(f"no link to {', '.join(sorted(away))}")
    if restored:
        parts.append("this node was restored, and votes again once the others have decided two heights without it")
    return "; ".join(parts) + "."
