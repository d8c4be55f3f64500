"""Documents that are no case: each is refused with its code and its place, before any work is done for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from contracts.program import validate
from contracts.program.arrays import arrays
from contracts.program.case import (
    Bid,
    Block,
    Case,
    Connection,
    Demand,
    Line,
    Load,
    Reserve,
    Source,
    Storage,
)
from contracts.program.rows import extremes, program
from contracts.units import MAX_PRICE
from tests.program.cases import cases, small, source
from tests.program.optimum import optimum

STORE = Storage("cell", "ann", 10, 50, (4,), (4,), 9, 10)
TIE = Connection("tie", "utility", (5,), (1,), (9,), (9,), (0,))
LOAD = Load("car", "bob", 5, 5, 0, 1, 7)
LINE = Line("line", "site", "south", (4,))
SUN = source("sun", (2, 5), (3, 5))
FINE = small(
    sources=(SUN,),
    storages=(STORE,),
    connections=(TIE,),
    demands=(Demand("ann", (3,)),),
    bids=(Bid("bob", 4, (2,)),),
    loads=(LOAD,),
    lines=(LINE,),
)


def sun(**more: Any) -> dict[str, Any]:
    return {"sources": (replace(SUN, **more),)}


def cell(**more: Any) -> dict[str, Any]:
    return {"storages": (replace(STORE, **more),)}


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "more binds than there is": ({"binding": 2}, "dispatch.binding", "binding"),
    "blocks of too many intervals": (sun(blocks=SUN.blocks * 2), "dispatch.length", "sources[0].blocks"),
    "reserve of no interval": (sun(reserve=Reserve(1, ())), "dispatch.length", "sources[0].reserve.most_wh"),
    "charge of no interval": (cell(most_charge_wh=()), "dispatch.length", "storages[0].most_charge_wh"),
    "discharge of no interval": (cell(most_discharge_wh=()), "dispatch.length", "storages[0].most_discharge_wh"),
    "storage reserve": (cell(reserve=Reserve(1, (1, 1))), "dispatch.length", "storages[0].reserve.most_wh"),
    "need of reserve": ({"reserve_wh": (0, 0)}, "dispatch.length", "reserve_wh"),
    "reference": ({"reference_nano_per_wh": (1, 2)}, "dispatch.length", "reference_nano_per_wh"),
    "demand": ({"demands": (Demand("ann", (3, 3)),)}, "dispatch.length", "demands[0].energy_wh"),
    "bid": ({"bids": (Bid("bob", 4, ()),)}, "dispatch.length", "bids[0].energy_wh"),
    "line": ({"lines": (replace(LINE, limit_wh=()),)}, "dispatch.length", "lines[0].limit_wh"),
    **{
        field: ({"connections": (replace(TIE, **{field: (1, 1)}),)}, "dispatch.length", f"connections[0].{field}")
        for field in ("import_nano_per_wh", "export_nano_per_wh", "import_limit_wh", "export_limit_wh")
    },
    "factor": (
        {"connections": (replace(TIE, factor_ug_per_wh=()),)},
        "dispatch.length",
        "connections[0].factor_ug_per_wh",
    ),
    "line to itself": ({"lines": (LINE, replace(LINE, id="b", to_place="site"))}, "dispatch.line", "lines[1]"),
    "place without lines": ({"lines": (), **sun(place="south")}, "dispatch.place", "sources[0].place"),
    "place off the network": ({"loads": (replace(LOAD, place="roof"),)}, "dispatch.place", "loads[0].place"),
    "site off the network": ({"lines": (replace(LINE, from_place="a"),)}, "dispatch.place", "sources[0].place"),
    "storage off": (cell(place="roof"), "dispatch.place", "storages[0].place"),
    "tie off": ({"connections": (replace(TIE, place="roof"),)}, "dispatch.place", "connections[0].place"),
    "demand off": ({"demands": (Demand("ann", (3,), place="roof"),)}, "dispatch.place", "demands[0].place"),
    "bid off": ({"bids": (Bid("bob", 4, (2,), "roof"),)}, "dispatch.place", "bids[0].place"),
    "two sources of one id": ({"sources": (SUN, SUN)}, "dispatch.duplicate", "sources[1].id"),
    "source and storage": (cell(id="sun"), "dispatch.duplicate", "storages[0].id"),
    "two ties": ({"connections": (TIE, TIE)}, "dispatch.duplicate", "connections[1].id"),
    "two loads": ({"loads": (LOAD, LOAD)}, "dispatch.duplicate", "loads[1].id"),
    "two lines": ({"lines": (LINE, LINE)}, "dispatch.duplicate", "lines[1].id"),
    "floor above cap": ({"price_floor_nano_per_wh": 4_000_001}, "dispatch.price", "price_floor_nano_per_wh"),
    "import price": (
        {"connections": (replace(TIE, import_nano_per_wh=(4_000_001,)),)},
        "dispatch.price",
        "connections[0].import_nano_per_wh",
    ),
    "export price": (
        {"connections": (replace(TIE, export_nano_per_wh=(-500_001,)),)},
        "dispatch.price",
        "connections[0].export_nano_per_wh",
    ),
    "bid price": ({"bids": (Bid("bob", 4_000_001, (2,)),)}, "dispatch.price", "bids[0].limit_nano_per_wh"),
    "block price": (sun(blocks=((Block(1, 1), Block(4_000_001, 1)),)), "dispatch.price", "sources[0].blocks[0]"),
    "end value": (cell(end_value_nano_per_wh=4_000_001), "dispatch.price", "storages[0].end_value_nano_per_wh"),
    "falling blocks": (sun(blocks=((Block(3, 1), Block(2, 1)),)), "dispatch.blocks", "sources[0].blocks[0]"),
    "equal blocks": (sun(blocks=((Block(3, 1), Block(3, 1)),)), "dispatch.blocks", "sources[0].blocks[0]"),
    "above rating": (sun(rating_wh=9), "dispatch.rating", "sources[0].blocks[0]"),
    "tiers near": ({"shed_nano_per_wh": (40_000_003, 10_000_001)}, "dispatch.tiers", "shed_nano_per_wh[1]"),
    "shedding cheap": ({"shed_nano_per_wh": (3_999_999,)}, "dispatch.tiers", "shed_nano_per_wh[0]"),
    "shedding free": (
        {
            "shed_nano_per_wh": (0,),
            "offer_cap_nano_per_wh": 0,
            **sun(blocks=((),)),
            "bids": (),
            "connections": (),
            "reference_nano_per_wh": (1,),
        },
        "dispatch.tiers",
        "shed_nano_per_wh[0]",
    ),
    "unknown tier": ({"demands": (Demand("ann", (3,), 4),)}, "dispatch.tiers", "demands[0].tier"),
    "no reference": ({"connections": ()}, "dispatch.reference", "reference_nano_per_wh"),
    "efficiency": (cell(efficiency_n=11), "dispatch.efficiency", "storages[0].efficiency_n"),
    "start": (cell(start_soc=901), "dispatch.start", "storages[0].start_soc"),
    "load never": ({"loads": (replace(LOAD, first=1),)}, "dispatch.window", "loads[0].until"),
    "load late": ({"loads": (replace(LOAD, until=2),)}, "dispatch.window", "loads[0].until"),
    "reserve": ({"reserve_wh": (1,)}, "dispatch.infeasible", "reserve in interval 0"),
    "ramp down": (sun(last_wh=20, ramp_wh=9), "dispatch.infeasible", "ramp of source sun in interval 0"),
    "too much": (
        {**sun(last_wh=10, ramp_wh=0), "storages": (), "connections": (), "bids": (), "reference_nano_per_wh": (1,)},
        "dispatch.infeasible",
        "balance in interval 0",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_together_has_its_code_and_its_place(name: str) -> None:
    assert validate.problem(FINE) is None
    changes, code, where = WRONG[name]
    found = validate.problem(replace(FINE, **changes))
    assert found is not None and (found.code, found.where) == (code, where), found
    assert not found.message[0].islower() and found.message.endswith(".")


RIGHT: dict[str, dict[str, Any]] = {
    "import below export": {"connections": (replace(TIE, import_nano_per_wh=(1,), export_nano_per_wh=(5,)),)},
    "negative prices": {**sun(blocks=((Block(-500_000, 1), Block(0, 1)),)), "bids": (Bid("bob", -7, (2,)),)},
    "no offers": {"sources": ()},
    "no blocks": sun(blocks=((),)),
    "nothing at all": {name: () for name in ("sources", "storages", "bids", "loads", "lines", "demands")},
    "full": cell(start_soc=900),
    "lossless": cell(efficiency_n=10),
    "at its rating": sun(rating_wh=10),
    "just reachable": sun(last_wh=20, ramp_wh=10),
    "as much as can be taken": {
        **{name: () for name in ("storages", "loads", "demands", "bids")},
        **sun(last_wh=10, ramp_wh=0),
        "connections": (replace(TIE, export_limit_wh=(10,)),),
    },
    "bounds": {
        "sources": (Source("sun", "ann", ((Block(MAX_PRICE, 2**34),),)),),
        "offer_cap_nano_per_wh": MAX_PRICE,
        "shed_nano_per_wh": (MAX_PRICE,),
        "demands": (Demand("ann", (0,)),),
    },
    "tiers far": {"shed_nano_per_wh": (40_000_004, 10_000_001)},
    "losses": {"line_loss_ppm": 1_000_000},
}


SINKS: dict[str, dict[str, Any]] = {
    "bid": {"bids": (Bid("bob", 4, (10,)),)},
    "charge": cell(most_charge_wh=(10,)),
    "load": {"loads": (replace(LOAD, most_wh=10),)},
    "demand": {"demands": (Demand("ann", (5,)), Demand("bob", (5,)))},
    "losses": {"demands": (Demand("ann", (5,)), Demand("bob", (2,))), "line_loss_ppm": 400_001},
}


@pytest.mark.parametrize("name", SINKS)
def test_all_that_can_take_energy_counts(name: str) -> None:
    def forced(wh: int) -> Case:
        nothing = {name: () for name in ("storages", "loads", "demands", "bids", "connections")}
        blocks = ((Block(1, wh),),)
        return replace(
            FINE, reference_nano_per_wh=(1,), **nothing | sun(blocks=blocks, last_wh=wh, ramp_wh=0) | SINKS[name]
        )

    assert validate.problem(forced(10)) is None
    found = validate.problem(forced(11))
    assert found is not None and found.where == "balance in interval 0"


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_odd_and_right_is_no_problem(name: str) -> None:
    case = replace(FINE, **RIGHT[name])
    assert validate.problem(case) is None
    assert validate.impossible(program(case)) is None


WIDE = (1,) * 192
LARGE: dict[str, Callable[[], dict[str, Any]]] = {
    "offers and all else": lambda: {
        "demands": (Demand("bob", WIDE),) * 4_096,
        "sources": (Source("sun", "ann", ((Block(1, 1), Block(2, 1)) * 16,) * 192),) * 43,
    },
    "bids": lambda: {"bids": (Bid("bob", 1, WIDE),) * 16_384},
    "demands": lambda: {"demands": (Demand("bob", WIDE),) * 16_384},
    "ramps": lambda: {"sources": (Source("sun", "ann", ((),) * 192, ramp_wh=1),) * 1_366},
    "blocks": lambda: {"sources": (Source("sun", "ann", ((Block(1, 1), Block(2, 1)) * 16,) * 192),) * 172},
    "storages": lambda: {"storages": (Storage("cell", "ann", 1, 0, WIDE, WIDE),) * 2_000},
    "places": lambda: {"lines": tuple(Line("x", f"a-{i}", f"b-{i}", WIDE) for i in range(257))},
    "loops": lambda: {"lines": tuple(Line(f"x-{i}", "a", "b", WIDE) for i in range(75))},
}


class Untouched:
    """A row of values that nobody may read: it has a length and nothing else."""

    def __len__(self) -> int:
        return 192

    def __iter__(self) -> Any:
        raise AssertionError("values were read before sizes were known")

    __getitem__ = None


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_before_anything_is_read(name: str) -> None:
    found = validate.problem(small("large", 192, reference_nano_per_wh=WIDE, **LARGE[name]()))
    assert found is not None and found.code == "dispatch.size"
    counted = {"ramps": "rows", "places": "places", "loops": "loops"}.get(name, "variables")
    assert counted in found.message


def test_sizes_come_before_values() -> None:
    bid = Bid("bob", 1, Untouched())
    found = validate.problem(small("large", 192, bids=(bid,) * 16_384, demands=(Demand("ann", ()),)))
    assert found is not None and found.code == "dispatch.size"


@settings(max_examples=60)
@given(cases(most_intervals=2, most_wh=2, most_places=2))
def test_what_is_called_infeasible_is(case: Case) -> None:
    found = validate.problem(case)
    if found is None:
        built = program(case)
        found = validate.impossible(built)
        assert validate.impossible(built, arrays(built)) == found
    if found is None:
        return
    assert found.code == "dispatch.infeasible"
    assert optimum(case) is None


def test_a_row_that_no_point_reaches_is_named() -> None:
    case = replace(FINE, sources=(), demands=(Demand("ann", (10,), place="south"),), line_loss_ppm=600_000)
    found = validate.impossible(program(case))
    assert found is not None and (found.code, found.where) == (
        "dispatch.infeasible",
        "balance of place south in interval 0",
    )


HALF = 2**63 // 2 // MAX_PRICE
MUCH: dict[str, dict[str, Any]] = {
    "demand": {"demands": (Demand("ann", (2 * HALF,)), Demand("ann", (HALF,)))},
    "what sources pay and are paid": {
        "sources": (source("sun", (-MAX_PRICE, HALF), (MAX_PRICE, HALF)), source("wind", (1, 2**40 - 1))),
        "price_floor_nano_per_wh": -MAX_PRICE,
        "offer_cap_nano_per_wh": MAX_PRICE,
        "shed_nano_per_wh": (MAX_PRICE,),
    },
}


@pytest.mark.parametrize("name", MUCH)
def test_costs_stay_money(name: str) -> None:
    built = program(replace(FINE, **MUCH[name]))
    assert arrays(built) is not None
    for found in (validate.impossible(built), validate.impossible(built, arrays(built))):
        assert found is not None and (found.code, found.where) == ("dispatch.money", "case")


@settings(max_examples=40)
@given(cases())
def test_extremes_are_those_of_the_boxes(case: Case) -> None:
    found = program(case)
    for number, (least, most) in enumerate(extremes(found)):
        entries = range(found.starts[number], found.starts[number + 1])
        pairs = [(found.columns[e], found.values[e]) for e in entries]
        assert least == sum(a * (found.lo[j] if a > 0 else found.hi[j]) for j, a in pairs)
        assert most == sum(a * (found.hi[j] if a > 0 else found.lo[j]) for j, a in pairs)
