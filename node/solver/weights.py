"""The carbon weight and its share: how a cap that binds is met by an order of offers.

A multiplier of the carbon row is a float, and a float orders offers that tie by chance. So the weight is the exact
ratio of the pair that ties at it, (dearer - cheaper price) / (dirtier - cleaner factor); where nothing ties, energy was
moved in time to meet the cap, and any fraction near the float gives the same order. What is taken of a tie is then
found by trying, because whole Wh make it a step function.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from contracts.program.case import MAX_WEIGHT, WEIGHT_ONE
from contracts.program.rows import Program
from node.solver.linear import Optimum

NEAR = 1e-6
"""Relative distance within which two floats may mean the same."""
MAX_NEIGHBOURS = 32
"""Of an entry among those that tie with it, that it is compared to."""
MAX_TRIES = 68
"""Of shares: two for each bit of one. Few are needed."""


def weight(program: Program, optimum: Optimum) -> Fraction:
    """Nano per microgram; 0 where no cap binds."""
    if not program.rows["carbon"]:
        return Fraction(0)
    wanted = min(-float(optimum.multipliers[program.rows["carbon"].start]), MAX_WEIGHT - 1.0)
    if wanted <= 1 / MAX_WEIGHT:
        return Fraction(0)
    tied = min(_tied(program, optimum, wanted), key=lambda one: abs(one - wanted), default=None)
    if tied is not None and abs(tied - wanted) <= NEAR * wanted:
        return tied
    return Fraction(wanted).limit_denominator(max(1, int(MAX_WEIGHT / max(1.0, wanted)) - 1))


def _tied(program: Program, optimum: Optimum, wanted: float) -> set[Fraction]:
    """Ratios of neighbours among what costs as much as the margin of its place and interval."""
    import numpy as np

    cost = np.array(program.cost, dtype=np.float64)
    factor = np.zeros(len(cost))
    row = program.rows["carbon"].start
    entries = slice(program.starts[row], program.starts[row + 1])
    factor[list(program.columns[entries])] = program.values[entries]
    columns, places = _stack(program)
    price = optimum.multipliers[places]
    near = np.abs(cost[columns] + wanted * factor[columns] - price) <= NEAR * np.maximum(1.0, np.abs(price))
    columns, times, price = columns[near], places[near] // len(program.places), price[near]
    order = np.lexsort((factor[columns], price, times))
    ratios = set()
    for at, first in enumerate(order):
        for second in order[at + 1 : at + 1 + MAX_NEIGHBOURS]:
            if times[first] != times[second] or abs(price[second] - price[first]) > NEAR * max(1.0, abs(price[first])):
                break
            apart = int(factor[columns[second]]) - int(factor[columns[first]])
            if apart:
                ratio = Fraction(int(cost[columns[first]]) - int(cost[columns[second]]), apart)
                if ratio > 0 and max(ratio.numerator, ratio.denominator) <= MAX_WEIGHT:
                    ratios.add(ratio)
    return ratios


def _stack(program: Program) -> tuple[Any, Any]:
    """Columns that rule fills, and the balance row of each."""
    import numpy as np

    balance = program.rows["balance"]
    first, last = program.starts[balance.start], program.starts[balance.stop]
    lengths = np.diff(program.starts[balance.start : balance.stop + 1])
    columns = np.array(program.columns[first:last], dtype=np.int64)
    places: Any = np.repeat(np.arange(balance.start, balance.stop), lengths)
    filled: Any = np.zeros(len(program.cost), dtype=bool)
    for kind in ("import", "unserved", "shed"):
        filled[program.variables[kind].start : program.variables[kind].stop] = True
    number = program.variables["block"].start
    for t in range(program.case.intervals):
        for source in program.case.sources:
            filled[number : number + len(source.blocks[t])] = source.ramp_wh is None
            number += len(source.blocks[t])
    return columns[filled[columns]], places[filled[columns]]


def share(emitted: Callable[[int], int], cap_ug: int, step_ug: int) -> int:
    """The largest share found whose emission is under the cap, or less than `step_ug` below it.

    `emitted` grows with the share; a share of 0 is under the cap.
    """
    low, high = 0, WEIGHT_ONE
    most_ug = emitted(high)
    if most_ug <= cap_ug:
        return high
    least_ug = emitted(low)
    for tries in range(MAX_TRIES):
        if high - low <= 1 or cap_ug - least_ug < step_ug:
            break
        # Every other time in the middle, so that a step function can not hold one end where it is.
        straight = low + (high - low) * (cap_ug - least_ug) // (most_ug - least_ug)
        middle = min(high - 1, max(low + 1, (low + high) // 2 if tries % 2 else straight))
        found_ug = emitted(middle)
        if found_ug <= cap_ug:
            low, least_ug = middle, found_ug
        else:
            high, most_ug = middle, found_ug
    return low
