"""The fill of the dispatch program against closed forms, the one-interval dispatch, and its own rules."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program.case import (
    WEIGHT_ONE,
    Bid,
    Block,
    Case,
    Connection,
    Demand,
    Line,
    LineFlow,
    Load,
    Reserve,
    Solution,
    Source,
)
from contracts.program.fill import fill
from contracts.program.points import point
from contracts.program.rows import evaluate, losses_wh, offered_wh, program
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Schedule
from tests.contracts.dispatch_cases import ROUND, TIERS, cases, one, solutions, source
from tests.contracts.one_interval import Market, clear
from tests.contracts.test_dispatch import markets
from tests.support.optimum import best


def filled(case: Case, **chosen: object) -> Schedule:
    schedule = fill(lock(case), replace(Solution(case.round_id), **chosen))
    assert isinstance(schedule, Schedule), schedule
    return schedule


def delivered(case: Case, **chosen: object) -> list[int]:
    """By each source in the first interval."""
    return [row[0] for row in filled(case, **chosen).source_wh]


def refused(case: Case, **chosen: object) -> str:
    refusal = fill(lock(case), replace(Solution(case.round_id), **chosen))
    assert isinstance(refusal, Refusal), refusal
    return refusal.code


def fixed(energy_wh: int, tier: int = 0, place: str = "site", organisation: str = "t") -> Demand:
    return Demand(organisation, (energy_wh,), tier, place)


# The one-interval dispatch


def as_case(market: Market) -> Case:
    """The same market as a case. Its meters need not be unique, so sources are numbered in their order."""
    order = sorted(
        range(len(market.supplies)), key=lambda i: (market.supplies[i].meter, market.supplies[i].energy_wh, i)
    )
    names = {index: f"m-{rank:02d}" for rank, index in enumerate(order)}
    sources = tuple(
        Source(
            names[i],
            supply.organisation,
            ((Block(supply.price_nano_per_wh, supply.energy_wh),) if supply.energy_wh else (),),
            factor_ug_per_wh=supply.factor_ug_per_wh,
        )
        for i, supply in enumerate(market.supplies)
    )
    ties: tuple[Connection, ...] = ()
    if market.grid:
        name, imports, exports, import_wh, export_wh, factor = market.grid
        ties = (Connection("tie", name, (imports,), (exports,), (import_wh,), (export_wh,), (factor,)),)
    return Case(
        "market",
        1,
        1,
        market.round_id.hex(),
        sources,
        connections=ties,
        demands=tuple(
            Demand(demand.organisation, (demand.energy_wh,), demand.tier)
            for demand in market.demands
            if demand.limit_nano_per_wh is None
        ),
        bids=tuple(
            Bid(demand.organisation, demand.limit_nano_per_wh, (demand.energy_wh,))
            for demand in market.demands
            if demand.limit_nano_per_wh is not None
        ),
        shed_nano_per_wh=TIERS,
        offer_cap_nano_per_wh=market.offer_cap_nano_per_wh,
        scarcity_nano_per_wh=market.scarcity_nano_per_wh,
        price_slack_ppm=market.slack_ppm,
    )


@given(markets())
@settings(max_examples=200)
def test_one_interval_is_filled_as_the_one_interval_dispatch_is(market: Market) -> None:
    schedule, expected = filled(as_case(market)), clear(market)
    assert [row[0] for row in schedule.source_wh] == expected.supplied_wh
    flexible = iter(schedule.bid_wh)
    firm = iter(schedule.served_wh)
    served = [next(firm if demand.limit_nano_per_wh is None else flexible)[0] for demand in market.demands]
    assert served == expected.served_wh
    if market.grid:
        assert (schedule.import_wh[0][0], schedule.export_wh[0][0]) == (expected.import_wh, expected.export_wh)


# Closed forms


def test_storage_and_totals_of_ramped_sources_move_what_is_filled() -> None:
    blocks = ((Block(10, 80), Block(30, 80)), (Block(10, 80), Block(30, 80)))
    case = Case(
        "two",
        2,
        2,
        ROUND,
        (Source("a", "a", blocks), Source("r", "r", ((Block(20, 90),), (Block(20, 90),)), ramp_wh=10)),
        demands=(Demand("t", (100, 150)),),
    )
    assert filled(case, total_wh=((40, 50),)).source_wh == [[60, 100], [40, 50]]


def test_reserve_is_taken_from_the_dearest_blocks_first() -> None:
    held = Reserve(1, (100,))
    case = one(
        sources=(source("a", (10, 50), (20, 50), reserve=held), source("b", (15, 30), (40, 200))),
        demands=(fixed(120),),
    )
    assert delivered(case, reserve_wh=((0,),)) == [90, 30]
    assert delivered(case, reserve_wh=((60,),)) == [40, 80]
    rated = one(
        sources=(source("a", (10, 50), (20, 50), reserve=held, rating_wh=130), source("b", (15, 30), (40, 200))),
        demands=(fixed(120),),
    )
    assert delivered(rated, reserve_wh=((30,),)) == [90, 30], "what is rated above the offer is held back first"


def test_carbon_weight_reorders_and_theta_shares_the_tie_that_it_makes() -> None:
    case = one(sources=(source("dirty", (10, 100), factor=400), source("clean", (50, 100))), demands=(fixed(60),))
    assert delivered(case) == [60, 0]
    assert delivered(case, kappa_num=11, kappa_den=100) == [0, 60]
    tied = {"kappa_num": 1, "kappa_den": 10}
    assert delivered(case, **tied) == [0, 60]
    assert delivered(case, **tied, theta=WEIGHT_ONE) == [60, 0]
    assert delivered(case, **tied, theta=WEIGHT_ONE // 3) == [19, 41], "what the floor leaves over is the cleanest's"


def test_a_group_whose_clean_part_ends_with_the_quantity_is_shared_too() -> None:
    case = one(sources=(source("dirty", (50, 100), factor=400), source("clean", (50, 60))), demands=(fixed(60),))
    assert delivered(case) == [0, 60]
    assert delivered(case, theta=WEIGHT_ONE // 2) == [30, 30]


def test_a_cap_that_only_shedding_keeps_can_be_kept() -> None:
    case = one(sources=(source("dirty", (10, 100), factor=400),), demands=(fixed(60, tier=2),))
    kappa = {"kappa_num": TIERS[2] - 10, "kappa_den": 400}
    assert delivered(case) == [60]
    assert delivered(case, **kappa, theta=WEIGHT_ONE // 2) == [30]
    assert filled(case, **kappa, theta=WEIGHT_ONE // 2).served_wh == [[30]]


def test_losses_of_each_place_are_delivered_on_top() -> None:
    case = one(
        sources=(source("a", (10, 500)),),
        demands=(fixed(101), fixed(100)),
        line_loss_ppm=10_000,
    )
    assert delivered(case) == [204]


def test_a_line_at_its_limit_ends_a_zone() -> None:
    case = one(
        sources=(source("cheap", (10, 500), place="x"), source("dear", (90, 500), place="y")),
        demands=(fixed(100, place="x"), fixed(200, place="y")),
        lines=(Line("x-y", "x", "y", (120,)),),
    )
    assert refused(case) == "dispatch.line-limit"
    schedule = filled(case, flows=(LineFlow(0, 0, 120),))
    assert (schedule.source_wh, schedule.flow_wh) == ([[220], [80]], [[120]])
    assert refused(case, flows=(LineFlow(0, 0, 100),)) == "dispatch.flow-free"
    assert refused(case, flows=(LineFlow(0, 0, 121),)) == "dispatch.line-limit"
    assert refused(case, flows=(LineFlow(0, 0, 120),) * 2) == "dispatch.flow-duplicate"
    assert refused(case, flows=(LineFlow(1, 0, 120),)) == "dispatch.flow-unknown"
    assert refused(case, flows=(LineFlow(0, 1, 120),)) == "dispatch.flow-unknown"


def test_of_a_mesh_all_flows_are_declared_or_none_and_one_is_at_its_limit() -> None:
    case = one(
        sources=(source("cheap", (10, 900), place="x"), source("dear", (90, 900), place="z")),
        demands=(fixed(150, place="z"),),
        lines=(Line("x-y", "x", "y", (99,)), Line("y-z", "y", "z", (99,)), Line("x-z", "x", "z", (80,))),
    )
    assert refused(case) == "dispatch.line-limit"
    full = (LineFlow(0, 0, 40), LineFlow(1, 0, 40), LineFlow(2, 0, 80))
    assert delivered(case, flows=full) == [120, 30]
    assert refused(case, flows=full[:2]) == refused(case, flows=full[2:]) == "dispatch.flow-mesh"
    free = (LineFlow(0, 0, 39), LineFlow(1, 0, 39), LineFlow(2, 0, 78))
    assert refused(case, flows=free) == "dispatch.flow-free"


def test_what_can_not_balance_is_refused() -> None:
    case = one(
        sources=(source("r", (10, 500), ramp_wh=9),),
        demands=(fixed(100),),
        lines=(Line("x-y", "site", "y", (120,)),),
    )
    assert refused(case, total_wh=((101,),)) == "dispatch.surplus"
    assert refused(case, total_wh=((0,),), flows=(LineFlow(0, 0, 120),)) == "dispatch.shortage"
    assert refused(case) == "dispatch.shape"
    assert refused(case, total_wh=((1, 1),)) == "dispatch.shape"
    other = fill(lock(case), Solution("11" * 32, total_wh=((100,),)))
    assert isinstance(other, Refusal) and other.code == "dispatch.round"


def test_a_load_takes_nothing_outside_its_time() -> None:
    blocks = ((Block(10, 80),),) * 3
    case = Case("ev", 3, 3, ROUND, (Source("a", "a", blocks),), loads=(Load("ev", "t", 10, 5, 1, 2, 99),))
    assert filled(case, load_wh=((0, 5, 0),)).source_wh == [[0, 5, 0]]
    assert refused(case, load_wh=((1, 5, 0),)) == refused(case, load_wh=((0, 5, 1),)) == "dispatch.load-time"


# Any case


@given(st.data())
@settings(max_examples=200)
def test_any_solution_balances_everywhere_inside_every_box_or_is_refused(data: st.DataObject) -> None:
    case = data.draw(cases(places=4))
    solution = data.draw(solutions(case))
    schedule = fill(lock(case), solution)
    if isinstance(schedule, Refusal):
        assert schedule.code in (
            "dispatch.surplus",
            "dispatch.shortage",
            "dispatch.line-limit",
        )
        return
    for t in range(case.intervals):
        left: dict[str, int] = defaultdict(int)
        for thing, row in zip(case.sources, schedule.source_wh, strict=True):
            left[thing.place] += row[t]
            assert 0 <= row[t] <= offered_wh(thing, t)
        for tie, imports, exports in zip(case.connections, schedule.import_wh, schedule.export_wh, strict=True):
            left[tie.place] += imports[t] - exports[t]
            assert 0 <= imports[t] <= tie.import_limit_wh[t] and 0 <= exports[t] <= tie.export_limit_wh[t]
        lost: dict[str, int] = defaultdict(int)
        for demand, row in zip(case.demands, schedule.served_wh, strict=True):
            left[demand.place] -= row[t]
            lost[demand.place] += demand.energy_wh[t]
            assert 0 <= row[t] <= demand.energy_wh[t]
        for place, demand_wh in lost.items():
            left[place] -= losses_wh(case, demand_wh)
        for bid, row in zip(case.bids, schedule.bid_wh, strict=True):
            left[bid.place] -= row[t]
            assert 0 <= row[t] <= bid.energy_wh[t]
        for load, row in zip(case.loads, schedule.load_wh, strict=True):
            left[load.place] -= row[t]
        for store, charge, discharge in zip(case.storages, schedule.charge_wh, schedule.discharge_wh, strict=True):
            left[store.place] += discharge[t] - charge[t]
        for line, row in zip(case.lines, schedule.flow_wh, strict=True):
            left[line.from_place] -= row[t]
            left[line.to_place] += row[t]
            assert abs(row[t]) <= line.limit_wh[t]
        assert not any(left.values())
    for store, charge, discharge, soc in zip(
        case.storages, schedule.charge_wh, schedule.discharge_wh, schedule.soc, strict=True
    ):
        assert soc[-1] - store.start_soc == sum(charge) - sum(discharge)


@given(cases(places=2))
@settings(max_examples=120)
def test_where_nothing_couples_it_is_an_optimum(case: Case) -> None:
    """Against another solver: without storages, loads, ramps, reserves and lines nobody has anything to choose."""
    sources = tuple(replace(thing, ramp_wh=None, last_wh=None, reserve=None) for thing in case.sources)
    case = replace(case, sources=sources, storages=(), loads=(), lines=())
    rows = program(case)
    optimum = best(rows)
    schedule = fill(lock(case), Solution(case.round_id))
    if optimum is None:
        assert isinstance(schedule, Refusal)
    else:
        assert isinstance(schedule, Schedule)
        assert evaluate(rows, point(rows, schedule)).cost_nano == round(optimum)


def test_the_scale_of_a_number_does_not_matter() -> None:
    """Largest energies and prices that decode."""
    top = 2**40 - 1
    case = one(
        sources=(source("a", (2**28 - 1, top), factor=2**22 - 1), source("b", (-(2**28) + 1, top))),
        demands=(fixed(top), fixed(top)),
        offer_cap_nano_per_wh=2**28 - 1,
        shed_nano_per_wh=(2**28 - 1,),
    )
    assert delivered(case) == [0, top], "shed for the price of an offer: the cleaner way"
