"""What private sources have metered in intervals with a sealed round: differences of their registers, hidden.

A trail per source remembers the registers of the last two intervals that it spoke about; their difference is what it
delivered in the later one. After a gap one difference covers all of it: it answers first for the earliest round in it,
and what that leaves for the next one (`pass_on`), so nothing that was delivered once is paid twice.
"""

from __future__ import annotations

from itertools import product

import msgspec

from contracts.members import MeterHead
from contracts.schema import SEALED_GROWN, SEALED_SUPPLIERS, TRAILS
from contracts.sealed import agenda, points
from contracts.sealed.records import SETTLED, Grown, Participant, Register, SealedRound, Trail
from contracts.state import State

_replace = msgspec.structs.replace


def opening(head: MeterHead) -> bytes:
    """The register that a private source was admitted with, which everybody knows, as a commitment."""
    return points.of_value(head.export_wh).to_bytes()


def witness(state: State, meter: str, admitted: Register, now: Register) -> None:
    """A private source's next reading commits to a register; `admitted` is the one that it began with."""
    held = state.load(TRAILS, TRAILS.key(meter))
    if held is None:
        trail = Trail(admitted, now)
    elif now.interval == held.last.interval:
        trail = _replace(held, last=now)
    else:
        trail = Trail(held.last, now)
    state.save(TRAILS.key(meter), trail)
    covered = [
        round_
        for one in agenda.intervals(state)
        if trail.before.interval < one <= now.interval and (round_ := agenda.find(state, one)) is not None
    ]
    behind: int | None = None
    for round_ in (one for one in covered if _waits_for(state, one, meter)):
        grown = points.weighted((now.point, 1), (trail.before.point, -1)).to_bytes()
        point = grown if behind is None else points.IDENTITY
        shown = Grown(meter, point, trail.before.sequence, now.sequence, behind)
        state.save(SEALED_GROWN.key(round_.interval, meter), shown)
        behind = round_.interval


def _waits_for(state: State, round_: SealedRound, meter: str) -> bool:
    """Whether a supplier with this meter is still to show what it delivered."""
    member = next((one.member for one in round_.participants if meter in one.meters), None)
    if member is None:
        return False
    held = state.load(SEALED_SUPPLIERS, SEALED_SUPPLIERS.key(round_.interval, member))
    return held is None or held.state not in SETTLED


def of_supplier(state: State, round_: SealedRound, supplier: Participant) -> bytes | None:
    """M: by how much the registers of all meters of a supplier grew in the interval; None: one has not spoken yet."""
    shown = [state.load(SEALED_GROWN, SEALED_GROWN.key(round_.interval, meter)) for meter in supplier.meters]
    found = [one.point for one in shown if one is not None and one.behind is None]
    if len(found) < len(shown):
        return None
    return points.weighted(*((point, 1) for point in found)).to_bytes()


def pass_on(state: State, round_: SealedRound, supplier: Participant, used: bytes) -> None:
    """A supplier is settled: the next round in the same difference has what is left of it. Of several meters nothing is
    left, since nobody could tell whose it was."""
    later = [one for one in agenda.intervals(state) if one > round_.interval]
    for interval, meter in product(later, supplier.meters):
        key = SEALED_GROWN.key(interval, meter)
        waiting = state.load(SEALED_GROWN, key)
        if waiting is None or waiting.behind != round_.interval:
            continue
        shown = state.load(SEALED_GROWN, SEALED_GROWN.key(round_.interval, meter))
        left = points.IDENTITY
        if shown is not None and len(supplier.meters) == 1:
            left = points.weighted((shown.point, 1), (used, -1)).to_bytes()
        state.save(key, _replace(waiting, point=left, behind=None))
