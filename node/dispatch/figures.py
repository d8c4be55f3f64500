"""A checked solution in numbers that people can follow: what happened in each interval, and where its gap comes from.

The distance between cost and bound is a sum of terms that are never negative: one per variable, its reduced cost times
its distance from the cheaper end of its box, and one per row, its multiplier times what it leaves unused. Each belongs
to an interval, or to all of them where a row spans them. So the gap is not only measured but located, exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.program.case import WEIGHT_ONE, Case, Solution
from contracts.program.points import point
from contracts.program.rows import Program, export_price, losses_wh, program
from contracts.program.scarcity import terms
from contracts.program.verdict import Verdict

NAMED_SOURCES = 7
"""Sources with a layer of their own, those that deliver most; all others are one layer."""
OTHERS, BATTERY, IMPORT = "others", "battery", "import"


class Moment(NamedTuple):
    """One interval, over all places, in Wh."""

    interval: int
    demand_wh: int
    """Fixed, without losses."""
    losses_wh: int
    shed_wh: int
    layers_wh: dict[str, int]
    """Supply by layer, in the order of `Figures.layers`."""
    charge_wh: int
    export_wh: int
    bids_wh: int
    loads_wh: int
    reserve_wh: int
    soc_wh: tuple[int, ...]
    """In each storage at the end, rounded down."""
    price_nano_per_wh: tuple[int, ...]
    """Of each place."""
    carbon_ug: int
    gap_nano: int
    """Its part of the distance from the bound, rounded down."""
    at_limit: tuple[str, ...]
    """Lines that carry all they may."""


class Figures(NamedTuple):
    """A case and a checked solution of it."""

    case: Case
    solution: Solution
    verdict: Verdict
    places: tuple[str, ...]
    layers: tuple[str, ...]
    moments: tuple[Moment, ...]
    common_gap_nano: int
    """What rows over all intervals add to the gap, and what rounding the intervals left over."""
    swapped: tuple[int, ...]
    """Intervals in which import costs less than the export price, so that export earned what import costs."""


def figures(case: Case, solution: Solution, verdict: Verdict) -> Figures:
    """The figures of a solution that `contracts.program.check` has passed."""
    made = program(case)
    schedule = verdict.schedule
    given = {source.id: sum(row) for source, row in zip(case.sources, schedule.source_wh, strict=True)}
    named = sorted((one for one in given if given[one]), key=lambda one: (-given[one], one))[:NAMED_SOURCES]
    layers = (*named, OTHERS, BATTERY, IMPORT)
    gap_nano = [scaled // WEIGHT_ONE for scaled in gap_by_interval(made, point(made, schedule), solution)]
    moments = tuple(
        _moment(case, verdict, t, named, gap_nano[t], _emitted_ug(case, verdict, t)) for t in range(case.intervals)
    )
    used = tuple(layer for layer in layers if any(moment.layers_wh[layer] for moment in moments))
    swapped = tuple(
        t
        for t in range(case.intervals)
        if any(export_price(tie, t) != tie.export_nano_per_wh[t] for tie in case.connections)
    )
    common = verdict.cost_nano - verdict.bound_nano - sum(gap_nano[: case.intervals])
    return Figures(case, solution, verdict, made.places, used, moments, common, swapped)


def _moment(case: Case, verdict: Verdict, t: int, named: Sequence[str], gap_nano: int, carbon_ug: int) -> Moment:
    schedule = verdict.schedule
    layers_wh = dict.fromkeys((*named, OTHERS), 0)
    for source, row in zip(case.sources, schedule.source_wh, strict=True):
        layers_wh[source.id if source.id in layers_wh else OTHERS] += row[t]
    layers_wh[BATTERY] = sum(row[t] for row in schedule.discharge_wh)
    layers_wh[IMPORT] = sum(row[t] for row in schedule.import_wh)
    at_place: dict[str, int] = {}
    for demand in case.demands:
        at_place[demand.place] = at_place.get(demand.place, 0) + demand.energy_wh[t]
    demand_wh = sum(at_place.values())
    return Moment(
        interval=t,
        demand_wh=demand_wh,
        losses_wh=sum(losses_wh(case, energy_wh) for energy_wh in at_place.values()),
        shed_wh=demand_wh - sum(row[t] for row in schedule.served_wh),
        layers_wh=layers_wh,
        charge_wh=sum(row[t] for row in schedule.charge_wh),
        export_wh=sum(row[t] for row in schedule.export_wh),
        bids_wh=sum(row[t] for row in schedule.bid_wh),
        loads_wh=sum(row[t] for row in schedule.load_wh),
        reserve_wh=sum(row[t] for row in schedule.reserve_wh),
        soc_wh=tuple(
            row[t] // (store.efficiency_n * store.efficiency_d)
            for store, row in zip(case.storages, schedule.soc, strict=True)
        ),
        price_nano_per_wh=tuple(row[t] for row in verdict.price_nano_per_wh),
        carbon_ug=carbon_ug,
        gap_nano=gap_nano,
        at_limit=tuple(
            line.id for line, row in zip(case.lines, schedule.flow_wh, strict=True) if abs(row[t]) == line.limit_wh[t]
        ),
    )


def _emitted_ug(case: Case, verdict: Verdict, t: int) -> int:
    """What the carbon row counts of an interval."""
    schedule = verdict.schedule
    return (
        sum(one.factor_ug_per_wh * row[t] for one, row in zip(case.sources, schedule.source_wh, strict=True))
        + sum(one.factor_ug_per_wh * row[t] for one, row in zip(case.storages, schedule.discharge_wh, strict=True))
        + sum(one.factor_ug_per_wh[t] * row[t] for one, row in zip(case.connections, schedule.import_wh, strict=True))
    )


# The gap


def gap_by_interval(made: Program, x: Sequence[int], solution: Solution) -> list[int]:
    """2^32 x (cost - bound) by interval, and last what belongs to all of them. No part is negative.

    What counts at the end of something counts in its last interval.
    """
    parts = [0] * (made.case.intervals + 1)
    for (_, last), scaled in terms(made, x, solution.multipliers):
        parts[last] += scaled
    return parts
