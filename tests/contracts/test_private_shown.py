"""What meters saw beside their registers, shown to lie between bounds; and green shares that nobody can measure."""

from __future__ import annotations

from functools import cache

import pytest
from hidden_world import entropy_of, note_secret
from ledger_world import FIRST, change
from private_world import CYCLE, PARAMS, TARIFF, Campus, genesis

from contracts.api import BlockContext
from contracts.bodies import MonitorHead, Quality, Reserve
from contracts.carbon.origin import Book
from contracts.confidential.bodies import Deposit
from contracts.members import Private
from contracts.private.bodies import SEALED, GreenLot, PayBill, RetireGreen, Sealed, ShowReading
from contracts.private.records import DONE
from contracts.schema import ORIGINS
from contracts.state import State
from node.billing import words
from zk.pedersen import commit
from zk.statements import chain, check
from zk.statements.assertion import Where
from zk.statements.openings import Opening, total

WAVE = Quality(230_000, 32_000, 50_000, -900_000, 20_000, -5_000, 400_000)
"""A line that carries 32 A to the site, on a cold day."""


@cache
def _seen() -> Campus:
    """A source that says what it still has and what its line carries, and then delivers."""
    campus = Campus(genesis(1, sources=1))
    body = campus.reading("m-bio", FIRST, 0, reserve=Reserve(3_000, 2_000, 0), quality=WAVE)
    assert campus.chain.run(campus.chain.meter_says("m-bio", body)) == "ok"
    return campus


def seen() -> Campus:
    return _seen().copy()


# The 32-ampere example


def shows(campus: Campus, field: Sealed, low: int, high: int, at: int = 1) -> ShowReading:
    value = campus.hidden["m-bio"].quality[SEALED.index(field) - 1]
    return words.show_field(campus.chain.chain_id, "m-bio", at, field, (low, high), value, entropy=entropy_of(field))


def test_a_line_shows_that_it_carried_no_more_than_32_amperes_and_not_how_many() -> None:
    campus = seen()
    body = shows(campus, "current_ma", 0, 32_000)
    (receipt,) = campus.chain.block(campus.chain.say("bio", body))
    assert receipt.code == "ok"
    assert [(one.field, one.low, one.high) for one in receipt.events] == [("current_ma", 0, 32_000)]
    with pytest.raises(ValueError):
        shows(campus, "current_ma", 0, 31_999)
    assert campus.chain.run(campus.chain.say("bio", change(body, high=31_999))) == "private.proof"


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [("power_factor_ppm", -1_000_000, 0), ("ambient_mc", -5_000, -5_000), ("voltage_mv", 207_000, 253_000)],
)
def test_any_field_is_shown_the_same_way(field: Sealed, low: int, high: int) -> None:
    campus = seen()
    body = shows(campus, field, low, high)
    assert campus.chain.run(campus.chain.say("bio", body)) == "ok"


def test_a_field_shown_stands_for_no_other_field_reading_or_meter() -> None:
    campus = seen()
    body = shows(campus, "current_ma", 0, 40_000)
    assert campus.chain.run(campus.chain.say("bio", change(body, field="thd_ppm"))) == "private.proof"
    assert campus.chain.run(campus.chain.say("bio", change(body, at=2))) == "private.reading"
    assert campus.chain.run(campus.chain.say("campus", body)) == "private.meter"
    assert campus.chain.run(campus.chain.say("t01", change(body, meter="m-t01"))) == "private.reading"
    later = campus.reading("m-bio", FIRST, 0, quality=change(WAVE, current_ma=90_000))
    assert campus.chain.run(campus.chain.meter_says("m-bio", later)) == "ok"
    assert campus.chain.run(campus.chain.say("bio", body)) == "private.reading", "the newest counts"


# Reserves


def delivered(campus: Campus, delivery_wh: int) -> Campus:
    campus.read(FIRST + 1, {"m-bio": delivery_wh, "m-t01": 1_000})
    campus.end()
    campus.prove_all()
    return campus


def test_a_reserve_that_its_meter_signed_covers_what_was_delivered() -> None:
    campus = seen()
    held = campus.hidden["m-bio"].reserve
    assert held is not None and held.value == 5_000
    delivered(campus, 5_000)
    proof = {"entropy": entropy_of("reserve")}
    body = words.show_reserve(campus.chain.chain_id, "m-bio", CYCLE, 6_000, held, campus.delivered("m-bio"), **proof)
    assert campus.chain.run(campus.chain.say("bio", body)) == "ok"
    assert campus.chain.run(campus.chain.say("bio", change(body, high=5_999))) == "private.proof"
    assert campus.chain.run(campus.chain.say("bio", change(body, high=400_000))) == "private.range", "the nameplate"
    assert campus.chain.run(campus.chain.say("bio", change(body, low=1))) == "private.range", "that is not proven"
    assert campus.chain.run(campus.chain.say("bio", change(body, at=CYCLE + 1))) == "private.reading"


def test_a_delivery_beyond_the_reserve_has_no_proof() -> None:
    campus = seen()
    held = campus.hidden["m-bio"].reserve
    assert held is not None
    delivered(campus, 5_001)
    with pytest.raises(ValueError):
        words.show_reserve(
            campus.chain.chain_id, "m-bio", CYCLE, 6_000, held, campus.delivered("m-bio"), entropy=entropy_of("r")
        )
    raised = Opening(6_000, held.blinding)
    forged = words.show_reserve(
        campus.chain.chain_id, "m-bio", CYCLE, 6_000, raised, campus.delivered("m-bio"), entropy=entropy_of("r")
    )
    assert campus.chain.run(campus.chain.say("bio", forged)) == "private.proof", "its meter signed another one"


# Monitoring


def test_a_slice_of_monitoring_records_is_what_the_meter_put_on_the_ledger() -> None:
    campus = seen()
    records = [b"breaker closed %d" % number for number in range(40)]
    where = Where(campus.chain.chain_id, "m-bio")
    one, proof = chain.prove(where, records, 10, 5)
    body = campus.reading("m-bio", FIRST, 0, monitor=MonitorHead(len(records), one.head))
    assert campus.chain.run(campus.chain.meter_says("m-bio", body)) == "ok"
    head = campus.head("m-bio")
    anchored = change(one, head=head.monitor_head, length=head.monitor_length)
    assert check.verify(chain.assertion(where, anchored, proof))
    assert one.records == tuple(records[10:15])
    for wrong in (
        change(anchored, records=(*one.records[:2], b"breaker open 12", *one.records[3:])),
        change(anchored, first=11),
        change(anchored, records=one.records[:-1]),
        change(anchored, head=bytes(32)),
    ):
        assert not check.verify(chain.assertion(where, wrong, proof))
    assert campus.head("m-t01").monitor_head is None, "each meter has a chain of its own"
    shorter = campus.reading("m-bio", FIRST, 0, monitor=MonitorHead(39, one.head))
    assert campus.chain.run(campus.chain.meter_says("m-bio", shorter)) == "reading.monitor"


# Green


GREEN = Private("campus", TARIFF, 1_000, 3_000, green_nano_per_wh=7_000)
USED_WH = {"m-t01": 1_001, "m-t02": 2_000, "m-t03": 3_000}
BOUGHT_PPM = {"m-t01": 500_000, "m-t02": 1_000_000, "m-t03": 333_333}
BOUGHT_WH = {"m-t01": 500, "m-t02": 2_000, "m-t03": 999}


@cache
def _bought(buyers: int) -> Campus:
    """So many of three tenants buy a part of what they used green."""
    campus = Campus(genesis(3, {meter: GREEN for meter in USED_WH}, sources=1))
    campus.read(FIRST + 1, USED_WH | {"m-bio": 6_001})
    campus.end()
    for meter in sorted(campus.meters):
        share = BOUGHT_PPM[meter] if meter in list(BOUGHT_PPM)[:buyers] else None
        assert campus.chain.run(campus.say(meter, campus.prove(meter, green_ppm=share))) == "ok"
    campus.chain.block()
    campus.split_is({"m-bio": 6_001})
    assert campus.chain.run(campus.say("m-bio", campus.answer("m-bio"))) == "ok"
    campus.chain.block()
    return campus


def bought(buyers: int = 3) -> Campus:
    return _bought(buyers).copy()


def green_of(campus: Campus, meter: str) -> Opening:
    opening = words.read_green(note_secret("campus"), campus.chain.chain_id, "campus", campus.use(meter))
    assert opening is not None
    return opening


def certified(campus: Campus, energy_wh: int) -> None:
    """The campus holds so many certificates."""

    def give(state: State, context: BlockContext) -> None:
        book = Book(state, PARAMS, FIRST)
        book.issue("campus", "m-open", FIRST, energy_wh)
        book.save()

    campus.chain.decide(give)


def retires(campus: Campus, lots: tuple[GreenLot, ...]) -> RetireGreen:
    sold = total([green_of(campus, meter) for meter in BOUGHT_WH])
    return words.retire_green(campus.chain.chain_id, "campus", CYCLE, sold, lots, entropy=entropy_of("retire"))


def test_what_is_sold_as_green_is_paid_and_as_many_certificates_are_used_up() -> None:
    campus = bought()
    assert {meter: green_of(campus, meter).value for meter in BOUGHT_WH} == BOUGHT_WH
    assert campus.cycle().green_buyers == 3
    certified(campus, 4_000)
    body = retires(campus, (GreenLot("m-open", CYCLE, 3_499),))
    assert body.energy_wh == 3_499
    assert campus.chain.run(campus.chain.say("campus", change(body, energy_wh=3_498))) == "private.lots"
    less = change(body, energy_wh=3_498, lots=(GreenLot("m-open", CYCLE, 3_498),))
    assert campus.chain.run(campus.chain.say("campus", less)) == "private.proof"
    absent = change(body, lots=(GreenLot("m-open", CYCLE - 1, 3_499),))
    assert campus.chain.run(campus.chain.say("campus", absent)) == "origin.insufficient"
    assert campus.chain.run(campus.chain.say("campus", body)) == "ok"
    assert campus.chain.run(campus.chain.say("campus", body)) == "private.retired"
    assert [lot.energy_wh for lot in ORIGINS.decode(campus.chain.store[ORIGINS.key("campus")]).lots] == [501]

    funds = Opening(10**9, bytes(32))
    assert campus.chain.run(campus.chain.say("t01", Deposit(funds.value))) == "ok"
    paid, _ = campus.pay("m-t01", funds)
    wrong = change(paid, green=True)
    assert campus.chain.run(campus.chain.say("t01", wrong)) == "private.amount", "energy is not its green share"
    spent = campus.spends("m-t01", green_of(campus, "m-t01").times(7_000), funds)
    assert campus.chain.run(campus.chain.say("t01", PayBill("m-t01", CYCLE, spent, b"", True))) == "ok"
    assert campus.chain.run(campus.chain.say("t01", PayBill("m-t01", CYCLE, spent, b"", True))) == "private.bill"
    campus.until(DONE)
    assert ("t01", "m-t01", "unpaid") in campus.names(), "the energy itself"
    assert not any(reason == "not-green" for _, _, reason in campus.names())


def test_of_fewer_than_three_buyers_nothing_is_sold() -> None:
    campus = bought(2)
    body = change(retires(bought(), (GreenLot("m-open", CYCLE, 3_499),)))
    assert campus.chain.run(campus.chain.say("campus", body)) == "private.few"
    assert campus.chain.run(campus.chain.say("t01", PayBill("m-t01", CYCLE, None, b"", True))) == "private.bill"
    campus.until(DONE)
    assert not any(reason == "not-green" for _, _, reason in campus.names())


def test_who_sells_green_energy_and_uses_up_nothing_is_named() -> None:
    campus = bought()
    campus.until(DONE)
    assert ("campus", None, "not-green") in campus.names()


def test_a_green_share_is_the_share_that_it_says() -> None:
    campus = Campus(genesis(1, {"m-t01": GREEN}, sources=1))
    campus.read(FIRST + 1, {"m-t01": 2_000})
    campus.end()
    body = campus.prove("m-t01", green_ppm=500_000)
    assert body.green is not None
    for wrong in (
        change(body.green, ppm=500_001),
        change(body.green, volume=commit(1_001, bytes(31) + b"\1").to_bytes()),
        change(body.green, remainder=body.green.volume),
        change(body.green, proof=body.green.proof[:-1]),
    ):
        assert campus.chain.run(campus.say("m-t01", change(body, green=wrong))) == "private.proof"
    assert campus.chain.run(campus.say("m-t01", body)) == "ok"


def test_a_note_that_hides_the_green_volume_is_a_wrong_note() -> None:
    campus = Campus(genesis(1, {"m-t01": GREEN}, sources=1))
    campus.read(FIRST + 1, {"m-t01": 2_000})
    campus.end()
    silent = campus.prove("m-t01")
    body = change(campus.prove("m-t01", green_ppm=500_000), note=silent.note)
    assert campus.chain.run(campus.say("m-t01", body)) == "ok"
    assert words.read_use(note_secret("campus"), campus.chain.chain_id, "campus", campus.use("m-t01")) is None
    blame = words.blame_use(
        note_secret("campus"), campus.chain.chain_id, "campus", campus.use("m-t01"), entropy=entropy_of("b")
    )
    assert campus.chain.run(campus.chain.say("campus", blame)) == "ok"
    assert campus.names() == [("t01", "m-t01", "note")]
