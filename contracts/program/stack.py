"""What a case offers, in the order in which it is taken: built once, when offers lock.

The stack of an interval holds the blocks of all sources that are not ramp-limited, import, every bid as if it were
supply at its own limit ("unserved bid"; export is a bid of the utility), and fixed demand as supply at the penalty of
its tier (shedding). Filled to all demand and all bids, one pass serves exports and flexible bids, sheds what can not
be met, and needs no special case for surplus, shortage or an empty stack.

Order: price + kappa x factor, then factor, then class. Shedding emits nothing, so it stands behind everything that
costs less than its penalty, and with a carbon weight before what is too dirty: without that a cap that can be kept by
shedding alone could not be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from contracts.program import ties
from contracts.program.arrays import Arrays
from contracts.program.case import Case, Source
from contracts.program.flows import Network, network
from contracts.program.rows import export_price, losses_wh

COLUMNS_FROM = 60
"""Things x intervals from which columns are quicker."""


class Entry(NamedTuple):
    """Energy at one price. The first three fields are its place in the order where carbon has no weight."""

    price_nano_per_wh: int
    factor_ug_per_wh: int
    kind: int
    """A class of `contracts.program.ties`."""
    energy_wh: int
    place: int
    number: int
    """Of its source, connection or demand; of an unserved bid that of the bid, behind all bids that of the connection
    that would take the export."""


class Locked(NamedTuple):
    """A case whose offers are locked."""

    case: Case
    net: Network
    round_id: bytes
    place_of: Mapping[str, int]
    wanted_wh: Sequence[Sequence[int]]
    """By interval and place: fixed demand, its losses, all bids and all that could be exported; as `stacks`."""
    ramped: Sequence[int]
    """Numbers of the ramp-limited sources."""
    reserving: Sequence[int]
    """Numbers of the sources that offer reserve."""
    reserves: int
    """How many sources and storages offer reserve."""
    stacks: Sequence[Sequence[Entry]]
    """By interval, in order; empty where there are columns."""
    columns: Any
    """`contracts.program.columns.Columns` of a large case; None: plain integers are quicker, and need no numpy."""


def lock(case: Case, in_columns: bool | None = None, known: Arrays | None = None) -> Locked:
    """Order a case that `contracts.program.validate` lets pass. `in_columns`: None, as its size wants it; `known`: the
    arrays of its program, where they are made already."""
    net = network(case)
    place_of = {place: number for number, place in enumerate(net.places)}
    if in_columns is None:
        things = len(case.sources) + len(case.demands) + len(case.bids) + 2 * len(case.connections)
        in_columns = case.intervals * things >= COLUMNS_FROM
    columns = None
    if in_columns:
        from contracts.program import columns as arrays

        columns = arrays.columns(case, place_of, known)
        arrays.ordered(columns, 0, 1)
    reserving = [number for number, source in enumerate(case.sources) if source.reserve is not None]
    return Locked(
        case,
        net,
        bytes.fromhex(case.round_id),
        place_of,
        [] if in_columns else _wanted(case, place_of),
        [number for number, source in enumerate(case.sources) if source.ramp_wh is not None],
        reserving,
        len(reserving) + sum(store.reserve is not None for store in case.storages),
        [] if in_columns else [_stack(case, place_of, interval) for interval in range(case.intervals)],
        columns,
    )


def _wanted(case: Case, place_of: Mapping[str, int]) -> list[list[int]]:
    """What the stack of each interval and place is filled to before anybody chooses anything."""
    wanted_wh = []
    demands = [(place_of[demand.place], demand.energy_wh) for demand in case.demands]
    bids = [(place_of[bid.place], bid.energy_wh) for bid in case.bids]
    bids += [(place_of[tie.place], tie.export_limit_wh) for tie in case.connections]
    for interval in range(case.intervals):
        total_wh = [0] * len(place_of)
        for place, energy_wh in demands:
            total_wh[place] += energy_wh[interval]
        total_wh = [energy_wh + losses_wh(case, energy_wh) for energy_wh in total_wh]
        for place, energy_wh in bids:
            total_wh[place] += energy_wh[interval]
        wanted_wh.append(total_wh)
    return wanted_wh


def _stack(case: Case, place_of: Mapping[str, int], interval: int) -> list[Entry]:
    """All entries of an interval in order."""
    found = [
        entry
        for index, source in enumerate(case.sources)
        if source.ramp_wh is None
        for entry in source_entries(source, place_of[source.place], index, interval)
    ]
    for index, bid in enumerate(case.bids):
        place = place_of[bid.place]
        found.append(Entry(bid.limit_nano_per_wh, 0, ties.UNSERVED, bid.energy_wh[interval], place, index))
    for index, tie in enumerate(case.connections):
        place = place_of[tie.place]
        price, limit_wh = export_price(tie, interval), tie.export_limit_wh[interval]
        found.append(Entry(price, 0, ties.UNSERVED, limit_wh, place, len(case.bids) + index))
        price, limit_wh = tie.import_nano_per_wh[interval], tie.import_limit_wh[interval]
        found.append(Entry(price, tie.factor_ug_per_wh[interval], ties.IMPORT, limit_wh, place, index))
    for index, demand in enumerate(case.demands):
        penalty = case.shed_nano_per_wh[demand.tier]
        found.append(Entry(penalty, 0, ties.SHED, demand.energy_wh[interval], place_of[demand.place], index))
    return sorted(entry for entry in found if entry.energy_wh)


def source_entries(source: Source, place: int, index: int, interval: int) -> list[Entry]:
    """The blocks of a source."""
    return [
        Entry(block.price_nano_per_wh, source.factor_ug_per_wh, ties.OFFER, block.energy_wh, place, index)
        for block in source.blocks[interval]
    ]


def claim(case: Case, kind: int, index: int, factor_ug_per_wh: int, energy_wh: int) -> ties.Claim:
    """An entry with the names that order ties."""
    match kind:
        case ties.OFFER:
            source = case.sources[index]
            return ties.Claim(factor_ug_per_wh, kind, source.organisation, source.id, energy_wh)
        case ties.IMPORT:
            tie = case.connections[index]
        case ties.SHED:
            return ties.Claim(factor_ug_per_wh, kind, case.demands[index].organisation, "", energy_wh)
        case _ if index < len(case.bids):
            return ties.Claim(factor_ug_per_wh, kind, case.bids[index].organisation, "", energy_wh)
        case _:
            tie = case.connections[index - len(case.bids)]
    return ties.Claim(factor_ug_per_wh, kind, tie.organisation, tie.id, energy_wh)
