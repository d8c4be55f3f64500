"""Prices of zones and intervals: closed forms, an independent reading of the rule, and everyone who would move one."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program.case import (
    Block,
    Case,
    Connection,
    Demand,
    Line,
    LineFlow,
    Reserve,
    Solution,
    Source,
    Storage,
)
from contracts.program.fill import fill
from contracts.program.price import Priced, prices
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Schedule
from contracts.units import PPM
from tests.contracts.dispatch_cases import CAP, ROUND, TIERS, cases, one, solutions, source
from tests.contracts.one_interval import Market, clear
from tests.contracts.test_dispatch import markets
from tests.contracts.test_fill import as_case, fixed


def priced(case: Case, **chosen: object) -> Priced:
    locked, solution = lock(case), replace(Solution(case.round_id), **chosen)
    schedule = fill(locked, solution)
    assert isinstance(schedule, Schedule), schedule
    return prices(locked, solution, schedule)


def price(case: Case, **chosen: object) -> list[int]:
    """By place in the first interval."""
    return [row[0] for row in priced(case, **chosen).price_nano_per_wh]


def tie(imports: int, exports: int, import_wh: int, export_wh: int, place: str = "site") -> Connection:
    return Connection("tie", "utility", (imports,), (exports,), (import_wh,), (export_wh,), (0,), place)


@given(markets())
@settings(max_examples=200)
def test_one_interval_is_priced_as_the_one_interval_dispatch_is(market: Market) -> None:
    if market.grid and not market.grid.import_limit_wh and not market.grid.export_limit_wh:
        market = market._replace(grid=None)  # a connection that carries nothing is none
    assume(market.slack_ppm < PPM)
    assume(market.supplies or market.demands or market.grid)
    assert price(as_case(market)) == [clear(market).price_nano_per_wh]


# Closed forms


def test_shedding_counts_at_the_cap_and_nothing_is_above_it() -> None:
    case = one(sources=(source("a", (10, 50)),), demands=(fixed(100),))
    assert price(case) == [CAP]
    dear = one(connections=(tie(CAP * 2, 0, 500, 0),), demands=(fixed(100),))
    assert price(dear) == [CAP]


def test_an_empty_stack() -> None:
    charged = Storage("b", "b", 200, 200, (0,), (200,))
    cheap = (source("a", (70, 100)), source("b", (60, 100)))
    assert price(one(connections=(tie(300, 40, 9, 0),), demands=(fixed(0),), sources=cheap)) == [40]
    assert price(one(connections=(tie(300, 40, 0, 0),), demands=(fixed(0),), sources=cheap)) == [60], "an island"
    better = replace(tie(300, 45, 9, 0), id="other")
    assert price(one(connections=(tie(300, 40, 9, 0), better), demands=(fixed(0),))) == [45]
    assert price(one(demands=(fixed(0),), scarcity_nano_per_wh=3_000)) == [3_000]
    served = one(demands=(fixed(200),), storages=(charged,), sources=cheap)
    assert price(served, charge_wh=((0,),), discharge_wh=((200,),)) == [60]


def test_a_carbon_weight_orders_where_the_cap_binds_and_the_offer_prices() -> None:
    sources = (source("dirty", (10, 50), factor=400), source("clean", (50, 100)))
    free = one(sources=sources, demands=(fixed(120),))
    capped = one(sources=sources, demands=(fixed(120),), carbon_cap_ug=8_000)
    assert price(capped, kappa_num=1, kappa_den=8) == [10], "clean first, then 20 of dirty"
    assert price(free, kappa_num=1, kappa_den=8) == [50]
    assert price(one(sources=sources, demands=(fixed(120),), carbon_cap_ug=8_041), kappa_num=1, kappa_den=8) == [50]
    assert price(one(sources=sources, demands=(fixed(60),), carbon_cap_ug=0), kappa_num=1, kappa_den=8) == [50]


def test_among_equal_keys_the_cheapest_counts_first() -> None:
    sources = (source("dirty", (10, 100), factor=400), source("clean", (50, 100)))
    for theta, dirty_wh in ((0, 0), (2**31, 30), (2**32, 60)):
        case = one(sources=sources, demands=(fixed(60),), carbon_cap_ug=400 * dirty_wh)
        assert price(case, kappa_num=1, kappa_den=10, theta=theta) == [10]


def test_a_weight_that_no_cap_asks_for_moves_no_price() -> None:
    """All is taken but a Wh, in any order; clean first, the cheap dirty block would be the last and price all."""
    case = one(
        sources=(source("dirty", (10, 1_000), factor=400), source("clean", (50, 9_000))), demands=(fixed(9_999),)
    )
    for weight in (0, 1, 2**31 - 1):
        assert price(case, kappa_num=weight) == [50]


def ramped(last: int, ramp: int, demand: tuple[int, ...], dear: int = 900) -> Case:
    offers = ((Block(20, 60), Block(80, 60)),) * len(demand)
    return Case(
        "ramped",
        len(demand),
        len(demand),
        ROUND,
        (
            Source("r", "r", offers, ramp_wh=ramp, last_wh=last),
            Source("d", "d", ((Block(dear, 500),),) * len(demand)),
        ),
        demands=(Demand("t", demand),),
        shed_nano_per_wh=TIERS,
        offer_cap_nano_per_wh=CAP,
        scarcity_nano_per_wh=CAP,
    )


def test_a_ramp_limited_source_prices_inside_its_reach_alone() -> None:
    assert price(ramped(30, 10, (40,)), total_wh=((40,),)) == [20]
    assert price(ramped(100, 10, (95,)), total_wh=((95,),)) == [80], "20 is below what it can reach"
    assert price(ramped(20, 10, (60,)), total_wh=((30,),)) == [900], "it can not reach more"
    assert price(ramped(60, 60, (60,)), total_wh=((30,),)) == [20], "it could, so who holds it down moves nothing"
    two = ramped(30, 10, (40, 55))
    assert priced(two, total_wh=((40, 50),)).price_nano_per_wh == ((20, 900),), "scarce where it is, and not before"


def test_the_next_interval_and_reserve_hold_a_ramp_limited_source_down() -> None:
    assert priced(ramped(60, 10, (60, 40)), total_wh=((50, 40),)).price_nano_per_wh == ((900, 20),)
    assert priced(ramped(60, 10, (60, 60)), total_wh=((50, 50),)).price_nano_per_wh == ((20, 20),)
    case = ramped(40, 60, (50,))
    held = replace(case.sources[0], reserve=Reserve(1, (80,)))
    case = replace(case, sources=(held, case.sources[1]))
    assert price(case, total_wh=((40,),), reserve_wh=((80,),)) == [900]
    assert price(case, total_wh=((40,),), reserve_wh=((70,),)) == [20], "it could deliver 50"


def test_what_is_shed_is_supply_too() -> None:
    case = one(sources=(source("a", (10, 790)),), demands=(fixed(987),), price_slack_ppm=200_000)
    assert price(case) == [10], "197 of 987 are within a fifth"
    assert price(replace(case, demands=(fixed(988),))) == [CAP]


def test_who_serves_an_island_alone_at_a_fixed_level_is_paid_its_offer_and_no_scarcity() -> None:
    alone = one(sources=(source("r", (20, 60), (80, 60), ramp_wh=0, last_wh=100),), demands=(fixed(100),))
    assert price(alone, total_wh=((100,),)) == [80]
    assert price(replace(alone, demands=(fixed(101),)), total_wh=((100,),)) == [CAP], "1% is shed"
    cheaper = (*alone.sources, source("c", (30, 500)))
    assert price(one(sources=cheaper, demands=(fixed(100),)), total_wh=((100,),)) == [30]
    tied = one(sources=alone.sources, demands=(fixed(100),), connections=(tie(300, 15, 100, 0),))
    assert price(tied, total_wh=((100,),)) == [15]


def two_places(limit: int, near: int, far: int, far_price: int = 90, **more: object) -> Case:
    return one(
        sources=(source("cheap", (10, 5_000), place="x"), source("dear", (far_price, 5_000), place="y")),
        demands=(fixed(near, place="x"), fixed(far, place="y")),
        lines=(Line("x-y", "x", "y", (limit,)),),
        **more,
    )


def test_a_line_at_its_limit_separates_prices() -> None:
    found = priced(two_places(120, 100, 1_000), flows=(LineFlow(0, 0, 120),))
    assert found.price_nano_per_wh == ((10,), (90,))
    assert found.zones == ((0,), (1,))
    assert found.reached_wh == ((220,), (1_000,)), "what the line brings is supply of the place that gets it"


def test_both_sides_share_a_price_where_merit_order_passes_the_limit_by_the_slack_only() -> None:
    full = (LineFlow(0, 0, 120),)
    assert price(two_places(120, 100, 121), flows=full) == [10, 10], "1 of 221 is within 0.5%"
    assert priced(two_places(120, 100, 121), flows=full).reached_wh == ((221,), (221,))
    assert price(two_places(120, 100, 122), flows=full) == [10, 90]
    towards = one(
        sources=(source("here", (10, 5_000), place="x"), source("there", (5, 900), place="y")),
        demands=(fixed(1_000, place="x"),),
        lines=(Line("x-y", "x", "y", (500,)),),
    )
    assert price(towards, flows=(LineFlow(0, 0, -500),)) == [10, 5], "merit order would bring 900"
    assert price(two_places(120, 100, 120), flows=full) == [10, 10], "a place whose stack is empty"


def test_a_line_pushed_to_its_limit_against_merit_order_moves_no_price() -> None:
    """Half of what x needs from the dear side: x would pay 90 for the 10 that it has plenty of."""
    assert price(two_places(50, 100, 100), flows=(LineFlow(0, 0, -50),)) == [10, 10]
    assert price(two_places(150, 1_000, 100), flows=()) == [10, 10]
    tied = priced(two_places(50, 100, 100, far_price=10), flows=(LineFlow(0, 0, 50),))
    assert tied.zones == ((0,), (0,)), "merit order need not send more: equals may deliver on either side"


def test_who_receives_pays_no_less_than_who_sends() -> None:
    """A carbon weight sends clean energy to where dirty energy is cheaper."""
    case = one(
        sources=(source("clean", (50, 900), place="x"), source("dirty", (10, 900), place="y", factor=400)),
        demands=(fixed(500, place="y"),),
        lines=(Line("x-y", "x", "y", (120,)),),
    )
    capped = replace(case, carbon_cap_ug=380 * 400)
    assert price(capped, flows=(LineFlow(0, 0, 120),), kappa_num=1, kappa_den=8) == [50, 50]
    assert price(case, flows=(LineFlow(0, 0, 120),)) == [10, 10], "without one it is pushed there"


def test_a_line_out_of_service_separates() -> None:
    assert price(two_places(0, 100, 100), flows=(LineFlow(0, 0, 0),)) == [10, 90]
    reverse = one(
        sources=(source("cheap", (10, 5_000), place="y"), source("dear", (90, 5_000), place="x")),
        demands=(fixed(100, place="x"), fixed(100, place="y")),
        lines=(Line("x-y", "x", "y", (0,)),),
    )
    assert price(reverse, flows=(LineFlow(0, 0, 0),)) == [10, 90]
    dear_first = replace(reverse, sources=reverse.sources[::-1])
    assert price(dear_first, flows=(LineFlow(0, 0, 0),)) == [90, 10]


def test_a_loop_with_a_full_line_prices_each_of_its_places() -> None:
    """Cheap at x, dear at y, load at z: x to z is full, and what z gets more of it gets from y."""
    case = one(
        sources=(source("cheap", (10, 900), place="x"), source("dear", (30, 900), place="y")),
        demands=(fixed(150, place="z"),),
        lines=(Line("x-y", "x", "y", (99,)), Line("y-z", "y", "z", (99,)), Line("x-z", "x", "z", (80,))),
    )
    flows = (LineFlow(0, 0, 10), LineFlow(1, 0, 70), LineFlow(2, 0, 80))
    assert price(case, flows=flows) == [10, 30, 30]


def test_three_places_in_a_row_share_what_nothing_separates() -> None:
    case = one(
        sources=(source("a", (10, 900), place="x"), source("c", (90, 900), place="z")),
        demands=(fixed(100, place="z"), fixed(40, place="y")),
        lines=(Line("x-y", "x", "y", (90,)), Line("y-z", "y", "z", (50,))),
    )
    assert price(case, flows=(LineFlow(0, 0, 90), LineFlow(1, 0, 50))) == [10, 90, 10]
    assert priced(case, flows=(LineFlow(1, 0, 50),)).price_nano_per_wh == ((10,), (90,), (10,))


# Attacks


def test_one_wh_of_a_dear_block_moves_nothing_whatever_carries_the_rest() -> None:
    """A supplier wins one Wh at 3,000: stolen from an offer, a storage, a ramp-limited source, a line."""
    dear = source("dear", (3_000, 500))
    plain = one(sources=(source("a", (10, 999)), dear), demands=(fixed(1_000),))
    assert price(plain) == [10]
    stored = one(
        sources=(source("a", (10, 5)), dear),
        demands=(fixed(1_000),),
        storages=(Storage("b", "b", 2_000, 2_000, (0,), (2_000,)),),
    )
    assert price(stored, charge_wh=((0,),), discharge_wh=((995,),)) == [10]
    assert price(stored, charge_wh=((0,),), discharge_wh=((994,),)) == [10]
    limited = one(
        sources=(source("r", (10, 2_000), ramp_wh=0, last_wh=999), dear),
        demands=(fixed(1_000),),
    )
    assert price(limited, total_wh=((999,),)) == [10]
    carried = one(
        sources=(source("a", (10, 2_000), place="x"), source("dear", (3_000, 500), place="y")),
        demands=(fixed(1_000, place="y"),),
        lines=(Line("x-y", "x", "y", (999,)),),
    )
    assert price(carried, flows=(LineFlow(0, 0, 999),)) == [10, 10]


@given(st.data())
@settings(max_examples=150)
def test_prices_of_any_schedule_are_offered_ones(data: st.DataObject) -> None:
    """Never above the cap, never anything but an offer, a bid, a tariff, the cap or scarcity: so never from duals."""
    case = data.draw(cases(places=4))
    assume(case.sources or case.demands or case.bids or case.connections)
    solution = data.draw(solutions(case))
    locked = lock(case)
    schedule = fill(locked, solution)
    assume(not isinstance(schedule, Refusal))
    assert isinstance(schedule, Schedule)
    found = prices(locked, solution, schedule)
    offered = {CAP, case.scarcity_nano_per_wh}
    offered |= {block.price_nano_per_wh for thing in case.sources for blocks in thing.blocks for block in blocks}
    offered |= {bid.limit_nano_per_wh for bid in case.bids}
    for tie_ in case.connections:
        offered |= {*tie_.import_nano_per_wh, *tie_.export_nano_per_wh}
    for t in range(case.intervals):
        zone_price: dict[int, int] = {}
        for zones, row in zip(found.zones, found.price_nano_per_wh, strict=True):
            assert row[t] in offered and row[t] <= CAP
            assert zone_price.setdefault(zones[t], row[t]) == row[t]
        for number, line in enumerate(case.lines):
            ends = locked.net.ends[number]
            flow = schedule.flow_wh[number][t]
            declared = any((f.line, f.interval) == (number, t) for f in solution.flows)
            sender, receiver = ends if flow >= 0 else ends[::-1]
            if not declared:
                assert found.zones[sender][t] == found.zones[receiver][t]
            elif abs(flow) == line.limit_wh[t] and flow:
                assert found.price_nano_per_wh[sender][t] <= found.price_nano_per_wh[receiver][t]
