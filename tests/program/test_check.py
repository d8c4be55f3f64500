"""Verdicts: every limit has its code, what passes is feasible by a second description, and certified means near."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

import contracts.program.check as check_module
from contracts.program import feasible
from contracts.program.case import (
    MAX_ROWS,
    Bid,
    Case,
    Connection,
    Demand,
    Line,
    LineFlow,
    Load,
    Multiplier,
    Reserve,
    Solution,
    Storage,
)
from contracts.program.check import Ready, check, ready
from contracts.program.fill import Choice, Filled, choice, fill_chosen
from contracts.program.points import point, row_name, variable_name
from contracts.program.rows import evaluate
from contracts.program.verdict import Refusal, Rows, Verdict
from tests.program import naive
from tests.program.cases import ROUND, small, source
from tests.program.optimum import optimum
from tests.program.solved import solved

ONE = 2**32
KWH = 1_000
TIE = Connection("tie", "utility", (90, 90), (20, 20), (9 * KWH,) * 2, (9 * KWH,) * 2, (400, 400))
CELL = Storage("cell", "ann", 2 * KWH, KWH * 90, (800,) * 2, (400,) * 2, 9, 10, reserve=Reserve(1, (300,) * 2))
YARD = small(
    "yard",
    2,
    sources=(
        source("sun", (10, 2 * KWH), intervals=2, factor_ug_per_wh=5),
        source("coal", (30, KWH), (60, KWH), intervals=2, factor_ug_per_wh=900),
        source(
            "steam", (40, KWH), intervals=2, ramp_wh=300, last_wh=500, rating_wh=1_200, reserve=Reserve(2, (500,) * 2)
        ),
    ),
    storages=(CELL,),
    connections=(TIE,),
    demands=(Demand("ann", (3 * KWH, 4 * KWH)), Demand("bob", (KWH, KWH), 1)),
    bids=(Bid("eve", 50, (500, 500)),),
    loads=(Load("car", "bob", 600, 400, 0, 2, 200),),
    reserve_wh=(400, 400),
    carbon_cap_ug=3_500 * KWH,
    offer_cap_nano_per_wh=100,
    scarcity_nano_per_wh=100,
    shed_nano_per_wh=(1_000, 250),
)
GOOD = Solution(
    ROUND,
    charge_wh=((100, 0),),
    discharge_wh=((0, 81),),
    load_wh=((300, 300),),
    total_wh=((700, 900),),
    reserve_wh=((300, 300), (100, 100)),
)


def verdict(case: Case, solution: Solution) -> Verdict:
    found = check(case, solution)
    assert isinstance(found, Verdict), found
    return found


def refusal(case: Case | Ready, solution: Solution) -> Refusal:
    found = check(case, solution)
    assert isinstance(found, Refusal), found
    assert found.message.endswith(".")
    return found


def test_a_good_solution_has_its_figures() -> None:
    """By hand. Needed 3,000 + 1,000 + 300 + 100 - 700 and 4,000 + 1,000 + 300 - 81 - 900 Wh from the stack."""
    found = verdict(YARD, GOOD)
    told = found.schedule
    assert [list(row) for row in told.source_wh] == [[2_000, 2_000], [1_700, 2_000], [700, 900]]
    assert [list(row) for row in told.import_wh] == [[0, 319]]
    assert [list(row) for row in told.export_wh] == [[0, 0]]
    assert [list(row) for row in told.bid_wh] == [[0, 0]]
    assert [list(row) for row in told.soc] == [[90_000 + 8_100, 90_000]]
    cost = 10 * 4_000 + 30 * 2_000 + 60 * 1_700 + 40 * 1_600 + 90 * 319 + 50 * 1_000 + 20 * 18_000
    assert found.cost_nano == cost + 2 * 600 + 1 * 200
    assert found.injected_wh == 4_000 + 3_700 + 1_600 + 319 + 81
    assert found.demand_wh == found.injected_wh == 9_000 + 600 + 100
    assert found.carbon_ug == 5 * 4_000 + 900 * 3_700 + 400 * 319
    assert found.base_nano == 90 * 9_000 and found.threshold_nano == 2 * 90 + 90
    assert not found.certified and found.bound_nano == 0 < found.gap_ppm


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "another round": ({"round_id": "11" * 32}, "dispatch.round", "round_id"),
    "no storage": ({"charge_wh": ()}, "dispatch.shape", "charge_wh"),
    "one interval": ({"discharge_wh": ((0,),)}, "dispatch.shape", "discharge_wh[0]"),
    "a load too many": ({"load_wh": ((300, 300),) * 2}, "dispatch.shape", "load_wh"),
    "no totals": ({"total_wh": ()}, "dispatch.shape", "total_wh"),
    "one reserve": ({"reserve_wh": ((300, 300),)}, "dispatch.shape", "reserve_wh"),
    "unknown line": ({"flows": (LineFlow(0, 0, 0),)}, "dispatch.flow-unknown", "line 0 in interval 0"),
    "charge beyond power": (
        {"charge_wh": ((801, 0),)},
        "dispatch.charge-limit",
        "charge of storage cell in interval 0",
    ),
    "discharge beyond power": (
        {"discharge_wh": ((0, 401),)},
        "dispatch.discharge-limit",
        "discharge of storage cell in interval 1",
    ),
    "both at once": (
        {"charge_wh": ((401, 0),), "discharge_wh": ((200, 0),)},
        "dispatch.sharing",
        "sharing of storage cell in interval 0",
    ),
    "overfull": (
        {"charge_wh": ((800, 800),), "discharge_wh": ((0, 0),)},
        "dispatch.capacity",
        "soc of storage cell in interval 1",
    ),
    "empty": (
        {"charge_wh": ((0, 0),), "discharge_wh": ((400, 400),)},
        "dispatch.end",
        "charge at the end of storage cell",
    ),
    "one Wh short at the end": ({"charge_wh": ((99, 0),)}, "dispatch.end", "charge at the end of storage cell"),
    "load beyond power": ({"load_wh": ((401, 0),)}, "dispatch.load-limit", "energy of load car in interval 0"),
    "load beyond energy": ({"load_wh": ((301, 300),)}, "dispatch.load-energy", "what load car does not get"),
    "ramp from before": ({"total_wh": ((801, 900),)}, "dispatch.ramp", "ramp of source steam in interval 0"),
    "ramp down": ({"total_wh": ((700, 399),)}, "dispatch.ramp", "ramp of source steam in interval 1"),
    "beyond its offer": (
        {"total_wh": ((800, 1_001),), "reserve_wh": ((300, 199), (100, 201))},
        "dispatch.offer-limit",
        "block 0 of source steam in interval 1",
    ),
    "reserve beyond ramp": (
        {"reserve_wh": ((301, 300), (100, 100))},
        "dispatch.reserve-limit",
        "reserve of source steam in interval 0",
    ),
    "reserve beyond offer": (
        {"reserve_wh": ((300, 300), (301, 100))},
        "dispatch.reserve-limit",
        "reserve of storage cell in interval 0",
    ),
    "too little reserve": ({"reserve_wh": ((300, 299), (100, 100))}, "dispatch.reserve-need", "reserve in interval 1"),
    "no headroom": (
        {"total_wh": ((700, 1_000),), "reserve_wh": ((300, 201), (100, 300))},
        "dispatch.headroom",
        "headroom of source steam in interval 1",
    ),
    "no headroom in the cell": (
        {"charge_wh": ((400, 0),), "discharge_wh": ((0, 301),)},
        "dispatch.headroom",
        "headroom of storage cell in interval 1",
    ),
    "too dirty": ({"total_wh": ((200, 300),)}, "dispatch.carbon", "carbon cap"),
    "two intervals beyond power": (
        {"charge_wh": ((801, 900),)},
        "dispatch.charge-limit",
        "charge of storage cell in interval 0",
    ),
    "no reserve at all": ({"reserve_wh": ((0, 0), (0, 0))}, "dispatch.reserve-need", "reserve in interval 0"),
    "no row": (
        {"multipliers": (Multiplier(0, 1), Multiplier(10**5, 1))},
        "dispatch.multiplier-row",
        "multipliers[1].row",
    ),
    "rows backwards": (
        {"multipliers": (Multiplier(2, 1), Multiplier(1, 1))},
        "dispatch.multiplier-order",
        "multipliers[1].row",
    ),
    "a row twice": (
        {"multipliers": (Multiplier(2, 1), Multiplier(2, 1))},
        "dispatch.multiplier-order",
        "multipliers[1].row",
    ),
    "absurd weight": ({"multipliers": (Multiplier(0, 2**60),)}, "dispatch.multiplier-size", "multipliers[0].weight"),
    "absurd the other way": (
        {"multipliers": (Multiplier(0, 1), Multiplier(2, -(2**60) // 100))},
        "dispatch.multiplier-size",
        "multipliers[1].weight",
    ),
}


@pytest.mark.parametrize("in_arrays", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_every_limit_has_its_code_and_says_where(name: str, in_arrays: bool) -> None:
    changes, code, where = WRONG[name]
    changed = replace(GOOD, **changes)
    if name == "no headroom in the cell":
        changed = replace(changed, reserve_wh=((300, 300), (100, 100)))
    known = ready(YARD, in_arrays)
    assert isinstance(known, Ready)
    found = refusal(known, changed)
    assert (found.code, found.where) == (code, where), found


def test_what_is_no_case_is_refused_before_its_solution_is_read() -> None:
    case = replace(YARD, binding=3)
    assert refusal(case, replace(GOOD, round_id="11" * 32)).code == "dispatch.binding"


def test_reserve_has_to_be_stored() -> None:
    """Of 300 Wh of reserve 100 Wh need 10,000 in 1/90 Wh each; the cell ends its first interval with less."""
    case = replace(YARD, storages=(replace(CELL, start_soc=9_000, end_value_nano_per_wh=1),), reserve_wh=())
    solution = replace(GOOD, charge_wh=((0, 0),), discharge_wh=((0, 0),), reserve_wh=((0, 0), (90, 90)))
    assert isinstance(check(case, solution), Verdict)
    found = refusal(case, replace(solution, reserve_wh=((0, 0), (91, 90))))
    assert (found.code, found.where) == ("dispatch.stored", "stored of storage cell in interval 0")


def test_more_multipliers_than_rows_are_refused_by_their_number() -> None:
    known = ready(YARD)
    assert isinstance(known, Ready)
    found = refusal(known, replace(GOOD, multipliers=tuple(Multiplier(i, 1) for i in range(MAX_ROWS))))
    assert found.code == "dispatch.multiplier-row"


@pytest.mark.parametrize("kind", feasible.BOX_CODES)
def test_a_point_outside_a_box_is_named(kind: str) -> None:
    """Also where no solution could lead: whatever makes a schedule is held to it."""
    case = replace(
        YARD, lines=(Line("wire", "site", "hill", (7, 7)),), storages=(replace(CELL, end_value_nano_per_wh=1),)
    )
    known = ready(case)
    assert isinstance(known, Ready)
    x = point(known.program, verdict(case, GOOD).schedule)
    assert feasible.broken(known.program, x) is None
    number = known.program.variables[kind][-1]
    for value in (known.program.lo[number] - 1, known.program.hi[number] + 1):
        told = feasible.broken(known.program, [*x[:number], value, *x[number + 1 :]])
        assert told is not None
        assert (told.code, told.where) == (feasible.BOX_CODES[kind], variable_name(known.program, number))


def test_a_critical_tier_is_never_shed_before_a_lesser_one() -> None:
    nothing = {name: () for name in ("loads", "storages", "reserve_wh", "connections")}
    case = replace(YARD, sources=YARD.sources[:2], carbon_cap_ug=None, reference_nano_per_wh=(90, 90), **nothing)
    known = ready(case)
    assert isinstance(known, Ready)
    solution = Solution(ROUND)
    chosen = choice(known.locked, solution)
    assert not isinstance(chosen, Refusal)
    told = verdict(known.program.case, solution).schedule
    assert [list(row) for row in told.served_wh] == [[3_000, 4_000], [1_000, 0]]
    assert feasible.unfair_shedding(known.locked, chosen, told) is None
    other = told._replace(served_wh=[[3_000, 3_999], [1_000, 1]])
    found = feasible.unfair_shedding(known.locked, chosen, other)
    assert found is not None
    assert (found.code, found.where) == ("dispatch.shed-order", "shedding at place site in interval 1")
    both = told._replace(served_wh=[[2_999, 4_000], [0, 0]])
    assert feasible.unfair_shedding(known.locked, chosen, both) is None
    turned = ready(replace(case, demands=case.demands[::-1]))
    assert isinstance(turned, Ready)
    assert feasible.unfair_shedding(turned.locked, chosen, other._replace(served_wh=other.served_wh[::-1])) == found


def test_a_grid_is_made_of_integers_once_somebody_reads_it() -> None:
    class Watched:
        """Stands for an array."""

        def __init__(self, rows: list[list[int]]) -> None:
            self.rows, self.asked = rows, 0

        def __len__(self) -> int:
            return len(self.rows)

        def tolist(self) -> list[list[int]]:
            self.asked += 1
            return self.rows

    array = Watched([[1, 2], [3, 4]])
    rows = Rows(array)
    assert len(rows) == 2 and array.asked == 0
    assert rows[1][0] == 3 and [list(row) for row in rows] == array.rows and array.asked == 1
    assert rows == array.rows == rows and rows == ((1, 2), (3, 4)) and rows == Rows(Watched([[1, 2], [3, 4]]))
    assert hash(rows) == hash(((1, 2), (3, 4)))
    for other in ([[1, 2], [3, 5]], [[1, 2]], [[1, 2], [3]], None):
        assert rows != other


@pytest.mark.parametrize("in_arrays", [True, False])
def test_whoever_fills_unfairly_is_not_believed(in_arrays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fill sheds in order; a schedule that does not is refused all the same, by either way."""
    case = small(
        sources=(source("sun", (10, 3_000)),),
        demands=(Demand("ann", (3_000,)), Demand("bob", (1_000,), 1)),
        reference_nano_per_wh=(90,),
    )
    known = ready(case, in_arrays)
    assert isinstance(known, Ready) and isinstance(check(known, Solution(ROUND)), Verdict)
    chosen = choice(known.locked, Solution(ROUND))
    assert isinstance(chosen, Choice)
    fair = fill_chosen(known.locked, chosen)
    assert isinstance(fair, Filled)
    taken_wh = fair.taken_wh
    if in_arrays:
        assert taken_wh[-2:].tolist() == [0, 1_000]
        taken_wh[-2:] = (1, 999)
    unfair = Filled(fair.schedule._replace(served_wh=[[2_999], [1]]), taken_wh)
    monkeypatch.setattr(check_module, "fill_chosen", lambda *_: unfair)
    assert refusal(known, Solution(ROUND)).code == "dispatch.shed-order"


@pytest.mark.parametrize(("reference", "certified"), [(2, True), (1, False), (3, True)])
def test_certified_is_within_the_threshold_to_the_nano(reference: int, certified: bool) -> None:
    """Seven Wh cost 16 nano, and a weight of 2 nano shows that none cost less than 14."""
    case = small(
        sources=(source("sun", (2, 5), (3, 5)),), demands=(Demand("ann", (7,)),), reference_nano_per_wh=(reference,)
    )
    found = verdict(case, Solution(ROUND, multipliers=(Multiplier(0, 2 * ONE),)))
    assert (found.cost_nano, found.bound_nano, found.threshold_nano) == (16, 14, reference)
    assert found.certified == certified


def test_zones_shed_on_their_own() -> None:
    """Behind a full line the critical demand is shed while the other side serves everybody."""
    case = small(
        sources=(source("sun", (10, 9_000)),),
        demands=(Demand("ann", (3_000,), 0, "hill"), Demand("bob", (1_000,), 1)),
        lines=(Line("wire", "site", "hill", (500,)),),
        reference_nano_per_wh=(90,),
    )
    found = verdict(case, Solution(ROUND, flows=(LineFlow(0, 0, 500),)))
    assert [list(row) for row in found.schedule.served_wh] == [[500], [1_000]]


# Against the optimum


@settings(max_examples=100)
@given(solved())
def test_what_passes_is_feasible_and_certified_means_near(pair: tuple[Case, Solution]) -> None:
    case, solution = pair
    known = ready(case)
    assert isinstance(known, Ready)
    found = check(known, solution)
    if isinstance(found, Refusal):
        return
    values = dict(
        zip(
            [variable_name(known.program, j) for j in range(len(known.program.lo))],
            point(known.program, found.schedule),
            strict=True,
        )
    )
    boxes, rows = naive.boxes(case), naive.rows(case)
    assert all(lo <= values[name] <= hi for name, (lo, hi, _) in boxes.items())
    for name, (lo, terms, hi) in rows.items():
        activity = sum(a * values[variable] for variable, a in terms.items())
        assert (lo is None or lo <= activity) and (hi is None or activity <= hi), name
    assert found.cost_nano == sum(cost * values[name] for name, (_, _, cost) in boxes.items())
    best = optimum(case)
    assert best is not None and found.bound_nano <= best <= found.cost_nano
    if found.certified:
        assert found.cost_nano - best <= found.threshold_nano
    lost = sum(hi for name, (_, _, hi) in rows.items() if name.startswith("balance") and hi is not None)
    lost -= sum(sum(one.energy_wh) for one in (*case.demands, *case.bids))
    lost -= sum(sum(tie.export_limit_wh) for tie in case.connections)
    assert found.injected_wh - found.demand_wh == lost
    if case.carbon_cap_ug is not None:
        assert found.carbon_ug == evaluate(known.program, list(values.values())).activity[-1]
        assert row_name(known.program, len(known.program.row_lo) - 1) == "carbon cap"
