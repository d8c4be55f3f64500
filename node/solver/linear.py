"""The program of a case as HiGHS takes it: sparse arrays passed at once, simplex from a cold start, no presolve.

Presolve is ten times slower than the simplex on rows as long as a balance. Rows and charge states are scaled to Wh
before they are handed over, and multipliers back to the integer rows of `contracts.program.rows` afterwards: what comes
out belongs to the program that everybody checks. Floating point throughout; nothing here is exact, or believed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.program.points import row_name
from contracts.program.rows import Program
from node.errors import NodeError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, numpy.dtype[numpy.float64]]

MAX_BLAMED = 5
"""Constraints that a refusal names."""
DEFINITIONS = frozenset({"soc"})
"""Rows that say what a variable is, and limit nothing: never blamed."""
SLACK = 1e-6
"""Of a scaled row: less than this is no violation."""
ROW_WISE, MINIMISE = 2, 1
DUAL_SIMPLEX, PRIMAL_SIMPLEX = 1, 4
LOST = frozenset({"Not Set", "Unknown", "Solve error"})
"""How the dual simplex ends where magnitudes are too far apart for it; the primal one mostly is not."""


class Optimum(NamedTuple):
    """What the solver says, in units of the program."""

    point: Array
    """By variable."""
    multipliers: Array
    """By row, in nano per unit of the row; positive where more would cost more."""
    cost_nano: float
    seconds: float
    """Of processor time."""


class _Model(NamedTuple):
    """Arrays of a scaled program: columns in `column_scale` units of the variable, rows in `row_scale` of the row."""

    column_scale: Array
    row_scale: Array
    cost: Array
    lo: Array
    hi: Array
    row_lo: Array
    row_hi: Array
    starts: Any
    columns: Any
    values: Array


def solve(program: Program, seconds: float, tightened: Mapping[int, tuple[int, int]] | None = None) -> Optimum:
    """The optimum of a program in real numbers; `tightened` rows have these ends instead of their own.

    Raises NodeError `solver.infeasible` with the constraints that exclude each other, `solver.unbounded`,
    `solver.time` after `seconds`, `solver.failed`.
    """
    import numpy as np

    model = _model(program, tightened or {})
    start = time.process_time()
    for strategy in (DUAL_SIMPLEX, PRIMAL_SIMPLEX):
        highs = _highs(seconds, strategy)
        _run(highs, model)
        status = highs.modelStatusToString(highs.getModelStatus())
        if status not in LOST:
            break
    taken = time.process_time() - start
    match status:
        case "Optimal":
            pass
        case "Infeasible" | "Primal infeasible or unbounded":
            raise _infeasible(program, model, seconds)
        case "Unbounded":
            raise NodeError(
                "solver.unbounded",
                "The solver found no end to how cheap this case may become.",
                "Every variable has a finite box, so check the magnitudes of prices and energies.",
            )
        case "Time limit reached":
            raise out_of_time(seconds)
        case _:
            raise _failed(status)
    answer = highs.getSolution()
    point = np.array(answer.col_value) * model.column_scale
    multipliers = np.array(answer.row_dual) / model.row_scale
    if not (np.isfinite(point).all() and np.isfinite(multipliers).all()):
        raise _failed("an answer that is not finite")
    return Optimum(point, multipliers, highs.getObjectiveValue(), taken)


def _failed(how: str) -> NodeError:
    return NodeError(
        "solver.failed",
        f"The solver stopped with: {how}.",
        "Magnitudes that differ by less, or another builder, may help.",
    )


def out_of_time(seconds: float) -> NodeError:
    """The solver took too long."""
    return NodeError(
        "solver.time", f"The solver was not done after {seconds:g} seconds.", "Give it more, or solve a smaller case."
    )


def _infeasible(program: Program, model: _Model, seconds: float) -> NodeError:
    """Which constraints no dispatch can meet: those that give way where all may, at the least sum of scaled slack."""
    import numpy as np

    elastic = np.array(
        [number for kind, span in program.rows.items() if kind not in DEFINITIONS for number in span], dtype=np.int64
    )
    width, count, height = len(model.cost), len(elastic), len(model.row_lo)
    # Each such row gets two columns that lift and lower its activity.
    lengths = np.diff(model.starts)
    owner: Any = np.repeat(np.arange(height), lengths)
    rows = np.concatenate([owner, elastic, elastic])
    order = np.argsort(rows, kind="stable")
    columns = np.concatenate([model.columns, np.arange(width, width + 2 * count)])[order]
    values = np.concatenate([model.values, np.ones(count), -np.ones(count)])[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=height))])
    relaxed = model._replace(
        cost=np.concatenate([np.zeros(width), np.ones(2 * count)]),
        lo=np.concatenate([model.lo, np.zeros(2 * count)]),
        hi=np.concatenate([model.hi, np.full(2 * count, np.inf)]),
        # Where the boxes alone exclude a row, its ends are the wrong way round.
        row_hi=np.maximum(model.row_lo, model.row_hi),
        starts=starts,
        columns=columns,
        values=values,
    )
    highs = _highs(seconds)
    _run(highs, relaxed)
    slack = np.array(highs.getSolution().col_value)[width:]
    given = slack[:count] + slack[count:] if len(slack) == 2 * count else np.zeros(count)
    worst = [int(at) for at in np.argsort(-given, kind="stable") if given[at] > SLACK]
    names = [row_name(program, int(elastic[at])) for at in worst[:MAX_BLAMED]]
    more = f" and {len(worst) - MAX_BLAMED} more" if len(worst) > MAX_BLAMED else ""
    blamed = f"{', '.join(names)}{more}" if names else "no single constraint"
    return NodeError(
        "solver.infeasible",
        f"No dispatch meets all constraints of this case; what has to give way: {blamed}.",
        "Loosen these constraints, or offer more of what they need.",
    )


def _model(program: Program, tightened: Mapping[int, tuple[int, int]]) -> _Model:
    import numpy as np

    column_scale = np.ones(len(program.cost))
    charge_states = program.variables["soc"]
    stores = program.case.storages
    for at, store in enumerate(stores):
        column_scale[charge_states.start + at : charge_states.stop : len(stores)] = (
            store.efficiency_n * store.efficiency_d
        )
    starts = np.array(program.starts, dtype=np.int32)
    columns = np.array(program.columns, dtype=np.int32)
    values = np.array(program.values, dtype=np.float64) * column_scale[columns]
    owner: Any = np.repeat(np.arange(len(program.row_lo)), np.diff(starts))
    row_scale = np.ones(len(program.row_lo))
    np.maximum.at(row_scale, owner, np.abs(values))
    row_lo = np.array(program.row_lo, dtype=np.float64)
    row_hi = np.array(program.row_hi, dtype=np.float64)
    for number, (low, high) in tightened.items():
        row_lo[number], row_hi[number] = low, high
    return _Model(
        column_scale,
        row_scale,
        np.array(program.cost, dtype=np.float64) * column_scale,
        np.array(program.lo, dtype=np.float64) / column_scale,
        np.array(program.hi, dtype=np.float64) / column_scale,
        row_lo / row_scale,
        row_hi / row_scale,
        starts,
        columns,
        values / row_scale[owner],
    )


def _highs(seconds: float, strategy: int = DUAL_SIMPLEX) -> Any:
    import highspy

    highs = highspy.Highs()
    for name, value in (
        ("output_flag", False),
        ("solver", "simplex"),
        ("simplex_strategy", strategy),
        ("presolve", "off"),
        ("threads", 1),
        ("random_seed", 0),
        ("time_limit", float(seconds)),
    ):
        highs.setOptionValue(name, value)
    return highs


def _run(highs: Any, model: _Model) -> None:
    import numpy as np

    highs.passModel(
        len(model.cost),
        len(model.row_lo),
        len(model.values),
        ROW_WISE,
        MINIMISE,
        0.0,
        model.cost,
        model.lo,
        model.hi,
        model.row_lo,
        model.row_hi,
        np.asarray(model.starts, dtype=np.int32),
        np.asarray(model.columns, dtype=np.int32),
        model.values,
        np.zeros(len(model.cost), dtype=np.int32),
    )
    highs.run()
