"""Cases with solutions that have their shape, most of which keep no limit and some all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from contracts.program.case import Case, LineFlow, Multiplier, Solution
from contracts.program.check import Ready, ready
from contracts.program.rows import providers
from tests.program.cases import ROUND, cases

ONE = 2**32


@st.composite
def solved(draw: st.DrawFn, most_wh: int = 2, most_places: int = 2) -> tuple[Case, Solution]:
    """A case with a solution that has its shape, sensible more often than not, and any multipliers."""
    case = draw(cases(2, most_wh, most_places))
    small_wh = st.sampled_from((0, 0, 0, 1, most_wh))
    row = st.tuples(*[small_wh] * case.intervals)

    def grid(things: Any) -> tuple[Any, ...]:
        return tuple(draw(row) for _ in things)

    loads = tuple(
        tuple(wh if load.first <= t < load.until else 0 for t, wh in enumerate(draw(row))) for load in case.loads
    )
    flows = tuple(
        LineFlow(i, t, sign * line.limit_wh[t])
        for i, line in enumerate(case.lines)
        for t in range(case.intervals)
        if (sign := draw(st.sampled_from((0, 0, 1, -1))))
    )
    known = ready(case)
    assume(isinstance(known, Ready))
    rows = len(known.program.row_lo)
    near = st.integers(-9, 9).map(lambda price: price * ONE) | st.integers(-(2**50), 2**50)
    weights = draw(st.dictionaries(st.integers(0, rows - 1), near, max_size=rows)) if rows else {}
    solution = Solution(
        ROUND,
        grid(case.storages),
        grid(case.storages),
        loads,
        grid([one for one in case.sources if one.ramp_wh is not None]),
        grid(providers(case)),
        draw(st.integers(0, 3)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, ONE)),
        flows,
        tuple(Multiplier(row, weights[row]) for row in sorted(weights)),
    )
    return case, solution
