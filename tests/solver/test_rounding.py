"""Whole numbers from any point keep to everything that couples intervals, and stay near a point that is good."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.program.case import Block, Case, Reserve, Source, Storage
from contracts.program.rows import Program, program
from devnet.bench.dispatch_cases import CAMPUS, drawn_plan, make
from node.solver import linear
from node.solver.rounding import Chosen, chosen


def broken(case: Case, got: Chosen) -> list[str]:
    """What is outside its limits, by the definitions and not by the rows."""
    wrong: list[str] = []

    def hold(condition: bool, what: str) -> None:
        if not condition:
            wrong.append(what)

    times = range(case.intervals)
    reserve = iter(got.reserve_wh)
    totals = dict(zip((one.id for one in case.sources if one.ramp_wh is not None), got.total_wh, strict=True))
    for source in case.sources:
        offered = [sum(block.energy_wh for block in blocks) for blocks in source.blocks]
        total = totals.get(source.id)
        if total is not None:
            before = [source.last_wh, *total[:-1]]
            for t in times:
                hold(0 <= total[t] <= offered[t], f"{source.id} total {t}")
                last = before[t]
                hold(last is None or abs(total[t] - last) <= (source.ramp_wh or 0), f"{source.id} ramp {t}")
        if source.reserve is not None:
            held = next(reserve)
            for t in times:
                rating = offered[t] if source.rating_wh is None else source.rating_wh
                most = min(source.reserve.most_wh[t], rating - (total[t] if total else 0))
                hold(0 <= held[t] <= (most if source.ramp_wh is None else min(most, source.ramp_wh)), f"{source.id} r")
    for store, up, down in zip(case.storages, got.charge_wh, got.discharge_wh, strict=True):
        n, d = store.efficiency_n, store.efficiency_d
        soc = store.start_soc
        held = next(reserve) if store.reserve is not None else [0] * case.intervals
        for t, (c, u, r) in enumerate(zip(up, down, held, strict=True)):
            most_up, most_down = store.most_charge_wh[t], store.most_discharge_wh[t]
            soc += n * n * c - d * d * u
            hold(0 <= c <= most_up and 0 <= u <= most_down, f"{store.id} power {t}")
            hold(c * most_down + u * most_up <= most_up * most_down, f"{store.id} time {t}")
            hold(0 <= soc <= store.capacity_wh * n * d, f"{store.id} soc {t}")
            hold(0 <= r <= most_down - u + c and d * d * r <= soc, f"{store.id} reserve {t}")
            hold(store.reserve is None or r <= store.reserve.most_wh[t], f"{store.id} offer {t}")
        hold(store.end_value_nano_per_wh is not None or soc >= store.start_soc, f"{store.id} end")
    for load, path in zip(case.loads, got.load_wh, strict=True):
        hold(sum(path) <= load.energy_wh, f"{load.id} energy")
        for t in times:
            most = load.most_wh if load.first <= t < load.until else 0
            hold(0 <= path[t] <= most, f"{load.id} {t}")
    for t, needed in enumerate(case.reserve_wh):
        hold(sum(path[t] for path in got.reserve_wh) >= needed - got.short_wh.get(t, 0), f"reserve {t}")
    return wrong


def random_point(made: Program, seed: int) -> list[float]:
    draw = Random(seed)
    return [
        low + (high - low) * draw.random() ** draw.choice((1, 8)) for low, high in zip(made.lo, made.hi, strict=True)
    ]


@pytest.mark.parametrize("seed", range(60))
def test_any_point_becomes_whole_numbers_inside_all_limits(seed: int) -> None:
    case = make(drawn_plan(seed))
    made = program(case)
    for at in range(4):
        assert broken(case, chosen(made, random_point(made, at))) == []


def test_what_is_chosen_is_near_the_optimum() -> None:
    """Sums of what goes in and out of a battery never differ by more than what a full or an empty one holds back."""
    case = make(CAMPUS)
    made = program(case)
    point = linear.solve(made, 20.0).point
    got = chosen(made, list(point))
    assert broken(case, got) == [] and got.short_wh == {}
    width = len(case.storages)
    for kind, paths in (("charge", got.charge_wh), ("discharge", got.discharge_wh)):
        span = made.variables[kind]
        for at, path in enumerate(paths):
            wanted = sum(float(one) for one in point[span.start + at : span.stop : width])
            assert abs(sum(path) - wanted) <= 3
    ramps = [float(sum(path)) for path in got.total_wh]
    span = made.variables["block"]
    assert sum(ramps) <= sum(float(one) for one in point[span.start : span.stop])
    assert all(sum(path[t] for path in got.reserve_wh) == case.reserve_wh[t] for t in range(case.intervals))


@given(
    st.integers(1, 60),
    st.integers(2, 60),
    st.integers(0, 400),
    st.integers(0, 400),
    st.lists(
        st.tuples(st.floats(0, 90), st.floats(0, 90), st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=9
    ),
)
def test_storage_of_any_efficiency_comes_back(
    n: int, d: int, capacity: int, missing: int, moves: list[tuple[float, float, int, int]]
) -> None:
    """Full ones too, which only some sums of discharge can leave and fill again."""
    n = min(n, d)
    times = len(moves)
    store = Storage(
        id="battery",
        organisation="org",
        capacity_wh=capacity,
        start_soc=max(0, capacity * n * d - missing),
        most_charge_wh=tuple(move[2] for move in moves),
        most_discharge_wh=tuple(move[3] for move in moves),
        efficiency_n=n,
        efficiency_d=d,
        reserve=Reserve(1, (50,) * times),
    )
    case = Case("one", times, times, "00" * 32, storages=(store,))
    made = program(case)
    point = [0.0] * len(made.lo)
    for t, move in enumerate(moves):
        point[made.variables["charge"].start + t] = min(move[0], float(move[2]))
        point[made.variables["discharge"].start + t] = min(move[1], float(move[3]))
    assert broken(case, chosen(made, point)) == []


def test_a_source_goes_down_in_time_for_what_it_offers_next() -> None:
    """It may only fall by 20, and offers 10 after 100: so 100, however much the optimum says, can not be delivered."""
    offers = tuple((Block(1, most),) for most in (100, 100, 10))
    case = Case("one", 3, 3, "00" * 32, (Source("unit", "org", offers, ramp_wh=20),))
    made = program(case)
    assert chosen(made, [100.0, 100.0, 10.0]).total_wh == [[50, 30, 10]]
    assert chosen(made, [0.0, 100.0, 0.0]).total_wh == [[0, 20, 0]]


def test_a_full_battery_cycles_by_what_it_can_take_back() -> None:
    """361 Wh out are 400 Wh in, to the last 1/380 Wh; 360 out could never be made up for."""
    store = Storage("battery", "org", 1_000, 1_000 * 380, (500,) * 2, (400,) * 2, 19, 20)
    case = Case("one", 2, 2, "00" * 32, storages=(store,))
    made = program(case)
    point = [0.0] * len(made.lo)
    point[made.variables["discharge"].start] = 380.0
    point[made.variables["charge"].start + 1] = 421.0
    got = chosen(made, point)
    assert (got.discharge_wh, got.charge_wh) == ([[361, 0]], [[0, 400]])
