"""Makes a failing plan smaller while it fails by the same oracle: the fewer faults, the sooner somebody understands it.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over the faults, then
over liars, absentees, what members do besides paying, and the length of faults. Never changes what anybody starts with:
that would be another chain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from devnet.simulator.network import Weather
from devnet.simulator.plan import Liar, Plan

MAX_TRIALS = 300
"""Runs that one shrinking may take."""
SHORTEST_MS = 5


def shrink(plan: Plan, fails: Callable[[Plan], bool], max_trials: int = MAX_TRIALS) -> Plan:
    """The smallest plan found that still `fails`; `plan` itself must."""
    left = max_trials
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(plan):
            if left == 0:
                return plan
            left -= 1
            if fails(smaller):
                plan, progress = smaller, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Plans with less in them, the boldest cuts first."""
    size = len(plan.faults)
    while size:
        for start in range(0, len(plan.faults), size):
            yield replace(plan, faults=plan.faults[:start] + plan.faults[start + size :])
        size //= 2
    for position, liar in enumerate(plan.liars):
        yield replace(plan, liars=_without(plan.liars, position))
        for name in liar.behaviours if len(liar.behaviours) > 1 else ():
            fewer = Liar(liar.node, tuple(kept for kept in liar.behaviours if kept != name))
            yield replace(plan, liars=(*plan.liars[:position], fewer, *plan.liars[position + 1 :]))
    if plan.absent:
        yield replace(plan, absent=())
    if plan.governing:
        yield replace(plan, governing=False)
    for position in range(len(plan.stakes.moves)):
        moves = plan.stakes.moves[:position] + plan.stakes.moves[position + 1 :]
        yield replace(plan, stakes=replace(plan.stakes, moves=moves))
    if plan.epochs > 1:
        yield replace(plan, epochs=1)
    calm = Weather()
    if plan.weather != calm:
        yield replace(plan, weather=calm)
    for position, fault in enumerate(plan.faults):
        if fault.for_ms > SHORTEST_MS:
            shorter = replace(fault, for_ms=fault.for_ms // 2)
            yield replace(plan, faults=(*plan.faults[:position], shorter, *plan.faults[position + 1 :]))


def _without(liars: tuple[Liar, ...], position: int) -> tuple[Liar, ...]:
    return liars[:position] + liars[position + 1 :]
