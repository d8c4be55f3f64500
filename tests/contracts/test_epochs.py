"""Epochs from committed state: what a seating follows, how fast, and what no sequence of changes can do to it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import combinations, pairwise
from math import isqrt

import msgspec
import pytest
from epoch_world import BAR, BLOCKS, Epochs, letters, nodes_of, pact_of, powers_of
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import START_MS, Chain, key_of

from consensus import committee, power
from consensus.evidence import is_expired
from consensus.messages import MAX_VALIDATORS
from consensus.quorum import is_quorum
from consensus.validators import ValidatorSet
from contracts import epochs, trust
from contracts.bodies import Bond, Unbond
from contracts.genesis import ConsensusParams
from contracts.members import MAX_NODES, Change, Member
from contracts.params import DAY_MS
from contracts.schema import MEMBERS, TRUSTS
from contracts.state import State
from contracts.units import MAX_TOKENS, PPM

# By hand


def test_genesis_seats_two_epochs_by_weight_and_cap() -> None:
    pact = pact_of(letters(1000**2, 400**2, 300**2, 200**2))
    first, second = epochs.founding(pact)
    assert powers_of(first) == {"a": 375, "b": 375, "c": 300, "d": 200}, "the example of the design"
    assert second == msgspec.structs.replace(first, number=1)
    assert [seat.id for seat in first.seats] == ["node-a-0", "node-b-0", "node-c-0", "node-d-0"]
    assert first.seats[0].public_key == key_of("node-a-0").public_key
    assert all(one.change == Change("genesis", 0) for one in first.organisations)


def test_a_change_counts_two_epochs_after_the_one_that_it_is_in() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100, 100)))
    assert [chain.block(), chain.block()] == [None, None]
    chain.set("a", 144)
    made = chain.block()
    assert made is not None and made.number == 2 and powers_of(made)["a"] == 12
    state = chain.state()
    assert [epochs.powers(state, height)["a"] for height in range(10)] == [10] * 7 + [12] * 3
    assert made.organisations[0].change == Change("weight", 3)
    assert made.organisations[1].change == Change("genesis", 0)
    with pytest.raises(LookupError):
        epochs.powers(state, 10)


def test_a_change_after_the_last_block_waits_for_the_next_epoch() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100, 100)))
    chain.end()
    chain.set("a", 144)
    assert powers_of(chain.end())["a"] == 12
    assert epochs.powers(chain.state(), 2 * BLOCKS + 1)["a"] == 10 and epochs.powers(chain.state(), 10)["a"] == 12


def test_state_keeps_what_runs_its_neighbours_and_what_was_computed() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100)))
    assert chain.numbers() == [0, 1]
    for epoch in range(4):
        chain.end()
        assert chain.numbers() == [epoch, epoch + 1, epoch + 2]


def test_powers_by_node_and_organisation_agree() -> None:
    chain = Epochs(pact_of(letters(10**4, 50**2, 40**2, 41**2, 30**2), nodes=3))
    state = chain.state()
    assert epochs.organisation(state, 1, "node-b-2") == "b" and epochs.organisation(state, 1, "stranger") is None
    for id_, share in epochs.powers(state, 1).items():
        parts = [seat.power for seat in epochs.seats(state, 1) if seat.organisation == id_]
        assert sum(parts) == share and max(parts) - min(parts) <= 1


def test_what_the_cap_takes_says_so() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100)))
    for name in "abc":
        chain.set(name, 121)
    made = chain.end()
    assert {one.id: one.change.kind for one in made.organisations} == dict.fromkeys("abc", "weight") | {"d": "genesis"}
    chain = Epochs(pact_of(letters(300**2, 100**2, 100**2, 100**2)))
    chain.set("b", 110**2)
    made = chain.end()
    assert made.organisations[0].change == Change("cap", BLOCKS) and made.organisations[0].weight == 300


def test_a_node_votes_only_when_it_is_registered_for_it() -> None:
    pact = pact_of(letters(100, 100, 100, 100, 100), nodes=2)
    listed = tuple(name for name in pact.validators if name not in ("node-a-0", "node-b-0", "node-b-1"))
    pact = msgspec.structs.replace(pact, validators=listed)
    chain = Epochs(pact)
    assert [seat.id for seat in epochs.seats(chain.state(), 1) if seat.organisation in "ab"] == ["node-a-1"]
    # A node that is admitted later takes its seat as soon as its member weighs.
    chain.register("b", nodes_of("b", 1))
    assert [seat.id for seat in chain.end().seats if seat.organisation == "b"] == ["node-b-0"]


def test_who_has_to_stay_keeps_its_seat_without_a_node() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100)))
    before = epochs.seats(chain.state(), 1)
    chain.register("a", ())
    assert chain.end().seats == before
    chain.set("b", 0)
    assert chain.end().seats == before, "never fewer than four"


def test_the_tombstoned_go_unless_fewer_than_four_remain_and_their_votes_count_no_more() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100, 100, 0)))
    chain.tombstone("a", "b")
    made = chain.end()
    [left] = [one.id for one in made.organisations if one.flagged]
    assert left in "ab" and powers_of(made) == dict.fromkeys(left + "cde", 10), "never three"
    assert [seat.id for seat in made.seats if seat.flagged] == [f"node-{left}-0"]
    assert epochs.powers(chain.state(), made.number * BLOCKS + 1) == dict.fromkeys("cde", 10)
    assert ValidatorSet(made.seats).total_power == 40, "all others are needed"
    # Once somebody else weighs it goes, in two steps: the newcomer first.
    chain.set("f", 100)
    made = chain.end()
    assert powers_of(made) == dict.fromkeys(left + "cdef", 10) and made.organisations[0].flagged
    made = chain.end()
    assert powers_of(made) == dict.fromkeys("cdef", 10) and not any(seat.flagged for seat in made.seats)
    # No bond and no index brings the identity back.
    chain.set("a", 10**6)
    assert "a" not in powers_of(chain.end())


def test_of_many_tombstoned_at_once_the_churn_budget_lets_a_part_go_and_the_rest_is_flagged() -> None:
    chain = Epochs(pact_of(letters(*[10**4] * 9)))
    chain.tombstone(*"abcd")
    made = chain.end()
    flagged = {one.id: one.power for one in made.organisations if one.flagged}
    assert len(flagged) == 2 and set(flagged) < set("abcd") and max(flagged.values()) == 100 > min(flagged.values())
    counted = sum(seat.counted_power for seat in made.seats)
    assert is_quorum(counted, ValidatorSet(made.seats).total_power), "4 of 9 were found out, and the others go on"
    chain.end()
    assert list(powers_of(chain.end())) == list("efghi")


def test_a_key_that_is_replaced_counts_with_the_epoch_after_next() -> None:
    chain = Epochs(pact_of(letters(100, 100, 100, 100)))
    fresh = msgspec.structs.replace(nodes_of("a", 1)[0], consensus_key=key_of("fresh").public_key)
    chain.register("a", (fresh,))
    made = chain.end()
    assert made.seats[0].public_key == key_of("fresh").public_key
    assert epochs.seats(chain.state(), BLOCKS + 1)[0].public_key != made.seats[0].public_key


def test_no_id_has_two_seats() -> None:
    """Admission gives an id once; a set with two seats of one id would stop every node."""
    chain = Epochs(pact_of(letters(100, 100, 100, 100, 100), nodes=2))
    chain.register("b", (nodes_of("a", 1)[0], *nodes_of("b", 1)))
    made = chain.end()
    assert [seat.id for seat in made.seats if seat.organisation == "b"] == ["node-b-0"]
    assert ValidatorSet(made.seats).total_power == sum(powers_of(made).values())


@pytest.mark.parametrize(
    "bonds", [letters(100), letters(100, 100, 100), letters(100, 100, 100, 0), letters(1, 1, 1, 0, 0)]
)
def test_too_little_weight_seats_nobody(bonds: dict[str, int]) -> None:
    pact = pact_of(bonds)
    first, second = epochs.founding(pact)
    assert first.seats == second.seats == () and first.organisations == ()
    # Contracts run on all the same, and seat everybody once four weigh.
    chain = Epochs(pact)
    assert chain.end().seats == ()
    for name in bonds:
        chain.set(name, 100)
    assert len(chain.end().organisations) == (len(bonds) if len(bonds) > 3 else 0)


def test_everybody_keeps_an_equal_part_of_the_seats_where_nodes_are_more() -> None:
    bonds = {f"m-{number:03d}": 1_000_000 for number in range(committee.EVERYBODY)}
    first, _ = epochs.founding(pact_of(bonds, nodes=MAX_NODES))
    assert len(first.seats) == 200 and len(first.organisations) == 100
    assert {seat.power for seat in first.seats} == {500}
    first, _ = epochs.founding(pact_of(dict(list(bonds.items())[:64]), nodes=MAX_NODES))
    assert len(first.seats) == MAX_VALIDATORS


def test_above_a_hundred_a_committee_is_drawn_each_day() -> None:
    chain = Epochs(pact_of({f"m-{number:03d}": 100 + 50 * number for number in range(300)}))
    drawn = epochs.seating(chain.state(), 1)
    assert len(drawn.organisations) == len(drawn.seats) == ConsensusParams().committee_seats
    assert {seat.power for seat in drawn.seats} == {1} and drawn.drawn_day == START_MS // DAY_MS
    assert chain.end().seats == drawn.seats, "once a day"
    chain.time_ms += DAY_MS
    store = dict(chain.store)
    chain.mix = b"\x01" * 32
    redrawn = chain.end()
    assert redrawn.drawn_day == START_MS // DAY_MS + 1 and redrawn.seats != drawn.seats
    assert len(redrawn.seats) == ConsensusParams().committee_seats
    chain.store, chain.height = store, chain.height - BLOCKS
    chain.mix = b"\x02" * 32
    assert chain.end().seats != redrawn.seats, "the beacon draws"


def test_who_has_no_weight_any_more_leaves_the_committee_before_the_next_draw() -> None:
    chain = Epochs(pact_of({f"m-{number:03d}": 100 for number in range(101)}))
    chain.set("m-050", 0)
    made = chain.end()
    assert len(made.organisations) == 100 and "m-050" not in powers_of(made) and made.drawn_day is not None
    chain.set("m-050", 100)
    assert len(chain.end().organisations) == 100, "nobody comes between two draws"
    chain.time_ms += DAY_MS
    assert len(chain.end().organisations) == 101
    for number in range(1, 60):
        chain.set(f"m-{number:03d}", 0)
    assert len(chain.end().organisations) == 68, "as fast as any change"
    chain.time_ms += DAY_MS
    made = chain.end()
    assert len(made.organisations) == 42 and made.drawn_day is None and set(powers_of(made).values()) == {10}


# Any changes


NAMES = "abcdefg"
BONDS = st.one_of(st.sampled_from([0, 0, BAR - 1, BAR, 10**6, MAX_TOKENS // 8]), st.integers(0, 10**6))
CHANGES = st.tuples(st.sampled_from(NAMES), BONDS, st.sampled_from([0, 1, PPM // 2, PPM]), st.integers(0, 3))


def quorums(shares: dict[str, int]) -> Iterable[set[str]]:
    """The least sets of organisations that are a quorum."""
    total = sum(shares.values())
    for count in range(1, len(shares) + 1):
        for chosen in combinations(sorted(shares), count):
            got = sum(shares[id_] for id_ in chosen)
            if is_quorum(got, total) and not any(is_quorum(got - shares[id_], total) for id_ in chosen):
                yield set(chosen)


@given(st.lists(st.integers(BAR, 10**6), min_size=4, max_size=7), st.lists(st.lists(CHANGES, max_size=5), max_size=6))
@settings(max_examples=60)
def test_whatever_changes_quorums_of_two_epochs_in_a_row_intersect(
    bonds: list[int], epochs_: list[list[tuple[str, int, int, int]]]
) -> None:
    """Bonds, slashes, indexes, nodes that come and go: two quorums of consecutive epochs always share an organisation,
    and each holds more than 1/3 of the power of the other epoch."""
    bonds = bonds + [0] * (len(NAMES) - len(bonds))
    chain = Epochs(pact_of(letters(*bonds)))
    seatings = list(epochs.founding(chain.pact))
    for changes in epochs_:
        for name, bond, index_ppm, nodes in changes:
            chain.set(name, bond, index_ppm)
            chain.register(name, nodes_of(name, nodes))
            if index_ppm == 1 and nodes:
                chain.tombstone(name)
        seatings.append(chain.end())
    for before, after in pairwise(seatings):
        old, new = powers_of(before), powers_of(after)
        assert after.number == before.number + 1 and len(new) >= power.MIN_ORGANISATIONS
        assert power.churn(old, new) < Fraction(1, 3)
        assert new == power.powers({one.id: one.weight for one in after.organisations})
        assert max(new.values()) <= max(1, power.largest_share(len(new)) * sum(new.values()))
        for one in quorums(old):
            # The least that a quorum of the other epoch can share with it is what is left of it.
            kept = sum(new.get(id_, 0) for id_ in one)
            assert 3 * kept > sum(new.values())
            assert not is_quorum(sum(new.values()) - kept, sum(new.values())), "a quorum without any of them"
        for other in quorums(new):
            assert 3 * sum(old.get(id_, 0) for id_ in other) > sum(old.values())
        seats = ValidatorSet(after.seats)
        assert seats.total_power == sum(new.values())
        flagged = {one.id for one in after.organisations if one.flagged}
        assert all(seat.flagged == (seat.organisation in flagged) for seat in seats.seats)
        for id_ in new:
            assert sum(seat.power for seat in seats.seats if seat.organisation == id_) == new[id_]
    # Once nothing changes any more, everybody gets in the end what its bond weighs.
    state = chain.state()
    weights = {}
    for name in NAMES:
        held, member = state.entry(TRUSTS, name), state.load(MEMBERS, MEMBERS.key(name))
        assert held is not None and member is not None
        gone = trust.is_tombstoned(state, name)
        if member.nodes and not gone and (weight := epochs.seat_weight(held.bonded_tokens, held.index_ppm, BAR)):
            weights[name] = weight
    if len(weights) >= power.MIN_ORGANISATIONS:
        made = seatings[-1]
        for _ in range(40):
            made = chain.end()
        assert powers_of(made) == power.powers(weights)


@given(st.lists(st.integers(BAR, 10**12), min_size=4, max_size=9), st.data())
def test_nothing_is_gained_by_more_nodes(bonds: list[int], data: st.DataObject) -> None:
    """The power of an organisation is that of its summed bond, whatever nodes it has it on."""
    one, _ = epochs.founding(pact_of(letters(*bonds)))
    many = pact_of(letters(*bonds))

    def spread(member: Member) -> Member:
        return msgspec.structs.replace(member, nodes=nodes_of(member.id, data.draw(st.integers(1, MAX_NODES))))

    members = tuple(map(spread, many.members))
    listed = tuple(sorted(node.node for member in members for node in member.nodes))
    split, _ = epochs.founding(msgspec.structs.replace(many, members=members, validators=listed))
    assert powers_of(split) == powers_of(one)
    assert sum(seat.power for seat in split.seats) == sum(seat.power for seat in one.seats)


# Bonds and evidence


AGE = ConsensusParams(epoch_blocks=BLOCKS, evidence_age_blocks=4, evidence_age_ms=1_000)
MOVES = st.tuples(
    st.sampled_from("abcde"),
    st.sampled_from([Bond, Unbond]),
    st.one_of(st.just(0), st.integers(1, 900)),
    st.integers(0, 800),
)
"""0: everything."""


@given(st.lists(st.integers(isqrt(BAR), 40), min_size=5, max_size=5), st.lists(MOVES, max_size=30))
@settings(max_examples=40)
def test_bonds_outlive_evidence(roots: list[int], moves: list[tuple[str, type[Bond | Unbond], int, int]]) -> None:
    """As long as a block may hold evidence of a height, all that its seats weigh is bonded or unlocking."""
    pact = msgspec.structs.replace(pact_of(letters(*[root * root for root in roots])), consensus=AGE)
    opened = tuple(msgspec.structs.replace(one, free_tokens=500) for one in pact.trusts)
    chain = Chain(msgspec.structs.replace(pact, trusts=opened))
    weighed: dict[int, dict[str, int]] = {}
    times: dict[int, int] = {}
    for who, move, amount, wait_ms in [*moves, *[("a", Unbond, 1, 900)] * 24]:
        chain.now_ms += wait_ms
        height = chain.height + 1
        state = State(chain.store)
        weighed[height] = {one.id: one.weight for one in epochs.seating(state, height).organisations}
        times[height] = chain.now_ms
        chain.run(chain.say(who, move(amount or max(1, chain.trust(who).bonded_tokens))))
        for old, weights in weighed.items():
            if is_expired(height - old, chain.now_ms - times[old], AGE.evidence_age_blocks, AGE.evidence_age_ms):
                continue
            for id_, weight in weights.items():
                now = trust.unlocked(chain.trust(id_), height, chain.now_ms, AGE)
                assert isqrt(now.bonded_tokens + trust.unlocking_tokens(now)) >= weight, (id_, old, height)
