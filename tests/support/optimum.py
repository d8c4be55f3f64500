"""The optimum of a dispatch program by another solver, over integers."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from contracts.program.rows import Program


def best(rows: Program) -> float | None:
    """Cost of the best of all integer dispatches by another solver; None: there is none."""
    if not rows.lo:
        return 0.0 if all(lo <= 0 <= hi for lo, hi in zip(rows.row_lo, rows.row_hi, strict=True)) else None
    matrix = csr_matrix((rows.values, rows.columns, rows.starts), shape=(len(rows.row_lo), len(rows.lo)))
    result = milp(
        np.array(rows.cost, float),
        integrality=np.ones(len(rows.lo)),
        constraints=LinearConstraint(matrix, np.array(rows.row_lo, float), np.array(rows.row_hi, float)),
        bounds=Bounds(rows.lo, rows.hi),
    )
    return float(result.fun) if result.status == 0 else None
