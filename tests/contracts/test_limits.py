"""No bid is billed above its own limit: wherever a price can be read above one, and whoever would live off that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts import corrections
from contracts.orders import Said, orders
from contracts.program.case import Bid, Block, Case, Connection, Line, LineFlow, Solution, Source, Storage
from contracts.program.fill import fill
from contracts.program.flows import network
from contracts.program.price import prices
from contracts.program.stack import lock
from contracts.program.verdict import Schedule, Verdict
from contracts.records import Line as BillLine
from contracts.records import Order
from contracts.settlement import Sheet, Terms, settle
from tests.contracts.dispatch_cases import cases, one, solutions, source
from tests.contracts.test_fill import fixed

TERMS = Terms(7, 0, True, 300, 50, 4_000, 100_000)
SPARED = "within-limit"


def judged(case: Case, solution: Solution) -> Verdict | None:
    """The verdict on what can be filled; whether it is certified is no question of bills."""
    locked = lock(case)
    schedule = fill(locked, solution)
    if not isinstance(schedule, Schedule):
        return None
    return Verdict(schedule, 0, 0, 0, 0, 0, True, 0, 0, 0, *prices(locked, solution, schedule))


def ordered(case: Case, verdict: Verdict, at: int = 0) -> list[Order]:
    said = Said((), defaultdict(int))
    return orders(case, verdict, network(case).places, at, TERMS.interval, said)


def sheet_of(case: Case, verdict: Verdict, written: list[Order], at: int = 0, untaken_wh: int = 0) -> Sheet:
    """Bills where everybody does what was ordered, but that so much of what is served is not taken."""
    terms = TERMS._replace(price_nano_per_wh=verdict.price_nano_per_wh[0][at])
    positions = [
        corrections.position(one.member, one, max(0, one.served_wh - untaken_wh), one.supplied_wh) for one in written
    ]
    sheet = settle(terms, positions, None)
    assert sheet is not None and sum(sheet.totals.values()) == 0
    return sheet


def taken_nano(sheet: Sheet, member: str) -> int:
    """What a member pays for what it was ordered to take."""
    return -sum(line.amount_nano for line in sheet.lines.get(member, ()) if line.kind in ("consumption", SPARED))


@given(st.data())
@settings(max_examples=150)
def test_no_bid_costs_more_than_its_limit_and_nothing_else_changes(data: st.DataObject) -> None:
    case = data.draw(cases(places=3))
    verdict = judged(case, data.draw(solutions(case)))
    if verdict is None or not verdict.price_nano_per_wh:
        return
    made = verdict.schedule
    for at in range(case.intervals):
        written = ordered(case, verdict, at)
        sheet = sheet_of(case, verdict, written, at)
        for order in written:
            billed = order.price_nano_per_wh
            price = verdict.price_nano_per_wh[0][at] if billed is None else billed
            bids = [
                (bid.limit_nano_per_wh, row[at])
                for bid, row in zip(case.bids, made.bid_wh, strict=True)
                if bid.organisation == order.member and row[at]
            ]
            others_wh = order.served_wh - sum(served_wh for _, served_wh in bids)
            least = others_wh * price + sum(served_wh * min(price, limit) for limit, served_wh in bids)
            assert taken_nano(sheet, order.member) == least
            above = [limit for limit, _ in bids if limit < price]
            assert order.limit_nano_per_wh == min(above, default=None)
            kinds = {line.kind for line in sheet.lines.get(order.member, ())}
            assert (SPARED in kinds) == bool(above), "a line only where a price is above a limit"


@given(st.data())
@settings(max_examples=100)
def test_where_nothing_couples_no_price_is_above_the_limit_of_what_is_served(data: st.DataObject) -> None:
    """One place, no storage, no ramps, no loads: the rule itself keeps every limit, with any carbon weight."""
    drawn = data.draw(cases())
    free = tuple(replace(one, ramp_wh=None, last_wh=None) for one in drawn.sources)
    case = replace(drawn, sources=free, storages=(), loads=(), carbon_cap_ug=data.draw(st.sampled_from([None, 400])))
    verdict = judged(case, data.draw(solutions(case)))
    if verdict is None or not verdict.price_nano_per_wh:
        return
    for at in range(case.intervals):
        assert all(one.spared_nano == 0 and one.limit_nano_per_wh is None for one in ordered(case, verdict, at))


# Prices above limits, by hand


def full(charge: int = 10_000) -> Storage:
    return Storage("b", "b", 20_000, 20_000, (0,), (charge,))


def bid(limit: int, energy_wh: int, member: str = "x", place: str = "site") -> Bid:
    return Bid(member, limit, (energy_wh,), place)


def surplus_on_the_grid() -> tuple[Case, Solution]:
    """Five Wh of surplus, inside the slack of 10,000: they go to the bid, and the price is what export earns."""
    tie = Connection("tie", "utility", (300,), (40,), (9,), (5,), (0,))
    case = one(storages=(full(),), connections=(tie,), demands=(fixed(9_990),), bids=(bid(10, 5),))
    return case, Solution(case.round_id, ((0,),), ((10_000,),))


def surplus_in_an_island() -> tuple[Case, Solution]:
    """The same without a tie: the price is that of the cheapest offer, which nobody needs."""
    case = one(storages=(full(),), sources=(source("s", (90, 50)),), demands=(fixed(9_990),), bids=(bid(10, 10),))
    return case, Solution(case.round_id, ((0,),), ((10_000,),))


def pushed_source() -> tuple[Case, Solution]:
    """A ramp-limited source in its dear block serves a bid that merit order would not: the price is another offer's."""
    slow = Source("r", "r", ((Block(20, 100), Block(500, 900)),), ramp_wh=900, last_wh=1_000)
    case = one(sources=(slow, source("s", (80, 20))), demands=(fixed(300),), bids=(bid(10, 100),))
    return case, Solution(case.round_id, total_wh=((400,),))


def pushed_line() -> tuple[Case, Solution]:
    """A line at its limit from the dear side to the cheap one: both share a price, and the bid stands behind it."""
    line = Line("l", "p", "q", (5,))
    dear = source("s", (90, 5_000), place="p")
    near = source("n", (20, 1), place="q")
    case = one(sources=(dear, near), demands=(fixed(4_000, place="p"),), bids=(bid(10, 5, place="q"),), lines=(line,))
    return case, Solution(case.round_id, flows=(LineFlow(0, 0, 5),))


@pytest.mark.parametrize("build", [surplus_on_the_grid, surplus_in_an_island, pushed_source, pushed_line])
def test_a_bid_below_the_price_pays_its_limit(build: Callable[[], tuple[Case, Solution]]) -> None:
    case, solution = build()
    verdict = judged(case, solution)
    assert verdict is not None
    served_wh, place = verdict.schedule.bid_wh[0][0], network(case).places.index(case.bids[0].place)
    price = verdict.price_nano_per_wh[place][0]
    assert served_wh and price > 10, (served_wh, price)
    written = ordered(case, verdict)
    sheet = sheet_of(case, verdict, written)
    assert taken_nano(sheet, "x") == served_wh * 10
    assert BillLine(SPARED, served_wh, None, served_wh * (price - 10)) in sheet.lines["x"]
    others = [replace(one, spared_nano=0, limit_nano_per_wh=None) for one in written]
    assert sheet.residual_nano == sheet_of(case, verdict, others).residual_nano - served_wh * (price - 10)


@pytest.mark.parametrize(("grid", "limit"), list(product((True, False), (10, -30))))
def test_what_is_not_taken_earns_no_more_than_its_limit(grid: bool, limit: int) -> None:
    """Else a bid that is billed at its limit could be taken for what it sells for, and not for its energy."""
    order = Order("x", 7, 100, 100, 0, (), 0, 0, None, None, 0, 0, 0, (), (), (), 100 * (90 - limit), limit)
    terms = TERMS._replace(price_nano_per_wh=90, grid=grid)
    for taken_wh in (0, 40, 99):
        sheet = settle(terms, [corrections.position("x", order, taken_wh, 0)], None)
        assert sheet is not None
        worth = [line for line in sheet.lines["x"] if line.kind == "long"]
        assert [line.price_nano_per_wh for line in worth] == [min(limit, 50 if grid else 0)]
        cost = taken_nano(sheet, "x") - worth[0].amount_nano
        assert cost >= taken_wh * min(limit, 50), "who takes nothing is not paid for asking"


def test_bids_of_one_member_each_keep_to_their_own_limit() -> None:
    case, solution = surplus_in_an_island()
    case = replace(case, bids=(bid(10, 4), bid(60, 3), bid(200, 3)), demands=(*case.demands,))
    verdict = judged(case, solution)
    assert verdict is not None and verdict.price_nano_per_wh == ((90,),)
    (order,) = (one for one in ordered(case, verdict) if one.member == "x")
    assert (order.served_wh, order.spared_nano, order.limit_nano_per_wh) == (10, 4 * 80 + 3 * 30, 10)
