"""Turns and reputation: exact against naive models, uniform in counts, and no way to silence a rival or to stall."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import islice, permutations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import proposers
from consensus.proposers import ACTIVE, FAILED, INACTIVE, Participation, Proposers, Record, draw, window_heights
from consensus.sampling import permutation
from consensus.validators import ValidatorSet
from tests.consensus.height import CHAIN, NAMES, make_set
from zk.hashing import sha256

SEED = sha256(b"mix")
some_weights = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
powers = st.lists(st.integers(1, 2**40), min_size=4, max_size=9)


def drawn(seed: bytes, chain_id: str, height: int, weights: list[int] | tuple[int, ...]) -> Proposers:
    """The proposers of as many seats as there are weights, `n000` and so on."""
    return draw(make_set([f"n{number:03}" for number in range(len(weights))]), seed, chain_id, height, weights)


def turn(seed: bytes, chain_id: str, height: int, round_: int, weights: list[int] | tuple[int, ...]) -> int:
    """Position of the proposer of (height, `round_`)."""
    return int(drawn(seed, chain_id, height, weights).proposer(round_).id[1:])


def leader_weights(
    validators: ValidatorSet, window: list[Participation], excluded: frozenset[str] = frozenset()
) -> tuple[int, ...]:
    """Weights by what these heights show."""
    return proposers.leader_weights(validators, Record(window), excluded)


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
    order = drawn(SEED, CHAIN, height, weights)
    turns = [int(order.proposer(start + round_).id[1:]) for round_ in range(len(seats))]
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


def test_first_turns_are_shared_by_weight_whatever_the_seed() -> None:
    """Chi-square over the seeds of 6,000 epochs, at one height, 1 in 10,000."""
    weights, epochs = [375, 375, 200, 50], 6_000
    counts = Counter(turn(sha256(b"%d" % epoch), CHAIN, 65, 0, weights) for epoch in range(epochs))
    expected = [Fraction(epochs * weight, 1000) for weight in weights]
    assert sum((counts[seat] - each) ** 2 / each for seat, each in enumerate(expected)) < Fraction("21.1")


def test_nobody_waits_long_for_its_first_turn() -> None:
    """Heights between two first turns of one of four equal seats; 60 are reached once in 6,000 such chains."""
    last, longest = [0] * 4, 0
    for height in range(1, 5_001):
        seat = turn(SEED, CHAIN, height, 0, [1] * 4)
        longest = max(longest, *(height - before for before in last))
        last[seat] = height
    assert 20 < longest < 60


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
    order = draw(validators, SEED, CHAIN, 1, weights)
    assert {order.proposer(round_).id for round_ in range(12)} == {"ann", "bob", "dan"}


@pytest.mark.properties
@given(some_weights, st.integers(0, 12) | st.just(2**31 - 1))
def test_passed_are_those_whose_turns_came_before_each_once(weights: list[int], round_: int) -> None:
    order = drawn(SEED, CHAIN, 8, weights)
    seats = sum(1 for weight in weights if weight)
    expected = [turn(SEED, CHAIN, 8, before, weights) for before in range(min(round_, seats))]
    assert order.passed(round_) == tuple(f"n{seat:03}" for seat in expected)
    assert len(set(order.passed(round_))) == len(expected)


def test_whose_turn_comes_twice_has_passed_once() -> None:
    one, other = make_set(["one", "other"]).seats
    order = Proposers(iter([one, other, one]), 3)
    assert [order.proposer(round_).id for round_ in (5, 1, 3)] == ["one", "other", "one"]
    assert order.passed(3) == order.passed(9) == ("one", "other")
    assert order.passed(0) == ()


def test_nobody_asks_for_more_turns_than_are_needed() -> None:
    """Permuting 250 seats costs more than drawing the first of them."""
    seats = iter(make_set().seats)
    Proposers(seats, 4).proposer(4)
    assert [seat.id for seat in seats] == ["bob", "cyd", "dan"]


@pytest.mark.properties
@given(windows, st.integers(0, 40))
def test_a_record_that_slides_is_one_of_its_window(window: list[Participation], length: int) -> None:
    record = Record()
    for at, height in enumerate(window):
        record.add(height)
        if at >= length:
            record.drop(window[at - length])
        fresh = Record(window[max(0, at + 1 - length) : at + 1])
        assert [record.reputation(id_) for id_ in (*NAMES, "eve")] == [fresh.reputation(id_) for id_ in (*NAMES, "eve")]
        # Nobody who left every height of the window is remembered.
        for kept in (record._proposed, record._failed, record._voted):
            assert all(count > 0 for count in kept.values())


def test_the_window_grows_with_the_seats() -> None:
    assert [window_heights(seats) for seats in (4, 6, 7, 31, 250)] == [64, 64, 70, 310, 2_500]


def test_an_excluded_organisation_has_no_turn_while_anybody_else_is_left() -> None:
    validators = make_set()
    window = heights("cyd", 5, voters=NAMES)
    weights = leader_weights(validators, window, frozenset({"cyd", "stranger"}))
    assert weights == (ACTIVE, ACTIVE, 0, ACTIVE)
    assert leader_weights(validators, window, frozenset(NAMES)) == leader_weights(validators, window)
    # A flagged seat stays without one, whoever is excluded.
    flagged = make_set(flagged=["ann"])
    assert leader_weights(flagged, window, frozenset({"bob", "cyd", "dan"})) == (0, ACTIVE, ACTIVE, ACTIVE)
    assert leader_weights(flagged, window, frozenset({"bob", "cyd"})) == (0, 0, 0, ACTIVE)


def test_a_dead_proposer_costs_a_round_at_first_and_almost_none_later() -> None:
    """Four equal seats, one dead, 600 heights; each height reads certificates up to two below, of the last 40."""
    validators, dead = make_set(), 3
    window: list[Participation] = []
    wasted = []
    for height in range(1, 601):
        weights = leader_weights(validators, window[-41:-1])
        order = draw(validators, SEED, CHAIN, height, weights)
        round_ = next(number for number in range(5) if order.proposer(number).id != NAMES[dead])
        window.append(Participation(order.proposer(round_).id, order.passed(round_), NAMES[:dead]))
        wasted.append(round_)
    assert max(wasted) == 1
    assert sum(wasted[:40]) <= 4
    # Its floor is 5% of a quarter of the turns: 7 of 560.
    assert 1 <= sum(wasted[40:]) <= 20
