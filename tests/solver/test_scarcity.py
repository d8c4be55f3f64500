"""Dispatches that have to shed: right ones are certified, and whoever would live off the wider threshold is not."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program import certificate, scarcity
from contracts.program.case import WEIGHT_ONE, Block, Case, Demand, Line, Multiplier, Reserve, Source, Storage
from contracts.program.check import Ready, check, ready
from contracts.program.fill import fill
from contracts.program.points import point
from contracts.program.price import prices
from contracts.program.rows import program
from contracts.program.stack import lock
from contracts.program.validate import problem
from contracts.program.verdict import Schedule, Verdict
from contracts.units import PPM
from node.solver.build import Built, build
from tests.contracts.dispatch_cases import CAP, cases, solutions

ROUND = "00" * 32
REFERENCE = 100_000
TIERS = (268_435_455, 67_108_863, 16_777_215, 4_194_303)


def island(intervals: int, sources: tuple[Source, ...], demands: tuple[Demand, ...], **more: Any) -> Case:
    reference = (REFERENCE,) * intervals
    return Case(
        "island", intervals, intervals, ROUND, sources, demands=demands, reference_nano_per_wh=reference, **more
    )


def battery(name: str, intervals: int, most_wh: int, start_wh: int = 0, **more: Any) -> Storage:
    """Of an efficiency that makes no whole Wh of most charges."""
    power = (most_wh,) * intervals
    charge = (0,) * intervals
    return Storage(name, name, 4_000, start_wh * 380 + 77, charge, power, 19, 20, end_value_nano_per_wh=90_000, **more)


def drawn(seed: int) -> Case:
    """An island in which the least critical tier can not be served whole, with batteries and slow sources."""
    dice = random.Random(seed)
    times = 1 + seed % 3
    sources = tuple(
        Source(
            f"s{at}",
            f"o{at}",
            tuple((Block(dice.randint(40_000, 90_000), dice.randint(300, 900)),) for _ in range(times)),
            ramp_wh=600 if at % 2 else None,
        )
        for at in range(3)
    )
    stores = tuple(
        battery(f"b{at}", times, dice.randint(200, 900), dice.randint(90, 600)) for at in range(1 + seed % 2)
    )
    demands = tuple(Demand(f"d{tier}", (dice.randint(150, 300),) * times, tier) for tier in range(3))
    # Tier 3 wants more than all sources and batteries give.
    tail = Demand("d3", tuple(dice.randint(5_000, 6_000) for _ in range(times)), 3)
    return island(times, sources, (*demands, tail), storages=stores, line_loss_ppm=20_000)


@cache
def built(seed: int) -> Built:
    return build(drawn(seed), 20.0)


@pytest.mark.parametrize("seed", range(24))
def test_an_island_that_is_short_by_one_tier_is_certified(seed: int) -> None:
    case = drawn(seed)
    found = built(seed).verdict
    penalties = scarcity.penalties_nano(case)
    assert set(penalties) == set(range(case.intervals)) and set(penalties.values()) == {TIERS[3]}
    assert found.threshold_nano == (case.intervals + len(case.storages)) * TIERS[3]
    assert found.certified
    assert all(price == case.offer_cap_nano_per_wh for row in found.price_nano_per_wh for price in row)


def test_without_scarcity_in_the_threshold_most_of_these_are_not() -> None:
    away = [built(seed).verdict.cost_nano - built(seed).verdict.bound_nano for seed in range(24)]
    assert sum(gap > certificate.threshold_nano(drawn(seed)) for seed, gap in enumerate(away)) >= 12


@pytest.mark.parametrize("seed", range(12))
def test_who_sheds_needlessly_is_not_certified(seed: int) -> None:
    """A few Wh that a battery holds back, with the best multipliers there are."""
    case, (solution, found, _, _) = drawn(seed), built(seed)
    held_wh = case.intervals + len(case.storages) + 1
    first = solution.discharge_wh[0]
    at = max(range(case.intervals), key=lambda t: first[t])
    assert first[at] > held_wh
    less = tuple(wh - held_wh * (t == at) for t, wh in enumerate(first))
    lazy = check(case, replace(solution, discharge_wh=(less, *solution.discharge_wh[1:])))
    assert isinstance(lazy, Verdict) and not lazy.certified
    assert found.certified and lazy.cost_nano > found.cost_nano


# What scarcity in one interval allows in another


def two_intervals(**more: Any) -> Case:
    """Short by the most critical tier in the first, where the batteries do not help; plenty at two prices in the
    second, in which a slow source decides who delivers."""
    slow = Source("slow", "slow", ((), (Block(90_000, 2_000),)), ramp_wh=3_000)
    fast = Source("fast", "fast", ((Block(50_000, 100),), (Block(50_000, 3_000),)))
    return island(2, (slow, fast), (Demand("d", (900, 3_000), 0),), **more)


def test_scarcity_in_one_interval_excuses_nothing_in_another() -> None:
    """200 Wh of a dear block are 8 million, far less than one Wh of the critical tier; and they would move a price."""
    case = two_intervals()
    (solution, best, _, _) = build(case, 20.0)
    assert best.certified and scarcity.penalties_nano(case) == {0: TIERS[0]}
    dear = check(case, replace(solution, total_wh=((0, 200),)))
    assert isinstance(dear, Verdict)
    away = dear.cost_nano - dear.bound_nano
    assert certificate.threshold_nano(case) < away < dear.threshold_nano == TIERS[0]
    assert not dear.certified
    few = check(case, replace(solution, total_wh=((0, 2),)))
    assert isinstance(few, Verdict) and few.certified, "what was certified without any scarcity still is"


@settings(max_examples=60)
@given(st.lists(st.integers(-(2**50), 2**50), min_size=8, max_size=8), st.integers(1, 2_000))
def test_no_multipliers_move_a_loss_to_where_it_is_short(weights: list[int], wh: int) -> None:
    """Whatever weights a builder finds: those near the best ones, changed by any it likes."""
    case = two_intervals()
    (solution, _, _, _) = best_of_two()
    rows = len(program(case).row_lo)
    told = {one.row: one.weight for one in solution.multipliers}
    moved = [told.get(row, 0) + weights[row % 8] for row in range(rows)]
    x = fill(lock(case), replace(solution, total_wh=((0, wh),)))
    assert isinstance(x, Schedule)
    given_ = tuple(Multiplier(row, weight) for row, weight in enumerate(moved))
    made = program(case)
    elsewhere = scarcity.elsewhere_scaled(made, point(made, x), given_, {0: TIERS[0]})
    assert elsewhere >= WEIGHT_ONE * wh * 40_000, "so much less the same energy would cost in the second interval"


@cache
def best_of_two() -> Built:
    return build(two_intervals(), 20.0)


@pytest.mark.parametrize("paid", ["charge", "reserve"])
def test_nothing_that_is_paid_as_asked_hides_in_scarcity(paid: str) -> None:
    """Charging and discharging in one interval for the wear, and reserve that nobody needs for its price."""
    cell = Storage("cell", "cell", 900, 500, (400,), (400,), wear_nano_per_wh=20_000, end_value_nano_per_wh=0)
    spare = Source("spare", "spare", ((Block(50_000, 100),),), rating_wh=900, reserve=Reserve(20_000, (500,)))
    case = island(1, (spare,), (Demand("d", (2_000,), 0),), storages=(cell,))
    (solution, best, _, _) = build(case, 20.0)
    assert best.certified and best.threshold_nano == 2 * TIERS[0] and solution.discharge_wh == ((400,),)
    cycled = replace(solution, discharge_wh=((399,),), charge_wh=((1,),))
    worse = check(case, cycled if paid == "charge" else replace(solution, reserve_wh=((100,),)))
    assert isinstance(worse, Verdict) and not worse.certified
    assert certificate.threshold_nano(case) < worse.cost_nano - worse.bound_nano <= worse.threshold_nano
    idle = check(case, replace(solution, discharge_wh=((399,),)))
    assert isinstance(idle, Verdict) and idle.certified, "a Wh of rounding"


# What follows from a case alone


@settings(max_examples=300)
@given(st.data())
def test_where_a_case_is_short_the_price_is_the_cap_in_every_dispatch(data: st.DataObject) -> None:
    """So no builder moves it, and somebody is shed whatever is chosen."""
    drawn_case, times = data.draw(cases()), data.draw(st.sampled_from((1, 2, 5, 20)))
    case = msgspec.json.decode(msgspec.json.encode(drawn_case).replace(b'"p0"', b'"site"'), type=Case)
    wanted = tuple(replace(one, energy_wh=tuple(times * wh for wh in one.energy_wh)) for one in case.demands)
    case = replace(case, demands=wanted, reference_nano_per_wh=(300,) * case.intervals)
    if problem(case):
        return
    penalties = scarcity.penalties_nano(case)
    locked, solution = lock(case), data.draw(solutions(case))
    schedule = fill(locked, solution)
    if not isinstance(schedule, Schedule):
        return
    known = ready(case)
    if not isinstance(known, Ready) or not isinstance(check(known, solution), Verdict):
        return
    priced = prices(locked, solution, schedule)
    for t, penalty_nano in penalties.items():
        assert {row[t] for row in priced.price_nano_per_wh} == {CAP}
        shed = [
            case.shed_nano_per_wh[one.tier]
            for one, row in zip(case.demands, schedule.served_wh, strict=True)
            if row[t] < one.energy_wh[t]
        ]
        assert max(shed) >= penalty_nano
    if not penalties:
        assert known.threshold_nano == known.near_nano == certificate.threshold_nano(case)


def one(demand_wh: int, **more: Any) -> Case:
    """A source of 1,000 Wh, and 1,000 Wh of the second tier above so much of the last."""
    source = Source("s", "s", ((Block(50_000, 1_000),),), reserve=Reserve(5, (9,)))
    return island(1, (source,), (Demand("a", (1_000,), 1), Demand("b", (demand_wh,), 3)), **more)


def test_short_is_what_no_supply_could_serve_by_more_than_the_slack() -> None:
    slack_wh = next(wh for wh in range(1, 99) if wh * PPM > 5_000 * (1_000 + 1_000 + wh))
    assert slack_wh == 11
    assert scarcity.penalties_nano(one(slack_wh - 1)) == {}
    assert scarcity.penalties_nano(one(slack_wh)) == {0: TIERS[3]}
    assert [build(one(wh), 20.0).verdict.price_nano_per_wh[0][0] for wh in (5, 11)] == [50_000, 4_000_000]
    beyond = replace(one(11), sources=(Source("s", "s", ((Block(50_000, 900),),)),))
    assert scarcity.penalties_nano(beyond) == {0: TIERS[1]}, "more than all of the last tier"
    helped = replace(one(11), storages=(Storage("c", "c", 9, 4, (0,), (9,)),))
    assert scarcity.penalties_nano(helped) == {}, "a battery could give four"
    empty = replace(one(15), storages=(Storage("c", "c", 9, 0, (0,), (9,)),))
    assert scarcity.penalties_nano(empty) == {0: TIERS[3]}, "an empty one nothing"
    assert scarcity.penalties_nano(replace(one(500), reserve_wh=(1,))) == {}, "who holds reserve would decide who sells"
    assert scarcity.penalties_nano(replace(one(500), carbon_cap_ug=10**9)) == {}
    wired = replace(one(500), lines=(Line("l", "site", "hill", (5,)),))
    assert scarcity.penalties_nano(wired) == {}, "prices of places part"


def test_what_a_battery_could_give_grows_by_what_it_could_have_taken() -> None:
    store = Storage("c", "c", 100, 10 * 20 * 19, (0, 50, 50, 0), (60, 60, 60, 60), 19, 20)
    assert scarcity.most_given_wh(store) == [9, 9, 54, 60]


def test_large_cases_have_the_threshold_that_they_had() -> None:
    case = replace(one(500), loss_ppm=900_000)
    assert certificate.threshold_nano(case) == 1_500 * REFERENCE * 9 // 10
    known = ready(case)
    assert isinstance(known, Ready) and known.penalties_nano and known.threshold_nano == known.near_nano
    assert scarcity.threshold_nano(case, 7, {0: 5, 1: 9}) == 14
