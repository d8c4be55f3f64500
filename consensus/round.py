"""One height of Tendermint: Algorithm 1 of "The latest gossip on BFT consensus" (arXiv:1807.04938), lines 11
to 67.

`step(state, input) -> (state, outputs)` in one flat match; each arm cites the paper's lines. Values are block
ids. Inputs are facts that `consensus.multiplexer` has already established (a quorum, a valid proposal);
nothing here counts votes, knows peers, or looks at a block.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from consensus.effects import Step
from consensus.messages import NO_ROUND


class Mark(msgspec.Struct, frozen=True):
    """A block id and the round of its polka: a lock, or a valid value."""

    block_id: bytes
    round: int


class RoundState(msgspec.Struct, frozen=True):
    """Where this node stands in its height."""

    round: int = 0
    step: Step = Step.PROPOSE
    locked: Mark | None = None
    """lockedValue, lockedRound."""
    valid: Mark | None = None
    """validValue, validRound: the newest value known to have a polka."""
    polka_used: bool = False
    """L36 has fired in this round."""
    prevote_timer: bool = False
    """L34 has fired in this round."""
    precommit_timer: bool = False
    """L47 has fired in this round."""
    decided: bool = False


# Inputs.


class StartRound(msgspec.Struct, frozen=True):
    """Enter `round`; `proposer` says whether it is this node's turn."""

    round: int
    proposer: bool


class Proposed(msgspec.Struct, frozen=True):
    """A valid fresh value of this round."""

    block_id: bytes


class ProposedAgain(msgspec.Struct, frozen=True):
    """A valid value of this round that had its polka in `valid_round`, and the polka."""

    block_id: bytes
    valid_round: int


class ProposedInvalid(msgspec.Struct, frozen=True):
    """This round's proposal can't be prevoted."""


class PrevotesAny(msgspec.Struct, frozen=True):
    """More than 2/3 prevoted in this round."""


class Polka(msgspec.Struct, frozen=True):
    """More than 2/3 prevoted this valid proposal of this round."""

    block_id: bytes


class PolkaNil(msgspec.Struct, frozen=True):
    """More than 2/3 prevoted nil in this round."""


class EarlierPolka(msgspec.Struct, frozen=True):
    """More than 2/3 prevoted this valid block in an earlier round."""

    block_id: bytes
    round: int


class PrecommitsAny(msgspec.Struct, frozen=True):
    """More than 2/3 precommitted in this round."""


class Committed(msgspec.Struct, frozen=True):
    """More than 2/3 precommitted this valid block in some round."""

    block_id: bytes


class Skip(msgspec.Struct, frozen=True):
    """More than 1/3 has voted in this later round."""

    round: int


class TimedOut(msgspec.Struct, frozen=True):
    """The timer of this step of this round has run out."""

    step: Step
    round: int


RoundInput = (
    StartRound
    | Proposed
    | ProposedAgain
    | ProposedInvalid
    | PrevotesAny
    | Polka
    | PolkaNil
    | EarlierPolka
    | PrecommitsAny
    | Committed
    | Skip
    | TimedOut
)


# Outputs.


class NeedValue(msgspec.Struct, frozen=True):
    """Have a block built and propose it."""


class ProposeAgain(msgspec.Struct, frozen=True):
    """Propose the valid value."""

    block_id: bytes
    valid_round: int


class CastPrevote(msgspec.Struct, frozen=True):
    """Prevote a value with the proposal's valid_round, or nil."""

    block_id: bytes | None
    valid_round: int


class CastPrecommit(msgspec.Struct, frozen=True):
    """Precommit a value, or nil."""

    block_id: bytes | None


class StartTimer(msgspec.Struct, frozen=True):
    """Start this round's timer of one step."""

    step: Step


class EnterRound(msgspec.Struct, frozen=True):
    """Leave this round; answered by `StartRound`."""

    round: int


class DecideOn(msgspec.Struct, frozen=True):
    """This block is the height's decision."""

    block_id: bytes


RoundOutput = NeedValue | ProposeAgain | CastPrevote | CastPrecommit | StartTimer | EnterRound | DecideOn

Result = tuple[RoundState, tuple[RoundOutput, ...]]


def step(state: RoundState, input_: RoundInput) -> Result:
    """One transition. Input that no line of the algorithm waits for changes nothing."""
    if state.decided:
        return state, ()
    match input_:
        # L11-L21
        case StartRound(round_, proposer):
            return start_round(state, round_, proposer)
        # L22-L27
        case Proposed(block_id) if state.step == Step.PROPOSE:
            if state.locked is None or state.locked.block_id == block_id:
                return prevote(state, block_id, NO_ROUND)
            return prevote_nil(state)
        # L28-L33
        case ProposedAgain(block_id, valid_round) if state.step == Step.PROPOSE and 0 <= valid_round < state.round:
            locked = state.locked
            if locked is None or locked.round <= valid_round or locked.block_id == block_id:
                return prevote(state, block_id, valid_round)
            return prevote_nil(state)
        # L26, L32
        case ProposedInvalid() if state.step == Step.PROPOSE:
            return prevote_nil(state)
        # L34-L35
        case PrevotesAny() if state.step == Step.PREVOTE and not state.prevote_timer:
            return replace(state, prevote_timer=True), (StartTimer(Step.PREVOTE),)
        # L36-L43, before precommitting
        case Polka(block_id) if state.step == Step.PREVOTE and not state.polka_used:
            return lock_and_precommit(state, block_id)
        # L36, L42-L43, after precommitting
        case Polka(block_id) if state.step == Step.PRECOMMIT and not state.polka_used:
            return replace(state, polka_used=True, valid=Mark(block_id, state.round)), ()
        # L44-L46
        case PolkaNil() if state.step == Step.PREVOTE:
            return precommit_nil(state)
        # L42-L43 for a polka that arrives after its round: it never locks, but is worth proposing
        case EarlierPolka(block_id, round_) if round_ < state.round and (
            state.valid is None or state.valid.round < round_
        ):
            return replace(state, valid=Mark(block_id, round_)), ()
        # L47-L48
        case PrecommitsAny() if not state.precommit_timer:
            return replace(state, precommit_timer=True), (StartTimer(Step.PRECOMMIT),)
        # L49-L51
        case Committed(block_id):
            return replace(state, decided=True), (DecideOn(block_id),)
        # L55-L56
        case Skip(round_) if round_ > state.round:
            return state, (EnterRound(round_),)
        # L57-L60
        case TimedOut(Step.PROPOSE, round_) if round_ == state.round and state.step == Step.PROPOSE:
            return prevote_nil(state)
        # L61-L64
        case TimedOut(Step.PREVOTE, round_) if round_ == state.round and state.step == Step.PREVOTE:
            return precommit_nil(state)
        # L65-L67
        case TimedOut(Step.PRECOMMIT, round_) if round_ == state.round:
            return state, (EnterRound(state.round + 1),)
        case _:
            return state, ()


def start_round(state: RoundState, round_: int, proposer: bool) -> Result:
    """L11-L21. The proposer's own timer runs too: it may have nothing to propose."""
    started = RoundState(round=round_, locked=state.locked, valid=state.valid)
    timer = StartTimer(Step.PROPOSE)
    if not proposer:
        return started, (timer,)
    if state.valid is not None:
        return started, (timer, ProposeAgain(state.valid.block_id, state.valid.round))
    return started, (timer, NeedValue())


def prevote(state: RoundState, block_id: bytes, valid_round: int) -> Result:
    """L24, L27 and L30, L33."""
    return replace(state, step=Step.PREVOTE), (CastPrevote(block_id, valid_round),)


def prevote_nil(state: RoundState) -> Result:
    """L26-L27, L32-L33, L59-L60."""
    return replace(state, step=Step.PREVOTE), (CastPrevote(None, NO_ROUND),)


def lock_and_precommit(state: RoundState, block_id: bytes) -> Result:
    """L38-L43."""
    mark = Mark(block_id, state.round)
    locked = replace(state, step=Step.PRECOMMIT, locked=mark, valid=mark, polka_used=True)
    return locked, (CastPrecommit(block_id),)


def precommit_nil(state: RoundState) -> Result:
    """L45-L46, L63-L64."""
    return replace(state, step=Step.PRECOMMIT), (CastPrecommit(None),)
