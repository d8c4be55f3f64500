"""One verdict on a solution: a code, or its schedule, cost, bound and prices.

Every node does this for every solution, in exact integers, and never believes who sent it: what a builder chose has to
have the shape of the case, everything else follows by rule, every limit is kept, and the weights that come with it
show how far from the optimum it is at most. What does not depend on the solution is prepared once per case.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from operator import lt, mul
from typing import NamedTuple

from contracts.program import certificate, feasible, scarcity, validate
from contracts.program.arrays import Arrays, arrays, bits, exact_dot
from contracts.program.case import Case, Solution
from contracts.program.fill import Choice, Filled, choice, fill_chosen, plain
from contracts.program.points import dense_point, point
from contracts.program.price import prices_chosen
from contracts.program.rows import Program, program
from contracts.program.stack import Locked, lock
from contracts.program.verdict import Refusal, Schedule, Verdict


class Ready(NamedTuple):
    """A case as it is when its offers lock: all that solutions are checked against."""

    program: Program
    locked: Locked
    arrays: Arrays | None
    """None: everything is done in Python's integers."""
    flexible_wh: int
    """Fixed demand, bids and export limits: all that may be served or not."""
    base_nano: int
    near_nano: int
    """How far from its bound a certified solution is at most, where nobody has to be shed."""
    penalties_nano: Mapping[int, int]
    """Of intervals that are certainly short."""
    threshold_nano: int


class Figures(NamedTuple):
    """Sums over a feasible schedule."""

    cost_nano: int
    injected_wh: int
    demand_wh: int
    carbon_ug: int


def ready(case: Case, in_arrays: bool | None = None) -> Ready | Refusal:
    """Prepare a case, or say why it is none.

    `in_arrays`: True, if numbers are small enough for them; False, never; None, if they are quicker as well.
    """
    refusal = validate.problem(case)
    if refusal:
        return refusal
    numbered = program(case)
    dense = None if in_arrays is False else arrays(numbered)
    refusal = validate.impossible(numbered, dense)
    if refusal:
        return refusal
    locked = lock(case, in_columns=in_arrays if dense else False, known=dense)
    spans = numbered.variables
    flexible_wh = sum(numbered.hi[spans["unserved"].start : spans["shed"].stop])
    near_nano, penalties = certificate.threshold_nano(case), scarcity.penalties_nano(case)
    threshold_nano = scarcity.threshold_nano(case, near_nano, penalties)
    base_nano = certificate.base_nano(case)
    return Ready(numbered, locked, dense, flexible_wh, base_nano, near_nano, penalties, threshold_nano)


def check(subject: Case | Ready, solution: Solution) -> Verdict | Refusal:
    """The verdict on a solution; a case that is checked against more than once is made ready before."""
    known = ready(subject) if isinstance(subject, Case) else subject
    if isinstance(known, Refusal):
        return known
    weights = certificate.dense(known.arrays, solution.multipliers) if known.arrays else None
    refusal = None if weights else unweighable(known.program, solution)
    if refusal:
        return refusal
    chosen = choice(known.locked, solution)
    if isinstance(chosen, Refusal):
        return chosen
    filled = fill_chosen(known.locked, chosen)
    if isinstance(filled, Refusal):
        return filled
    schedule = plain(filled.schedule)
    figures = _dense_figures(known, chosen, filled, schedule) or _figures(known, chosen, schedule)
    if isinstance(figures, Refusal):
        return figures
    scaled = certificate.bound_scaled_fast(known.arrays, weights) if known.arrays and weights else None
    if scaled is None:
        scaled = certificate.bound_scaled(known.program, solution.multipliers)
    bound_nano = certificate.bound_nano(scaled)
    priced = prices_chosen(known.locked, chosen, filled.schedule, figures.carbon_ug)
    return Verdict(
        schedule,
        figures.cost_nano,
        bound_nano,
        known.base_nano,
        known.threshold_nano,
        certificate.gap_ppm(known.base_nano, figures.cost_nano, bound_nano),
        _is_near(known, schedule, solution, figures.cost_nano - bound_nano),
        figures.injected_wh,
        figures.demand_wh,
        figures.carbon_ug,
        priced.zones,
        priced.price_nano_per_wh,
        priced.reached_wh,
    )


def _is_near(known: Ready, schedule: Schedule, solution: Solution, away_nano: int) -> bool:
    """Whether a solution so far from its bound is certified."""
    if away_nano <= known.near_nano or away_nano > known.threshold_nano:
        return away_nano <= known.near_nano
    told, near_nano = solution.multipliers, known.near_nano
    return scarcity.is_near_elsewhere(known.program, schedule, told, near_nano, known.penalties_nano)


def _figures(known: Ready, chosen: Choice, schedule: Schedule) -> Figures | Refusal:
    """Figures of a schedule in Python's integers, or the first limit that it breaks."""
    x = point(known.program, schedule)
    refusal = feasible.broken(known.program, x) or feasible.unfair_shedding(known.locked, chosen, schedule)
    if refusal:
        return refusal
    injected = (schedule.source_wh, schedule.import_wh, schedule.discharge_wh)
    served = (schedule.served_wh, schedule.bid_wh, schedule.load_wh, schedule.charge_wh, schedule.export_wh)
    return Figures(
        sum(map(mul, known.program.cost, x)),
        sum(sum(row) for grid in injected for row in grid),
        sum(sum(row) for grid in served for row in grid),
        sum(map(mul, known.program.emission, x)),
    )


def _dense_figures(known: Ready, chosen: Choice, filled: Filled, schedule: Schedule) -> Figures | Refusal | None:
    """The same by arrays. None: some number is too large for them."""
    if known.arrays is None or filled.taken_wh is None:
        return None
    x = dense_point(known.program, filled.schedule, filled.taken_wh)
    if x is None:
        return None
    refusal = feasible.broken_dense(known.program, known.arrays, x)
    if refusal is None and not feasible.surely_fair(known.program, known.arrays, x):
        refusal = feasible.unfair_shedding(known.locked, chosen, schedule)
    if refusal:
        return refusal
    spans = known.program.variables

    def wh(first: str, last: str) -> int:
        return int(x[spans[first].start : spans[last].stop].sum())

    size, dense = bits(x), known.arrays
    return Figures(
        exact_dot(x, dense.cost, size, dense.cost_bits),
        wh("block", "import") + wh("discharge", "discharge"),
        known.flexible_wh - wh("unserved", "shed") + wh("load", "load") + wh("charge", "charge"),
        exact_dot(x, dense.emission, size, dense.emission_bits),
    )


def unweighable(program: Program, solution: Solution) -> Refusal | None:
    """Multipliers that do not name rows of the program in order, or are too large for them."""
    rows = len(program.row_lo)
    numbers = [multiplier.row for multiplier in solution.multipliers[: rows + 1]]
    if not all(map(lt, numbers, numbers[1:])):
        position = next(at for at, (before, number) in enumerate(pairwise(numbers), 1) if number <= before)
        text = f"Row {numbers[position]} comes after row {numbers[position - 1]}; name each row once, ascending."
        return Refusal("dispatch.multiplier-order", f"multipliers[{position}].row", text)
    for position in (0, len(numbers) - 1) if numbers else ():
        if not 0 <= numbers[position] < rows:
            text = f"There are {rows} rows, numbered from 0."
            return Refusal("dispatch.multiplier-row", f"multipliers[{position}].row", text)
    large = certificate.oversized(program, solution.multipliers)
    if large is not None:
        number = numbers[large]
        text = f"Times {program.largest[number]}, the largest coefficient of its row, it has to stay below 2^60."
        return Refusal("dispatch.multiplier-size", f"multipliers[{large}].weight", text)
    return None
