"""Cases whose answers are known: from textbooks, from the white paper, and small enough to do by hand.

Wood, Wollenberg and Sheble, "Power Generation, Operation, and Control", example 3A: three units with quadratic costs at
850 MW. Losses of storage, ramps, spinning reserve and caps on emission as it treats them, with numbers of our own; the
three-bus network with one congested line and equal reactances is in every text on locational prices.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contracts.program.case import (
    MAX_BLOCKS,
    Block,
    Case,
    Connection,
    Demand,
    Line,
    Reserve,
    Source,
    Storage,
)
from contracts.program.verdict import Schedule
from node.solver.build import Built, build

ROUND = "5a" * 32


def solved(case: Case) -> Built:
    found = build(case, 20.0)
    assert found.verdict.certified
    return found


def schedule(case: Case) -> Schedule:
    return solved(case).verdict.schedule


def flat(name: str, price: int, energy: int, intervals: int = 1, **more: object) -> Source:
    """A source with one block."""
    return replace(Source(name, name, ((Block(price, energy),),) * intervals), **more)


def case(sources: tuple[Source, ...], demand: tuple[int, ...], **more: object) -> Case:
    made = Case("known", len(demand), len(demand), ROUND, sources, demands=(Demand("org", demand),))
    return replace(made, reference_nano_per_wh=(1_000,) * len(demand), **more)


# Wood and Wollenberg

UNITS = (
    ("unit-1", 561_000_000, 7_920_000, 1_562, 150, 600),
    ("unit-2", 310_000_000, 7_850_000, 1_940, 100, 400),
    ("unit-3", 78_000_000, 7_970_000, 4_820, 50, 200),
)
"""Of each a, b and c of a + b P + c P^2 in millionths of the cost's unit, and least and most P in MW."""
MW = 1_000
"""Wh that stand for one MW for an hour."""


def cost(unit: tuple[str, int, int, int, int, int], power: int) -> int:
    _, a, b, c, _, _ = unit
    return a + b * power + c * power * power


def three_units(load: int) -> Case:
    """Units above their minima, in secants of 1 MW, cut into parts of as many blocks as a source may have."""
    parts = [
        Source(f"{unit[0]}-{first}", unit[0], (tuple(Block(cost(unit, p + 1) - cost(unit, p), MW) for p in steps),))
        for unit in UNITS
        for first in range(unit[4], unit[5], MAX_BLOCKS)
        for steps in [range(first, min(unit[5], first + MAX_BLOCKS))]
    ]
    must_run = sum(unit[4] for unit in UNITS)
    made = case(tuple(parts), ((load - must_run) * MW,), shed_nano_per_wh=(268_435_455,))
    caps = {"offer_cap_nano_per_wh": 20_000_000, "scarcity_nano_per_wh": 20_000_000}
    return replace(made, price_slack_ppm=0, **caps)


def test_three_units_at_850_mw_share_it_as_in_the_textbook() -> None:
    made = three_units(850)
    found = solved(made).verdict
    power = {unit[0]: unit[4] * MW for unit in UNITS}
    for source, (delivered,) in zip(made.sources, found.schedule.source_wh, strict=True):
        power[source.organisation] += delivered
    assert power == {"unit-1": 393 * MW, "unit-2": 335 * MW, "unit-3": 122 * MW}
    must_run = sum(cost(unit, unit[4]) for unit in UNITS)
    total = must_run * MW + found.cost_nano
    assert total == sum(cost(unit, mw) for unit, mw in zip(UNITS, (393, 335, 122), strict=True)) * MW
    assert f"{total / MW / 1e6:.4f}" == "8194.3567"
    ((price,),) = found.price_nano_per_wh
    assert price / 1e6 == pytest.approx(9.1482626, rel=2e-4)


# The white paper


def test_53_tenants_take_what_four_sources_deliver() -> None:
    needs = [1_000 + 1_415 * (at % 3) // 2 for at in range(52)]
    needs.append(91_000 - sum(needs))
    offers = {"solar": 31_000, "wind": 30_000, "geothermal": 15_100, "biodiesel": 14_900}
    made = replace(
        case(tuple(flat(name, 10 * at, wh) for at, (name, wh) in enumerate(offers.items(), 1)), (0,)),
        demands=tuple(Demand(f"tenant-{at}", (need,)) for at, need in enumerate(needs)),
    )
    found = solved(made).verdict
    assert [row[0] for row in found.schedule.source_wh] == [31_000, 30_000, 15_100, 14_900]
    assert [row[0] for row in found.schedule.served_wh] == needs and sum(needs) == 91_000
    assert (found.injected_wh, found.demand_wh, found.cost_nano) == (91_000, 91_000, 1_959_000)
    assert found.gap_ppm == 0


# Ramps


def test_a_cheap_unit_climbs_as_fast_as_its_ramp() -> None:
    cheap = flat("cheap", 10, 100_000, 3, ramp_wh=20_000, last_wh=40_000)
    dear = flat("dear", 50, 100_000, 3)
    found = solved(case((cheap, dear), (60_000, 100_000, 100_000)))
    assert list(found.verdict.schedule.source_wh[0]) == [60_000, 80_000, 100_000]
    assert list(found.verdict.schedule.source_wh[1]) == [0, 20_000, 0]
    assert found.verdict.cost_nano == 10 * 240_000 + 50 * 20_000


def test_a_unit_climbs_ahead_of_a_peak_where_that_is_cheaper() -> None:
    """With a ramp of 30, half a peak of 100 is covered at 10 instead of 200 by running at 70 where 40 are needed."""
    cheap = flat("cheap", 10, 100_000, 2, ramp_wh=30_000)
    dear = flat("dear", 200, 100_000, 2)
    tie = Connection("tie", "utility", (300, 300), (4, 4), (0, 0), (30_000, 0), (0, 0))
    found = solved(case((cheap, dear), (40_000, 100_000), connections=(tie,)))
    assert list(map(list, found.verdict.schedule.source_wh)) == [[70_000, 100_000], [0, 0]]
    assert list(map(list, found.verdict.schedule.export_wh)) == [[30_000, 0]]


# Storage

BATTERY = Storage("battery", "org", 1_000, 0, (1_000, 1_000), (1_000, 1_000), 9, 10)


def test_storage_moves_energy_where_the_price_ratio_pays_for_its_losses() -> None:
    """90% each way: 81 of 100 Wh come back, so it pays from a ratio of 100/81 = 1.2346 on."""
    low = flat("low", 1_000, 10_000, 2)

    def moved(high: int) -> tuple[int, int]:
        peak = Source("peak", "peak", ((), (Block(high, 10_000),)))
        cheap = replace(low, blocks=(low.blocks[0], ()))
        found = schedule(case((cheap, peak), (3_000, 3_000), storages=(BATTERY,)))
        return found.charge_wh[0][0], found.discharge_wh[0][1]

    assert moved(1_230) == (0, 0)
    assert moved(1_240) == (1_000, 810)


def test_charging_and_discharging_share_an_interval() -> None:
    """At a price below zero both at once would burn energy for money; the row of shared time allows that mixture."""
    tie = Connection("tie", "utility", (-100,), (-200,), (10_000,), (0,), (0,))
    battery = replace(BATTERY, start_soc=0, most_charge_wh=(1_000,), most_discharge_wh=(1_000,))
    found = schedule(case((), (3_000,), storages=(battery,), connections=(tie,)))
    charge, discharge = found.charge_wh[0][0], found.discharge_wh[0][0]
    assert charge + discharge <= 1_000 and charge * 81 >= discharge * 100
    assert 550 <= charge <= 1_000


# Carbon


def test_a_cap_weighs_carbon_by_the_exact_ratio_of_two_offers() -> None:
    """x Wh at 20 with 900 ug and the rest at 50 with 100 ug, at most 50 g: x = 50,000, and a microgram costs 30/800."""
    dirty = flat("dirty", 20, 100_000, factor_ug_per_wh=900)
    clean = flat("clean", 50, 100_000, factor_ug_per_wh=100)
    found = solved(case((dirty, clean), (100_000,), carbon_cap_ug=50_000_000))
    assert [row[0] for row in found.verdict.schedule.source_wh] == [50_000, 50_000]
    assert found.verdict.cost_nano == 3_500_000 and found.verdict.carbon_ug == 50_000_000
    assert (found.solution.kappa_num, found.solution.kappa_den) == (3, 80)


def test_a_cap_that_does_not_bind_weighs_nothing() -> None:
    dirty = flat("dirty", 20, 100_000, factor_ug_per_wh=900)
    found = solved(case((dirty,), (100_000,), carbon_cap_ug=90_000_000))
    assert (found.solution.kappa_num, found.solution.theta, found.verdict.cost_nano) == (0, 0, 2_000_000)


# Reserve


def test_reserve_backs_the_cheap_unit_down() -> None:
    """Only the cheap unit offers reserve: it runs at 80 of 100 and holds 20, and the dear one serves the rest."""
    cheap = flat("cheap", 10, 100_000, reserve=Reserve(1, (50_000,)))
    dear = flat("dear", 30, 100_000)
    found = solved(case((cheap, dear), (100_000,), reserve_wh=(20_000,)))
    assert [row[0] for row in found.verdict.schedule.source_wh] == [80_000, 20_000]
    assert list(map(list, found.verdict.schedule.reserve_wh)) == [[20_000]]
    assert found.verdict.cost_nano == 80_000 * 10 + 20_000 * 30 + 20_000


# Lines


def test_a_congested_line_of_two_places_splits_them() -> None:
    near = flat("near", 10, 100_000)
    far = flat("far", 40, 100_000, place="island")
    line = Line("tie-1", "site", "island", (30_000,))
    made = replace(
        case((near, far), (20_000,), lines=(line,)),
        demands=(Demand("org", (20_000,)), Demand("org", (50_000,), 0, "island")),
    )
    found = solved(made).verdict
    assert list(map(list, found.schedule.source_wh)) == [[50_000], [20_000]]
    assert list(map(list, found.schedule.flow_wh)) == [[30_000]]
    assert [row[0] for row in found.price_nano_per_wh] == [10, 40]


def test_a_congested_loop_of_three_places() -> None:
    """Equal reactances, 100 wanted at the third place: two thirds of the first's 80 and one third of the second's 20
    fill the line of 60. Two Wh per line of the loop are let through for rounding."""
    lines = tuple(
        Line(f"line-{a}{b}", f"bus-{a}", f"bus-{b}", ((60_000,) if (a, b) == (1, 3) else (200_000,)), 50_000_000)
        for a, b in ((1, 2), (2, 3), (1, 3))
    )
    cheap, dear = flat("cheap", 10, 200_000, place="bus-1"), flat("dear", 20, 200_000, place="bus-2")
    made = replace(case((cheap, dear), (0,), lines=lines), demands=(Demand("org", (100_000,), 0, "bus-3"),))
    found = solved(made).verdict
    assert abs(found.schedule.source_wh[0][0] - 80_000) <= 6
    assert found.cost_nano == pytest.approx(1_200_000, abs=60)
    assert list(found.schedule.flow_wh[2]) == [60_000]
