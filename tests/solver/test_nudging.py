"""One Wh more or less in a zone comes from whoever can give it inside its own limits, or from nobody."""

from __future__ import annotations

import pytest

from contracts.program.case import Block, Case, Load, Reserve, Solution, Source, Storage
from contracts.program.rows import program
from devnet.bench.dispatch_cases import drawn_plan, make
from node.solver.build import build
from node.solver.nudging import nudged
from node.solver.rounding import Chosen, chosen
from tests.solver.test_rounding import broken, random_point

FULL = Storage("full", "org", 100, 8_950, (9, 9), (9, 9), 9, 10, place="here")
"""50/90 Wh below its capacity, which is less than what a Wh of charge adds."""


def net_wh(case: Case, solution: Solution, place: str, t: int) -> int:
    """What storages, loads and ramp-limited sources of a place give to its stack."""
    stores = zip(case.storages, solution.charge_wh, solution.discharge_wh, strict=True)
    loads = zip(case.loads, solution.load_wh, strict=True)
    given = sum(u[t] - c[t] for store, c, u in stores if store.place == place)
    ramped = (source for source in case.sources if source.ramp_wh is not None)
    given += sum(row[t] for one, row in zip(ramped, solution.total_wh, strict=True) if one.place == place)
    return given - sum(row[t] for load, row in loads if load.place == place)


@pytest.mark.parametrize("seed", range(40))
def test_exactly_one_wh_moves_and_no_limit_breaks(seed: int) -> None:
    plan = drawn_plan(seed)._replace(
        storages=2, loads=2, intervals=6, ramps=True, places=2, meshed=False, reserve_ppm=30_000
    )
    case = make(plan)
    whole = chosen(program(case), random_point(program(case), seed))
    fields = ("charge_wh", "discharge_wh", "load_wh", "total_wh", "reserve_wh")
    start = Solution(case.round_id, *(tuple(map(tuple, getattr(whole, name))) for name in fields))
    moves = 0
    for place in ("site", "place-1"):
        for t in range(case.intervals):
            for more in (True, False):
                moved = nudged(case, start, {place}, t, more)
                if moved is None:
                    continue
                moves += 1
                after = Chosen(*(list(map(list, getattr(moved, name))) for name in fields), whole.short_wh)
                assert broken(case, after) == []
                for where in ("site", "place-1"):
                    for when in range(case.intervals):
                        step = (1 if more else -1) if (where, when) == (place, t) else 0
                        assert net_wh(case, moved, where, when) == net_wh(case, start, where, when) + step
    assert moves > 0


def test_nobody_is_moved_beyond_its_limits() -> None:
    """A full battery that has to end full neither takes nor gives a Wh, and one elsewhere is left alone."""
    elsewhere = Storage("elsewhere", "org", 100, 45, (9, 9), (9, 9), 1, 1, place="there")
    case = Case("full", 2, 2, "00" * 32, storages=(FULL, elsewhere))
    idle = Solution(case.round_id, charge_wh=((0, 0),) * 2, discharge_wh=((0, 0),) * 2)
    for t in (0, 1):
        assert nudged(case, idle, {"here"}, t, more=True) is None
        assert nudged(case, idle, {"here"}, t, more=False) is None
    assert nudged(case, idle, {"there"}, 0, more=False) is not None


@pytest.mark.parametrize(("start", "most"), [(9, 20), (50, 9)])
def test_reserve_that_is_held_stays_backed(start: int, most: int) -> None:
    """By what is stored, and by what it can give at once."""
    offer = Reserve(1, (50, 50))
    store = Storage("one", "org", 100, start, (9, 9), (most, most), end_value_nano_per_wh=1, reserve=offer)
    case = Case("held", 2, 2, "00" * 32, storages=(store,))
    free = Solution(case.round_id, charge_wh=((0, 0),), discharge_wh=((0, 0),), reserve_wh=((8, 8),))
    held = Solution(case.round_id, charge_wh=((0, 0),), discharge_wh=((0, 0),), reserve_wh=((9, 9),))
    assert nudged(case, free, {"site"}, 0, True) is not None
    assert nudged(case, held, {"site"}, 0, True) is None


def test_a_source_gives_way_within_ramps_offers_and_reserve() -> None:
    source = Source(
        "engine", "org", ((Block(1, 9),),) * 2, rating_wh=10, ramp_wh=2, last_wh=5, reserve=Reserve(0, (2, 2))
    )
    case = Case("engine", 2, 2, "00" * 32, (source,))

    def after(totals: tuple[int, int], reserve: tuple[int, int], t: int, more: bool) -> object:
        moved = nudged(case, Solution(case.round_id, total_wh=(totals,), reserve_wh=(reserve,)), {"site"}, t, more)
        return moved and moved.total_wh[0]

    assert after((6, 8), (0, 0), 0, True) == (7, 8) and after((6, 8), (0, 0), 0, False) is None
    assert after((7, 8), (0, 0), 0, True) is None and after((7, 9), (0, 0), 1, True) is None
    assert after((7, 8), (0, 1), 1, True) == (7, 9) and after((7, 8), (0, 2), 1, True) is None


def test_a_load_gives_way_in_its_time_and_within_what_it_wants() -> None:
    load = Load("car", "org", 10, 6, 0, 2, 5)
    case = Case("car", 3, 3, "00" * 32, loads=(load,))
    start = Solution(case.round_id, load_wh=((6, 4, 0),))
    less = nudged(case, start, {"site"}, 0, True)
    assert less is not None and less.load_wh == ((5, 4, 0),)
    assert nudged(case, start, {"site"}, 1, False) is None, "it has all that it wants"
    assert nudged(case, start, {"site"}, 2, False) is None and nudged(case, start, {"site"}, 2, True) is None


@pytest.mark.parametrize("seed", [81, 193, 261])
def test_zones_without_a_stack_balance(seed: int) -> None:
    """Batteries alone behind a full line; what they can not serve is shed."""
    case = make(drawn_plan(seed))
    assert build(case, 20.0).verdict.cost_nano > 0
