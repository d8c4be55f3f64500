"""Attempts at a threshold key, moved by the clock.

    register -> commit -> deal -> complain -> done, or the next attempt, or waiting

A phase ends when every seat that it waits for has spoken, and else with its window; to register, seats have until a
threshold of them did. Only dealers that were not disqualified count, and at least a threshold of them make a key; else
there is another attempt, in which those that were silent or disqualified may not deal. Where fewer than the threshold
may still deal, the pact waits for the next epoch and is dispatched in the open until then. The organisations with power
are looked at once an epoch: when they are others, the key is superseded at once, a running attempt is dropped, and a
new one begins. Where some seats have no share of the key in force, another one is made beside it as soon as they come.

What seats say is in `contracts.ceremony.actions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts import epochs, trust
from contracts.ceremony import keys, window
from contracts.ceremony.events import CeremonyMoved, KeyMade, SeatNamed
from contracts.ceremony.records import (
    COMMIT,
    COMPLAIN,
    DEAL,
    DONE,
    REGISTER,
    WAITING,
    Ceremony,
    Dealt,
    KeySeat,
    Seat,
    ThresholdKey,
)
from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.schema import CEREMONIES, CEREMONY, DEALINGS
from contracts.state import State
from zk import ceremony as key_making
from zk.ceremony import Attempt
from zk.group.native import IDENTITY, Point
from zk.sizes import MAX_SEATS, threshold

_replace = msgspec.structs.replace

MIN_SEATS = 4
"""As many organisations as agreement needs; among fewer there is nobody to share with."""
RUNNING = (REGISTER, COMMIT, DEAL, COMPLAIN)
LIES = ("share", "complaint")
"""For these a seat loses a quarter of its index; silence, which may be a crash, is named and costs nothing."""


def running(state: State) -> Ceremony | None:
    """The attempts at a key of this set of organisations; their phase may be `done` or `waiting`."""
    return state.load(CEREMONIES, CEREMONY)


def phase_open(state: State) -> bool:
    """Whether an attempt needs the next block, even if that is empty: not while it waits for seats to register."""
    now = running(state)
    return now is not None and now.phase in RUNNING and (now.phase != REGISTER or _is_ready(state, now))


def recipients(seats: Sequence[Seat | KeySeat]) -> list[int]:
    """Indices of the seats that shares are dealt to, ascending."""
    return [index for index, seat in enumerate(seats, start=1) if seat.key]


def advance(state: State, context: BlockContext) -> tuple[AnyEvent, ...]:
    """What the block does to attempts before its first transaction: at most one phase ends."""
    now, epoch = running(state), epochs.epoch_of(context.height, context.consensus)
    if not context.params.sealed.on:
        return () if now is None else _stop(state, context, now)
    events: tuple[AnyEvent, ...] = ()
    if now is None or now.seen_epoch != epoch:
        now, events = _compare(state, context, now, epoch)
    if now is None or now.phase not in RUNNING:
        return events
    return events + _step(state, context, now)


def name_seat(state: State, context: BlockContext, now: Ceremony | ThresholdKey, member: str, reason: str) -> SeatNamed:
    """Put it on record that a seat did not do its part, and lower what it has shown where it lied."""
    lost_ppm = 0
    if reason in LIES and trust.current(state, context, member) is not None:
        lost_ppm = trust.lower_index(state, context, member, f"seat-{reason}")
    return SeatNamed(member, now.epoch, now.attempt, reason, lost_ppm)


# Beginning


def _compare(
    state: State, context: BlockContext, now: Ceremony | None, epoch: int
) -> tuple[Ceremony | None, tuple[AnyEvent, ...]]:
    """Look at the organisations of an epoch that has begun, and begin anew where that is needed."""
    members = tuple(sorted(epochs.powers(state, context.height)))
    same = now is not None and members == tuple(seat.member for seat in now.seats)
    keeps = same and _opens(state)
    events = () if keeps or not keys.held_keys(state).in_force else keys.supersede(state, context)
    if now is not None and same and (now.phase in RUNNING or (keeps and not _wants_another(state))):
        seen = _replace(now, seen_epoch=epoch)
        state.save(CEREMONY, seen)
        return seen, events
    if now is not None and now.phase in RUNNING:
        _forget(state, now, ())
    if not MIN_SEATS <= len(members) <= MAX_SEATS or not keys.has_room(state):
        members = ()
    seats = tuple(Seat(member) for member in members)
    fresh = Ceremony(
        epoch=epoch,
        attempt=1,
        phase=REGISTER if members else WAITING,
        threshold=threshold(len(members)),
        seats=seats,
        window=window.begin(context),
        seen_epoch=epoch,
    )
    state.save(CEREMONY, fresh)
    return fresh, (*events, _moved(fresh))


def _stop(state: State, context: BlockContext, now: Ceremony) -> tuple[AnyEvent, ...]:
    """Sealed dispatch is off: no key is made, and none is in force. Rounds that have pinned one settle with it."""
    if now.phase in RUNNING:
        _forget(state, now, ())
    state.remove(CEREMONY)
    return keys.supersede(state, context)


def _opens(state: State) -> bool:
    """Whether enough seats of the key in force can still open anything."""
    key = keys.key_in_force(state)
    return key is not None and len(key.seats) - len(_left_out(state)) >= key.threshold


def _wants_another(state: State) -> bool:
    """Whether some seats have no share of the key in force, and there is room for one that they have."""
    return bool(_left_out(state)) and keys.has_room(state)


def _left_out(state: State) -> list[str]:
    """Seats of the key in force that have no share of it: they were away when it was made, or dealt a bad one."""
    key = keys.key_in_force(state)
    return [] if key is None else [seat.member for seat in key.seats if seat.excused or not seat.share]


# Moving on


def _step(state: State, context: BlockContext, now: Ceremony) -> tuple[AnyEvent, ...]:
    over = window.is_over(state, context, now.window)
    if now.phase == REGISTER:
        moves = _is_ready(state, now) and (over or _all(now, REGISTER))
    else:
        moves = over or (now.phase != COMPLAIN and _all(now, now.phase))
    if not moves:
        heard = window.hear(state, context, now.window)
        if heard is not now.window:
            state.save(CEREMONY, _replace(now, window=heard))
        return ()
    named = _name_silent(state, context, now)
    if now.phase == REGISTER:
        return named + _move(state, context, now, COMMIT)
    silent = [seat.member for seat in now.seats if not _spoke(seat, now.phase)]
    now = _replace(now, seats=tuple(_replace(one, barred=True) if one.member in silent else one for one in now.seats))
    if _dealers(now) < now.threshold:
        return named + _again(state, context, now)
    match now.phase:
        case "commit":
            return named + _move(state, context, now, DEAL)
        case "deal":
            return named + _move(state, context, now, COMPLAIN)
        case _:
            return named + _finish(state, context, now)


def _is_ready(state: State, now: Ceremony) -> bool:
    """Whether enough have registered, and where there is a key already, all for whom another one is made."""
    registered = [seat.member for seat in now.seats if seat.key]
    return _dealers(now) >= now.threshold and all(member in registered for member in _left_out(state))


def _all(now: Ceremony, phase: str) -> bool:
    """Whether everybody has spoken in a phase that ends with that."""
    return all(_spoke(seat, phase) for seat in now.seats)


def _spoke(seat: Seat, phase: str) -> bool:
    """Whether nothing is expected of a seat any more in this phase. Who is barred from dealing may hold shares all the
    same, but nobody waits for it; who has not registered is no dealer."""
    if seat.barred:
        return True
    match phase:
        case "register":
            return bool(seat.key)
        case "commit":
            return not seat.key or bool(seat.commitment)
        case _:
            return not seat.key or seat.dealt


def _name_silent(state: State, context: BlockContext, now: Ceremony) -> tuple[AnyEvent, ...]:
    """Name those for whom a phase does not wait any longer."""
    reason = "absent" if now.phase == REGISTER else "silent"
    silent = [seat.member for seat in now.seats if not _spoke(seat, now.phase)]
    return tuple(name_seat(state, context, now, member, reason) for member in silent)


def _dealers(now: Ceremony) -> int:
    """How many may still be dealers of this attempt."""
    return sum(map(_deals, now.seats))


def _deals(seat: Seat) -> bool:
    return bool(seat.key) and not seat.barred and not seat.bad


def _move(state: State, context: BlockContext, now: Ceremony, phase: str) -> tuple[AnyEvent, ...]:
    moved = _replace(now, phase=phase, window=window.begin(context))
    state.save(CEREMONY, moved)
    return (_moved(moved),)


def _again(state: State, context: BlockContext, now: Ceremony) -> tuple[AnyEvent, ...]:
    """Another attempt with those that may still deal, or wait for the next epoch."""
    _forget(state, now, ())
    # Nobody is barred any more where the next epoch has begun meanwhile.
    later = now.seen_epoch > now.epoch
    barred = [] if later else [seat.member for seat in now.seats if seat.barred or seat.bad]
    after = _replace(
        now,
        epoch=now.seen_epoch,
        attempt=1 if later else now.attempt + 1,
        seats=tuple(Seat(seat.member, barred=seat.member in barred) for seat in now.seats),
        phase=REGISTER if len(now.seats) - len(barred) >= now.threshold else WAITING,
        window=window.begin(context),
    )
    state.save(CEREMONY, after)
    return (_moved(after),)


def _finish(state: State, context: BlockContext, now: Ceremony) -> tuple[AnyEvent, ...]:
    """Add up what the dealers that are left have dealt; every node computes the same."""
    dealers = tuple(seat.member for seat in now.seats if seat.dealt and _deals(seat))
    vector = key_making.joint([_vector(state, now, dealer) for dealer in dealers])
    if vector[0] == IDENTITY:
        return _again(state, context, now)
    point = vector[0].to_bytes()
    made = ThresholdKey(
        key_id=key_making.key_id(Attempt(context.chain_id, now.epoch, now.attempt), point),
        epoch=now.epoch,
        attempt=now.attempt,
        point=point,
        threshold=now.threshold,
        seats=tuple(
            KeySeat(
                seat.member,
                index,
                key_making.public_share(vector, index).to_bytes() if seat.key else b"",
                seat.key,
            )
            for index, seat in enumerate(now.seats, start=1)
        ),
        dealers=dealers,
        made_height=context.height,
    )
    _forget(state, now, dealers)
    state.save(CEREMONY, _replace(now, phase=DONE))
    entered = KeyMade(made.key_id, now.epoch, now.attempt, now.threshold, len(made.seats), len(dealers))
    return (entered, *keys.put_in_force(state, context, made))


def _vector(state: State, now: Ceremony, dealer: str) -> tuple[Point, ...]:
    dealt: Dealt | None = state.load(DEALINGS, DEALINGS.key(now.epoch, now.attempt, dealer))
    assert dealt is not None, "who has dealt is on record"
    return key_making.decode_vector(dealt.vector, now.threshold)


def _forget(state: State, now: Ceremony, kept: Sequence[str]) -> None:
    """Drop what was dealt in an attempt, but by these dealers."""
    for seat in now.seats:
        if seat.dealt and seat.member not in kept:
            state.remove(DEALINGS.key(now.epoch, now.attempt, seat.member))


def _moved(now: Ceremony) -> CeremonyMoved:
    return CeremonyMoved(now.epoch, now.attempt, now.phase)
