"""The judge of dispatch: exact about what a dispatch is, whoever planned it."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.dispatch import Demand, Dispatch, Grid, Market, Supply, check, clear
from contracts.wagers import merit_order
from contracts.wagers.merit_order import PLAN, Plan, cost_nano, plan_of, solve, spread
from zk.codec import encode
from zk.hashing import sha256

CAP = 8
ORGANISATIONS = st.sampled_from(["a", "b", "c"])


@st.composite
def markets(draw: st.DrawFn, most_wh: int = 3) -> Market:
    """Small enough to try every dispatch; prices tie often."""
    supplies = []
    for number in range(draw(st.integers(0, 3))):
        organisation, factor = draw(ORGANISATIONS), draw(st.integers(0, 1))
        prices = sorted(draw(st.sets(st.integers(0, CAP), min_size=1, max_size=2)))
        supplies += [
            Supply(organisation, f"m{number}", price, factor, draw(st.integers(1, most_wh))) for price in prices
        ]
    demands = [
        Demand(
            draw(ORGANISATIONS),
            draw(st.integers(1, most_wh)),
            draw(st.none() | st.integers(0, CAP)),
            draw(st.integers(0, 2)),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    grid = draw(
        st.none()
        | st.builds(
            Grid, st.just("u"), st.integers(0, CAP), st.integers(0, CAP), *[st.integers(0, most_wh)] * 2, st.just(1)
        )
    )
    return Market(sha256(b"round"), supplies, demands, grid, CAP, CAP, 5_000)


def checked(market: Market, planned: Dispatch) -> tuple[Dispatch, int] | None:
    return check(market, planned.supplied_wh, planned.served_wh, planned.import_wh, planned.export_wh)


@given(markets(most_wh=1_000_000))
def test_what_the_rule_fills_passes_and_keeps_its_price(market: Market) -> None:
    merit = clear(market)
    found = checked(market, merit)
    assert found is not None and found[0] == merit and found[1] == cost_nano(market, merit)
    plan = PLAN.decode(solve(market))
    assert spread(market, plan.supplied_wh) == merit.supplied_wh
    assert (list(plan.served_wh), plan.import_wh, plan.export_wh) == (merit.served_wh, merit.import_wh, merit.export_wh)


def every_dispatch(market: Market) -> list[Dispatch]:
    """All that balance and keep inside the limits."""
    limits = [supply.energy_wh for supply in market.supplies] + [demand.energy_wh for demand in market.demands]
    limits += [market.grid.import_limit_wh, market.grid.export_limit_wh] if market.grid else [0, 0]
    count, found = len(market.supplies), []
    for values in product(*[range(limit + 1) for limit in limits]):
        supplied, served, (import_wh, export_wh) = values[:count], values[count:-2], values[-2:]
        if sum(supplied) + import_wh == sum(served) + export_wh:
            found.append(Dispatch(list(supplied), list(served), import_wh, export_wh, 0, 0, False))
    return found


def naive_cost(market: Market, planned: Dispatch) -> int:
    """Supply and import, less what export and bids are worth, and shedding at the cap: up to a constant, the cost."""
    grid = market.grid
    cost = sum(supply.price_nano_per_wh * wh for supply, wh in zip(market.supplies, planned.supplied_wh, strict=True))
    if grid is not None:
        export = min(grid.export_nano_per_wh, grid.import_nano_per_wh)
        cost += planned.import_wh * grid.import_nano_per_wh - planned.export_wh * export
    for demand, served in zip(market.demands, planned.served_wh, strict=True):
        cost -= served * (CAP if demand.limit_nano_per_wh is None else demand.limit_nano_per_wh)
    return cost


@given(markets(most_wh=2))
@settings(max_examples=60)
def test_no_dispatch_that_passes_costs_less_and_only_the_merit_order_costs_as_little(market: Market) -> None:
    """Against brute force: no builder can buy itself a better place at the same cost, or beat the fallback."""
    merit = clear(market)
    least = naive_cost(market, merit)
    base = cost_nano(market, merit) - least
    passing = 0
    for planned in every_dispatch(market):
        cost = naive_cost(market, planned)
        assert cost >= least, "the merit order is an optimum"
        found = checked(market, planned)
        if found is not None:
            passing += 1
            assert found[1] == cost + base
            assert cost > least or found[0] == merit
    assert passing >= 1


@given(markets(), st.data())
def test_changed_figures_are_refused_or_another_dispatch(market: Market, data: st.DataObject) -> None:
    merit = clear(market)
    figures = [*merit.supplied_wh, *merit.served_wh, merit.import_wh, merit.export_wh]
    at = data.draw(st.integers(0, len(figures) - 1))
    figures[at] += data.draw(st.sampled_from([-1, 1, 1 << 40]))
    count = len(merit.supplied_wh)
    assert check(market, figures[:count], figures[count:-2], figures[-2], figures[-1]) is None, "it does not balance"


def test_lists_of_another_length_are_no_dispatch() -> None:
    market = Market(bytes(32), [Supply("a", "m", 1, 0, 5)], [Demand("b", 3, None, 0)], None, CAP, CAP, 0)
    assert check(market, [3], [3], 0, 0) is not None
    assert check(market, [3, 0], [3], 0, 0) is None and check(market, [3], [3, 0], 0, 0) is None
    assert check(market, [], [], 0, 0) is None
    assert check(market, [3], [2], 0, 1) is None, "an island exports nothing"
    assert check(market, [2], [3], 1, 0) is None, "and imports nothing"


def test_the_critical_tier_is_served_first_and_equals_share() -> None:
    demands = [Demand("a", 4, None, 0), Demand("b", 4, None, 1), Demand("c", 4, None, 1)]
    market = Market(sha256(b"tiers"), [Supply("s", "m", 1, 0, 8)], demands, None, CAP, CAP, 0)
    assert clear(market).served_wh == [4, 2, 2]
    assert check(market, [8], [4, 2, 2], 0, 0) is not None
    assert check(market, [8], [3, 3, 2], 0, 0) is None, "tier 0 is shed while tier 1 is served"
    assert check(market, [8], [4, 3, 1], 0, 0) is None, "equals get the same"
    odd = [check(market, [7], [4, *rest], 0, 0) is not None for rest in ([2, 1], [1, 2])]
    assert sorted(odd) == [False, True], "a remainder goes where the round says"
    assert check(market, [6], [4, 1, 1], 0, 0) is not None, "shedding more is feasible, and dear"


def test_a_plan_names_each_offer_once_and_its_blocks_in_order() -> None:
    supplies = [Supply("a", "m1", 1, 0, 5), Supply("a", "m1", 2, 0, 5), Supply("b", "m2", 1, 0, 5)]
    market = Market(bytes(32), supplies, [Demand("c", 9, None, 0)], None, CAP, CAP, 0)
    assert spread(market, [7, 2]) == [5, 2, 2]
    assert spread(market, [11, 2]) is None and spread(market, [7]) is None and spread(market, [7, 2, 0]) is None
    assert clear(market).supplied_wh == [5, 0, 4]
    assert plan_of(market, clear(market)) == solve(market) == encode(Plan((5, 4), (9,), 0, 0))


def test_energies_that_would_make_up_for_each_other_keep_inside_their_limits() -> None:
    supplies = [Supply("a", "m1", 1, 0, 5), Supply("b", "m2", 2, 0, 5)]
    market = Market(bytes(32), supplies, [Demand("c", 4, None, 0), Demand("d", 4, None, 1)], None, CAP, CAP, 0)
    assert check(market, [5, 3], [4, 4], 0, 0) is not None
    assert check(market, [9, -1], [4, 4], 0, 0) is None and check(market, [6, 2], [4, 4], 0, 0) is None
    assert check(market, [5, 3], [9, -1], 0, 0) is None
    assert check(market, [5, 4], [4, 4], -1, 0) is None and check(market, [5, 2], [4, 4], 0, -1) is None


def test_the_judge_of_dispatch_chooses_by_cost() -> None:
    assert (merit_order.JUDGE.name, merit_order.JUDGE.criterion) == ("dispatch", "least-cost")
