"""One solution out of parts: of one storage, one zone, one group of sources each, by whoever knows it best.

A part is a solution in which some rows are empty: about those things it says nothing. Flows are those of the parts that
declare any in an interval; a carbon weight is that of the parts that have one. What no part says is as in a base, which
is the fallback unless another one is given. Multipliers go together by row: any are valid, and a row that nobody weighs
only weakens the bound.

Whether the result is any good is for `contracts.program.check`, like of any other solution; a builder that composes
answers for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.program.case import Case, LineFlow, Multiplier, Solution
from contracts.program.fallback import fallback
from contracts.program.rows import providers
from contracts.program.validate import problem
from contracts.program.verdict import Refusal

MAX_PARTS = 1_024

_Rows = tuple[tuple[int, ...], ...]


def compose(case: Case, parts: Sequence[Solution], base: Solution | None = None) -> Solution | Refusal:
    """The solution that these parts make together, or where they contradict each other."""
    if len(parts) > MAX_PARTS:
        return Refusal("dispatch.size", "parts", f"There are {len(parts)}; compose at most {MAX_PARTS}.")
    named = {f"parts[{number}]": part for number, part in enumerate(parts)} | ({"base": base} if base else {})
    for name, part in named.items():
        if part.round_id != case.round_id:
            text = f"It solves round {part.round_id}, and this is round {case.round_id}."
            return Refusal("dispatch.round", f"{name}.round_id", text)
    if refusal := problem(case):
        return refusal
    whole = fallback(case) if base is None else base
    if isinstance(whole, Refusal):
        return whole
    rows: dict[str, _Rows] = {}
    for name, things in (
        ("charge_wh", [store.id for store in case.storages]),
        ("discharge_wh", [store.id for store in case.storages]),
        ("load_wh", [load.id for load in case.loads]),
        ("total_wh", [source.id for source in case.sources if source.ramp_wh is not None]),
        ("reserve_wh", [thing.id for thing in providers(case)]),
    ):
        made = _rows(name, things, case.intervals, parts, whole)
        if isinstance(made, Refusal):
            return made
        rows[name] = made
    flows = _flows(case, parts, whole)
    weight = _weight(parts, whole)
    if isinstance(flows, Refusal) or isinstance(weight, Refusal):
        return flows if isinstance(flows, Refusal) else weight
    weights: dict[int, Multiplier] = {}
    for part in (*parts, whole):
        for multiplier in part.multipliers:
            weights.setdefault(multiplier.row, multiplier)
    return msgspec.structs.replace(
        weight,
        **rows,
        flows=flows,
        multipliers=tuple(weights[number] for number in sorted(weights)),
        voltages=next((part.voltages for part in parts if part.voltages), whole.voltages),
    )


def _rows(name: str, things: list[str], times: int, parts: Sequence[Solution], base: Solution) -> _Rows | Refusal:
    """One row for each thing."""
    made: dict[int, tuple[int, ...]] = {}
    for number, part in enumerate(parts):
        said: _Rows = getattr(part, name)
        if len(said) not in (0, len(things)) or any(len(row) not in (0, times) for row in said):
            text = f"Give {len(things)} rows, each empty or of {times} values, or none at all."
            return Refusal("dispatch.shape", f"parts[{number}].{name}", text)
        for thing, row in enumerate(said):
            if row and made.setdefault(thing, row) != row:
                text = f"Another part says otherwise about {things[thing]}; leave its row empty in one of them."
                return Refusal("dispatch.parts", f"parts[{number}].{name}[{thing}]", text)
    whole: _Rows = getattr(base, name)
    if len(whole) != len(things) or any(len(row) != times for row in whole):
        return Refusal("dispatch.shape", f"base.{name}", f"Give {len(things)} rows of {times} values.")
    return tuple(made.get(thing, whole[thing]) for thing in range(len(things)))


def _flows(case: Case, parts: Sequence[Solution], base: Solution) -> tuple[LineFlow, ...] | Refusal:
    """Declared flows of the parts, and of the base in intervals of which no part declares any."""
    made: dict[tuple[int, int], LineFlow] = {}
    for number, part in enumerate(parts):
        for flow in part.flows:
            if made.setdefault((flow.interval, flow.line), flow) != flow:
                text = f"Another part says otherwise about line {flow.line} in interval {flow.interval}."
                return Refusal("dispatch.parts", f"parts[{number}].flows", text)
    spoken = {interval for interval, _ in made}
    made |= {(flow.interval, flow.line): flow for flow in base.flows if flow.interval not in spoken}
    return tuple(made[key] for key in sorted(made))


def _weight(parts: Sequence[Solution], base: Solution) -> Solution | Refusal:
    """The base with the carbon weight and share of the parts that have one."""
    found = None
    for number, part in enumerate(parts):
        weight = (part.kappa_num, part.kappa_den, part.theta)
        if not part.kappa_num and not part.theta:
            continue
        if found not in (None, weight):
            text = "Another part has another carbon weight or share; all of a dispatch has one."
            return Refusal("dispatch.parts", f"parts[{number}].kappa_num", text)
        found = weight
    if found is None:
        return base
    return msgspec.structs.replace(base, kappa_num=found[0], kappa_den=found[1], theta=found[2])
