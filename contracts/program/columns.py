"""All entries of a case in arrays of int64, and the order in which they are taken.

Entries are numbered as the variables of `contracts.program.rows` are: blocks, import, unserved, shed, each interval by
interval. So what is taken of them is the beginning of a point. numpy is imported when it is used.

No value leaves 63 bits: keys stay below 2^60, and all energies of a case together below 2^61.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain, pairwise
from typing import NamedTuple

from contracts.program import ties
from contracts.program.arrays import Array, Arrays
from contracts.program.case import Bid, Case, Connection, Demand, Source
from contracts.program.rows import losses_wh, program

MAX_ORDERS = 4
"""Carbon weights whose order is kept."""
_NUMBER_BITS = 32
"""Of an entry, behind its price."""
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
    before_wh: Array
    """... what the cheaper ones of its source hold, ..."""
    most_wh: Array
    """... and what it may be said to deliver: what a source has more than all of its blocks is left to its last."""
    offered_wh: Array
    """By interval."""


class Reserving(NamedTuple):
    """The sources that offer reserve: one row each."""

    rating_wh: Array
    """By interval."""
    blocks: Array
    """All of their blocks, ..."""
    owner: Array
    """... the row of each, ..."""
    interval: Array
    before_wh: Array
    """... and what the cheaper ones of its source hold."""
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
    ends: tuple[int, ...]
    """Of blocks, imports, unserved bids and shedding."""
    by_interval: Array
    """Numbers of entries interval after interval."""
    rows: Array
    """Where each interval begins in these, and the end of all."""
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


_Thing = Source | Connection | Bid | Demand


class _Offered(NamedTuple):
    """Blocks of sources, interval by interval and source by source."""

    energy_wh: Array
    number: Array
    """Of its source."""
    interval: Array
    starts: Array
    """By interval and source: where its blocks begin, ..."""
    ends: Array
    """... and end."""
    until_wh: Array
    """Sums of the energies before each and of all."""

    def of(self, sources: Array) -> Array:
        """Blocks of some sources, which are said by source."""
        import numpy as np

        return np.flatnonzero(sources[self.number]) if sources.any() else np.zeros(0, np.int64)

    def before_wh(self, blocks: Array) -> Array:
        """What the cheaper blocks of their source hold."""
        return self.until_wh[blocks] - self.until_wh[self.starts[self.interval[blocks], self.number[blocks]]]

    def offered_wh(self, sources: Array) -> Array:
        """All that some sources offer, by source and interval."""
        return (self.until_wh[self.ends[:, sources]] - self.until_wh[self.starts[:, sources]]).T


def columns(case: Case, place_of: Mapping[str, int], known: Arrays | None) -> Columns:
    """The entries of a case. `known`: the arrays of its program, where there are some."""
    import numpy as np

    times, sources = case.intervals, case.sources
    counts = _counts(case)
    others: tuple[Sequence[_Thing], ...] = (case.connections, (*case.bids, *case.connections), case.demands)
    ends = tuple(accumulate((times * len(things) for things in others), initial=int(counts.sum())))
    count = ends[0]
    energy_wh, price, factor = _numbers(case, known, ends[-1])
    parts: list[tuple[Array, ...]] = [
        (
            np.tile(_short(place_of[thing.place] for thing in things), times),
            np.tile(_short(range(len(things))), times),
            np.repeat(_short(range(times)), len(things)),
        )
        for things in (sources, *others)
    ]
    parts[0] = tuple(np.repeat(part, counts) for part in parts[0])
    place, number, interval = (np.concatenate(column) for column in zip(*parts, strict=True))
    kinds = _short((ties.OFFER, ties.IMPORT, ties.UNSERVED, ties.SHED))
    kind: Array = np.repeat(kinds, [len(part[0]) for part in parts])
    starts = sums_until(counts)[:-1].reshape(times, len(sources))
    offered = _Offered(
        energy_wh[:count],
        number[:count],
        interval[:count],
        starts,
        starts + counts.reshape(times, len(sources)),
        sums_until(energy_wh[:count]),
    )
    by_interval, rows = _by_interval(sums_until(counts.reshape(times, len(sources)).sum(axis=1)).tolist(), ends)
    owners = np.flatnonzero(counts)
    limited = np.array([source.ramp_wh is not None for source in sources], bool)
    stack_wh = energy_wh
    if limited.any():
        stack_wh = energy_wh.copy()
        stack_wh[offered.of(limited)] = 0
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
        rows,
        owners,
        starts.reshape(-1)[owners],
        stack_wh,
        _ramped(case, place_of, offered, limited),
        _reserving(case, offered),
        _wanted(case, place_of, energy_wh, ends),
        tuple(
            whole(place_of[thing.place] for thing in things)
            for things in (sources, case.connections, case.storages, case.demands)
        ),
        {},
    )


def _counts(case: Case) -> Array:
    """How many blocks each source offers, interval by interval."""
    import numpy as np

    offers = case.intervals * len(case.sources)
    # Source by source, as they lie in memory: three times as quick as interval by interval.
    by_source = np.fromiter(map(len, chain.from_iterable(source.blocks for source in case.sources)), np.int64, offers)
    return by_source.reshape(len(case.sources), case.intervals).T.reshape(-1)


def _numbers(case: Case, known: Arrays | None, end: int) -> tuple[Array, Array, Array]:
    """Energies, prices and factors of all entries: the program has made them already."""
    import numpy as np

    if known is not None:
        return known.hi[:end], known.cost[:end], known.emission[:end]
    made = program(case)
    energy_wh, price, factor = (np.array(row[:end], np.int64) for row in (made.hi, made.cost, made.emission))
    return energy_wh, price, factor


def _by_interval(blocks: Sequence[int], ends: Sequence[int]) -> tuple[Array, Array]:
    """Numbers of all entries interval after interval, and where each begins in these and the end of all.

    `blocks`: where those of each interval begin, and the end of all. Of the other kinds all intervals have as many.
    """
    import numpy as np

    spans, times = [], len(blocks) - 1
    for t in range(times):
        spans.append((blocks[t], blocks[t + 1]))
        for first, end in pairwise(ends):
            width = (end - first) // times
            spans.append((first + t * width, first + (t + 1) * width))
    sizes = accumulate((end - first for first, end in spans), initial=0)
    return np.concatenate([np.arange(*span) for span in spans]), np.array(list(sizes)[:: len(ends)], np.int64)


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


def _short(values: Iterable[int]) -> Array:
    """Numbers of things, places and intervals, none of which has more than 15 bits: most of a large case is memory."""
    import numpy as np

    return np.array(list(values), np.int16)


def _ramped(case: Case, place_of: Mapping[str, int], offered: _Offered, limited: Array) -> Ramped:
    import numpy as np

    sources = [source for source in case.sources if source.ramp_wh is not None]
    blocks, numbers = offered.of(limited), np.flatnonzero(limited)
    number, interval = offered.number[blocks], offered.interval[blocks]
    row_of = np.cumsum(limited) - 1
    return Ramped(
        numbers,
        whole(place_of[source.place] for source in sources),
        whole(source.ramp_wh for source in sources).reshape(-1, 1),
        whole(source.last_wh or 0 for source in sources).reshape(-1, 1),
        whole(UNLIMITED if source.last_wh is None else 0 for source in sources).reshape(-1, 1),
        blocks,
        row_of[number],
        interval,
        offered.before_wh(blocks),
        np.where(blocks + 1 == offered.ends[interval, number], UNLIMITED, offered.energy_wh[blocks]),
        offered.offered_wh(numbers),
    )


def _reserving(case: Case, offered: _Offered) -> Reserving:
    import numpy as np

    offers = np.array([source.reserve is not None for source in case.sources], bool)
    rating_wh = offered.offered_wh(np.flatnonzero(offers))
    for row, source in enumerate(source for source in case.sources if source.reserve is not None):
        if source.rating_wh is not None:
            rating_wh[row] = source.rating_wh
    row_of = np.where(offers, np.cumsum(offers) - 1, -1)
    blocks = offered.of(offers)
    ramped = [i for i, source in enumerate(case.sources) if source.ramp_wh is not None]
    owner = row_of[offered.number[blocks]]
    return Reserving(rating_wh, blocks, owner, offered.interval[blocks], offered.before_wh(blocks), row_of[ramped])


def ordered(cols: Columns, kappa_num: int, kappa_den: int) -> tuple[Order, Array]:
    """Entries as they are taken with a carbon weight, and the sums of `stack_wh` before each and of all."""
    import numpy as np

    weight = (kappa_num, kappa_den) if kappa_num else (0, 1)
    if weight in cols.orders:
        return cols.orders[weight]
    key = cols.price * weight[1] + cols.factor * kappa_num if kappa_num else cols.price
    rows = pairwise(cols.rows.tolist())
    if kappa_num:
        entries = cols.by_interval.copy()
        for start, end in rows:
            row = entries[start:end]
            row[:] = row[np.argsort(key[row])]
    else:
        # A price has 29 bits: to sort numbers with it before them takes half as long as to find where each belongs.
        entries = key[cols.by_interval]
        entries <<= _NUMBER_BITS
        entries |= cols.by_interval
        for start, end in rows:
            entries[start:end].sort()
        entries &= (1 << _NUMBER_BITS) - 1
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
