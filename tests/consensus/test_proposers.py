"""Turns and reputation: exact against naive models, uniform in counts, and no way to silence a rival or to stall."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import islice, permutations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from consensus.messages import Header
from consensus.proposers import ACTIVE, FAILED, INACTIVE, Participation, leader_weights, participation, turn
from consensus.sampling import permutation
from consensus.validators import ValidatorSet
from tests.consensus.height import CHAIN, NAMES, commit_of, make_block, make_context, make_set
from zk.hashing import sha256

SEED = sha256(b"mix")
some_weights = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
powers = st.lists(st.integers(1, 2**40), min_size=4, max_size=9)


def naive_permutation(randomness: bytes, weights: list[int]) -> list[int]:
    """Tickets in a row, one per unit of weight; all tickets of the winner leave."""
    tickets = [position for position, weight in enumerate(weights) for _ in range(weight)]
    order, counter = [], 0
    while tickets:
        bits = format(int(sha256(randomness + counter.to_bytes(8, "big")).hex(), 16), "0256b")
        counter += 1
        number = int(bits[: len(format(len(tickets), "b"))], 2)
        if number < len(tickets):
            order.append(tickets[number])
            tickets = [ticket for ticket in tickets if ticket != order[-1]]
    return order


# Sampling


@pytest.mark.properties
@given(st.binary(max_size=40), some_weights)
def test_a_permutation_is_the_one_of_a_naive_draw(randomness: bytes, weights: list[int]) -> None:
    order = list(permutation(randomness, weights))
    assert order == naive_permutation(randomness, weights)
    assert sorted(order) == [position for position, weight in enumerate(weights) if weight]
    assert list(islice(permutation(randomness, weights), 1)) == order[:1]


def test_permutations_come_as_often_as_their_weights_say() -> None:
    """Chi-square over all 24 orders of four seats; the bound is exceeded once in 10,000 right samplers."""
    weights, draws = [1, 2, 3, 5], 12_000
    counts = Counter(tuple(permutation(b"draw" + number.to_bytes(4, "big"), weights)) for number in range(draws))
    chi_square = Fraction(0)
    for order in permutations(range(4)):
        expected, left = Fraction(draws), sum(weights)
        for position in order:
            expected *= Fraction(weights[position], left)
            left -= weights[position]
        chi_square += (counts[order] - expected) ** 2 / expected
    assert chi_square < Fraction("57.07")


@pytest.mark.parametrize("weights", [[1, -1], [-1], [2**255, 2**255]])
def test_impossible_weights_are_refused(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="weights are not negative"):
        list(permutation(b"", weights))


def test_the_greatest_weights_are_drawn() -> None:
    assert sorted(permutation(b"", [2**255 - 1, 2**254, 2**254])) == [0, 1, 2]
    assert list(permutation(b"", [])) == list(permutation(b"", [0, 0])) == []


# Turns


@pytest.mark.properties
@given(some_weights, st.integers(1, 2**48 - 1), st.integers(0, 2**31 - 20))
def test_every_seat_with_a_weight_has_one_turn_in_as_many_rounds(weights: list[int], height: int, start: int) -> None:
    seats = [position for position, weight in enumerate(weights) if weight]
    turns = [turn(SEED, CHAIN, height, start + round_, weights) for round_ in range(len(seats))]
    assert sorted(turns) == seats
    # So k dead ones waste at most k rounds, wherever one starts.
    for dead in range(len(seats)):
        assert next(waste for waste, seat in enumerate(turns) if seat not in seats[:dead]) <= dead


@pytest.mark.parametrize("height", [1, 9, 2**40])
def test_turns_are_those_of_the_rule(height: int) -> None:
    """By an independent encoder: whoever changes this changes who may propose, which takes a new rule set."""
    weights = [10, 4, 3, 0, 2]
    order = naive_permutation(b"gridpact/1/proposer/test-chain/" + msgpack.packb((SEED, height)), weights)
    assert [turn(SEED, CHAIN, height, round_, weights) for round_ in range(8)] == order * 2


def test_turns_depend_on_seed_chain_and_height() -> None:
    def first(seed: bytes, chain_id: str, height: int) -> list[int]:
        return [turn(seed, chain_id, height, round_, [1] * 12) for round_ in range(12)]

    asked = [(SEED, CHAIN, 1), (SEED, CHAIN, 2), (SEED, "other", 1), (sha256(SEED), CHAIN, 1)]
    assert len({tuple(first(*each)) for each in asked}) == len(asked)


def test_first_turns_are_shared_by_weight() -> None:
    """Chi-square over the proposers of round 0 of 6,000 heights, 1 in 10,000."""
    weights, heights = [375, 375, 200, 50], 6_000
    counts = Counter(turn(SEED, CHAIN, height, 0, weights) for height in range(heights))
    expected = [Fraction(heights * weight, 1000) for weight in weights]
    assert sum((counts[seat] - each) ** 2 / each for seat, each in enumerate(expected)) < Fraction("21.1")


@pytest.mark.parametrize("weights", [[], [0], [0, 0, 0]])
def test_nobody_to_propose_is_an_error(weights: list[int]) -> None:
    with pytest.raises(ValueError):
        turn(SEED, CHAIN, 1, 0, weights)


# Reputation


def heights(
    proposer: str, count: int, failed: tuple[str, ...] = (), voters: tuple[str, ...] = ()
) -> list[Participation]:
    return [Participation(proposer, failed, voters)] * count


def multipliers(validators: ValidatorSet, window: list[Participation]) -> list[Fraction]:
    """Weight per power."""
    weights = leader_weights(validators, window)
    return [Fraction(weight, seat.power) for weight, seat in zip(weights, validators.seats, strict=True)]


def naive_multipliers(validators: ValidatorSet, window: list[Participation]) -> list[int]:
    """The rule in words, with the floor raised one by one."""
    values = []
    for seat in validators.seats:
        failures = sum(height.failed.count(seat.id) for height in window)
        blocks = sum(height.proposer == seat.id for height in window)
        if failures and Fraction(failures, failures + blocks) > Fraction(1, 10):
            values.append(FAILED)
        else:
            values.append(ACTIVE if blocks or any(seat.id in height.voters for height in window) else INACTIVE)
    floor = 0
    while True:
        raised = [max(value, floor) for value in values]
        total = sum(seat.power * value for seat, value in zip(validators.seats, raised, strict=True))
        if all(
            Fraction(seat.power * value, total) >= Fraction(5, 100) * Fraction(seat.power, validators.total_power)
            for seat, value in zip(validators.seats, raised, strict=True)
        ):
            return raised
        floor += 1


names = st.sampled_from([*NAMES, "eve"])
windows = st.lists(
    st.builds(
        Participation,
        names,
        st.lists(names, unique=True, max_size=3).map(tuple),
        st.lists(names, unique=True, max_size=4).map(tuple),
    ),
    max_size=40,
)


@pytest.mark.properties
@given(st.lists(st.integers(1, 2**40), min_size=4, max_size=4), windows)
def test_weights_are_those_of_a_naive_model(power: list[int], window: list[Participation]) -> None:
    validators = make_set(NAMES, power)
    assert multipliers(validators, window) == naive_multipliers(validators, window)
    assert leader_weights(validators, window) == leader_weights(validators, window[::-1])


def test_each_kind_of_seat_has_its_weight() -> None:
    """One active member among many who were silent, so that the floor is low."""
    validators = make_set([f"n{number:02}" for number in range(20)], [1] * 20)
    assert multipliers(validators, heights("stranger", 1, failed=("n01",))) == [10, 1, *[10] * 18]
    window = heights("n00", 1, failed=("n01",))
    assert multipliers(validators, window) == [1000, 3, *[10] * 18]  # 1 would be less than 5% of the mean, 59.7
    assert multipliers(validators, [*window, *heights("n01", 9)])[1] == ACTIVE  # 1 of 10 is not more than 10%
    assert multipliers(validators, [*window, *heights("n01", 8)])[1] < ACTIVE
    assert multipliers(validators, heights("n00", 1, voters=("n05",)))[5] == ACTIVE
    assert multipliers(validators, []) == [INACTIVE] * 20
    assert multipliers(validators, heights("stranger", 3, failed=("nobody",))) == [INACTIVE] * 20


@pytest.mark.properties
@given(powers, st.data())
def test_a_cartel_that_votes_nil_leaves_a_rival_its_floor(power: list[int], data: st.DataObject) -> None:
    members = [f"n{number}" for number in range(len(power))]
    validators = make_set(members, power)
    rivals = data.draw(st.lists(st.sampled_from(members), unique=True, max_size=len(members) - 1))
    cartel = [member for member in members if member not in rivals]
    window = [Participation(member, tuple(rivals), tuple(cartel)) for member in cartel for _ in range(20)]
    weights = leader_weights(validators, window)
    for seat, weight in zip(validators.seats, weights, strict=True):
        assert Fraction(weight, sum(weights)) >= Fraction(5, 100) * Fraction(seat.power, validators.total_power)


def test_a_flagged_seat_has_no_turn() -> None:
    validators = make_set(flagged=["cyd"])
    weights = leader_weights(validators, heights("cyd", 5, voters=NAMES))
    assert weights[2] == 0 and all(weights[seat] for seat in (0, 1, 3))
    assert {turn(SEED, CHAIN, 1, round_, weights) for round_ in range(12)} == {0, 1, 3}


def decided(round_: int, height: int, voters: tuple[str, ...], proposer: str = "ann") -> tuple[Header, list[str]]:
    """A header that names `round_`, and the signers of its certificate."""
    header = make_block(make_context(height=height), 0).header
    return replace(header, height=height, proposer=proposer, proposer_round=round_), list(voters)


@pytest.mark.parametrize("round_", [0, 1, 3, 4, 2**31 - 1])
def test_a_block_shows_who_proposed_who_voted_and_whose_turn_had_passed(round_: int) -> None:
    validators, weights = make_set(), [5, 1, 7, 2]
    header, voters = decided(round_, 8, ("dan", "bob", "cyd"))
    certificate = commit_of(voters, validators, header.id(), round_, 8)
    shown = participation(header, certificate, validators, SEED, weights)
    passed = [NAMES[turn(SEED, CHAIN, 8, before, weights)] for before in range(min(round_, 4))]
    assert shown == Participation("ann", tuple(passed), ("bob", "cyd", "dan"))


def test_a_dead_proposer_costs_a_round_at_first_and_almost_none_later() -> None:
    """Four equal seats, one dead, 600 heights; each height reads certificates up to two below, of the last 40."""
    validators, dead = make_set(), 3
    window: list[Participation] = []
    wasted = []
    for height in range(1, 601):
        weights = leader_weights(validators, window[-41:-1])
        round_ = next(r for r in range(5) if turn(SEED, CHAIN, height, r, weights) != dead)
        proposer = NAMES[turn(SEED, CHAIN, height, round_, weights)]
        header, voters = decided(round_, height, NAMES[:dead], proposer)
        certificate = commit_of(voters, validators, header.id(), round_, height)
        window.append(participation(header, certificate, validators, SEED, weights))
        wasted.append(round_)
    assert max(wasted) == 1
    assert sum(wasted[:40]) <= 4
    # Its floor is 5% of a quarter of the turns: 7 of 560.
    assert 1 <= sum(wasted[40:]) <= 20
