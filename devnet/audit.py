"""Statements of a run, checked as a stranger would: against the genesis document, with headers and proofs alone.

Asks a node for everything and believes nothing that it says. Judges nothing either: what a statement lacks is written
down for `devnet.expectations`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.cycles import cycle_of
from contracts.genesis import Genesis
from devnet.observation import StatementView
from node.client import Client
from node.errors import NodeError, ProofError
from node.statement import verify_statement


async def statements(
    client: Client, genesis: Genesis, members: Sequence[str], intervals: Sequence[int]
) -> tuple[StatementView, ...]:
    """A statement per member and billing cycle that has one of `intervals`, each verified."""
    cycles = sorted({cycle_of(genesis.params, interval) for interval in intervals})
    return tuple([await _statement(client, genesis, member, cycle) for cycle in cycles for member in members])


async def _statement(client: Client, genesis: Genesis, member: str, cycle: int) -> StatementView:
    try:
        answer = await client.statement(cycle, member, prove=True)
        raw = msgspec.json.encode({"kind": "statement", "statement": answer["data"], "proof": answer["proof"]})
        proven = verify_statement(raw, genesis)
    except (NodeError, ProofError) as error:
        return StatementView(member, cycle, code=error.code)
    return StatementView(member, cycle, proven.data["total_nano"])
