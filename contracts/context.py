"""What a transaction may know of the block it runs in. Never a clock, a peer or a round.

Rehearsals (admission, benchmarks) leave out what no header has said yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from contracts.genesis import ConsensusParams
from contracts.params import PactParams
from contracts.units import MAX_COUNT
from zk.hashing import ZERO_HASH

if TYPE_CHECKING:
    from zk.statements.assertion import Assertion


def _verify(assertion: Assertion) -> bool:
    # A light client reads seats and executes nothing: it has no curves, and no memory for them.
    from zk.statements.check import verify

    return verify(assertion)


class BlockContext(NamedTuple):
    """The block under execution; `time_ms` is ledger time, from its header."""

    chain_id: str
    height: int
    time_ms: int
    params: PactParams
    consensus: ConsensusParams
    proposer: str = ""
    """Node id of the block's original proposer; "" in a rehearsal."""
    mix: bytes = ZERO_HASH
    """Randomness of the chain once this block is counted, 32 bytes (`consensus.beacon`)."""
    proves: Callable[[Assertion], bool] = _verify
    """Whether a proof holds. A node gives one that remembers what was checked beforehand; the answer is the same."""


def current_interval(context: BlockContext) -> int:
    """Interval of the block's time, held inside its bound (a 1 s interval would pass it in the year 2106)."""
    return min(context.time_ms // context.params.interval_ms, MAX_COUNT)
