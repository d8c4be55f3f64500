"""A dispatch that every node finds by itself, without a solver: what happens if nobody solves anything.

The same fill, interval after interval: ramp-limited sources stand in its stack as far as they can get from where they
are and still get to where they have to be; a line that would carry more than it may is put at its limit; reserve is
held by who asks least; loads take what is left over cheapest; storages do nothing unless that avoids shedding. Both
take what ramp-limited sources can not help delivering. Carbon has no weight unless the cap would be passed.

Never claims to be cheap. Where it finds nothing it says which constraint it could not meet; that does not prove that
nothing would.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from fractions import Fraction

from contracts.program import ties
from contracts.program.case import MAX_WEIGHT, Case, LineFlow, Solution, Source, Storage
from contracts.program.fill import (
    Choice,
    by_zone,
    choice,
    emissions_ug,
    fill,
    imbalance,
    key_of,
    needed,
    over_limit,
    stack_of,
    take,
)
from contracts.program.flows import Network, derive, rounded
from contracts.program.greedy import Free, Left, Plan, Rows, Unbalanced, absorb, place_loads, relieve, withdraw_loads
from contracts.program.price import inside
from contracts.program.rows import most_reserve_wh, providers, rating_wh
from contracts.program.stack import Entry, Locked, lock
from contracts.program.verdict import Refusal
from contracts.program.zones import Declared, zones

MAX_REPAIRS = 16
"""Times that all is filled again because a ramp-limited source could not come down in time."""
WEIGHT_BITS = 6
"""To which a carbon weight is found: each costs a fill of all intervals."""


def fallback(case: Case | Locked) -> Solution | Refusal:
    """The dispatch of a case that `contracts.program.validate` lets pass, or the constraint that it could not meet."""
    locked = case if isinstance(case, Locked) and case.columns is None else lock(_case_of(case), False)
    held_wh = _hold(locked.case)
    if isinstance(held_wh, Refusal):
        return held_wh
    plan = Plan(locked.case, held_wh)
    left = _settle(locked, plan)
    for improve in (place_loads, withdraw_loads, relieve):
        if isinstance(left, Refusal):
            return left
        before = deepcopy((plan.charge_wh, plan.discharge_wh, plan.load_wh))
        if improve(locked, plan, left):
            left = _settle(locked, plan)
            if isinstance(left, Refusal):
                plan.charge_wh, plan.discharge_wh, plan.load_wh = before
                left = _settle(locked, plan)
    return left if isinstance(left, Refusal) else _under_cap(locked, plan)


def _case_of(case: Case | Locked) -> Case:
    return case.case if isinstance(case, Locked) else case


def _under_cap(locked: Locked, plan: Plan) -> Solution | Refusal:
    """With about the least carbon weight that keeps the cap."""
    cap_ug = locked.case.carbon_cap_ug
    emitted_ug = _emitted_ug(locked, plan.solution())
    if isinstance(emitted_ug, Refusal):
        return emitted_ug
    if cap_ug is None or emitted_ug <= cap_ug:
        return plan.solution()
    text = f"{emitted_ug} ug are emitted without a carbon weight, and with none is the cap of {cap_ug} ug kept."
    found: dict[int, Solution] = {}

    def keeps(weight: int) -> bool:
        plan.kappa_num = min(weight, MAX_WEIGHT)
        left = _settle(locked, plan)
        emits = left if isinstance(left, Refusal) else _emitted_ug(locked, plan.solution())
        if not isinstance(emits, Refusal) and emits <= cap_ug:
            found[weight] = plan.solution()
        return weight in found

    doubled = bisect_left(range(MAX_WEIGHT.bit_length()), True, key=lambda bits: keeps(1 << bits))
    top = 1 << doubled
    bisect_left(range(top // 2, top, max(1, top >> WEIGHT_BITS)), True, key=keeps)
    return found[min(found)] if found else Refusal("dispatch.carbon", "carbon cap", text)


def _emitted_ug(locked: Locked, solution: Solution) -> int | Refusal:
    """Of the schedule, if it has one."""
    schedule = fill(locked, solution)
    return schedule if isinstance(schedule, Refusal) else emissions_ug(locked.case, schedule)


# Reserve and ramps


def _hold(case: Case) -> Rows | Refusal:
    """Reserve of each provider: who asks least holds most."""
    things = providers(case)
    held_wh = [[0] * case.intervals for _ in things]
    order = sorted(range(len(things)), key=lambda i: _asked(things[i]))
    for t, needed_wh in enumerate(case.reserve_wh):
        missing_wh = needed_wh
        for i in order:
            held_wh[i][t] = min(_most_held(things[i], t), missing_wh)
            missing_wh -= held_wh[i][t]
        if missing_wh:
            text = f"{missing_wh} Wh of {needed_wh} Wh are offered by nobody who could hold them."
            return Refusal("dispatch.reserve-need", f"reserve in interval {t}", text)
    return held_wh


def _asked(thing: Source | Storage) -> int:
    return thing.reserve.price_nano_per_wh if thing.reserve else 0


def _most_held(thing: Source | Storage, interval: int) -> int:
    """Most that a provider holds while it does no more than it must."""
    most_wh = most_reserve_wh(thing, interval)
    if isinstance(thing, Storage):
        return min(most_wh, thing.most_discharge_wh[interval], thing.start_soc // thing.efficiency_d**2)
    return max(0, min(most_wh, rating_wh(thing, interval) - _floor(thing, interval)))


def _floor(source: Source, interval: int) -> int:
    """What a source still delivers if it comes down from where it was as fast as it can."""
    if source.ramp_wh is None or source.last_wh is None:
        return 0
    return max(0, source.last_wh - (interval + 1) * source.ramp_wh)


def _reach(plan: Plan) -> Rows | Refusal:
    """What each ramp-limited source may deliver at most to be able to come down to what it may deliver later."""
    reach_wh: Rows = []
    for index, most_wh in zip(plan.ramped, plan.most_wh, strict=True):
        source = plan.case.sources[index]
        row = list(most_wh)
        for t in reversed(range(len(row) - 1)):
            row[t] = min(row[t], row[t + 1] + (source.ramp_wh or 0))
        for t, wh in enumerate(row):
            if wh < _floor(source, t):
                text = f"It can not come down below {_floor(source, t)} Wh by then and may deliver {wh} Wh."
                return Refusal("dispatch.ramp", f"ramp of source {source.id} in interval {t}", text)
        reach_wh.append(row)
    return reach_wh


# Filling with what is chosen


def _settle(locked: Locked, plan: Plan) -> list[Left] | Refusal:
    """Fill all intervals. Where one does not balance, hold ramp-limited sources back before it that could not come
    down in time, else serve loads and charge; or discharge.
    """
    wrong: list[Unbalanced] = []
    for _ in range(MAX_REPAIRS):
        reach_wh = _reach(plan)
        if isinstance(reach_wh, Refusal):
            return reach_wh
        found = _run(locked, plan, reach_wh)
        if isinstance(found, Refusal):
            return found
        wrong = [interval for interval in found if isinstance(interval, Unbalanced)]
        if not wrong:
            return [interval for interval in found if isinstance(interval, Left)]
        less = [_hold_down(locked, plan, interval) or absorb(locked, plan, interval) for interval in wrong]
        if not any(less) and not relieve(locked, plan, [_blacked_out(interval) for interval in found]):
            break
    zone, missing_wh = next(iter(wrong[0].missing_wh.items()))
    return imbalance(locked, wrong[0].interval, zone, missing_wh)


def _blacked_out(interval: Left | Unbalanced) -> Left:
    """What an interval leaves if what it is short of counts as shed."""
    if isinstance(interval, Left):
        return interval
    zones_of = dict.fromkeys(interval.zone_of, 0)
    shed_wh = {zone: max(0, interval.missing_wh.get(zone, 0)) for zone in zones_of}
    return Left(interval.zone_of, shed_wh, {zone: [] for zone in zones_of})


def _hold_down(locked: Locked, plan: Plan, surplus: Unbalanced) -> bool:
    """Allow the sources of a zone that has too much less, the dearest first. Whether any of them can."""
    case, t = plan.case, surplus.interval
    held = False
    dearest = [max((block.price_nano_per_wh for block in case.sources[i].blocks[t]), default=0) for i in plan.ramped]
    for zone, wh in surplus.missing_wh.items():
        over_wh = max(0, -wh)
        for k in sorted(range(len(plan.ramped)), key=lambda k: -dearest[k]):
            source, total_wh = case.sources[plan.ramped[k]], plan.total_wh[k][t]
            least_wh = max(_floor(source, t), total_wh - over_wh)
            if surplus.zone_of[locked.place_of[source.place]] == zone and least_wh < total_wh:
                over_wh -= total_wh - least_wh
                plan.most_wh[k][t] = least_wh
                held = True
    return held


def _run(locked: Locked, plan: Plan, reach_wh: Rows) -> list[Left | Unbalanced] | Refusal:
    """Fill interval after interval, and write totals and flows into the plan."""
    case = locked.case
    plan.total_wh = [[0] * case.intervals for _ in plan.ramped]
    plan.flows = ()
    chosen = choice(locked, plan.solution())
    assert not isinstance(chosen, Refusal), "a plan has the shape of its case"
    found: list[Left | Unbalanced] = []
    flows: list[LineFlow] = []
    before = [case.sources[index].last_wh for index in plan.ramped]
    for t in range(case.intervals):
        boxes = []
        for k, near_wh in enumerate(before):
            ramp_wh = case.sources[plan.ramped[k]].ramp_wh or 0
            lo_wh = 0 if near_wh is None else max(0, near_wh - ramp_wh)
            hi_wh = reach_wh[k][t] if near_wh is None else min(reach_wh[k][t], near_wh + ramp_wh)
            boxes.append((lo_wh, hi_wh))
        filled = _fill_interval(locked, plan, chosen, t, boxes)
        if isinstance(filled, Refusal):
            return filled
        left, totals_wh, declared_wh = filled
        for row, wh in zip(plan.total_wh, totals_wh, strict=True):
            row[t] = wh
        before = list(totals_wh)
        flows += (LineFlow(number, t, wh) for number, wh in sorted(declared_wh.items()))
        found.append(left)
    plan.flows = tuple(flows)
    return found


def _fill_interval(
    locked: Locked, plan: Plan, chosen: Choice, t: int, boxes: Sequence[tuple[int, int]]
) -> tuple[Left | Unbalanced, Sequence[int], Mapping[int, int]] | Refusal:
    """What an interval leaves, totals of ramp-limited sources, and lines at their limits with their flows."""
    case, net, solution = locked.case, locked.net, chosen.solution
    stack = stack_of(locked, chosen, t)
    low_wh = [lo_wh for lo_wh, _ in boxes]
    above = [
        entry
        for index, (lo_wh, hi_wh) in zip(plan.ramped, boxes, strict=True)
        for entry in inside(locked, index, t, lo_wh, hi_wh)
    ]
    steered = sorted([*stack, *above], key=lambda entry: (key_of(solution, entry), entry))
    declared_wh: dict[int, int] = {}
    refusal = Refusal(
        "dispatch.line-limit", f"interval {t}", "No set of lines at their limits was found that balances."
    )
    for _ in range(3 * len(case.lines) + 1):
        zoned = Declared(declared_wh, zones(net, declared_wh))
        needed_wh = _without(locked, plan, needed(locked, chosen, t), low_wh)
        totals_wh = low_wh
        taken = take(locked, solution, t, zoned, needed_wh, steered)
        if not isinstance(taken, Refusal):
            totals_wh = _totals(plan, low_wh, taken)
            needed_wh = _without(locked, plan, needed(locked, chosen, t), totals_wh)
            taken = take(locked, solution, t, zoned, needed_wh, stack)
        if isinstance(taken, Refusal):
            missing_wh = _missing(locked, zoned, needed_wh, steered)
            released = _release(locked, zoned, missing_wh)
            if released is None:
                return Unbalanced(t, zoned.zone_of, missing_wh), totals_wh, {}
            declared_wh = released
            continue
        left_wh = [-wh for wh in needed_wh]
        for entry, wh in taken:
            left_wh[entry.place] += wh
        carried_wh = derive(case, net, left_wh, declared_wh)
        refusal = over_limit(case, carried_wh, t) or refusal
        full_wh = _at_limit(locked, carried_wh, t)
        if not full_wh:
            return _leave(zoned, stack, taken), totals_wh, declared_wh
        declared_wh = declared_wh | full_wh
    return refusal


def _without(locked: Locked, plan: Plan, needed_wh: list[int], totals_wh: Sequence[int]) -> list[int]:
    """What is needed beside ramp-limited sources, by place."""
    for index, wh in zip(plan.ramped, totals_wh, strict=True):
        needed_wh[locked.place_of[locked.case.sources[index].place]] -= wh
    return needed_wh


def _totals(plan: Plan, low_wh: Sequence[int], taken: Iterable[tuple[Entry, int]]) -> list[int]:
    """Of ramp-limited sources, what they can not help and what is taken of them on top."""
    more_wh = dict.fromkeys(plan.ramped, 0)
    for entry, wh in taken:
        if entry.kind == ties.OFFER and entry.number in more_wh:
            more_wh[entry.number] += wh
    return [lo_wh + more_wh[index] for index, lo_wh in zip(plan.ramped, low_wh, strict=True)]


def _missing(locked: Locked, zoned: Declared, needed_wh: Sequence[int], stack: Iterable[Entry]) -> dict[int, int]:
    """By zone that can not balance, what it needs more than its whole stack, or less than nothing."""
    whole_wh = dict.fromkeys(zoned.zone_of, 0)
    for entry in stack:
        whole_wh[zoned.zone_of[entry.place]] += entry.energy_wh
    needs = by_zone(locked, zoned, needed_wh)
    return {zone: wh if wh < 0 else wh - whole_wh[zone] for zone, wh in needs.items() if wh < 0 or wh > whole_wh[zone]}


def _release(locked: Locked, zoned: Declared, missing_wh: Mapping[int, int]) -> dict[int, int] | None:
    """Declared flows without the last that brings energy where there is too much, or takes it where it is missing.

    It was put at its limit for what others have stopped since. None: there is no such line.
    """
    for number in reversed(zoned.flow_wh):
        sign = 1 if zoned.flow_wh[number] > 0 else -1
        sender, receiver = (zoned.zone_of[place] for place in locked.net.ends[number][::sign])
        if zoned.flow_wh[number] and (missing_wh.get(receiver, 0) < 0 or missing_wh.get(sender, 0) > 0):
            mesh = locked.net.mesh_of[number]
            gone = locked.net.meshes[mesh].lines if mesh >= 0 else (number,)
            return {other: wh for other, wh in zoned.flow_wh.items() if other not in gone}
    return None


def _at_limit(locked: Locked, carried_wh: Sequence[int], t: int) -> dict[int, int]:
    """Lines that carry too much, at their limits, but for those that bring energy to others of them; in a mesh all of
    its lines, with as much less as the worst of them needs.
    """
    case, net = locked.case, locked.net
    over = [n for n, line in enumerate(case.lines) if abs(carried_wh[n]) > line.limit_wh[t]]
    alone = [n for n in over if net.mesh_of[n] < 0]
    if alone:
        limits_wh = {n: case.lines[n].limit_wh[t] * (1 if carried_wh[n] > 0 else -1) for n in alone}
        receiving = {n: _receiving(net, n, carried_wh[n]) for n in alone}
        last = [n for n in alone if not any(receiving[n].issuperset(net.ends[other]) for other in alone if other != n)]
        return {n: limits_wh[n] for n in last or alone[:1]}
    if not over:
        return {}
    lines = net.meshes[net.mesh_of[over[0]]].lines
    worst = min(
        (n for n in lines if carried_wh[n]), key=lambda n: Fraction(case.lines[n].limit_wh[t], abs(carried_wh[n]))
    )
    return _scaled(net, lines, carried_wh, case.lines[worst].limit_wh[t], abs(carried_wh[worst]))


def _scaled(net: Network, lines: Sequence[int], carried_wh: Sequence[int], part: int, whole: int) -> dict[int, int]:
    """Flows of a mesh times part / whole, in whole Wh, so that a place that only passes energy on still does."""
    outside = len(net.ends)
    left_wh = [0] * len(net.places)
    exact = {n: carried_wh[n] * part for n in lines}
    for n in lines:
        first, second = net.ends[n]
        left_wh[first] += exact[n]
        left_wh[second] -= exact[n]
    ends = [*net.ends, *((len(net.places), place) for place in range(len(net.places)))]
    exact |= {outside + place: wh for place, wh in enumerate(left_wh) if wh}
    flows = rounded(ends, exact, whole)
    return {n: flows[n] for n in lines}


def _receiving(net: Network, number: int, carried_wh: int) -> frozenset[int]:
    """Places on the side of a line that it brings energy to."""
    first, second = net.ends[number]
    zone_of = zones(net, {number: 0})
    here = zone_of[second if carried_wh > 0 else first]
    return frozenset(place for place, zone in enumerate(zone_of) if zone == here)


def _leave(zoned: Declared, stack: Iterable[Entry], taken: Iterable[tuple[Entry, int]]) -> Left:
    """What is shed, and what supply is left."""
    took = dict(taken)
    shed_wh = dict.fromkeys(zoned.zone_of, 0)
    free: dict[int, list[Free]] = {zone: [] for zone in zoned.zone_of}
    for entry in stack:
        zone, wh = zoned.zone_of[entry.place], took.get(entry, 0)
        if entry.kind == ties.SHED:
            shed_wh[zone] += wh
        elif wh < entry.energy_wh:
            free[zone].append(Free(entry.price_nano_per_wh, entry.kind != ties.UNSERVED, entry.energy_wh - wh))
    return Left(zoned.zone_of, shed_wh, {zone: sorted(steps, reverse=True) for zone, steps in free.items()})
