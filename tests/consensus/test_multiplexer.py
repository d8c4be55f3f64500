"""The truth table of `consensus.multiplexer`, row by row and over all combinations of small facts."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from consensus.effects import Step
from consensus.messages import PolkaCertificate
from consensus.multiplexer import Commitment, Seen, Standing, View, next_input
from consensus.round import (
    Committed,
    EarlierPolka,
    Mark,
    Polka,
    PolkaNil,
    PrecommitsAny,
    PrevotesAny,
    Proposed,
    ProposedAgain,
    ProposedInvalid,
    RoundInput,
    RoundState,
    Skip,
    step,
)
from tests.consensus.height import HEIGHT
from zk.hashing import sha256

A, B = sha256(b"a"), sha256(b"b")
ROUND = 3
VALID, PENDING, INVALID = Standing.VALID, Standing.PENDING, Standing.INVALID
STEPS = (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT)


def at(step_: Step, **marks: object) -> RoundState:
    return replace(RoundState(round=ROUND, step=step_), **marks)


def polka(round_: int, block_id: bytes, valid_round: int = -1) -> dict[int, PolkaCertificate]:
    return {round_: PolkaCertificate(HEIGHT, round_, block_id, valid_round, ())}


FRESH = (Seen(A, -1, VALID),)
AGAIN = (Seen(A, 1, VALID),)
PROPOSE, PREVOTE, PRECOMMIT = STEPS

ROWS: list[tuple[str, RoundState, View, RoundInput | None]] = [
    ("1", at(PROPOSE), View(commit=Commitment(B, True)), Committed(B)),
    ("1 before 3", at(PRECOMMIT), View(commit=Commitment(B, True), skip_to=9), Committed(B)),
    ("2", at(PREVOTE), View(commit=Commitment(B, False), skip_to=9, polka_nil=True), None),
    ("3", at(PROPOSE), View(proposals=FRESH, skip_to=5), Skip(5)),
    ("3 only forward", at(PROPOSE), View(skip_to=ROUND), None),
    ("4 invalid", at(PROPOSE), View(proposals=(Seen(A, -1, INVALID),)), ProposedInvalid()),
    ("4 refused", at(PROPOSE), View(proposals=(Seen(A, -1, VALID, True),)), ProposedInvalid()),
    ("4 refused, payload pending", at(PROPOSE), View(proposals=(Seen(A, -1, PENDING, True),)), ProposedInvalid()),
    ("4 invalid repeated value", at(PROPOSE), View(proposals=(Seen(A, 1, INVALID),)), ProposedInvalid()),
    ("4 is over", at(PREVOTE), View(proposals=(Seen(A, -1, INVALID),)), None),
    ("5", at(PROPOSE), View(proposals=FRESH), Proposed(A)),
    ("5 payload pending", at(PROPOSE), View(proposals=(Seen(A, -1, PENDING),)), None),
    ("5 the first counts", at(PROPOSE), View(proposals=(*FRESH, Seen(B, -1, VALID))), Proposed(A)),
    ("5 is over", at(PRECOMMIT), View(proposals=FRESH), None),
    ("6", at(PROPOSE), View(proposals=AGAIN, polkas=polka(1, A)), ProposedAgain(A, 1)),
    ("6 any valid_round", at(PROPOSE), View(proposals=AGAIN, polkas=polka(1, A, 0)), ProposedAgain(A, 1)),
    ("6 no polka", at(PROPOSE), View(proposals=AGAIN), None),
    ("6 polka of another block", at(PROPOSE), View(proposals=AGAIN, polkas=polka(1, B)), None),
    ("6 polka of another round", at(PROPOSE), View(proposals=AGAIN, polkas=polka(2, A)), None),
    ("6 payload pending", at(PROPOSE), View(proposals=(Seen(A, 1, PENDING),), polkas=polka(1, A)), None),
    ("7 prevote", at(PREVOTE), View(proposals=FRESH, polkas=polka(ROUND, A)), Polka(A)),
    ("7 precommit", at(PRECOMMIT), View(proposals=FRESH, polkas=polka(ROUND, A)), Polka(A)),
    ("7 repeated value", at(PREVOTE), View(proposals=AGAIN, polkas=polka(ROUND, A, 1)), Polka(A)),
    ("7 used", at(PRECOMMIT, polka_used=True), View(proposals=FRESH, polkas=polka(ROUND, A)), None),
    ("7 other valid_round", at(PREVOTE), View(proposals=AGAIN, polkas=polka(ROUND, A, 0)), None),
    ("7 other block", at(PREVOTE), View(proposals=FRESH, polkas=polka(ROUND, B)), None),
    ("7 second proposal", at(PREVOTE), View(proposals=(*FRESH, Seen(B, -1, VALID)), polkas=polka(ROUND, B)), Polka(B)),
    ("7 untimely here", at(PREVOTE), View(proposals=(Seen(A, -1, VALID, True),), polkas=polka(ROUND, A)), Polka(A)),
    ("7 payload pending", at(PREVOTE), View(proposals=(Seen(A, -1, PENDING),), polkas=polka(ROUND, A)), None),
    ("7 not before prevoting", at(PROPOSE), View(proposals=(Seen(A, 1, VALID),), polkas=polka(ROUND, A, 1)), None),
    ("7 before 9", at(PREVOTE), View(proposals=FRESH, polkas=polka(ROUND, A), prevotes_any=True), Polka(A)),
    ("8", at(PREVOTE), View(polka_nil=True, prevotes_any=True), PolkaNil()),
    ("8 not before prevoting", at(PROPOSE), View(polka_nil=True), None),
    ("8 is over", at(PRECOMMIT), View(polka_nil=True), None),
    ("9", at(PREVOTE), View(prevotes_any=True), PrevotesAny()),
    ("9 used", at(PREVOTE, prevote_timer=True), View(prevotes_any=True), None),
    ("9 is over", at(PRECOMMIT), View(prevotes_any=True), None),
    *((f"10 {name.name}", at(name), View(precommits_any=True), PrecommitsAny()) for name in STEPS),
    ("10 used", at(PRECOMMIT, precommit_timer=True), View(precommits_any=True), None),
    ("11", at(PROPOSE), View(earlier=Mark(A, 1)), EarlierPolka(A, 1)),
    ("11 newer", at(PREVOTE, valid=Mark(B, 0)), View(earlier=Mark(A, 1)), EarlierPolka(A, 1)),
    ("11 older", at(PREVOTE, valid=Mark(B, 2)), View(earlier=Mark(A, 1)), None),
    ("11 known", at(PREVOTE, valid=Mark(A, 1)), View(earlier=Mark(A, 1)), None),
    ("11 of this round", at(PRECOMMIT), View(earlier=Mark(A, ROUND)), None),
    ("decided", at(PRECOMMIT, decided=True), View(commit=Commitment(A, True), precommits_any=True), None),
    ("nothing", at(PROPOSE), View(), None),
]


@pytest.mark.parametrize(("state", "view", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_row(state: RoundState, view: View, expected: RoundInput | None) -> None:
    assert next_input(state, view) == expected


def all_views() -> list[View]:
    proposals: list[tuple[Seen, ...]] = [
        (),
        *(
            (Seen(A, valid_round, standing, refused),)
            for valid_round in (-1, 1)
            for standing in Standing
            for refused in (False, True)
        ),
        (Seen(A, -1, VALID), Seen(B, -1, VALID)),
    ]
    polkas = [{}, polka(1, A), polka(ROUND, A), polka(ROUND, A, 1), polka(ROUND, B), {**polka(1, A), **polka(ROUND, B)}]
    flags = (False, True)
    return [
        View(seen, known, nil, votes, precommits, commit, skip, earlier)
        for seen, known, nil, votes, precommits, commit, skip, earlier in itertools.product(
            proposals,
            polkas,
            flags,
            flags,
            flags,
            (None, Commitment(A, False), Commitment(A, True)),
            (None, 5),
            (None, Mark(A, 1)),
        )
    ]


def test_every_input_is_wanted_and_changes_the_state_until_none_is_left() -> None:
    """Over all facts: whatever a row yields, the round machine acts on it, and no row holds for ever."""
    for view, step_ in itertools.product(all_views(), STEPS):
        state = at(step_)
        for _ in range(8):
            input_ = next_input(state, view)
            if input_ is None or isinstance(input_, Skip):
                break
            following, _ = step(state, input_)
            assert following != state, (step_, view, input_)
            state = following
        else:
            raise AssertionError(f"no end: {step_} {view}")
