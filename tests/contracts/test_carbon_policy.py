"""`zero_ghg` as limits of a case: nothing that emits is let in but for critical demand, which no limit ever sheds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from contracts.carbon.policy import NO_PAST, Operating, Past, above, constrain, follow, kept
from contracts.params import CarbonParams
from contracts.program.case import Block, Case, Connection, Demand, Line, Source, Storage

ZERO = CarbonParams(zero_ghg=True, embodied_baseline_ug=1_000, embodied_surge_ug=500, surge_budget_ug=1_200)
PLACES = ("a", "b", "c")


def source(name: str, *blocks: tuple[int, int], factor: int = 0, place: str = "site", **more: int) -> Source:
    return Source(name, name, (tuple(Block(*block) for block in blocks),), place, factor, **more)


def case(sources: list[Source], critical_wh: int, **more: Any) -> Case:
    demands = more.pop("demands", (Demand("dc", (critical_wh,), 0), Demand("office", (50,), 3)))
    return Case("c", 1, 1, "0" * 64, sources=tuple(sources), demands=demands, **more)


def left_in(constrained: Case) -> dict[str, list[tuple[int, int]]]:
    return {one.id: [(b.price_nano_per_wh, b.energy_wh) for b in one.blocks[0]] for one in constrained.sources}


def back_wh(plain: Case, operating: Operating, params: CarbonParams = ZERO) -> list[int]:
    """What comes back of what emits, in each interval."""
    found = constrain(plain, operating, params)
    sources = list(zip(found.sources, operating.sources_ug_per_wh, strict=True))
    ties = list(zip(found.connections, operating.connections_ug_per_wh, strict=True))
    return [
        sum(block.energy_wh for one, rate in sources if rate for block in one.blocks[t])
        + sum(one.import_limit_wh[t] for one, rates in ties if rates[t])
        for t in range(plain.intervals)
    ]


def test_without_the_policy_a_case_stays_as_it_is() -> None:
    plain = case([source("bio", (5, 100), factor=30)], 80)
    assert constrain(plain, Operating([30], []), CarbonParams()) is plain


def test_what_emits_is_left_out_where_clean_supply_serves_what_is_critical() -> None:
    plain = case(
        [source("bio", (5, 100), factor=30), source("sun", (9, 80), factor=4)],
        80,
        connections=(Connection("tie", "u", (20,), (1,), (500,), (60,), (400,)),),
    )
    found = constrain(plain, Operating([30, 0], [[400]]), ZERO)
    assert left_in(found) == {"bio": [], "sun": [(9, 80)]}
    assert found.connections[0].import_limit_wh == (0,) and found.connections[0].export_limit_wh == (60,)
    assert found.carbon_cap_ug == 1_500


def test_just_so_much_comes_back_for_critical_demand_cheapest_first() -> None:
    """80 Wh are critical, 30 are clean: 20 + 20 of the cheapest two blocks and 10 of import come back, in this order of
    price, and the cap rises to what they emit."""
    plain = case(
        [source("bio", (5, 20), (30, 100), factor=30), source("gas", (7, 20), factor=50), source("sun", (9, 30))],
        80,
        connections=(Connection("tie", "u", (20,), (1,), (500,), (0,), (400,)),),
    )
    found = constrain(plain, Operating([30, 50, 0], [[400]]), ZERO)
    assert left_in(found) == {"bio": [(5, 20)], "gas": [(7, 20)], "sun": [(9, 30)]}
    assert found.connections[0].import_limit_wh == (10,)
    assert found.carbon_cap_ug == 20 * 30 + 20 * 50 + 10 * 400


def test_a_battery_counts_where_it_may_end_lower_than_it_began() -> None:
    store = Storage("b", "b", 100, 40, (0,), (30,))
    gas = source("gas", (7, 100), factor=50)
    plain = case([gas], 50, storages=(store,))
    assert back_wh(plain, Operating([50], [])) == [50]
    lent = case([gas], 50, storages=(Storage("b", "b", 100, 40, (0,), (30,), end_value_nano_per_wh=9),))
    assert back_wh(lent, Operating([50], [])) == [20]


def test_charge_is_counted_once_over_all_intervals() -> None:
    store = Storage("b", "b", 100, 40, (0,) * 3, (30,) * 3, end_value_nano_per_wh=9)
    gas = Source("gas", "gas", ((Block(7, 100),),) * 3, factor_ug_per_wh=50)
    plain = Case(
        "c", 3, 1, "0" * 64, sources=(gas,), storages=(store,), demands=(Demand("dc", (30, 30, 30), 0),)
    )  # fmt: skip
    assert back_wh(plain, Operating([50], [])) == [0, 20, 30]


def test_what_one_battery_gives_another_keeps() -> None:
    stores = tuple(
        Storage(name, "b", 100, 20, (0, 0), (20, 20), end_value_nano_per_wh=9) for name in ("b", "c")
    )  # fmt: skip
    gas = Source("gas", "gas", ((Block(7, 100),),) * 2, factor_ug_per_wh=50)
    plain = Case("c", 2, 1, "0" * 64, sources=(gas,), storages=stores, demands=(Demand("dc", (30, 30), 0),))
    assert back_wh(plain, Operating([50], [])) == [0, 20]


def test_a_cap_counts_on_nothing_that_lines_may_not_bring() -> None:
    """Clean energy without a line to it serves nobody: the dear one that can be brought is what the cap allows."""
    sources = (source("a", (5, 50), factor=90, place="a"), source("c", (5, 50), place="c"))
    demands, lines = (Demand("b", (50,), 0, "b"),), (Line("l", "a", "b", (50,)),)
    plain = Case("c", 1, 1, "0" * 64, sources=sources, demands=demands, lines=lines)
    found = constrain(plain, Operating([0, 0], []), CarbonParams(zero_ghg=True))
    assert least_shed(found) == 0


def test_what_can_not_be_ramped_down_from_stays_and_is_said() -> None:
    plain = case([source("gas", (7, 100), factor=50, ramp_wh=30, last_wh=90), source("sun", (9, 500))], 80)
    found = constrain(plain, Operating([50, 0], []), ZERO)
    assert left_in(found)["gas"] == [(7, 60)]
    assert found.carbon_cap_ug == 60 * 50


def test_losses_by_the_pacts_rule_are_critical_too() -> None:
    plain = case([source("gas", (7, 200), factor=50)], 101, line_loss_ppm=10_000)
    assert back_wh(plain, Operating([50], [])) == [103]


def test_a_cap_that_the_case_has_is_never_raised() -> None:
    plain = case([source("sun", (9, 80), factor=4)], 80, carbon_cap_ug=7)
    assert constrain(plain, Operating([0], []), ZERO).carbon_cap_ug == 7


def least_shed(one: Case) -> int:
    """Least critical demand that is not served, by scipy: transport over the lines, with the carbon row."""
    places = {place: number for number, place in enumerate(PLACES)}
    costs, bounds, carbon = list[float](), list[tuple[float, float]](), list[float]()
    balance: list[list[float]] = [[] for _ in places]

    def column(cost: float, low: float, high: float, factor: float, entries: dict[str, float]) -> None:
        costs.append(cost)
        bounds.append((low, high))
        carbon.append(factor)
        for place, number in places.items():
            balance[number].append(entries.get(place, 0.0))

    wanted = [0.0 for _ in places]
    for source_ in one.sources:
        total = sum(block.energy_wh for block in source_.blocks[0])
        column(0, 0, total, source_.factor_ug_per_wh, {source_.place: 1.0})
    for demand in one.demands:
        if demand.tier == 0:
            wanted[places[demand.place]] += demand.energy_wh[0]
            column(1, 0, demand.energy_wh[0], 0, {demand.place: 1.0})
    for line in one.lines:
        column(0, -line.limit_wh[0], line.limit_wh[0], 0, {line.from_place: -1.0, line.to_place: 1.0})
    rows = [] if one.carbon_cap_ug is None else [carbon]
    caps = [] if one.carbon_cap_ug is None else [one.carbon_cap_ug]
    solved = linprog(costs, rows or None, caps or None, balance, wanted, bounds, method="highs")
    assert solved.status == 0
    return round(solved.fun)


SOURCES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 60), st.integers(0, 90), st.sampled_from(PLACES[:2]), st.booleans()),
    max_size=4,
)


@given(SOURCES, st.tuples(st.integers(0, 80), st.integers(0, 80)), st.integers(0, 60), st.booleans())
@settings(max_examples=200)
def test_no_critical_wh_is_shed_for_the_policy(
    given_: list[tuple[int, int, int, str, bool]], critical: tuple[int, int], limit_wh: int, line: bool
) -> None:
    places = PLACES[:2] if line else ("a", "a")
    sources = [
        source(f"s{number}", (price, wh), factor=factor, place=place if line else "a")
        for number, (price, wh, factor, place, _) in enumerate(given_)
    ]
    plain = Case(
        "c",
        1,
        1,
        "0" * 64,
        sources=tuple(sources),
        demands=tuple(
            Demand(place, (wh,), 0, where)
            for place, where, wh in zip(("x", "y"), places, critical, strict=True)
        ),
        lines=(Line("l", "a", "b", (limit_wh,)),) if line else (),
    )  # fmt: skip
    operating = Operating([factor if dirty else 0 for _, _, factor, _, dirty in given_], [])
    zero = CarbonParams(zero_ghg=True)
    found = constrain(plain, operating, zero)
    assert least_shed(found) == least_shed(plain)
    clean_wh = sum(wh for (_, wh, _, _, _), rate in zip(given_, operating.sources_ug_per_wh, strict=True) if not rate)
    (back,) = back_wh(plain, operating, zero)
    assert back <= sum(critical), "nothing comes back for anybody else"
    if not line:
        dirty_wh = sum(wh for _, wh, _, _, _ in given_) - clean_wh
        assert back == min(dirty_wh, max(0, sum(critical) - clean_wh))


# Surges


def test_surges_are_bounded_in_size_number_and_budget() -> None:
    params = CarbonParams(
        zero_ghg=True,
        embodied_baseline_ug=100,
        embodied_surge_ug=50,
        surge_intervals=2,
        surge_budget_ug=120,
        surge_window_intervals=6,
    )

    def caps(past: Past = NO_PAST) -> list[int]:
        """Of each interval: what a case that is one interval longer may emit more."""
        plain = (Case("c", intervals, 1, "0" * 64) for intervals in range(1, 9))
        sums = [constrain(one, Operating([], []), params, past).carbon_cap_ug or 0 for one in plain]
        return [sums[0], *(after - before for before, after in pairwise(sums))]

    assert caps() == [150, 150, 100, 120, 100, 100, 150, 150]
    assert caps(Past(2, (50, 50)))[:4] == [100, 120, 100, 100]


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(0, 6), st.integers(0, 500), st.integers(1, 9))
def test_whoever_keeps_to_the_policy_keeps_all_of_its_rules(
    embodied: list[int], most: int, budget: int, window: int
) -> None:
    params = CarbonParams(
        zero_ghg=True,
        embodied_baseline_ug=100,
        embodied_surge_ug=150,
        surge_intervals=most,
        surge_budget_ug=budget,
        surge_window_intervals=window,
    )
    past, played = NO_PAST, list[int]()
    for figure in embodied:
        actual = figure if kept(params, past, 0, figure) else 100
        assert not kept(params, past, 1, actual)
        past = follow(params, past, actual)
        played.append(above(params, actual))
    assert all(excess <= 150 for excess in played)
    assert all(sum(played[at : at + window]) <= budget for at in range(len(played)))
    run = longest = 0
    for excess in played:
        run = run + 1 if excess else 0
        longest = max(longest, run)
    assert longest <= most
