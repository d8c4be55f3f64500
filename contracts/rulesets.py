"""Rule sets: every version of what transactions and blocks mean, side by side; each block is executed by its own.

A version is in force from the first block of an epoch on, as governance decided; headers name it. What it does never
changes again: a block from long ago is replayed by the version of that time. A new version is a new module with these
functions, added here under the next number. Never says which one is in force: `contracts.governance.rules` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from contracts import api
from contracts.context import BlockContext
from contracts.envelope import CODEC, Envelope
from contracts.members import Seating
from contracts.offences import Charge
from contracts.params import PactParams
from contracts.receipts import Receipt
from contracts.state import State
from zk.codec import Codec


class RuleSet(NamedTuple):
    """One version, as `contracts.api` describes each function."""

    version: int
    codec: Codec[Envelope]
    """What bytes are an envelope."""
    units: Callable[[Envelope], int]
    admit: Callable[[State, Envelope, BlockContext], str]
    asks_proof: Callable[[Envelope], bool]
    rehearse: Callable[[State, Envelope, BlockContext], str]
    open_block: Callable[[State, BlockContext, Sequence[Charge]], Receipt]
    apply: Callable[[State, Envelope, BlockContext], Receipt]
    close_block: Callable[[State, BlockContext], Seating | None]
    earliest_deadline_ms: Callable[[State, PactParams], int | None]
    phase_open: Callable[[State], bool]


RuleSets = Mapping[int, RuleSet]
"""By version."""

FIRST = RuleSet(
    version=1,
    codec=CODEC,
    units=api.units,
    admit=api.admit,
    asks_proof=api.asks_proof,
    rehearse=api.rehearse,
    open_block=api.open_block,
    apply=api.apply,
    close_block=api.close_block,
    earliest_deadline_ms=api.earliest_deadline_ms,
    phase_open=api.phase_open,
)

RULE_SETS: RuleSets = {FIRST.version: FIRST}
"""All that this program knows."""
