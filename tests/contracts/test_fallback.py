"""The dispatch without a solver: always one where there is any, never one that breaks a row."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.program.case import Block, Case, Connection, Demand, Line, Load, Reserve, Solution, Source, Storage
from contracts.program.fallback import fallback
from contracts.program.fill import fill
from contracts.program.points import point, row_name
from contracts.program.rows import evaluate, program
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Schedule
from tests.contracts.dispatch_cases import CAP, cases, one, source
from tests.contracts.test_fill import fixed
from tests.support.optimum import best


def found(case: Case) -> tuple[Solution, Schedule, int]:
    """Solution, schedule and cost of the fallback, which breaks nothing."""
    solution = fallback(case)
    assert isinstance(solution, Solution), solution
    schedule = fill(lock(case), solution)
    assert isinstance(schedule, Schedule), schedule
    rows = program(case)
    at = point(rows, schedule)
    assert all(lo <= value <= hi for lo, value, hi in zip(rows.lo, at, rows.hi, strict=True))
    result = evaluate(rows, at)
    for number, (lo, value, hi) in enumerate(zip(rows.row_lo, result.activity, rows.row_hi, strict=True)):
        assert lo <= value <= hi, row_name(rows, number)
    return solution, schedule, result.cost_nano


def refused(case: Case) -> str:
    refusal = fallback(case)
    assert isinstance(refusal, Refusal), refusal
    return refusal.code


@given(cases())
@settings(max_examples=150)
def test_at_one_place_there_is_a_fallback_wherever_there_is_any_dispatch(case: Case) -> None:
    """Without losses: those of demand that is shed are owed too, and a storage is not charged by shedding for them."""
    case = msgspec.structs.replace(case, line_loss_ppm=0)
    optimum = best(program(case))
    if optimum is None:
        assert isinstance(fallback(case), Refusal)
    else:
        assert found(case)[2] >= round(optimum)


@given(cases(places=4))
@settings(max_examples=150)
def test_no_line_carries_more_than_it_may(case: Case) -> None:
    if isinstance(fallback(case), Solution):
        found(case)


@given(cases(places=6))
@settings(max_examples=150)
def test_a_load_that_can_not_be_served_costs_nobody_the_dispatch(case: Case) -> None:
    """What is tried for loads and storages is taken back where it leads nowhere."""
    if isinstance(fallback(msgspec.structs.replace(case, loads=())), Solution):
        assert isinstance(fallback(case), Solution)


@given(cases(), st.lists(st.integers(0, 4), min_size=3, max_size=3), st.integers(0, 4_000))
@settings(max_examples=80)
def test_reserves_and_the_carbon_cap_are_kept_or_named(case: Case, reserve: list[int], cap: int) -> None:
    case = msgspec.structs.replace(case, reserve_wh=tuple(reserve[: case.intervals]), carbon_cap_ug=cap)
    solution = fallback(case)
    if isinstance(solution, Solution):
        found(case)
    else:
        assert solution.code.removeprefix("dispatch.") in (
            "reserve-need",
            "carbon",
            "ramp",
            "shortage",
            "surplus",
        )


def days(*offers: tuple[tuple[int, int], ...]) -> tuple[tuple[Block, ...], ...]:
    return tuple(tuple(Block(*block) for block in blocks) for blocks in offers)


def many(count: int, **parts: object) -> Case:
    case = one(**parts)
    return msgspec.structs.replace(case, intervals=count, binding=count)


def test_where_nothing_couples_it_is_the_optimum() -> None:
    case = one(
        sources=(source("a", (10, 100)), source("b", (20, 100))),
        demands=(fixed(120),),
        storages=(Storage("s", "s", 100, 100, (50,), (50,), end_value_nano_per_wh=0),),
    )
    solution, schedule, cost = found(case)
    assert schedule.source_wh == [[100], [20]]
    assert cost == 100 * 10 + 20 * 20
    assert solution.discharge_wh == ((0,),), "storage does nothing that avoids no shedding"


def test_a_source_that_is_slow_to_stop_does_not_start() -> None:
    """It could deliver 100 now and not come down to 10 in time."""
    case = many(
        2,
        sources=(
            Source("slow", "s", days(((10, 100),), ((10, 100),)), ramp_wh=30),
            Source("quick", "q", days(((50, 100),), ((50, 100),))),
        ),
        demands=(Demand("t", (100, 10)),),
    )
    assert found(case)[1].source_wh == [[40, 10], [60, 0]]


def test_a_source_comes_down_to_what_it_may_deliver_later() -> None:
    case = many(
        3,
        sources=(Source("r", "r", days(((10, 90),), ((10, 90),), ()), ramp_wh=30),),
        demands=(Demand("t", (90, 90, 0)),),
    )
    assert found(case)[1].source_wh == [[60, 30, 0]]
    stuck = one(sources=(Source("r", "r", days(((10, 20),)), ramp_wh=30, last_wh=60),), demands=(fixed(10),))
    assert refused(stuck) == "dispatch.ramp"
    idle = one(sources=(Source("r", "r", days(((10, 60),)), ramp_wh=30, last_wh=60),), demands=(fixed(10),))
    assert refused(idle) == "dispatch.surplus"


def test_what_a_source_can_not_help_delivering_charges_a_storage() -> None:
    case = one(
        sources=(Source("r", "r", days(((10, 60),)), ramp_wh=30, last_wh=60),),
        demands=(fixed(10),),
        storages=(Storage("s", "s", 100, 0, (50,), (50,)),),
        loads=(Load("ev", "t", 5, 5, 0, 1, 1),),
    )
    solution, _, _ = found(case)
    assert (solution.load_wh, solution.charge_wh) == (((5,),), ((15,),))


def test_a_storage_charges_before_and_after_what_it_avoids_to_shed() -> None:
    case = many(
        3,
        sources=(Source("a", "a", days(((10, 110),), ((10, 60),), ((10, 120),))),),
        demands=(Demand("t", (100, 100, 100)),),
        storages=(Storage("s", "s", 1_000, 500 * 90, (50,) * 3, (50,) * 3, efficiency_n=9, efficiency_d=10),),
    )
    solution, schedule, _ = found(case)
    assert solution.discharge_wh == ((0, 24, 0),), "0.81 of 10 charged before, 0.81 of 20 after"
    assert solution.charge_wh == ((10, 0, 20),)
    assert schedule.served_wh == [[100, 84, 100]]
    assert schedule.soc[0][-1] >= 500 * 90


def test_who_values_what_is_left_in_a_storage_gives_it_before_anybody_is_shed() -> None:
    case = one(
        demands=(fixed(40),),
        storages=(Storage("s", "s", 100, 30, (50,), (50,), end_value_nano_per_wh=10),),
    )
    assert found(case)[1].served_wh == [[30]]


def test_losses_that_nobody_covers_are_discharged_for() -> None:
    """They are owed even where all demand is shed."""
    store = Storage("s", "s", 100, 30, (50,), (50,), end_value_nano_per_wh=10)
    case = one(demands=(fixed(100),), storages=(store,), line_loss_ppm=100_000)
    assert found(case)[1].served_wh == [[20]]
    assert refused(msgspec.structs.replace(case, storages=())) == "dispatch.shortage"


def test_a_load_runs_where_energy_is_left_cheapest_and_below_its_value() -> None:
    case = many(
        3,
        sources=(Source("a", "a", days(((10, 50),), ((10, 30), (40, 100)), ((5, 45), (90, 100)))),),
        demands=(Demand("t", (50, 20, 40)),),
        loads=(Load("ev", "t", 40, 30, 0, 3, 80),),
    )
    assert found(case)[0].load_wh == ((0, 30, 5),), "nothing is below 80 any more"


def test_a_line_sheds_by_tier_behind_it() -> None:
    case = one(
        sources=(source("a", (10, 900), place="x"),),
        demands=(fixed(50, place="x"), fixed(60, 0, "y", "clinic"), fixed(80, 2, "y", "pool")),
        lines=(Line("x-y", "x", "y", (100,)),),
    )
    solution, schedule, _ = found(case)
    assert schedule.served_wh == [[50], [60], [40]]
    assert [flow.flow_wh for flow in solution.flows] == [100]


def test_of_two_lines_in_a_row_the_tighter_one_is_at_its_limit() -> None:
    for first, second in ((100, 50), (50, 100)):
        case = one(
            sources=(source("a", (10, 900), place="x"),),
            demands=(fixed(20, place="y"), fixed(200, place="z")),
            lines=(Line("x-y", "x", "y", (first,)), Line("y-z", "y", "z", (second,))),
        )
        _, schedule, _ = found(case)
        assert sum(row[0] for row in schedule.served_wh) == min(first, 20 + second)


def test_a_line_out_of_service_takes_the_lines_behind_it_with_it() -> None:
    """The last line is full at first, then what would bring energy to it turns out to be cut."""
    case = one(
        sources=(source("a", (10, 900), place="x"),),
        demands=(fixed(20, place="z"),),
        lines=(Line("x-y", "x", "y", (0,)), Line("y-z", "y", "z", (10,))),
    )
    assert found(case)[1].served_wh == [[0]]


def test_a_mesh_that_is_scaled_down_passes_on_what_it_gets() -> None:
    """Three whole Wh over two ways, one of them over a place that has nothing itself."""
    lines = (
        Line("n0", "x", "y", (1,), 1),
        Line("n1", "x", "z", (1,), 2),
        Line("m0", "x", "y", (1,), 1),
        Line("m1", "y", "z", (1,), 1),
    )
    case = one(sources=(source("a", (10, 9), place="x"),), demands=(fixed(3, place="z"),), lines=lines)
    _, schedule, _ = found(case)
    assert schedule.served_wh[0][0] in (1, 2)


def test_a_loop_carries_what_its_tightest_line_lets_it() -> None:
    case = one(
        sources=(source("a", (10, 900), place="x"),),
        demands=(fixed(90, place="z"),),
        lines=(Line("x-y", "x", "y", (99,)), Line("y-z", "y", "z", (99,)), Line("x-z", "x", "z", (40,))),
    )
    _, schedule, _ = found(case)
    assert schedule.flow_wh == [[20], [20], [40]]
    assert schedule.served_wh == [[60]]


def test_reserve_is_held_by_who_asks_least_and_may_not_run_beside_it() -> None:
    case = one(
        sources=(
            source("a", (10, 100), reserve=Reserve(1, (30,))),
            source("b", (20, 100), reserve=Reserve(5, (30,))),
        ),
        demands=(fixed(120),),
        reserve_wh=(40,),
    )
    solution, schedule, _ = found(case)
    assert solution.reserve_wh == ((30,), (10,))
    assert schedule.source_wh == [[70], [50]]
    short = msgspec.structs.replace(case, reserve_wh=(61,))
    assert refused(short) == "dispatch.reserve-need"


def test_nobody_holds_what_it_has_not_stored_or_must_deliver() -> None:
    store = Storage("s", "s", 100, 20, (50,), (50,), reserve=Reserve(1, (50,)))
    spare = source("spare", (90, 100), reserve=Reserve(9, (100,)))
    stored = one(sources=(spare,), storages=(store,), reserve_wh=(30,))
    assert found(stored)[0].reserve_wh == ((10,), (20,))
    slow = source("slow", (10, 95), ramp_wh=10, last_wh=100, reserve=Reserve(1, (50,)))
    slowing = one(sources=(slow, spare), demands=(fixed(120),), reserve_wh=(15,))
    solution, _, _ = found(slowing)
    assert (solution.total_wh, solution.reserve_wh) == (((90,),), ((5,), (10,)))


def test_a_storage_gives_no_more_than_it_can_beside_what_it_holds_back() -> None:
    store = Storage("s", "s", 100, 100, (50,), (50,), end_value_nano_per_wh=1, reserve=Reserve(1, (20,)))
    assert found(one(demands=(fixed(60),), storages=(store,), reserve_wh=(20,)))[1].served_wh == [[30]]


def test_what_no_storage_has_room_for_is_refused() -> None:
    slow = Source("r", "r", days(((10, 60),)), ramp_wh=30, last_wh=60)
    for stored, code in ((80, ""), (95, "dispatch.surplus")):
        case = one(sources=(slow,), demands=(fixed(10),), storages=(Storage("s", "s", 100, stored, (50,), (50,)),))
        if code:
            assert refused(case) == code
        else:
            assert found(case)[0].charge_wh == ((20,),)


def test_a_full_storage_is_not_filled_beyond_its_capacity() -> None:
    """What it gives for ten it could only get back with a little more than ten, and has no room for that."""
    case = many(
        2,
        sources=(Source("a", "a", days(((10, 90),), ((10, 150),))),),
        demands=(Demand("t", (100, 100)),),
        storages=(Storage("s", "s", 50, 50 * 90, (50, 50), (50, 50), efficiency_n=9, efficiency_d=10),),
    )
    assert found(case)[1].served_wh == [[90, 100]]
    less = msgspec.structs.replace(case.storages[0], start_soc=49 * 90)
    assert found(msgspec.structs.replace(case, storages=(less,)))[1].served_wh == [[100, 100]]


def test_a_cap_is_kept_by_cleaner_energy_then_by_shedding_then_named() -> None:
    tie = Connection("tie", "utility", (900,), (0,), (40,), (0,), (0,))
    case = one(
        sources=(source("dirty", (10, 100), factor=400),),
        demands=(fixed(100, 2),),
        connections=(tie,),
        carbon_cap_ug=30_000,
    )
    assert found(case)[1].import_wh == [[40]]
    assert 890 * 1_024 // 400 < found(case)[0].kappa_num <= 890 * 1_024 // 400 + 65, "the price of a ug, within 1/64"
    assert found(case)[1].served_wh == [[100]]
    less = msgspec.structs.replace(case, carbon_cap_ug=0)
    assert found(less)[1].served_wh == [[40]]
    stuck = one(
        sources=(Source("r", "r", days(((10, 60),)), factor_ug_per_wh=400, ramp_wh=30, last_wh=60),),
        demands=(fixed(30),),
        carbon_cap_ug=11_999,
    )
    assert refused(stuck) == "dispatch.carbon"


def test_nobody_is_shed_for_a_load() -> None:
    case = many(
        2,
        sources=(
            Source("a", "a", days(((10, 100),), ((10, 100),)), place="x"),
            Source("b", "b", days(((5, 20),), ((5, 20),)), place="y"),
        ),
        demands=(Demand("t", (60, 60), 0, "y"),),
        loads=(Load("ev", "t", 30, 30, 0, 1, CAP, "y"),),
        lines=(Line("x-y", "x", "y", (45, 45)),),
    )
    _, schedule, _ = found(case)
    assert schedule.served_wh == [[60, 60]]
