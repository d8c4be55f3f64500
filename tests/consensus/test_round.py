"""Algorithm 1, arm by arm: what each line changes, and what it must leave alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.effects import Step
from consensus.round import (
    CastPrecommit,
    CastPrevote,
    Committed,
    DecideOn,
    EarlierPolka,
    EnterRound,
    Mark,
    NeedValue,
    Polka,
    PolkaNil,
    PrecommitsAny,
    PrevotesAny,
    ProposeAgain,
    Proposed,
    ProposedAgain,
    ProposedInvalid,
    RoundInput,
    RoundState,
    Skip,
    StartRound,
    StartTimer,
    TimedOut,
    step,
)
from zk.hashing import sha256

A, B = sha256(b"a"), sha256(b"b")
NIL = CastPrevote(None, -1)


def at(step_: Step, round_: int = 3, **fields: Any) -> RoundState:
    return replace(RoundState(round=round_, step=step_), **fields)


def locked_on(block_id: bytes, round_: int) -> dict[str, Any]:
    return {"locked": Mark(block_id, round_), "valid": Mark(block_id, round_)}


def test_l11_to_l21_start_round() -> None:
    state, outputs = step(RoundState(), StartRound(0, True))
    assert outputs == (StartTimer(Step.PROPOSE), NeedValue())
    state, outputs = step(state, StartRound(1, False))
    assert (state.round, state.step, outputs) == (1, Step.PROPOSE, (StartTimer(Step.PROPOSE),))
    known = at(Step.PRECOMMIT, **locked_on(A, 2), polka_used=True, prevote_timer=True, precommit_timer=True)
    state, outputs = step(known, StartRound(4, True))
    assert outputs == (StartTimer(Step.PROPOSE), ProposeAgain(A, 2))
    assert state == RoundState(round=4, step=Step.PROPOSE, **locked_on(A, 2))


def test_the_newest_valid_value_is_proposed_and_not_the_locked_one() -> None:
    state = at(Step.PRECOMMIT, locked=Mark(A, 0), valid=Mark(B, 2))
    started, outputs = step(state, StartRound(4, True))
    assert ProposeAgain(B, 2) in outputs
    assert (started.locked, started.valid) == (Mark(A, 0), Mark(B, 2))


@pytest.mark.parametrize(
    ("locked", "expected"),
    [(None, CastPrevote(A, -1)), (Mark(A, 1), CastPrevote(A, -1)), (Mark(B, 1), NIL)],
)
def test_l22_respects_the_lock(locked: Mark | None, expected: CastPrevote) -> None:
    state, outputs = step(at(Step.PROPOSE, locked=locked, valid=locked), Proposed(A))
    assert outputs == (expected,)
    assert state.step == Step.PREVOTE
    assert state.locked == locked


@pytest.mark.parametrize(
    ("locked", "expected"),
    [
        (None, CastPrevote(A, 1)),
        (Mark(B, 0), CastPrevote(A, 1)),
        (Mark(B, 1), CastPrevote(A, 1)),
        (Mark(B, 2), NIL),
        (Mark(A, 2), CastPrevote(A, 1)),
    ],
)
def test_l28_releases_a_lock_only_for_a_polka_as_new(locked: Mark | None, expected: CastPrevote) -> None:
    state, outputs = step(at(Step.PROPOSE, locked=locked, valid=locked), ProposedAgain(A, 1))
    assert outputs == (expected,)
    assert state.locked == locked, "prevoting does not move the lock"


def test_l28_needs_an_earlier_round() -> None:
    for valid_round in (-1, 3, 4):
        state = at(Step.PROPOSE)
        assert step(state, ProposedAgain(A, valid_round)) == (state, ())


def test_l36_locks_before_and_only_remembers_after_precommitting() -> None:
    state, outputs = step(at(Step.PREVOTE, **locked_on(B, 1)), Polka(A))
    assert outputs == (CastPrecommit(A),)
    assert (state.locked, state.valid, state.step) == (Mark(A, 3), Mark(A, 3), Step.PRECOMMIT)
    late, outputs = step(at(Step.PRECOMMIT, **locked_on(B, 1)), Polka(A))
    assert outputs == ()
    assert (late.locked, late.valid) == (Mark(B, 1), Mark(A, 3))
    early = at(Step.PROPOSE)
    assert step(early, Polka(A)) == (early, ())


def test_once_per_round() -> None:
    for state, input_ in (
        (at(Step.PREVOTE), PrevotesAny()),
        (at(Step.PREVOTE), Polka(A)),
        (at(Step.PRECOMMIT), Polka(A)),
        (at(Step.PROPOSE), PrecommitsAny()),
        (at(Step.PRECOMMIT), Committed(A)),
    ):
        after, _ = step(state, input_)
        assert after != state
        assert step(after, input_) == (after, ())


def test_l34_l44_l47_l55() -> None:
    assert step(at(Step.PREVOTE), PrevotesAny())[1] == (StartTimer(Step.PREVOTE),)
    state, outputs = step(at(Step.PREVOTE, **locked_on(A, 1)), PolkaNil())
    assert (outputs, state.step, state.locked) == ((CastPrecommit(None),), Step.PRECOMMIT, Mark(A, 1))
    for step_ in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        assert step(at(step_), PrecommitsAny())[1] == (StartTimer(Step.PRECOMMIT),)
        assert step(at(step_), Skip(7))[1] == (EnterRound(7),)
        assert step(at(step_), Skip(3))[1] == ()
        assert step(at(step_), Committed(A))[1] == (DecideOn(A),)


@pytest.mark.parametrize("round_", [2, 3, 4])
def test_l57_to_l67_timeouts_are_of_their_step_and_round(round_: int) -> None:
    mine = round_ == 3
    assert step(at(Step.PROPOSE), TimedOut(Step.PROPOSE, round_))[1] == ((NIL,) if mine else ())
    assert step(at(Step.PREVOTE), TimedOut(Step.PREVOTE, round_))[1] == ((CastPrecommit(None),) if mine else ())
    assert step(at(Step.PROPOSE), TimedOut(Step.PRECOMMIT, round_))[1] == ((EnterRound(4),) if mine else ())
    assert step(at(Step.PREVOTE), TimedOut(Step.PROPOSE, round_))[1] == ()
    assert step(at(Step.PRECOMMIT), TimedOut(Step.PREVOTE, round_))[1] == ()


def test_an_invalid_proposal_gets_nil() -> None:
    assert step(at(Step.PROPOSE), ProposedInvalid())[1] == (NIL,)
    assert step(at(Step.PREVOTE), ProposedInvalid())[1] == ()


def test_an_earlier_polka_never_locks() -> None:
    state, outputs = step(at(Step.PROPOSE, locked=Mark(B, 0), valid=Mark(B, 0)), EarlierPolka(A, 2))
    assert (outputs, state.locked, state.valid) == ((), Mark(B, 0), Mark(A, 2))
    assert step(state, EarlierPolka(B, 1)) == (state, ())
    assert step(state, EarlierPolka(B, 3)) == (state, ())


inputs = st.one_of(
    st.builds(Proposed, st.sampled_from((A, B))),
    st.builds(ProposedAgain, st.sampled_from((A, B)), st.integers(-1, 5)),
    st.just(ProposedInvalid()),
    st.just(PrevotesAny()),
    st.builds(Polka, st.sampled_from((A, B))),
    st.just(PolkaNil()),
    st.builds(EarlierPolka, st.sampled_from((A, B)), st.integers(0, 5)),
    st.just(PrecommitsAny()),
    st.builds(Committed, st.sampled_from((A, B))),
    st.builds(Skip, st.integers(0, 5)),
    st.builds(TimedOut, st.sampled_from((Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT)), st.integers(0, 5)),
)


@pytest.mark.properties
@given(sequence=st.lists(inputs, max_size=40))
def test_any_inputs_keep_the_invariants(sequence: list[RoundInput]) -> None:
    """One vote per (round, step), rounds and locks only move forward, one decision, nothing after it."""
    state, _ = step(RoundState(), StartRound(0, False))
    cast: set[tuple[int, str]] = set()
    decisions = 0
    for input_ in sequence:
        before = state
        state, outputs = step(state, input_)
        for output in outputs:
            if isinstance(output, CastPrevote | CastPrecommit):
                turn = (before.round, type(output).__name__)
                assert turn not in cast
                cast.add(turn)
            decisions += isinstance(output, DecideOn)
            if isinstance(output, EnterRound):
                assert output.round > before.round
                state, _ = step(state, StartRound(output.round, False))
        assert state.round >= before.round
        if before.locked is not None:
            assert state.locked is not None and state.locked.round >= before.locked.round
        if state.locked is not None:
            assert state.valid is not None and state.valid.round >= state.locked.round
        if before.decided:
            assert state == before and not outputs
    assert decisions <= 1
