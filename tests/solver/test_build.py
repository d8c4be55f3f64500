"""What a builder hands in: feasible for everybody, near the optimum, and never what the solver says unchecked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from statistics import median

import numpy as np
import pytest
from msgspec.structs import replace

from contracts.program.case import Block, Case, Demand, Source
from contracts.program.check import check
from contracts.program.rows import Program
from contracts.program.verdict import Verdict
from devnet.bench.dispatch_cases import CAMPUS, DAY_OF_FOUR, Plan, drawn_plan, make, served_plan
from node.errors import NodeError
from node.solver import linear
from node.solver.build import Built, build
from node.solver.linear import Optimum
from tests.support.dispatch_oracle import optimum

SEEDS = range(110)
IMPOSSIBLE = {"solver.infeasible", "dispatch.infeasible"}


@cache
def built(seed: int) -> tuple[Case, Built] | None:
    """A case in which hardly anybody is shed, solved; None where it is impossible."""
    case = make(served_plan(seed))
    try:
        return case, build(case, 20.0)
    except NodeError as error:
        assert error.code in IMPOSSIBLE
        assert optimum(case).cost_nano is None, "the solver calls a case impossible that is not"
        return None


def shed_wh(case: Case, verdict: Verdict) -> int:
    wanted = sum(sum(one.energy_wh) for one in case.demands)
    return wanted - sum(map(sum, verdict.schedule.served_wh))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_solution_is_certified_and_around_the_optimum_of_an_independent_model(seed: int) -> None:
    found = built(seed)
    if found is None:
        return
    case, (solution, verdict, _, _) = found
    assert check(case, solution) == verdict
    # The independent model has no slack around loops, which the program grants for rounding.
    exact = optimum(case).cost_nano
    assert exact is not None
    assert verdict.bound_nano <= exact * (1 + 1e-12) + 1
    if not case.lines:
        assert verdict.cost_nano >= exact - abs(exact) * 1e-12 - 1
    assert verdict.certified or shed_wh(case, verdict) > 0


def test_gaps_are_a_few_ppm_of_base() -> None:
    """Over all that shed nobody: where they do, a Wh that rounding costs is worth a thousand times its price."""
    gaps = sorted(
        found[1].verdict.gap_ppm for seed in SEEDS if (found := built(seed)) and not shed_wh(found[0], found[1].verdict)
    )
    assert len(gaps) >= 100
    assert median(gaps) <= 2
    assert gaps[len(gaps) * 9 // 10] <= 12


@pytest.mark.parametrize(("plan", "goal_ppm"), [(DAY_OF_FOUR, 5), (CAMPUS, 2)])
def test_the_sites_of_the_benchmark_meet_its_goals(plan: Plan, goal_ppm: int) -> None:
    found = build(make(plan), 20.0)
    assert found.verdict.certified and found.verdict.gap_ppm <= goal_ppm
    if plan is CAMPUS:
        cap_ug = make(CAMPUS).carbon_cap_ug
        assert cap_ug is not None and 0 <= cap_ug - found.verdict.carbon_ug < 1_000_000
        assert found.solution.kappa_num > 0


@pytest.mark.parametrize("seed", range(60))
def test_cases_with_scarcity_are_solved_too(seed: int) -> None:
    """Islands at night, caps that force shedding: feasible, if not always certified."""
    case = make(drawn_plan(seed))
    try:
        found = build(case, 20.0)
    except NodeError as error:
        assert error.code in IMPOSSIBLE
        return
    assert found.verdict.certified or shed_wh(case, found.verdict) > 0


@pytest.mark.parametrize("seed", range(40))
def test_where_nothing_is_coupled_no_solver_is_asked(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Merit order has no gap at all, also at negative prices, with bids, with nothing to serve, and in the dark."""
    plan = served_plan(seed)._replace(
        ramps=False, reserve_ppm=0, cap_share_ppm=None, storages=0, loads=0, places=1, meshed=False
    )
    case = make(plan)
    if seed % 4 == 1:
        sunk = tuple(tuple(Block(-400_000 + at, 50_000) for at in range(2)) for _ in range(case.intervals))
        case = replace(case, sources=(Source("sunk", "org", sunk), *case.sources))
    if seed % 4 == 2:
        case = replace(case, demands=(), bids=case.bids[:1], connections=case.connections if seed % 8 == 2 else ())
    if seed % 4 == 3:
        case = replace(case, sources=(), connections=())
    exact = optimum(case).cost_nano
    monkeypatch.setattr(linear, "solve", lambda *args: pytest.fail("asked"))
    found = build(case, 20.0).verdict
    assert found.cost_nano == found.bound_nano == exact


def test_an_offer_to_pay_for_taking_energy_that_nobody_wants_leaves_no_gap() -> None:
    sunk = Source("sunk", "org", ((Block(-400_000, 50_000), Block(-5, 50_000)),))
    case = Case("nobody", 1, 1, "00" * 32, (sunk,), reference_nano_per_wh=(1,))
    found = build(case, 20.0).verdict
    assert (found.cost_nano, found.bound_nano, found.certified) == (0, 0, True)


def corrupted(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[..., Optimum]:
    """A solver that lies about the optimum."""
    real = linear.solve

    def lying(program: Program, seconds: float, tightened: Mapping[int, tuple[int, int]]) -> Optimum:
        honest = real(program, seconds, tightened)
        draw = np.random.default_rng(7)
        return honest._replace(point=change(honest.point, draw), multipliers=change(honest.multipliers, draw))

    return lying


LIES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "noise": lambda values, draw: values + draw.normal(0, 100, len(values)),
    "zero": lambda values, draw: np.zeros(len(values)),
    "turned": lambda values, draw: -values,
    "huge": lambda values, draw: values + 1e30,
    "tiny": lambda values, draw: values - 1e30,
    "shuffled": lambda values, draw: draw.permutation(values),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("seed", [3, 7, 30, 41, 48])
def test_whatever_the_solver_says_only_what_everybody_accepts_comes_out(
    lie: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make(served_plan(seed))
    monkeypatch.setattr(linear, "solve", corrupted(LIES[lie]))
    try:
        found = build(case, 20.0)
    except NodeError as error:
        assert error.code in IMPOSSIBLE | {"solver.repair"}
        return
    verdict = check(case, found.solution)
    assert isinstance(verdict, Verdict) and verdict == found.verdict
    exact = optimum(case).cost_nano
    assert exact is not None and verdict.bound_nano <= exact * (1 + 1e-12) + 1


def test_a_document_that_is_no_case_keeps_its_code() -> None:
    source = Source("source", "org", ((Block(20, 5), Block(10, 5)),))
    wrong = Case("wrong", 1, 1, "00" * 32, (source,), demands=(Demand("org", (4,)),), reference_nano_per_wh=(1,))
    with pytest.raises(NodeError, match=r"^dispatch\.blocks: sources\[0\]") as refused:
        build(wrong, 20.0)
    assert refused.value.hint


def test_time_that_is_over_is_a_code() -> None:
    with pytest.raises(NodeError, match=r"^solver\.time"):
        build(make(CAMPUS), 0.0)


def test_the_same_case_has_the_same_solution() -> None:
    case = replace(make(CAMPUS), name="again")
    assert build(case, 20.0).solution == build(case, 20.0).solution
