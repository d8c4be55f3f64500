"""The paper's month, on the ledger: who used and delivered what is hidden, and everything adds up."""

from __future__ import annotations

import hidden_world
from hidden_world import entropy_of
from ledger_world import FIRST, codes
from private_world import CYCLE, SOURCES, TARIFF, Campus, genesis, month, tenants

from contracts.confidential.bodies import Deposit
from contracts.private.bodies import PayBill
from node.billing import words
from zk.statements.openings import Opening

TENANTS_WH = tuple(1_000 + (number * 7 % 53) * 2_000 // 52 for number in range(53))
MONTH_WH = 91_000


def used() -> dict[str, int]:
    """53 tenants, each in [1000, 3000] Wh, 91,000 Wh in all."""
    found = dict(zip(tenants(53), TENANTS_WH, strict=True))
    apart = MONTH_WH - sum(found.values())
    for meter in sorted(found):
        step = max(1_000 - found[meter], min(3_000 - found[meter], apart))
        found[meter] += step
        apart -= step
    assert sum(found.values()) == MONTH_WH
    assert all(1_000 <= wh <= 3_000 for wh in found.values())
    return found


def test_the_month_of_the_paper_settles_and_shows_nothing() -> None:
    campus = Campus(genesis(53))
    campus.read(FIRST + 1, used() | month())
    campus.end()
    campus.prove_all()
    campus.chain.block()
    assert campus.cycle().phase == "opening", "everybody has spoken"
    deliveries = {meter: campus.delivered(meter) for meter in SOURCES}
    assert {meter: one.value for meter, one in deliveries.items()} == month()
    assert campus.total().value == MONTH_WH
    said = campus.split(month(), deliveries=deliveries)
    assert campus.chain.run(campus.chain.say("campus", said)) == "ok"
    assert [one.outcome for one in campus.cycle().shares] == ["equal", "equal", "equal", ""]
    assert campus.told("m-solar").value == 31_000
    assert campus.chain.run(campus.say("m-wind", campus.answer("m-wind"))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "paying"
    assert campus.names() == []
    assert [one.outcome for one in campus.cycle().shares] == ["equal", "equal", "equal", "within"]


def test_what_is_billed_is_paid_by_hidden_spends_of_the_very_amounts() -> None:
    campus = Campus(genesis(2, sources=1))
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-t02": 0, "m-bio": 1_000})
    campus.end()
    campus.prove_all()
    campus.chain.block()
    campus.split_is({"m-bio": 1_000})
    assert campus.chain.run(campus.say("m-bio", campus.answer("m-bio"))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "paying"
    chain = campus.chain
    deposits = {"t01": 4_000 * TARIFF, "campus": 1_000 * TARIFF}
    assert set(codes(chain.block(*(chain.say(who, Deposit(nano)) for who, nano in deposits.items())))) == {"ok"}
    body, left = campus.pay("m-t01", Opening(deposits["t01"], bytes(32)))
    assert chain.run(chain.say("t01", body)) == "ok"
    assert left.value == 3_000 * TARIFF
    assert chain.run(chain.say("t01", body)) == "private.bill", "once"
    body, left = campus.pay("m-bio", Opening(deposits["campus"], bytes(32)))
    assert chain.run(chain.say("campus", body)) == "ok"
    assert left == Opening(0, left.blinding)
    proof = words.nothing_owed(chain.chain_id, "m-t02", CYCLE, campus.owed("m-t02"), entropy=entropy_of("nothing"))
    assert chain.run(chain.say("t02", PayBill("m-t02", CYCLE, None, proof))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "done"
    assert campus.names() == []
    assert [hidden_world.account(chain, who).pending for who in ("campus", "bio")] == [(0,), (1,)]
    assert chain.deadline_ms() is None, "nothing waits"
