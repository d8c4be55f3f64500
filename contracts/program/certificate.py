"""A lower bound of the optimum from any multipliers, and how near to it is near enough.

With one weight Y per row and R = 2^32 c - A'Y, for every point x of the program

    2^32 c x = Y A x + R x >= sum_i min(lo_i Y_i, hi_i Y_i) + sum_j min(l_j R_j, u_j R_j) = 2^32 L

because A x is within the rows' ends and x within its boxes. Nothing is asked of Y: no sign, no feasibility, no
slackness. Bad weights give a low bound and no wrong one.

Pure integers. The arrays do what the reference does, where 63 bits are enough for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from contracts.program.arrays import SAFE, Array, Arrays, exact_dot
from contracts.program.case import WEIGHT_ONE, Case, Multiplier
from contracts.program.rows import Program
from contracts.units import PPM

MAX_WEIGHED = 2**60
"""What a weight x the largest coefficient of its row stays below."""


def oversized(program: Program, multipliers: Sequence[Multiplier]) -> int | None:
    """The first multiplier that is too large for its row, by its position; None: all are right."""
    weights = [abs(multiplier.weight) for multiplier in multipliers]
    largest = [program.largest[multiplier.row] for multiplier in multipliers]
    products = list(map(mul, weights, largest))
    if max(products, default=0) < MAX_WEIGHED:
        return None
    return next(position for position, product in enumerate(products) if product >= MAX_WEIGHED)


def bound_scaled(program: Program, multipliers: Sequence[Multiplier]) -> int:
    """2^32 x the bound, in nano: the reference. Rows are rows of the program, each at most once."""
    total = 0
    reduced = [WEIGHT_ONE * cost for cost in program.cost]
    for multiplier in multipliers:
        number, weight = multiplier.row, multiplier.weight
        total += min(program.row_lo[number] * weight, program.row_hi[number] * weight)
        for at in range(program.starts[number], program.starts[number + 1]):
            reduced[program.columns[at]] -= program.values[at] * weight
    return total + sum(min(lo * r, hi * r) for lo, hi, r in zip(program.lo, program.hi, reduced, strict=True))


class Weights(NamedTuple):
    """Multipliers in arrays."""

    rows: Array
    values: Array


def dense(arrays: Arrays, multipliers: Sequence[Multiplier]) -> Weights | None:
    """Multipliers in arrays, where it is plain that they are in order and of a fitting size; else None."""
    import numpy as np

    rows = np.array([multiplier.row for multiplier in multipliers], np.int64)
    try:
        values = np.array([multiplier.weight for multiplier in multipliers], np.int64)
    except OverflowError:
        return None
    if len(rows) and (rows[0] < 0 or rows[-1] >= len(arrays.row_lo) or (rows[1:] <= rows[:-1]).any()):
        return None
    # Floats are near enough to see that a product stays below half of what it has to.
    sizes = np.abs(values.astype(float)) * arrays.largest[rows]
    return Weights(rows, values) if sizes.max(initial=0) < MAX_WEIGHED / 2 else None


def bound_scaled_fast(arrays: Arrays, weights: Weights) -> int | None:
    """What the reference gives; None: a sum could leave 62 bits."""
    import numpy as np

    rows, values = weights
    # A column's sum is its cost and as many products as it has entries.
    most = (np.abs(values.astype(float)) * arrays.largest[rows]).max(initial=0)
    if most * arrays.most_entries >= SAFE / 2:
        return None
    vector: Array = np.zeros(len(arrays.row_lo), np.int64)
    vector[rows] = values
    reduced = arrays.scaled_cost - arrays.by_column.times(vector)
    low, high = arrays.row_lo[rows], arrays.row_hi[rows]
    over_rows = exact_dot(np.where(values > 0, np.minimum(low, high), np.maximum(low, high)), values)
    return over_rows + exact_dot(np.where(reduced > 0, arrays.lo, arrays.hi), reduced)


def bound_nano(scaled: int) -> int:
    """The bound in nano, rounded up: costs are whole."""
    return -(-scaled // WEIGHT_ONE)


# How near is near enough


def reference_nano(case: Case, interval: int) -> int:
    """What a Wh is worth in an interval when distances are measured: the import tariff, never below zero."""
    prices = case.reference_nano_per_wh or case.connections[0].import_nano_per_wh
    return max(0, prices[interval])


def base_nano(case: Case) -> int:
    """Fixed demand at the reference price. No builder can move it: cost itself nets towards zero with export."""
    times = range(case.intervals)
    return sum(reference_nano(case, t) * sum(demand.energy_wh[t] for demand in case.demands) for t in times)


def threshold_nano(case: Case) -> int:
    """Most by which the cost of a certified solution is above its bound, where nobody has to be shed.

    `loss_ppm` of the base; in small cases one Wh of each interval and of each storage, which whole numbers may need:
    of an interval at its own reference price, of a storage at the highest. `contracts.program.scarcity` has what a Wh
    is worth where demand has to be shed.
    """
    prices = [reference_nano(case, t) for t in range(case.intervals)]
    return max(base_nano(case) * case.loss_ppm // PPM, sum(prices) + len(case.storages) * max(prices))


def gap_ppm(base: int, cost_nano: int, bound: int) -> int:
    """Distance of a cost from a bound in parts of the base. A case without fixed demand has a base of one nano."""
    return (cost_nano - bound) * PPM // max(1, base)
