"""The private readings of the bench: what is handed in is what the ledger takes, in the order in which it is."""

from __future__ import annotations

from pathlib import Path

from contracts import api
from contracts.envelope import CODEC
from contracts.state import State
from devnet.bench import private, site


def test_what_is_prepared_is_taken_once_the_cycle_is_over(tmp_path: Path) -> None:
    plan = site.found(tmp_path, private.NODES, 2, 2, private.private)
    genesis = plan.genesis
    prepared = [private.prepare(plan, meter) for meter in genesis.meters]
    state = State(api.genesis_records(genesis))
    params = genesis.params
    at_ms = genesis.time_ms
    blocks = [
        (at_ms, [private._note_key(plan), *(one.reading for one in prepared)]),
        (at_ms + params.interval_ms + params.close_grace_ms, [one.use for one in prepared]),
    ]
    for height, (time_ms, raws) in enumerate(blocks, start=1):
        context = api.BlockContext(genesis.chain_id(), height, time_ms, params, genesis.consensus, "node-1")
        api.open_block(state, context)
        assert {api.apply(state, CODEC.decode(raw), context).code for raw in raws} == {"ok"}
        api.close_block(state, context)
