"""What an owner does with hidden money: deposit, withdraw, spend, accept.

Only these change a balance, each needs its owner's signature, and each counts one up in the account's sequence, so a
proof made for one balance is good for that one alone. Refusals that cost nothing come before the proof.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec

from contracts.confidential import book
from contracts.confidential.bodies import MAX_PENDING, Accept, Deposit, Spend, Withdraw
from contracts.confidential.events import Accepted, Deposited, Spent, Withdrawn
from contracts.confidential.keys import note_key
from contracts.confidential.records import HiddenAccount, PendingItem, SpendFee
from contracts.context import BlockContext
from contracts.members import Holding
from contracts.schema import BALANCES, PENDING, SPEND_FEES
from contracts.state import State
from contracts.units import MAX_COUNT, MAX_MONEY
from zk.hashing import sha256
from zk.statements import spend as spending
from zk.statements import withdraw as withdrawing
from zk.statements.assertion import Assertion, Where

_replace = msgspec.structs.replace


def deposit(state: State, _context: BlockContext, sender: str, body: Deposit) -> tuple[Deposited] | str:
    """Hide public money. Refuses `money.insufficient`, `amount.range`, `confidential.sequence-full`."""
    own, sums = book.account(state, sender), book.total(state)
    payer = state.entry(BALANCES, sender)
    if payer is None or payer.balance_nano < body.amount_nano:
        return "money.insufficient"
    refused = _refused(own, own.sequence)
    if refused:
        return refused
    since_nano = own.since_nano + body.amount_nano
    if not book.may_hold(sums, body.amount_nano) or since_nano > MAX_MONEY:
        return "amount.range"
    state.put(BALANCES, Holding(sender, payer.balance_nano - body.amount_nano))
    balance = book.encoded(book.point(own.balance) + book.of_amount(body.amount_nano))
    book.write_account(state, _replace(own, sequence=own.sequence + 1, balance=balance, since_nano=since_nano))
    sums = book.total(state)
    book.write_total(state, _replace(sums, net_nano=sums.net_nano + body.amount_nano))
    return (Deposited(sender, body.amount_nano),)


def withdraw(state: State, context: BlockContext, sender: str, body: Withdraw) -> tuple[Withdrawn] | str:
    """Show hidden money. Refuses `confidential.empty`, `.sequence`, `.sequence-full`, `.proof`, `amount.range`."""
    own = book.account(state, sender)
    balance = own.balance
    if balance is None:
        return "confidential.empty"
    refused = _refused(own, body.sequence)
    if refused:
        return refused
    payee = state.entry(BALANCES, sender)
    received_nano = body.amount_nano + (0 if payee is None else payee.balance_nano)
    since_nano = own.since_nano - body.amount_nano
    if received_nano > MAX_MONEY or since_nano < -MAX_MONEY:
        return "amount.range"
    if not context.proves(withdraw_assertion(context.chain_id, own, balance, body)):
        return "confidential.proof"
    rest = book.encoded(book.point(balance) - book.of_amount(body.amount_nano))
    state.put(BALANCES, Holding(sender, received_nano))
    book.write_account(state, _replace(own, sequence=own.sequence + 1, balance=rest, since_nano=since_nano))
    sums = book.total(state)
    book.write_total(state, _replace(sums, net_nano=sums.net_nano - body.amount_nano))
    return (Withdrawn(sender, body.amount_nano),)


def spend(state: State, context: BlockContext, sender: str, body: Spend) -> tuple[Spent] | str:
    """Let a hidden amount wait for a member. Refuses `confidential.empty`, `.sequence`, `.sequence-full`, `.self`,
    `.recipient`, `.pending-full`, `.items-full`, `.fee`, `.point`, `.proof`."""
    own, receiver, sums = book.account(state, sender), book.account(state, body.to), book.total(state)
    balance = own.balance
    if balance is None:
        return "confidential.empty"
    refused = _refused(own, body.sequence)
    if refused:
        return refused
    if body.to == sender:
        return "confidential.self"
    if note_key(state, body.to) is None:
        return "confidential.recipient"
    if len(receiver.pending) == MAX_PENDING:
        return "confidential.pending-full"
    if sums.next_item == MAX_COUNT:
        return "confidential.items-full"
    fee = _fee(state, context, sender)
    if fee is None:
        return "confidential.fee"
    try:
        commitment = book.point(body.commitment)
    except ValueError:
        return "confidential.point"
    if not context.proves(spend_assertion(context.chain_id, own, balance, body)):
        return "confidential.proof"
    rest = book.encoded(book.point(balance) - commitment)
    item = PendingItem(
        number=sums.next_item,
        sender=sender,
        to=body.to,
        commitment=body.commitment,
        note=body.note,
        own_note=body.own_note,
        sequence=own.sequence,
        height=context.height,
        due_height=context.height + context.params.confidential.return_blocks,
    )
    state.put(SPEND_FEES, fee)
    book.write_total(state, _replace(sums, next_item=sums.next_item + 1))
    book.write_account(state, _kept(own, rest, body.own_note))
    book.write_account(state, _replace(receiver, pending=(*receiver.pending, item.number)))
    book.write_item(state, item)
    return (Spent(sender, body.to, item.number),)


def accept(state: State, _context: BlockContext, sender: str, body: Accept) -> tuple[Accepted] | str:
    """Let what waits join the balance. Refuses `confidential.sequence`, `.sequence-full`, `.nothing`, `.item`,
    `.credits`."""
    own = book.account(state, sender)
    refused = _refused(own, body.sequence)
    if refused:
        return refused
    if not body.items and body.credits is None:
        return "confidential.nothing"
    if any(low >= high for low, high in pairwise(body.items)):
        return "confidential.item"
    waiting = frozenset(own.pending)
    if not waiting.issuperset(body.items):
        return "confidential.item"
    if body.credits is not None and body.credits != own.credits:
        return "confidential.credits"
    balance = book.point(own.balance) + book.point(body.credits)
    for number in body.items:
        item = state.load(PENDING, PENDING.key(number))
        assert item is not None, "what an account names as waiting does"
        balance += book.point(item.commitment)
        book.remove_item(state, item)
    accepted = frozenset(body.items)
    after = _replace(
        _kept(own, book.encoded(balance), body.own_note),
        pending=tuple(number for number in own.pending if number not in accepted),
    )
    if body.credits is not None:
        after = _replace(after, credits=None, newest=None)
    book.write_account(state, after)
    return (Accepted(sender, body.items, body.credits is not None),)


def spend_assertion(chain_id: str, own: HiddenAccount, balance: bytes, body: Spend) -> Assertion:
    """What a spend has to prove: that it sends at least 1, and that the rest is no debt."""
    where = Where(chain_id, own.member, own.sequence)
    return spending.assertion(where, balance, body.commitment, body.to, sha256(body.note), body.proof)


def withdraw_assertion(chain_id: str, own: HiddenAccount, balance: bytes, body: Withdraw) -> Assertion:
    """What a withdrawal has to prove: that the rest is no debt."""
    return withdrawing.assertion(Where(chain_id, own.member, own.sequence), balance, body.amount_nano, body.proof)


def _refused(own: HiddenAccount, sequence: int) -> str:
    """Why the balance can not change as its owner has it in mind; "" where it can."""
    if sequence != own.sequence:
        return "confidential.sequence"
    return "confidential.sequence-full" if own.sequence == MAX_COUNT else ""


def _kept(own: HiddenAccount, balance: bytes | None, note: bytes) -> HiddenAccount:
    """The account after a change whose opening its owner has noted."""
    return _replace(
        own,
        sequence=own.sequence + 1,
        balance=balance,
        note=note,
        note_sequence=own.sequence,
        since_nano=0,
        noted_on="",
    )


def _fee(state: State, context: BlockContext, member: str) -> SpendFee | None:
    """The member's fees with that of one more spend; None where its public balance does not cover them."""
    owed = state.entry(SPEND_FEES, member) or SpendFee(member, 0)
    payer = state.entry(BALANCES, member)
    unbilled_nano = owed.unbilled_nano + context.params.confidential.spend_fee_nano
    if payer is None or payer.balance_nano < unbilled_nano:
        return None
    return SpendFee(member, unbilled_nano)
