"""Two and three sources, solved on paper: awards and price as exact fractions of demand, then compared to the Wh.

Two sources at p1 < p2 with a Wh of the first: g1 = min(D, a), g2 = D - g1, and the price is p2 exactly when the Wh at
D (1 - s) lies above a, that is D > a / (1 - s) with slack s. n equal sources that are not exhausted get D / n each.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor

from hypothesis import given
from hypothesis import strategies as st

from contracts.units import PPM
from tests.contracts.one_interval import Demand, Market, Supply, clear
from zk.hashing import sha256

CAP = 4_000
SLACK = Fraction(5_000, PPM)
ENERGY = st.integers(1, 10**9)


def solve(supplies: list[Supply], demand_wh: int, round_id: bytes = bytes(32)) -> tuple[list[int], int]:
    result = clear(Market(round_id, supplies, [Demand("t", demand_wh, None, 0)], None, CAP, CAP, int(SLACK * PPM)))
    return result.supplied_wh, result.price_nano_per_wh


@given(ENERGY, ENERGY)
def test_two_sources(first_wh: int, demand_wh: int) -> None:
    given_wh, price = solve([Supply("a", "m-a", 10, 0, first_wh), Supply("b", "m-b", 30, 0, demand_wh)], demand_wh)
    assert given_wh == [min(demand_wh, first_wh), max(0, demand_wh - first_wh)]
    threshold = Fraction(first_wh) / (1 - SLACK)
    assert price == (30 if demand_wh > threshold else 10)


def test_two_sources_at_the_threshold() -> None:
    """a = 995: the switch is at D = 995 / 0.995 = 1,000 exactly."""
    sources = [Supply("a", "m-a", 10, 0, 995), Supply("b", "m-b", 30, 0, 5_000)]
    assert solve(sources, 1_000) == ([995, 5], 10)
    assert solve(sources, 1_001) == ([995, 6], 30)


@given(ENERGY, ENERGY, ENERGY)
def test_three_sources(first_wh: int, second_wh: int, demand_wh: int) -> None:
    sources = [
        Supply("a", "m-a", 10, 0, first_wh),
        Supply("b", "m-b", 20, 0, second_wh),
        Supply("c", "m-c", 30, 0, demand_wh),
    ]
    given_wh, price = solve(sources, demand_wh)
    first = min(demand_wh, first_wh)
    second = min(demand_wh - first, second_wh)
    assert given_wh == [first, second, demand_wh - first - second]
    reach = demand_wh * (1 - SLACK)
    assert price == (10 if reach <= first_wh else 20 if reach <= first_wh + second_wh else 30)


@given(st.integers(1, 10**9), st.binary(min_size=32, max_size=32))
def test_three_equal_sources_get_a_third_each(demand_wh: int, round_id: bytes) -> None:
    names = ["a", "b", "c"]
    given_wh, price = solve([Supply(name, f"m-{name}", 10, 0, demand_wh) for name in names], demand_wh, round_id)
    third = Fraction(demand_wh, 3)
    order = sorted(names, key=lambda name: sha256(round_id + name.encode()))
    extra = demand_wh - 3 * floor(third)
    assert given_wh == [floor(third) + (order.index(name) < extra) for name in names]
    assert price == 10


def test_a_small_equal_source_is_exhausted_and_the_others_share_the_rest() -> None:
    """D = 1,000, sources of 100, 600, 600 at one price: 100, then (1,000 - 100) / 2 each."""
    sources = [Supply(name, f"m-{name}", 10, 0, wh) for name, wh in (("a", 100), ("b", 600), ("c", 600))]
    assert solve(sources, 1_000) == ([100, 450, 450], 10)
