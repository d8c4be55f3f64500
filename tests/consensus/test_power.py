"""Weights, caps, powers and churn: exact against brute force, and nothing to gain from splitting."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import power
from consensus.power import FULL_INDEX_PPM, advance, cap, churn, in_turn, is_affordable, powers, split, weight
from consensus.quorum import is_quorum, is_skip
from zk.codec import encode
from zk.hashing import domain

NAMES = "abcdefghijkl"
SEED = domain("churn", "test")
BONDS = st.one_of(st.integers(0, 400), st.integers(0, 2**63 - 1))
INDEXES = st.one_of(st.sampled_from([0, 1, FULL_INDEX_PPM // 2, FULL_INDEX_PPM]), st.integers(0, FULL_INDEX_PPM))
SMALL = st.lists(st.integers(1, 60), min_size=4, max_size=10)
ANY = st.lists(st.one_of(st.integers(1, 12), st.integers(1, isqrt(2**63))), min_size=4, max_size=10)


def named(weights: list[int]) -> dict[str, int]:
    return dict(zip(NAMES, weights, strict=False))


@st.composite
def sets(draw: st.DrawFn, least: int = 4) -> dict[str, int]:
    """Weights of at least `least` organisations out of eight, some giants and some dust."""
    members = draw(st.lists(st.sampled_from(NAMES[:8]), min_size=least, max_size=8, unique=True))
    return {id_: draw(st.one_of(st.integers(1, 9), st.integers(1, 10**9))) for id_ in sorted(members)}


def seed_of(epoch: int) -> bytes:
    return SEED + encode(epoch)


def share_of(organisations: int) -> Fraction:
    return Fraction(3, 10) if organisations <= 6 else Fraction(1, 5)


# Weights


@pytest.mark.parametrize(
    ("bond", "index", "expected"),
    [
        (0, FULL_INDEX_PPM, 0),
        (1, FULL_INDEX_PPM, 1),
        (1, FULL_INDEX_PPM - 1, 0),
        (4, 500_000, 1),
        (1_000_000, 500_000, 500),
        (999_999, 1_000_000, 999),
        (10**12, 0, 0),
        (2**63 - 1, FULL_INDEX_PPM, 3_037_000_499),
    ],
)
def test_weights_by_hand(bond: int, index: int, expected: int) -> None:
    assert weight(bond, index) == expected


@given(BONDS, INDEXES)
def test_a_weight_is_the_root_of_the_bond_times_the_index(bond: int, index: int) -> None:
    found = weight(bond, index)
    root = isqrt(bond)
    assert root * root <= bond < (root + 1) ** 2
    assert found <= Fraction(root * index, FULL_INDEX_PPM) < found + 1


@given(BONDS, BONDS, INDEXES, INDEXES)
def test_weights_are_monotone(bond: int, other: int, index: int, shown: int) -> None:
    assert weight(min(bond, other), min(index, shown)) <= weight(max(bond, other), max(index, shown))


# Caps and powers


def test_the_known_answer() -> None:
    assert powers({"a": 1000, "b": 400, "c": 300, "d": 200}) == {"a": 375, "b": 375, "c": 300, "d": 200}


@given(SMALL)
@settings(max_examples=60)
def test_the_cap_is_that_of_brute_force(weights: list[int]) -> None:
    share = share_of(len(weights))
    fits = [most for most in range(1, sum(weights) + 2) if most <= share * sum(min(one, most) for one in weights)]
    assert cap(weights) == fits[-1]
    assert fits == list(range(1, len(fits) + 1)), "bisection may look for its end"


@given(ANY)
def test_nobody_has_more_than_the_cap_allows(weights: list[int]) -> None:
    given_, share = powers(named(weights)), share_of(len(weights))
    total = sum(given_.values())
    assert all(1 <= one <= share * total for one in given_.values())
    # No power is taken that need not be: one more for those above the cap, and the cap is broken.
    most = cap(weights) + 1
    assert most > share * sum(min(one, most) for one in weights)
    assert all(one == min(own, most - 1) for one, own in zip(given_.values(), weights, strict=True))


@given(st.lists(st.integers(1, 10**9), min_size=4, max_size=6), st.data())
def test_with_four_to_six_any_one_may_be_down(weights: list[int], data: st.DataObject) -> None:
    found = powers(named(weights))
    down = data.draw(st.sampled_from(sorted(found)))
    assert is_quorum(sum(found.values()) - found[down], sum(found.values()))


@given(ANY, st.data())
def test_power_is_monotone_in_ones_own_weight(weights: list[int], data: st.DataObject) -> None:
    before, who = named(weights), data.draw(st.sampled_from(NAMES[: len(weights)]))
    after = {**before, who: before[who] + data.draw(st.integers(1, 10**9))}
    old, new = powers(before), powers(after)
    assert new[who] >= old[who]
    assert Fraction(new[who], sum(new.values())) >= Fraction(old[who], sum(old.values()))


@given(st.lists(BONDS, min_size=5, max_size=9), INDEXES, st.integers(1, 4))
def test_nothing_is_gained_by_splitting_a_bond_among_keys(bonds: list[int], index: int, keys: int) -> None:
    """The bond of an organisation counts once, and its nodes together have what one would have."""
    weights = named([max(1, weight(bond, index)) for bond in bonds])
    for organisation, found in powers(weights).items():
        parts = split(found, [f"{organisation}-{number}" for number in range(keys)])
        assert sum(parts.values()) == found
        assert len(parts) == min(keys, found)
        assert max(parts.values()) - min(parts.values()) <= 1


def test_what_is_left_over_goes_to_the_first_nodes() -> None:
    assert split(8, ["c", "a", "b"]) == {"a": 3, "b": 3, "c": 2}
    assert split(2, ["c", "a", "b"]) == {"a": 1, "b": 1}


def test_zero_weight_has_no_seat_and_three_are_too_few() -> None:
    assert "e" not in powers({**named([1, 1, 1, 1]), "e": 0})
    for weights in ([], [5], [5, 5, 5], [5, 5, 5, 0]):
        with pytest.raises(ValueError, match="consensus needs 4"):
            powers(named(weights))


@given(st.lists(st.integers(1, 3), min_size=7, max_size=10), st.integers(1, 10**9))
def test_one_giant_and_dust(dust: list[int], giant: int) -> None:
    found = powers({**named(dust), "z": giant})
    assert 5 * found["z"] <= sum(found.values())
    assert all(found[id_] == one or one > found["z"] for id_, one in named(dust).items())


# Churn


@given(sets(), sets())
def test_churn_is_half_the_sum_of_changes_of_shares(one: dict[str, int], other: dict[str, int]) -> None:
    before, after = powers(one), powers(other)
    exact = sum(
        (
            abs(Fraction(after.get(id_, 0), sum(after.values())) - Fraction(before.get(id_, 0), sum(before.values())))
            for id_ in NAMES
        ),
        Fraction(0),
    )
    found = churn(before, after)
    assert found == exact / 2
    assert is_affordable(found) == (exact / 2 < Fraction(1, 3))


def test_a_third_is_too_much() -> None:
    assert not is_affordable(Fraction(1, 3))
    assert is_affordable(Fraction(10**30 - 1, 3 * 10**30))


@given(sets(), sets(least=0))
@settings(max_examples=150)
def test_quorums_of_two_epochs_in_a_row_intersect(current: dict[str, int], wanted: dict[str, int]) -> None:
    after = advance(current, wanted, SEED)
    old, new = powers(current), powers(after)
    assert is_affordable(churn(old, new))
    assert list(after) == sorted(after) and min(after.values()) > 0
    members = sorted({**old, **new})
    for size in range(len(members) + 1):
        for chosen in combinations(members, size):
            if is_quorum(sum(old.get(id_, 0) for id_ in chosen), sum(old.values())):
                inside = sum(new.get(id_, 0) for id_ in chosen)
                assert is_skip(inside, sum(new.values())), "a light client could not step from one to the other"
                assert not is_quorum(sum(new.values()) - inside, sum(new.values())), "two quorums without a common seat"


@given(sets(), sets())
@settings(max_examples=150)
def test_changes_arrive_in_the_end(current: dict[str, int], wanted: dict[str, int]) -> None:
    """However much is wanted, no change waits for ever, not even one that costs more than a budget."""
    for epoch in range(40):
        if current == wanted:
            break
        current = advance(current, wanted, seed_of(epoch))
    assert current == wanted


@given(sets(5), st.lists(sets(), min_size=4, max_size=4), st.integers(0, 3), st.binary(max_size=2))
@settings(max_examples=60)
def test_an_offender_is_gone_in_bounded_time_whatever_others_do(
    current: dict[str, int], wishes: list[dict[str, int]], at: int, word: bytes
) -> None:
    """Two epochs do for one offender, four for any that leave four others: each epoch a third of the shares may move,
    and nothing else comes first."""
    names = sorted(current)
    liars = names[at : at + len(names) - power.MIN_ORGANISATIONS]
    for epochs, offenders in ((2, liars[:1]), (4, liars)):
        weights = current
        for epoch, wanted in enumerate(wishes[:epochs]):
            # Who stays keeps a seat, so that four are left; what it weighs changes as it likes.
            goal = {id_: 1 for id_ in current} | wanted
            goal = {id_: weight for id_, weight in goal.items() if id_ not in offenders}
            weights = advance(weights, goal, seed_of(epoch) + word, offenders)
        assert not set(offenders) & set(weights)


@given(st.integers(1, 30), st.integers(2, 8), st.binary(max_size=4))
@settings(max_examples=25)
def test_names_that_come_and_go_hold_nobody_up(names: int, others: int, word: bytes) -> None:
    """A coalition of any number of names with half of all weight, which changes all of it whenever it can: somebody
    else's turn comes all the same."""
    coalition = [f"a{number:02d}" for number in range(names)]
    honest = [f"h{number:02d}" for number in range(max(others, 5))]
    each = 1_000 * len(honest) // names
    weights = dict.fromkeys(coalition, each) | dict.fromkeys(honest, 1_000)
    for epoch in range(40):
        staying = {id_: each for id_ in coalition if id_ not in weights}
        weights = advance(weights, dict.fromkeys([*honest, "zeal"], 1_000) | staying, seed_of(epoch) + word)
        if weights.get("zeal") == 1_000:
            break
    assert weights["zeal"] == 1_000


def test_the_order_of_changes_is_another_one_in_each_epoch() -> None:
    first = Counter(in_turn(NAMES, (), seed_of(epoch))[0] for epoch in range(1_200))
    # Five standard deviations of a draw of one in twelve.
    assert all(abs(first[id_] - 100) < 48 for id_ in NAMES)
    assert in_turn(NAMES, (), SEED) == in_turn(NAMES[::-1], (), SEED), "whoever asks"
    assert set(in_turn(NAMES, "kc", SEED)[:2]) == set("kc")
    assert [id_ for id_ in in_turn(NAMES, "kc", SEED) if id_ not in "kc"] == in_turn(set(NAMES) - set("kc"), (), SEED)


def test_changes_apply_in_turn_until_the_budget_is_spent() -> None:
    current = named([100] * 8)
    newcomers = {id_: 100 for id_ in in_turn("stuvwxyz", (), SEED)}
    after = advance(current, {**current, **newcomers}, SEED)
    arrived = [id_ for id_ in newcomers if id_ in after]
    assert arrived == list(newcomers)[: len(arrived)] and 3 <= len(arrived) <= 4
    assert all(after[id_] == 100 for id_ in arrived[:-1]), "only the last comes in part"
    more = {**after, arrived[-1]: after[arrived[-1]] + 1}
    assert not is_affordable(churn(powers(current), powers(more))), "the budget is spent"
    assert {id_: after[id_] for id_ in current} == current


def test_one_change_may_cost_more_than_a_budget_and_comes_in_parts() -> None:
    """Caps are whole numbers: where weights are dust, a second giant lifts the cap from 1 to 3 at once."""
    current = {"a": 3, "b": 1, "c": 1, "d": 1, "e": 1}
    wanted = {**current, "f": 10**6}
    assert churn(powers(current), powers(wanted)) == Fraction(40, 100)
    once = advance(current, wanted, SEED)
    assert 0 < once["f"] < 10**6
    assert advance(once, wanted, SEED) == wanted


def test_the_fourth_never_goes_but_is_replaced() -> None:
    four = named([5, 5, 5, 5])
    assert advance(four, {}, SEED) == four
    assert advance(four, {"b": 5}, SEED) == four
    # The one that wants to go waits until another has come.
    replaced = {"b": 5, "c": 5, "d": 5, "z": 5}
    first = next(seed_of(epoch) for epoch in range(99) if in_turn("az", (), seed_of(epoch)) == ["a", "z"])
    once = advance(four, replaced, first)
    assert once["a"] == 5 and once["z"] > 0
    assert advance(once, replaced, first) == replaced
    assert advance(four, replaced, first, "a") == once, "not even an offender's"


def test_bisection_finds_the_end() -> None:
    for high in range(1, 20):
        for end in range(high):
            assert power._last(0, high, lambda count, end=end: count <= end) == end
