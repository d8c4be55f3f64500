"""Transfers: money from one member's balance to another's.

Never creates any, never lets a transfer make a debt.
"""

from __future__ import annotations

from contracts.bodies import Transfer
from contracts.context import BlockContext
from contracts.members import Holding
from contracts.receipts import AnyEvent, Transferred
from contracts.schema import BALANCES
from contracts.state import State
from contracts.units import MAX_MONEY


def transfer(state: State, _context: BlockContext, sender: str, body: Transfer) -> tuple[AnyEvent, ...] | str:
    """Move `amount_nano`. Refuses `money.recipient`, `money.insufficient`, `amount.range`.

    A transfer to oneself needs the money and moves none.
    """
    recipient = state.entry(BALANCES, body.to)
    if recipient is None:
        return "money.recipient"
    payer = state.entry(BALANCES, sender)
    if payer is None or payer.balance_nano < body.amount_nano:
        return "money.insufficient"
    if body.to != sender:
        received = recipient.balance_nano + body.amount_nano
        if received > MAX_MONEY:
            return "amount.range"
        state.put(BALANCES, Holding(sender, payer.balance_nano - body.amount_nano))
        state.put(BALANCES, Holding(body.to, received))
    return (Transferred(sender, body.to, body.amount_nano),)
