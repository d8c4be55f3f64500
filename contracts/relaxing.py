"""The answer that every node has to a case: the fallback, and what is given up where there is none.

A chain must never halt over a case, and no interval may stay without an order. So where a case can not be kept, what is
required of it goes in a fixed order, until the fallback is feasible: what passes the members' registered envelopes, for
which lines are strong enough whatever flows; the reserve; the cap on carbon; ramps. What went is on record, and
builders solve what is left. A case that is none even then (sums beyond the bounds of money) is ordered empty.

Pure. Never improves on the fallback.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from contracts.network.within import within
from contracts.program.case import Case, Solution
from contracts.program.check import Ready, check, ready
from contracts.program.fallback import fallback
from contracts.program.verdict import Refusal, Verdict

_replace = msgspec.structs.replace


class Answer(NamedTuple):
    """What is ordered where nobody builds anything better."""

    ready: Ready
    relaxed: tuple[str, ...]
    """What was given up, of `RELAXATIONS`."""
    solution: Solution
    verdict: Verdict

    @property
    def case(self) -> Case:
        """The case without what was given up."""
        return self.ready.program.case


def _without_ramps(case: Case) -> Case:
    return _replace(case, sources=tuple(_replace(one, ramp_wh=None, last_wh=None) for one in case.sources))


RELAXATIONS: tuple[tuple[str, Callable[[Case], Case]], ...] = (
    ("lines", within),
    ("reserve", lambda case: _replace(case, reserve_wh=())),
    ("carbon", lambda case: _replace(case, carbon_cap_ug=None)),
    ("ramp", _without_ramps),
)
"""In the order in which they go."""


def answer(case: Case) -> Answer | None:
    """The fallback of a case, relaxed as far as it takes; None: there is none at all."""
    relaxed: tuple[str, ...] = ()
    found = _tried(case, relaxed)
    for name, relax in RELAXATIONS:
        if found is not None:
            break
        less = relax(case)
        if less != case:
            case, relaxed = less, (*relaxed, name)
            found = _tried(case, relaxed)
    return found


def _tried(case: Case, relaxed: tuple[str, ...]) -> Answer | None:
    known = ready(case)
    if isinstance(known, Refusal):
        return None
    solution = fallback(known.locked)
    if isinstance(solution, Refusal):
        return None
    verdict = check(known, solution)
    return None if isinstance(verdict, Refusal) else Answer(known, relaxed, solution, verdict)
