"""The answer that every node has to a case: the fallback, and what is given up where there is none.

A chain must never halt over a case, and no interval may stay without an order. So where a case can not be kept, what
is required of it goes in a fixed order, until the fallback is feasible: the reserve; the cap on carbon; ramps; losses
by the pact's rule, which nobody can shed where no line brings them; at last what passes the members' registered
envelopes, for which lines are strong enough whatever flows. What went in vain comes back, so that nobody is cut off for
a reserve that is not there. What went for good is on record, and builders solve what is left. A case that is none even
then (sums beyond the bounds of money) is ordered empty.

Pure. Never improves on the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

import msgspec

from contracts.network.within import within
from contracts.program.case import Case, Solution
from contracts.program.check import Ready, check, ready
from contracts.program.fallback import fallback
from contracts.program.verdict import Refusal, Verdict

_replace = msgspec.structs.replace
_document = msgspec.json.Decoder(Case)
REMEMBERED = 2
"""Cases whose answers a process holds: that of the window that locked last, and the one before."""


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
    ("reserve", lambda case: _replace(case, reserve_wh=())),
    ("carbon", lambda case: _replace(case, carbon_cap_ug=None)),
    ("ramp", _without_ramps),
    ("losses", lambda case: _replace(case, line_loss_ppm=0)),
    ("lines", within),
)
"""In the order in which they go: what costs members least comes first."""


@lru_cache(maxsize=REMEMBERED)
def remembered(document: bytes) -> Answer | None:
    """The same of a case as it is kept: who locked it need not fill it again to judge it."""
    return answer(_document.decode(document))


def answer(case: Case) -> Answer | None:
    """The fallback of a case, relaxed as far as it takes and no further; None: there is none at all."""
    gone: tuple[str, ...] = ()
    found = _tried(case, gone)
    for name, _ in RELAXATIONS:
        if found is not None:
            break
        if _without(case, (*gone, name)) != _without(case, gone):
            gone = (*gone, name)
            found = _tried(case, gone)
    if found is None:
        return None
    for name in gone[:-1]:
        found = _tried(case, tuple(one for one in found.relaxed if one != name)) or found
    return found


def _without(case: Case, gone: Collection[str]) -> Case:
    for name, relax in RELAXATIONS:
        if name in gone:
            case = relax(case)
    return case


def _tried(case: Case, relaxed: tuple[str, ...]) -> Answer | None:
    known = ready(_without(case, relaxed))
    if isinstance(known, Refusal):
        return None
    solution = fallback(known.locked)
    if isinstance(solution, Refusal):
        return None
    verdict = check(known, solution)
    return None if isinstance(verdict, Refusal) else Answer(known, relaxed, solution, verdict)
