"""The network as the dispatch program wants it: lines with limits in Wh per interval, and their loops."""

from __future__ import annotations

from contracts.network.records import Network
from contracts.program.case import Case, Line, Transfer
from contracts.program.flows import Cycle, cycles
from contracts.units import WH_MS, energy_wh


def program_lines(network: Network, interval_ms: int, intervals: int) -> tuple[Line, ...]:
    """`Case.lines` of so many intervals, in the order of the network."""
    return tuple(
        Line(
            id=line.id,
            from_place=line.from_place,
            to_place=line.to_place,
            limit_wh=(energy_wh(line.limit_w, interval_ms),) * intervals,
            reactance_npu=line.reactance_npu,
        )
        for line in network.lines
    )


def program_transfers(network: Network, interval_ms: int) -> tuple[Transfer, ...]:
    """`Case.transfers`."""
    return tuple(
        Transfer(
            organisation=one.member,
            place=one.place,
            import_wh=energy_wh(one.import_w, interval_ms),
            export_wh=energy_wh(one.export_w, interval_ms),
        )
        for one in network.transfers
    )


def loops(network: Network) -> tuple[Cycle, ...]:
    """The basis of loops that every case of this network has: it follows from the order of its lines."""
    return cycles(Case("loops", 1, 1, "00" * 32, lines=program_lines(network, WH_MS, 1)))
