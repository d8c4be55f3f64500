"""The process in which a case is solved: `python -m node.solver.worker --seconds S --memory BYTES`.

Takes a case as JSON on its standard input, answers with one JSON document on its standard output, and ends. Limits
itself before it loads a solver, so that one that runs away is ended by the kernel and takes nobody with it.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Sequence

import msgspec

from contracts.program.case import Case, Solution
from node.errors import NodeError

CPU_GRACE_S = 5
"""Processor time beyond the solver's own limit, for everything around it."""


class Problem(msgspec.Struct, frozen=True):
    """A NodeError on its way between processes."""

    code: str
    message: str
    hint: str


class Answer(msgspec.Struct, frozen=True):
    """What came of a case: a solution, or a problem."""

    solution: Solution | None = None
    problem: Problem | None = None
    solve_s: float = 0.0
    repair_s: float = 0.0


def answer(raw: bytes, seconds: float) -> Answer:
    """Solve the case in a JSON document."""
    from node.solver.build import build

    try:
        built = build(msgspec.json.decode(raw, type=Case), seconds)
    except NodeError as error:
        return Answer(problem=Problem(error.code, error.message, error.hint))
    except MemoryError:
        return Answer(
            problem=Problem("solver.memory", "The solver needs more memory than it may have.", "Allow it more.")
        )
    return Answer(built.solution, None, built.solve_s, built.repair_s)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, solve, answer."""
    parser = argparse.ArgumentParser(prog="python -m node.solver.worker", description=__doc__)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--memory", type=int, required=True)
    asked = parser.parse_args(arguments)
    # One thread: others would only cost address space, which is what is limited.
    os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    resource.setrlimit(resource.RLIMIT_AS, (asked.memory, asked.memory))
    most_s = int(asked.seconds) + CPU_GRACE_S
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(msgspec.json.encode(answer(sys.stdin.buffer.read(), asked.seconds)))


if __name__ == "__main__":
    main()
