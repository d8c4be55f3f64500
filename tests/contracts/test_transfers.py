"""Static transfer envelopes: the bound of a line is the largest flow that there can be, in whatever network."""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypower.api import case30, case57
from scipy.optimize import linprog

from contracts.network.lines import loops
from contracts.network.records import Branch, Network, Place, Transfer
from contracts.network.transfers import heaviest
from contracts.units import WH_MS
from tests.support.networks import ieee, wires

_replace = msgspec.structs.replace


def bounds(network: Network, interval_ms: int = WH_MS) -> dict[str, int]:
    return {load.line: load.most_wh for load in heaviest(network, interval_ms)}


def test_a_line_in_no_loop_carries_at_most_what_one_side_may_give_and_the_other_take() -> None:
    chain = wires({("a", "b"): 0, ("b", "c"): 0}, {"a": (0, 100), "b": (30, 0), "c": (50, 5)})
    assert bounds(chain) == {"a-b": 80, "b-c": 50}
    # What everybody gives counts as well as what they take.
    giving = wires({("a", "b"): 0, ("b", "c"): 0}, {"a": (7, 0), "b": (0, 0), "c": (0, 90)})
    assert bounds(giving) == {"a-b": 7, "b-c": 7}


def test_around_a_loop_two_thirds_take_the_short_way() -> None:
    """Equal reactances: 2/3 of 90 over the line, 1/3 the other way; and 2 Wh by rounding around the loop."""
    triangle = wires({("a", "b"): 0, ("b", "c"): 0, ("a", "c"): 0}, {"a": (0, 90), "b": (90, 0), "c": (0, 0)})
    assert bounds(triangle) == {"a-b": 62, "a-c": 32, "b-c": 32}


def test_parallel_lines_share_by_their_reactances() -> None:
    pair = wires({("a", "b"): 0}, {"a": (0, 90), "b": (90, 0)})
    second = Branch("a-b-2", "a", "b", 0, 2_000_000)
    both = _replace(pair, lines=(*pair.lines, second))
    assert bounds(both) == {"a-b": 62, "a-b-2": 32}


def test_envelopes_count_in_whole_wh_of_an_interval() -> None:
    chain = wires({("a", "b"): 1_003}, {"a": (0, 1_003), "b": (2_000, 0)})
    (load,) = heaviest(chain, WH_MS // 4)
    assert (load.most_wh, load.limit_wh) == (250, 250)


def largest(network: Network, line: int) -> float:
    """Most that `line` can carry, found by HiGHS over everything that a dispatch may do: both ways."""
    number = {place.id: index for index, place in enumerate(network.places)}
    places, lines = len(number), len(network.lines)
    box = [[0, 0] for _ in number]
    for one in network.transfers:
        box[number[one.place]][0] -= one.import_w
        box[number[one.place]][1] += one.export_w
    balance = [[0] * (lines + places) for _ in number]
    for index, branch in enumerate(network.lines):
        balance[number[branch.from_place]][index] += 1
        balance[number[branch.to_place]][index] -= 1
    for place in range(places):
        balance[place][lines + place] = -1
    turns: list[list[float]] = []
    room: list[float] = []
    for loop in loops(network):
        total = sum(network.lines[index].reactance_npu for index, _ in loop)
        row = [0.0] * (lines + places)
        for index, sign in loop:
            row[index] = sign * network.lines[index].reactance_npu / total
        turns += [row, [-one for one in row]]
        room += [2.0, 2.0]
    found = 0.0
    for sign in (1, -1):
        cost = [0] * (lines + places)
        cost[line] = -sign
        solved = linprog(
            cost,
            A_ub=turns or None,
            b_ub=room or None,
            A_eq=balance,
            b_eq=[0] * places,
            bounds=[(None, None)] * lines + [tuple(pair) for pair in box],
        )
        assert solved.status == 0
        found = max(found, -solved.fun)
    return found


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A tree with some lines more, also parallel ones, and envelopes of any size."""
    places = draw(st.integers(2, 6))
    ends = [(draw(st.integers(0, place - 1)), place) for place in range(1, places)]
    more = st.tuples(st.integers(0, places - 1), st.integers(0, places - 1)).filter(lambda pair: pair[0] != pair[1])
    ends += draw(st.lists(more, max_size=4))
    order = draw(st.permutations(range(len(ends))))
    reactances = st.integers(1, 50).map(lambda part: part * 10_000)
    lines = tuple(
        Branch(f"l{index}", f"p{ends[which][0]}", f"p{ends[which][1]}", 0, draw(reactances))
        for index, which in enumerate(order)
    )
    watts = st.integers(0, 1_000)
    transfers = tuple(Transfer(f"m{place}", f"p{place}", draw(watts), draw(watts)) for place in range(places))
    return Network(tuple(Place(f"p{place}") for place in range(places)), lines, transfers)


@settings(max_examples=40)
@given(networks())
def test_the_bound_is_the_largest_flow_that_a_dispatch_can_have(network: Network) -> None:
    for index, load in enumerate(heaviest(network, WH_MS)):
        most = largest(network, index)
        assert load.most_wh == floor(most + 1e-6)


@pytest.mark.parametrize("make", [case30, case57])
def test_the_bound_of_an_ieee_network_is_the_largest_flow(make: Callable[[], dict[str, object]]) -> None:
    network, injection = ieee(make())
    spare_w = 9_000_000
    transfers = tuple(
        Transfer(place.id, place.id, max(0, -milliwatts) // 1_000, max(0, milliwatts) // 1_000 + spare_w)
        for place, milliwatts in zip(network.places, injection.w, strict=True)
    )
    network = _replace(network, transfers=transfers)
    for index, load in list(enumerate(heaviest(network, WH_MS)))[::9]:
        most = largest(network, index)
        assert most - 1 < load.most_wh < most + 0.01


def test_reactances_of_any_size_leave_the_bound_sharp() -> None:
    """A line of next to nothing beside one of the most: all of it takes the first."""
    pair = wires({("a", "b"): 0}, {"a": (0, 10**9), "b": (10**9, 0)}, reactance_npu=1)
    both = _replace(pair, lines=(*pair.lines, Branch("a-b-2", "a", "b", 0, 2**31 - 1)))
    assert bounds(both) == {"a-b": 10**9 + 1, "a-b-2": 2}
