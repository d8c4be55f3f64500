"""Schedules as points of the program, points as schedules, and what its rows and variables are called.

A point has one integer for each variable. What a schedule leaves unsaid follows: the blocks of a source are taken in
the order of their prices, what is not served is unserved or shed, and a storage earns its end value for all whole Wh
that it ends with. Never judges: a schedule that breaks a limit gives a point that does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from contracts.program.arrays import Array
from contracts.program.case import Case, Source
from contracts.program.rows import Program, loads_at, providers, ramps_at
from contracts.program.verdict import Grid, Schedule


def point(program: Program, schedule: Schedule) -> list[int]:
    """The point of a schedule that has the shape of the case."""
    case = program.case
    times = range(case.intervals)
    delivered_wh = (
        energy_wh
        for t in times
        for source, row in zip(case.sources, schedule.source_wh, strict=True)
        for energy_wh in taken_wh(source, t, row[t])
    )
    not_taken_wh = (
        energy_wh
        for t in times
        for energy_wh in (
            *(bid.energy_wh[t] - row[t] for bid, row in zip(case.bids, schedule.bid_wh, strict=True)),
            *(tie.export_limit_wh[t] - row[t] for tie, row in zip(case.connections, schedule.export_wh, strict=True)),
        )
    )
    shed_wh = (
        demand.energy_wh[t] - row[t]
        for t in times
        for demand, row in zip(case.demands, schedule.served_wh, strict=True)
    )
    return list(
        chain(
            delivered_wh,
            _by_interval(schedule.import_wh, times),
            not_taken_wh,
            shed_wh,
            _by_interval(schedule.charge_wh, times),
            _by_interval(schedule.discharge_wh, times),
            _by_interval(schedule.soc, times),
            _credits(case, schedule),
            (schedule.load_wh[which][t] for t, which in loads_at(case)),
            (load.energy_wh - sum(row) for load, row in zip(case.loads, schedule.load_wh, strict=True)),
            _by_interval(schedule.reserve_wh, times),
            _by_interval(schedule.flow_wh, times),
        )
    )


def dense_point(program: Program, schedule: Schedule, taken_wh: Array) -> Array | None:
    """The point of a schedule of which the stack's part is an array already; None: a value is too large for one."""
    import numpy as np

    case, times = program.case, program.case.intervals

    def by_interval(grid: Grid) -> Array:
        return np.array(grid, np.int64).reshape(-1, times).T

    slots = [which * times + t for t, which in loads_at(case)]
    try:
        load = np.array(list(chain.from_iterable(schedule.load_wh)), np.int64)
        parts = (
            taken_wh,
            by_interval(schedule.charge_wh),
            by_interval(schedule.discharge_wh),
            by_interval(schedule.soc),
            np.array(_credits(case, schedule), np.int64),
            load[slots],
            np.array([one.energy_wh for one in case.loads], np.int64) - load.reshape(-1, times).sum(axis=1),
            by_interval(schedule.reserve_wh),
            by_interval(schedule.flow_wh),
        )
    except OverflowError:
        return None
    return np.concatenate([part.reshape(-1) for part in parts])


def _credits(case: Case, schedule: Schedule) -> list[int]:
    """Whole Wh that storages with an end value end with, where it is worth something."""
    return [
        min(store.capacity_wh, row[-1] // (store.efficiency_n * store.efficiency_d))
        if store.end_value_nano_per_wh > 0
        else 0
        for store, row in zip(case.storages, schedule.soc, strict=True)
        if store.end_value_nano_per_wh is not None
    ]


def taken_wh(source: Source, interval: int, total_wh: int) -> list[int]:
    """What each block of a source delivers of a total. What is more than all of them is left to the last."""
    blocks = source.blocks[interval]
    taken: list[int] = []
    for block in blocks[:-1]:
        taken.append(min(block.energy_wh, total_wh))
        total_wh -= taken[-1]
    return [*taken, total_wh] if blocks else []


def _by_interval(grid: Grid, times: range) -> chain[int]:
    """Values of a grid interval by interval."""
    return chain.from_iterable((row[t] for row in grid) for t in times)


def schedule(program: Program, point: Sequence[int]) -> Schedule:
    """The schedule of a point. Its blocks need not be taken in order: a source has their sum."""
    case, spans = program.case, program.variables
    times = range(case.intervals)
    source_wh = [[0] * case.intervals for _ in case.sources]
    number = spans["block"].start
    for t in times:
        for row, source in zip(source_wh, case.sources, strict=True):
            ends = number + len(source.blocks[t])
            row[t] = sum(point[number:ends])
            number = ends
    bids = len(case.bids)
    not_taken = _grid(program, point, "unserved", bids + len(case.connections))
    load_wh = [[0] * case.intervals for _ in case.loads]
    for number, (t, which) in zip(spans["load"], loads_at(case), strict=True):
        load_wh[which][t] = point[number]
    return Schedule(
        source_wh,
        _grid(program, point, "import", len(case.connections)),
        [_less(tie.export_limit_wh, row) for tie, row in zip(case.connections, not_taken[bids:], strict=True)],
        [
            _less(demand.energy_wh, row)
            for demand, row in zip(case.demands, _grid(program, point, "shed", len(case.demands)), strict=True)
        ],
        [_less(bid.energy_wh, row) for bid, row in zip(case.bids, not_taken[:bids], strict=True)],
        load_wh,
        _grid(program, point, "charge", len(case.storages)),
        _grid(program, point, "discharge", len(case.storages)),
        _grid(program, point, "soc", len(case.storages)),
        _grid(program, point, "reserve", len(providers(case))),
        _grid(program, point, "flow", len(case.lines)),
    )


def _grid(program: Program, point: Sequence[int], kind: str, width: int) -> list[list[int]]:
    """Variables of one kind by thing and interval."""
    span = program.variables[kind]
    return [list(point[span.start + thing : span.stop : width]) for thing in range(width)]


def _less(whole: Sequence[int], part: Sequence[int]) -> list[int]:
    return [w - p for w, p in zip(whole, part, strict=True)]


# Names


def variable_name(program: Program, number: int) -> str:
    """What a variable is, for people: `discharge of storage battery-1 in interval 4`."""
    case = program.case
    kind = next(kind for kind, span in program.variables.items() if number in span)
    at = number - program.variables[kind].start
    match kind:
        case "block":
            blocks = [
                f"block {block} of source {source.id} in interval {t}"
                for t in range(case.intervals)
                for source in case.sources
                for block in range(len(source.blocks[t]))
            ]
            return blocks[at]
        case "credit":
            return f"end value of storage {_valued(case)[at]}"
        case "load":
            t, which = loads_at(case)[at]
            return f"energy of load {case.loads[which].id} in interval {t}"
        case "undelivered":
            return f"what load {case.loads[at].id} does not get"
        case _:
            t, thing = divmod(at, len(_things(case, kind)))
            return f"{kind} of {_things(case, kind)[thing]} in interval {t}"


def row_name(program: Program, number: int) -> str:
    """What a row is, for people: `balance of place site in interval 4`."""
    case = program.case
    kind = next(kind for kind, span in program.rows.items() if number in span)
    at = number - program.rows[kind].start
    match kind:
        case "end":
            return f"charge at the end of storage {case.storages[at].id}"
        case "need":
            return f"energy of load {case.loads[at].id}"
        case "spinning":
            return f"reserve in interval {at}"
        case "carbon":
            return "carbon cap"
        case "ramp":
            t, which = ramps_at(case)[at]
            return f"ramp of source {case.sources[which].id} in interval {t}"
        case _:
            names = [f"place {place}" for place in program.places] if kind == "balance" else _things(case, kind)
            width = len(program.rows[kind]) // case.intervals
            t, thing = divmod(at, width)
            return f"{kind} of {names[thing] if kind != 'loop' else thing} in interval {t}"


def _things(case: Case, kind: str) -> list[str]:
    """Names of the things of a kind of variables or rows, in their order."""
    stores = [f"storage {store.id}" for store in case.storages]
    ties = [f"connection {tie.id}" for tie in case.connections]
    match kind:
        case "import":
            return ties
        case "unserved":
            return [
                *(f"bid {i} of {bid.organisation}" for i, bid in enumerate(case.bids)),
                *(f"export of {tie}" for tie in ties),
            ]
        case "shed":
            return [f"demand {i} of {demand.organisation}" for i, demand in enumerate(case.demands)]
        case "flow":
            return [f"line {line.id}" for line in case.lines]
        case "reserve" | "headroom":
            sources = [f"source {thing.id}" for thing in case.sources if thing.reserve is not None]
            return [*sources, *_storing(case)]
        case "stored":
            return _storing(case)
        case _:
            return stores


def _storing(case: Case) -> list[str]:
    return [f"storage {store.id}" for store in case.storages if store.reserve is not None]


def _valued(case: Case) -> list[str]:
    return [store.id for store in case.storages if store.end_value_nano_per_wh is not None]
