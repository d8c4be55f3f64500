"""Runs of the simulator with a fault planted, each in a process of its own, so that no fault leaks elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import NamedTuple, TypeVar

from devnet.simulator.plan import draw
from devnet.simulator.run import Run
from devnet.simulator.violations import Failure
from tests.mutants.plant import Mutant, planted
from tests.mutants.schedules import play

T = TypeVar("T")

MAX_SECONDS = 120
"""Of one processor, for one trial. Some faults make a run that never ends."""
MAX_BYTES = 4 * 2**30
"""Of addresses, for one trial."""


class Runaway(Exception):
    """A trial was stopped: it took more than it may."""


class Kill(NamedTuple):
    """What came out of a search."""

    seed: int
    oracle: str
    message: str
    tried: int
    seconds: float


def failure_of(mutant: Mutant, seed: int, behaviours: Sequence[str]) -> Failure | None:
    """How the run of a seed ends that this mutant is looked for in, without planting it."""
    if mutant.schedule is not None:
        return play(mutant.schedule)
    return Run(draw(seed, mutant.replicas, mutant.behaviours or behaviours)).go().failure


def hunt(mutant: Mutant, seeds: Iterable[int], behaviours: Sequence[str]) -> Kill | None:
    """Try seeds until one kills the mutant, in this process; a schedule is the same with any."""
    start = time.perf_counter()
    with planted(mutant):
        for tried, seed in enumerate(seeds if mutant.schedule is None else (0,), start=1):
            failure = failure_of(mutant, seed, behaviours)
            if failure is not None:
                return Kill(seed, failure.oracle, failure.message, tried, time.perf_counter() - start)
    return None


def search(mutant: Mutant, seeds: Iterable[int], behaviours: Sequence[str]) -> Kill | None:
    """Try seeds until one kills the mutant, each apart. Runs that never end prove nothing: the next seed is tried."""
    start = time.perf_counter()
    for tried, seed in enumerate(seeds if mutant.schedule is None else (0,), start=1):
        try:
            kill = apart(partial(hunt, mutant, [seed], behaviours))
        except Runaway:
            continue
        if kill is not None:
            return kill._replace(tried=tried, seconds=time.perf_counter() - start)
    return None


def apart(work: Callable[[], T]) -> T:
    """Do this in a forked process, and wait for it. Raises what it raises, and `Runaway` where it takes too much."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(work, theirs))
    child.start()
    theirs.close()
    try:
        answer: T | Exception = ours.recv()
    except EOFError:
        answer = Runaway(f"more than {MAX_SECONDS} s or {MAX_BYTES} bytes")
    finally:
        child.join()
    if isinstance(answer, Exception):
        raise answer
    return answer


def _answer(work: Callable[[], T], pipe: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    try:
        pipe.send(work())
    except MemoryError:
        os._exit(1)
    except Exception as error:
        pipe.send(error)
    pipe.close()
