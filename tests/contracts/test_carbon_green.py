"""The green share in the dispatch: as good as the program with its linking row, and every premium paid once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from contracts.carbon.green import MAX_LEVELS, Bid, Level, Segment, Stack, blocks, discount, levels, sales
from contracts.program.case import MAX_BLOCKS

FLOOR = -500_000
BLOCKS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=3, unique_by=lambda block: block[0]).map(
    sorted
)
STACKS = st.lists(BLOCKS, min_size=1, max_size=4).map(
    lambda found: [Stack(f"m{number}", 0, stack) for number, stack in enumerate(found)]
)
BIDS = st.lists(st.builds(Bid, st.sampled_from("abc"), st.integers(1, 40), st.integers(1, 40)), max_size=5)


def filled(offers: list[tuple[int, int]], demand_wh: int) -> int:
    """Cost of the merit order."""
    cost, left = 0, demand_wh
    for price, energy_wh in sorted(offers):
        taken = min(left, energy_wh)
        cost, left = cost + taken * price, left - taken
    assert left == 0
    return cost


def linked(green: list[tuple[int, int]], dirty: list[tuple[int, int]], bids: list[Bid], demand_wh: int) -> float:
    """Least cost of the program with a variable per bid and the linking row, by scipy."""
    offers = green + dirty
    costs = [price for price, _ in offers] + [-bid.premium_nano_per_wh for bid in bids]
    bounds = [(0, energy) for _, energy in offers] + [(0, bid.energy_wh) for bid in bids]
    link = [-1.0] * len(green) + [0.0] * len(dirty) + [1.0] * len(bids)
    balance = [1.0] * len(offers) + [0.0] * len(bids)
    solved = linprog(costs, A_ub=[link], b_ub=[0], A_eq=[balance], b_eq=[demand_wh], bounds=bounds, method="highs")
    assert solved.status == 0
    return float(solved.fun)


@given(STACKS, BLOCKS, BIDS, st.integers(0, 150))
@settings(max_examples=150)
def test_discounted_blocks_cost_what_the_program_with_a_linking_row_costs(
    stacks: list[Stack], dirty: list[tuple[int, int]], bids: list[Bid], demand_wh: int
) -> None:
    dirty = [*dirty, (100, 1_000)]
    offered = discount(stacks, levels(bids), FLOOR, bytes(32))
    green = [block for stack in stacks for block in stack.blocks]
    discounted = [block for parts in offered.values() for block in blocks(parts)]
    assert filled(discounted + dirty, demand_wh) == pytest.approx(linked(green, dirty, bids, demand_wh))


def test_what_couples_green_sources_costs_at_most_the_premiums_that_stand_on_the_wrong_wh() -> None:
    """The cheap green source can not deliver (a line, a ramp): its premium is lost, and nobody pays it."""
    offered = discount([Stack("cheap", 0, [(10, 5)]), Stack("dear", 0, [(50, 5)])], levels([Bid("a", 45, 5)]), 0, b"")
    assert [part.premium_nano_per_wh for part in offered["dear"]] == [0]
    reachable = [*blocks(offered["dear"]), (20, 5)]
    assert filled(reachable, 5) == 100
    assert linked([(50, 5)], [(20, 5)], [Bid("a", 45, 5)], 5) == pytest.approx(25)
    assert sales(1, offered, {"dear": 5}, levels([Bid("a", 45, 5)])) == []


@given(STACKS, BIDS)
def test_blocks_keep_their_energy_rise_and_never_fall_below_the_floor(stacks: list[Stack], bids: list[Bid]) -> None:
    for floor in (FLOOR, 0, 30):
        offered = discount(stacks, levels(bids), floor, bytes(32))
        for stack in stacks:
            merged = blocks(offered[stack.meter])
            assert sum(energy for _, energy in merged) == sum(energy for _, energy in stack.blocks)
            prices = [price for price, _ in merged]
            assert all(low < high for low, high in pairwise(prices))
            assert len(merged) <= MAX_BLOCKS
            lowest = min((price for price, _ in stack.blocks), default=0)
            assert all(price >= min(floor, lowest) for price in prices)
        paid = sum(part.energy_wh for parts in offered.values() for part in parts if part.level is not None)
        assert paid == min(sum(b.energy_wh for b in bids), sum(e for s in stacks for _, e in s.blocks))


@given(STACKS, BIDS, st.data())
def test_every_buyer_pays_its_own_premium_for_what_was_delivered(
    stacks: list[Stack], bids: list[Bid], data: st.DataObject
) -> None:
    wanted = levels(bids)
    offered = discount(stacks, wanted, FLOOR, bytes(32))
    delivered = {stack.meter: data.draw(st.integers(0, 60)) for stack in stacks}
    sold = sales(9, offered, delivered, wanted)
    assert sold == sales(9, offered, delivered, wanted)
    for buyer in "abc":
        own = [bid for bid in bids if bid.member == buyer]
        got = [sale for sale in sold if sale.buyer == buyer]
        assert sum(sale.energy_wh for sale in got) <= sum(bid.energy_wh for bid in own)
        most = max((bid.premium_nano_per_wh for bid in own), default=0)
        assert all(sale.amount_nano <= sale.energy_wh * most for sale in got)
    for stack in stacks:
        sold_wh = sum(sale.energy_wh for sale in sold if sale.meter == stack.meter)
        left, expected_wh, expected_nano = delivered[stack.meter], 0, 0
        for part in offered[stack.meter]:
            taken = min(left, part.energy_wh)
            left -= taken
            expected_wh += taken if part.premium_nano_per_wh else 0
            expected_nano += taken * part.premium_nano_per_wh
        assert sold_wh == expected_wh
        assert sum(sale.amount_nano for sale in sold if sale.meter == stack.meter) == expected_nano


def test_equal_bids_get_equal_shares_whichever_source_is_sold() -> None:
    stacks = [Stack("x", 0, [(10, 6)]), Stack("y", 0, [(20, 6)])]
    wanted = levels([Bid("a", 5, 6), Bid("b", 5, 6)])
    sold = sales(1, discount(stacks, wanted, 0, bytes(32)), {"x": 6, "y": 2}, wanted)
    got = {buyer: sum(sale.energy_wh for sale in sold if sale.buyer == buyer) for buyer in "ab"}
    assert got == {"a": 4, "b": 4}


def test_more_premiums_than_levels_pay_the_next_one_below() -> None:
    bids = [Bid("a", premium, 100) for premium in range(10, 10 + MAX_LEVELS)]
    found = levels([*bids, Bid("b", 15_000, 1), Bid("c", 9, 1)])
    assert [level.premium_nano_per_wh for level in found] == list(range(9 + MAX_LEVELS, 9, -1))
    assert found[0].wanted_wh == {"a": 100, "b": 1}
    assert all("c" not in level.wanted_wh for level in found)


def test_a_source_without_a_block_to_spare_has_no_part_in_it() -> None:
    full = Stack("full", 0, [(price, 1) for price in range(MAX_BLOCKS)])
    offered = discount([full, Stack("free", 0, [(40, 5)])], [Level(7, {"a": 3})], 0, bytes(32))
    assert all(part.level is None for part in offered["full"])
    assert offered["free"] == (Segment(40, 7, 0, 3), Segment(40, 0, None, 2))


def test_cleaner_sources_are_paid_first_where_prices_are_equal() -> None:
    offered = discount([Stack("a", 9, [(10, 5)]), Stack("b", 3, [(10, 5)])], [Level(7, {"x": 5})], 0, bytes(32))
    assert [part.premium_nano_per_wh for part in offered["b"]] == [7]
    assert [part.premium_nano_per_wh for part in offered["a"]] == [0]


def test_the_oracle_is_no_tautology() -> None:
    """Without premiums both are the merit order; with them the program is cheaper."""
    assert linked([(30, 10)], [(20, 10)], [], 10) == pytest.approx(200)
    assert linked([(30, 10)], [(20, 10)], [Bid("a", 15, 10)], 10) == pytest.approx(150)
    assert np.isclose(linked([(30, 10)], [(20, 10)], [Bid("a", 15, 4)], 10), 180)
