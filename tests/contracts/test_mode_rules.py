"""The paper's formulas of modes, reconstructed: by hand, against a search, and at their bounds."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.mode_rules import (
    Slot,
    balance_wh,
    cost_nano,
    deliverable_wh,
    injects,
    may_inject,
    responds,
    start,
    stays_on_grid,
    surplus_wh,
    was_usual,
)

USUAL = (True,) * 28
SLOT = Slot(100, 120, 30, 10, 300, USUAL)


def test_at_the_start_the_utility_alone_feeds_the_bus() -> None:
    for demand_wh, price in product((0, 1, 700), (-5, 0, 300)):
        state = start(demand_wh, price)
        assert balance_wh([state.generated_wh], state.utility_wh, state.stored_wh) == demand_wh
        assert state.utility_wh >= 0, "nothing is exported"
        assert state.cost_nano == cost_nano([], demand_wh, 0, price, 50, 1)


def test_the_bus_by_hand() -> None:
    """Two sources give 70, storage loads 20, 10 are injected: 40 are left for the load."""
    assert balance_wh([50, 20], -10, -20) == 40
    assert cost_nano([(7, 50), (9, 20)], -10, -20, 300, 50, 2) == 350 + 180 - 500 + 40
    assert cost_nano([(7, 50)], 10, 20, 300, 50, 2) == 350 + 3_000 + 40


@given(st.integers(0, 12), st.integers(-9, 9), st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 3))
@settings(max_examples=60)
def test_import_and_export_are_never_both_worth_it_unless_export_pays_more(
    demand: int, price: int, import_: int, export: int, wear: int
) -> None:
    """e = argmin C: exhaustively, one source of 8 and a storage of 2."""
    plans = [
        (cost_nano([(price, own)], demand - own - stored, stored, import_, export, wear), own, stored)
        for own in range(9)
        for stored in range(-2, 3)
    ]
    least, own, _ = min(plans)
    assert least <= start(demand, import_).cost_nano
    if price < min(import_, export) and not wear:
        assert own == 8
    if price > max(import_, export) and not wear:
        assert own == 0


def test_a_grid_that_pays_for_what_it_delivers_is_not_left() -> None:
    paid = SLOT._replace(import_nano_per_wh=-1)
    assert stays_on_grid([paid]) and not stays_on_grid([SLOT]) and not stays_on_grid([])
    assert not stays_on_grid([paid, SLOT]), "the window counts as a whole"
    assert not stays_on_grid([SLOT._replace(import_nano_per_wh=0)]), "nothing is non-negative"
    assert may_inject([paid]) == "paid"


def test_surplus_is_what_is_left_with_the_reserve() -> None:
    assert surplus_wh(SLOT) == 120 + 30 - 100 - 10
    assert may_inject([SLOT._replace(available_wh=80)]) == ""
    assert may_inject([SLOT, SLOT._replace(available_wh=79)]) == "surplus"
    assert may_inject([]) == "empty"


def test_what_a_storage_can_give_is_exact() -> None:
    """95% each way: 9,025 units of 1/(95 * 100) Wh are one Wh in and 10,000 one Wh out."""
    assert deliverable_wh(10_000, 95, 100, 50) == 1
    assert deliverable_wh(9_999, 95, 100, 50) == 0
    assert deliverable_wh(10_000_000, 95, 100, 50) == 50


def test_27_of_28_days_are_usual_and_26_are_not() -> None:
    assert was_usual((False,) + (True,) * 27)
    assert not was_usual((False, False) + (True,) * 26)
    assert not was_usual(())
    assert may_inject([SLOT._replace(history=(True,) * 18 + (False,))]) == "unusual"
    assert may_inject([SLOT._replace(history=(True,) * 19 + (False,))]) == ""


def test_injection_saves_more_than_the_threshold() -> None:
    assert injects([SLOT], 899, 1_000, 100)
    assert not injects([SLOT], 900, 1_000, 100)
    assert not injects([SLOT._replace(available_wh=0)], 0, 1_000, 100)


def test_who_would_lose_as_much_as_it_is_paid_does_not_respond() -> None:
    assert responds(301, 200, 100) and not responds(300, 200, 100)
    assert responds(0, 0, -1)


@given(st.lists(st.booleans(), max_size=40))
def test_usual_is_95_percent(history: list[bool]) -> None:
    assert was_usual(history) == (bool(history) and sum(history) / max(1, len(history)) >= 0.95)
