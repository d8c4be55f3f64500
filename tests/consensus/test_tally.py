"""Votes are counted once, thresholds reported once, memory stays bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.messages import NO_ROUND, Vote, VoteType
from consensus.quorum import is_quorum, is_skip
from consensus.tally import FUTURE_ROUNDS_PER_VOTER, PAST_ROUNDS, Kind, Tally, add, prune
from consensus.validators import ValidatorSet
from tests.consensus.height import HEIGHT, NAMES, PRECOMMIT, PREVOTE, make_set
from zk.hashing import sha256

A, B = sha256(b"a"), sha256(b"b")
SET = make_set()
WEIGHED = make_set(powers=(5, 3, 2, 1), flagged=("bob",))


def cast(voter: str, kind: VoteType, round_: int, block_id: bytes | None, valid_round: int = NO_ROUND) -> Vote:
    """An unsigned vote: the tally never looks at signatures."""
    return Vote(kind, HEIGHT, round_, block_id, valid_round, voter, b"")


def count(votes: list[Vote], validators: ValidatorSet = SET, current: int = 0) -> tuple[Tally, list[Kind]]:
    """Count in order; all thresholds reported on the way."""
    tally = Tally()
    kinds: list[Kind] = []
    for vote in votes:
        added = add(tally, vote, current, validators)
        tally = added.tally
        kinds += added.reached
    return tally, kinds


votes_of_a_round = st.lists(
    st.builds(
        cast,
        st.sampled_from(NAMES),
        st.sampled_from((PREVOTE, PRECOMMIT)),
        st.just(3),
        st.sampled_from((None, A, B)),
    ),
    max_size=20,
)


@pytest.mark.properties
@given(votes=votes_of_a_round, validators=st.sampled_from((SET, WEIGHED)))
def test_against_a_naive_count(votes: list[Vote], validators: ValidatorSet) -> None:
    """The first vote of each (voter, type) counts, and each threshold that holds in the end was reported once."""
    tally, kinds = count(votes, validators, current=3)
    first: dict[tuple[str, VoteType], Vote] = {}
    for vote in votes:
        first.setdefault((vote.voter, vote.kind), vote)
    total = validators.total_power

    def power(matching: list[Vote]) -> int:
        return sum(validators.counted_power(name) for name in {vote.voter for vote in matching})

    of = {kind: [vote for vote in first.values() if vote.kind == kind] for kind in (PREVOTE, PRECOMMIT)}
    expected = []
    for value in (A, B):
        if is_quorum(power([vote for vote in of[PREVOTE] if vote.block_id == value]), total):
            expected.append(Kind.POLKA)
        if is_quorum(power([vote for vote in of[PRECOMMIT] if vote.block_id == value]), total):
            expected.append(Kind.COMMIT)
    if is_quorum(power([vote for vote in of[PREVOTE] if vote.block_id is None]), total):
        expected.append(Kind.POLKA_NIL)
    if is_quorum(power(of[PREVOTE]), total):
        expected.append(Kind.PREVOTES_ANY)
    if is_quorum(power(of[PRECOMMIT]), total):
        expected.append(Kind.PRECOMMITS_ANY)
    if is_skip(power(list(first.values())), total):
        expected.append(Kind.SKIP)
    assert sorted(kinds) == sorted(expected)
    held = tally.round(3)
    assert {**held.prevotes, **held.precommits}.keys() == {vote.voter for vote in votes}


def test_a_second_vote_is_returned_with_the_first_and_not_counted() -> None:
    first = cast("ann", PREVOTE, 0, A)
    tally, _ = count([first])
    for second in (cast("ann", PREVOTE, 0, B), cast("ann", PREVOTE, 0, None)):
        added = add(tally, second, 0, SET)
        assert added.conflict == first
        assert added.tally == tally
        assert not added.reached


def test_another_valid_round_contradicts() -> None:
    first = cast("ann", PREVOTE, 5, A, 1)
    tally, _ = count([first], current=5)
    assert add(tally, cast("ann", PREVOTE, 5, A, 2), 5, SET).conflict == first


def test_a_repeated_vote_is_a_duplicate() -> None:
    tally, _ = count([cast("ann", PREVOTE, 0, A)])
    added = add(tally, cast("ann", PREVOTE, 0, A), 0, SET)
    assert added.duplicate and added.tally == tally and not added.reached


def test_prevotes_add_up_only_with_equal_valid_round() -> None:
    mixed = [cast("ann", PREVOTE, 5, A, 1), cast("bob", PREVOTE, 5, A, 1), cast("cyd", PREVOTE, 5, A, 2)]
    assert Kind.POLKA not in count(mixed, current=5)[1]
    assert Kind.POLKA in count([*mixed, cast("dan", PREVOTE, 5, A, 1)], current=5)[1]


def test_a_flagged_seat_never_counts() -> None:
    flagged = make_set(flagged=("dan",))
    three = [cast(name, PREVOTE, 0, A) for name in ("ann", "bob", "dan")]
    assert count(three, flagged)[1] == [Kind.SKIP]
    assert Kind.POLKA in count([*three, cast("cyd", PREVOTE, 0, A)], flagged)[1]


def test_a_voter_is_present_once_however_it_votes() -> None:
    both = [cast("ann", PREVOTE, 4, A), cast("ann", PRECOMMIT, 4, A)]
    tally, kinds = count(both)
    assert Kind.SKIP not in kinds
    assert tally.skip_target(0, SET.total_power) is None
    assert count([*both, cast("bob", PREVOTE, 4, None)])[0].skip_target(0, SET.total_power) == 4


@pytest.mark.properties
@given(rounds=st.lists(st.integers(0, 2**31 - 1), max_size=40), current=st.integers(0, 40))
def test_one_voter_can_not_fill_the_memory(rounds: list[int], current: int) -> None:
    tally = Tally()
    for round_ in rounds:
        tally = add(tally, cast("dan", PREVOTE, round_, None), current, SET).tally
        ahead = [number for number in tally.rounds if number > current]
        assert len(ahead) <= FUTURE_ROUNDS_PER_VOTER
        assert len(tally.rounds) <= FUTURE_ROUNDS_PER_VOTER + PAST_ROUNDS + 1
    newest = sorted({number for number in rounds if number > current})[-FUTURE_ROUNDS_PER_VOTER:]
    assert [number for number in sorted(tally.rounds) if number > current] == newest


def test_a_flood_of_one_voter_does_not_displace_others() -> None:
    tally, _ = count([cast("ann", PREVOTE, 7, A)])
    for round_ in range(5, 50):
        tally = add(tally, cast("dan", PREVOTE, round_, B), 0, SET).tally
    assert tally.round(7).prevotes.keys() == {"ann"}
    assert tally.round(7).present == 1
    assert tally.round(7).chosen == {(PREVOTE, A, NO_ROUND): 1}


def test_rounds_far_behind_are_refused_and_forgotten() -> None:
    tally, _ = count([cast("ann", PREVOTE, 0, A)])
    assert add(tally, cast("bob", PREVOTE, 0, A), PAST_ROUNDS + 1, SET).refused == "consensus.past-round"
    assert add(tally, cast("bob", PREVOTE, 0, A), PAST_ROUNDS, SET).refused is None
    assert prune(tally, PAST_ROUNDS).rounds
    assert not prune(tally, PAST_ROUNDS + 1).rounds
