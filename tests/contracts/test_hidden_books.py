"""The books of hidden money: fees, awards, and the equality of all points."""

from __future__ import annotations

import pytest
from hidden_world import (
    FEE,
    PARAMS,
    accept,
    account,
    award,
    blinding,
    deposited,
    fresh,
    opens,
    register,
    spend,
    unchanged,
    withdraw,
)
from ledger_world import FIRST, OPENING_NANO, Chain, change, make_genesis, settle

from contracts.confidential import book, crediting
from contracts.confidential.bodies import Accept, Deposit
from contracts.confidential.records import HiddenAccount, HiddenTotal
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.group import native
from zk.group.bases import bases
from zk.statements.openings import Opening

# Fees


def fee_lines(chain: Chain, member: str, *intervals: int) -> list[int]:
    bills = [chain.bill(interval, member) for interval in intervals]
    lines = [line for bill in bills if bill is not None for line in bill.lines]
    return [line.amount_nano for line in lines if line.kind == "spend-fee"]


def spent(chain: Chain, balance: Opening, times: int) -> Opening:
    """So many payments from solar to bio."""
    for _ in range(times):
        paid = spend(chain, "solar", balance, "bio", 1)
        assert chain.run(chain.say("solar", paid.body)) == "ok"
        balance = paid.rest
    return balance


def test_a_fee_per_item_is_in_the_next_bill_of_an_interval_with_consumption_once() -> None:
    chain, balance = deposited(1_000)
    chain.at(FIRST + 1)
    chain.close(FIRST)
    before = chain.balance("solar")
    balance = spent(chain, balance, 2)
    chain.close(FIRST + 1)
    assert fee_lines(chain, "solar", FIRST, FIRST + 1) == [], "nobody took anything who could share it"
    settle(chain, FIRST + 2, {"m-campus": (500, 0), "m-tie": (0, 500)})
    spent(chain, balance, 1)
    settle(chain, FIRST + 3, {"m-campus": (500, 0), "m-tie": (0, 500)})
    settle(chain, FIRST + 4, {"m-campus": (500, 0), "m-tie": (0, 500)})
    assert fee_lines(chain, "solar", FIRST + 2, FIRST + 3, FIRST + 4) == [-2 * FEE, -FEE]
    assert chain.balance("solar") == before - 3 * FEE
    assert chain.money() == 6 * OPENING_NANO


def test_a_fee_is_owed_until_it_is_booked_and_can_not_be_run_away_from() -> None:
    chain = Chain(make_genesis(PARAMS, balances={"campus": 10**18, "solar": 10**9}))
    assert chain.run(chain.say("bio", register(chain, "bio"))) == "ok"
    assert chain.run(chain.say("solar", Deposit(1_000))) == "ok"
    chain.at(FIRST + 1)
    chain.close(FIRST)
    rest = spent(chain, Opening(1_000, bytes(32)), 1)
    # What it has is gone before the bill comes.
    assert chain.run(chain.pay("solar", "utility", chain.balance("solar"))) == "ok"
    settle(chain, FIRST + 1, {"m-campus": (500, 0), "m-tie": (0, 500)})
    assert fee_lines(chain, "solar", FIRST + 1) == [-FEE] and chain.balance("solar") == -FEE
    unchanged(chain, "confidential.fee", "solar", spend(chain, "solar", rest, "bio", 1).body)


# Awards


def test_an_award_is_paid_in_public_credited_once_and_spent() -> None:
    chain = fresh()
    assert chain.decide(lambda state, _: crediting.debit_public(state, "campus", 900)) == "ok"
    assert chain.balance("campus") == OPENING_NANO - 900
    opening = Opening(900, blinding("award"))
    assert award(chain, "solar", opening)
    assert not award(chain, "solar", opening)
    assert opens(account(chain, "solar").credits, opening)
    assert award(chain, "bio", Opening(0, blinding("nothing")))
    for point in (None, native.IDENTITY.to_bytes()):
        chain.decide(
            lambda state, context, point=point: crediting.credit_award(
                state, context, "tenant", point, b"", round_=1 + (point is None)
            )
        )
    assert account(chain, "tenant").credits is None
    assert chain.run(accept(chain, "solar", credits=True)) == "ok"
    unchanged(chain, "confidential.credits", "solar", Accept(1, (), account(chain, "solar").balance, b""))
    assert chain.run(chain.say("solar", withdraw(chain, "solar", opening, 900))) == "ok"
    assert chain.balance("solar") == OPENING_NANO + 900
    assert not award(chain, "solar", opening), "not even once it was accepted"
    assert chain.money() == 6 * OPENING_NANO


def test_a_buyer_is_debited_what_it_has_and_no_more_goes_in_than_can_be_proven() -> None:
    chain = Chain(make_genesis(PARAMS, balances={"campus": 100}))
    assert chain.decide(lambda state, _: crediting.debit_public(state, "campus", 101)) == "money.insufficient"
    assert chain.decide(lambda state, _: crediting.debit_public(state, "nobody", 1)) == "money.insufficient"
    assert chain.decide(lambda state, _: crediting.debit_public(state, "campus", -1)) == "amount.range"
    assert chain.decide(lambda state, _: crediting.debit_public(state, None, MAX_MONEY)) == "ok"
    assert chain.decide(lambda state, _: crediting.debit_public(state, "campus", 1)) == "amount.range"
    chain.decide(lambda state, _: crediting.undebit_public(state, MAX_MONEY - 1))
    for more in (2, -1):
        with pytest.raises(ValueError):
            chain.decide(lambda state, _, nano=more: crediting.undebit_public(state, nano))
    assert chain.decide(lambda state, _: book.total(state).debited_nano) == 1


# The equality


def test_a_point_that_comes_from_nowhere_stops_the_block() -> None:
    chain, _ = deposited(1_000)

    def mint(state: State, _: object) -> None:
        own: HiddenAccount = book.account(state, "solar")
        more = book.encoded(book.point(own.balance) + bases().V)
        book.write_account(state, change(own, balance=more))

    with pytest.raises(AssertionError, match="hidden money"):
        chain.decide(mint)


def test_more_coming_out_than_went_in_stops_the_block() -> None:
    chain, _ = deposited(1_000)

    def leak(state: State, _: object) -> None:
        sums: HiddenTotal = book.total(state)
        book.write_total(state, change(sums, net_nano=-1, held=book.encoded(book.of_amount(-1))))

    with pytest.raises(AssertionError, match="went in"):
        chain.decide(leak)


def test_nothing_is_looked_at_in_a_block_that_moved_nothing() -> None:
    chain, _ = deposited(1_000)
    chain.block()
    before = book.is_balanced.cache_info().misses
    chain.block()
    assert book.is_balanced.cache_info().misses == before
