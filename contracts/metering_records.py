"""What state keeps about what meters saw, and about every later word on it: the records of metering.

Readings that settled, estimates of silent meters, energy that waits to be billed, corrections of closed intervals, and
lines whose two ends disagree. Types and bounds only: `contracts.delivery`, `contracts.estimates`,
`contracts.corrections` and `contracts.disputes` write them. Registers and heads of meters are in `contracts.members`.
"""

from __future__ import annotations

from typing import Annotated

from contracts.members import Record
from contracts.records import Line
from contracts.units import Balance, Count, Energy, Id, Interval, Meta, Money

FINAL_DAYS = 35
"""After so many days a closed interval is final: later differences are recorded, and billed no more."""
MAX_OPEN_DISPUTES = 1_024
"""Disputes that wait for their parent meter; the oldest beyond it are final."""
MAX_RETURNS = 4_096
"""Differences of one meter that wait to be billed; the oldest beyond it are final."""


class Metered(Record, frozen=True):
    """Energy of one meter in one interval, and the sequence of the reading that settled it. Never changes.

    What like-day estimates and baselines are made of.
    """

    meter: Id
    import_wh: Energy
    export_wh: Energy
    sequence: Count = 0


class Estimate(Record, frozen=True):
    """What a silent meter was billed for in one interval. Written at its close, for good."""

    meter: Id
    interval: Interval
    import_wh: Energy
    export_wh: Energy
    like: Annotated[tuple[Interval, ...], Meta(max_length=4)]
    """The measured intervals that it is the adverse extreme of; none: rating or nothing."""


class Return(Record, frozen=True):
    """True energy of a meter in `count` closed intervals from `interval` on, waiting to be billed.

    It spreads evenly in whole Wh; what is left over goes to the earliest intervals, 1 Wh each.
    """

    interval: Interval
    count: Count
    import_wh: Energy | None
    """None: as it is billed by then."""
    export_wh: Energy | None
    cause: Id


class Returns(Record, frozen=True):
    """What waits of one meter, oldest first. Working record of `contracts.corrections`."""

    entries: Annotated[tuple[Return, ...], Meta(max_length=MAX_RETURNS)]


class Basis(Record, frozen=True):
    """Energy of one meter in one closed interval as it is billed by now. Working record."""

    import_wh: Energy
    export_wh: Energy
    corrections: Count
    """How many `Correction`s name it."""


class Standing(Record, frozen=True):
    """Position of one member in one closed interval as it is billed by now. Working record."""

    net_wh: Balance
    """Injected minus withdrawn, ties excluded."""
    tie_import_wh: Balance
    tie_export_wh: Balance


class Correction(Record, frozen=True):
    """A later word about a closed interval: what its bill rests on, what is true, and what that is worth.

    The bill of `interval` stays as it is; `booked_in` is the interval whose bill of `member` has the amount,
    and whose residual has the other side of it.
    """

    interval: Interval
    meter: Id
    member: Id
    booked_in: Interval
    cause: Id
    old_import_wh: Energy
    old_export_wh: Energy
    new_import_wh: Energy
    new_export_wh: Energy
    lines: tuple[Line, ...]
    """New minus old, by kind; without a price, since both sides may have different ones."""
    amount_nano: Money
    final: bool
    """Too late, or beyond the bounds of money: recorded, not billed."""


class Dispute(Record, frozen=True):
    """Two ends of a line disagree in one interval. Written at its close, for good; the smaller settles."""

    interval: Interval
    line: Id
    sending_meter: Id
    receiving_meter: Id
    parent_meter: Id
    sent_wh: Energy
    received_wh: Energy
    settled_wh: Energy
    held_wh: Energy
    """The larger reading less the smaller."""
    held_nano: Money
    """What the end that read more would have received on top, had its own reading settled; may be a debt."""


class OpenDispute(Record, frozen=True):
    """Place of a dispute without a verdict."""

    interval: Interval
    line: Id


class OpenDisputes(Record, frozen=True):
    """Those that wait for a parent meter, oldest first. Working record of `contracts.disputes`."""

    entries: Annotated[tuple[OpenDispute, ...], Meta(max_length=MAX_OPEN_DISPUTES)]


class Verdict(Record, frozen=True):
    """What the parent meter of a disputed line saw, and what both ends settle at from then on."""

    interval: Interval
    line: Id
    parent_meter: Id
    parent_wh: Energy
    settled_wh: Energy
    decided_in: Interval
    """The interval whose close brought the verdict; its bills, or those of the next ones, carry it."""
    final: bool
    """Nobody decided in time: what settled stays."""
