"""Taking in proposals and blocks: which are kept, and what is known to be wrong with them.

A block is judged once, by its id; a proposal is judged apart from its block. Refuses by `Refused` effects and
never votes: an invalid proposal is kept too, because the answer to it is a nil prevote.
"""

from __future__ import annotations

from msgspec.structs import replace

from consensus.block import check_commitments, check_proposal, check_validity
from consensus.effects import Effect, HeightContext, Refused, ReportConflict
from consensus.messages import Block, Proposal
from consensus.refusals import Refusal
from consensus.state import PROPOSALS_PER_ROUND, Candidate, Received, State, prune_candidates
from consensus.tally import PAST_ROUNDS

Effects = list[Effect]


def record_proposal(
    state: State, context: HeightContext, proposal: Proposal, received_ms: int, effects: Effects
) -> State:
    """Keep a well-formed proposal of its proposer, within the bounds on rounds and contradictions."""
    known = state.proposals.get(proposal.round, ())
    block_id = proposal.block.header.id()
    for received in known:
        if (received.block_id, received.proposal.valid_round) == (block_id, proposal.valid_round):
            return state
    if known:
        effects.append(ReportConflict(known[0].proposal, proposal))
    if len(known) >= PROPOSALS_PER_ROUND:
        refuse(effects, "consensus.conflict", f"round {proposal.round}", proposal.proposer)
        return state
    if proposal.round < state.round - PAST_ROUNDS:
        refuse(effects, "consensus.past-round", f"{proposal.round}, here {state.round}", proposal.proposer)
        return state
    if proposal.round > state.round:
        room = _make_room(state, proposal)
        if room is None:
            refuse(effects, "consensus.future-round", f"{proposal.round}", proposal.proposer)
            return state
        state = room
    state = record_block(state, context, proposal.block, block_id, effects)
    if block_id not in state.candidates:
        return state
    refusal = None
    try:
        check_proposal(proposal, context, received_ms)
    except Refusal as refused:
        refusal = refused.code
        effects.append(Refused(refused.code, refused.reason, proposal.proposer))
    # The id may have come before with another body on it: what is kept is the body that matches.
    own_body = replace(proposal, block=state.candidates[block_id].block)
    entry = Received(own_body, block_id, refusal)
    return replace(state, proposals={**state.proposals, proposal.round: (*known, entry)})


def _make_room(state: State, proposal: Proposal) -> State | None:
    """Of each proposer only the newest future round is kept: blocks are large. None when this is older."""
    ahead = [
        number
        for number, kept in state.proposals.items()
        if number > state.round and kept[0].proposal.proposer == proposal.proposer
    ]
    if not ahead or ahead == [proposal.round]:
        return state
    if max(ahead) > proposal.round:
        return None
    kept_rounds = {number: kept for number, kept in state.proposals.items() if number not in ahead}
    return prune_candidates(replace(state, proposals=kept_rounds))


def record_block(state: State, context: HeightContext, block: Block, block_id: bytes, effects: Effects) -> State:
    """Keep a block, valid or not, provided that its body is its own."""
    if block_id in state.candidates:
        return state
    refusal = None
    try:
        check_commitments(block)
    except Refusal as refused:
        effects.append(Refused(refused.code, refused.reason, block.header.proposer))
        return state
    try:
        check_validity(block, context)
    except Refusal as refused:
        refusal = refused.code
        effects.append(Refused(refused.code, refused.reason, block.header.proposer))
    state = replace(state, candidates={**state.candidates, block_id: Candidate(block, refusal)})
    report_invalid_decision(state, effects)
    return state


def report_invalid_decision(state: State, effects: Effects) -> None:
    """L50 can't be false while more than 2/3 are correct: then this node does not decide, and says so."""
    candidate = None if state.commit is None else state.candidates.get(state.commit.block_id)
    if candidate is not None and candidate.refusal is not None:
        refuse(effects, "consensus.decided-invalid", candidate.refusal)


def refuse(effects: Effects, code: str, seen: str = "", sender: str = "") -> None:
    """Say that something was dropped, by a code of `consensus.refusals` and what was seen."""
    effects.append(Refused(code, Refusal(code, seen).reason, sender))
