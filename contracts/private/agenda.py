"""Which billing cycles of which campuses wait for something: begun by the first reading, gone when they are done.

A cycle takes readings until its last interval closes, as open meters do. A cycle in which no private meter spoke never
begins: what was used in it is in the next difference of each.
"""

from __future__ import annotations

from contracts.context import BlockContext
from contracts.cycles import cycle as cycle_at
from contracts.params import PactParams
from contracts.private.records import (
    DONE,
    MAX_OPEN_CYCLES,
    OPENING,
    PROVING,
    READING,
    CyclePlace,
    PrivateAgenda,
    PrivateCycle,
)
from contracts.schedule import close_ms
from contracts.schema import PRIVATE_AGENDA, PRIVATE_AGENDAS, PRIVATE_CYCLES
from contracts.state import State


def places(state: State) -> tuple[CyclePlace, ...]:
    """Cycles that are not done, ascending by cycle and campus."""
    found = state.load(PRIVATE_AGENDAS, PRIVATE_AGENDA)
    return () if found is None else found.places


def load(state: State, campus: str, cycle: int) -> PrivateCycle | None:
    """The record of a cycle; None: nobody has spoken in it."""
    return state.load(PRIVATE_CYCLES, PRIVATE_CYCLES.key(cycle, campus))


def save(state: State, record: PrivateCycle) -> None:
    """Write a cycle; one that is done leaves the agenda."""
    state.save(PRIVATE_CYCLES.key(record.cycle, record.campus), record)
    if record.phase == DONE:
        left = tuple(one for one in places(state) if (one.campus, one.cycle) != (record.campus, record.cycle))
        state.save(PRIVATE_AGENDA, PrivateAgenda(left))


def begin(state: State, campus: str, cycle: int) -> bool:
    """Somebody spoke in a cycle; False where no further one can wait."""
    if load(state, campus, cycle) is not None:
        return True
    known = places(state)
    if len(known) >= MAX_OPEN_CYCLES:
        return False
    together = sorted((*known, CyclePlace(campus, cycle)), key=lambda one: (one.cycle, one.campus))
    state.save(PRIVATE_AGENDA, PrivateAgenda(tuple(together)))
    save(state, PrivateCycle(campus, cycle, READING))
    return True


def due_ms(params: PactParams, cycle: int) -> int:
    """First time at which readings of a cycle are late."""
    return close_ms(params, cycle_at(params, cycle).last)


def is_closed(state: State, context: BlockContext, campus: str, cycle: int) -> bool:
    """Readings of the cycle are late."""
    record = load(state, campus, cycle)
    if due_ms(context.params, cycle) <= context.time_ms:
        return True
    return record is not None and record.phase != READING


def waits_behind(state: State, place: CyclePlace) -> bool:
    """An earlier cycle of the campus has no total yet: differences begin where that one settles."""
    for one in places(state):
        if one.campus == place.campus and one.cycle < place.cycle:
            record = load(state, one.campus, one.cycle)
            if record is not None and record.phase in (READING, PROVING, OPENING):
                return True
    return False


def earliest_deadline_ms(state: State, params: PactParams) -> int | None:
    """Earliest ledger time at which a block would close a cycle or the time of a phase is over, at least 0; None when
    none waits for time."""
    found = []
    for one in places(state):
        record = load(state, one.campus, one.cycle)
        if record is not None and record.phase == READING and not waits_behind(state, one):
            found.append(max(0, due_ms(params, one.cycle)))
        elif record is not None and record.phase != READING and not record.closing_height:
            found.append(record.ends_ms)
    return min(found, default=None)


def phase_open(state: State) -> bool:
    """Whether some cycle is in a phase that is counted in blocks by now."""
    records = (load(state, one.campus, one.cycle) for one in places(state))
    return any(record is not None and record.closing_height > 0 for record in records)
