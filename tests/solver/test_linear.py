"""The linear program of a case against a model in another shape, and what is said of impossible ones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.program.case import Block, Case, Demand, Reserve, Source
from contracts.program.rows import program
from devnet.bench.dispatch_cases import CAMPUS, drawn_plan, make
from node.errors import NodeError
from node.solver import linear
from tests.support.dispatch_oracle import optimum

SECONDS = 20.0
INFEASIBLE = 2


@pytest.mark.parametrize("seed", range(60))
def test_the_optimum_is_that_of_an_independent_model(seed: int) -> None:
    case = make(drawn_plan(seed))
    expected = optimum(case)
    if expected.cost_nano is None:
        assert expected.status == INFEASIBLE
        with pytest.raises(NodeError, match=r"^solver\.infeasible"):
            linear.solve(program(case), SECONDS)
        return
    exact = dict.fromkeys(program(case).rows["loop"], (0, 0))
    found = linear.solve(program(case), SECONDS, exact)
    assert found.cost_nano == pytest.approx(expected.cost_nano, rel=1e-9, abs=1.0)


ENGINE = Source("engine", "org", ((Block(100, 50),),) * 3, ramp_wh=10, reserve=Reserve(7, (20,) * 3))
PLAIN = Case("plain", 3, 3, "00" * 32, sources=(ENGINE,), demands=(Demand("org", (30, 30, 30)),))


@pytest.mark.parametrize(
    ("case", "named"),
    [
        (replace(PLAIN, reserve_wh=(5, 11, 5)), "what has to give way: reserve in interval 1."),
        (
            replace(PLAIN, sources=(replace(ENGINE, last_wh=90),)),
            "what has to give way: ramp of source engine in interval 0.",
        ),
        (
            replace(PLAIN, sources=(), line_loss_ppm=500_000),
            "balance of place site in interval 0, balance of place site in interval 1, balance of place site",
        ),
        (
            replace(
                PLAIN, reserve_wh=(99,) * 3, sources=(replace(ENGINE, last_wh=61, factor_ug_per_wh=9),), carbon_cap_ug=8
            ),
            "reserve in interval 0, reserve in interval 1, reserve in interval 2",
        ),
    ],
)
def test_an_infeasible_case_names_the_constraints(case: Case, named: str) -> None:
    with pytest.raises(NodeError) as refused:
        linear.solve(program(case), SECONDS)
    assert refused.value.code == "solver.infeasible"
    assert named in refused.value.message


def test_many_impossible_constraints_are_counted() -> None:
    with pytest.raises(NodeError, match="interval 4 and 91 more"):
        linear.solve(program(replace(make(CAMPUS), reserve_wh=(2**40 - 1,) * 96)), SECONDS)


def test_a_solver_out_of_time_says_so() -> None:
    with pytest.raises(NodeError, match=r"^solver\.time: The solver was not done after 0 seconds"):
        linear.solve(program(make(CAMPUS)), 0.0)
