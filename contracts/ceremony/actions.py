"""What seats say while a key is made, and later about a bad share.

Everything cheap is asked before any proof. A complaint is its own proof: it shows the one note in question, which
nobody answers, since everybody opens it alike. Only a note whose ephemeral point its dealer has proven to know can be
on record, so a complaint shows nothing of anybody else's messages.
"""

from __future__ import annotations

import msgspec

from contracts.ceremony import keys
from contracts.ceremony.bodies import CommitDealing, Complain, Deal, RegisterSeat
from contracts.ceremony.events import SeatHeard, SeatNamed
from contracts.ceremony.making import RUNNING, name_seat, recipients, running
from contracts.ceremony.records import COMMIT, COMPLAIN, DEAL, REGISTER, Ceremony, Dealt, Seat, ThresholdKey
from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.schema import CEREMONY, DEALINGS, THRESHOLD_KEYS
from contracts.state import State
from zk import ceremony as key_making
from zk import notes
from zk.ceremony import Attempt

_replace = msgspec.structs.replace


def register(state: State, context: BlockContext, sender: str, body: RegisterSeat) -> tuple[AnyEvent, ...] | str:
    """Take part in the attempt. Refuses `ceremony.none`, `ceremony.attempt`, `ceremony.phase`, `ceremony.seat`,
    `ceremony.twice`, `ceremony.possession`."""
    found = _seat(state, sender, body.epoch, body.attempt, REGISTER)
    if isinstance(found, str):
        return found
    now, place = found
    if now.seats[place].key:
        return "ceremony.twice"
    attempt = Attempt(context.chain_id, now.epoch, now.attempt)
    if not context.proves(key_making.seat_possession(attempt, sender, body.key, body.possession)):
        return "ceremony.possession"
    return _say(state, now, place, _replace(now.seats[place], key=body.key))


def commit(state: State, context: BlockContext, sender: str, body: CommitDealing) -> tuple[AnyEvent, ...] | str:
    """Bind oneself to a polynomial. Refuses as `register`, and `ceremony.barred`."""
    found = _seat(state, sender, body.epoch, body.attempt, COMMIT)
    if isinstance(found, str):
        return found
    now, place = found
    seat = now.seats[place]
    if seat.barred:
        return "ceremony.barred"
    if seat.commitment:
        return "ceremony.twice"
    return _say(state, now, place, _replace(seat, commitment=body.commitment))


def deal(state: State, context: BlockContext, sender: str, body: Deal) -> tuple[AnyEvent, ...] | str:
    """Show the vector and deal the shares. Refuses as `commit`, and `ceremony.commitment`,
    `ceremony.vector`, `ceremony.shares`, `ceremony.note`."""
    found = _seat(state, sender, body.epoch, body.attempt, DEAL)
    if isinstance(found, str):
        return found
    now, place = found
    seat = now.seats[place]
    if seat.barred:
        return "ceremony.barred"
    if seat.dealt:
        return "ceremony.twice"
    to = recipients(now.seats)
    if len(body.shares) != len(to):
        return "ceremony.shares"
    attempt = Attempt(context.chain_id, now.epoch, now.attempt)
    if key_making.digest(attempt, sender, body.vector) != seat.commitment:
        return "ceremony.commitment"
    try:
        key_making.decode_vector(body.vector, now.threshold)
    except ValueError:
        return "ceremony.vector"
    if not context.proves(key_making.dealer_possession(attempt, sender, body.vector, body.possession)):
        return "ceremony.possession"
    for index, note in zip(to, body.shares, strict=True):
        recipient = now.seats[index - 1]
        asked = notes.check(note, recipient.key, **key_making.route(attempt, sender, recipient.member))
        if asked is None or not context.proves(asked):
            return "ceremony.note"
    state.save(DEALINGS.key(now.epoch, now.attempt, sender), Dealt(body.vector, body.shares))
    return _say(state, now, place, _replace(seat, dealt=True))


def complain(state: State, context: BlockContext, sender: str, body: Complain) -> tuple[AnyEvent, ...] | str:
    """Show that a note holds no share of the dealer's polynomial. Refuses `ceremony.attempt`, `ceremony.phase`,
    `ceremony.seat`, `ceremony.dealer`, `ceremony.shown`.

    The dealer is disqualified and loses trust; when its key is made already, that stays, and the sender is excused.
    When the note holds a good share, the sender is the one who loses.
    """
    about = _about(state, body)
    if isinstance(about, str):
        return about
    index = next((at for at in recipients(about.seats) if about.seats[at - 1].member == sender), None)
    if index is None:
        return "ceremony.seat"
    dealt = state.load(DEALINGS, DEALINGS.key(about.epoch, about.attempt, body.dealer))
    if dealt is None or _is_bad(about, body.dealer, index):
        return "ceremony.dealer"
    note = dealt.shares[recipients(about.seats).index(index)]
    own, attempt = about.seats[index - 1], Attempt(context.chain_id, about.epoch, about.attempt)
    route = key_making.route(attempt, body.dealer, sender)
    asked = notes.revealed(note, body.shown, own.key, **route)
    if asked is None or not context.proves(asked):
        return "ceremony.shown"
    plain = notes.judge(note, body.shown, own.key, **route)
    vector = key_making.decode_vector(dealt.vector, about.threshold)
    if isinstance(plain, bytes) and key_making.is_share(plain, index, vector):
        return (name_seat(state, context, about, sender, "complaint"),)
    match about:
        case Ceremony(seats=seats):
            disqualified = (_replace(seat, bad=True) if seat.member == body.dealer else seat for seat in seats)
            state.save(CEREMONY, _replace(about, seats=tuple(disqualified)))
        case ThresholdKey(seats=held, blamed=blamed):
            excused = tuple(_replace(seat, excused=True) if seat.index == index else seat for seat in held)
            after = _replace(about, seats=excused, blamed=tuple(sorted({*blamed, body.dealer})))
            state.save(THRESHOLD_KEYS.key(about.key_id.hex()), after)
            if body.dealer in blamed:
                # Once is enough for one key; the seat is excused all the same.
                return (SeatNamed(body.dealer, about.epoch, about.attempt, "share", 0),)
    return (name_seat(state, context, about, body.dealer, "share"),)


def _about(state: State, body: Complain) -> Ceremony | ThresholdKey | str:
    """The running attempt or the held key that a complaint is about."""
    now = running(state)
    if now is not None and (now.epoch, now.attempt) == (body.epoch, body.attempt) and now.phase in RUNNING:
        return now if now.phase == COMPLAIN else "ceremony.phase"
    for one in keys.held_keys(state).held:
        key = keys.key(state, one.key_id)
        if key is not None and (key.epoch, key.attempt) == (body.epoch, body.attempt):
            return key
    return "ceremony.attempt"


def _is_bad(about: Ceremony | ThresholdKey, dealer: str, index: int) -> bool:
    """Whether there is nothing left to prove: the dealer is out, or is blamed and the seat excused."""
    match about:
        case Ceremony(seats=seats):
            return any(seat.member == dealer and seat.bad for seat in seats)
        case ThresholdKey(seats=held, blamed=blamed):
            return held[index - 1].excused and dealer in blamed


def _seat(state: State, sender: str, epoch: int, attempt: int, phase: str) -> tuple[Ceremony, int] | str:
    """The attempt in its right phase, and the place of the sender's seat; to deal, it has to be registered."""
    now = running(state)
    if now is None:
        return "ceremony.none"
    if (now.epoch, now.attempt) != (epoch, attempt):
        return "ceremony.attempt"
    if now.phase != phase:
        return "ceremony.phase"
    place = next((at for at, seat in enumerate(now.seats) if seat.member == sender), None)
    if place is None or (phase != REGISTER and not now.seats[place].key):
        return "ceremony.seat"
    return now, place


def _say(state: State, now: Ceremony, place: int, seat: Seat) -> tuple[AnyEvent, ...]:
    state.save(CEREMONY, _replace(now, seats=(*now.seats[:place], seat, *now.seats[place + 1 :])))
    return (SeatHeard(seat.member, now.epoch, now.attempt, now.phase),)
