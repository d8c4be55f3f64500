"""One transaction executed once more, with every contract call and every key of state that it touches.

For devnets, where people learn and debug: the block is run again on the state before it, in memory and on the node's
loop, and nothing is stored. What it shows is not filtered by access policies, so no production chain has it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Literal, NamedTuple

from contracts import api
from contracts.envelope import Envelope
from contracts.offences import Charge
from contracts.receipts import Receipt
from contracts.state import RecordCache, State
from node.errors import NodeError
from node.execution import block_context
from node.ledger.ledger import HistoryPruned, Ledger
from node.render import render
from node.rules import rule_set
from node.tables import show_key, table_of

MAX_STEPS = 4_000
"""Calls and reads of one trace; the rest is left out, and the trace says so."""
PLUMBING = frozenset({"contracts.state", "contracts.rolls", "contracts.units", "contracts.schema", "contracts.members"})
"""Modules that every contract goes through, so that naming their calls would say nothing."""

Document = dict[str, Any]


class Step(NamedTuple):
    """A call of a contract, or the first read of a key, `depth` calls deep."""

    depth: int
    kind: Literal["call", "read"]
    what: str


class _Before:
    """The ledger before a block, and what the transactions in front of the traced one wrote."""

    def __init__(self, ledger: Ledger, height: int) -> None:
        self.chain_id = ledger.chain_id
        self.rule_sets = ledger.rule_sets
        self.records = RecordCache()
        self.mix = ledger.mix_at(height - 1)
        self.written: dict[bytes, bytes | None] = {}
        self.on_read: Callable[[bytes], None] = lambda key: None
        self._ledger = ledger
        self._height = height - 1

    def get(self, key: bytes) -> bytes | None:
        """The encoded record, told to `on_read`."""
        self.on_read(key)
        return self.written[key] if key in self.written else self._ledger.get_at(key, self._height)


class _Recorder:
    """Steps of one execution, by a profile hook of this thread."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.left_out = 0
        self._open: list[FrameType] = []

    def note(self, kind: Literal["call", "read"], what: str) -> None:
        """Keep a step at the depth where execution is."""
        if len(self.steps) < MAX_STEPS:
            self.steps.append(Step(len(self._open), kind, what))
        else:
            self.left_out += 1

    def hook(self, frame: FrameType, event: str, _argument: object) -> None:
        """What `sys.setprofile` calls."""
        if event == "call":
            module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_name
            if module.startswith("contracts.") and module not in PLUMBING and not name.startswith(("_", "<")):
                self.note("call", f"{module}.{name}")
                self._open.append(frame)
        elif event == "return" and self._open and self._open[-1] is frame:
            self._open.pop()


def trace(ledger: Ledger, hash_: bytes, charges: Callable[[Any], Sequence[Charge]]) -> Document:
    """Everything that the transaction of this hash did: its receipt, steps, and each record it wrote, before and after.

    `charges` are what the evidence of a block says. Raises NodeError `trace.unknown`, `trace.pruned`, `trace.differs`.
    """
    place = ledger.find_transaction(hash_)
    block = None if place is None else ledger.block(place[0])
    if place is None or block is None:
        raise NodeError(
            "trace.unknown", f"No block here has a transaction {hash_.hex()}.", "It may still be waiting for a block."
        )
    height, index = place
    by = rule_set(ledger.rule_sets, block.header.version, height)
    envelopes: list[Envelope] = [by.codec.decode(raw) for raw in ledger.transactions(height)]
    before, recorder = _Before(ledger, height), _Recorder()
    try:
        state, context = _in_front(before, block, by, envelopes[:index], charges(block))
        before.written, before.on_read = state.changes(), lambda key: recorder.note("read", show_key(key))
        alone = State(before)
        sys.setprofile(recorder.hook)
        try:
            receipt = by.apply(alone, envelopes[index], context)
        finally:
            sys.setprofile(None)
    except HistoryPruned:
        raise NodeError(
            "trace.pruned",
            f"The state before block {height} is not kept any more.",
            f"This node goes back to height {ledger.oldest}; trace sooner, or raise ledger.retain_heights.",
        ) from None
    if receipt != ledger.receipts(height)[index + 1]:
        raise NodeError("trace.differs", "Executed again it gives another receipt.", "`gridpact doctor` on this node.")
    before.on_read = lambda key: None
    return _document(before, height, index, receipt, recorder, alone.changes())


def _in_front(
    before: _Before, block: Any, by: Any, envelopes: Sequence[Envelope], charges: Sequence[Charge]
) -> tuple[State, api.BlockContext]:
    """State and context as the transaction behind these envelopes found them."""
    state = State(before)
    context = block_context(before, state, block.header)
    by.open_block(state, context, charges)
    for envelope in envelopes:
        by.apply(state, envelope, context)
    return state, context


def _document(
    before: _Before,
    height: int,
    index: int,
    receipt: Receipt,
    recorder: _Recorder,
    changes: dict[bytes, bytes | None],
) -> Document:
    writes = []
    for key, after in sorted(changes.items()):
        writes.append({"key": show_key(key), "before": _shown(key, before.get(key)), "after": _shown(key, after)})
    return {
        "height": height,
        "index": index,
        "receipt": render(receipt),
        "steps": [step._asdict() for step in recorder.steps],
        "left_out": recorder.left_out,
        "writes": writes,
    }


def _shown(key: bytes, raw: bytes | None) -> Any:
    """A record as JSON shows it; hex where no table knows the key, None where there is none."""
    table = table_of(key)
    if raw is None:
        return None
    return raw.hex() if table is None else render(table.decode(raw))
