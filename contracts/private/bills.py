"""What a private meter is billed for in a cycle, and how it is paid without anybody seeing how much that is.

A bill is a commitment to energy; the tariff times it is a commitment to money, with the same opening times the tariff.
Who owes spends exactly that commitment, so nodes compare two points and know that the whole bill was paid. The owner of
a load owes the campus, the campus owes the owner of a source.
"""

from __future__ import annotations

import msgspec

from contracts.confidential import accounts
from contracts.context import BlockContext
from contracts.members import Meter
from contracts.private import agenda
from contracts.private.bodies import PayBill
from contracts.private.events import BillPaid
from contracts.private.points import Hidden, combine
from contracts.private.records import (
    ANSWERING,
    DONE,
    LEAST_BUYERS,
    PAYING,
    SPLITTING,
    HiddenUse,
    PrivateCycle,
)
from contracts.receipts import AnyEvent
from contracts.schema import HIDDEN_USES, METERS
from contracts.state import State
from zk.statements import ranges
from zk.statements.assertion import Where

_replace = msgspec.structs.replace
BILLED = (SPLITTING, ANSWERING, PAYING, DONE)
"""Phases in which what loads used is fixed."""
KIND = "range"
"""Of the statement that a bill is of nothing."""


def pay(state: State, context: BlockContext, sender: str, body: PayBill) -> tuple[AnyEvent, ...] | str:
    """Pay a bill, also late. Refuses `private.meter`, `private.cycle`, `private.bill`, `private.amount`,
    `private.proof`, and whatever a spend is refused for."""
    meter = state.load(METERS, METERS.key(body.meter))
    if meter is None or meter.private is None:
        return "private.meter"
    record = agenda.load(state, meter.private.campus, body.cycle)
    if record is None:
        return "private.cycle"
    point = bill(state, record, meter, body.green)
    payer, payee = parties(meter)
    if point is None or payer != sender:
        return "private.bill"
    events: tuple[AnyEvent, ...] = ()
    if body.spend is None:
        place = where(context.chain_id, meter.id, body.cycle)
        asked = ranges.assertion(KIND, place, [point], [(0, 0)], body.nothing)
        if not context.proves(asked):
            return "private.proof"
    else:
        if body.nothing or body.spend.to != payee or body.spend.commitment != amount(meter, point, body.green):
            return "private.amount"
        spent = accounts.spend(state, context, sender, body.spend)
        if isinstance(spent, str):
            return spent
        events = spent
    _mark(state, record, meter, body.green)
    return (*events, BillPaid(meter.id, body.cycle))


def where(chain_id: str, meter: str, cycle: int) -> Where:
    """The place that the proof of an empty bill is good for."""
    return Where(chain_id, meter, cycle)


def parties(meter: Meter) -> tuple[str, str]:
    """Who pays the bills of a private meter, and whom."""
    assert meter.private is not None, "only of private meters"
    both = meter.member, meter.private.campus
    return (both[1], both[0]) if meter.kind == "source" else both


def amount(meter: Meter, point: bytes, green: bool = False) -> Hidden:
    """What a bill comes to: a commitment to nano."""
    assert meter.private is not None, "only of private meters"
    terms = meter.private
    return combine((point, terms.green_nano_per_wh if green else terms.tariff_nano_per_wh))


def bill(state: State, record: PrivateCycle, meter: Meter, green: bool = False) -> Hidden:
    """What a meter is billed for in a cycle and nobody has paid; None: nothing."""
    if green:
        use = _use(state, record, meter.id)
        is_sold = record.green_buyers >= LEAST_BUYERS and record.phase in (PAYING, DONE)
        if use is None or use.wrong or use.green is None or use.green.paid or not is_sold:
            return None
        return use.green.point
    if meter.kind == "source":
        share = next((one for one in record.shares if one.meter == meter.id), None)
        return None if share is None or share.paid else share.point
    use = _use(state, record, meter.id)
    return None if use is None or use.paid or use.wrong or record.phase not in BILLED else use.point


def _use(state: State, record: PrivateCycle, meter: str) -> HiddenUse | None:
    return state.load(HIDDEN_USES, HIDDEN_USES.key(record.cycle, meter))


def _mark(state: State, record: PrivateCycle, meter: Meter, green: bool) -> None:
    if green:
        use = _use(state, record, meter.id)
        assert use is not None and use.green is not None, "it has a bill"
        bought = _replace(use.green, paid=True)
        state.save(HIDDEN_USES.key(record.cycle, meter.id), _replace(use, green=bought))
    elif meter.kind == "source":
        shares = tuple(_replace(one, paid=True) if one.meter == meter.id else one for one in record.shares)
        agenda.save(state, _replace(record, shares=shares))
    else:
        use = _use(state, record, meter.id)
        assert use is not None, "it has a bill"
        state.save(HIDDEN_USES.key(record.cycle, meter.id), _replace(use, paid=True))
