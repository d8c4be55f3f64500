"""Every buffer of one replica against its maximum. `docs/limits.md` has the same list, with what happens when full."""

from __future__ import annotations

from consensus.messages import MAX_PAYLOAD
from consensus.state import MAX_POLKAS, PROPOSALS_PER_ROUND
from consensus.tally import FUTURE_ROUNDS_PER_VOTER, PAST_ROUNDS
from node import evidence, inbox, transactions
from node.peer.wire import LIMITS, Frame
from node.replica import Replica
from node.sync import WINDOW


def check_bounds(replica: Replica) -> None:
    """AssertionError with the first buffer that is beyond its maximum."""
    seats = len(replica.ledger.genesis.validators)
    state, flow, box, pool = replica.machine, replica.flow, replica._inbox, replica.flow.mempool
    tracked = PAST_ROUNDS + 1
    # Consensus.
    assert len(state.tally.rounds) <= tracked + FUTURE_ROUNDS_PER_VOTER * seats
    assert all(len(votes.prevotes) <= seats for votes in state.tally.rounds.values())
    assert len(state.proposals) <= tracked + seats
    assert all(len(kept) <= PROPOSALS_PER_ROUND for kept in state.proposals.values())
    candidates = PROPOSALS_PER_ROUND * (tracked + seats) + 3
    assert len(state.candidates) <= candidates
    assert len(state.polkas) <= MAX_POLKAS
    assert len(state.asked) <= 3 * tracked
    assert len(state.signed) <= 3 * tracked
    # Frames before the machine.
    assert len(box._seen) <= inbox.MAX_SEEN
    assert sum(map(len, box._seen)) == box._seen_bytes <= inbox.MAX_SEEN_BYTES
    for peer, waiting in box._waiting.items():
        assert len(waiting) <= inbox.MAX_WAITING
        assert sum(map(len, waiting)) == box._waiting_bytes[peer] <= inbox.MAX_WAITING_BYTES
    assert len(box._verified) <= inbox.MAX_VERIFIED + seats
    # Transactions.
    assert flow._blocks.keys() <= state.candidates.keys()
    assert flow._missing.keys() <= flow._blocks.keys()
    assert all(len(gathering.missing) <= MAX_PAYLOAD for gathering in flow._missing.values())
    assert len(flow._verifying) <= transactions.MAX_UNVERIFIED + MAX_PAYLOAD * len(flow._missing)
    assert len(flow._proving) <= transactions.MAX_UNVERIFIED
    assert len(flow._guests) <= len(pool)
    one_answer = LIMITS[Frame.TRANSACTION_RESPONSE].body_bytes
    gathered = len(flow._blocks) * (transactions.MAX_BLOCK_BYTES + one_answer)
    assert pool.size <= pool.limits.size + gathered
    assert len(pool) <= pool.limits.transactions + MAX_PAYLOAD * len(flow._blocks)
    # Sync and evidence.
    plan = replica.catch_up.plan
    assert len(plan._held) <= WINDOW
    assert plan.heights.keys() <= set(replica.ledger.genesis.validators)
    assert plan.requests.keys() <= set(replica.ledger.genesis.validators)
    assert len(replica.evidence) <= evidence.MAX_PENDING
    assert not replica._events
    assert len(replica.work._jobs) <= transactions.MAX_UNVERIFIED + 2
