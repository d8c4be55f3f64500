"""`zero_ghg`: the site's promise about its dispatch, as limits of a case.

Operating emission is zero: what emits while it runs is left out, import like sources. Embodied emission may exceed its
baseline by the surge, in so many consecutive intervals at most and within the budget of a window. Both yield to one
thing alone: critical demand (tier 0). Where clean supply can not serve it, just so much of what was left out comes
back, cheapest first, so that flexible demand is shed before anything is broken; the cap rises to what serving it takes.
Whether an interval kept to the policy in the end is for meters to say (`kept`): `contracts.carbon.book` records it.

Pure. A case has one carbon row over all of its intervals, so the caps are summed there, and bind none of them alone.

What is taken for clean supply: offered blocks within rating and ramp; import that emits nothing; charge that a storage
holds at the start, where its owner offers an end value (without one it must be charged again, by whom nobody knows).
With lines a place counts on what they can bring it. Cuts of more than one place are not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from contracts.params import CarbonParams
from contracts.program.case import Block, Case, Source, Storage
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace
CRITICAL_TIER = 0


class Operating(NamedTuple):
    """Which part of each factor of a case is operating; the rest is embodied."""

    sources_ug_per_wh: Sequence[int]
    connections_ug_per_wh: Sequence[Sequence[int]]
    """Per connection and interval."""


class Past(NamedTuple):
    """Surges before the first interval of a case."""

    run: int = 0
    """Intervals in a row, up to the last one, with embodied emission above the baseline."""
    excess_ug: Sequence[int] = ()
    """Above the baseline, of the intervals before, oldest first."""


NO_PAST = Past()


class _Dirty(NamedTuple):
    """A block that is left out: its place in the order, and where it belongs."""

    price_nano_per_wh: int
    factor_ug_per_wh: int
    connection: bool
    thing: int
    block: int
    place: str
    energy_wh: int


def constrain(case: Case, operating: Operating, params: CarbonParams, past: Past = NO_PAST) -> Case:
    """The case under the pact's policy; the same one where that is off."""
    if not params.zero_ghg:
        return case
    admitted: list[dict[int, list[Block]]] = []
    imports: list[dict[int, int]] = []
    needs_ug: list[int] = []
    spare = [_spare(storage) for storage in case.storages]
    for t in range(case.intervals):
        stored = [min(wh, one.most_discharge_wh[t]) for wh, one in zip(spare, case.storages, strict=True)]
        clean, dirty = _supply(case, operating, t, stored)
        critical = _critical(case, t)
        taken = _readmit(case, t, critical, clean, dirty)
        sources, connections = _admitted(case, operating, t, taken)
        admitted.append(sources)
        imports.append(connections)
        needs_ug.append(_least_carbon(case, t, critical, stored, sources, connections))
        missing_wh = sum(critical.values()) - (sum(clean.values()) - sum(stored))
        for number, wh in enumerate(stored):
            spent_wh = max(0, min(wh, missing_wh))
            spare[number] -= spent_wh
            missing_wh -= spent_wh
    allowed = _allowed(params, past, case.intervals)
    total = min(sum(max(cap, need) for cap, need in zip(allowed, needs_ug, strict=True)), MAX_MONEY)
    if case.carbon_cap_ug is not None:
        total = min(total, case.carbon_cap_ug)
    return _replace(
        case,
        sources=tuple(
            _replace(source, blocks=tuple(tuple(admitted[t][number]) for t in range(case.intervals)))
            for number, source in enumerate(case.sources)
        ),
        connections=tuple(
            _replace(connection, import_limit_wh=tuple(imports[t][number] for t in range(case.intervals)))
            for number, connection in enumerate(case.connections)
        ),
        carbon_cap_ug=total,
    )


def above(params: CarbonParams, embodied_ug: int) -> int:
    """Embodied emission of one interval above the baseline."""
    return max(0, embodied_ug - params.embodied_baseline_ug)


def kept(params: CarbonParams, past: Past, operating_ug: int, embodied_ug: int) -> bool:
    """Whether an interval with so much emission keeps to the policy after this past."""
    return operating_ug == 0 and embodied_ug <= _allowed(params, past, 1)[0]


def follow(params: CarbonParams, past: Past, embodied_ug: int) -> Past:
    """The past one interval later."""
    excess_ug = above(params, embodied_ug)
    window = (*past.excess_ug, excess_ug)[-max(1, params.surge_window_intervals - 1) :]
    return Past(past.run + 1 if excess_ug else 0, window)


def _allowed(params: CarbonParams, past: Past, intervals: int) -> list[int]:
    """Most embodied emission of each interval if every surge that may be is taken at once."""
    caps = []
    for _ in range(intervals):
        recent = past.excess_ug[-(params.surge_window_intervals - 1) :] if params.surge_window_intervals > 1 else ()
        left_ug = max(0, params.surge_budget_ug - sum(recent))
        surge_ug = min(params.embodied_surge_ug, left_ug) if past.run < params.surge_intervals else 0
        caps.append(params.embodied_baseline_ug + surge_ug)
        past = follow(params, past, caps[-1])
    return caps


def _spare(storage: Storage) -> int:
    """Wh that a storage could discharge on balance; 0 where it has to end as it began."""
    return 0 if storage.end_value_nano_per_wh is None else storage.start_soc // storage.efficiency_d**2


def _floor(source: Source, t: int) -> int:
    """Least that a ramp-limited source can come down to by interval t."""
    if source.ramp_wh is None or source.last_wh is None:
        return 0
    return max(0, source.last_wh - source.ramp_wh * (t + 1))


def _critical(case: Case, t: int) -> dict[str, int]:
    """Critical demand by place, its losses by the pact's rule included."""
    wanted: dict[str, int] = {}
    for demand in case.demands:
        if demand.tier == CRITICAL_TIER and demand.energy_wh[t]:
            wanted[demand.place] = wanted.get(demand.place, 0) + demand.energy_wh[t]
    return {place: wh + -(-wh * case.line_loss_ppm // 1_000_000) for place, wh in wanted.items()}


def _offered(source: Source, t: int) -> list[Block]:
    """Blocks of an interval within the rating."""
    left = source.rating_wh
    blocks = []
    for block in source.blocks[t]:
        energy_wh = block.energy_wh if left is None else min(block.energy_wh, left)
        if energy_wh:
            blocks.append(Block(block.price_nano_per_wh, energy_wh))
        left = None if left is None else left - energy_wh
    return blocks


def _reachable(source: Source, t: int) -> int | None:
    """Most that a ramp-limited source can come up to by interval t; None: no limit."""
    if source.ramp_wh is None or source.last_wh is None:
        return None
    return source.last_wh + source.ramp_wh * (t + 1)


def _supply(case: Case, operating: Operating, t: int, stored: list[int]) -> tuple[dict[str, int], list[_Dirty]]:
    """Clean energy of an interval by place, and what is left out, in the order in which it would come back."""
    clean: dict[str, int] = {}
    dirty: list[_Dirty] = []

    def add(place: str, energy_wh: int) -> None:
        clean[place] = clean.get(place, 0) + energy_wh

    for number, source in enumerate(case.sources):
        blocks = _offered(source, t)
        if operating.sources_ug_per_wh[number]:
            for at, block in enumerate(blocks):
                order = block.price_nano_per_wh, source.factor_ug_per_wh
                dirty.append(_Dirty(*order, False, number, at, source.place, block.energy_wh))
        else:
            reachable, energy_wh = _reachable(source, t), sum(block.energy_wh for block in blocks)
            add(source.place, energy_wh if reachable is None else min(energy_wh, reachable))
    for number, connection in enumerate(case.connections):
        limit_wh = connection.import_limit_wh[t]
        if operating.connections_ug_per_wh[number][t]:
            order = connection.import_nano_per_wh[t], connection.factor_ug_per_wh[t]
            dirty.append(_Dirty(*order, True, number, 0, connection.place, limit_wh))
        else:
            add(connection.place, limit_wh)
    for storage, energy_wh in zip(case.storages, stored, strict=True):
        add(storage.place, energy_wh)
    return clean, sorted(dirty)


def _readmit(
    case: Case, t: int, critical: dict[str, int], clean: dict[str, int], dirty: list[_Dirty]
) -> dict[tuple[bool, int, int], int]:
    """Energy of blocks that come back, by (connection, thing, block): of each source its first ones."""
    taken: dict[tuple[bool, int, int], int] = {}

    def take(missing_wh: int, place: str | None) -> None:
        for one in dirty:
            key = one.connection, one.thing, one.block
            energy_wh = min(missing_wh, one.energy_wh - taken.get(key, 0))
            if energy_wh > 0 and place in (None, one.place):
                taken[key] = taken.get(key, 0) + energy_wh
                missing_wh -= energy_wh

    if case.lines:
        for place in sorted(critical):
            brought_wh = sum(line.limit_wh[t] for line in case.lines if place in (line.from_place, line.to_place))
            take(critical[place] - clean.get(place, 0) - brought_wh, place)
    take(sum(critical.values()) - sum(clean.values()) - sum(taken.values()), None)
    return taken


def _admitted(
    case: Case, operating: Operating, t: int, taken: dict[tuple[bool, int, int], int]
) -> tuple[dict[int, list[Block]], dict[int, int]]:
    """Blocks of each source and import of each connection in an interval. A source that was left out keeps what it
    can not ramp down from."""
    sources: dict[int, list[Block]] = {}
    for number, source in enumerate(case.sources):
        if not operating.sources_ug_per_wh[number]:
            sources[number] = list(source.blocks[t])
            continue
        offered, sources[number] = _offered(source, t), []
        back_wh = sum(taken.get((False, number, at), 0) for at in range(len(offered)))
        left_wh = max(back_wh, _floor(source, t))
        for block in offered:
            energy_wh = min(block.energy_wh, left_wh)
            left_wh -= energy_wh
            if energy_wh:
                sources[number].append(Block(block.price_nano_per_wh, energy_wh))
    imports = {
        number: taken.get((True, number, 0), 0)
        if operating.connections_ug_per_wh[number][t]
        else connection.import_limit_wh[t]
        for number, connection in enumerate(case.connections)
    }
    return sources, imports


def _least_carbon(
    case: Case,
    t: int,
    critical: dict[str, int],
    stored: list[int],
    sources: dict[int, list[Block]],
    connections: dict[int, int],
) -> int:
    """Emission of serving critical demand: in its own place cleanest first, then (over lines) dirtiest first, so that
    no line makes the cap shed what is critical. What sources can not come down from is on top of it."""
    supply: list[tuple[int, str, int]] = []
    forced_ug = 0
    for number, source in enumerate(case.sources):
        offered_wh = sum(block.energy_wh for block in sources[number])
        forced_ug += min(_floor(source, t), offered_wh) * source.factor_ug_per_wh
        supply.append((source.factor_ug_per_wh, source.place, offered_wh))
    for number, connection in enumerate(case.connections):
        supply.append((connection.factor_ug_per_wh[t], connection.place, connections[number]))
    for storage, energy_wh in zip(case.storages, stored, strict=True):
        supply.append((storage.factor_ug_per_wh, storage.place, energy_wh))
    missing = dict(critical)
    need_ug, left = forced_ug, list[tuple[int, int]]()
    for factor, place, energy_wh in sorted(supply):
        served_wh = min(missing.get(place, 0), energy_wh)
        need_ug += served_wh * factor
        left.append((factor, energy_wh - served_wh))
        if served_wh:
            missing[place] -= served_wh
    missing_wh = sum(missing.values())
    for factor, energy_wh in reversed(left):
        served_wh = min(missing_wh, energy_wh)
        need_ug += served_wh * factor
        missing_wh -= served_wh
    return need_ug
