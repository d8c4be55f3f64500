"""Hidden bills are paid by exactly what they come to: no less, no other's, and not by saying that there is none."""

from __future__ import annotations

from functools import cache

import pytest
from hidden_world import entropy_of
from ledger_world import FIRST, change
from private_world import CYCLE, TARIFF, Campus, genesis

from contracts.confidential.bodies import Deposit
from contracts.members import Private
from contracts.private.bodies import PayBill, Reconcile
from node.billing import words
from zk.statements import known_difference
from zk.statements.openings import Opening

DEPOSIT_NANO = 9_000 * TARIFF
BALANCE = Opening(DEPOSIT_NANO, bytes(32))
EXACT_LINE = Private("campus", TARIFF, accuracy_wh=5)


@cache
def _paying() -> Campus:
    """One tenant used 1,000 Wh and one 3,000, a third nothing; all of it is to be paid."""
    campus = Campus(genesis(3, sources=1))
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-t02": 3_000, "m-t03": 0, "m-bio": 4_000})
    campus.end()
    campus.prove_all()
    campus.chain.block()
    campus.split_is({"m-bio": 4_000})
    assert campus.chain.run(campus.say("m-bio", campus.answer("m-bio"))) == "ok"
    campus.chain.block()
    assert campus.cycle().phase == "paying"
    for member in ("t01", "t02", "t03"):
        assert campus.chain.run(campus.chain.say(member, Deposit(DEPOSIT_NANO))) == "ok"
    return campus


def paying() -> Campus:
    return _paying().copy()


def other_amounts(owed: Opening) -> dict[str, Opening]:
    """What somebody might rather pay."""
    return {
        "one nano less": owed.times(TARIFF).shifted(-1),
        "one nano more": owed.times(TARIFF).shifted(1),
        "one Wh less": owed.shifted(-1).times(TARIFF),
        "the energy": owed,
        "the amount under another blinding": Opening(owed.value * TARIFF, bytes(31) + b"\x07"),
        "half": Opening(owed.value // 2, owed.blinding).times(TARIFF),
    }


@pytest.mark.parametrize("name", other_amounts(Opening(1_000, bytes(32))))
def test_nothing_but_the_very_amount_pays_a_bill(name: str) -> None:
    campus = paying()
    sent = other_amounts(campus.owed("m-t01"))[name]
    body = PayBill("m-t01", CYCLE, campus.spends("m-t01", sent, BALANCE), b"")
    assert campus.chain.run(campus.chain.say("t01", body)) == "private.amount"
    assert not campus.use("m-t01").paid
    right, _ = campus.pay("m-t01", BALANCE)
    assert campus.chain.run(campus.chain.say("t01", right)) == "ok"
    assert campus.use("m-t01").paid


def test_a_payment_for_one_meter_pays_no_other() -> None:
    campus = paying()
    right, _ = campus.pay("m-t01", BALANCE)
    assert campus.chain.run(campus.chain.say("t02", change(right, meter="m-t02"))) == "private.amount"
    assert campus.chain.run(campus.chain.say("t02", right)) == "private.bill"


def test_a_spend_beside_a_proof_that_nothing_is_owed_is_neither() -> None:
    campus = paying()
    right, _ = campus.pay("m-t01", BALANCE)
    assert campus.chain.run(campus.chain.say("t01", change(right, nothing=b"\0"))) == "private.amount"


def test_the_proof_that_one_owes_nothing_is_worth_nothing_to_another() -> None:
    campus = paying()
    proof = words.nothing_owed(
        campus.chain.chain_id, "m-t03", CYCLE, campus.owed("m-t03"), entropy=entropy_of("nothing")
    )
    for member, meter in (("t01", "m-t01"), ("t02", "m-t02")):
        said = campus.chain.say(member, PayBill(meter, CYCLE, None, proof))
        assert campus.chain.run(said) == "private.proof"
    assert campus.chain.run(campus.chain.say("t03", PayBill("m-t03", CYCLE, None, proof))) == "ok"


@pytest.mark.parametrize(("delivered_wh", "outcome"), [(1_000, "within"), (995, "within"), (994, "delivery")])
def test_a_supplier_that_is_billed_for_more_than_it_delivered_is_paid_that_up_to_the_accuracy(
    delivered_wh: int, outcome: str
) -> None:
    """It says the difference to all, and is no worse off than one that proves it hidden."""
    campus = Campus(genesis(1, {"m-bio": EXACT_LINE}, sources=1))
    campus.read(FIRST + 1, {"m-t01": 1_000, "m-bio": delivered_wh})
    campus.end()
    campus.prove_all()
    campus.chain.block()
    campus.split_is({"m-bio": 1_000})
    place = words.shares.answer_where(campus.chain.chain_id, "m-bio", CYCLE)
    bill, delivery = campus.told("m-bio"), campus.delivered("m-bio")
    shown = known_difference.prove(place, bill, delivery, entropy=entropy_of("shown"))
    assert shown.difference == 1_000 - delivered_wh
    said = campus.say("m-bio", Reconcile("m-bio", CYCLE, shown.difference, shown.proof, b""))
    assert campus.chain.run(said) == "ok"
    assert campus.share("m-bio").outcome == outcome
    assert campus.names() == ([("campus", "m-bio", "loss")] if outcome == "delivery" else [])
