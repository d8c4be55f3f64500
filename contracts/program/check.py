"""One verdict on a solution: a code, or its schedule, cost, bound and prices.

Every node does this for every solution, in exact integers, and never believes who sent it: what a builder chose has to
have the shape of the case, everything else follows by rule, every limit is kept, and the weights that come with it
show how far from the optimum it is at most. What does not depend on the solution is prepared once per case.
"""

from __future__ import annotations

from itertools import pairwise
from operator import lt
from typing import NamedTuple

from contracts.program import certificate, feasible, fill, validate
from contracts.program.arrays import Arrays, arrays
from contracts.program.case import Case, Solution
from contracts.program.points import point
from contracts.program.price import prices
from contracts.program.rows import Program, evaluate, program
from contracts.program.stack import Locked, lock
from contracts.program.verdict import Refusal, Schedule, Verdict


class Ready(NamedTuple):
    """A case as it is when its offers lock: all that solutions are checked against."""

    program: Program
    locked: Locked
    arrays: Arrays | None
    base_nano: int
    threshold_nano: int


def ready(case: Case) -> Ready | Refusal:
    """Prepare a case, or say why it is none."""
    refusal = validate.problem(case)
    if refusal:
        return refusal
    numbered = program(case)
    dense = arrays(numbered)
    refusal = validate.impossible(numbered, dense)
    if refusal:
        return refusal
    return Ready(numbered, lock(case), dense, certificate.base_nano(case), certificate.threshold_nano(case))


def check(subject: Case | Ready, solution: Solution) -> Verdict | Refusal:
    """The verdict on a solution; a case that is checked against more than once is made ready before."""
    known = ready(subject) if isinstance(subject, Case) else subject
    if isinstance(known, Refusal):
        return known
    refusal = unweighable(known.program, solution)
    if refusal:
        return refusal
    chosen = fill.choice(known.locked, solution)
    if isinstance(chosen, Refusal):
        return chosen
    schedule = fill.fill(known.locked, solution)
    if isinstance(schedule, Refusal):
        return schedule
    x = point(known.program, schedule)
    refusal = feasible.broken(known.program, x) or feasible.unfair_shedding(known.locked, chosen, schedule)
    if refusal:
        return refusal
    return _verdict(known, solution, schedule, x)


def unweighable(program: Program, solution: Solution) -> Refusal | None:
    """Multipliers that do not name rows of the program in order, or are too large for them."""
    rows = len(program.row_lo)
    numbers = [multiplier.row for multiplier in solution.multipliers[: rows + 1]]
    if not all(map(lt, numbers, numbers[1:])):
        position = next(at for at, (before, number) in enumerate(pairwise(numbers), 1) if number <= before)
        text = f"Row {numbers[position]} comes after row {numbers[position - 1]}; name each row once, ascending."
        return Refusal("dispatch.multiplier-order", f"multipliers[{position}].row", text)
    if numbers and numbers[-1] >= rows:
        text = f"There are {rows} rows, numbered from 0."
        return Refusal("dispatch.multiplier-row", f"multipliers[{len(numbers) - 1}].row", text)
    large = certificate.oversized(program, solution.multipliers)
    if large is not None:
        number = numbers[large]
        text = f"Times {program.largest[number]}, the largest coefficient of its row, it has to stay below 2^60."
        return Refusal("dispatch.multiplier-size", f"multipliers[{large}].weight", text)
    return None


def _verdict(known: Ready, solution: Solution, schedule: Schedule, x: list[int]) -> Verdict:
    numbered = known.program
    case, spans = numbered.case, numbered.variables
    cost_nano = evaluate(numbered, x).cost_nano
    bound_nano = certificate.bound_nano(certificate.bound_scaled_fast(numbered, known.arrays, solution.multipliers))
    injected = {kind: x[spans[kind].start : spans[kind].stop] for kind in ("block", "import", "discharge")}
    carbon_ug = sum(
        source.factor_ug_per_wh * sum(row) for source, row in zip(case.sources, schedule.source_wh, strict=True)
    )
    carbon_ug += sum(
        factor * energy_wh
        for tie, row in zip(case.connections, schedule.import_wh, strict=True)
        for factor, energy_wh in zip(tie.factor_ug_per_wh, row, strict=True)
    )
    carbon_ug += sum(
        store.factor_ug_per_wh * sum(row) for store, row in zip(case.storages, schedule.discharge_wh, strict=True)
    )
    served = (schedule.served_wh, schedule.bid_wh, schedule.load_wh, schedule.charge_wh, schedule.export_wh)
    priced = prices(known.locked, solution, schedule)
    return Verdict(
        schedule,
        cost_nano,
        bound_nano,
        known.base_nano,
        known.threshold_nano,
        certificate.gap_ppm(case, cost_nano, bound_nano),
        cost_nano - bound_nano <= known.threshold_nano,
        sum(map(sum, injected.values())),
        sum(sum(row) for grid in served for row in grid),
        carbon_ug,
        priced.zones,
        priced.price_nano_per_wh,
        priced.reached_wh,
    )
