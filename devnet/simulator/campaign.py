"""Many seeds on many cores, and one document about them."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count, islice
from typing import Any

import msgspec

from devnet.simulator.behaviours import BEHAVIOURS
from devnet.simulator.plan import Plan, draw
from devnet.simulator.run import Outcome, Run
from devnet.simulator.shrink import shrink
from devnet.simulator.trace import Trace

AHEAD = 4
"""Seeds that wait for each worker."""


class Campaign(msgspec.Struct, frozen=True):
    """What to try. `behaviours` are the names that liars may draw from."""

    replicas: int
    first_seed: int
    seeds: int | None
    """None: until the time is up."""
    minutes: float | None
    jobs: int
    behaviours: tuple[str, ...]


def try_seed(seed: int, replicas: int, behaviours: tuple[str, ...]) -> tuple[Outcome, float]:
    """One run, and the seconds of one core that it took."""
    start = time.process_time()
    outcome = Run(draw(seed, replicas, behaviours)).go()
    return outcome, time.process_time() - start


def campaign(
    wanted: Campaign, failed: Callable[[Outcome], None], played: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Run the seeds; `failed` hears of each failure at once, `played` of each run. Returns the document of `gridpact
    simulate --json`."""
    faults: Counter[str] = Counter()
    byzantine: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    seconds, heights, done = 0.0, 0, 0
    for outcome, took in _outcomes(wanted):
        seconds += took
        heights += outcome.heights
        done += 1
        played()
        faults.update(outcome.faults)
        byzantine.update(outcome.byzantine)
        if outcome.failure is not None:
            failures.append({"seed": outcome.seed, "oracle": outcome.failure.oracle})
            failed(outcome)
    return {
        "replicas": wanted.replicas,
        "first_seed": wanted.first_seed,
        "seeds": done,
        "failures": sorted(failures, key=lambda failure: failure["seed"]),
        "heights": heights,
        "heights_per_minute": round(60 * heights / seconds) if seconds else 0,
        "faults_injected": faults.total(),
        "byzantine_actions": byzantine.total(),
        "faults": dict(sorted(faults.items())),
        "byzantine": dict(sorted(byzantine.items())),
    }


def _outcomes(wanted: Campaign) -> Iterator[tuple[Outcome, float]]:
    """Results as they come. Workers are fresh interpreters: each has its own hash seed, so order by hash would show."""
    seeds: Iterator[int] = count(wanted.first_seed)
    if wanted.seeds is not None:
        seeds = islice(seeds, wanted.seeds)
    if wanted.minutes is not None:
        seeds = _until(time.monotonic() + 60 * wanted.minutes, seeds)
    if wanted.jobs == 1:
        for seed in seeds:
            yield try_seed(seed, wanted.replicas, wanted.behaviours)
        return
    with ProcessPoolExecutor(wanted.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: set[Future[tuple[Outcome, float]]] = set()
        while True:
            for seed in islice(seeds, AHEAD * wanted.jobs - len(waiting)):
                waiting.add(pool.submit(try_seed, seed, wanted.replicas, wanted.behaviours))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


def _until(end: float, seeds: Iterator[int]) -> Iterator[int]:
    for seed in seeds:
        if time.monotonic() >= end:
            return
        yield seed


class Replay(msgspec.Struct, frozen=True):
    """A seed run again, with its diagram; `plan` is the shrunk one when it failed."""

    drawn: Plan
    plan: Plan
    outcome: Outcome
    diagram: str


def replay(seed: int, replicas: int, behaviours: tuple[str, ...], lines: int) -> Replay:
    """Run one seed again; if it fails, find a smaller plan that fails by the same oracle, and draw that."""
    drawn = plan = draw(seed, replicas, behaviours)
    trace = Trace()
    outcome = Run(drawn, trace).go()
    failure = outcome.failure
    if failure is not None:

        def fails(smaller: Plan) -> bool:
            again = Run(smaller).go().failure
            return again is not None and again.oracle == failure.oracle

        plan, trace = shrink(drawn, fails), Trace()
        outcome = Run(plan, trace).go()
    return Replay(drawn, plan, outcome, trace.render(plan.nodes, lines))


def known_behaviours() -> tuple[str, ...]:
    """Names of all plug-ins."""
    return tuple(sorted(BEHAVIOURS))
