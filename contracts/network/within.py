"""A dispatch case inside the static transfer envelopes: whatever is filled into it, no line is overloaded.

Around loops the fallback may find no flows that keep all limits. Then everybody keeps to its envelope, for which the
network was proven safe when it was registered (`contracts.network.transfers`): offers are cut from their dearest end,
demand from its least critical tier, storages rest. What is left needs no look at the lines.

Pure, and never gives anybody more than the case does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec.structs import replace

from contracts.program.case import Block, Blocks, Case, Transfer
from contracts.units import PPM

Room = defaultdict[tuple[str, str], int]
"""Energy that an organisation may still move at a place, in one direction, in one interval."""


def within(case: Case) -> Case:
    """The case with everything cut to `case.transfers`. Without lines nothing has to be cut."""
    if not case.lines:
        return case
    times = range(case.intervals)
    given = [_room(case.transfers, "export_wh") for _ in times]
    taken = [_room(case.transfers, "import_wh") for _ in times]
    blocks = [_offers(case, interval, given[interval]) for interval in times]
    by_tier = sorted(range(len(case.demands)), key=lambda number: case.demands[number].tier)
    demands: dict[int, tuple[int, ...]] = {}
    for number in by_tier:
        demand = case.demands[number]
        key = demand.organisation, demand.place
        demands[number] = tuple(_take(taken[t], key, demand.energy_wh[t], case.line_loss_ppm) for t in times)
    bids = tuple(
        replace(bid, energy_wh=tuple(_take(taken[t], (bid.organisation, bid.place), bid.energy_wh[t]) for t in times))
        for bid in case.bids
    )
    loads = []
    for load in case.loads:
        key = load.organisation, load.place
        most_wh = min(taken[t][key] for t in range(load.first, load.until))
        loads.append(replace(load, most_wh=min(load.most_wh, most_wh)))
        for t in range(load.first, load.until):
            taken[t][key] -= loads[-1].most_wh
    connections = []
    for tie in case.connections:
        key = tie.organisation, tie.place
        connections.append(
            replace(
                tie,
                import_limit_wh=tuple(_take(given[t], key, tie.import_limit_wh[t]) for t in times),
                export_limit_wh=tuple(_take(taken[t], key, tie.export_limit_wh[t]) for t in times),
            )
        )
    resting = (0,) * case.intervals
    return replace(
        case,
        sources=tuple(
            replace(source, blocks=tuple(blocks[t][number] for t in times))
            for number, source in enumerate(case.sources)
        ),
        storages=tuple(replace(store, most_charge_wh=resting, most_discharge_wh=resting) for store in case.storages),
        connections=tuple(connections),
        demands=tuple(replace(demand, energy_wh=demands[number]) for number, demand in enumerate(case.demands)),
        bids=bids,
        loads=tuple(loads),
    )


def _room(transfers: Sequence[Transfer], field: str) -> Room:
    room: Room = defaultdict(int)
    for transfer in transfers:
        room[transfer.organisation, transfer.place] += getattr(transfer, field)
    return room


def _take(room: Room, key: tuple[str, str], wanted_wh: int, loss_ppm: int = 0) -> int:
    """As much of this as there is room for, losses on top included."""
    energy_wh = min(wanted_wh, room[key] * PPM // (PPM + loss_ppm))
    room[key] -= energy_wh - (-energy_wh * loss_ppm // PPM)
    return energy_wh


def _offers(case: Case, interval: int, room: Room) -> list[Blocks]:
    """Blocks of each source, the cheapest of an organisation at a place first, until its envelope is full."""
    found: list[list[Block]] = [[] for _ in case.sources]
    offered = [
        (block.price_nano_per_wh, number, block)
        for number, source in enumerate(case.sources)
        for block in source.blocks[interval]
    ]
    for _, number, block in sorted(offered, key=lambda one: one[:2]):
        source = case.sources[number]
        energy_wh = _take(room, (source.organisation, source.place), block.energy_wh)
        if energy_wh:
            found[number].append(replace(block, energy_wh=energy_wh))
    return [tuple(one) for one in found]
