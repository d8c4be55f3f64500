"""What the threshold key opens: sums that the state machine has asked about, and nothing else, ever.

No transaction asks; only contracts do (`ask`), with the sum as they computed it from what is on the ledger. Each seat
of the key answers with its proven share. With the first `threshold` of them the value times V is on record (`opened`),
and the shares go. Where they are not there within a window, the opening is late for good, and the seats that had a
share and gave none are named.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from contracts.ceremony import keys, window
from contracts.ceremony.bodies import GiveShare
from contracts.ceremony.events import OpeningLate, SeatNamed, ShareGiven, SumOpened
from contracts.ceremony.making import name_seat
from contracts.ceremony.records import MAX_OPEN, GivenShare, OpeningCount, OpeningRecord, OpenOpenings, ThresholdKey
from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.schema import OPEN_OPENING_LIST, OPEN_OPENINGS, OPENING_COUNT, OPENING_COUNTS, OPENINGS
from contracts.state import State
from contracts.units import MAX_COUNT
from zk import elgamal
from zk.group import native
from zk.group.native import IDENTITY, Point
from zk.statements import share
from zk.statements.assertion import Where

_replace = msgspec.structs.replace
LATE: Literal["late"] = "late"


class Opening(NamedTuple):
    """A sum to be opened. No two with the same key, purpose, round and tick are ever asked."""

    key_id: bytes
    purpose: str
    """An id; with round and tick in the tag of every share."""
    round: int
    tick: int
    R: bytes
    E: bytes
    """Both 48 bytes, as the state machine summed them."""


def ask(state: State, context: BlockContext, opening: Opening) -> int | None:
    """Have the seats of a held and pinned key open a sum; returns the opening's number.

    None where there is nothing to be opened, because R or E is the identity, or as many openings wait as may: whoever
    asks goes on as if it were late.
    """
    numbers, number = _waiting(state), _count(state)
    nothing = IDENTITY.to_bytes()
    if nothing in (opening.R, opening.E) or len(numbers) >= MAX_OPEN or number >= MAX_COUNT:
        return None
    assert keys.is_held(state, opening.key_id), "a round pins its key for as long as it asks"
    record = OpeningRecord(
        number=number,
        key_id=opening.key_id,
        purpose=opening.purpose,
        round=opening.round,
        tick=opening.tick,
        R=opening.R,
        E=opening.E,
        asked_height=context.height,
        window=window.begin(context),
    )
    state.save(OPENINGS.key(number), record)
    state.save(OPENING_COUNT, OpeningCount(number + 1))
    state.save(OPEN_OPENING_LIST, OpenOpenings((*numbers, number)))
    return number


def opened(state: State, number: int) -> Point | Literal["late"] | None:
    """The value of an opening times V (the identity for 0); `late` when too few shares came; None while it waits."""
    record = load(state, number)
    assert record is not None, "an opening that was asked is on record for good"
    match record.outcome:
        case "opened":
            return IDENTITY if record.point == IDENTITY.to_bytes() else native.decode_point(record.point)
        case "late":
            return LATE
        case _:
            return None


def load(state: State, number: int) -> OpeningRecord | None:
    """The record of an opening."""
    return state.load(OPENINGS, OPENINGS.key(number))


def waiting(state: State, most: int = MAX_OPEN) -> list[OpeningRecord]:
    """The first openings that wait for shares, ascending."""
    found = (load(state, number) for number in _waiting(state)[:most])
    return [one for one in found if one is not None]


def phase_open(state: State) -> bool:
    """Whether an opening needs the next block, even if that is empty."""
    return bool(_waiting(state))


def give(state: State, context: BlockContext, sender: str, body: GiveShare) -> tuple[AnyEvent, ...] | str:
    """A seat's share. Refuses `share.opening`, `ceremony.seat`, `ceremony.twice`, `share.proof`."""
    record = load(state, body.opening)
    if record is None or record.outcome != "open":
        return "share.opening"
    key = _key(state, record)
    seat = next((one for one in key.seats if one.member == sender and one.share), None)
    if seat is None:
        return "ceremony.seat"
    if any(one.index == seat.index for one in record.shares):
        return "ceremony.twice"
    where = where_of(context.chain_id, key, record, sender)
    asked = share.assertion(where, record.purpose, record.tick, record.R, seat.share, body.point, body.proof)
    if not context.proves(asked):
        return "share.proof"
    shares = tuple(sorted((*record.shares, GivenShare(seat.index, body.point)), key=lambda one: one.index))
    given = ShareGiven(sender, record.number)
    if len(shares) < key.threshold:
        state.save(OPENINGS.key(record.number), _replace(record, shares=shares))
        return (given,)
    points = {one.index: native.decode_point(one.point) for one in shares}
    ciphertext = elgamal.decode(record.E, record.R)
    point = elgamal.opened(ciphertext, elgamal.combine(points, key.threshold)).to_bytes()
    _close(state, _replace(record, shares=(), outcome="opened", point=point))
    return given, SumOpened(record.number, record.purpose, record.round, record.tick)


def where_of(chain_id: str, key: ThresholdKey, record: OpeningRecord, seat: str) -> Where:
    """The place of a seat's share, as its tag names it."""
    return Where(chain_id, seat, key.epoch, record.round, key.key_id)


def cancel(state: State, number: int) -> None:
    """Nobody needs an opening any more: it is late for good, and nobody is named for it. Nothing happens to one that is
    opened or late."""
    record = load(state, number)
    if record is not None and record.outcome == "open":
        _close(state, _replace(record, shares=(), outcome=LATE))


def advance(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """What the block does to openings before its first transaction."""
    events: list[AnyEvent] = []
    for record in waiting(state):
        if window.is_over(state, context, record.window):
            events += _late(state, context, record)
        elif (heard := window.hear(state, context, record.window)) is not record.window:
            state.save(OPENINGS.key(record.number), _replace(record, window=heard))
    return tuple(events)


def _late(state: State, context: BlockContext, record: OpeningRecord) -> tuple[OpeningLate | SeatNamed, ...]:
    key = _key(state, record)
    given = [one.index for one in record.shares]
    missing = [one.member for one in key.seats if one.share and not one.excused and one.index not in given]
    named = tuple(name_seat(state, context, key, member, "withheld") for member in missing)
    _close(state, _replace(record, shares=(), outcome=LATE, withheld=tuple(missing)))
    return *named, OpeningLate(record.number, record.purpose, record.round, record.tick, tuple(missing))


def _close(state: State, record: OpeningRecord) -> None:
    state.save(OPENINGS.key(record.number), record)
    state.save(OPEN_OPENING_LIST, OpenOpenings(tuple(one for one in _waiting(state) if one != record.number)))


def _key(state: State, record: OpeningRecord) -> ThresholdKey:
    key = keys.key(state, record.key_id)
    assert key is not None, "what was asked names a key that is on record for good"
    return key


def _waiting(state: State) -> tuple[int, ...]:
    found = state.load(OPEN_OPENINGS, OPEN_OPENING_LIST)
    return () if found is None else found.numbers


def _count(state: State) -> int:
    counted = state.load(OPENING_COUNTS, OPENING_COUNT)
    return 0 if counted is None else counted.count
