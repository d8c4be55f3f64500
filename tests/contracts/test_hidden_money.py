"""Confidential accounts: what owners do works, and whatever else is tried is refused and leaves all as it was."""

from __future__ import annotations

import msgspec
import pytest
from hidden_world import (
    FEE,
    PARAMS,
    RETURN_BLOCKS,
    accept,
    account,
    award,
    deposited,
    entropy_of,
    fresh,
    note_secret,
    opens,
    register,
    spend,
    unchanged,
    withdraw,
)
from ledger_world import OPENING_NANO, Chain, change, make_genesis

from contracts.confidential import book, crediting
from contracts.confidential.bodies import MAX_PENDING, Accept, Deposit, Spend, Withdraw
from contracts.confidential.keys import note_key
from contracts.confidential.returning import MAX_RETURNS
from contracts.params import ConfidentialParams
from contracts.schema import CREDITS, HIDDEN, HIDDEN_TOTAL, HIDDEN_TOTALS, PENDING
from contracts.state import State
from contracts.units import MAX_MONEY
from zk import pedersen
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.hashing import sha256
from zk.statements import logarithm
from zk.statements import spend as spending
from zk.statements.assertion import Where
from zk.statements.openings import Opening

# What works


def test_money_goes_in_is_spent_accepted_and_comes_out() -> None:
    chain, balance = deposited(1_000)
    first = spend(chain, "solar", balance, "bio", 400)
    assert chain.run(chain.say("solar", first.body)) == "ok"
    assert opens(account(chain, "solar").balance, first.rest)
    assert account(chain, "bio").pending == (0,) and account(chain, "bio").balance is None
    assert chain.run(accept(chain, "bio", 0)) == "ok"
    assert opens(account(chain, "bio").balance, first.sent)
    assert chain.run(chain.say("bio", withdraw(chain, "bio", first.sent, 150))) == "ok"
    assert opens(account(chain, "bio").balance, first.sent.shifted(-150))
    assert chain.balance("bio") == OPENING_NANO + 150
    assert chain.balance("solar") == OPENING_NANO - 1_000
    assert chain.money() == 6 * OPENING_NANO
    assert PENDING.key(0) not in chain.store


def test_a_balance_that_all_left_is_absent_and_not_the_identity() -> None:
    chain, balance = deposited(500)
    body = withdraw(chain, "solar", balance, 500)
    assert body.proof == b""
    assert chain.run(chain.say("solar", body)) == "ok"
    assert account(chain, "solar").balance is None
    assert HIDDEN_TOTALS.decode(chain.store[HIDDEN_TOTAL]).held is None
    assert native.IDENTITY.to_bytes() not in b"".join(chain.store.values())
    unchanged(chain, "confidential.empty", "solar", change(body, sequence=account(chain, "solar").sequence))


def test_what_nobody_accepts_comes_back_beside_the_balance_and_can_be_accepted_there() -> None:
    chain, balance = deposited(1_000)
    sent = spend(chain, "solar", balance, "bio", 400)
    assert chain.run(chain.say("solar", sent.body)) == "ok"
    for _ in range(RETURN_BLOCKS - 1):
        chain.block()
    assert account(chain, "bio").pending == (0,)
    chain.block()
    own = account(chain, "solar")
    assert account(chain, "bio").pending == () and opens(own.credits, sent.sent) and opens(own.balance, sent.rest)
    unchanged(chain, "confidential.item", "bio", Accept(0, (0,), None, b""))
    assert own.newest is not None
    credit = CREDITS.decode(chain.store[book.credit_key("solar", own.newest)])
    assert (credit.note, credit.sequence, credit.previous) == (sent.body.own_note, sent.body.sequence, None)
    assert chain.run(accept(chain, "solar", credits=True)) == "ok"
    after = account(chain, "solar")
    assert opens(after.balance, balance) and after.credits is None and after.newest is None
    for _ in range(RETURN_BLOCKS + 1):
        chain.block()
    assert account(chain, "solar") == after, "a return never returns again"


# Note keys


def proven(member: str, chain: Chain, bound: tuple[bytes, ...]) -> bytes:
    where = Where(chain.chain_id, member)
    return logarithm.prove_known("possession", where, note_secret(member), bound, entropy=entropy_of("other"))


def test_a_note_key_needs_the_secret_behind_it_for_this_chain_and_member() -> None:
    chain = Chain(make_genesis(PARAMS))
    mine = register(chain, "solar")
    for body in (
        change(mine, proof=mine.proof[:-1]),
        change(mine, proof=bytes([mine.proof[0] ^ 1]) + mine.proof[1:]),
        change(mine, point=bases().V.to_bytes()),
        change(mine, point=(native.decode_point(mine.point) + bases().B).to_bytes()),
        change(mine, point=native.IDENTITY.to_bytes()),
        change(mine, point=b"\xff" * 48),
        change(mine, proof=b""),
        register(chain, "bio"),
        # The same secret, shown for a seat's key.
        change(mine, proof=proven("solar", chain, (b"seat-key",))),
        change(mine, proof=proven("solar", chain, ())),
    ):
        unchanged(chain, "confidential.possession", "solar", body)
    elsewhere = Chain(change(make_genesis(PARAMS), name="elsewhere"))
    unchanged(elsewhere, "confidential.possession", "solar", mine)
    assert chain.run(chain.say("solar", mine)) == "ok"
    unchanged(chain, "confidential.key-same", "solar", mine)


def test_a_later_note_key_replaces_the_earlier_one_and_the_old_ones_stay_known() -> None:
    chain = fresh()
    before, height = note_key(State(chain.store), "solar"), chain.height
    second = register(chain, "solar", note_secret("another"))
    assert chain.run(chain.say("solar", second)) == "ok"
    state = State(chain.store)
    assert note_key(state, "solar") == second.point
    assert note_key(state, "solar", height) == before
    assert note_key(state, "solar", chain.height) == second.point, "from its own block on"
    assert note_key(state, "solar", 0) is None and note_key(state, "utility") is None
    for number in range(14):
        body = register(chain, "solar", note_secret(f"key {number}"))
        assert chain.run(chain.say("solar", body)) == "ok"
    unchanged(chain, "confidential.key-full", "solar", register(chain, "solar", note_secret("too many")))


# Spends that must be refused


@pytest.fixture(scope="module")
def paid() -> tuple[dict[bytes, bytes], int, Spend, Opening]:
    """A state with 1,000 hidden and a valid spend of 400 of it to bio."""
    chain, balance = deposited(1_000)
    return dict(chain.store), chain.height, spend(chain, "solar", balance, "bio", 400).body, balance


def at(paid: tuple[dict[bytes, bytes], int, Spend, Opening]) -> tuple[Chain, Spend, Opening]:
    chain = fresh_like(paid)
    return chain, paid[2], paid[3]


def fresh_like(paid: tuple[dict[bytes, bytes], int, Spend, Opening]) -> Chain:
    chain = Chain(make_genesis(PARAMS))
    chain.store.clear()
    chain.store.update(paid[0])
    chain.height = paid[1]
    return chain


def forged(chain: Chain, balance: Opening, amount: int) -> Spend:
    """A spend whose commitment hides any amount at all, with the best proof that its maker can get: one for a
    balance that would cover it."""
    where = Where(chain.chain_id, "solar", account(chain, "solar").sequence)
    rich = Opening(MAX_MONEY, balance.blinding)
    shown = min(max(amount % ORDER, 1), MAX_MONEY - 1)
    sent = Opening(shown, entropy_of(amount)[1:].rjust(32, b"\0"))
    _, proof = spending.prove(where, rich, sent, "bio", sha256(b"note"), entropy=entropy_of(amount))
    commitment = pedersen.commit(amount % ORDER, sent.blinding).to_bytes()
    return Spend("bio", where.at, commitment, proof, b"note", b"own")


@pytest.mark.parametrize("amount", [1_001, 0, -1, -(2**63), 2**63, 2**64, ORDER - 1, ORDER // 2])
def test_an_insolvent_spend_and_one_that_wraps_are_refused(
    paid: tuple[dict[bytes, bytes], int, Spend, Opening], amount: int
) -> None:
    chain, _, balance = at(paid)
    unchanged(chain, "confidential.proof", "solar", forged(chain, balance, amount))


def test_no_wallet_proves_a_spend_of_more_than_there_is(paid: tuple[dict[bytes, bytes], int, Spend, Opening]) -> None:
    chain, _, balance = at(paid)
    for amount in (0, 1_001, 2**63, -1):
        with pytest.raises(ValueError):
            spend(chain, "solar", balance, "bio", amount)
    with pytest.raises(ValueError):
        withdraw(chain, "solar", balance, 1_001)


def test_a_spend_is_good_for_its_account_sequence_recipient_note_and_chain_alone(
    paid: tuple[dict[bytes, bytes], int, Spend, Opening],
) -> None:
    chain, body, _ = at(paid)
    unchanged(chain, "confidential.proof", "solar", change(body, to="campus"))
    unchanged(chain, "confidential.proof", "solar", change(body, note=b"another"))
    unchanged(chain, "confidential.sequence", "solar", change(body, sequence=body.sequence + 1))
    other = (native.decode_point(body.commitment) + bases().H).to_bytes()
    unchanged(chain, "confidential.proof", "solar", change(body, commitment=other))
    unchanged(chain, "confidential.proof", "solar", change(body, proof=body.proof + b"\0"))
    unchanged(chain, "confidential.proof", "solar", change(body, proof=body.proof[:-1]))
    for place in range(0, len(body.proof), 97):
        flipped = bytearray(body.proof)
        flipped[place] ^= 4
        unchanged(chain, "confidential.proof", "solar", change(body, proof=bytes(flipped)))


def test_a_spend_replayed_at_another_sequence_or_from_another_account_is_refused(
    paid: tuple[dict[bytes, bytes], int, Spend, Opening],
) -> None:
    chain, body, _ = at(paid)
    # The very same balance at the next sequences: out and in again.
    assert chain.run(chain.say("solar", Withdraw(1_000, 1, b""))) == "ok"
    assert chain.run(chain.say("solar", Deposit(1_000))) == "ok"
    unchanged(chain, "confidential.sequence", "solar", body)
    unchanged(chain, "confidential.proof", "solar", change(body, sequence=3))
    # The very same balance of another member.
    assert chain.run(chain.say("campus", Deposit(1_000))) == "ok"
    unchanged(chain, "confidential.proof", "campus", body)


def test_a_proof_of_another_chain_or_of_another_kind_is_refused(
    paid: tuple[dict[bytes, bytes], int, Spend, Opening],
) -> None:
    chain, body, balance = at(paid)
    elsewhere = Chain(change(make_genesis(PARAMS), name="elsewhere"))
    assert elsewhere.run(elsewhere.say("bio", register(elsewhere, "bio"))) == "ok"
    assert elsewhere.run(elsewhere.say("solar", Deposit(1_000))) == "ok"
    assert account(elsewhere, "solar") == account(chain, "solar"), "the very same account"
    unchanged(elsewhere, "confidential.proof", "solar", body)
    taken = withdraw(chain, "solar", balance, 400)
    unchanged(chain, "confidential.proof", "solar", change(taken, proof=body.proof))
    unchanged(chain, "confidential.proof", "solar", change(body, proof=taken.proof))
    assert chain.run(chain.say("solar", body)) == "ok"


def test_commitments_that_are_no_points_are_refused(paid: tuple[dict[bytes, bytes], int, Spend, Opening]) -> None:
    chain, body, _ = at(paid)
    second_form = bytes([native.IDENTITY.to_bytes()[0] | 0x20]) + bytes(47)
    off_curve = bytes([0x80]) + bytes(46) + b"\x01"
    for bad in (native.IDENTITY.to_bytes(), second_form, off_curve, bytes(48), b"\xff" * 48):
        unchanged(chain, "confidential.point", "solar", change(body, commitment=bad))


def test_a_spend_needs_a_recipient_with_a_note_key_who_is_somebody_else_and_a_fee(
    paid: tuple[dict[bytes, bytes], int, Spend, Opening],
) -> None:
    chain, body, _ = at(paid)
    unchanged(chain, "confidential.recipient", "solar", change(body, to="utility"))
    unchanged(chain, "confidential.recipient", "solar", change(body, to="nobody"))
    unchanged(chain, "confidential.self", "solar", change(body, to="solar"))
    assert chain.run(chain.pay("solar", "bio", chain.balance("solar") - FEE + 1)) == "ok"
    unchanged(chain, "confidential.fee", "solar", body)


# Withdrawals and deposits that must be refused


def test_nobody_withdraws_more_than_there_is(paid: tuple[dict[bytes, bytes], int, Spend, Opening]) -> None:
    chain, _, balance = at(paid)
    fine = withdraw(chain, "solar", balance, 999)
    unchanged(chain, "confidential.proof", "solar", change(fine, amount_nano=998))
    unchanged(chain, "confidential.proof", "solar", change(fine, amount_nano=1_001))
    unchanged(chain, "confidential.proof", "solar", Withdraw(1_001, fine.sequence, b""))
    unchanged(chain, "confidential.proof", "solar", Withdraw(1_000, fine.sequence, fine.proof))
    unchanged(chain, "confidential.sequence", "solar", change(fine, sequence=fine.sequence + 1))
    unchanged(chain, "confidential.empty", "bio", fine)
    unchanged(chain, "amount.range", "solar", change(fine, amount_nano=MAX_MONEY))
    assert chain.run(chain.say("solar", fine)) == "ok"


def test_nobody_deposits_what_it_has_not_and_no_more_goes_in_than_can_be_proven() -> None:
    chain = Chain(make_genesis(PARAMS, balances={"solar": MAX_MONEY, "bio": MAX_MONEY}))
    unchanged(chain, "money.insufficient", "campus", Deposit(OPENING_NANO + 1))
    assert chain.run(chain.say("solar", Deposit(MAX_MONEY))) == "ok"
    unchanged(chain, "amount.range", "bio", Deposit(1))


# What waits


def test_the_257th_item_is_refused_and_only_until_one_is_accepted() -> None:
    chain, balance = deposited(1_000)
    sent = spend(chain, "solar", balance, "bio", 400)
    assert chain.run(chain.say("solar", sent.body)) == "ok"
    key = HIDDEN.key("bio")
    full = change(account(chain, "bio"), pending=tuple(range(MAX_PENDING)))
    real, chain.store[key] = chain.store[key], msgspec.msgpack.encode(full)
    again = spend(chain, "solar", sent.rest, "bio", 1).body
    unchanged(chain, "confidential.pending-full", "solar", again)
    chain.store[key] = real
    assert chain.run(chain.say("solar", again)) == "ok"


def test_nothing_that_others_pay_changes_or_invalidates_a_balance() -> None:
    chain, balance = deposited(1_000)
    assert chain.run(chain.say("bio", Deposit(1_000))) == "ok"
    mine = spend(chain, "solar", balance, "campus", 10)
    before = account(chain, "solar")
    left = Opening(1_000, bytes(32))
    for amount in (1, 2, 3):
        paid = spend(chain, "bio", left, "solar", amount)
        assert chain.run(chain.say("bio", paid.body)) == "ok"
        left = paid.rest
    after = account(chain, "solar")
    assert (after.balance, after.sequence) == (before.balance, before.sequence) and len(after.pending) == 3
    chain.decide(lambda state, _: crediting.debit_public(state, "campus", 1))
    assert award(chain, "solar", Opening(1, bytes(32)))
    assert chain.run(chain.say("solar", mine.body)) == "ok", "a word made before is good after all of them"


def test_an_item_that_does_not_open_is_left_lying_and_goes_back_while_everything_else_goes_on() -> None:
    chain, balance = deposited(1_000)
    garbage = spend(chain, "solar", balance, "bio", 400, note=bytes(300))
    assert chain.run(chain.say("solar", garbage.body)) == "ok"
    fine = spend(chain, "solar", garbage.rest, "bio", 100)
    assert chain.run(chain.say("solar", fine.body)) == "ok"
    assert chain.run(accept(chain, "bio", 1)) == "ok"
    assert opens(account(chain, "bio").balance, fine.sent)
    assert chain.run(chain.say("bio", withdraw(chain, "bio", fine.sent, 100))) == "ok"
    for _ in range(RETURN_BLOCKS):
        chain.block()
    assert opens(account(chain, "solar").credits, garbage.sent) and account(chain, "bio").pending == ()


def test_nobody_accepts_what_is_not_waiting_for_it_or_twice_or_at_another_sequence() -> None:
    chain, balance = deposited(1_000)
    one = spend(chain, "solar", balance, "bio", 400)
    assert chain.run(chain.say("solar", one.body)) == "ok"
    two = spend(chain, "solar", one.rest, "bio", 300)
    assert chain.run(chain.say("solar", two.body)) == "ok"
    for items in ((2,), (0, 0), (1, 0), (0, 1, 2)):
        unchanged(chain, "confidential.item", "bio", Accept(0, items, None, b""))
    unchanged(chain, "confidential.item", "campus", Accept(0, (0,), None, b""))
    unchanged(chain, "confidential.nothing", "bio", Accept(0, (), None, b""))
    unchanged(chain, "confidential.sequence", "bio", Accept(1, (0,), None, b""))
    unchanged(chain, "confidential.credits", "bio", Accept(0, (0,), bases().V.to_bytes(), b""))
    assert chain.run(chain.say("bio", Accept(0, (0, 1), None, b""))) == "ok"
    unchanged(chain, "confidential.item", "bio", Accept(1, (0,), None, b""))


def test_a_block_returns_a_bounded_number_of_items_and_the_next_one_goes_on() -> None:
    chain = fresh(confidential=ConfidentialParams(0, 1))
    assert chain.run(chain.say("solar", Deposit(10**6))) == "ok"
    sums = HIDDEN_TOTALS.decode(chain.store[HIDDEN_TOTAL])
    # Numbers of many that were accepted.
    chain.store[HIDDEN_TOTAL] = msgspec.msgpack.encode(change(sums, next_item=MAX_RETURNS + 10))
    assert chain.run(chain.say("solar", spend(chain, "solar", Opening(10**6, bytes(32)), "bio", 5).body)) == "ok"
    assert HIDDEN_TOTALS.decode(chain.store[HIDDEN_TOTAL]).first_item == MAX_RETURNS
    chain.block()
    assert account(chain, "solar").credits is not None
    assert HIDDEN_TOTALS.decode(chain.store[HIDDEN_TOTAL]).first_item == MAX_RETURNS + 11
