"""What a private meter's register grew by in a cycle: taken from state, proven to be of a possible size, hidden.

The difference of two commitments of the meter's own readings is no new number: its owner can not choose it, only prove
how large it is. It lies between the agreed bounds of the cycles that it covers, or, for all to see, between nothing and
what the rating takes in that time. A register that runs backwards has no proof.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from contracts.confidential import keys
from contracts.context import BlockContext
from contracts.cycles import cycle_of
from contracts.members import Meter, MeterHead
from contracts.params import PactParams
from contracts.private import agenda
from contracts.private.bodies import GreenShare, ProveUse
from contracts.private.events import UseProven
from contracts.private.meters import head_of
from contracts.private.points import combine, with_public
from contracts.private.records import OPENING, PROVING, GreenUse, HiddenHead, HiddenRegister, HiddenUse, PrivateCycle
from contracts.receipts import AnyEvent
from contracts.schema import HEADS, HIDDEN_USES, METERS
from contracts.state import State
from contracts.units import MAX_ENERGY, WH_MS
from zk import notes
from zk.statements import green_share, ranges
from zk.statements.assertion import Where

_replace = msgspec.structs.replace
KIND = "reading"
"""Of the statement about a difference."""


class Difference(NamedTuple):
    """What a meter's registers say that it used, as a point."""

    point: bytes
    since: int
    """Interval after which it begins."""
    since_sequence: int
    """Of the reading that it begins at; 0: at the registers of the admission."""
    cycles: int
    """That it covers, the one that it ends in included."""
    register: HiddenRegister


def difference(params: PactParams, meter: Meter, opened: MeterHead, head: HiddenHead, cycle: int) -> Difference | None:
    """By how much the register grew up to the end of a cycle; None: no reading says, or the commitments do not differ.

    `opened` has the registers that the meter was admitted with.
    """
    register = next((one for one in head.latest if one.cycle == cycle), None)
    if register is None:
        return None
    if head.settled is None:
        before_wh = opened.export_wh if meter.kind == "source" else opened.import_wh
        point = with_public(register.point, -before_wh)
        since, sequence, first = head.since, 0, cycle_of(params, head.since) - 1
    else:
        point = combine((register.point, 1), (head.settled.point, -1))
        since, sequence, first = head.settled.interval, head.settled.sequence, head.settled.cycle
    return None if point is None else Difference(point, since, sequence, cycle - first, register)


def bounds(params: PactParams, meter: Meter, found: Difference, wide: bool) -> tuple[int, int] | None:
    """Smallest and largest energy that a difference may be, Wh: what was agreed, else, and `wide`, what the rating
    allows; None for `wide` where nothing was agreed that it could be wider than.

    Both readings may be taken at any moment of their intervals, so both intervals count; one Wh is the rounding of two
    registers.
    """
    intervals = found.register.interval - found.since + 1
    rated_wh = min(MAX_ENERGY, (meter.rating_w * intervals * params.interval_ms + WH_MS) // WH_MS)
    terms = meter.private
    if terms is None or terms.high_wh is None:
        return None if wide else (0, rated_wh)
    if wide:
        return 0, rated_wh
    return min(MAX_ENERGY, terms.low_wh * found.cycles), min(MAX_ENERGY, terms.high_wh * found.cycles)


def where(chain_id: str, meter: str, cycle: int, sequence: int) -> Where:
    """The place that the proof of a use is good for."""
    return Where(chain_id, meter, cycle, sequence)


def route(chain_id: str, meter: str, cycle: int, owner: str, campus: str) -> notes.Route:
    """How the note about a use goes to the campus."""
    return notes.Route(purpose=f"use/{meter}", chain_id=chain_id, epoch=cycle, sender=owner, recipient=campus)


def prove(state: State, context: BlockContext, sender: str, body: ProveUse) -> tuple[AnyEvent, ...] | str:
    """Let a use stand. Refuses `private.meter`, `private.cycle`, `private.phase`, `private.proven`, `private.silent`,
    `private.bounds`, `private.note-key`, `private.note`, `private.proof`, `private.green`."""
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None or meter.private is None or meter.member != sender:
        return "private.meter"
    campus = meter.private.campus
    record = agenda.load(state, campus, body.cycle)
    if record is None:
        return "private.cycle"
    if record.phase != PROVING:
        return "private.phase"
    if state.load(HIDDEN_USES, HIDDEN_USES.key(body.cycle, body.meter)) is not None:
        return "private.proven"
    opened = state.load(HEADS, HEADS.key(body.meter))
    assert opened is not None, "every meter has a head"
    found = difference(context.params, meter, opened, head_of(state, body.meter), body.cycle)
    if found is None:
        return "private.silent"
    within = bounds(context.params, meter, found, body.wide)
    if within is None:
        return "private.bounds"
    to = keys.note_key(state, campus)
    if to is None:
        return "private.note-key"
    sealed = notes.check(body.note, to, **route(context.chain_id, body.meter, body.cycle, sender, campus))
    if sealed is None or not context.proves(sealed):
        return "private.note"
    place = where(context.chain_id, body.meter, body.cycle, found.register.sequence)
    if not context.proves(ranges.assertion(KIND, place, [found.point], [within], body.proof)):
        return "private.proof"
    bought = None if body.green is None else _green(context, meter, body.cycle, found.point, body.green)
    if isinstance(bought, str):
        return bought
    use = HiddenUse(
        meter=body.meter,
        member=sender,
        cycle=body.cycle,
        since_sequence=found.since_sequence,
        register=found.register,
        wide=body.wide,
        point=found.point,
        note=body.note,
        note_key=to,
        green=bought,
    )
    state.save(HIDDEN_USES.key(body.cycle, body.meter), use)
    _count(state, record, use, meter, 1)
    return (UseProven(body.meter, body.cycle, body.wide),)


def green_where(chain_id: str, meter: str, cycle: int) -> Where:
    """The place that the proof of a green share is good for."""
    return Where(chain_id, meter, cycle)


def _green(context: BlockContext, meter: Meter, cycle: int, point: bytes, said: GreenShare) -> GreenUse | str:
    """What a load buys green of its use."""
    if meter.kind == "source" or meter.private is None or not meter.private.green_nano_per_wh:
        return "private.green"
    place, posted = (
        green_where(context.chain_id, meter.id, cycle),
        green_share.Green(said.volume, said.remainder, said.proof),
    )
    if not context.proves(green_share.assertion(place, point, said.ppm, posted)):
        return "private.proof"
    return GreenUse(said.ppm, said.volume)


def withdraw(state: State, record: PrivateCycle, use: HiddenUse, meter: Meter) -> PrivateCycle:
    """A use whose note does not open its point stands no more."""
    assert record.phase in (PROVING, OPENING), "what was counted stays counted"
    state.save(HIDDEN_USES.key(use.cycle, use.meter), _replace(use, wrong=True))
    return _count(state, record, use, meter, -1)


def _count(state: State, record: PrivateCycle, use: HiddenUse, meter: Meter, sign: int) -> PrivateCycle:
    """Put a use into the cycle, or take it out of it. Only loads are in its sum."""
    used = record.used if meter.kind == "source" else combine((record.used, 1), (use.point, sign))
    after = _replace(record, proven=record.proven + sign, used=used)
    agenda.save(state, after)
    return after
