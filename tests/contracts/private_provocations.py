"""One way to provoke each refusal about hidden energy; with all others, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec
from hidden_provocations import CASES
from ledger_world import FIRST, Chain, change
from private_world import CYCLE, PARAMS, Campus, genesis
from provocations import provokes_on

from contracts.bodies import AccountBody, MonitorHead, Offer
from contracts.envelope import Envelope
from contracts.private.bodies import BlameNote, GreenShare, PayBill, ProveUse, Reconcile, RetireGreen, ShowReading
from contracts.schema import NOTE_KEYS, PRIVATE_CYCLES

__all__ = ["CASES"]

Case = Callable[[Campus], Envelope]
LONG = change(PARAMS, private_blocks=1_000)
READ_WH = {"m-t01": 1_500, "m-t02": 1_500, "m-bio": 2_000, "m-geo": 1_000}


@cache
def _read(tenants: int = 3) -> Campus:
    """A month in which the third tenant says nothing."""
    campus = Campus(genesis(tenants, params=LONG, sources=2))
    campus.read(FIRST + 1, READ_WH)
    return campus


@cache
def _proving() -> Campus:
    """Uses may be proven, by everybody but a tenant that said nothing."""
    campus = _read().copy()
    campus.end()
    _pass(campus)
    return campus


@cache
def _opening() -> Campus:
    """All uses stand."""
    campus = _read(2).copy()
    campus.end()
    campus.prove_all()
    _pass(campus)
    return campus


@cache
def _answering() -> Campus:
    campus = _opening().copy()
    campus.split_is({"m-bio": 2_000, "m-geo": 1_000})
    _pass(campus)
    return campus


@cache
def _done() -> Campus:
    """Bills wait to be paid."""
    campus = _answering().copy()
    for meter in ("m-bio", "m-geo"):
        assert campus.chain.run(campus.say(meter, campus.answer(meter))) == "ok"
    _pass(campus)
    return campus


def _pass(campus: Campus) -> None:
    """Blocks until the phase has heard all proposers that it waits for: the clock writes nothing after that."""
    for _ in range(3):
        campus.chain.block()


def provokes(code: str, begin: Callable[[], Campus]) -> Callable[[Case], None]:
    """Register the way to provoke `code` where a campus has come so far."""

    def register(case: Case) -> None:
        campuses: list[Campus] = []

        def chain() -> Chain:
            campuses.append(begin().copy())
            return campuses[-1].chain

        provokes_on(code, chain)(lambda _: case(campuses[-1]))

    return register


def said(code: str, begin: Callable[[], Campus], sender: str, body: AccountBody) -> None:
    """This word is refused."""
    provokes(code, begin)(lambda campus: campus.chain.say(sender, body))


@provokes("meter.private", _read)
def _(campus: Campus) -> Envelope:
    return campus.chain.say("bio", Offer("m-bio", FIRST + 4, ()))


@provokes("reading.open", _read)
def _(campus: Campus) -> Envelope:
    return campus.chain.reading("m-t01", FIRST + 1, 1, 0)


@provokes("reading.point", _read)
def _(campus: Campus) -> Envelope:
    body = campus.reading("m-t01", FIRST + 1, 1_700)
    return campus.chain.meter_says("m-t01", change(body, import_commitment=bytes(48)))


@provokes("reading.cycles-full", _proving)
def _(campus: Campus) -> Envelope:
    for later in range(1, 4):
        campus.read(FIRST + 1 + 2 * later, {"m-t01": 1_500})
    campus.chain.at(FIRST + 9)
    return campus.chain.meter_says("m-t01", campus.reading("m-t01", FIRST + 9, 1_500))


@provokes("reading.monitor", _read)
def _(campus: Campus) -> Envelope:
    longer = campus.reading("m-t01", FIRST + 1, 1_500, monitor=MonitorHead(2, bytes(32)))
    assert campus.chain.run(campus.chain.meter_says("m-t01", longer)) == "ok"
    shorter = campus.reading("m-t01", FIRST + 1, 1_500, monitor=MonitorHead(1, bytes(32)))
    return campus.chain.meter_says("m-t01", shorter)


USE = ProveUse("m-t01", CYCLE, False, b"", b"")

said("private.meter", _proving, "t02", USE)
said("private.cycle", _proving, "t01", change(USE, cycle=CYCLE + 1))
said("private.phase", _read, "t01", USE)
said("private.silent", _proving, "t03", change(USE, meter="m-t03"))
said("private.bounds", _proving, "bio", change(USE, meter="m-bio", wide=True))
said("private.note", _proving, "t01", USE)
said("private.recipient", _opening, "t02", BlameNote("m-t01", CYCLE, False, b""))
said("private.no-note", _proving, "campus", BlameNote("m-t01", CYCLE, False, b""))
said("private.reading", _opening, "bio", ShowReading("m-bio", "current_ma", 1, 0, 1, b""))
said("private.range", _opening, "bio", ShowReading("m-bio", "current_ma", 1, 1, 0, b""))
said("private.few", _done, "campus", RetireGreen(CYCLE, 0, b"", ()))
said("private.bill", _done, "t02", PayBill("m-t01", CYCLE, None, b""))


@provokes("private.proven", _proving)
def _(campus: Campus) -> Envelope:
    assert campus.chain.run(campus.say("m-t01", campus.prove("m-t01"))) == "ok"
    return campus.chain.say("t01", USE)


@provokes("private.note-key", _proving)
def _(campus: Campus) -> Envelope:
    del campus.chain.store[NOTE_KEYS.key("campus")]
    return campus.chain.say("t01", USE)


@provokes("private.proof", _proving)
def _(campus: Campus) -> Envelope:
    return campus.say("m-t01", change(campus.prove("m-t01"), wide=True))


def _split(campus: Campus, **fields: object) -> Envelope:
    body = campus.split({"m-bio": 2_000, "m-geo": 1_000})
    return campus.chain.say("campus", change(body, **fields))


@provokes("private.shares", _opening)
def _(campus: Campus) -> Envelope:
    return _split(campus, shares=())


@provokes("private.held", _opening)
def _(campus: Campus) -> Envelope:
    return _split(campus, held_wh=-1)


@provokes("private.sum", _opening)
def _(campus: Campus) -> Envelope:
    shares = campus.split({"m-bio": 2_000, "m-geo": 1_000}).shares
    return _split(campus, shares=(change(shares[0], point=shares[1].point), shares[1]))


@provokes("private.awards", _opening)
def _(campus: Campus) -> Envelope:
    key = PRIVATE_CYCLES.key(CYCLE, "campus")
    envelope = _split(campus)
    campus.chain.store[key] = msgspec.msgpack.encode(change(campus.cycle(), by_awards=True))
    return envelope


@provokes("private.delivery", _answering)
def _(campus: Campus) -> Envelope:
    record = campus.cycle()
    shares = tuple(change(one, delivery=None) for one in record.shares)
    key = PRIVATE_CYCLES.key(CYCLE, "campus")
    campus.chain.store[key] = msgspec.msgpack.encode(change(record, shares=shares))
    return campus.chain.say("bio", Reconcile("m-bio", CYCLE, 0, b"", b""))


@provokes("private.answered", _answering)
def _(campus: Campus) -> Envelope:
    assert campus.chain.run(campus.say("m-bio", campus.answer("m-bio"))) == "ok"
    return campus.chain.say("bio", Reconcile("m-bio", CYCLE, 0, b"", b""))


@provokes("private.amount", _done)
def _(campus: Campus) -> Envelope:
    body, _ = campus.pay("m-t01", campus.owed("m-t01").times(1_000_000))
    assert body.spend is not None
    return campus.chain.say("t01", change(body, spend=change(body.spend, to="t02")))


@provokes("private.green", _proving)
def _(campus: Campus) -> Envelope:
    point = campus.difference("m-t01").point
    return campus.say("m-t01", change(campus.prove("m-t01"), green=GreenShare(1, point, point, b"")))


def _sold(campus: Campus, **fields: object) -> Envelope:
    """The cycle as if three members had bought green energy."""
    record = change(campus.cycle(), green=campus.cycle().used, green_buyers=3, **fields)
    campus.chain.store[PRIVATE_CYCLES.key(CYCLE, "campus")] = msgspec.msgpack.encode(record)
    return campus.chain.say("campus", RetireGreen(CYCLE, 1, b"", ()))


@provokes("private.retired", _done)
def _(campus: Campus) -> Envelope:
    return _sold(campus, retired_wh=1)


@provokes("private.lots", _done)
def _(campus: Campus) -> Envelope:
    return _sold(campus)
