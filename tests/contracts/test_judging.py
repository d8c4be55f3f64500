"""What solutions are worth, without a ledger: verdicts, equal sharing, and that nothing is paid that is not there.

A judge of one number stands in for others: its solution is a cost, certified from a bound on.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.bodies import CLAIMS
from contracts.params import WagerParams
from contracts.wagers.judging import (
    LOSING,
    Case,
    Submission,
    Weighed,
    decide,
    decide_early,
    improved_nano,
    loss_tokens,
    rewards,
)

TERMS = WagerParams(on=True, fee_tokens=3, reward_nano_per_token=10, reward_pool_ppm=1_000_000)
THRESHOLD = 5


def weighed(cost: int, certified: bool = True, energy: int = 0, carbon: int = 0) -> Weighed:
    return Weighed(cost, energy, carbon, certified, f"plan of {cost}")


def case(fallback: int = 100) -> Case:
    return Case(weighed(fallback), THRESHOLD, 0, lambda _: None)


def shown(member: str, what: Weighed | None, claim: str = "least-cost") -> Submission:
    return Submission(member, claim, True, True, what)


def test_a_large_gap_proves_no_lie_unless_somebody_shows_better() -> None:
    alone = decide(case(), "least-cost", [shown("a", weighed(104, certified=False))])
    assert alone.verdicts == ["uncertified"] and alone.builder is None and alone.best.cost_nano == 100
    assert loss_tokens(TERMS, "uncertified", 50) == 3
    both = [shown("a", weighed(60, certified=False)), shown("b", weighed(54))]
    assert decide(case(), "least-cost", both).verdicts == ["beaten", "best"]
    near = [shown("a", weighed(59, certified=False)), shown("b", weighed(54))]
    assert decide(case(), "least-cost", near).verdicts == ["uncertified", "best"]


def test_an_uncertified_solution_is_not_ordered_however_cheap_it_looks() -> None:
    found = decide(case(), "least-cost", [shown("a", weighed(10, certified=False))])
    assert (found.builder, found.best.cost_nano) == (None, 100)


def test_equal_is_equal_and_the_first_drawn_is_ordered() -> None:
    found = decide(
        case(), "least-cost", [shown(name, weighed(cost)) for name, cost in zip("abc", (92, 90, 90), strict=True)]
    )
    assert found.verdicts == ["valid", "best", "best"] and found.builder == "b"


def test_at_equal_cost_the_cleaner_one_is_ordered() -> None:
    found = decide(case(), "least-cost", [shown("a", weighed(90, carbon=7)), shown("b", weighed(90, carbon=6))])
    assert found.verdicts == ["valid", "best"] and found.builder == "b"


def test_the_opener_chooses_and_a_claim_decides_its_own_wager() -> None:
    clean = shown("a", weighed(104, carbon=0), "zero-carbon")
    cheap = shown("b", weighed(100, carbon=9, energy=4), "least-cost")
    false = shown("c", weighed(100, carbon=9, energy=4), "least-energy")
    dirty = Case(weighed(100, energy=4, carbon=9), THRESHOLD, 0, lambda _: None)
    assert decide(dirty, "least-cost", [clean, cheap]).builder == "b"
    assert decide(dirty, "zero-carbon", [clean, cheap]).builder == "a"
    assert decide(dirty, "least-energy", [clean, false]).verdicts == ["best", "false-claim"]


def test_a_builder_that_equals_the_fallback_is_ordered_and_earns_nothing() -> None:
    found = decide(case(), "least-cost", [shown("a", weighed(100))])
    assert found.builder == "a" and found.verdicts == ["best"]
    assert improved_nano(case(), "best", weighed(100)) == 0


@pytest.mark.parametrize(("cost", "saved"), [(95, 0), (94, 6), (60, 40)])
def test_only_more_than_the_threshold_counts(cost: int, saved: int) -> None:
    assert improved_nano(case(), "best", weighed(cost)) == saved
    assert improved_nano(case(), "false-claim", weighed(cost)) == 0


def test_equal_builders_are_paid_equally_and_lesser_ones_less() -> None:
    assert rewards(TERMS, 1_000, ["best", "best", "valid", "silent"], [900, 900, 700, 0]) == [40, 40, 10, 0]
    assert rewards(TERMS, 7, ["best", "best"], [900, 900]) == [3, 3], "what is left over stays"
    assert rewards(TERMS, 10**9, ["best"], [19]) == [1]
    assert rewards(TERMS, 0, ["best"], [900]) == [0]


def test_time_that_runs_out_takes_only_from_shown_lies() -> None:
    submissions = [
        shown("a", weighed(500, certified=False)),
        shown("b", None),
        Submission("c", "least-cost", True, False, None),
        Submission("d", "least-cost", False, False, None),
    ]
    assert decide_early(submissions) == ["void", "infeasible", "void", "void"]


# Properties

WEIGHED = st.builds(
    Weighed, st.integers(-50, 200), st.integers(0, 3), st.integers(0, 3), st.booleans(), st.just("plan")
)
CRITERIA = st.sampled_from(CLAIMS)
SUBMISSIONS = st.lists(
    st.one_of(
        st.builds(Submission, st.just(""), CRITERIA, st.just(True), st.just(True), WEIGHED | st.none()),
        st.builds(Submission, st.just(""), CRITERIA, st.booleans(), st.just(False), st.none()),
    ),
    max_size=16,
).map(lambda some: [one._replace(member=f"b-{at}") for at, one in enumerate(some)])


@given(st.integers(-50, 200), SUBMISSIONS, CRITERIA)
def test_nothing_worse_than_the_fallback_is_ordered_and_nothing_uncertified(
    fallback: int, submissions: list[Submission], criterion: str
) -> None:
    found = decide(case(fallback), criterion, submissions)
    metric = {"least-cost": 0, "least-energy": 1, "zero-carbon": 2}[criterion]
    assert found.best[metric] <= case(fallback).fallback[metric] and found.best.certified
    named = {one.member: one for one in submissions}
    assert (found.builder is None) == ("best" not in found.verdicts)
    for one, verdict in zip(submissions, found.verdicts, strict=True):
        assert (verdict == "best") <= (one.weighed is not None and one.weighed[:3] == found.best[:3])
    if found.builder is not None:
        assert named[found.builder].weighed == found.best


@given(st.integers(-50, 200), SUBMISSIONS, st.integers(0, 200))
def test_a_true_claim_of_a_certified_solution_costs_nothing_whatever_others_do(
    fallback: int, others: list[Submission], place: int
) -> None:
    """Certified means: nobody costs less by more than the threshold. A judge that keeps to it harms no honest one."""
    floor = min([fallback, *[one.weighed.cost_nano for one in others if one.weighed is not None]])
    honest = shown("honest", weighed(floor + THRESHOLD))
    at = place % (len(others) + 1)
    found = decide(case(fallback), "least-cost", [*others[:at], honest, *others[at:]])
    assert loss_tokens(TERMS, found.verdicts[at], 10**9) == 0


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.tuples(st.sampled_from(["best", "valid", "silent"]), st.integers(0, 2**62)), max_size=16),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_rewards_never_exceed_the_share_of_the_pool(
    pool: int, some: list[tuple[str, int]], pool_ppm: int, other_ppm: int
) -> None:
    terms = WagerParams(reward_pool_ppm=pool_ppm, other_reward_ppm=other_ppm, reward_nano_per_token=1)
    verdicts = [verdict for verdict, _ in some]
    paid = rewards(terms, pool, verdicts, [saved if verdict != "silent" else 0 for verdict, saved in some])
    assert sum(paid) <= pool * pool_ppm // 1_000_000 and min(paid, default=0) >= 0
    best = {reward for reward, (verdict, saved) in zip(paid, some, strict=True) if verdict == "best" and saved}
    other = {reward for reward, (verdict, saved) in zip(paid, some, strict=True) if verdict == "valid" and saved}
    assert len(best) <= 1 and len(other) <= 1
    assert not best or not other or max(other) <= max(best)


@given(
    st.sampled_from([*LOSING, "unrevealed", "uncertified", "silent", "best", "valid", "void"]),
    st.integers(1, 2**63 - 1),
)
def test_no_verdict_takes_more_than_the_wager(verdict: str, amount: int) -> None:
    assert 0 <= loss_tokens(TERMS, verdict, amount) <= amount
    assert (loss_tokens(TERMS, verdict, amount) == amount) >= (verdict in LOSING)


@pytest.mark.parametrize(("waste_wh", "last"), [(None, "best"), (7, "best"), (6, "wasteful")])
def test_energy_beyond_the_least_that_was_revealed_is_not_ordered(waste_wh: int | None, last: str) -> None:
    asked = case()._replace(waste_wh=waste_wh)
    both = [shown("a", weighed(92, energy=10)), shown("b", weighed(90, energy=17))]
    found = decide(asked, "least-cost", both)
    assert found.verdicts == (["valid", last] if last == "best" else ["best", last])
    assert found.builder == ("b" if last == "best" else "a")
    assert loss_tokens(TERMS, "wasteful", 50) == 3 and "wasteful" not in LOSING
    uncertified = [shown("a", weighed(92, certified=False, energy=0)), shown("b", weighed(90, energy=17))]
    assert decide(asked, "least-cost", uncertified).verdicts[1] == "best", "only what is certified counts as revealed"
