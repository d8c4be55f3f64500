"""Arrays against plain integers: fill and prices of all intervals at once are those of one after another."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program.case import Case, Solution
from contracts.program.columns import MAX_ORDERS
from contracts.program.fill import Filled, choice, fill_chosen, plain
from contracts.program.points import point
from contracts.program.price import prices, prices_chosen
from contracts.program.rows import program
from contracts.program.stack import Locked, lock
from contracts.program.verdict import Refusal, Schedule
from tests.contracts.dispatch_cases import cases, one, solutions, source
from tests.contracts.one_interval import Market
from tests.contracts.test_dispatch import markets
from tests.contracts.test_fill import as_case, fixed


def same(case: Case, solution: Solution) -> Schedule | None:
    """The schedule that both ways agree about; None: both refuse in the same words."""
    slow, quick = lock(case, in_columns=False), lock(case, in_columns=True)
    one, other = (_filled(locked, solution) for locked in (slow, quick))
    if isinstance(one, Refusal) or isinstance(other, Refusal):
        assert one == other
        return None
    whole = plain(other.schedule)
    for name, expected_wh, got_wh in zip(Schedule._fields, one.schedule, whole, strict=True):
        assert list(map(list, expected_wh)) == list(map(list, got_wh)), name
        assert all(type(value) is int for row in got_wh for value in row), name
    rows = program(case)
    ends = rows.variables["shed"].stop
    assert other.taken_wh.tolist() == point(rows, one.schedule)[:ends]
    expected = prices(slow, solution, one.schedule)
    assert all(type(value) is int for grid in prices(quick, solution, other.schedule) for row in grid for value in row)
    assert prices(quick, solution, other.schedule) == expected
    assert prices(quick, solution, one.schedule) == expected
    return one.schedule


def _filled(locked: Locked, solution: Solution) -> Filled | Refusal:
    chosen = choice(locked, solution)
    return chosen if isinstance(chosen, Refusal) else fill_chosen(locked, chosen)


@given(st.data())
@settings(max_examples=200)
def test_arrays_and_integers_agree_about_any_solution_of_any_network(data: st.DataObject) -> None:
    case = data.draw(cases(places=4))
    same(case, data.draw(solutions(case)))


@given(st.data())
@settings(max_examples=150)
def test_arrays_and_integers_agree_at_one_place(data: st.DataObject) -> None:
    case = replace(data.draw(cases()), carbon_cap_ug=data.draw(st.sampled_from([None, 0])))
    same(case, data.draw(solutions(case)))


def test_arrays_read_a_price_among_equal_keys_as_integers_do() -> None:
    """Of one key: dirty at 10, clean at 50, in either order of their energies."""
    for dirty_wh, clean_wh in ((100, 90), (90, 100), (30, 200)):
        sources = (source("dirty", (10, dirty_wh), factor=400), source("clean", (50, clean_wh)))
        case = one(sources=sources, demands=(fixed(120),), carbon_cap_ug=0)
        solution = Solution(case.round_id, kappa_num=1, kappa_den=10, theta=2**31)
        same(case, solution)
        locked = lock(case, in_columns=True)
        filled = _filled(locked, solution)
        assert isinstance(filled, Filled)
        assert prices(locked, solution, filled.schedule).price_nano_per_wh == ((50,),)


@given(markets())
@settings(max_examples=100)
def test_arrays_and_integers_agree_about_one_interval(market: Market) -> None:
    case = as_case(market)
    same(case, Solution(case.round_id))


@given(st.data())
@settings(max_examples=60)
def test_arrays_and_integers_agree_at_the_bounds_of_numbers(data: st.DataObject) -> None:
    case = data.draw(cases(most=2**40 - 1))
    same(case, data.draw(solutions(case)))


def test_only_a_few_orders_are_kept() -> None:
    case = one(sources=(source("a", (10, 50), factor=3), source("b", (20, 50))), demands=(fixed(60),))
    locked = lock(case, in_columns=True)
    for kappa in range(3 * MAX_ORDERS):
        filled = _filled(locked, Solution(case.round_id, kappa_num=kappa))
        assert isinstance(filled, Filled)
        assert plain(filled.schedule).source_wh == ([[50], [10]] if 10 + 3 * kappa <= 20 else [[10], [50]])
    assert len(locked.columns.orders) == MAX_ORDERS


def test_reading_prices_changes_nothing_that_was_chosen() -> None:
    """A ramp-limited source stands elsewhere in the stack that prices are read off."""
    case = one(sources=(source("r", (10, 50), (20, 50), ramp_wh=9),), demands=(fixed(60),))
    locked = lock(case, in_columns=True)
    chosen = choice(locked, Solution(case.round_id, total_wh=((60,),)))
    assert not isinstance(chosen, Refusal)
    for _ in range(2):
        filled = fill_chosen(locked, chosen)
        assert isinstance(filled, Filled)
        assert prices_chosen(locked, chosen, filled.schedule, 0).price_nano_per_wh == ((20,),)


def test_what_a_source_is_said_to_deliver_beyond_its_offer_is_in_its_last_block() -> None:
    """So that the check finds a block outside its box, and not a place that does not balance."""
    case = one(sources=(source("r", (10, 50), (20, 50), ramp_wh=9),), demands=(fixed(200),))
    schedule = same(case, Solution(case.round_id, total_wh=((130,),)))
    assert schedule is not None and schedule.source_wh == [[130]]
