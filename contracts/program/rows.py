"""The integer program of a case: variables, boxes, costs and rows in one canonical order.

Everybody numbers alike, because a certificate names rows by number. Kind by kind; inside a kind interval by interval,
then thing by thing in the order of the case; what can not be (a load outside its time) has no number.

    variables   box                      cost
    block       0 .. energy              price                     per interval, source and block
    import      0 .. limit               import price              per interval and connection
    unserved    0 .. energy              limit, or export price    per interval, bid, then connection: what is not taken
    shed        0 .. energy              penalty of the tier       per interval and demand
    charge      0 .. most                0                         per interval and storage
    discharge   0 .. most                wear                      per interval and storage
    soc         0 .. capacity x n x d    0                         per interval and storage, after the interval
    credit      0 .. capacity            -end value                per storage with an end value
    load        0 .. most                0                         per interval and load, in its time
    undelivered 0 .. energy              value                     per load
    reserve     0 .. min(most, ramp)     price                     per interval and source, then storage, with reserve
    flow        -limit .. limit          0                         per interval and line

    rows        range
    balance     block + import + unserved + shed + discharge - charge - load - outflow + inflow
                = demand + its losses + bids + export limits       per interval and place
    soc         soc - soc before - n*n*charge + d*d*discharge = 0  per interval and storage; the first: = start
    sharing     charge * u_d + discharge * u_c <= u_c * u_d        per interval and storage, over their divisor
    end         soc >= start, or soc - n*d*credit >= 0             per storage, after the last interval
    need        load + undelivered = energy                        per load
    ramp        -ramp <= total - total before <= ramp              per interval and ramp-limited source
    spinning    reserve >= what is needed                          per interval, where the case needs any
    headroom    total + reserve <= rating,                         per interval and provider of reserve
                or reserve - charge + discharge <= u_d
    stored      d*d*reserve <= soc                                 per interval and storage with reserve
    loop        -2 sum X <= sum +-X*flow <= 2 sum X                per interval and loop of lines
    carbon      factors x energy injected <= cap                   one, where there is a cap

Every row is a range of two finite ends: an end that it does not have is the row's own extreme over the boxes. Where
import costs less than export earns, export earns what import costs: nobody may pass energy in a circle for money.

Pure Python integers; the arrays of `contracts.program.arrays` are made from these. The case is one that
`contracts.program.validate` lets pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from math import gcd
from typing import NamedTuple

from contracts.program import flows
from contracts.program.case import Case, Connection, Source, Storage
from contracts.units import PPM

Entry = tuple[int, int]
"""Of a row: number of a variable, coefficient."""


class Program(NamedTuple):
    """A case in numbers. Row `i` has the entries `starts[i]` up to `starts[i + 1]` of `columns` and `values`."""

    case: Case
    places: tuple[str, ...]
    variables: dict[str, range]
    """Numbers of the variables of each kind, in the order above."""
    lo: tuple[int, ...]
    hi: tuple[int, ...]
    cost: tuple[int, ...]
    """In nano per unit of each variable."""
    emission: tuple[int, ...]
    """In micrograms per unit of each variable."""
    rows: dict[str, range]
    """Numbers of the rows of each kind, in the order above."""
    row_lo: tuple[int, ...]
    row_hi: tuple[int, ...]
    starts: tuple[int, ...]
    columns: tuple[int, ...]
    """Ascending inside a row."""
    values: tuple[int, ...]
    largest: tuple[int, ...]
    """Of each row: its largest coefficient without sign; 0 for a row without entries."""


class Evaluation(NamedTuple):
    """What a point comes to."""

    activity: tuple[int, ...]
    """Of each row."""
    cost_nano: int


# What things may do, in one place for all that ask


def export_price(connection: Connection, interval: int) -> int:
    """What export earns, in nano per Wh: never more than import costs."""
    return min(connection.export_nano_per_wh[interval], connection.import_nano_per_wh[interval])


def losses_wh(case: Case, demand_wh: int) -> int:
    """Delivered on top of the fixed demand of one place in one interval."""
    return -(-demand_wh * case.line_loss_ppm // PPM)


def offered_wh(source: Source, interval: int) -> int:
    """All that a source offers in an interval."""
    return sum(block.energy_wh for block in source.blocks[interval])


def rating_wh(source: Source, interval: int) -> int:
    """Most that a source delivers and holds back together."""
    return offered_wh(source, interval) if source.rating_wh is None else source.rating_wh


def most_reserve_wh(thing: Source | Storage, interval: int) -> int:
    """Most that a provider holds back: no more than it can step up by."""
    assert thing.reserve is not None, "only providers of reserve are asked"
    most_wh = thing.reserve.most_wh[interval]
    ramp_wh = thing.ramp_wh if isinstance(thing, Source) else None
    return most_wh if ramp_wh is None else min(most_wh, ramp_wh)


def providers(case: Case) -> tuple[Source | Storage, ...]:
    """Who offers reserve, in the order of a solution."""
    things: tuple[Source | Storage, ...] = (*case.sources, *case.storages)
    return tuple(thing for thing in things if thing.reserve is not None)


# The program


class _Variables:
    """Variables as they are numbered."""

    def __init__(self) -> None:
        self.spans: dict[str, range] = {}
        self.lo: list[int] = []
        self.hi: list[int] = []
        self.cost: list[int] = []

    def add(self, kind: str, boxes: Iterable[tuple[int, int]]) -> range:
        """Variables from 0 to what each has at most, with their costs."""
        first = len(self.hi)
        for hi, cost in boxes:
            self.hi.append(hi)
            self.cost.append(cost)
        self.lo += [0] * (len(self.hi) - first)
        span = self.spans[kind] = range(first, len(self.hi))
        return span


class _Rows:
    """Rows as they are numbered."""

    def __init__(self, variables: _Variables) -> None:
        self.variables = variables
        self.spans: dict[str, range] = {}
        self.lo: list[int] = []
        self.hi: list[int] = []
        self.lengths: list[int] = [0]
        self.columns: list[int] = []
        self.values: list[int] = []
        self.largest: list[int] = []

    def add(self, lo: int | None, entries: Iterable[Entry], hi: int | None) -> None:
        """One row. None: its extreme over the boxes."""
        row = sorted(entries)
        if lo is None or hi is None:
            least, most = _extremes(self.variables.lo, self.variables.hi, row)
            lo, hi = least if lo is None else lo, most if hi is None else hi
        self.lo.append(lo)
        self.hi.append(hi)
        self.lengths.append(len(row))
        self.columns += [j for j, _ in row]
        self.values += [a for _, a in row]
        self.largest.append(max((abs(a) for _, a in row), default=0))

    def end(self, kind: str) -> None:
        """All rows of this kind are there."""
        self.spans[kind] = range(sum(len(span) for span in self.spans.values()), len(self.lo))


def _extremes(lo: Sequence[int], hi: Sequence[int], entries: Sequence[Entry]) -> tuple[int, int]:
    """Least and most that a row can come to inside the boxes."""
    ends = [(a * lo[j], a * hi[j]) for j, a in entries]
    return sum(map(min, ends)), sum(map(max, ends))


def extremes(program: Program) -> Iterator[tuple[int, int]]:
    """Least and most that each row can come to inside the boxes."""
    for start, end in pairwise(program.starts):
        entries = list(zip(program.columns[start:end], program.values[start:end], strict=True))
        yield _extremes(program.lo, program.hi, entries)


def program(case: Case) -> Program:
    """The program of a case that `contracts.program.validate` lets pass."""
    variables = _Variables()
    rows = _Rows(variables)
    places = flows.places(case)
    blocks = _number(case, variables)
    emission = _emissions(case, variables, blocks)
    _write(case, places, blocks, emission, rows)
    return Program(
        case,
        places,
        variables.spans,
        tuple(variables.lo),
        tuple(variables.hi),
        tuple(variables.cost),
        tuple(emission),
        rows.spans,
        tuple(rows.lo),
        tuple(rows.hi),
        tuple(accumulate(rows.lengths)),
        tuple(rows.columns),
        tuple(rows.values),
        tuple(rows.largest),
    )


def _number(case: Case, variables: _Variables) -> list[list[range]]:
    """All variables. Returns numbers of the blocks by interval and source."""
    times = range(case.intervals)
    add = variables.add
    offered = [(source.blocks[t], t) for t in times for source in case.sources]
    span = add("block", ((block.energy_wh, block.price_nano_per_wh) for blocks, _ in offered for block in blocks))
    ends = list(accumulate((len(blocks) for blocks, _ in offered), initial=span.start))
    width = len(case.sources)
    numbers = [[range(ends[i], ends[i + 1]) for i in range(t * width, (t + 1) * width)] for t in times]
    add("import", ((tie.import_limit_wh[t], tie.import_nano_per_wh[t]) for t in times for tie in case.connections))
    add(
        "unserved",
        (
            pair
            for t in times
            for pair in (
                *((bid.energy_wh[t], bid.limit_nano_per_wh) for bid in case.bids),
                *((tie.export_limit_wh[t], export_price(tie, t)) for tie in case.connections),
            )
        ),
    )
    penalties = case.shed_nano_per_wh
    add("shed", ((demand.energy_wh[t], penalties[demand.tier]) for t in times for demand in case.demands))
    stores = case.storages
    add("charge", ((store.most_charge_wh[t], 0) for t in times for store in stores))
    add("discharge", ((store.most_discharge_wh[t], store.wear_nano_per_wh) for t in times for store in stores))
    add("soc", ((s.capacity_wh * s.efficiency_n * s.efficiency_d, 0) for _ in times for s in stores))
    add(
        "credit",
        ((s.capacity_wh, -s.end_value_nano_per_wh) for s in stores if s.end_value_nano_per_wh is not None),
    )
    add("load", ((load.most_wh, 0) for t in times for load in case.loads if load.first <= t < load.until))
    add("undelivered", ((load.energy_wh, load.value_nano_per_wh) for load in case.loads))
    reserving = providers(case)
    add(
        "reserve",
        (
            (most_reserve_wh(thing, t), thing.reserve.price_nano_per_wh)
            for t in times
            for thing in reserving
            if thing.reserve is not None
        ),
    )
    limits = add("flow", ((line.limit_wh[t], 0) for t in times for line in case.lines))
    for number in limits:
        variables.lo[number] = -variables.hi[number]
    return numbers


def _write(
    case: Case, places: tuple[str, ...], blocks: list[list[range]], emission: Sequence[int], rows: _Rows
) -> None:
    """All rows, kind by kind."""
    spans = rows.variables.spans
    times, last = range(case.intervals), case.intervals - 1
    stores = case.storages
    charge, discharge, soc = spans["charge"].start, spans["discharge"].start, spans["soc"].start
    width = len(stores)

    _balance(case, places, blocks, rows)
    rows.end("balance")

    for t in times:
        for s, store in enumerate(stores):
            n, d, at = store.efficiency_n, store.efficiency_d, t * width + s
            start = store.start_soc if t == 0 else 0
            before = [(soc + at - width, -1)] if t else []
            rows.add(start, [*before, (soc + at, 1), (charge + at, -n * n), (discharge + at, d * d)], start)
    rows.end("soc")

    for t in times:
        for s, store in enumerate(stores):
            most_c, most_d, at = store.most_charge_wh[t], store.most_discharge_wh[t], t * width + s
            divisor = gcd(most_c, most_d) or 1
            entries = [(charge + at, most_d // divisor), (discharge + at, most_c // divisor)]
            rows.add(None, entries, most_c * most_d // divisor)
    rows.end("sharing")

    credit = spans["credit"].start
    for s, store in enumerate(stores):
        final = (soc + last * width + s, 1)
        if store.end_value_nano_per_wh is None:
            rows.add(store.start_soc, [final], None)
        else:
            rows.add(0, [final, (credit, -store.efficiency_n * store.efficiency_d)], None)
            credit += 1
    rows.end("end")

    wanted: list[list[Entry]] = [[(number, 1)] for number in spans["undelivered"]]
    for number, (_, which) in zip(spans["load"], loads_at(case), strict=True):
        wanted[which].append((number, 1))
    for load, entries in zip(case.loads, wanted, strict=True):
        rows.add(load.energy_wh, entries, load.energy_wh)
    rows.end("need")

    for t, i in ramps_at(case):
        ramp, begin = case.sources[i].ramp_wh or 0, case.sources[i].last_wh or 0
        before = [(j, -1) for j in blocks[t - 1][i]] if t else []
        middle = 0 if t else begin
        rows.add(middle - ramp, [*before, *((j, 1) for j in blocks[t][i])], middle + ramp)
    rows.end("ramp")

    reserving = providers(case)
    held = spans["reserve"].start
    if case.reserve_wh:
        for t in times:
            first = held + t * len(reserving)
            rows.add(case.reserve_wh[t], [(first + i, 1) for i in range(len(reserving))], None)
    rows.end("spinning")

    sources = [i for i, source in enumerate(case.sources) if source.reserve is not None]
    storing = [s for s, store in enumerate(stores) if store.reserve is not None]
    number = held
    for t in times:
        for i in sources:
            entries = [*((j, 1) for j in blocks[t][i]), (number, 1)]
            rows.add(None, entries, rating_wh(case.sources[i], t))
            number += 1
        for s in storing:
            at = t * width + s
            entries = [(number, 1), (charge + at, -1), (discharge + at, 1)]
            rows.add(None, entries, stores[s].most_discharge_wh[t])
            number += 1
    rows.end("headroom")

    for t in times:
        for k, s in enumerate(storing):
            number = held + t * len(reserving) + len(sources) + k
            rows.add(0, [(soc + t * width + s, 1), (number, -(stores[s].efficiency_d ** 2))], None)
    rows.end("stored")

    loops = flows.cycles(case)
    for t in times:
        first = spans["flow"].start + t * len(case.lines)
        for loop in loops:
            weighed = [(first + i, sign * case.lines[i].reactance_npu) for i, sign in loop]
            most = 2 * sum(case.lines[i].reactance_npu for i, _ in loop)
            rows.add(-most, weighed, most)
    rows.end("loop")

    if case.carbon_cap_ug is not None:
        rows.add(None, [(j, factor) for j, factor in enumerate(emission) if factor], case.carbon_cap_ug)
    rows.end("carbon")


def _balance(case: Case, places: tuple[str, ...], blocks: list[list[range]], rows: _Rows) -> None:
    """Balances of all places and intervals. Walks over the things once, and not once for each place."""
    spans = rows.variables.spans
    index = {place: i for i, place in enumerate(places)}
    hi = rows.variables.hi
    waiting = [iter(loads) for loads in _by_interval(case)]
    ties = [index[tie.place] for tie in case.connections]
    takers = [*(index[bid.place] for bid in case.bids), *ties]
    shedding = [index[demand.place] for demand in case.demands]
    stores = [index[store.place] for store in case.storages]
    number = spans["load"].start
    for t in range(case.intervals):
        entries: list[list[Entry]] = [[] for _ in places]
        fixed_wh = [0] * len(places)
        wanted_wh = [0] * len(places)

        for span, source in zip(blocks[t], case.sources, strict=True):
            entries[index[source.place]] += [(j, 1) for j in span]
        for kind, standing, sign in (
            ("import", ties, 1),
            ("unserved", takers, 1),
            ("shed", shedding, 1),
            ("charge", stores, -1),
            ("discharge", stores, 1),
        ):
            first = spans[kind].start + t * len(standing)
            for k, place in enumerate(standing):
                entries[place].append((first + k, sign))
        for k, place in enumerate(takers):
            wanted_wh[place] += hi[spans["unserved"].start + t * len(takers) + k]
        for demand, place in zip(case.demands, shedding, strict=True):
            fixed_wh[place] += demand.energy_wh[t]
        for which in waiting[t]:
            entries[index[case.loads[which].place]].append((number, -1))
            number += 1
        first = spans["flow"].start + t * len(case.lines)
        for k, line in enumerate(case.lines):
            entries[index[line.from_place]].append((first + k, -1))
            entries[index[line.to_place]].append((first + k, 1))

        for row, demand_wh, bids_wh in zip(entries, fixed_wh, wanted_wh, strict=True):
            total_wh = demand_wh + losses_wh(case, demand_wh) + bids_wh
            rows.add(total_wh, row, total_wh)


def _by_interval(case: Case) -> list[list[int]]:
    """Loads that are in their time, by interval."""
    if not case.loads:
        return [[]] * case.intervals
    return [[i for i, load in enumerate(case.loads) if load.first <= t < load.until] for t in range(case.intervals)]


def loads_at(case: Case) -> list[tuple[int, int]]:
    """Interval and load of each variable of kind `load`."""
    return [(t, which) for t, loads in enumerate(_by_interval(case)) for which in loads]


def ramps_at(case: Case) -> list[tuple[int, int]]:
    """Interval and source of each row of kind `ramp`: none in the first interval where any start will do."""
    limited = [i for i, source in enumerate(case.sources) if source.ramp_wh is not None]
    return [(t, i) for t in range(case.intervals) for i in limited if t or case.sources[i].last_wh is not None]


def _emissions(case: Case, variables: _Variables, blocks: list[list[range]]) -> list[int]:
    """Micrograms per unit of every variable: energy counts where it is injected."""
    factors = [0] * len(variables.hi)
    for offered in blocks:
        for span, source in zip(offered, case.sources, strict=True):
            factors[span.start : span.stop] = [source.factor_ug_per_wh] * len(span)
    times = range(case.intervals)
    for kind, values in (
        ("import", [tie.factor_ug_per_wh[t] for t in times for tie in case.connections]),
        ("discharge", [store.factor_ug_per_wh for _ in times for store in case.storages]),
    ):
        span = variables.spans[kind]
        factors[span.start : span.stop] = values
    return factors


# Points


def evaluate(program: Program, point: Sequence[int]) -> Evaluation:
    """Activity of every row and cost of a point, exactly."""
    starts, columns, values = program.starts, program.columns, program.values
    products = [a * point[j] for j, a in zip(columns, values, strict=True)]
    return Evaluation(
        tuple(sum(products[starts[i] : starts[i + 1]]) for i in range(len(program.row_lo))),
        sum(c * x for c, x in zip(program.cost, point, strict=True)),
    )
