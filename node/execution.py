"""Execution of a decided block: contracts over the committed state, then one synced write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from consensus.beacon import next_mix
from consensus.messages import Block, CommitCertificate, Header
from consensus.validators import ValidatorSet
from contracts import api
from contracts.bodies import CommittedReading, PlainReading
from contracts.envelope import Envelope, MeterEnvelope
from contracts.receipts import OK, Receipt
from contracts.rulesets import RuleSets
from contracts.state import RecordCache, State
from node.ledger.ledger import Ledger
from node.rules import rule_set
from zk.statements import check
from zk.statements.assertion import Assertion


class Ground(Protocol):
    """What a block is executed on: the ledger, or what stands for it in a rehearsal."""

    chain_id: str
    records: RecordCache
    rule_sets: RuleSets
    mix: bytes

    def get(self, key: bytes) -> bytes | None:
        """The encoded record before the block."""
        ...


class Outcome(NamedTuple):
    """What a block gives on its ground, and is not stored yet."""

    state: State
    """With everything that it wrote."""
    receipts: list[Receipt]
    """The block's own, then one per transaction."""
    readings: list[tuple[str, int, int]]
    """The accepted ones as (meter, sequence, index in payload)."""
    sets: tuple[ValidatorSet, ...]
    """Those that it computed."""


def unfinished(block: Block, receipts: list[Receipt]) -> frozenset[bytes]:
    """Transactions of the block that may still succeed in a later one."""
    return frozenset(
        hash_ for hash_, receipt in zip(block.payload, receipts[1:], strict=True) if receipt.code in api.RESUBMITTABLE
    )


def block_context(
    ground: Ground, state: State, header: Header, proves: Callable[[Assertion], bool] = check.verify
) -> api.BlockContext:
    """What contracts may know of a block, by the rules that are in force on its ground."""
    rules = api.rules(state)
    return api.BlockContext(
        ground.chain_id,
        header.height,
        header.time_ms,
        rules.params,
        rules.consensus,
        header.proposer,
        next_mix(ground.chain_id, ground.mix, header.beacon),
        proves,
    )


def run_block(
    ground: Ground,
    block: Block,
    envelopes: list[tuple[bytes, Envelope]],
    charges: Sequence[api.Charge] = (),
    proves: Callable[[Assertion], bool] = check.verify,
) -> Outcome:
    """Apply the block on top of `ground`, in memory. `charges` are what its evidence says; they come before everything
    else. `proves` is asked whether proofs hold."""
    header = block.header
    state = State(ground, ground.records)
    by = rule_set(ground.rule_sets, api.rules(state).rule_set, header.height)
    context = block_context(ground, state, header, proves)
    receipts = [by.open_block(state, context, charges)]
    readings: list[tuple[str, int, int]] = []
    apply = by.apply
    for index, (_, envelope) in enumerate(envelopes):
        receipt = apply(state, envelope, context)
        receipts.append(receipt)
        if receipt.code == OK and type(envelope) is MeterEnvelope:
            body: PlainReading | CommittedReading = envelope.body
            readings.append((envelope.meter, body.sequence, index))
    seated = by.close_block(state, context)
    return Outcome(state, receipts, readings, () if seated is None else (ValidatorSet(seated.seats),))


def execute(
    ledger: Ledger,
    block: Block,
    certificate: CommitCertificate,
    envelopes: list[tuple[bytes, Envelope]],
    charges: Sequence[api.Charge] = (),
    passed: tuple[str, ...] = (),
    outcome: Outcome | None = None,
) -> list[Receipt]:
    """Apply the block on top of `ledger` and store it; returns the receipts of its `Outcome`.

    `passed` are the nodes whose turn to propose came before the block's. An `outcome` that was made on this ledger is
    stored as it is.
    """
    state, receipts, readings, sets = outcome or run_block(ledger, block, envelopes, charges)
    raws = [raw for raw, _ in envelopes]
    ledger.commit(block, certificate, raws, receipts, state.changes(), readings, sets, passed)
    ledger.records.absorb(state)
    return receipts
