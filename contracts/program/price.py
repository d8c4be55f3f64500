"""Prices per interval and zone: the price of the block that is reached just below all that is taken.

Of the order alone, never of a solver's multipliers: those are any value in a range wherever prices tie. What is reached
is read at total - `price_slack_ppm` x real supply, so that nobody moves a price with the last Wh; and in a stack in
which each ramp-limited source stands as far as it could be moved between its neighbouring intervals, so that nobody
moves one by pushing such a source to a dear block. Accepted blocks above the price are paid as bid. Shedding counts
at the cap, and nothing is above it.

Readings of the rule, chosen here:

- Real supply is all that a zone gets: sources (the lower ends of ramp-limited ones too), import, shedding, storage and
  what lines bring. It is at least the zone's fixed demand, and only so does moving a price cost what it should where
  storage or a line carries nearly everything.
- A stack is empty where the slack leaves nothing of it: what is less than the slack moves no price. In an island the
  price is then read off the lower ends of ramp-limited sources, if these serve it; else the scarcity of what is offered
  on top of them, which nobody needs, would price all that they deliver.
- A carbon weight orders the stack that prices are read off only where the cap binds: where emissions are within the
  slack of it. Elsewhere nobody needs one, and it would let blocks that are taken whole anyway change places, so that
  another one is reached last.
- Both sides of a line means all zones that share a price with either (`contracts.program.sharing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from contracts.program import ties
from contracts.program.case import Case, Connection, Solution
from contracts.program.fill import Choice, choice, emissions_ug, key_of, needed, rooms, stack_of
from contracts.program.rows import export_price, offered_wh
from contracts.program.sharing import Carried, Groups, Step, Zone, as_zone, received
from contracts.program.stack import Entry, Locked, source_entries
from contracts.program.verdict import Grid, Refusal, Schedule
from contracts.units import PPM

Column = tuple[list[int], list[int], list[int]]
"""Of an interval: first places, prices and real supply by place."""


class Priced(NamedTuple):
    """Prices of a schedule. By place and interval."""

    zones: Grid
    """First of the places that share this price because nothing separates them."""
    price_nano_per_wh: Grid
    reached_wh: Grid
    """Real supply of those places."""


def prices(locked: Locked, solution: Solution, schedule: Schedule) -> Priced:
    """Prices of a schedule that `contracts.program.fill` made of a solution, and that is feasible."""
    chosen = choice(locked, solution)
    assert not isinstance(chosen, Refusal), "what is no solution has no schedule"
    emitted_ug = emissions_ug(locked.case, schedule) if solution.kappa_num else 0
    return prices_chosen(locked, chosen, schedule, emitted_ug)


def prices_chosen(locked: Locked, chosen: Choice, schedule: Schedule, emitted_ug: int) -> Priced:
    """The same of a solution whose shape and emissions are known."""
    if chosen.solution.kappa_num and not _capped(locked.case, emitted_ug):
        chosen = chosen._replace(solution=msgspec.structs.replace(chosen.solution, kappa_num=0))
    if locked.columns is not None:
        from contracts.program.sweep import price_all

        columns = price_all(locked, chosen, schedule)
    else:
        columns = _price_all(locked, chosen, schedule)
    return Priced(*(tuple(zip(*rows, strict=True)) for rows in zip(*columns, strict=True)))


def _capped(case: Case, emitted_ug: int) -> bool:
    """Whether the carbon cap binds."""
    cap_ug = case.carbon_cap_ug
    return cap_ug is not None and emitted_ug * PPM >= cap_ug * (PPM - case.price_slack_ppm)


def _price_all(locked: Locked, chosen: Choice, schedule: Schedule) -> list[Column]:
    """First places, prices and real supply of all intervals."""
    boxes = ramp_boxes(locked, chosen)
    columns = []
    for t in range(locked.case.intervals):
        total_wh = needed(locked, chosen, t)
        entries = stack_of(locked, chosen, t)
        below: list[Entry] = []
        for number, row in boxes.items():
            lo_wh, hi_wh = row[t]
            total_wh[locked.place_of[locked.case.sources[number].place]] += schedule.source_wh[number][t] - lo_wh
            entries += inside(locked, number, t, lo_wh, hi_wh)
            below += inside(locked, number, t, 0, lo_wh)
        real_wh = _real_supply(locked, schedule, t)
        columns.append(interval_prices(locked, chosen, t, (entries, below), total_wh, real_wh))
    return columns


def interval_prices(
    locked: Locked,
    chosen: Choice,
    interval: int,
    entries: tuple[Iterable[Entry], Iterable[Entry]],
    total_wh: Sequence[int],
    real_wh: Sequence[int],
) -> Column:
    """First places, prices and real supply of an interval by place. `entries`: of the stack, and of lower ends."""
    case, net = locked.case, locked.net
    zone_of, flow_wh = chosen.declared[interval].zone_of, chosen.declared[interval].flow_wh
    steps, below = (_steps(chosen.solution, zone_of, part) for part in entries)
    total, local = dict.fromkeys(steps, 0), dict.fromkeys(steps, 0)
    for place, zone in enumerate(zone_of):
        total[zone] += total_wh[place]
        local[zone] += real_wh[place]
    lines = [
        Carried(
            (zone_of[net.ends[number][0]], zone_of[net.ends[number][1]]),
            carried_wh,
            abs(carried_wh) == case.lines[number].limit_wh[interval],
        )
        for number, carried_wh in sorted(flow_wh.items())
    ]
    zones = {name: as_zone(steps[name], below[name], total[name], local[name]) for name in steps}
    groups = Groups(case.price_slack_ppm, zones, lines)
    tied: dict[int, list[Connection]] = {name: [] for name in groups.zones}
    for tie in case.connections:
        if tie.import_limit_wh[interval] or tie.export_limit_wh[interval]:
            tied[groups.group_of[zone_of[locked.place_of[tie.place]]]].append(tie)
    real = {name: groups.real_wh(name) for name in groups.zones}
    price = {
        name: _price(case, group, groups.total_wh(name), real[name], tied[name], interval)
        for name, group in groups.zones.items()
    }
    received(groups.group_of, lines, price)
    named = [groups.group_of[name] for name in zone_of]
    return named, [price[name] for name in named], [real[name] for name in named]


def _steps(solution: Solution, zone_of: Sequence[int], entries: Iterable[Entry]) -> dict[int, list[Step]]:
    """Entries in order, by zone."""
    found: dict[int, list[Step]] = {zone: [] for zone in zone_of}
    for entry in entries:
        step = (key_of(solution, entry), entry.price_nano_per_wh, entry.kind, entry.energy_wh)
        found[zone_of[entry.place]].append(step)
    return {zone: sorted(steps) for zone, steps in found.items()}


def _real_supply(locked: Locked, schedule: Schedule, interval: int) -> list[int]:
    """What is put in at each place: by sources, connections and storages, and as demand that is shed."""
    case = locked.case
    real_wh = [0] * len(locked.net.places)
    injected = [
        *((source.place, row[interval]) for source, row in zip(case.sources, schedule.source_wh, strict=True)),
        *((tie.place, row[interval]) for tie, row in zip(case.connections, schedule.import_wh, strict=True)),
        *((store.place, row[interval]) for store, row in zip(case.storages, schedule.discharge_wh, strict=True)),
    ]
    for place, energy_wh in injected:
        real_wh[locked.place_of[place]] += energy_wh
    for demand, row in zip(case.demands, schedule.served_wh, strict=True):
        real_wh[locked.place_of[demand.place]] += demand.energy_wh[interval] - row[interval]
    return real_wh


def ramp_boxes(locked: Locked, chosen: Choice) -> dict[int, list[tuple[int, int]]]:
    """Between what each ramp-limited source could stand in each interval, its neighbours as they are."""
    case = locked.case
    boxes: dict[int, list[tuple[int, int]]] = {}
    room_wh = [rooms(locked, chosen.solution, t) for t in range(case.intervals)]
    for number, row in zip(locked.ramped, chosen.solution.total_wh, strict=True):
        source = case.sources[number]
        ramp_wh = source.ramp_wh or 0
        before = [source.last_wh, *row[:-1]]
        after = [*row[1:], None]
        boxes[number] = box = []
        for t in range(case.intervals):
            near = [wh for wh in (before[t], after[t]) if wh is not None]
            most_wh = offered_wh(source, t)
            hi_wh = min([most_wh, room_wh[t].get(number, most_wh), *(wh + ramp_wh for wh in near)])
            lo_wh = max([0, *(wh - ramp_wh for wh in near)])
            box.append((lo_wh, max(lo_wh, hi_wh)))
    return boxes


def inside(locked: Locked, number: int, interval: int, lo_wh: int, hi_wh: int) -> list[Entry]:
    """What of a source's blocks lies between two totals."""
    source = locked.case.sources[number]
    found, start = [], 0
    for entry in source_entries(source, locked.place_of[source.place], number, interval):
        end = start + entry.energy_wh
        energy_wh = min(end, hi_wh) - max(start, lo_wh)
        if energy_wh > 0:
            found.append(entry._replace(energy_wh=energy_wh))
        start = end
    return found


def _price(case: Case, zone: Zone, total_wh: int, real_wh: int, tied: Sequence[Connection], interval: int) -> int:
    """The price of places that share one, before what they receive over lines at their limits."""
    cap = case.offer_cap_nano_per_wh
    reach = total_wh * PPM - case.price_slack_ppm * real_wh
    if reach > 0:
        return _reached(zone.steps, reach, cap)
    if tied:
        return min(cap, max(export_price(tie, interval) for tie in tied))
    offers = [price for _, price, kind, _ in zone.steps if kind == ties.OFFER]
    reach += PPM * sum(energy_wh for *_, energy_wh in zone.below)
    if reach > 0:
        offers.append(_reached(zone.below, reach, cap))
    return min(cap, min(offers, default=case.scarcity_nano_per_wh))


def _reached(steps: Sequence[Step], reach: int, cap: int) -> int:
    """Price of the step in which this many millionths of a Wh are reached. Penalties are at least the cap."""
    filled_wh = 0
    for _, price, _, energy_wh in steps:
        filled_wh += energy_wh
        if filled_wh * PPM >= reach:
            return min(cap, price)
    return cap
