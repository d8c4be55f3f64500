"""Transfers: money from one member's balance to another's.

Never creates any, never lets a transfer make a debt.
"""

from __future__ import annotations

from contracts.bodies import Transfer
from contracts.context import BlockContext
from contracts.members import Account
from contracts.receipts import AnyEvent, Transferred
from contracts.schema import ACCOUNTS
from contracts.state import State
from contracts.units import MAX_MONEY


def transfer(state: State, _context: BlockContext, sender: str, body: Transfer) -> tuple[AnyEvent, ...] | str:
    """Move `amount_nano`. Refuses `money.recipient`, `money.insufficient`, `amount.range`.

    A transfer to oneself needs the money and moves none.
    """
    to_key = ACCOUNTS.prefix + body.to.encode()
    recipient = state.load(ACCOUNTS, to_key)
    if recipient is None:
        return "money.recipient"
    from_key = ACCOUNTS.prefix + sender.encode()
    payer = state.load(ACCOUNTS, from_key)
    if payer is None or payer.balance_nano < body.amount_nano:
        return "money.insufficient"
    if body.to != sender:
        received = recipient.balance_nano + body.amount_nano
        if received > MAX_MONEY:
            return "amount.range"
        state.save(from_key, Account(payer.balance_nano - body.amount_nano, payer.lanes))
        state.save(to_key, Account(received, recipient.lanes))
    return (Transferred(sender, body.to, body.amount_nano),)
