"""Networks beside cases in files: voltages attached to a solution, and checked as the ledger checks them.

The file is that of `gridpact govern propose-network`. Lines and their limits are those of the case; the network adds
what a case does not say: admittances, voltages, reactive power.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from contracts.codes import describe
from contracts.network.power import examine
from contracts.network.records import Network
from contracts.network.registration import problem_alone
from contracts.program.case import Case, Solution
from contracts.program.flows import places
from contracts.program.verdict import Refusal, Schedule
from node.dispatch.documents import refused
from node.errors import NodeError
from node.genesis_file import load_network

MINUTE_MS = 60_000


class Wires(NamedTuple):
    """A network that fits a case, and the length of its intervals."""

    network: Network
    interval_ms: int


def read(path: Path, minutes: int, case: Case) -> Wires:
    """The network of a file. Raises NodeError `genesis.*`, `network.*`."""
    network, interval_ms = load_network(path), minutes * MINUTE_MS
    found = problem_alone(network, interval_ms)
    if found is not None:
        raise NodeError(found.code, f"{path}, {found.where}: {found.message}.", describe(found.code).hint)
    known = {place.id for place in network.places}
    for place in places(case) if case.lines else ():
        if place not in known:
            raise NodeError(
                "network.place", f'{path} has no place "{place}", and the case has.', describe("network.place").hint
            )
    return Wires(network, interval_ms)


def attached(wires: Wires, case: Case, solution: Solution, schedule: Schedule) -> Solution:
    """The solution with its voltages. Raises NodeError `solver.voltages`."""
    from node.solver.powerflow import attach

    return attach(wires.network, case, solution, schedule, wires.interval_ms)


def examined(wires: Wires, case: Case, solution: Solution, schedule: Schedule) -> dict[str, Any]:
    """What the voltages come to in each binding interval. Raises NodeError `network.*`."""
    found = examine(wires.network, case, solution, schedule, wires.interval_ms)
    if isinstance(found, Refusal):
        raise refused(found)
    return {"loss_wh": [one.loss_wh for one in found], "slack_extra_wh": [one.extra_wh for one in found]}
