"""`gridpact bench dispatch`: what a builder pays to solve a case, and what every node pays to lock it and to verify.

Everything in this process and on one thread, on the cases of `devnet.bench.dispatch_cases`. Medians of processor time,
which others on the machine disturb least; each verification is of a case that has just been locked, so that nothing of
an earlier one is left in it. `ready_s` is all that is done once per case: to see that it is one, to number it as a
program, and to order it, which is `lock_ms`.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from contracts.program.case import Case, Solution
from contracts.program.check import check, ready
from contracts.program.documents import pack
from contracts.program.rows import Program
from contracts.program.stack import lock
from contracts.program.verdict import Refusal, Verdict
from devnet.bench.dispatch_cases import BENCH, Plan, make
from devnet.errors import DevnetError
from node.solver.build import build

Say = Callable[[str], None]

VERIFICATIONS = 7
SOLVES = 3
SECONDS = 120.0
"""Longest time for one solver."""


def measure(say: Say, plans: Sequence[Plan] = BENCH) -> dict[str, Any]:
    """The report: one entry per case.

    Raises NodeError when a case can not be solved, DevnetError `bench.dispatch` when its solution fails a check.
    """
    return {"cases": [_case(plan, say) for plan in plans]}


def _case(plan: Plan, say: Say) -> dict[str, Any]:
    say(f"{plan.name}: solving")
    case = make(plan)
    built = [build(case, SECONDS) for _ in range(SOLVES)]
    solution = built[-1].solution
    say(f"{plan.name}: verifying")
    verdicts = [_verified(case, solution) for _ in range(VERIFICATIONS)]
    made, verdict = verdicts[-1].program, verdicts[-1].verdict
    packed = pack(solution)
    return {
        "name": plan.name,
        "variables": len(made.cost),
        "rows": len(made.row_lo),
        "solve_s": round(statistics.median(one.solve_s for one in built), 4),
        "repair_s": round(statistics.median(one.repair_s for one in built), 4),
        "ready_s": round(statistics.median(one.ready_s for one in verdicts), 4),
        "lock_ms": round(statistics.median(one.lock_s for one in verdicts) * 1_000, 3),
        "verify_ms": round(statistics.median(one.verify_s for one in verdicts) * 1_000, 3),
        "gap_ppm": round((verdict.cost_nano - verdict.bound_nano) * 1e6 / verdict.base_nano, 3),
        "certified": verdict.certified,
        "cost_nano": verdict.cost_nano,
        "solution_bytes": None if isinstance(packed, Refusal) else len(packed),
    }


class _Verified(NamedTuple):
    program: Program
    verdict: Verdict
    ready_s: float
    lock_s: float
    verify_s: float


def _verified(case: Case, solution: Solution) -> _Verified:
    """One verification of a case that has just been locked."""
    begin = time.process_time()
    known = ready(case)
    ready_s = time.process_time() - begin
    assert not isinstance(known, Refusal), "what was solved is a case"
    gc.collect()
    start = time.process_time()
    lock(case, known=known.arrays)
    locked = time.process_time()
    verdict = check(known, solution)
    end = time.process_time()
    if isinstance(verdict, Refusal):
        raise DevnetError("bench.dispatch", f"{case.name}: {verdict.where}: {verdict.message}", "This is a bug.")
    return _Verified(known.program, verdict, ready_s, locked - start, end - locked)
