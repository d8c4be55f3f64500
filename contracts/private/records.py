"""What state holds of private meters and of the cycles that they are billed by. Points are never the identity: what is
nothing is absent. Types and bounds only; who writes them is in the docstring of each.
"""

from __future__ import annotations

from typing import Annotated, Literal

from contracts.members import MAX_METERS, Record
from contracts.private.bodies import MAX_HIDDEN_SOURCES
from contracts.units import (
    Balance,
    Count,
    Energy,
    Hash,
    Height,
    Id,
    Interval,
    Meta,
    Money,
    Note,
    Point,
    Ppm,
    Time,
    Total,
)

MAX_HIDDEN_METERS = 1_024
"""Private meters of one campus: the block that fixes a cycle's total looks at each."""
MAX_LATEST = 4
"""Cycles that one meter may have spoken about and that are not settled."""
MAX_OPEN_CYCLES = 256
"""Cycles of all campuses that are not done."""
MAX_CAMPUSES = 64
LEAST_BUYERS = 3
MAX_NAMED_IN_CYCLE = 2 * MAX_HIDDEN_METERS + 2 * MAX_HIDDEN_SOURCES

READING: Phase = "reading"
PROVING: Phase = "proving"
OPENING: Phase = "opening"
SPLITTING: Phase = "splitting"
ANSWERING: Phase = "answering"
PAYING: Phase = "paying"
DONE: Phase = "done"
Phase = Literal["reading", "proving", "opening", "splitting", "answering", "paying", "done"]

Reason = Literal["silent", "note", "complaint", "no-split", "loss", "no-answer", "unpaid", "not-green"]
"""Why somebody is named: it proved nothing; its note does not open; the note that it complained of opens; it did not
split the total; it billed less or more than the line loses; it did not answer to its share; it did not pay; it sold
green energy and used up no certificates for it."""

Outcome = Literal["", "equal", "within", "share", "delivery"]
"""What a source is paid for: not decided; both are one point; the share, which differs by no more than the line loses;
the share, since its owner did not answer; the delivery, since the share is wrong or there is none."""


class HiddenMeter(Record, frozen=True):
    """A private meter as its campus's cycles need it."""

    meter: Id
    member: Id
    source: bool
    since: Interval = 0
    stopped: bool = False
    """Its member was removed: it is not estimated any more."""


class HiddenSite(Record, frozen=True):
    """All private meters of a campus, ascending. Written at genesis and by governance."""

    campus: Id
    meters: Annotated[tuple[HiddenMeter, ...], Meta(max_length=MAX_HIDDEN_METERS)]


class Campuses(Record, frozen=True):
    """Members that bill private meters, ascending."""

    members: Annotated[tuple[Id, ...], Meta(max_length=MAX_CAMPUSES)]


class HiddenRegister(Record, frozen=True):
    """The register that a meter is billed by, as its last reading of a cycle has it."""

    cycle: Count
    interval: Interval
    sequence: Count
    point: Point


class HiddenHead(Record, frozen=True):
    """Where a private meter's registers stand; where its chain of readings stands is in its `MeterHead`, whose
    registers are those that it was admitted with."""

    since: Interval
    settled: HiddenRegister | None
    """Up to where it is settled; None: up to the registers that it was admitted with, which everybody knows."""
    latest: Annotated[tuple[HiddenRegister, ...], Meta(max_length=MAX_LATEST)]
    """Of the cycles after that, ascending."""
    owed_wh: Total = 0
    """What it was estimated at since, and"""
    owed_nano: Money = 0
    """what its owner paid for that: both are taken back once it proves what it used."""
    sequence: Count = 0
    """Of the last reading that has more than registers,"""
    reserve: Point | None = None
    """its reserve,"""
    quality: Annotated[tuple[Point, ...], Meta(max_length=7)] = ()
    """and the fields of its quality record."""
    monitor_length: Count = 0
    """Monitoring records of its equipment by the newest reading that says,"""
    monitor_head: Hash | None = None
    """and the head of their chain."""


class GreenUse(Record, frozen=True):
    """What a load buys green of what it used."""

    ppm: Ppm
    point: Point
    paid: bool = False


class HiddenUse(Record, frozen=True):
    """By how much a private meter's register grew up to the end of a cycle. Written by `contracts.private.uses`."""

    meter: Id
    member: Id
    cycle: Count
    since_sequence: Count
    """Of the reading that it begins at, which may be cycles ago; 0: at the registers of the meter's admission."""
    register: HiddenRegister
    wide: bool
    point: Point
    note: Note
    """The opening, sealed to the campus."""
    note_key: Point
    """Of the campus, to which it is sealed."""
    wrong: bool = False
    """The note does not open the point: the meter is estimated."""
    paid: bool = False
    green: GreenUse | None = None


class Estimated(Record, frozen=True):
    """A private load that proved nothing in time, and what it is taken at."""

    meter: Id
    energy_wh: Energy


class Share(Record, frozen=True):
    """What one source is paid in a cycle."""

    meter: Id
    member: Id
    delivery: Point | None
    """What its own meter proves; None: it proved nothing in time."""
    bill: Point | None = None
    """What the campus says."""
    note: Note = b""
    note_key: Point | None = None
    outcome: Outcome = ""
    difference_wh: Balance | None = None
    """The bill less the delivery, where its owner said so."""
    paid: bool = False

    @property
    def is_delivery(self) -> bool:
        """The bill is the very point that its meter proved."""
        return self.bill is not None and self.bill == self.delivery

    @property
    def point(self) -> bytes | None:
        """What it is paid for; None: nothing, or not decided."""
        match self.outcome:
            case "equal" | "within" | "share":
                return self.bill
            case "delivery":
                return self.delivery
            case _:
                return None


class Named(Record, frozen=True):
    """Somebody who kept others from settling as they should."""

    member: Id
    meter: Id | None
    """About which meter; None: about the cycle."""
    reason: Reason


class PrivateCycle(Record, frozen=True):
    """One billing cycle of one campus. Written by `contracts.private`; once it is done, only late payments do."""

    campus: Id
    cycle: Count
    phase: Phase
    since_height: Height = 0
    """Block in which the phase began."""
    heard: Annotated[tuple[Id, ...], Meta(max_length=MAX_CAMPUSES)] = ()
    """Organisations whose blocks it has had since its time was over."""
    proven: Count = 0
    """Uses that stand."""
    used: Point | None = None
    """Sum of those of loads."""
    estimates: Annotated[tuple[Estimated, ...], Meta(max_length=MAX_HIDDEN_METERS)] = ()
    returned_wh: Total = 0
    """Earlier estimates that this cycle's uses put in place of."""
    total: Point | None = None
    """What all loads used, estimates included and returned ones taken off: fixed once and for all."""
    held_wh: Balance = 0
    """Of the total, what the campus held back of estimates."""
    shares: Annotated[tuple[Share, ...], Meta(max_length=MAX_HIDDEN_SOURCES)] = ()
    own_note: Note = b""
    """What the campus reads its split from again."""
    residual_wh: Balance = 0
    """Bills less deliveries, where the deliveries were paid instead: what the campus is left with."""
    by_awards: bool = False
    """Sealed dispatch pays its sources: it is never split as well."""
    green: Point | None = None
    """Sum of what loads bought green, once the total is fixed."""
    green_buyers: Count = 0
    """Members that did; of fewer than `LEAST_BUYERS` nothing is sold, since the sum would tell what each bought."""
    ends_ms: Time = 0
    """When the phase's time is over, where it is counted in blocks after that."""
    closing_height: Height = 0
    """First block after that; 0: it is not over."""
    retired_wh: Energy | None = None
    """Certificates that the campus used up for it: the sum, opened."""
    named: Annotated[tuple[Named, ...], Meta(max_length=MAX_NAMED_IN_CYCLE)] = ()


class EstimateBook(Record, frozen=True):
    """What estimates that still stand put into a campus's totals, and what of that it held back from its sources."""

    campus: Id
    standing_wh: Total
    held_wh: Total


class CyclePlace(Record, frozen=True):
    """Whose cycle."""

    campus: Id
    cycle: Count


class PrivateAgenda(Record, frozen=True):
    """Cycles that are not done, ascending by cycle and campus. Working record of `contracts.private.cycles`."""

    places: Annotated[tuple[CyclePlace, ...], Meta(max_length=MAX_OPEN_CYCLES)]


assert MAX_HIDDEN_METERS <= MAX_METERS, "a campus has no more meters than the pact"
