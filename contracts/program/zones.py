"""Zones: what is left of the network without the lines that are at their limits.

A builder says which lines those are, by declaring their flows; what all others carry follows. So it can not choose a
flow inside a limit. In a mesh one line at its limit decides what the others carry, so all of them are declared with it
and end the zone too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.program.case import Case, LineFlow
from contracts.program.flows import Network
from contracts.program.verdict import Refusal


class Declared(NamedTuple):
    """Flows that a solution declares in one interval, and the zones that they leave."""

    flow_wh: Mapping[int, int]
    """By line."""
    zone_of: tuple[int, ...]
    """Of each place the first place of its zone."""


def declared(case: Case, net: Network, flows: Sequence[LineFlow]) -> list[Declared] | Refusal:
    """Declared flows and zones by interval, or which flow may not be declared."""
    whole = zones(net, {})
    if not flows:
        return [Declared({}, whole)] * case.intervals
    by_interval: list[dict[int, int]] = [{} for _ in range(case.intervals)]
    for flow in flows:
        if flow.line >= len(case.lines) or flow.interval >= case.intervals:
            where = f"line {flow.line} in interval {flow.interval}"
            return Refusal("dispatch.flow-unknown", where, "The case has no such line or interval; leave it out.")
        if flow.line in by_interval[flow.interval]:
            where = f"line {case.lines[flow.line].id} in interval {flow.interval}"
            return Refusal("dispatch.flow-duplicate", where, "Its flow is declared twice; declare it once.")
        by_interval[flow.interval][flow.line] = flow.flow_wh
    found = []
    for interval, flow_wh in enumerate(by_interval):
        refusal = _free_flow(case, net, interval, flow_wh) if flow_wh else None
        if refusal:
            return refusal
        found.append(Declared(flow_wh, zones(net, flow_wh) if flow_wh else whole))
    return found


def _free_flow(case: Case, net: Network, interval: int, flow_wh: Mapping[int, int]) -> Refusal | None:
    """A flow that its builder chose without a line at its limit that forces it."""
    for number, carried_wh in flow_wh.items():
        limit_wh = case.lines[number].limit_wh[interval]
        mesh = net.mesh_of[number]
        lines = net.meshes[mesh].lines if mesh >= 0 else (number,)
        missing = [case.lines[other].id for other in lines if other not in flow_wh]
        where = f"line {case.lines[number].id} in interval {interval}"
        if missing:
            text = f"It shares loops with line {missing[0]}, whose flow is not declared; declare all of them or none."
            return Refusal("dispatch.flow-mesh", where, text)
        if abs(carried_wh) > limit_wh:
            text = f"It carries {carried_wh} Wh and may carry {limit_wh} Wh."
            return Refusal("dispatch.line-limit", where, text)
        if not any(abs(flow_wh[other]) == case.lines[other].limit_wh[interval] for other in lines):
            text = (
                f"It carries {carried_wh} Wh of {limit_wh} Wh; only a line at its limit, and what shares loops with "
                "it, may be declared. Leave it out: its flow follows."
            )
            return Refusal("dispatch.flow-free", where, text)
    return None


def zones(net: Network, removed: Mapping[int, int]) -> tuple[int, ...]:
    """Of each place the first place that it is joined with by lines that are not removed."""
    group = list(range(len(net.places)))
    for place, nearer, number, _ in reversed(net.tree):
        if number not in removed:
            group[place] = group[nearer]
    first: dict[int, int] = {}
    return tuple(first.setdefault(root, place) for place, root in enumerate(group))
