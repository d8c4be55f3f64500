"""Everything that a builder does not choose: who delivers and who is served, by rule.

A solution says what couples intervals or places: storage, deadline loads, reserves, totals of ramp-limited sources, one
carbon weight, and the lines at their limits. The rest of each interval and zone is filled from its stack in order. A
builder that chose more could buy any price with one Wh of a dear block.

Fills whatever has the shape of the case: whether the result keeps ramps, charge states, needs
and caps is for `contracts.program.check`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from contracts.program import ties
from contracts.program.case import Case, Solution, Storage
from contracts.program.flows import derive
from contracts.program.rows import rating_wh
from contracts.program.stack import Entry, Locked, claim
from contracts.program.verdict import Grid, Refusal, Rows, Schedule
from contracts.program.zones import Declared, declared


class Choice(NamedTuple):
    """A solution that has the shape of its case."""

    solution: Solution
    declared: Sequence[Declared]
    """By interval."""
    several: Mapping[int, Declared]
    """Of the intervals that have several zones."""
    needed_wh: Any
    """Of a case in columns: what its stacks are filled to before flows, an array by interval and place; else None."""


class Filled(NamedTuple):
    """A schedule, and what it takes of each entry."""

    schedule: Schedule
    """Of a case in columns its grids may be arrays of int64, in which sums overflow: `plain` makes integers of them."""
    taken_wh: Any
    """Of a case in columns: values of the first variables of `contracts.program.rows`, blocks, import, unserved and
    shed, as an array of int64; else None."""


def fill(locked: Locked, solution: Solution) -> Schedule | Refusal:
    """The whole schedule of a solution, or why it has none."""
    chosen = choice(locked, solution)
    if isinstance(chosen, Refusal):
        return chosen
    filled = fill_chosen(locked, chosen)
    return filled if isinstance(filled, Refusal) else plain(filled.schedule)


def plain(schedule: Schedule) -> Schedule:
    """A schedule in Python's integers: what was an array is read from now on, and has been written."""
    return Schedule(*(Rows(grid) if hasattr(grid, "tolist") else grid for grid in schedule))


def fill_chosen(locked: Locked, chosen: Choice) -> Filled | Refusal:
    """The same of a solution whose shape is known."""
    if locked.columns is not None:
        from contracts.program.sweep import fill_all

        return fill_all(locked, chosen)
    return _fill(locked, chosen)


def choice(locked: Locked, solution: Solution) -> Choice | Refusal:
    """A solution with what follows from it before anything is filled, or why it is none of this case."""
    case = locked.case
    refusal = _misfit(locked, solution)
    if refusal:
        return refusal
    zoned = declared(case, locked.net, solution.flows)
    if isinstance(zoned, Refusal):
        return zoned
    several = {t: one for t, one in enumerate(zoned) if max(one.zone_of, default=0)}
    needed_wh = None
    if locked.columns is not None:
        from contracts.program.sweep import needed_by_place

        needed_wh = needed_by_place(locked, solution)
    return Choice(solution, zoned, several, needed_wh)


def _misfit(locked: Locked, solution: Solution) -> Refusal | None:
    """What does not have the shape of the case."""
    case = locked.case
    if solution.round_id != case.round_id:
        text = f"It solves round {solution.round_id}, and this is round {case.round_id}; solve this one."
        return Refusal("dispatch.round", "round_id", text)
    for name, rows, things in (
        ("charge_wh", solution.charge_wh, len(case.storages)),
        ("discharge_wh", solution.discharge_wh, len(case.storages)),
        ("load_wh", solution.load_wh, len(case.loads)),
        ("total_wh", solution.total_wh, len(locked.ramped)),
        ("reserve_wh", solution.reserve_wh, locked.reserves),
    ):
        if len(rows) != things:
            text = f"It has {len(rows)} rows; one for each of {things} is right."
            return Refusal("dispatch.shape", name, text)
        for index, row in enumerate(rows):
            if len(row) != case.intervals:
                text = f"It has {len(row)} values; one for each of {case.intervals} intervals is right."
                return Refusal("dispatch.shape", f"{name}[{index}]", text)
    for index, (load, row) in enumerate(zip(case.loads, solution.load_wh, strict=True)):
        if any(row[: load.first]) or any(row[load.until :]):
            text = f"Load {load.id} takes energy from interval {load.first} to before {load.until} only."
            return Refusal("dispatch.load-time", f"load_wh[{index}]", text)
    return None


def _fill(locked: Locked, chosen: Choice) -> Filled | Refusal:
    case, solution = locked.case, chosen.solution
    times = range(case.intervals)
    source_wh: list[list[int]] = [[0] * case.intervals for _ in case.sources]
    for index, row in zip(locked.ramped, solution.total_wh, strict=True):
        source_wh[index] = list(row)
    import_wh: list[list[int]] = [[0] * case.intervals for _ in case.connections]
    bid_wh: list[list[int]] = [list(bid.energy_wh) for bid in case.bids]
    bid_wh += [list(tie.export_limit_wh) for tie in case.connections]
    served_wh: list[list[int]] = [list(demand.energy_wh) for demand in case.demands]
    flow_wh = [[0] * case.intervals for _ in case.lines]
    for t in times:
        zoned = chosen.declared[t]
        needed_wh = needed(locked, chosen, t)
        taken = take(locked, solution, t, zoned, needed_wh, stack_of(locked, chosen, t))
        if isinstance(taken, Refusal):
            return taken
        left_wh = [-energy_wh for energy_wh in needed_wh]
        for entry, energy_wh in taken:
            left_wh[entry.place] += energy_wh
            match entry.kind:
                case ties.OFFER:
                    source_wh[entry.number][t] += energy_wh
                case ties.IMPORT:
                    import_wh[entry.number][t] = energy_wh
                case ties.SHED:
                    served_wh[entry.number][t] -= energy_wh
                case _:
                    bid_wh[entry.number][t] -= energy_wh
        carried_wh = derive(case, locked.net, left_wh, zoned.flow_wh) if case.lines else []
        refusal = over_limit(case, carried_wh, t)
        if refusal:
            return refusal
        for along, energy_wh in zip(flow_wh, carried_wh, strict=True):
            along[t] = energy_wh
    bids = len(case.bids)
    schedule = Schedule(
        source_wh,
        import_wh,
        bid_wh[bids:],
        served_wh,
        bid_wh[:bids],
        solution.load_wh,
        solution.charge_wh,
        solution.discharge_wh,
        charge_states(case, solution),
        solution.reserve_wh,
        flow_wh,
    )
    return Filled(schedule, None)


def charge_states(case: Case, solution: Solution) -> list[list[int]]:
    """What is in each storage after each interval, in 1/(n*d) Wh."""
    rows = zip(case.storages, solution.charge_wh, solution.discharge_wh, strict=True)
    return [charge_state(*row) for row in rows]


def charge_state(store: Storage, charge_wh: Sequence[int], discharge_wh: Sequence[int]) -> list[int]:
    """What is in one storage after each interval, in 1/(n*d) Wh."""
    gain, loss = store.efficiency_n**2, store.efficiency_d**2
    steps = (gain * c - loss * d for c, d in zip(charge_wh, discharge_wh, strict=True))
    return list(accumulate(steps, initial=store.start_soc))[1:]


def emissions_ug(case: Case, schedule: Schedule) -> int:
    """What all intervals together emit: factors x energy injected."""
    imported = (
        factor * int(energy_wh)
        for tie, row in zip(case.connections, schedule.import_wh, strict=True)
        for factor, energy_wh in zip(tie.factor_ug_per_wh, row, strict=True)
    )
    injected_wh = (*_sums(schedule.source_wh), *_sums(schedule.discharge_wh))
    factors = [source.factor_ug_per_wh for source in case.sources]
    factors += [store.factor_ug_per_wh for store in case.storages]
    return sum(imported) + sum(factor * energy_wh for factor, energy_wh in zip(factors, injected_wh, strict=True))


def _sums(grid: Grid) -> list[int]:
    """Of each row, of lists or of an array."""
    sums: list[int] = grid.sum(axis=1).tolist() if hasattr(grid, "sum") else [sum(row) for row in grid]
    return sums


def over_limit(case: Case, carried_wh: Iterable[int], interval: int) -> Refusal | None:
    """The first line that would carry more than it may."""
    for line, energy_wh in zip(case.lines, carried_wh, strict=True):
        limit_wh = line.limit_wh[interval]
        if abs(energy_wh) > limit_wh:
            text = f"It would carry {energy_wh} Wh and may carry {limit_wh} Wh; declare it at its limit."
            return Refusal("dispatch.line-limit", f"line {line.id} in interval {interval}", text)
    return None


def needed(locked: Locked, chosen: Choice, interval: int) -> list[int]:
    """What the stack of an interval is filled to, by place, before flows."""
    case, solution = locked.case, chosen.solution
    needed_wh = list(locked.wanted_wh[interval])
    for store, charge_wh, discharge_wh in zip(case.storages, solution.charge_wh, solution.discharge_wh, strict=True):
        needed_wh[locked.place_of[store.place]] += charge_wh[interval] - discharge_wh[interval]
    for load, row in zip(case.loads, solution.load_wh, strict=True):
        needed_wh[locked.place_of[load.place]] += row[interval]
    for index, row in zip(locked.ramped, solution.total_wh, strict=True):
        needed_wh[locked.place_of[case.sources[index].place]] -= row[interval]
    return needed_wh


def by_zone(locked: Locked, zoned: Declared, needed_wh: Sequence[int]) -> dict[int, int]:
    """What the stack of each zone is filled to, declared flows included, by the first place of the zone."""
    total_wh: dict[int, int] = {}
    for zone, energy_wh in zip(zoned.zone_of, needed_wh, strict=True):
        total_wh[zone] = total_wh.get(zone, 0) + energy_wh
    for number, energy_wh in zoned.flow_wh.items():
        first, second = locked.net.ends[number]
        total_wh[zoned.zone_of[first]] += energy_wh
        total_wh[zoned.zone_of[second]] -= energy_wh
    return total_wh


def rooms(locked: Locked, solution: Solution, interval: int) -> dict[int, int]:
    """What each source that holds reserve may deliver beside it."""
    return {
        number: max(0, rating_wh(locked.case.sources[number], interval) - row[interval])
        for number, row in zip(locked.reserving, solution.reserve_wh, strict=False)
        if row[interval]
    }


def stack_of(locked: Locked, chosen: Choice, interval: int) -> list[Entry]:
    """The stack of an interval with the dearest blocks of those who hold reserve back cut off, in order."""
    entries = list(locked.stacks[interval])
    room_wh = rooms(locked, chosen.solution, interval)
    if room_wh:
        for number, entry in enumerate(entries):
            if entry.kind == ties.OFFER and entry.number in room_wh:
                energy_wh = min(entry.energy_wh, room_wh[entry.number])
                room_wh[entry.number] -= energy_wh
                entries[number] = entry._replace(energy_wh=energy_wh)
    if chosen.solution.kappa_num:
        entries.sort(key=lambda entry: key_of(chosen.solution, entry))
    return entries


def key_of(solution: Solution, entry: Entry) -> int:
    """What orders the stack, in nano per Wh times the denominator of kappa."""
    return entry.price_nano_per_wh * solution.kappa_den + entry.factor_ug_per_wh * solution.kappa_num


def take(
    locked: Locked,
    solution: Solution,
    interval: int,
    zoned: Declared,
    needed_wh: Sequence[int],
    stack: Sequence[Entry],
) -> list[tuple[Entry, int]] | Refusal:
    """What is taken of each entry of a stack, zone by zone, where places need so much before flows."""
    taken: list[tuple[Entry, int]] = []
    entries: dict[int, list[Entry]] = {zone: [] for zone in zoned.zone_of}
    for entry in stack:
        entries[zoned.zone_of[entry.place]].append(entry)
    for zone, total_wh in by_zone(locked, zoned, needed_wh).items():
        missing_wh = total_wh
        for _, level in groupby(entries[zone], key=lambda entry: key_of(solution, entry)):
            if missing_wh <= 0:
                break
            group = list(level)
            group_wh = sum(entry.energy_wh for entry in group)
            if group_wh <= missing_wh:
                taken += [(entry, entry.energy_wh) for entry in group]
            else:
                taken += zip(group, share(locked, solution, group, missing_wh), strict=True)
            missing_wh -= min(group_wh, missing_wh)
        if missing_wh:
            return imbalance(locked, interval, zone, missing_wh)
    return taken


def share(locked: Locked, solution: Solution, group: Sequence[Entry], taken_wh: int) -> list[int]:
    """What is taken of each entry of the group in which the quantity ends."""
    claims = [claim(locked.case, entry.kind, entry.number, entry.factor_ug_per_wh, entry.energy_wh) for entry in group]
    return ties.share_group(claims, taken_wh, solution.theta, locked.round_id)


def imbalance(locked: Locked, interval: int, zone: int, missing_wh: int) -> Refusal:
    """A zone that can not balance: it has so much more to serve than all of its stack, or so much too much."""
    where = f"balance of place {locked.net.places[zone]} in interval {interval}"
    if missing_wh > 0:
        text = f"{missing_wh} Wh are missing with everything offered taken and all demand shed; charge or send less."
        return Refusal("dispatch.shortage", where, text)
    text = f"{-missing_wh} Wh are left over with nothing taken; discharge, deliver or receive less."
    return Refusal("dispatch.surplus", where, text)
