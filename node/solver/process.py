"""Solves a case in a process of its own, within limits of time and memory, and believes nothing of what it says.

An agent goes on whatever the solver does: hang, crash, run out of memory, or answer nonsense. Each is a code. What
comes back is checked here as every node will check it.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import NamedTuple

import msgspec

from contracts.program.case import Case, Solution
from contracts.program.check import check
from contracts.program.verdict import Refusal, Verdict
from node.errors import UNREADABLE, NodeError
from node.solver.linear import out_of_time
from node.solver.worker import Answer

MAX_ANSWER_BYTES = 16 << 20
"""A solution as JSON is at most some megabytes; anything longer is no answer."""
GRACE_S = 10.0
"""To start, read the case, check and answer, beyond the solver's own limit."""
CHUNK = 1 << 16


class Limits(NamedTuple):
    """What a solver may use."""

    seconds: float = 60.0
    memory_bytes: int = 3 << 30


DEFAULT = Limits()


class Solved(NamedTuple):
    """A feasible solution, certified or not, with the verdict that everybody will come to."""

    solution: Solution
    verdict: Verdict
    solve_s: float
    repair_s: float


async def solve(case: Case, limits: Limits = DEFAULT) -> Solved:
    """Solve a case within limits.

    Raises NodeError: what `node.solver.build.build` raises, `solver.time`, `solver.memory`, `solver.crashed` when the
    process ended without an answer, `solver.wrong` when its answer is none or no solution of this case.
    """
    raw = await _run(msgspec.json.encode(case), limits)
    try:
        answer = msgspec.json.decode(raw, type=Answer)
    except UNREADABLE:
        raise wrong("it is no answer") from None
    if answer.problem is not None:
        raise NodeError(answer.problem.code, answer.problem.message, answer.problem.hint)
    if answer.solution is None:
        raise wrong("it has no solution")
    verdict = check(case, answer.solution)
    if isinstance(verdict, Refusal):
        raise wrong(f"{verdict.where}: {verdict.message}")
    return Solved(answer.solution, verdict, answer.solve_s, answer.repair_s)


def wrong(why: str) -> NodeError:
    """The solver answered what nobody may believe."""
    return NodeError("solver.wrong", f"What the solver answered is not believed: {why}", "Nothing was used of it.")


def command(limits: Limits) -> tuple[str, ...]:
    """What is run: this very program, whatever lies in the directory where somebody calls it."""
    return (
        sys.executable,
        "-P",
        "-m",
        "node.solver.worker",
        "--seconds",
        str(limits.seconds),
        "--memory",
        str(limits.memory_bytes),
    )


async def _run(case: bytes, limits: Limits) -> bytes:
    """The standard output of a process that got the case."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command(limits), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    feeding = asyncio.create_task(_feed(process, case))
    try:
        async with asyncio.timeout(limits.seconds + GRACE_S):
            raw = await _read(process)
            await feeding
            code = await process.wait()
    except TimeoutError:
        raise out_of_time(limits.seconds) from None
    finally:
        feeding.cancel()
        if process.returncode is None:
            process.kill()
            # And not `wait`, which never returns while there is something left in a pipe.
            await process.communicate()
    if code == -signal.SIGXCPU:
        raise NodeError(
            "solver.time", f"The solver used up {limits.seconds:g} seconds.", "Give it more, or solve a smaller case."
        )
    if code:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise NodeError(
            "solver.crashed",
            f"The solver's process ended with {how} and no answer.",
            f"It may need more than {limits.memory_bytes >> 20} MiB of memory; a case it always fails on is a bug.",
        )
    return raw


async def _feed(process: asyncio.subprocess.Process, case: bytes) -> None:
    assert process.stdin is not None, "it was made with a pipe"
    # A process that ends without reading everything is judged by how it ended.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(case)
        await process.stdin.drain()
    process.stdin.close()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None, "it was made with a pipe"
    raw = bytearray()
    while chunk := await process.stdout.read(CHUNK):
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise wrong(f"it is longer than {MAX_ANSWER_BYTES >> 20} MiB.")
    return bytes(raw)
