"""What breaks in a run, and when it is mended: tables of a scenario file, and which of them hold at a moment.

Processes and links break for real (`devnet.run`), equipment in the simulated world (`devnet.conductor`). Breaks nothing
itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from contracts.units import Id, Meta, Ppm
from devnet.spec import Section

RESTATED_AFTER = 2
"""Intervals from a mending to the one before which the owner speaks: what it corrects is settled by then."""

Action = (
    Literal["kill", "restart", "pause", "resume", "partition", "heal", "equivocate"]
    | Literal["silence", "speak", "lose", "regain", "misread", "mend", "open", "close", "sag", "recover"]
)


class Fault(Section, frozen=True):
    """Something that breaks or is mended, some time after a run's start or at its k-th interval.

    Processes and links break for real: the runner does that. `agents` can only be killed, and start again at
    once. A node that does `equivocate` signs two votes for one height, and the others report it. Equipment breaks in
    the world, at an interval: a meter in `silence` counts on and says nothing until it may `speak`; a source that is
    lost (`lose`) gives and offers nothing until `regain`, and what was promised for the interval of the loss is not
    delivered; a meter that does `misread` counts only `counts_ppm` of what flows until someone does `mend` it,
    whereupon its owner may `restate` what it should have counted. A source that does `sag` gives only `gives_ppm` of
    what it could, and offers as ever, until it may `recover`. A tie whose breaker is `open` carries nothing, and says
    so, until someone does `close` it: meanwhile the site is an island, and balances by itself.
    """

    action: Action
    nodes: tuple[Id, ...] = ()
    groups: tuple[tuple[Id, ...], ...] = ()
    """Sides of a partition."""
    meters: tuple[Id, ...] = ()
    """Equipment."""
    counts_ppm: Ppm | None = None
    """Of a meter that misreads."""
    gives_ppm: Ppm | None = None
    """Of a source that sags."""
    restate: bool = False
    """Of a meter that is mended: the owner corrects every interval in which it misread."""
    after_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None
    interval: Annotated[int, Meta(ge=0, le=10_000)] | None = None

    @property
    def on_equipment(self) -> bool:
        """It happens in the world, and no process notices."""
        return self.action in EQUIPMENT


EQUIPMENT = ("silence", "speak", "lose", "regain", "misread", "mend", "open", "close", "sag", "recover")
MENDS = {
    "restart": "kill",
    "resume": "pause",
    "heal": "partition",
    "speak": "silence",
    "regain": "lose",
    "mend": "misread",
    "close": "open",
    "recover": "sag",
}
"""Actions that undo another."""


def within(faults: Sequence[Fault], intervals: int) -> tuple[Fault, ...]:
    """The faults of a run of so many intervals: what would begin later is left out, with its mending.

    A mending that would come later, of something that breaks inside, stays: it happens at the end of the run.
    """
    kept: list[Fault] = []
    for fault in faults:
        breaking = MENDS.get(fault.action)
        undone = any(
            one.action == breaking and not {*fault.nodes, *fault.meters}.isdisjoint((*one.nodes, *one.meters))
            for one in kept
        ) or any(one.action == breaking == "partition" for one in kept)
        inside = fault.interval is None or fault.interval < intervals
        if undone or (inside and breaking is None) or fault.after_ms is not None:
            kept.append(fault)
    return tuple(kept)


def held(faults: Sequence[Fault], action: str, at: int) -> dict[str, Fault]:
    """Equipment that `action` holds in the run's `at`-th interval, each with the newest fault that does it.

    `faults` are in the order of their intervals.
    """
    by: dict[str, Fault] = {}
    for fault in faults:
        if fault.interval is None or fault.interval > at:
            continue
        if fault.action == action:
            by |= dict.fromkeys(fault.meters, fault)
        elif MENDS.get(fault.action) == action:
            for meter in fault.meters:
                by.pop(meter, None)
    return by


def broken(faults: Sequence[Fault], action: str, at: int) -> frozenset[str]:
    """Meters that `action` (`silence`, `lose` or `open`) holds in the run's `at`-th interval."""
    return frozenset(held(faults, action, at))


def misreading(faults: Sequence[Fault], at: int) -> dict[str, int]:
    """What meters count of what flows in the run's `at`-th interval, in ppm; those that count all are left out."""
    return {
        meter: fault.counts_ppm for meter, fault in held(faults, "misread", at).items() if fault.counts_ppm is not None
    }


def sagging(faults: Sequence[Fault], at: int) -> dict[str, int]:
    """What sources give of what they could in the run's `at`-th interval, in ppm; those that give all are left out."""
    return {meter: fault.gives_ppm for meter, fault in held(faults, "sag", at).items() if fault.gives_ppm is not None}


def to_restate(faults: Sequence[Fault], at: int) -> list[tuple[str, int]]:
    """Meters and intervals of the run that owners restate before its `at`-th interval."""
    mended = at - RESTATED_AFTER
    return [
        (meter, before)
        for fault in faults
        if fault.restate and fault.interval == mended
        for meter in fault.meters
        for before in range(mended)
        if meter in misreading(faults, before)
    ]
