"""When a round ends early, or does not open at all: the subject is decided in time, and nobody honest pays for it."""

from __future__ import annotations

import msgspec
import pytest
from ledger_world import OPENING_TOKENS, Chain, change
from wager_world import (
    AMOUNT,
    LEAD_MS,
    PARAMS,
    TARGET,
    TERMS,
    commit,
    drawn,
    next_phase,
    open_numbers,
    opened,
    play,
    reveal,
    round_of,
    solution_of,
    wager,
    wager_of,
    wagering,
)

from contracts import api
from contracts.bodies import MAX_SOLUTION_BYTES, RevealSolution
from contracts.governance import membership
from contracts.governance.rules import rules
from contracts.mode_records import Link
from contracts.params import MIN_UNITS
from contracts.schema import LINK, OPEN_ROUND_LIST, RULES_IN_FORCE, SOLUTIONS
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_PRICE
from contracts.wagers import rounds
from contracts.wagers.records import MAX_ROUNDS, Round

BUILDERS = ("bio", "storage", "utility")


# The last moment


@pytest.mark.parametrize("phases", [0, 1, 2, 3])
def test_a_stall_of_any_phase_ends_in_the_fallback_and_costs_nobody_honest(phases: int) -> None:
    chain = opened()
    for member in BUILDERS:
        assert wager(chain, member) == "ok"
    for _ in range(min(phases, 2)):
        next_phase(chain)
    builders = round_of(chain).builders
    for member in builders:
        assert commit(chain, member, solution_of(chain)) == "ok"
    if phases == 3:
        next_phase(chain)
        assert reveal(chain, builders[0], solution_of(chain)) == "ok"
    chain.at(TARGET).block()
    assert round_of(chain).phase == "judged" and round_of(chain).reason == "late"
    assert chain.interval(TARGET).status == "ordered" and chain.interval(TARGET).builder is None
    assert all(wager_of(chain, member).verdict == "void" for member in BUILDERS)
    assert all(chain.trust(member).free_tokens == OPENING_TOKENS for member in BUILDERS)


def test_who_has_shown_a_lie_loses_even_when_time_runs_out() -> None:
    chain = opened()
    liar, *_ = drawn(chain, BUILDERS)
    commit(chain, liar, b"nonsense")
    next_phase(chain)
    reveal(chain, liar, b"nonsense")
    chain.at(TARGET).block()
    assert round_of(chain).reason == "late" and wager_of(chain, liar).verdict == "infeasible"
    assert wager_of(chain, liar).lost_tokens == AMOUNT


def test_time_that_jumps_past_everything_orders_before_it_settles() -> None:
    chain = opened()
    chain.at(TARGET + 3)
    events = chain.catch_up()
    kinds = [type(event).__name__ for event in events]
    assert kinds.index("IntervalOrdered") < kinds.index("RoundJudged") < kinds.index("IntervalSettled")
    assert chain.interval(TARGET).status == "settled"


def test_many_overdue_rounds_are_judged_a_few_per_block_and_before_they_settle() -> None:
    params = change(PARAMS, gate_lead_ms=10_800_000, max_closes_per_block=1)
    chain = Chain(wagering(params))
    first = TARGET + 12
    chain.block(chain.need("campus", first, 1_000, count=3))
    chain.at(first + 3, -10_800_000)
    for _ in range(3):
        chain.block()
    assert open_numbers(chain) == (0, 1, 2)
    chain.at(first + 6)
    for left in ((1, 2), (2,), ()):
        chain.block()
        assert open_numbers(chain) == left
    chain.catch_up()
    assert open_numbers(chain) == () and {chain.interval(first + at).status for at in range(3)} == {"settled"}


@pytest.mark.parametrize("most", [1, len(BUILDERS), len(BUILDERS) + 1])
def test_a_block_judges_about_as_many_wagers_as_one_round_may_have(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    lead_ms = 10_800_000
    chain = Chain(wagering(change(PARAMS, gate_lead_ms=lead_ms, max_closes_per_block=96)))
    first = TARGET + 12
    chain.block(chain.need("campus", first, 1_000, count=2))
    chain.at(first + 1, -lead_ms).block()
    for member in BUILDERS:
        assert [wager(chain, member, number=number) for number in (0, 1)] == ["ok", "ok"]
    next_phase(chain)
    next_phase(chain)
    assert [len(round_of(chain, number).builders) for number in (0, 1)] == [len(BUILDERS)] * 2
    monkeypatch.setattr(rounds, "MAX_BUILDERS", most)
    chain.at(first + 2).block()
    assert open_numbers(chain) == (() if most > len(BUILDERS) else (1,))
    chain.block()
    assert open_numbers(chain) == ()


def test_nothing_settles_before_its_round_is_judged() -> None:
    chain = opened()
    waiting = chain.store.pop(OPEN_ROUND_LIST)
    chain.at(TARGET + 3).block()
    assert chain.clock is not None and chain.clock.events == () and chain.interval(TARGET).status == "locked"
    chain.store[OPEN_ROUND_LIST] = waiting
    chain.catch_up()
    assert chain.interval(TARGET).status == "settled"


def test_rules_that_change_on_the_way_cost_nobody() -> None:
    chain = opened()
    builders = drawn(chain, BUILDERS)
    for member in builders:
        commit(chain, member, solution_of(chain))
    next_phase(chain)
    for member in builders:
        reveal(chain, member, solution_of(chain))
    chain.decide(lambda state, _: cap_offers(state, 100_000))
    next_phase(chain)
    assert round_of(chain).reason == "rules" and round_of(chain).outcome == "fallback"
    assert {wager_of(chain, member).verdict for member in builders} == {"void"}
    assert all(chain.trust(member).free_tokens == OPENING_TOKENS for member in BUILDERS)
    assert not any(key.startswith(SOLUTIONS.prefix) for key in chain.store)


def cap_offers(state: State, cap: int) -> None:
    """Members agreed on another cap."""
    now = rules(state)
    cheaper = change(now.params, offer_cap_nano_per_wh=cap)
    state.save(RULES_IN_FORCE, msgspec.structs.replace(now, params=cheaper))


def test_an_island_that_begins_after_the_lock_makes_no_builder_a_liar() -> None:
    """The market is that of the lock: what a tie meter says later counts when the interval settles."""
    chain = Chain(wagering())
    chain.block(chain.need("campus", TARGET, 30_000))
    chain.at(TARGET, -LEAD_MS).block()
    builders = drawn(chain, BUILDERS)
    solution = solution_of(chain)
    chain.decide(lambda state, _: state.save(LINK, Link(TARGET - 3, "detected")))
    assert solution_of(chain) == solution
    play(chain, dict.fromkeys(builders, solution))
    assert {wager_of(chain, member).verdict for member in builders} == {"best"}
    assert chain.interval(TARGET).grid and chain.interval(TARGET).import_wh == 30_000


# Where no round opens


def test_without_time_for_the_phases_an_interval_is_ordered_at_once() -> None:
    chain = Chain(wagering(wager_ms=900_000, commit_ms=600_000))
    chain.block(chain.need("campus", TARGET, 1_000))
    chain.at(TARGET, -1_800_000).block()
    assert chain.interval(TARGET).status == "ordered" and chain.interval(TARGET).round is None


def test_rounds_have_a_maximum() -> None:
    params = change(PARAMS, gate_lead_ms=86_400_000, max_closes_per_block=96)
    chain = Chain(wagering(params))
    first = TARGET + 96
    chain.block(chain.need("campus", first, 1_000, count=MAX_ROUNDS + 1))
    chain.at(first + MAX_ROUNDS + 1, -86_400_000).block()
    assert len(open_numbers(chain)) == MAX_ROUNDS
    assert chain.interval(first + MAX_ROUNDS - 1).status == "locked"
    assert chain.interval(first + MAX_ROUNDS).status == "ordered"


def test_stakes_of_one_opener_add_up() -> None:
    """Many small needs in place of a large one do not lower the bar."""
    params = change(PARAMS, gate_lead_ms=3_600_000, max_closes_per_block=96)
    chain = Chain(wagering(params))
    chain.block(chain.need("campus", TARGET + 4, 10_000, count=2))
    chain.at(TARGET + 5, -3_600_000).block()
    rounds: list[Round] = [round_of(chain, number) for number in (0, 1)]
    assert [one.stake_nano for one in rounds] == [3 * 10**9] * 2
    assert [one.significance_ppm for one in rounds] == [3_000, 6_000]


def test_whoever_wants_the_moon_takes_nobodys_dispatch_away() -> None:
    chain = Chain(wagering())
    chain.block(chain.need("campus", TARGET, 2**39), chain.need("tenant", TARGET, 5_000, tier=0))
    chain.at(TARGET, -1_800_000).block()
    assert open_numbers(chain) == (0,)
    chain.at(TARGET).block()
    assert chain.order(TARGET, "tenant").served_wh == 5_000
    campus = chain.order(TARGET, "campus")
    assert (campus.requested_wh, campus.shed_wh, campus.served_wh) == (2**39, 2**39 - 995_000, 995_000)
    assert chain.interval(TARGET).shed_wh == campus.shed_wh
    assert chain.interval(TARGET).price_nano_per_wh == PARAMS.offer_cap_nano_per_wh


@pytest.mark.parametrize(("most", "rounds_open"), [(7, ()), (8, (0,))])
def test_a_large_case_is_ordered_without_a_round(most: int, rounds_open: tuple[int, ...]) -> None:
    """Three blocks, a need, a bid, and three variables of the connection."""
    chain = opened(wagering(change(PARAMS, max_dispatch_variables=most)))
    assert open_numbers(chain) == rounds_open
    assert chain.interval(TARGET).status == ("locked" if rounds_open else "ordered")


def test_terms_are_those_of_the_opening() -> None:
    assert round_of(opened(wagering(fee_tokens=7))).terms == msgspec.structs.replace(TERMS, fee_tokens=7)


# A member leaves


def test_a_removed_member_is_not_drawn_and_has_its_wager_back() -> None:
    chain = opened()
    for member in BUILDERS:
        assert wager(chain, member) == "ok"
    chain.decide(lambda state, context: membership.remove(state, context, "storage"))
    next_phase(chain)
    next_phase(chain)
    assert sorted(round_of(chain).builders) == ["bio", "utility"]
    assert wager_of(chain, "storage").verdict == "undrawn"
    assert chain.trust("storage").free_tokens == OPENING_TOKENS


@pytest.mark.parametrize("committed", [False, True])
def test_a_builder_that_is_removed_before_it_can_speak_pays_for_no_silence(committed: bool) -> None:
    chain = opened()
    drawn(chain, BUILDERS)
    for member in BUILDERS if committed else BUILDERS[1:]:
        assert commit(chain, member, solution_of(chain)) == "ok"
    chain.decide(lambda state, context: membership.remove(state, context, "bio"))
    next_phase(chain)
    assert reveal(chain, "storage", solution_of(chain)) == "ok"
    next_phase(chain)
    assert [wager_of(chain, member).verdict for member in BUILDERS] == ["void", "best", "unrevealed"]
    assert chain.trust("bio").free_tokens == OPENING_TOKENS and chain.trust("bio").wagered_tokens == 0


def test_what_a_builder_showed_counts_after_its_removal() -> None:
    chain = opened()
    drawn(chain, BUILDERS)
    assert commit(chain, "bio", b"nonsense") == "ok"
    next_phase(chain)
    assert reveal(chain, "bio", b"nonsense") == "ok"
    chain.decide(lambda state, context: membership.remove(state, context, "bio"))
    next_phase(chain)
    assert wager_of(chain, "bio").verdict == "infeasible" and wager_of(chain, "bio").lost_tokens == AMOUNT


def test_a_connection_that_grows_beyond_money_on_the_way_still_ends_the_round() -> None:
    chain = opened()
    drawn(chain, BUILDERS)
    largest = change(
        chain.genesis.params,
        offer_cap_nano_per_wh=MAX_PRICE,
        import_nano_per_wh=MAX_PRICE,
        export_nano_per_wh=MAX_PRICE,
        import_limit_wh=MAX_ENERGY,
        export_limit_wh=MAX_ENERGY,
    )
    chain.decide(lambda state, _: state.save(RULES_IN_FORCE, msgspec.structs.replace(rules(state), params=largest)))
    chain.at(TARGET).block()
    assert (round_of(chain).phase, round_of(chain).reason) == ("judged", "rules")
    assert round_of(chain).fallback_nano == 52_650_000_000, "the question is that of the lock"
    assert all(chain.trust(member).free_tokens == OPENING_TOKENS for member in BUILDERS)
    chain.at(TARGET + 3).catch_up()
    assert chain.interval(TARGET).status == "settled"


def test_any_reveal_fits_into_the_least_units_of_a_key_and_a_block() -> None:
    said = opened().say("bio", RevealSolution(0, bytes(32), bytes(MAX_SOLUTION_BYTES)))
    assert api.units(said) + api.WAGER_UNITS + api.COMMIT_UNITS <= MIN_UNITS
