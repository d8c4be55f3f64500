"""The consensus machine of one node: `step(state, input) -> (state, effects)`.

Tendermint at the level of a height: idles until there is a reason for a block, collects messages, feeds
`consensus.round` through `consensus.multiplexer`, and asks for signatures, timers, blocks and payloads by
effects. Pure: the same inputs give the same effects, so a log of inputs is the whole recovery story. Verifies
no signature and never signs twice for one (height, round, step).

Life of a height: `StartHeight` -> idle -> `Wake` or any message of the height -> rounds -> `Decide` ->
`StartHeight`.
"""

from __future__ import annotations

from msgspec.structs import replace

from consensus import conflicts, facts, multiplexer, tally
from consensus import round as algorithm
from consensus.certificates import (
    check_message,
    commit_certificate,
    extend_commit,
    polka_certificate,
    votes_of,
)
from consensus.effects import (
    Broadcast,
    BuildValue,
    CheckPayload,
    Decide,
    HeightContext,
    Input,
    MissingBlock,
    PayloadChecked,
    Refused,
    ReportConflict,
    Schedule,
    Sign,
    Signed,
    StartHeight,
    Step,
    Timeout,
    ValueBuilt,
    Wake,
)
from consensus.effects import Received as ReceivedInput
from consensus.intake import Effects, record_block, record_proposal, refuse, report_invalid_decision
from consensus.messages import (
    NO_ROUND,
    Block,
    Commit,
    CommitCertificate,
    Message,
    PolkaCertificate,
    Proposal,
    RoundCertificate,
    Vote,
    VoteType,
)
from consensus.rebroadcast import rebroadcast
from consensus.refusals import Refusal
from consensus.round import (
    CastPrecommit,
    CastPrevote,
    DecideOn,
    EnterRound,
    NeedValue,
    ProposeAgain,
    RoundInput,
    StartRound,
    StartTimer,
    TimedOut,
)
from consensus.state import (
    PROPOSALS_PER_ROUND,
    State,
    prune_rounds,
    with_polka,
)
from consensus.tally import Kind
from consensus.timing import timeout_ms


def initial(node_id: str | None) -> State:
    """A machine that waits for its first `StartHeight`. `node_id` None follows and decides without
    signing."""
    return State(node_id)


def step(state: State, input_: Input) -> tuple[State, Effects]:
    """One transition. Never raises on any input of the declared types; what is dropped says so by
    `Refused`."""
    effects: Effects = []
    context = state.context
    if isinstance(input_, StartHeight):
        return _start_height(state, input_.context, effects), effects
    if context is None:
        refuse(effects, "consensus.not-started")
        return state, effects
    match input_:
        case ReceivedInput(message, received_ms):
            state = _receive(state, context, message, received_ms, effects)
        case Signed(message, at_ms):
            state = _accept_signed(state, context, message, at_ms, effects)
        case Wake(height) if height == context.height and state.core is None:
            state = _enter_round(state, context, 0, effects)
        case Timeout(step_, height, round_) if height == context.height:
            state = _time_out(state, context, step_, round_, effects)
        case PayloadChecked(height, block_id, ok) if height == context.height:
            state = _record_payload(state, context, block_id, ok, effects)
        case ValueBuilt(height, round_, block) if height == context.height:
            state = _propose_built(state, context, round_, block, effects)
        case _:
            # An answer or a timer of another height: normal, and of no use.
            pass
    return state, effects


def is_redundant(state: State, message: Message) -> bool:
    """Whether `step` would ignore `message` for what it already holds, so that its signatures need no
    verification."""
    if state.context is None or state.decided or state.core is None:
        return False
    match message:
        case Vote() if message.height == state.context.height:
            known = state.tally.round(message.round).of(message.kind).get(message.voter)
            return known == message
        case Proposal() if message.height == state.context.height:
            known_here = state.proposals.get(message.round, ())
            # A third of one round would be refused, whoever signed it how often.
            return len(known_here) >= PROPOSALS_PER_ROUND or any(
                received.proposal == message for received in known_here
            )
        case PolkaCertificate() if message.height == state.context.height:
            held = state.polkas.get(message.round)
            # One for another value holds votes that contradict counted ones.
            return held is not None and held.block_id == message.block_id
        case RoundCertificate() if message.height == state.context.height:
            return all(is_redundant(state, vote) for vote in message.votes)
        case _:
            return False


# Heights and rounds.


def _start_height(state: State, context: HeightContext, effects: Effects) -> State:
    known = state.context
    if known is not None and context.height <= known.height:
        refuse(effects, "consensus.height-order", f"{context.height} after {known.height}")
        return state
    certificate = context.parent.certificate
    if certificate is not None and state.commit is not None and _same_decision(certificate, state.commit):
        # Precommits that came after `Decide` are in the machine's copy only.
        certificate = state.commit
    return State(state.node_id, context, last_certificate=certificate)


def _enter_round(state: State, context: HeightContext, round_: int, effects: Effects) -> State:
    """L11, after a wake-up, a skip (L56) or a timeout (L67)."""
    core = state.core
    if core is None:
        core = algorithm.RoundState()
        state = _repeat_later(state, context, effects)
    is_proposer = context.proposers.proposer(round_).id == state.seat
    state = prune_rounds(replace(state, core=replace(core, round=round_)))
    state = _advance(state, context, StartRound(round_, is_proposer), effects)
    return _settle(state, context, effects)


def _settle(state: State, context: HeightContext, effects: Effects) -> State:
    """Feed the round machine until it has to wait for something new."""
    if state.core is None:
        return state
    while True:
        state = _request_payloads(state, effects)
        assert state.core is not None
        input_ = multiplexer.next_input(state.core, facts.view(state, context))
        if input_ is None:
            return state
        state = _advance(state, context, input_, effects)


def _advance(state: State, context: HeightContext, input_: RoundInput, effects: Effects) -> State:
    """One step of the round machine, and what it asks for."""
    assert state.core is not None
    core, outputs = algorithm.step(state.core, input_)
    state = replace(state, core=core)
    for output in outputs:
        match output:
            case NeedValue():
                effects.append(BuildValue(context.height, core.round, state.last_certificate))
            case ProposeAgain(block_id, valid_round):
                effects.append(Broadcast(state.polkas[valid_round]))
                state = _propose(state, context, state.candidates[block_id].block, valid_round, effects)
            case CastPrevote(block_id, valid_round):
                state = _vote(state, context, VoteType.PREVOTE, block_id, valid_round, effects)
            case CastPrecommit(block_id):
                if block_id is not None:
                    # Whoever missed some of these prevotes can still lock with us.
                    effects.append(Broadcast(state.polkas[core.round]))
                state = _vote(state, context, VoteType.PRECOMMIT, block_id, NO_ROUND, effects)
            case StartTimer(step_):
                duration = timeout_ms(context.timing, step_, core.round)
                effects.append(Schedule(step_, context.height, core.round, duration))
            case EnterRound(round_):
                state = _enter_round(state, context, round_, effects)
            case DecideOn(block_id):
                assert state.commit is not None and state.commit.block_id == block_id
                effects.append(Decide(state.candidates[block_id].block, state.commit))
    return state


# Messages.


def _receive(state: State, context: HeightContext, message: Message, received_ms: int, effects: Effects) -> State:
    try:
        check_message(message, context)
    except Refusal as refusal:
        effects.append(Refused(refusal.code, refusal.reason, _sender(message)))
        return state
    if isinstance(message, Vote) and message.height < context.height:
        return _receive_late_precommit(state, context, message, effects)
    if state.decided:
        return _receive_after_decision(state, context, message, effects)
    if state.core is None:
        # Somebody has a reason for a block at this height.
        state = _enter_round(state, context, 0, effects)
    match message:
        case Vote():
            state = _count(state, context, (message,), effects)
        case Proposal():
            state = record_proposal(state, context, message, received_ms, effects)
        case PolkaCertificate():
            if message.round not in state.polkas:
                state = with_polka(state, message)
            state = _count(state, context, votes_of(message, context.validators), effects)
        case RoundCertificate():
            if state.round_certificate is None or state.round_certificate.round < message.round:
                state = replace(state, round_certificate=message)
            state = _count(state, context, message.votes, effects)
        case Commit(certificate, block):
            if block is not None:
                state = record_block(state, context, block, certificate.block_id, effects)
            counted = state.tally.round(certificate.round).precommits.values()
            effects += conflicts.with_certificate(certificate, counted, context.validators)
            state = _commit(state, certificate, effects)
    return _settle(state, context, effects)


def _count(state: State, context: HeightContext, votes: tuple[Vote, ...] | list[Vote], effects: Effects) -> State:
    """Count votes of this height, and keep the certificates that they complete."""
    for vote in votes:
        added = tally.add(state.tally, vote, state.round, context.validators)
        if added.duplicate:
            continue
        if added.refused is not None:
            refuse(effects, added.refused, f"round {vote.round}, here {state.round}", vote.voter)
        if added.conflict is not None:
            effects.append(ReportConflict(added.conflict, vote))
        state = replace(state, tally=added.tally)
        counted = added.tally.round(vote.round)
        if Kind.POLKA in added.reached and vote.round not in state.polkas:
            polka = polka_certificate(counted.prevotes.values(), vote, context.validators)
            state = with_polka(state, polka)
        if Kind.COMMIT in added.reached:
            certificate = commit_certificate(counted.precommits.values(), vote, context.validators)
            state = _commit(state, certificate, effects)
        elif state.commit is not None:
            state = replace(state, commit=extend_commit(state.commit, vote, context.validators))
    return state


def _commit(state: State, certificate: CommitCertificate, effects: Effects) -> State:
    """L49: the height is decided; what is left is to have the block."""
    if state.commit is not None:
        return state
    state = replace(state, commit=certificate)
    if certificate.block_id not in state.candidates:
        effects.append(MissingBlock(certificate.height, certificate.block_id))
    report_invalid_decision(state, effects)
    return state


# Behind and ahead: votes that come after the decision.


def _receive_late_precommit(state: State, context: HeightContext, vote: Vote, effects: Effects) -> State:
    """A vote of the height below: more participation, or a sign that its voter has missed the decision."""
    if state.last_certificate is None:
        return state
    effects += conflicts.with_certificate(state.last_certificate, (vote,), context.parent.validators)
    extended = extend_commit(state.last_certificate, vote, context.parent.validators)
    if extended is not state.last_certificate:
        return replace(state, last_certificate=extended)
    return _answer(state, context, vote.voter, state.last_certificate, effects)


def _receive_after_decision(state: State, context: HeightContext, message: Message, effects: Effects) -> State:
    """The same between `Decide` and the next `StartHeight`."""
    effects += conflicts.after_decision(state, message, context.validators)
    if not isinstance(message, Vote) or state.commit is None:
        return state
    extended = extend_commit(state.commit, message, context.validators)
    if extended is not state.commit:
        return replace(state, commit=extended)
    return _answer(state, context, message.voter, state.commit, effects)


def _answer(
    state: State, context: HeightContext, voter: str, certificate: CommitCertificate, effects: Effects
) -> State:
    """Re-send the decision to somebody who still votes in its height; it asks for the block if it has none.

    Once per REBROADCAST period: the straggler repeats its votes as often, and a liar gains nothing.
    """
    if state.answered or voter == state.seat:
        return state
    effects.append(Broadcast(Commit(certificate, None)))
    return _repeat_later(replace(state, answered=True), context, effects)


def _repeat_later(state: State, context: HeightContext, effects: Effects) -> State:
    """Have a REBROADCAST timer running, one at a time."""
    if state.repeating:
        return state
    duration = timeout_ms(context.timing, Step.REBROADCAST, state.round)
    effects.append(Schedule(Step.REBROADCAST, context.height, state.round, duration))
    return replace(state, repeating=True)


# Own messages.


def _propose(state: State, context: HeightContext, block: Block, valid_round: int, effects: Effects) -> State:
    """L19, once per round."""
    if state.seat is None:
        return state
    proposal = Proposal(context.height, state.round, valid_round, block, state.seat, b"")
    return _ask_to_sign(state, (state.round, Step.PROPOSE), proposal, effects)


def _vote(
    state: State,
    context: HeightContext,
    kind: VoteType,
    block_id: bytes | None,
    valid_round: int,
    effects: Effects,
) -> State:
    if state.seat is None:
        return state
    vote = Vote(kind, context.height, state.round, block_id, valid_round, state.seat, b"")
    turn = Step.PREVOTE if kind == VoteType.PREVOTE else Step.PRECOMMIT
    return _ask_to_sign(state, (state.round, turn), vote, effects)


def _ask_to_sign(state: State, turn: tuple[int, Step], message: Proposal | Vote, effects: Effects) -> State:
    if turn in state.asked:
        return state
    effects.append(Sign(message))
    return replace(state, asked={**state.asked, turn: message})


def _accept_signed(
    state: State, context: HeightContext, message: Proposal | Vote, at_ms: int, effects: Effects
) -> State:
    """An own message is on disk with its signature: publish it, and treat it like anybody else's."""
    if message.height != context.height:
        return state
    turn = (message.round, _step_of(message))
    if turn in state.signed:
        return state
    if state.asked.get(turn) != replace(message, signature=b"") or len(message.signature) == 0:
        refuse(effects, "consensus.unasked", f"round {message.round}, {turn[1].name.lower()}")
        return state
    effects.append(Broadcast(message))
    state = replace(state, signed={**state.signed, turn: message})
    return _receive(state, context, message, at_ms, effects)


def _step_of(message: Proposal | Vote) -> Step:
    if isinstance(message, Proposal):
        return Step.PROPOSE
    return Step.PREVOTE if message.kind == VoteType.PREVOTE else Step.PRECOMMIT


def _propose_built(state: State, context: HeightContext, round_: int, block: Block, effects: Effects) -> State:
    """L18-L19: the driver's block, if the round still waits for it."""
    turn = (round_, Step.PROPOSE)
    core = state.core
    if core is None or state.decided or round_ != core.round or turn in state.asked:
        return state
    if core.step != Step.PROPOSE or context.proposers.proposer(round_).id != state.seat:
        return state
    if block.header.proposer_round != round_:
        refuse(
            effects,
            "consensus.proposer-round",
            f"{block.header.proposer_round} in round {round_}",
            state.seat,
        )
        return state
    block_id = block.header.id()
    recorded = record_block(state, context, block, block_id, effects)
    candidate = recorded.candidates.get(block_id)
    if candidate is None or candidate.refusal is not None:
        return state
    return _propose(recorded, context, block, NO_ROUND, effects)


# Payloads and time.


def _request_payloads(state: State, effects: Effects) -> State:
    """Ask for the payloads that the next step may depend on, each once: of this round's proposals, of blocks
    with a polka, of the decided block. Others, such as those of rounds far ahead, cost their sender nothing
    to make up."""
    assert state.core is not None
    wanted = [received.block_id for received in state.proposals.get(state.core.round, ())]
    wanted += [polka.block_id for polka in state.polkas.values()]
    if state.commit is not None:
        wanted.append(state.commit.block_id)
    for block_id in wanted:
        candidate = state.candidates.get(block_id)
        if candidate is None or candidate.requested or candidate.refusal is not None:
            continue
        effects.append(CheckPayload(candidate.block))
        asked = replace(candidate, requested=True)
        state = replace(state, candidates={**state.candidates, block_id: asked})
    return state


def _record_payload(state: State, context: HeightContext, block_id: bytes, ok: bool, effects: Effects) -> State:
    """A payload that is here stays here; one that was given up may still come."""
    candidate = state.candidates.get(block_id)
    if candidate is None or candidate.payload:
        return state
    checked = replace(candidate, payload=ok)
    state = replace(state, candidates={**state.candidates, block_id: checked})
    return _settle(state, context, effects)


def _time_out(state: State, context: HeightContext, step_: Step, round_: int, effects: Effects) -> State:
    if step_ == Step.REBROADCAST:
        return _repeat(replace(state, repeating=False, answered=False), context, effects)
    if state.core is None or state.decided or state.commit is not None:
        # Decided, the block may be on its way: there is nothing left to vote on.
        return state
    state = _advance(state, context, TimedOut(step_, round_), effects)
    return _settle(state, context, effects)


def _repeat(state: State, context: HeightContext, effects: Effects) -> State:
    """A REBROADCAST period is over; while the height is undecided, another begins."""
    if state.core is None or state.decided:
        return state
    effects.extend(rebroadcast(state, context))
    return _repeat_later(state, context, effects)


def _sender(message: Message) -> str:
    """Who signed, as far as one signer can be named."""
    match message:
        case Vote():
            return message.voter
        case Proposal():
            return message.proposer
        case _:
            return ""


def _same_decision(left: CommitCertificate, right: CommitCertificate) -> bool:
    return (left.height, left.round, left.block_id) == (right.height, right.round, right.block_id)
