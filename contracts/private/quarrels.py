"""Notes that do not open what they were sent for, and complaints that are false.

A recipient shows the common point of the note with a proof, so everybody reads what it says. Does it not open the point
on the ledger, its sender is named: a use stands no more and its meter is estimated; a share is not paid, the delivery
is. Does it open, the complainer is named, and has shown to all what only it was told. Either lie costs a quarter of the
liar's index. Whoever says nothing in time has accepted.

No note is taken without the proof that its sender made its ephemeral point, so no complaint decrypts for its maker what
was sent to somebody else.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts import trust
from contracts.context import BlockContext
from contracts.members import Meter
from contracts.private import agenda, cycles, shares, uses
from contracts.private.bodies import BlameNote
from contracts.private.records import ANSWERING, OPENING, PROVING, PrivateCycle
from contracts.receipts import AnyEvent
from contracts.schema import METERS
from contracts.state import State
from zk import notes
from zk.pedersen import commit
from zk.statements import openings


class _Quarrel(NamedTuple):
    """A note that somebody complains of, as state has it."""

    note: bytes
    to: bytes
    route: notes.Route
    sender: str
    recipient: str
    points: tuple[bytes, ...]
    """What it should open, in this order."""


def blame(state: State, context: BlockContext, sender: str, body: BlameNote) -> tuple[AnyEvent, ...] | str:
    """Judge a note. Refuses `private.meter`, `private.cycle`, `private.phase`, `private.no-note`, `private.recipient`,
    `private.proof`."""
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None or meter.private is None:
        return "private.meter"
    record = agenda.load(state, meter.private.campus, body.cycle)
    if record is None:
        return "private.cycle"
    if record.phase not in ((ANSWERING,) if body.of_share else (PROVING, OPENING)):
        return "private.phase"
    found = _of_share(context, record, meter) if body.of_share else _of_use(state, context, record, meter)
    if found is None:
        return "private.no-note"
    if found.recipient != sender:
        return "private.recipient"
    shown = notes.revealed(found.note, body.shown, found.to, **found.route)
    if shown is None or not context.proves(shown):
        return "private.proof"
    is_wrong = not opens(notes.judge(found.note, body.shown, found.to, **found.route), *found.points)
    events: list[AnyEvent] = []
    liar = found.sender if is_wrong else found.recipient
    if is_wrong and body.of_share:
        share = next(one for one in record.shares if one.meter == meter.id)
        record = shares.decide(record, share, "delivery", None, events)
    elif is_wrong:
        use = cycles.use_of(state, body.cycle, meter.id)
        assert use is not None, "it has a note"
        record = uses.withdraw(state, record, use, meter)
    record = cycles.name(record, liar, meter.id, "note" if is_wrong else "complaint", events)
    trust.lower_index(state, context, liar, "false-note" if is_wrong else "false-complaint")
    agenda.save(state, record)
    return tuple(events)


def opens(plaintext: bytes | str, *points: bytes) -> bool:
    """Whether what a note says opens these points, in this order."""
    if isinstance(plaintext, str):
        return False
    said = openings.read(plaintext)
    if not isinstance(said, openings.Told) or len(said.openings) < len(points):
        return False
    try:
        return all(commit(*said.opening(at)).to_bytes() == point for at, point in enumerate(points))
    except ValueError:
        return False


def _of_use(state: State, context: BlockContext, record: PrivateCycle, meter: Meter) -> _Quarrel | None:
    use = cycles.use_of(state, record.cycle, meter.id)
    if use is None:
        return None
    route = uses.route(context.chain_id, meter.id, record.cycle, use.member, record.campus)
    points = (use.point,) if use.green is None else (use.point, use.green.point)
    return _Quarrel(use.note, use.note_key, route, use.member, record.campus, points)


def _of_share(context: BlockContext, record: PrivateCycle, meter: Meter) -> _Quarrel | None:
    share = next((one for one in record.shares if one.meter == meter.id), None)
    if share is None or share.bill is None or share.note_key is None or share.outcome:
        return None
    route = shares.route(context.chain_id, meter.id, record.cycle, record.campus, share.member)
    return _Quarrel(share.note, share.note_key, route, record.campus, share.member, (share.bill,))
