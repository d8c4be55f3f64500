"""Whose records are whose: everything that is not public (`node.access.decided`) belongs to somebody.

What nobody has decided about is not served: `Undecided` is raised, and a test names what is missing. Never decides who
may read; that is `contracts.policies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from contracts import bodies, members, metering_records, receipts, records
from contracts.carbon import bodies as carbon_bodies
from contracts.carbon import events as carbon_events
from contracts.carbon import records as carbon
from contracts.envelope import AccountEnvelope, Envelope
from contracts.flexible import records as flexible
from contracts.receipts import AnyEvent
from contracts.rolls import Rolls, is_roll
from contracts.schema import CASES, CORRECTIONS, LINE_LIST, LINES, LOADS, METERS, SOLUTIONS
from contracts.state import Table
from node.access.decided import BY_ENTRY, BY_LINE, BY_MEMBER, BY_METER, PUBLIC_BODIES, PUBLIC_EVENTS, PUBLIC_TABLES
from node.tables import table_of

Get = Callable[[bytes], bytes | None]
"""The newest record under a key of state."""


class Subject(NamedTuple):
    """One kind of records of one member, or of several who share them."""

    kind: str
    owners: tuple[str, ...]
    meter: str = ""
    """The meter that it is about, which may read it, too."""
    author: str = ""
    """Who wrote it down about others, and so knows it."""


OF_ALL = "*"
"""In place of owners: it is about every member at once, so each of them has to let the asker read."""


class Undecided(LookupError):
    """Nobody has decided to whom this belongs, so it is not served."""


VERDICT = "verdict"
"""Cause of a correction that both ends of a line share."""


class Subjects:
    """Finds owners in the newest state: meters and lines are registered there."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._encoded_lines: bytes | None = None
        self._held_lines: tuple[members.PowerLine, ...] = ()

    def owner(self, meter: str) -> str:
        """Member that a meter belongs to; empty when nobody registered it."""
        raw = self._get(METERS.key(meter))
        return "" if raw is None else METERS.decode(raw).member

    def of_record(self, key: bytes, value: bytes | None) -> tuple[Subject, ...]:
        """Whose the record, or entry of a roll, under `key` is. `value` None: it is not there, or not looked at.

        Of a roll itself only its commitment is ever shown. Raises `Undecided`.
        """
        table = table_of(key)
        if table is None or is_roll(key) or table.prefix in PUBLIC_TABLES:
            if table is None:
                raise Undecided(f"no table has the key {key!r}")
            return ()
        parts = key[len(table.prefix) :].decode().split("/")
        if table.prefix in BY_MEMBER:
            kind, at = BY_MEMBER[table.prefix]
            return (Subject(kind, (parts[at],)),)
        if table.prefix in BY_METER:
            kind, at = BY_METER[table.prefix]
            meter = parts[at]
            shared = self._sharing(meter, value) if table.prefix == CORRECTIONS.prefix else ()
            return (Subject(kind, (self.owner(meter), *shared), meter),)
        if table.prefix in BY_LINE:
            kind, at = BY_LINE[table.prefix]
            return (self.of_line(parts[at]),)
        if table.prefix == CASES.prefix:
            return _CASE
        if table.prefix == LOADS.prefix:
            return () if value is None else (Subject("needs", (LOADS.decode(value).member,)),)
        if table.prefix == SOLUTIONS.prefix:
            return (_solution(parts[1]),)
        if table.prefix in BY_ENTRY:
            return () if value is None else tuple(map(self.of_entry, _entries(table, value)))
        raise Undecided(f"table {table.prefix.decode()} is neither public nor somebody's")

    def of_entry(self, entry: msgspec.Struct) -> Subject:
        """Whose one entry of a record of many is. Raises `Undecided`."""
        match entry:
            case records.NeedEntry(member=member) | flexible.OpenLoad(member=member) | carbon.GreenEntry(member=member):
                return Subject("needs", (member,))
            case (
                records.OfferEntry(member=member, meter=meter)
                | flexible.StorageEntry(member=member, meter=meter)
                | flexible.ReserveEntry(member=member, meter=meter)
            ):
                return Subject("offers", (member,), meter)
            case metering_records.OpenDispute(line=line):
                return self.of_line(line)
        raise Undecided(f"entry {type(entry).__name__} is neither public nor somebody's")

    def of_line(self, line: str) -> Subject:
        """Disputes of a line are shared by the members of its three meters."""
        meters = [
            meter
            for one in self._lines()
            if one.id == line
            for meter in (one.sending_meter, one.receiving_meter, one.parent_meter)
        ]
        return Subject("disputes", self._owners(meters))

    def of_envelope(self, envelope: Envelope) -> tuple[Subject, ...]:
        """Whose a transaction is. Raises `Undecided`."""
        if not isinstance(envelope, AccountEnvelope):
            return (Subject("readings", (self.owner(envelope.meter),), envelope.meter),)
        match envelope.body:
            case bodies.Correct():
                return (Subject("corrections", (envelope.sender,)),)
            case (
                bodies.Need()
                | bodies.FlexibleLoad()
                | bodies.WithdrawLoad()
                | bodies.OfferReduction()
                | carbon_bodies.GreenBid()
            ):
                return (Subject("needs", (envelope.sender,)),)
            case bodies.Offer() | bodies.StorageOffer() | bodies.ReserveOffer():
                return (Subject("offers", (envelope.sender,)),)
            case bodies.RevealSolution():
                return (_solution(envelope.sender),)
            case bodies.Transfer(to=to):
                return (Subject("transfers", (envelope.sender, to)),)
            case carbon_bodies.TransferOrigin(to=to):
                return (Subject("energy", (envelope.sender, to)),)
        return _public(envelope.body, PUBLIC_BODIES)

    def of_event(self, event: AnyEvent) -> tuple[Subject, ...]:
        """Whose an event is. Raises `Undecided`."""
        match event:
            case receipts.ReadingAccepted(meter=meter):
                return (Subject("readings", (self.owner(meter),), meter),)
            case receipts.EnergyCorrected(meter=meter) | receipts.ReadingCorrected(meter=meter):
                return (Subject("corrections", (self.owner(meter),), meter),)
            case receipts.LineDisputed(line=line) | receipts.DisputeDecided(line=line):
                return (self.of_line(line),)
            case (
                receipts.NeedAccepted(member=member)
                | receipts.LoadAccepted(member=member)
                | receipts.LoadWithdrawn(member=member)
                | carbon_events.GreenBidAccepted(member=member)
                | receipts.ReductionOffered(member=member)
            ):
                return (Subject("needs", (member,)),)
            case (
                receipts.OfferAccepted(meter=meter)
                | receipts.StorageOffered(meter=meter)
                | receipts.ReserveOffered(meter=meter)
            ):
                return (Subject("offers", (self.owner(meter),), meter),)
            case receipts.Transferred(sender=sender, to=to):
                return (Subject("transfers", (sender, to)),)
            case carbon_events.OriginTransferred(sender=sender, to=to):
                return (Subject("energy", (sender, to)),)
        return _public(event, PUBLIC_EVENTS)

    def _sharing(self, meter: str, value: bytes | None) -> tuple[str, ...]:
        """The other ends of a meter's lines, where a correction came from a verdict about one of them."""
        if value is None or CORRECTIONS.decode(value).cause != VERDICT:
            return ()
        lines = [one for one in self._lines() if meter in (one.sending_meter, one.receiving_meter)]
        return self._owners(end for one in lines for end in (one.sending_meter, one.receiving_meter))

    def _lines(self) -> tuple[members.PowerLine, ...]:
        raw = self._get(LINE_LIST)
        if raw != self._encoded_lines:
            self._encoded_lines, self._held_lines = raw, () if raw is None else LINES.decode(raw).lines
        return self._held_lines

    def _owners(self, meters: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(self.owner, meters)))


_OF_MANY = (
    records.NeedBucket
    | records.OfferBucket
    | metering_records.OpenDisputes
    | flexible.FlexibleOffers
    | flexible.OpenLoads
    | carbon.GreenBids
)


def _entries(table: Table[msgspec.Struct] | Rolls[members.Record], value: bytes) -> tuple[msgspec.Struct, ...]:
    held = table.decode(value)
    assert isinstance(held, _OF_MANY)
    return held.entries


_CASE = (Subject("needs", (OF_ALL,)), Subject("offers", (OF_ALL,)))
"""A case says what everybody wants and offers."""


def _solution(builder: str) -> Subject:
    """A solution says what everybody delivers and takes."""
    return Subject("orders", (OF_ALL,), author=builder)


def _public(said: msgspec.Struct, public: tuple[type[msgspec.Struct], ...]) -> tuple[Subject, ...]:
    if isinstance(said, public):
        return ()
    raise Undecided(f"{type(said).__name__} is neither public nor somebody's")
