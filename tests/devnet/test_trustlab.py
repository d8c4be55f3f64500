"""What `docs/trust.md` claims of members and cartels, as properties, with the counterexamples where a claim ends."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from consensus import committee, power
from consensus.proposers import FLOOR_PERCENT, Participation, Record, leader_weights, window_heights
from contracts.bodies import Bond, Wager
from contracts.genesis import OpeningTrust
from contracts.members import STARTING_INDEX_PPM
from contracts.schema import ROUNDS
from contracts.trust import all_tokens
from contracts.wagers.records import Round
from contracts.wagers.sealing import seal
from devnet.trustlab import coalitions, grinding, members, takeover, turns
from devnet.trustlab.coalitions import DUST, INDEX_PPM, LARGE, PPM, can_halt, can_rule, share_of
from devnet.trustlab.members import ABSENT, HONEST, LIAR, OFFENCE_EPOCH, ONCE, TWICE, VOTER, Life
from devnet.trustlab.pact import BEST, FALSE, Pact
from devnet.trustlab.report import findings

bonds = st.integers(0, 10**9)


@pytest.fixture(scope="module")
def life() -> Life:
    return findings().life


# Members


def test_an_honest_index_never_falls_and_no_honest_token_is_lost(life: Life) -> None:
    for name in (*HONEST, VOTER, ABSENT):
        for before, after in pairwise(life.of(name)):
            assert after.index_ppm >= before.index_ppm
            assert after.tokens >= before.tokens


def test_only_builders_rise(life: Life) -> None:
    for name in HONEST:
        assert life.of(name)[-1].index_ppm > STARTING_INDEX_PPM * 17 // 10
    for name in (VOTER, ABSENT):
        assert life.of(name)[-1].index_ppm == STARTING_INDEX_PPM


def test_each_lie_takes_a_quarter_of_the_index_and_the_wager(life: Life) -> None:
    index, tokens = STARTING_INDEX_PPM, members.FREE + members.BONDED
    for one in life.of(LIAR):
        for _ in range(life.lies[LIAR].count(one.epoch)):
            index, tokens = index - index // 4, tokens - members.WAGERED
        assert (one.index_ppm, one.tokens) == (index, tokens)


def test_a_liar_wagers_until_its_net_trust_is_below_the_bar_and_never_again(life: Life) -> None:
    [(code, refused)] = life.refused
    taken = life.epochs * members.QUESTIONS - refused
    last = life.lies[LIAR][-1]
    assert code == "wager.trust"
    assert (last - 1) * members.QUESTIONS < taken <= (last + 1) * members.QUESTIONS


def test_the_power_of_a_liar_falls_two_epochs_after_each_lie_and_does_not_come_back(life: Life) -> None:
    told = life.of(LIAR)
    lied = sorted({*life.lies[LIAR]})
    for epoch in lied:
        if epoch + 2 < life.epochs and epoch + 1 not in lied:
            assert told[epoch + 2].power_ppm < told[epoch + 1].power_ppm
    after = told[lied[-1] + 2].power_ppm
    assert after < told[0].power_ppm // 200
    assert max(one.power_ppm for one in told[lied[-1] + 2 :]) < told[0].power_ppm // 200


def test_who_lied_once_returns_slowly(life: Life) -> None:
    told = life.of(ONCE)
    [epoch] = life.lies[ONCE]
    before = told[epoch - 1].index_ppm
    assert told[epoch].index_ppm < before * 4 // 5
    back = next(one.epoch for one in told[epoch:] if one.index_ppm >= before)
    assert 15 < back - epoch < 40
    assert all(after.index_ppm >= now.index_ppm for now, after in pairwise(told[epoch:]))


def test_absence_costs_turns_and_nothing_else(life: Life) -> None:
    for gone, voter in zip(life.of(ABSENT), life.of(VOTER), strict=True):
        assert gone._replace(member=VOTER, turns_ppm=voter.turns_ppm, blocks=voter.blocks) == voter
        assert gone.blocks == 0
        assert gone.turns_ppm < voter.turns_ppm // 10
        assert gone.turns_ppm >= gone.power_ppm * FLOOR_PERCENT // 100 * 9 // 10


def test_who_signs_twice_loses_bond_and_turns_at_once_and_power_with_the_epoch_after_next(life: Life) -> None:
    told, voter = life.of(TWICE), life.of(VOTER)
    for one, other in zip(told, voter, strict=True):
        assert (one.power_ppm == other.power_ppm) == (one.epoch < OFFENCE_EPOCH + 2)
        assert one.power_ppm == (other.power_ppm if one.epoch < OFFENCE_EPOCH + 2 else 0)
        assert (one.bonded_tokens > 0) == (one.index_ppm > 0) == (one.epoch < OFFENCE_EPOCH)
        assert (one.turns_ppm > 0) == (one.epoch <= OFFENCE_EPOCH)
        assert one.blocks == 0 or one.epoch <= OFFENCE_EPOCH
    assert told[-1].tokens == members.FREE
    before, after = ({name: life.of(name)[epoch].tokens for name in members.NAMES} for epoch in (39, 40))
    gained = {name: after[name] - before[name] for name in members.NAMES if after[name] - before[name] > 1_000}
    assert len(gained) == 1 and TWICE not in gained
    assert sum(gained.values()) // 1_000 == members.BONDED * 50_000 // PPM // 1_000


def test_nobody_has_more_than_a_fifth_and_shares_are_of_one_whole(life: Life) -> None:
    for epoch in range(life.epochs):
        shares = [one.power_ppm for one in life.standings if one.epoch == epoch]
        assert PPM - len(shares) < sum(shares) <= PPM
        assert max(shares) <= 200_000


def test_the_lab_has_no_rule_of_its_own_about_the_index() -> None:
    """By hand: 1/64 of what is missing, and a quarter."""
    full, tenth = findings().speeds
    index = STARTING_INDEX_PPM
    reached = []
    for _ in range(100):
        index += (PPM - index) // 64
        reached.append(index)
    assert full.reached_ppm == tuple(reached[at - 1] for at in members.MILESTONES)
    assert tenth.reached_ppm[0] == STARTING_INDEX_PPM + STARTING_INDEX_PPM * 100_000 // 64_000_000
    assert full.fallen_ppm == tenth.fallen_ppm == (375_000, 281_250, 210_938)


def test_another_process_plays_the_same() -> None:
    """Whatever the order of hashes there."""
    program = "from devnet.trustlab.members import live; print([*live(2).standings])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == f"{[*members.live(2).standings]}\n"


# Coalitions


@given(st.lists(bonds, min_size=1, max_size=6), st.lists(bonds, min_size=4, max_size=12))
def test_a_coalition_has_at_most_the_cap_for_each_name(coalition: list[int], others: list[int]) -> None:
    seated = [bond for bond in (*coalition, *others) if power.weight(bond, INDEX_PPM)]
    assume(len(seated) >= power.MIN_ORGANISATIONS)
    share = Fraction(3, 10) if len(seated) <= 6 else Fraction(1, 5)
    assert share_of(coalition, others) <= share * len(coalition)


@given(
    st.lists(st.integers(4, 10**9), min_size=1, max_size=12),
    st.lists(st.integers(4, 10**9), max_size=8),
    st.integers(0, 10**9),
)
def test_beside_five_equal_largest_nobody_has_more_power_than_weight(
    coalition: list[int], small: list[int], above: int
) -> None:
    largest = max(coalition + small) + above
    others = [*small, *[largest] * 5]
    weights = [power.weight(bond, INDEX_PPM) for bond in coalition]
    whole = sum(weights) + sum(power.weight(bond, INDEX_PPM) for bond in others)
    assert share_of(coalition, others) == Fraction(sum(weights), whole)


@given(st.lists(st.integers(4, 10**6), min_size=1, max_size=8), st.lists(st.integers(4, 10**9), min_size=4, max_size=8))
def test_a_coalition_has_more_power_than_weight_only_where_somebody_else_is_capped(
    coalition: list[int], others: list[int]
) -> None:
    weights = {f"{at:02d}": power.weight(bond, INDEX_PPM) for at, bond in enumerate([*coalition, *others])}
    capped = power.powers(weights)
    held = Fraction(sum(weights[f"{at:02d}"] for at in range(len(coalition))), sum(weights.values()))
    if share_of(coalition, others) > held:
        assert any(capped[f"{at:02d}"] < weights[f"{at:02d}"] for at in range(len(coalition), len(weights)))


@pytest.mark.parametrize(
    ("large", "dust", "share"),
    [
        (1, 3, Fraction(5, 7)),
        (2, 2, Fraction(5, 12)),
        (3, 3, Fraction(1, 10)),
        (3, 4, Fraction(2, 5)),
        (4, 3, Fraction(1, 5)),
    ],
)
def test_what_giants_may_not_have_falls_to_dust(large: int, dust: int, share: Fraction) -> None:
    """Less than 3% of the weights, and up to five sevenths of the power."""
    assert share_of([DUST] * dust, [LARGE] * large) == share
    assert coalitions.dust(large, dust).weight_ppm < 30_000


def test_one_more_name_of_dust_moves_more_than_itself() -> None:
    """The seventh organisation lowers the largest share, the hundred and first turns weight into heads."""
    seventh, halting, ruling = findings().joins
    assert (seventh.before_ppm, seventh.after_ppm, seventh.bonded_tokens) == (100_000, 400_000, 4 * DUST)
    for one in (seventh, halting):
        before, after = Fraction(one.before_ppm, PPM), Fraction(one.after_ppm, PPM)
        assert not can_halt(before) and can_halt(after)
    assert (halting.large + halting.dust, ruling.large + ruling.dust) == (committee.EVERYBODY,) * 2
    assert halting.after_ppm == 35 * PPM // 101
    assert can_rule(Fraction(ruling.after_ppm, PPM)) and ruling.before_ppm < 20_000
    assert (halting.bonded_tokens, ruling.bonded_tokens) == (35 * DUST, 68 * DUST)


def test_a_hundred_organisations_can_be_joined_without_harm_where_few_are_dust() -> None:
    assert takeover.join(80, 20).after_ppm == 21 * PPM // 101
    assert not can_halt(Fraction(takeover.join(80, 20).after_ppm, PPM))


@given(st.integers(7, 40), st.integers(2, 12))
def test_splitting_into_organisations_gains_and_into_nodes_does_not(others: int, names: int) -> None:
    whole = share_of([LARGE], [LARGE] * others)
    assert share_of(coalitions.split_evenly(LARGE, names), [LARGE] * others) > whole
    parts = coalitions.split_evenly(LARGE, names)
    assert sum(parts) == LARGE and max(parts) - min(parts) <= 1
    assert sum(power.split(1_000, [f"n{at}" for at in range(names)]).values()) == 1_000


def test_the_least_bond_is_where_it_begins() -> None:
    for one in findings().thresholds:
        for least, able in ((one.halts_ppm, can_halt), (one.rules_ppm, can_rule)):
            held = [
                able(coalitions.share_by_bond(one.organisations, one.names, bond)) for bond in range(1_000, PPM, 9_000)
            ]
            assert held == [least is not None and bond >= least for bond in range(1_000, PPM, 9_000)]


def test_no_single_organisation_halts_a_pact() -> None:
    for points in findings().alone.values():
        assert not any(can_halt(Fraction(point.power_ppm, PPM)) for point in points)


def test_a_bought_majority_waits_two_epochs_and_then_takes_less_than_a_third_of_the_shares_at_once() -> None:
    for one in findings().takeovers:
        assert one.power_ppm[:2] == (0, 0)
        assert all(after - before < PPM // 3 for before, after in pairwise(one.power_ppm))
        assert one.power_ppm == tuple(sorted(one.power_ppm))
    alone, *_, many = findings().takeovers
    assert (alone.halts_epoch, alone.rules_epoch, max(alone.power_ppm)) == (None, None, 200_000)
    assert (many.halts_epoch, many.rules_epoch) == (3, 4)
    assert takeover.takeover(1) == alone


def test_who_comes_and_goes_saves_no_offender_and_holds_no_newcomer_up_for_long() -> None:
    for one in findings().held_up:
        assert one.offender_epochs == 1, "whatever others do"
        assert 1 <= one.newcomer_epochs < 3 and one.newcomer_worst < coalitions.HELD_EPOCHS // 2
    waits = [one.newcomer_epochs for one in findings().held_up]
    assert waits == sorted(waits)


def test_names_at_the_bar_cost_the_bar_each_and_a_bar_as_high_as_others_bonds_leaves_no_dust() -> None:
    for one in findings().bars:
        assert one.bonded_tokens == (one.dust + 1) * one.bar_tokens
        assert can_halt(Fraction(one.after_ppm, PPM)) and one.before_ppm < one.after_ppm
    even = [one for one in findings().bars if one.bar_tokens == LARGE]
    assert all(one.after_ppm - one.before_ppm < PPM // 100 for one in even), "the switch moves nothing but the new name"


# Turns and draws


def test_a_dead_member_wastes_at_most_a_round_and_almost_none_after_its_window() -> None:
    told = findings().dead
    assert told.most_wasted == 1
    assert told.later.wasted_ppm < told.first_ppm < told.fair_ppm // 4
    assert told.later.wasted_ppm < told.fair_ppm // 10


def test_a_rejected_member_keeps_its_floor_and_comes_back() -> None:
    told = findings().rejected
    floor = told.fair_ppm * FLOOR_PERCENT // 100
    assert floor < told.later.turns_ppm < told.fair_ppm // 4
    ended = [window for window in told.windows if window.first_height >= told.to_height]
    assert sum(window.turns_ppm for window in ended[1:]) // len(ended[1:]) > told.fair_ppm * 9 // 10


def test_turns_are_drawn_by_the_window_that_ends_two_heights_below() -> None:
    """Counted anew at each height, on a chain on which one member is dead for a while."""
    validators, played = turns.equal_seats(5), turns.Turns()
    shown: list[Participation] = []
    for height in range(1, 301):
        dead = "m00" if 50 <= height < 150 else ""
        one = played.play(validators, lambda node, dead=dead: turns.DEAD if node == dead else turns.ALIVE)
        window = shown[: max(0, height - 2)][-window_heights(5) :]
        weights = leader_weights(validators, Record(window))
        assert list(played.weights.values()) == list(weights)
        assert 100 * played.weights["m00"] * 5 >= FLOOR_PERCENT * sum(weights)
        assert one.proposer != dead
        assert one.wasted == (one.first == dead)
        voters = tuple(seat.id for seat in validators.seats if seat.id != dead)
        shown.append(Participation(one.proposer, (dead,) * one.wasted, voters))


@pytest.mark.parametrize("last", range(grinding.LAST_TURNS + 1))
def test_the_last_turns_before_a_seed_give_two_choices_each(last: int) -> None:
    assert len(grinding.seeds(last)) == 2**last


def test_grinding_pays_more_with_each_turn_and_turns_fall_so_ever_less() -> None:
    grinds = findings().grinds
    assert [one.seeds for one in grinds] == [2**one.last_turns for one in grinds]
    assert all(after.turns_ppm > before.turns_ppm for before, after in pairwise(grinds))
    assert grinds[0].turns_ppm == pytest.approx(PPM * grinding.CARTEL // grinding.SEATS, rel=0.05)


def test_builders_are_drawn_by_name() -> None:
    for one in findings().draws:
        members_, cartel = one.wagerers, one.cartel
        every = Fraction(cartel * (cartel - 1) * (cartel - 2), members_ * (members_ - 1) * (members_ - 2))
        assert abs(one.all_ppm - every * PPM) < 20_000


# The laboratory itself


def test_the_pact_of_the_lab_refuses_what_contracts_refuse() -> None:
    """Nothing here reaches past the contracts: a bond of more than is free is refused, and moves nothing."""
    pact = Pact({name: OpeningTrust(name, 10, 1_000) for name in "abcd"}, epoch_blocks=2)
    _, codes = pact.block([pact.say("a", Bond(11)), pact.say("b", Bond(10))], conduct=lambda _node: turns.ALIVE)
    assert codes == ["trust.insufficient", "ok"]
    assert [pact.trust(name).bonded_tokens for name in "ab"] == [1_000, 1_010]


def test_the_command_prints_what_was_played() -> None:
    def run(*options: str) -> str:
        program = "import sys; from devnet.cli import main; sys.argv[1:1] = ['trust', 'simulate']; main()"
        command = [sys.executable, "-c", program, "--epochs", "2", *options]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    played = members.live(2)
    document = json.loads(run("--json"))
    assert [one["index_ppm"] for one in document["standings"]] == [one.index_ppm for one in played.standings]
    assert document["supply_tokens"] == str(played.supply_tokens)
    headings, *rows = run("--csv").splitlines()
    assert headings.split(",")[:3] == ["epoch", "member", "index_ppm"]
    assert len(rows) == 2 * len(members.NAMES)
    assert "always lies" in run()


def test_who_commits_to_a_lie_and_does_not_reveal_it_keeps_its_index() -> None:
    """It loses half of its wager; the one who told the truth in the same round is paid and rises."""
    shy, honest = "aaa", "bbb"
    pact = Pact({name: OpeningTrust(name, 1_000, 1_000) for name in (shy, honest, "ccc", "ddd")})

    def alive(_node: str) -> str:
        return turns.ALIVE

    def until(phase: str) -> Round:
        for _ in range(40):
            found = pact.state.load(ROUNDS, ROUNDS.key(0))
            assert found is not None
            if found.phase == phase:
                return found
            pact.block(conduct=alive)
        raise AssertionError(f"no phase {phase}")

    pact.block(conduct=alive, question=True)
    pact.block([pact.say(name, Wager(0, "least-cost", 20)) for name in (shy, honest)], conduct=alive)
    assert set(until("commit").builders) == {shy, honest}
    sealed = {name: seal(turns.CHAIN_ID, 0, name, bytes(32), said) for name, said in ((shy, FALSE), (honest, BEST))}
    pact.block([pact.say(name, commitment) for name, (commitment, _) in sealed.items()], conduct=alive)
    until("reveal")
    pact.block([pact.say(honest, sealed[honest][1])], conduct=alive)
    assert until("judged").builder == honest
    assert pact.trust(shy).index_ppm == STARTING_INDEX_PPM < pact.trust(honest).index_ppm
    assert (all_tokens(pact.trust(shy)), pact.pool_tokens()) == (1_990, 9)
    assert all_tokens(pact.trust(honest)) == 2_001
