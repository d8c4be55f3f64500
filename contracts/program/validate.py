"""Whether a document is a case, before any work is done for it, and whether its program can have a solution.

Counts come first and are products of lengths, so that a document that asks for too much is refused before anything is
built for it. Then everything that has to fit together, thing by thing. What can be seen of infeasibility without
solving names its constraint: a reserve that nobody can hold, a ramp that leads nowhere, a row that no point reaches.

Bounds of single values are those of the types, enforced where a document is decoded. Never solves anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from operator import ge, mul

from contracts.program import arrays, flows, rows
from contracts.program.arrays import Arrays
from contracts.program.case import (
    MAX_PLACES,
    MAX_ROWS,
    MAX_VARIABLES,
    SITE,
    Case,
    Source,
    Storage,
)
from contracts.program.points import row_name
from contracts.program.rows import Program
from contracts.program.verdict import Refusal
from contracts.units import MAX_MONEY

TIER_STEP = 4
"""Penalties of neighbouring tiers are at least so many fold apart."""


def problem(case: Case) -> Refusal | None:
    """The first thing that keeps a document from being a case; None: its program may be built."""
    checks: tuple[Callable[[Case], Iterator[Refusal]], ...] = (
        _size,
        _lengths,
        _blocks_size,
        _network,
        _ids,
        _market,
        _sources,
        _storages,
        _loads,
        _infeasible,
    )
    return next(chain.from_iterable(check(case) for check in checks), None)


def impossible(program: Program, arrays: Arrays | None = None) -> Refusal | None:
    """The first row that no point inside the boxes reaches, or costs that would not be money; None: there is none.

    With the arrays of the program a case that has neither is told quicker.
    """
    if arrays is not None and _possible(arrays):
        return None
    most_nano = sum(map(mul, map(max, program.hi, (-lo for lo in program.lo)), map(abs, program.cost)))
    if most_nano > MAX_MONEY:
        text = f"All boxes together cost up to {most_nano} nano; money stays below 2^63, so use smaller amounts."
        return Refusal("dispatch.money", "case", text)
    for number, (low, high) in enumerate(rows.extremes(program)):
        if low > program.row_hi[number] or high < program.row_lo[number]:
            text = (
                f"It has to be from {program.row_lo[number]} to {program.row_hi[number]}, and what is offered reaches "
                f"from {low} to {high}; offer more, or ask for less."
            )
            return Refusal("dispatch.infeasible", row_name(program, number), text)
    return None


def _possible(known: Arrays) -> bool:
    """Whether every row is reached from inside the boxes, and all costs are money."""
    import numpy as np

    low, high = arrays.extremes(known)
    if (low > known.row_hi).any() or (high < known.row_lo).any():
        return False
    return arrays.exact_dot(np.maximum(known.hi, -known.lo), np.abs(known.cost)) <= MAX_MONEY


# Sizes


def _size(case: Case) -> Iterator[Refusal]:
    """All but the blocks, from lengths alone."""
    yield from _counted(_variables(case), MAX_VARIABLES, "variables")
    places = len(flows.places(case))
    if places > MAX_PLACES:
        yield Refusal("dispatch.size", "case", f"It has {places} places; at most {MAX_PLACES} are allowed.")
    work = flows.loops(case) ** 2 * case.intervals
    yield from _counted(work, flows.MAX_LOOP_WORK, "products to solve its loops of lines")
    stores = len(case.storages)
    ramped = sum(source.ramp_wh is not None for source in case.sources)
    # Loops are at most as many as lines, headroom and storage energy at most one row each per provider.
    each = (places, 2 * stores, ramped, 2 * len(rows.providers(case)), len(case.lines), 1)
    yield from _counted(sum(each) * case.intervals + stores + len(case.loads) + 1, MAX_ROWS, "rows")


def _blocks_size(case: Case) -> Iterator[Refusal]:
    blocks = sum(len(offered) for source in case.sources for offered in source.blocks)
    yield from _counted(_variables(case) + blocks, MAX_VARIABLES, "variables")


def _variables(case: Case) -> int:
    """Variables other than blocks; loads count as if they were always in their time."""
    stores = len(case.storages)
    things = (case.bids, case.demands, case.lines, case.loads, rows.providers(case))
    each = sum(map(len, things)) + 2 * len(case.connections) + 3 * stores
    return each * case.intervals + stores + len(case.loads)


def _counted(count: int, most: int, what: str) -> Iterator[Refusal]:
    if count > most:
        text = f"It has {count} {what}; at most {most} are allowed: fewer intervals, or fewer things."
        yield Refusal("dispatch.size", "case", text)


def _lengths(case: Case) -> Iterator[Refusal]:
    """Whatever varies in time has one entry per interval."""
    if case.binding > case.intervals:
        text = f"{case.binding} intervals bind, and there are {case.intervals}; at most all of them can."
        yield Refusal("dispatch.binding", "binding", text)
    for where, values in _series(case):
        if len(values) != case.intervals:
            text = f"It has {len(values)} entries; one for each of the {case.intervals} intervals is needed."
            yield Refusal("dispatch.length", where, text)


def _series(case: Case) -> Iterator[tuple[str, Sequence[object]]]:
    """Everything that varies in time, with its path."""
    for i, source in enumerate(case.sources):
        yield f"sources[{i}].blocks", source.blocks
        if source.reserve is not None:
            yield f"sources[{i}].reserve.most_wh", source.reserve.most_wh
    for i, store in enumerate(case.storages):
        yield f"storages[{i}].most_charge_wh", store.most_charge_wh
        yield f"storages[{i}].most_discharge_wh", store.most_discharge_wh
        if store.reserve is not None:
            yield f"storages[{i}].reserve.most_wh", store.reserve.most_wh
    for i, tie in enumerate(case.connections):
        yield f"connections[{i}].import_nano_per_wh", tie.import_nano_per_wh
        yield f"connections[{i}].export_nano_per_wh", tie.export_nano_per_wh
        yield f"connections[{i}].import_limit_wh", tie.import_limit_wh
        yield f"connections[{i}].export_limit_wh", tie.export_limit_wh
        yield f"connections[{i}].factor_ug_per_wh", tie.factor_ug_per_wh
    for i, demand in enumerate(case.demands):
        yield f"demands[{i}].energy_wh", demand.energy_wh
    for i, bid in enumerate(case.bids):
        yield f"bids[{i}].energy_wh", bid.energy_wh
    for i, line in enumerate(case.lines):
        yield f"lines[{i}].limit_wh", line.limit_wh
    if case.reserve_wh:
        yield "reserve_wh", case.reserve_wh
    if case.reference_nano_per_wh:
        yield "reference_nano_per_wh", case.reference_nano_per_wh


# What fits together


def _network(case: Case) -> Iterator[Refusal]:
    """Every place is an end of a line; without lines there is the site alone."""
    for i, line in enumerate(case.lines):
        if line.from_place == line.to_place:
            text = f"Both of its ends are {line.from_place}; a line joins two places."
            yield Refusal("dispatch.line", f"lines[{i}]", text)
    known = {place for line in case.lines for place in (line.from_place, line.to_place)} or {SITE}
    for where, place in _places(case):
        if place not in known:
            text = f"No line leads to place {place}; use an end of a line, or {SITE} where there are no lines."
            yield Refusal("dispatch.place", f"{where}.place", text)


def _places(case: Case) -> Iterator[tuple[str, str]]:
    for i, source in enumerate(case.sources):
        yield f"sources[{i}]", source.place
    for i, store in enumerate(case.storages):
        yield f"storages[{i}]", store.place
    for i, tie in enumerate(case.connections):
        yield f"connections[{i}]", tie.place
    for i, demand in enumerate(case.demands):
        yield f"demands[{i}]", demand.place
    for i, bid in enumerate(case.bids):
        yield f"bids[{i}]", bid.place
    for i, load in enumerate(case.loads):
        yield f"loads[{i}]", load.place


def _ids(case: Case) -> Iterator[Refusal]:
    """Who delivers is told apart by id: ties are ordered by it."""
    for kinds in (("sources", "storages"), ("connections",), ("loads",), ("lines",)):
        seen: dict[str, str] = {}
        for kind in kinds:
            for i, thing in enumerate(getattr(case, kind)):
                where = f"{kind}[{i}].id"
                if thing.id in seen:
                    text = f"The id {thing.id} is {seen[thing.id]} as well; give each its own."
                    yield Refusal("dispatch.duplicate", where, text)
                seen[thing.id] = where


def _market(case: Case) -> Iterator[Refusal]:
    """Floor, cap, penalties and the prices of the utility and of bids."""
    floor, cap = case.price_floor_nano_per_wh, case.offer_cap_nano_per_wh
    if floor > cap:
        text = f"It is above the offer cap of {cap}; prices lie between them."
        yield Refusal("dispatch.price", "price_floor_nano_per_wh", text)
    for i, tie in enumerate(case.connections):
        yield from _priced(case, f"connections[{i}].import_nano_per_wh", tie.import_nano_per_wh)
        yield from _priced(case, f"connections[{i}].export_nano_per_wh", tie.export_nano_per_wh)
    for i, bid in enumerate(case.bids):
        yield from _priced(case, f"bids[{i}].limit_nano_per_wh", (bid.limit_nano_per_wh,))
    penalties = case.shed_nano_per_wh
    for tier, (dearer, cheaper) in enumerate(pairwise(penalties), 1):
        if cheaper * TIER_STEP > dearer:
            text = f"{cheaper} is more than a fourth of {dearer}, so that tiers could change places; lower it."
            yield Refusal("dispatch.tiers", f"shed_nano_per_wh[{tier}]", text)
    if penalties[-1] < max(cap, 1):
        text = f"{penalties[-1]} is below the offer cap of {cap}: shedding would be cheaper than an offer; raise it."
        yield Refusal("dispatch.tiers", f"shed_nano_per_wh[{len(penalties) - 1}]", text)
    for i, demand in enumerate(case.demands):
        if demand.tier >= len(penalties):
            text = f"There is no penalty for tier {demand.tier}; tiers are 0 to {len(penalties) - 1}."
            yield Refusal("dispatch.tiers", f"demands[{i}].tier", text)
    if not case.reference_nano_per_wh and not case.connections:
        text = "Without a connection nothing says what a Wh is worth; give the last import tariff of each interval."
        yield Refusal("dispatch.reference", "reference_nano_per_wh", text)


def _priced(case: Case, where: str, prices: Iterable[int]) -> Iterator[Refusal]:
    floor, cap = case.price_floor_nano_per_wh, case.offer_cap_nano_per_wh
    for price in prices:
        if not floor <= price <= cap:
            text = f"{price} nano per Wh is outside of {floor} to {cap}; check the unit, or offer between them."
            yield Refusal("dispatch.price", where, text)


def _sources(case: Case) -> Iterator[Refusal]:
    floor, cap = case.price_floor_nano_per_wh, case.offer_cap_nano_per_wh
    for i, source in enumerate(case.sources):
        rating_wh = source.rating_wh
        for t, blocks in enumerate(source.blocks):
            if len(blocks) > 1:
                prices = [block.price_nano_per_wh for block in blocks]
                if any(map(ge, prices, prices[1:])):
                    text = "Prices do not rise strictly from block to block; sort them and merge equal ones."
                    yield Refusal("dispatch.blocks", f"sources[{i}].blocks[{t}]", text)
            # They rise, so the first and the last are the extremes.
            if blocks and not floor <= blocks[0].price_nano_per_wh <= blocks[-1].price_nano_per_wh <= cap:
                prices = [block.price_nano_per_wh for block in blocks]
                yield from _priced(case, f"sources[{i}].blocks[{t}]", prices)
            if rating_wh is not None and rows.offered_wh(source, t) > rating_wh:
                text = f"{rows.offered_wh(source, t)} Wh are offered, and its rating is {rating_wh} Wh; offer less."
                yield Refusal("dispatch.rating", f"sources[{i}].blocks[{t}]", text)


def _storages(case: Case) -> Iterator[Refusal]:
    for i, store in enumerate(case.storages):
        n, d = store.efficiency_n, store.efficiency_d
        if n > d:
            text = f"Its efficiency is {n}/{d}, which is above one; swap them."
            yield Refusal("dispatch.efficiency", f"storages[{i}].efficiency_n", text)
        most = store.capacity_wh * n * d
        if store.start_soc > most:
            text = f"{store.start_soc} is above its capacity of {most}, in 1/{n * d} Wh; check the unit."
            yield Refusal("dispatch.start", f"storages[{i}].start_soc", text)
        if store.end_value_nano_per_wh is not None:
            yield from _priced(case, f"storages[{i}].end_value_nano_per_wh", (store.end_value_nano_per_wh,))


def _loads(case: Case) -> Iterator[Refusal]:
    for i, load in enumerate(case.loads):
        if not load.first < load.until <= case.intervals:
            text = f"From {load.first} to before {load.until} is no time inside {case.intervals} intervals."
            yield Refusal("dispatch.window", f"loads[{i}].until", text)


# What can not be


def _infeasible(case: Case) -> Iterator[Refusal]:
    """Reserve that nobody can hold, ramps that lead nowhere, energy that has to be delivered and has nowhere to go."""
    holders: tuple[Source | Storage, ...] = rows.providers(case)
    for t, needed_wh in enumerate(case.reserve_wh):
        held_wh = sum(rows.most_reserve_wh(thing, t) for thing in holders)
        if held_wh < needed_wh:
            text = f"{needed_wh} Wh are needed, and at most {held_wh} Wh can be held; need less, or offer more."
            yield Refusal("dispatch.infeasible", f"reserve in interval {t}", text)
    forced_wh = [0] * case.intervals
    for source in case.sources:
        if source.ramp_wh is None:
            continue
        for t, (least_wh, most_wh) in enumerate(reachable_wh(source, case.intervals)):
            if least_wh > most_wh:
                text = f"It comes down to {least_wh} Wh at best, and offers {most_wh} Wh; offer more, or ramp faster."
                yield Refusal("dispatch.infeasible", f"ramp of source {source.id} in interval {t}", text)
                return
            forced_wh[t] += least_wh
    for t, energy_wh in enumerate(forced_wh):
        taken_wh = _taken_wh(case, t) if energy_wh else 0
        if energy_wh > taken_wh:
            text = f"Ramps force {energy_wh} Wh into it, and at most {taken_wh} Wh can be taken; ramp faster."
            yield Refusal("dispatch.infeasible", f"balance in interval {t}", text)


def reachable_wh(source: Source, intervals: int) -> list[tuple[int, int]]:
    """Least and most that a source can deliver in each interval given where it starts; ends where there is nothing."""
    found: list[tuple[int, int]] = []
    ramp_wh, last_wh = source.ramp_wh, source.last_wh
    for t in range(intervals):
        least_wh, most_wh = 0, rows.offered_wh(source, t)
        if ramp_wh is not None and (t or last_wh is not None):
            before = found[-1] if t else (last_wh or 0, last_wh or 0)
            least_wh, most_wh = max(0, before[0] - ramp_wh), min(most_wh, before[1] + ramp_wh)
        found.append((least_wh, most_wh))
        if least_wh > most_wh:
            break
    return found


def _taken_wh(case: Case, t: int) -> int:
    """Most that can be taken in an interval, at all places together. Losses of each place round up on their own."""
    fixed: dict[str, int] = {}
    for demand in case.demands:
        fixed[demand.place] = fixed.get(demand.place, 0) + demand.energy_wh[t]
    return (
        sum(demand_wh + rows.losses_wh(case, demand_wh) for demand_wh in fixed.values())
        + sum(bid.energy_wh[t] for bid in case.bids)
        + sum(tie.export_limit_wh[t] for tie in case.connections)
        + sum(store.most_charge_wh[t] for store in case.storages)
        + sum(load.most_wh for load in case.loads if load.first <= t < load.until)
    )
