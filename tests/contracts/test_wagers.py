"""Rounds of wagering on the dispatch, by hand: phases, eligibility, verdicts, payments, and what is ordered."""

from __future__ import annotations

import msgspec
import pytest
from ledger_world import OPENING_TOKENS, Chain, change
from wager_world import (
    AMOUNT,
    LEAD_MS,
    PARAMS,
    TARGET,
    best_of,
    commit,
    drawn,
    next_phase,
    open_numbers,
    opened,
    packed,
    play,
    reveal,
    round_of,
    sealed,
    solution_of,
    wager,
    wager_of,
    wagering,
)

from contracts import trust
from contracts.bodies import CLAIMS, TransferTokens, Wager
from contracts.genesis import OpeningTrust
from contracts.receipts import IntervalOrdered, RoundJudged, RoundOpened, SolutionRevealed, WagerJudged, WagerPlaced
from contracts.schema import SOLUTIONS
from contracts.state import State
from contracts.wagers.records import minimum_trust, minimum_wager
from contracts.wagers.sealing import commitment
from zk.hashing import sha256

BUILDERS = ("bio", "storage", "utility")


def infeasible(chain: Chain) -> bytes:
    """More than biodiesel offers."""
    return packed(change(best_of(chain), total_wh=((40_001,),)))


def moved(chain: Chain, energy_wh: int) -> bytes:
    """So much from the dear block in place of the last one that is needed, as a feasible solution."""
    honest = best_of(chain)
    assert honest.total_wh == ((0,),)
    return packed(change(honest, total_wh=((energy_wh,),)))


# The whole way


def test_a_round_opens_when_offers_lock_and_orders_when_it_is_judged() -> None:
    chain = opened()
    assert chain.clock is not None
    round_ = round_of(chain)
    assert chain.clock.events == (RoundOpened(0, "dispatch", TARGET, round_.significance_ppm, round_.ends_ms),)
    assert (round_.phase, round_.opener, round_.last_ms) == ("wager", None, TARGET * 900_000)
    assert chain.interval(TARGET).status == "locked" and chain.interval(TARGET).round == 0
    assert round_.stake_nano == 35_000 * 300_000 and round_.significance_ppm == 10_500
    builders = drawn(chain, BUILDERS)
    assert sorted(builders) == sorted(BUILDERS)
    assert all(chain.trust(member).wagered_tokens == AMOUNT for member in BUILDERS)
    solution = solution_of(chain)
    events = play(chain, dict.fromkeys(builders, solution))
    assert events[0] == IntervalOrdered(TARGET, 150_000, 35_000, 30_000)
    assert [event for event in events if isinstance(event, WagerJudged)] == [
        WagerJudged(0, member, "best", 0, 0) for member in builders
    ]
    assert events[-1] == RoundJudged(0, "builder", "none", builders[0], round_of(chain).cost_nano)
    record = chain.interval(TARGET)
    assert (record.status, record.builder, record.round) == ("ordered", builders[0], 0)
    assert chain.order(TARGET, "solar").supplied_wh == 30_000
    assert all(chain.trust(member).free_tokens == OPENING_TOKENS for member in BUILDERS)
    chain.close(TARGET)
    assert chain.interval(TARGET).status == "settled"


def test_a_builders_order_is_the_merit_order_in_every_record() -> None:
    """With wagering off everything is as it was, and with it a judged round orders the same."""
    plain, wagered = opened(wagering(on=False)), opened()
    assert plain.interval(TARGET).status == "ordered" and open_numbers(plain) == ()
    builders = drawn(wagered, BUILDERS)
    play(wagered, dict.fromkeys(builders, solution_of(wagered)))
    differ = {"round": None, "builder": None}
    assert msgspec.structs.replace(wagered.interval(TARGET), **differ) == plain.interval(TARGET)
    for member in ("solar", "bio", "campus", "tenant"):
        assert wagered.order(TARGET, member) == plain.order(TARGET, member)


def test_nobody_wagers_and_the_load_is_served() -> None:
    chain = opened()
    next_phase(chain)
    next_phase(chain)
    assert round_of(chain).phase == "judged" and round_of(chain).reason == "few"
    assert chain.interval(TARGET).status == "ordered" and chain.interval(TARGET).builder is None
    assert chain.order(TARGET, "campus").served_wh == 30_000


# What is lost


def test_an_infeasible_solution_loses_its_wager_and_a_quarter_of_the_index() -> None:
    chain = opened()
    builders = drawn(chain, BUILDERS)
    liar, *honest = builders
    play(chain, {liar: infeasible(chain), **dict.fromkeys(honest, solution_of(chain))})
    assert wager_of(chain, liar).verdict == "infeasible" and wager_of(chain, liar).lost_tokens == AMOUNT
    assert chain.trust(liar).free_tokens == OPENING_TOKENS - AMOUNT and chain.trust(liar).wagered_tokens == 0
    assert chain.trust(liar).index_ppm == 375_000 and chain.trust(liar).index_change.kind == "false"
    assert trust.pool_tokens(State(chain.store)) == AMOUNT
    assert round_of(chain).builder == honest[0]
    assert not any(key.startswith(SOLUTIONS.prefix) for key in chain.store)


@pytest.mark.parametrize("noise", [b"", b"\x00", b"\xff" * 100])
def test_what_is_no_solution_is_infeasible(noise: bytes) -> None:
    chain = opened()
    builders = drawn(chain, BUILDERS)
    play(chain, {builders[0]: noise, builders[1]: solution_of(chain)})
    assert [wager_of(chain, member).verdict for member in builders] == ["infeasible", "best", "silent"]


def test_a_dear_dispatch_loses_whatever_it_claims() -> None:
    for claim in CLAIMS:
        chain = opened()
        liar, *_ = drawn(chain, BUILDERS, claim=claim)
        play(chain, {liar: moved(chain, 5_000)})
        assert wager_of(chain, liar).verdict == "beaten" and wager_of(chain, liar).lost_tokens == AMOUNT
        assert round_of(chain).outcome == "fallback" and chain.order(TARGET, "bio").supplied_wh == 0


def test_the_threshold_is_a_part_of_fixed_demand_and_one_wh_at_least() -> None:
    """Base 30,000 Wh at 300,000: 20 ppm are 180,000 nano, less than one Wh at the import price; 1,000 ppm are
    9,000,000. A Wh of biodiesel serves the tenant's bid, and costs 50,000 more than that is worth."""
    for loss_ppm, energy_wh, verdict in (
        (20, 6, "valid"),
        (20, 7, "beaten"),
        (1_000, 180, "valid"),
        (1_000, 181, "beaten"),
    ):
        chain = opened(wagering(loss_ppm=loss_ppm))
        builder = drawn(chain, BUILDERS)[0]
        play(chain, {builder: moved(chain, energy_wh)})
        assert wager_of(chain, builder).verdict == verdict, (loss_ppm, energy_wh)
    edge = change(PARAMS, import_nano_per_wh=200_000)
    chain = opened(wagering(edge))
    builder = drawn(chain, BUILDERS)[0]
    play(chain, {builder: moved(chain, 4)})
    assert wager_of(chain, builder).verdict == "valid", "the threshold itself is inside"


def test_inside_the_threshold_nobody_loses_and_the_best_is_ordered() -> None:
    chain = opened()
    builders = drawn(chain, BUILDERS)
    play(chain, {builders[0]: moved(chain, 1), builders[1]: solution_of(chain)})
    assert [wager_of(chain, member).verdict for member in builders] == ["valid", "best", "silent"]
    assert round_of(chain).builder == builders[1]
    assert wager_of(chain, builders[0]).lost_tokens == 0


def test_a_false_claim_decides_its_own_wager_alone() -> None:
    """The same solution by three builders: it emits nothing while the sun is enough, and something beyond."""
    for extra_wh, last in ((0, "best"), (1_000, "false-claim")):
        chain = Chain(wagering())
        chain.block(
            chain.offer("solar", "m-solar", TARGET, (50_000, 30_000)),
            chain.offer("bio", "m-bio", TARGET, (200_000, 40_000)),
            chain.need("campus", TARGET, 30_000 + extra_wh),
        )
        chain.at(TARGET, -LEAD_MS).block()
        for member, claim in zip(BUILDERS, CLAIMS, strict=True):
            assert wager(chain, member, claim=claim) == "ok"
        next_phase(chain)
        next_phase(chain)
        play(chain, dict.fromkeys(BUILDERS, solution_of(chain)))
        assert [wager_of(chain, member).verdict for member in BUILDERS] == ["best", "best", last]
        assert wager_of(chain, "utility").carbon_ug == extra_wh * 30_000
        assert wager_of(chain, "utility").lost_tokens == (AMOUNT if extra_wh else 0)
        assert round_of(chain).builder in BUILDERS[:2] or not extra_wh


def test_who_commits_and_does_not_reveal_loses_a_part() -> None:
    chain = opened(wagering(unrevealed_ppm=333_333))
    builders = drawn(chain, BUILDERS)
    play(chain, {builders[0]: None, builders[1]: solution_of(chain)})
    assert wager_of(chain, builders[0]).verdict == "unrevealed"
    assert wager_of(chain, builders[0]).lost_tokens == 34, "rounded up"
    assert chain.trust(builders[0]).index_ppm == 500_000, "absence proves no lie"
    assert wager_of(chain, builders[2]).verdict == "silent" and wager_of(chain, builders[2]).lost_tokens == 1
    assert trust.pool_tokens(State(chain.store)) == 35


# Who may wager


def test_a_member_has_one_wager_whatever_its_keys() -> None:
    chain = opened()
    (receipt,) = chain.block(chain.say("bio", Wager(0, "least-cost", AMOUNT)))
    assert receipt.events == (WagerPlaced(0, "bio", "least-cost", AMOUNT),)
    assert wager(chain, "bio") == "wager.twice"
    assert chain.run(chain.say("bio", Wager(0, "zero-carbon", AMOUNT), scope="wagering")) == "wager.twice"
    assert chain.trust("bio").wagered_tokens == AMOUNT and round_of(chain).wagers == 1


def test_bars_grow_with_what_is_at_stake() -> None:
    low, high = round_of(opened()), round_of(opened(wagering(significance_full_nano=1)))
    assert high.significance_ppm == 1_000_000
    assert (minimum_wager(low), minimum_trust(low)) == (10, 20)
    assert (minimum_wager(high), minimum_trust(high)) == (20, 40)
    chain = opened(wagering(significance_full_nano=1))
    assert wager(chain, "bio", 19) == "wager.minimum" and wager(chain, "bio", 20) == "ok"


def test_net_trust_is_index_times_free_tokens() -> None:
    trusts = (OpeningTrust("bio", 39), OpeningTrust("solar", 1_000, 0, 20_000), OpeningTrust("tenant", 40))
    chain = opened(wagering(trusts=trusts))
    assert wager(chain, "bio", 10) == "wager.trust", "39 x 0.5 is below 20"
    assert wager(chain, "solar", 10) == "ok" and wager(chain, "tenant", 10) == "ok"


def test_tokens_that_wander_stand_behind_one_wager_alone() -> None:
    """A wagers, hands its tokens on, and B wagers with them: at the draw each is worth what it still has."""
    trusts = (OpeningTrust("bio", 1_000), OpeningTrust("storage", 0), OpeningTrust("utility", 1_000))
    chain = opened(wagering(trusts=trusts))
    assert wager(chain, "bio", 10) == "ok" and wager(chain, "utility", 10) == "ok"
    assert chain.run(chain.say("bio", TransferTokens("storage", 990, ""))) == "ok"
    assert wager(chain, "storage", 10) == "ok"
    next_phase(chain)
    next_phase(chain)
    assert sorted(round_of(chain).builders) == ["storage", "utility"]
    assert wager_of(chain, "bio").verdict == "undrawn" and chain.trust("bio").free_tokens == 10


def test_the_tombstoned_neither_wager_nor_are_drawn() -> None:
    chain = opened()
    chain.decide(lambda state, context: trust.slash(state, context, "solar", "duplicate-prevote"))
    assert wager(chain, "solar") == "wager.trust", "its index is gone with it"
    for member in BUILDERS:
        assert wager(chain, member) == "ok"
    chain.decide(lambda state, context: trust.slash(state, context, "bio", "duplicate-prevote"))
    next_phase(chain)
    next_phase(chain)
    assert sorted(round_of(chain).builders) == ["storage", "utility"]
    assert chain.trust("bio").wagered_tokens == 0 and chain.trust("bio").free_tokens == OPENING_TOKENS


def test_the_tombstoned_are_out_even_where_nothing_is_asked_for() -> None:
    chain = opened(wagering(minimum_trust_tokens=0, draw_trust_tokens=0))
    for member in BUILDERS:
        assert wager(chain, member) == "ok"
    for member in ("bio", "tenant"):
        chain.decide(lambda state, context, name=member: trust.slash(state, context, name, "duplicate-prevote"))
    assert wager(chain, "tenant") == "trust.tombstoned"
    next_phase(chain)
    next_phase(chain)
    assert sorted(round_of(chain).builders) == ["storage", "utility"]


def test_builders_who_are_not_trusted_enough_leave_it_to_the_fallback() -> None:
    chain = opened(wagering(draw_trust_tokens=10_000))
    for member in BUILDERS:
        wager(chain, member)
    next_phase(chain)
    next_phase(chain)
    assert round_of(chain).reason == "trust" and round_of(chain).builders == ()
    assert all(chain.trust(member).free_tokens == OPENING_TOKENS for member in BUILDERS)


def test_builders_are_added_until_they_are_trusted_enough() -> None:
    for bar, number in ((500, 2), (980, 2), (1_100, 3), (1_900, 4)):
        chain = opened(wagering(builders=2, draw_trust_tokens=bar))
        assert len(drawn(chain, (*BUILDERS, "campus", "tenant"))) == number


# Sealing


def test_records_that_everybody_reads_name_a_solution_by_a_salted_hash() -> None:
    """Whoever knows the market but for one need could else try what it is, until the hash fits."""
    chain = opened()
    builder, other, _ = drawn(chain, BUILDERS)
    solution = solution_of(chain)
    for member in (builder, other):
        assert commit(chain, member, solution) == "ok"
    next_phase(chain)
    receipts = chain.block(*(chain.say(member, sealed(chain, member, solution)[1]) for member in (builder, other)))
    found = wager_of(chain, builder)
    assert found.solution_hash == sha256(sha256(builder.encode()) + sha256(solution))
    assert found.solution_hash != wager_of(chain, other).solution_hash
    assert receipts[-1].events == (SolutionRevealed(0, other, wager_of(chain, other).solution_hash),)


def test_a_commitment_opens_for_its_builder_round_and_chain_alone() -> None:
    chain = opened()
    builders = drawn(chain, BUILDERS)
    author, thief, _ = builders
    body, revealed = sealed(chain, author, solution_of(chain))
    assert chain.run(chain.say(thief, body)) == "ok", "anybody may copy a hash"
    assert chain.run(chain.say(author, body)) == "ok"
    assert chain.run(chain.say(author, body)) == "wager.committed"
    next_phase(chain)
    assert chain.run(chain.say(author, revealed)) == "ok"
    assert chain.run(chain.say(author, revealed)) == "wager.revealed"
    assert chain.run(chain.say(thief, revealed)) == "wager.commitment", "and has nothing of it"
    next_phase(chain)
    assert [wager_of(chain, one).verdict for one in builders] == ["best", "unrevealed", "silent"]


def test_a_commitment_names_all_that_it_is_for() -> None:
    salt, other = bytes(32), bytes(31) + b"\x01"
    commitments = {
        commitment("chain-a", 0, "bio", salt, b"solution"),
        commitment("chain-b", 0, "bio", salt, b"solution"),
        commitment("chain-a", 1, "bio", salt, b"solution"),
        commitment("chain-a", 0, "solar", salt, b"solution"),
        commitment("chain-a", 0, "bio", other, b"solution"),
        commitment("chain-a", 0, "bio", salt, b"other"),
    }
    assert len(commitments) == 6


def test_each_word_counts_in_its_phase_alone() -> None:
    chain = opened()
    assert commit(chain, "bio", b"") == "wager.phase" and reveal(chain, "bio", b"") == "wager.phase"
    builders = drawn(chain, (*BUILDERS, "tenant", "solar"))
    idle = next(name for name in ("tenant", *BUILDERS) if name not in builders)
    assert wager(chain, "campus") == "wager.phase" and reveal(chain, builders[0], b"") == "wager.phase"
    assert commit(chain, "campus", b"") == commit(chain, idle, b"") == "wager.drawn", "who has wagered, too"
    assert commit(chain, builders[0], b"") == "ok"
    next_phase(chain)
    assert commit(chain, builders[1], b"") == "wager.phase"
    assert wager_of(chain, idle).verdict == "undrawn"
    assert reveal(chain, "campus", b"") == reveal(chain, idle, b"") == "wager.drawn"
    assert reveal(chain, builders[1], b"") == "wager.commitment"
    next_phase(chain)
    assert reveal(chain, builders[0], b"") == "wager.phase"
    assert chain.run(chain.say("bio", Wager(1, "least-cost", AMOUNT))) == "wager.round"
