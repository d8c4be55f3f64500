"""Lies about good solutions: none is certified, moves a price, or is not named by its code."""

from __future__ import annotations

from functools import cache
from random import Random

import pytest
from msgspec.structs import replace

from contracts.program import certificate
from contracts.program.case import MAX_WEIGHT, Case, Connection, Demand, Multiplier, Reserve, Solution, Storage
from contracts.program.check import Ready, check, ready
from contracts.program.rows import program
from contracts.program.verdict import Refusal, Verdict
from devnet.bench.dispatch_cases import drawn_plan, make
from node.solver.build import Built, build
from tests.program.cases import small, source
from tests.support.dispatch_oracle import optimum

KWH = 1_000
SECONDS = 30


@cache
def solved(seed: int) -> tuple[Case, Built]:
    """A site of any kind with a certified solution."""
    case = make(drawn_plan(seed))
    return case, build(case, SECONDS)


def known(case: Case) -> Ready:
    found = ready(case)
    assert isinstance(found, Ready)
    return found


@pytest.mark.parametrize("seed", [2, 7, 9, 18, 20, 22])
def test_no_weights_lead_above_another_solvers_optimum(seed: int) -> None:
    """Those of the solver, and whatever they are changed to: of the wrong sign, too large, of other rows."""
    case, built = solved(seed)
    numbered = program(case)
    best = optimum(case).cost_nano
    assert best is not None
    above = best + 1 + abs(best) * 1e-9
    told = built.solution.multipliers
    assert best - built.verdict.threshold_nano <= certificate.bound_scaled(numbered, told) / 2**32 <= above
    draw = Random(f"weights {seed}")
    rows = range(len(numbered.row_lo))
    for _ in range(12):
        near = tuple(replace(one, weight=round(one.weight * draw.uniform(0.5, 1.5))) for one in told)
        wrong = tuple(replace(one, weight=one.weight * draw.choice((1, 1, -1))) for one in told)
        weights = [one.weight for one in told]
        draw.shuffle(weights)
        moved = tuple(replace(one, weight=weight) for one, weight in zip(told, weights, strict=True))
        absurd = tuple(Multiplier(row, draw.randrange(-(2**60), 2**60)) for row in rows)
        for lie in (near, wrong, moved, absurd):
            assert certificate.bound_scaled(numbered, lie) / 2**32 <= above


@pytest.mark.parametrize("seed", [2, 9, 20, 22])
def test_multipliers_that_are_dropped_or_turned_round_certify_nothing(seed: int) -> None:
    case, built = solved(seed)
    site = known(case)
    assert built.verdict.certified
    for told in ((), tuple(replace(one, weight=-one.weight) for one in built.solution.multipliers)):
        found = check(site, replace(built.solution, multipliers=told))
        assert isinstance(found, Verdict) and not found.certified
        assert found.price_nano_per_wh == built.verdict.price_nano_per_wh and found.cost_nano == built.verdict.cost_nano


CAPPED = small(
    "capped",
    2,
    sources=(
        source("coal", (20, 50 * KWH), intervals=2, factor_ug_per_wh=800),
        source("gas", (50, 50 * KWH), intervals=2, factor_ug_per_wh=300),
    ),
    demands=(Demand("ann", (30 * KWH, 40 * KWH)),),
    carbon_cap_ug=35 * KWH * 800 + 35 * KWH * 300,
    offer_cap_nano_per_wh=100,
    shed_nano_per_wh=(10_000,),
    reference_nano_per_wh=(50, 50),
)


def test_a_carbon_weight_that_is_off_by_a_percent_is_dear_or_dirty() -> None:
    """Half of the demand has to be clean: the weight ties both offers, and 1% beside it takes one of them alone."""
    built = build(CAPPED, SECONDS)
    site, solution = known(CAPPED), built.solution
    assert built.verdict.certified and 0 < solution.theta < 2**32
    assert solution.kappa_num * 500 == solution.kappa_den * 30
    for percent, code in ((101, None), (99, "dispatch.carbon")):
        num, den = solution.kappa_num * percent, solution.kappa_den * 100
        found = check(site, replace(solution, kappa_num=num, kappa_den=den))
        if code is None:
            assert isinstance(found, Verdict) and not found.certified
            assert found.cost_nano - built.verdict.cost_nano == 30 * 35 * KWH
        else:
            assert isinstance(found, Refusal) and found.code == code
    for theta in (solution.theta * 101 // 100, solution.theta * 99 // 100):
        found = check(site, replace(solution, theta=theta))
        assert found.code == "dispatch.carbon" if isinstance(found, Refusal) else not found.certified
    found = check(site, replace(solution, kappa_num=MAX_WEIGHT, kappa_den=1))
    assert isinstance(found, Verdict) and not found.certified


STORED = small(
    "stored",
    4,
    storages=(Storage("cell", "ann", 20 * KWH, 0, (5 * KWH,) * 4, (5 * KWH,) * 4, 9, 10),),
    connections=(Connection("tie", "u", (20, 20, 90, 90), (0,) * 4, (50 * KWH,) * 4, (0,) * 4, (0,) * 4),),
    demands=(Demand("ann", (10 * KWH,) * 4),),
    offer_cap_nano_per_wh=100,
    shed_nano_per_wh=(10_000,),
)


def test_a_false_charge_report_is_found_out_by_the_ledgers() -> None:
    """A builder that believes in energy that is not there discharges it, and one Wh less charged is one too few."""
    full = replace(STORED, storages=(replace(STORED.storages[0], start_soc=5 * KWH * 90, end_value_nano_per_wh=0),))
    lie = build(full, SECONDS)
    assert sum(lie.solution.discharge_wh[0]) > 0
    honest = replace(full, storages=(replace(full.storages[0], start_soc=0),))
    found = check(known(honest), lie.solution)
    assert isinstance(found, Refusal) and (found.code, found.where) == (
        "dispatch.capacity",
        "soc of storage cell in interval 3",
    )
    true = build(STORED, SECONDS).solution
    charged = true.charge_wh[0]
    first = next(t for t, wh in enumerate(charged) if wh)
    less = tuple(wh - (t == first) for t, wh in enumerate(charged))
    found = check(known(STORED), replace(true, charge_wh=(less,)))
    assert isinstance(found, Refusal) and found.code in ("dispatch.end", "dispatch.capacity")


STEEP = small(
    "steep",
    3,
    sources=(
        source("sun", (10, 40 * KWH), intervals=3),
        source("steam", (30, 10 * KWH), (90, 10 * KWH), intervals=3, ramp_wh=4 * KWH, last_wh=8 * KWH),
        source("peak", (60, 40 * KWH), intervals=3, reserve=Reserve(1, (5 * KWH,) * 3)),
    ),
    demands=(Demand("ann", (60 * KWH, 55 * KWH, 58 * KWH)),),
    offer_cap_nano_per_wh=100,
    shed_nano_per_wh=(10_000,),
    reference_nano_per_wh=(60,) * 3,
)


def moved(solution: Solution, interval: int, wh: int) -> Solution:
    """The one ramp-limited source delivers so much more in one interval."""
    (row,) = solution.total_wh
    return replace(solution, total_wh=(tuple(old + wh * (t == interval) for t, old in enumerate(row)),))


@pytest.mark.parametrize("interval", range(3))
def test_one_wh_of_a_dear_block_moves_no_price(interval: int) -> None:
    """A builder sets totals of ramp-limited sources, so it can reach into a dear block: certified, and for nothing."""
    built, site = build(STEEP, SECONDS), known(STEEP)
    assert built.verdict.certified and built.solution.total_wh[0][interval] == 10 * KWH
    assert {price for row in built.verdict.price_nano_per_wh for price in row} == {60}
    for wh in (1, 6):
        found = check(site, moved(built.solution, interval, wh))
        assert isinstance(found, Verdict) and found.certified
        assert found.price_nano_per_wh == built.verdict.price_nano_per_wh
    found = check(site, moved(built.solution, interval, 2 * KWH))
    assert isinstance(found, Verdict) and not found.certified
