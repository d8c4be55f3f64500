"""What every node makes of a solution: the whole schedule, its prices and its distance from the optimum, or a code.

Types only. Outer index the thing in the order of the case, inner index the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Grid = Sequence[Sequence[int]]
"""Integers by thing and interval."""


class Rows(Sequence[Sequence[int]]):
    """A grid out of an array, in Python's integers once anybody reads it: of many solutions that are judged one is
    ordered, and ten thousand rows take as long to make as everything else."""

    __slots__ = ("_array", "_rows")

    def __init__(self, array: Any) -> None:
        """Of an array by thing and interval, in which nobody writes any more."""
        self._array = array
        self._rows: list[list[int]] | None = None

    def _known(self) -> list[list[int]]:
        if self._rows is None:
            self._rows = self._array.tolist()
        return self._rows

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, at: Any) -> Any:
        return self._known()[at]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Rows | list | tuple):
            return list(map(list, self)) == list(map(list, other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(map(tuple, self)))


class Schedule(NamedTuple):
    """Everything that a dispatch says, all in Wh but `soc`."""

    source_wh: Grid
    """Delivered by each source; its blocks are taken in the order of their prices."""
    import_wh: Grid
    """By connection, as the next."""
    export_wh: Grid
    served_wh: Grid
    """Of each fixed demand; what is left of it is shed."""
    bid_wh: Grid
    """Served of each bid."""
    load_wh: Grid
    charge_wh: Grid
    discharge_wh: Grid
    soc: Grid
    """After each interval, in 1/(n*d) Wh of the storage."""
    reserve_wh: Grid
    """Of the sources that offer reserve, then of such storages."""
    flow_wh: Grid
    """Of each line."""


class Refusal(NamedTuple):
    """Why something is no case, or no solution of this one."""

    code: str
    """Stable, `dispatch.*`."""
    where: str
    """Path of the value or name of the constraint: `sources[3].blocks[0][1]`, `line tie-2 in interval 4`."""
    message: str
    """What is wrong, and what would have been right."""


class Verdict(NamedTuple):
    """A feasible solution."""

    schedule: Schedule
    cost_nano: int
    bound_nano: int
    """No dispatch costs less, rounded up; from the solution's own multipliers."""
    base_nano: int
    threshold_nano: int
    gap_ppm: int
    """(cost - bound) x 10^6 // base."""
    certified: bool
    """The gap is within the threshold; where that is raised by scarcity, by what is short alone."""
    injected_wh: int
    """By sources, storages and connections, in all intervals."""
    demand_wh: int
    """Served: fixed demand, bids, loads, charging and export."""
    carbon_ug: int
    zones: Grid
    """Per place and interval the first place of its price zone."""
    price_nano_per_wh: Grid
    """Per place and interval."""
    reached_wh: Grid
    """Per place and interval: energy of its zone's stack, real supply only."""
