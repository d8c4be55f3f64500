"""What became of private billing cycles, read from one node and added up again as points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contracts.cycles import cycle_of
from contracts.private.points import combine, total, with_public
from devnet.observation import CycleView
from devnet.scenario import Scenario
from node.client import Client


async def private_cycles(client: Client, scenario: Scenario) -> tuple[CycleView, ...]:
    """Every private billing cycle of a run; none where the scenario has none."""
    if scenario.private is None:
        return ()
    first = cycle_of(scenario.params, scenario.first_interval)
    campuses = sorted({meter.private.campus for meter in scenario.meters if meter.private is not None})
    found = []
    for number in range(first, first + scenario.private.cycles):
        for campus in campuses:
            answer = await client.query("cycle", number, campus)
            found.append(_view(answer["data"], scenario))
    return tuple(found)


def _view(data: Mapping[str, Any], scenario: Scenario) -> CycleView:
    sources = {meter.id for meter in scenario.meters if meter.kind == "source"}
    uses = [one for one in data["uses"] if not one["wrong"]]
    estimated_wh = sum(int(one["energy_wh"]) for one in data["estimates"])
    used = total(bytes.fromhex(one["point"]) for one in uses if one["meter"] not in sources)
    whole = with_public(used, estimated_wh - int(data["returned_wh"]))
    shares = [None if one["bill"] is None else bytes.fromhex(one["bill"]) for one in data["shares"]]
    split = with_public(combine(*((point, 1) for point in shares)), int(data["held_wh"]))
    stated = None if data["total"] is None else bytes.fromhex(data["total"])
    unpaid = [one["meter"] for one in uses if one["meter"] not in sources and not one["paid"]]
    unpaid += [one["meter"] for one in data["shares"] if not one["paid"]]
    return CycleView(
        campus=str(data["campus"]),
        cycle=int(data["cycle"]),
        phase=str(data["phase"]),
        uses=len(uses),
        wide=tuple(str(one["meter"]) for one in uses if one["wide"]),
        named=tuple((str(one["member"]), str(one["meter"]), str(one["reason"])) for one in data["named"]),
        outcomes={str(one["meter"]): str(one["outcome"]) for one in data["shares"]},
        unpaid=tuple(unpaid),
        estimated_wh=estimated_wh,
        adds_up=stated == whole == split,
    )
