"""What a transaction may know of the block it runs in. Never a clock, a peer or the proposer's identity."""

from __future__ import annotations

from typing import NamedTuple

from contracts.genesis import ConsensusParams
from contracts.params import PactParams
from contracts.units import MAX_COUNT


class BlockContext(NamedTuple):
    """The block under execution; `time_ms` is ledger time, from its header."""

    chain_id: str
    height: int
    time_ms: int
    params: PactParams
    consensus: ConsensusParams


def current_interval(context: BlockContext) -> int:
    """Interval of the block's time, held inside its bound (a 1 s interval would pass it in the year 2106)."""
    return min(context.time_ms // context.params.interval_ms, MAX_COUNT)
