"""All entries of a case in arrays of int64, and the order in which they are taken.

Entries are numbered as the variables of `contracts.program.rows` are: blocks, import, unserved, shed, each interval by
interval. So what is taken of them is the beginning of a point. numpy is imported when it is used.

No value leaves 63 bits: keys stay below 2^60, and all energies of a case together below 2^61.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from contracts.program import ties
from contracts.program.arrays import Array
from contracts.program.case import Block, Case
from contracts.program.rows import export_price, losses_wh

MAX_ORDERS = 4
"""Carbon weights whose order is kept."""
UNLIMITED = 2**42
"""More than any energy may differ by: the ramp to what nobody ordered."""


class Order(NamedTuple):
    """Entries as they are taken, market after market."""

    key: Array
    """Of each entry, by its number."""
    entries: Array
    """Numbers of entries in order."""
    rows: Array
    """Where the entries of each interval, or of each zone of one, begin; and the end of all."""
    groups: Array
    """Where entries of one key of one of them begin; and the end of all."""


class Ramped(NamedTuple):
    """The ramp-limited sources: one row each."""

    sources: Array
    places: Array
    ramp_wh: Array
    """Column."""
    last_wh: Array
    """Column; what nobody ordered is 0, ..."""
    slack_wh: Array
    """... and so far from anything that the ramp to the first interval does not limit it."""
    blocks: Array
    """All of their blocks, ..."""
    owner: Array
    """... the row of each, ..."""
    interval: Array
    most_wh: Array
    """... and what it may be said to deliver: what a source has more than all of its blocks is left to its last."""


class Reserving(NamedTuple):
    """The sources that offer reserve: one row each."""

    rating_wh: Array
    """By interval."""
    blocks: Array
    """All of their blocks, ..."""
    owner: Array
    """... and the row of each."""
    interval: Array
    ramped: Array
    """Of each ramp-limited source its row here, -1 for one that offers none."""


class Columns(NamedTuple):
    """All entries of a case."""

    energy_wh: Array
    price: Array
    factor: Array
    kind: Array
    number: Array
    """Of the source, connection, bid or demand, as in a `contracts.program.stack.Entry`."""
    place: Array
    interval: Array
    ends: tuple[int, int, int, int]
    """Of blocks, imports, unserved bids and shedding."""
    by_interval: Array
    """Numbers of entries interval after interval."""
    rows: Array
    """Where each interval begins in these, and the end of all."""
    before_wh: Array
    """Of each block: what the cheaper blocks of its source hold."""
    offered_wh: Array
    """By source and interval."""
    owners: Array
    """Interval x sources + source of those that offer something, ..."""
    first_blocks: Array
    """... and their first blocks."""
    stack_wh: Array
    """Of each entry in the stack before anybody holds reserve; ramp-limited sources are in none."""
    ramped: Ramped
    reserving: Reserving
    wanted_wh: Array
    """By interval and place."""
    places: tuple[Array, Array, Array, Array]
    """Of sources, connections, storages and demands."""
    orders: dict[tuple[int, int], tuple[Order, Array]]
    """By carbon weight, the last few; with the sums of `stack_wh` before each entry and of all."""


def columns(case: Case, place_of: Mapping[str, int]) -> Columns:
    """The entries of a case."""
    import numpy as np

    times, sources = case.intervals, case.sources
    counts, places = _block_counts(case)
    count = int(counts.sum())
    blocks = list(_blocks(case))
    parts = [
        (
            np.array([block.energy_wh for block in blocks], np.int64)[places],
            np.array([block.price_nano_per_wh for block in blocks], np.int64)[places],
            np.repeat(np.tile(whole(source.factor_ug_per_wh for source in sources), times), counts),
            np.repeat(np.tile(whole(place_of[source.place] for source in sources), times), counts),
            np.repeat(np.tile(np.arange(len(sources)), times), counts),
            np.repeat(np.repeat(np.arange(times), len(sources)), counts),
        ),
        *(_part(times, place_of, rows) for rows in _others(case)),
    ]
    energy_wh, price, factor, place, number, interval = (np.concatenate(column) for column in zip(*parts, strict=True))
    kind: Array = np.repeat([ties.OFFER, ties.IMPORT, ties.UNSERVED, ties.SHED], [len(part[0]) for part in parts])
    ends = tuple(np.cumsum([len(part[0]) for part in parts]).tolist())
    by_interval = np.argsort(interval.astype(np.uint8), kind="stable")
    starts = np.cumsum(counts) - counts
    owners = np.flatnonzero(counts)
    first = starts[owners]
    sums_wh = np.cumsum(energy_wh[:count])
    below_wh = sums_wh - energy_wh[:count]
    before_wh = below_wh - np.repeat(below_wh[first], counts[owners])
    offered_wh: Array = np.zeros(len(counts), np.int64)
    if count:
        offered_wh[owners] = np.add.reduceat(energy_wh[:count], first)
    limited = np.array([source.ramp_wh is not None for source in sources], bool)
    stack_wh = energy_wh.copy()
    stack_wh[:count][limited[number[:count]]] = 0
    return Columns(
        energy_wh,
        price,
        factor,
        kind,
        number,
        place,
        interval,
        ends,
        by_interval,
        np.concatenate([[0], np.cumsum(np.bincount(interval, minlength=times))]),
        before_wh,
        offered_wh.reshape(times, len(sources)).T,
        owners,
        first,
        stack_wh,
        _ramped(
            case, place_of, limited, (number[:count], interval[:count], energy_wh[:count]), first + counts[owners] - 1
        ),
        _reserving(case, offered_wh.reshape(times, len(sources)).T, number[:count], interval[:count]),
        _wanted(case, place_of, energy_wh, ends),
        tuple(
            whole(place_of[place] for place in things)
            for things in (
                [source.place for source in sources],
                [tie.place for tie in case.connections],
                [store.place for store in case.storages],
                [demand.place for demand in case.demands],
            )
        ),
        {},
    )


def _blocks(case: Case) -> Iterator[Block]:
    """Source by source, as they lie in memory: three times as quick as interval by interval."""
    return chain.from_iterable(chain.from_iterable(source.blocks for source in case.sources))


def _block_counts(case: Case) -> tuple[Array, Array]:
    """How many blocks each source offers, interval by interval; and where these are source by source."""
    import numpy as np

    offers = case.intervals * len(case.sources)
    by_source = np.fromiter(map(len, chain.from_iterable(source.blocks for source in case.sources)), np.int64, offers)
    starts, counts = (
        values.reshape(len(case.sources), case.intervals).T.reshape(-1)
        for values in (np.cumsum(by_source) - by_source, by_source)
    )
    shift = starts - (np.cumsum(counts) - counts)
    return counts, np.arange(int(counts.sum())) + np.repeat(shift, counts)


def _wanted(case: Case, place_of: Mapping[str, int], energy_wh: Array, ends: Sequence[int]) -> Array:
    """What the stack of each interval and place is filled to before anybody chooses anything."""
    import numpy as np

    _, import_end, unserved_end, shed_end = ends
    wanted_wh: Array = np.zeros((case.intervals, len(place_of)), np.int64)
    add_at(
        wanted_wh,
        whole(place_of[demand.place] for demand in case.demands),
        energy_wh[unserved_end:shed_end].reshape(case.intervals, -1).T,
    )
    wanted_wh += np.array([[losses_wh(case, wh) for wh in row] for row in wanted_wh.tolist()], np.int64).reshape(
        wanted_wh.shape
    )
    add_at(
        wanted_wh,
        whole(place_of[thing.place] for things in (case.bids, case.connections) for thing in things),
        energy_wh[import_end:unserved_end].reshape(case.intervals, -1).T,
    )
    return wanted_wh


def add_at(total: Array, places: Array, rows: Array) -> None:
    """Add rows by thing and interval to a total by interval and place."""
    import numpy as np

    if total.shape[1] == 1:
        total[:, 0] += rows.sum(axis=0)
    else:
        np.add.at(total.T, places, rows)


def whole(values: Iterable[int | None]) -> Array:
    """Integers as an array."""
    import numpy as np

    return np.array(list(values), np.int64)


_Thing = tuple[Sequence[int], Sequence[int], Sequence[int], str, int]
"""Energy, price and factor by interval, place, number."""


def _others(case: Case) -> tuple[list[_Thing], list[_Thing], list[_Thing]]:
    """What there is beside sources: import, unserved bids and export, shedding."""
    times = range(case.intervals)
    none = (0,) * case.intervals
    imports: list[_Thing] = [
        (tie.import_limit_wh, tie.import_nano_per_wh, tie.factor_ug_per_wh, tie.place, number)
        for number, tie in enumerate(case.connections)
    ]
    unserved: list[_Thing] = [
        (bid.energy_wh, (bid.limit_nano_per_wh,) * case.intervals, none, bid.place, number)
        for number, bid in enumerate(case.bids)
    ]
    unserved += [
        (tie.export_limit_wh, [export_price(tie, t) for t in times], none, tie.place, len(case.bids) + number)
        for number, tie in enumerate(case.connections)
    ]
    penalties = [(penalty,) * case.intervals for penalty in case.shed_nano_per_wh]
    shed: list[_Thing] = [
        (demand.energy_wh, penalties[demand.tier], none, demand.place, number)
        for number, demand in enumerate(case.demands)
    ]
    return imports, unserved, shed


def _grid(times: int, rows: Sequence[Sequence[int]]) -> Array:
    """Rows by thing as one row, interval by interval; one that many things share is read once."""
    import numpy as np

    distinct = {id(row): row for row in rows}
    place_of = {name: place for place, name in enumerate(distinct)}
    table = np.array(list(distinct.values()), np.int64).reshape(len(distinct), times)
    return table[[place_of[id(row)] for row in rows]].T.reshape(-1)


def _part(times: int, place_of: Mapping[str, int], things: Sequence[_Thing]) -> tuple[Array, ...]:
    """Energy, price, factor, place, number and interval of one kind of entries."""
    import numpy as np

    return (
        _grid(times, [thing[0] for thing in things]),
        _grid(times, [thing[1] for thing in things]),
        _grid(times, [thing[2] for thing in things]),
        np.tile(whole(place_of[thing[3]] for thing in things), times),
        np.tile(whole(thing[4] for thing in things), times),
        np.repeat(np.arange(times), len(things)),
    )


def _ramped(
    case: Case, place_of: Mapping[str, int], limited: Array, offered: tuple[Array, Array, Array], last: Array
) -> Ramped:
    import numpy as np

    number, interval, energy_wh = offered
    most_wh = energy_wh.copy()
    most_wh[last] = UNLIMITED

    sources = [source for source in case.sources if source.ramp_wh is not None]
    blocks = np.flatnonzero(limited[number])
    row_of = np.cumsum(limited) - 1
    return Ramped(
        np.flatnonzero(limited),
        whole(place_of[source.place] for source in sources),
        whole(source.ramp_wh for source in sources).reshape(-1, 1),
        whole(source.last_wh or 0 for source in sources).reshape(-1, 1),
        whole(UNLIMITED if source.last_wh is None else 0 for source in sources).reshape(-1, 1),
        blocks,
        row_of[number[blocks]],
        interval[blocks],
        most_wh[blocks],
    )


def _reserving(case: Case, offered_wh: Array, number: Array, interval: Array) -> Reserving:
    import numpy as np

    offers = np.array([source.reserve is not None for source in case.sources], bool)
    rating_wh = offered_wh[offers]
    for row, source in enumerate(source for source in case.sources if source.reserve is not None):
        if source.rating_wh is not None:
            rating_wh[row] = source.rating_wh
    row_of = np.where(offers, np.cumsum(offers) - 1, -1)
    blocks = np.flatnonzero(offers[number])
    ramped = [i for i, source in enumerate(case.sources) if source.ramp_wh is not None]
    return Reserving(rating_wh, blocks, row_of[number[blocks]], interval[blocks], row_of[ramped])


def ordered(cols: Columns, kappa_num: int, kappa_den: int) -> tuple[Order, Array]:
    """Entries as they are taken with a carbon weight, and the sums of `stack_wh` before each and of all."""
    import numpy as np

    weight = (kappa_num, kappa_den) if kappa_num else (0, 1)
    if weight in cols.orders:
        return cols.orders[weight]
    key = cols.price * weight[1] + cols.factor * kappa_num if kappa_num else cols.price
    entries = cols.by_interval.copy()
    ends = cols.rows.tolist()
    for start, end in pairwise(ends):
        row = entries[start:end]
        row[:] = row[np.argsort(key[row])]
    order = Order(key, entries, cols.rows, _groups(key[entries], cols.rows))
    if len(cols.orders) >= MAX_ORDERS:
        del cols.orders[next(iter(cols.orders))]
    cols.orders[weight] = (order, sums_until(cols.stack_wh[entries]))
    return cols.orders[weight]


def sums_until(values: Array) -> Array:
    """The sum of all values before each, and of all."""
    import numpy as np

    sums: Array = np.empty(len(values) + 1, np.int64)
    sums[0] = 0
    np.cumsum(values, out=sums[1:])
    return sums


def divided(cols: Columns, order: Order, zone_of: Mapping[int, Sequence[int]]) -> tuple[Order, list[tuple[int, int]]]:
    """The order with each of these intervals zone by zone, and interval and zone of each of its rows.

    `zone_of`: by interval the first place of the zone of each place; an interval that is not in it is one zone.
    """
    import numpy as np

    ends = cols.rows.tolist()
    if not zone_of:
        return order, [(t, 0) for t in range(len(ends) - 1)]
    entries, starts, markets = order.entries.copy(), [0], []
    for t, (start, end) in enumerate(pairwise(ends)):
        if t not in zone_of:
            starts.append(end)
            markets.append((t, 0))
            continue
        row = entries[start:end]
        zones = whole(zone_of[t])[cols.place[row]]
        row[:] = row[np.argsort(zones, kind="stable")]
        for zone in dict.fromkeys(zone_of[t]):
            starts.append(starts[-1] + int(np.count_nonzero(zones == zone)))
            markets.append((t, zone))
    rows = np.array(starts)
    return Order(order.key, entries, rows, _groups(order.key[entries], rows)), markets


def _groups(keys: Array, rows: Array) -> Array:
    """Where the key changes, or a row begins; and the end of all."""
    import numpy as np

    change: Array = np.empty(len(keys) + 1, bool)
    change[1:-1] = keys[1:] != keys[:-1]
    change[rows] = True
    change[-1] = True
    return np.flatnonzero(change)
