"""What is added beside a balance without its owner: awards of sealed rounds, and items that nobody accepted.

One separate point per account takes them all, outside the limit of waiting items, and they never go back. Each keeps
its own record, named by what it came from: the owner finds the openings there, and nothing is credited twice.
"""

from __future__ import annotations

import msgspec

from contracts.confidential import book
from contracts.confidential.events import AwardCredited, SpendReturned
from contracts.confidential.records import Credit, CreditName, PendingItem
from contracts.context import BlockContext
from contracts.members import Holding
from contracts.schema import BALANCES, CREDITS
from contracts.state import State
from zk.group import native

_replace = msgspec.structs.replace
_IDENTITY = native.IDENTITY.to_bytes()


def credit_award(
    state: State, context: BlockContext, member: str, point: bytes | None, note: bytes, *, round_: int
) -> AwardCredited | None:
    """Add p*(Q - uV), 48 bytes or None for the identity, which adds nothing, beside a member's balance.

    Whoever calls took the money with `debit_public`, and has proofs that q - u is no debt. `note` is the member's own,
    of purpose `award` and epoch `round_`. None, and nothing written, where this round has credited the member before.
    ValueError on what is no point.
    """
    name = CreditName("award", round_)
    point = None if point == _IDENTITY else point
    if state.load(CREDITS, book.credit_key(member, name)) is not None:
        return None
    _add(state, context, member, name, point, note, 0)
    sums = book.total(state)
    credited = book.encoded(book.point(sums.credited) + book.point(point))
    book.write_total(state, _replace(sums, credited=credited))
    return AwardCredited(member, round_)


def debit_public(state: State, member: str | None, amount_nano: int) -> str:
    """Take the public side of awards: from a member's balance, or (None) from an escrow that its keeper emptied.

    Money that stays in an escrow for good is debited, too: what is inside is at most what was debited. "ok", or
    `money.insufficient`, `amount.range`; nothing is written then.
    """
    sums = book.total(state)
    if amount_nano < 0 or not book.may_hold(sums, amount_nano):
        return "amount.range"
    if member is not None:
        payer = state.entry(BALANCES, member)
        if payer is None or payer.balance_nano < amount_nano:
            return "money.insufficient"
        state.put(BALANCES, Holding(member, payer.balance_nano - amount_nano))
    book.write_total(state, _replace(sums, debited_nano=sums.debited_nano + amount_nano))
    return "ok"


def undebit_public(state: State, amount_nano: int) -> None:
    """Take back a part of what was debited, for which nothing will be credited; its keeper has the money again.

    ValueError when no such part is left.
    """
    sums = book.total(state)
    if not 0 <= amount_nano <= sums.debited_nano:
        raise ValueError("only what was debited can be taken back")
    book.write_total(state, _replace(sums, debited_nano=sums.debited_nano - amount_nano))


def give_back(state: State, context: BlockContext, item: PendingItem) -> SpendReturned:
    """Move an item that nobody accepted beside its sender's balance, which can not refuse it."""
    receiver = book.account(state, item.to)
    book.write_account(state, _replace(receiver, pending=tuple(one for one in receiver.pending if one != item.number)))
    book.remove_item(state, item)
    name = CreditName("return", item.number)
    _add(state, context, item.sender, name, item.commitment, item.own_note, item.sequence)
    return SpendReturned(item.number, item.sender, item.to)


def _add(
    state: State,
    context: BlockContext,
    member: str,
    name: CreditName,
    commitment: bytes | None,
    note: bytes,
    sequence: int,
) -> None:
    own = book.account(state, member)
    credit = Credit(member, name, commitment, note, sequence, own.newest, context.height)
    state.save(book.credit_key(member, name), credit)
    credits = book.encoded(book.point(own.credits) + book.point(commitment))
    book.write_account(state, _replace(own, credits=credits, newest=name))
