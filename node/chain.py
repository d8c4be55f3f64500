"""What a node needs to know to open the next height: the bridge from committed state to `consensus`."""

from __future__ import annotations

from consensus.block import genesis_parent
from consensus.effects import HeightContext, Parent, Timing
from contracts import api
from contracts.genesis import ConsensusParams, DevnetClock
from contracts.state import State
from node.leaders import Leaders
from node.ledger.ledger import Ledger
from node.rules import rule_set
from node.seats import Sets
from zk.codec import encode
from zk.merkle import EMPTY_ROOT

STEPPED_PRECISION_MS = 86_400_000
"""A clock that is stepped by hand reaches the nodes one after the other, so its steps must not look untimely."""


def timing_of(params: ConsensusParams, clock: DevnetClock | None) -> Timing:
    """Timing parameters in ledger time: a clock that runs n times as fast has bounds n times as wide."""
    precision, delay = params.precision_ms, params.message_delay_ms
    if clock is not None and clock.speed_ppm == 0:
        precision = STEPPED_PRECISION_MS
    elif clock is not None:
        speed = max(1, -(-clock.speed_ppm // 1_000_000))
        precision = min(precision * speed, STEPPED_PRECISION_MS)
        delay = min(delay * speed, STEPPED_PRECISION_MS)
    return Timing(params.target_block_ms, precision, delay)


def height_context(ledger: Ledger, sets: Sets, leaders: Leaders | None = None) -> HeightContext:
    """Context of the height after the ledger's newest one. `leaders` follows this ledger; None: read its window.

    Raises NodeError `rules.unknown`.
    """
    genesis, height, state = ledger.genesis, ledger.height, State(ledger, ledger.records)
    rules = api.rules(state)
    by = rule_set(ledger.rule_sets, rules.rule_set, height + 1)
    header = ledger.header(height)
    if header is None:
        parent = genesis_parent(ledger.block_id(0), genesis.time_ms, sets(0))
    else:
        parent = Parent(
            block_id=ledger.block_id(height),
            time_ms=header.time_ms,
            state_root=header.state_root,
            carried=header.payload_root != EMPTY_ROOT or header.evidence_root != EMPTY_ROOT,
            validators=sets(height),
            certificate=ledger.certificate(height),
        )
    return HeightContext(
        chain_id=ledger.chain_id,
        version=rules.rule_set,
        height=height + 1,
        validators=sets(height + 1),
        proposers=(leaders or Leaders(ledger, sets)).proposers(),
        mix=ledger.mix,
        next_set_hash=sets(height + 2).hash,
        params_hash=rules.params.hash(ledger.chain_id, encode(rules.consensus)),
        timing=timing_of(rules.consensus, genesis.devnet_clock),
        parent=parent,
        state_root=ledger.state_root,
        receipts_root=ledger.receipts_root,
        earliest_deadline_ms=by.earliest_deadline_ms(state, rules.params),
        phase_open=by.phase_open(state),
    )
