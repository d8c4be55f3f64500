"""The power flow of a dispatch: what each binding interval puts in where, and whether the attached voltages carry it.

A dispatch counts losses by the pact's rule, as demand on top of demand. What lines really lose, the sources at the
slack place make up: they deliver so much more than the dispatch says, or less. That has to be in their power, too.

Where the network has no AC model there is nothing to attach and nothing to check.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.network.mismatch import Injection, check, model
from contracts.network.records import Network
from contracts.program.case import Case, Solution
from contracts.program.rows import offered_wh
from contracts.program.verdict import Refusal, Schedule
from contracts.units import PPM, WH_MS


class Slack(NamedTuple):
    """What one interval asks of the sources at the slack place."""

    extra_wh: int
    """More than the dispatch says; below zero where the pact's rule counts more losses than there are."""
    loss_wh: int
    """Lost in lines and shunts."""


def injection(network: Network, case: Case, schedule: Schedule, interval: int, interval_ms: int) -> Injection:
    """What a dispatch puts in at each place in an interval; losses by the pact's rule are nobody's there."""
    given, drawn = _energies(network, case, schedule, interval)
    # Wh per interval x WH_MS / interval_ms is W; reactive power is in ppm of it.
    factor = WH_MS * PPM
    return Injection(
        w=[(one - other) * factor for one, other in zip(given, drawn, strict=True)],
        var=[-energy * WH_MS * place.reactive_ppm for energy, place in zip(drawn, network.places, strict=True)],
        unit=interval_ms * PPM,
    )


def examine(
    network: Network | None, case: Case, solution: Solution, schedule: Schedule, interval_ms: int
) -> tuple[Slack, ...] | Refusal:
    """What each binding interval asks of the slack place, or the first rule that the voltages break.

    The schedule is that of the solution (`contracts.program.fill`), the network that of the case. None: there is none,
    or not that one any more, and nothing is asked: nobody loses for voltages of a network that was replaced meanwhile.
    Codes `network.*`.
    """
    if network is None:
        return ()
    wanted = 0 if network.slack is None else case.binding
    if len(solution.voltages) != wanted:
        message = f"{len(solution.voltages)} intervals have voltages; {wanted} have to"
        return Refusal("network.voltages", "voltages", message)
    if network.slack is None:
        return ()
    prepared = model(network)
    asked: list[Slack] = []
    for interval, voltages in enumerate(solution.voltages):
        where = f"interval {interval}"
        put = injection(network, case, schedule, interval, interval_ms)
        flow = check(prepared, put, voltages, where)
        if isinstance(flow, Refusal):
            return flow
        planned_wh = put.w[prepared.slack] // (WH_MS * PPM)
        extra_wh = _ceil(flow.slack_w * interval_ms, WH_MS) - planned_wh
        least_wh, most_wh = _room(network, case, schedule, interval)
        if not least_wh <= extra_wh <= most_wh:
            message = (
                f"its sources would deliver {extra_wh} Wh more than the dispatch says, and can deliver {least_wh} to "
                f"{most_wh} more"
            )
            return Refusal("network.slack", f'place "{network.slack}" in {where}', message)
        asked.append(Slack(extra_wh, _ceil(flow.loss_w * interval_ms, WH_MS)))
    return tuple(asked)


def _energies(network: Network, case: Case, schedule: Schedule, interval: int) -> tuple[list[int], list[int]]:
    """Given and drawn at each place, in Wh. What the utility takes is given less: no load with reactive power."""
    number = _numbers(network)
    given, drawn = [0] * len(network.places), [0] * len(network.places)
    ties = [tie.place for tie in case.connections]
    stores = [store.place for store in case.storages]
    for places, rows, sign, total in (
        ([source.place for source in case.sources], schedule.source_wh, 1, given),
        (ties, schedule.import_wh, 1, given),
        (ties, schedule.export_wh, -1, given),
        (stores, schedule.discharge_wh, 1, given),
        (stores, schedule.charge_wh, 1, drawn),
        ([demand.place for demand in case.demands], schedule.served_wh, 1, drawn),
        ([bid.place for bid in case.bids], schedule.bid_wh, 1, drawn),
        ([load.place for load in case.loads], schedule.load_wh, 1, drawn),
    ):
        for place, row in zip(places, rows, strict=True):
            total[number.get(place, 0)] += sign * row[interval]
    return given, drawn


def _room(network: Network, case: Case, schedule: Schedule, interval: int) -> tuple[int, int]:
    """By how much less and more sources and connections at the slack place can deliver than the dispatch says."""
    number = _numbers(network)
    slack = number[network.slack or ""]
    least = most = 0
    for source, row in zip(case.sources, schedule.source_wh, strict=True):
        if number.get(source.place, 0) == slack:
            least -= row[interval]
            most += offered_wh(source, interval) - row[interval]
    for tie, bought, sold in zip(case.connections, schedule.import_wh, schedule.export_wh, strict=True):
        if number.get(tie.place, 0) == slack:
            net_wh = bought[interval] - sold[interval]
            least -= net_wh + tie.export_limit_wh[interval]
            most += tie.import_limit_wh[interval] - net_wh
    return least, most


def _numbers(network: Network) -> dict[str, int]:
    """Number of each place. A case of a network without lines has one place of another name: the first."""
    return {place.id: number for number, place in enumerate(network.places)}


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
