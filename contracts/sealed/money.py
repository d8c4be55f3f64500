"""Public money in sealed dispatch: escrows of buyers, wagers of bidders, and what was paid for hidden credits.

Every nano that leaves a balance here is in the pool until it is in a balance again, or was paid for credits whose
amounts nobody sees (`contracts.confidential`). Lost wagers stay in the pool for good, and so does what a balance could
not hold: nobody gains by anybody's silence.
"""

from __future__ import annotations

import msgspec

from contracts.confidential import crediting
from contracts.members import Holding
from contracts.schema import BALANCES, SEALED_POOL, SEALED_POOLS
from contracts.sealed.records import SealedPool
from contracts.state import State
from contracts.units import MAX_MONEY

_replace = msgspec.structs.replace


def pool(state: State) -> SealedPool:
    """What is in sealed dispatch."""
    return state.load(SEALED_POOLS, SEALED_POOL) or SealedPool(0, 0)


def lock(state: State, member: str, amount_nano: int) -> bool:
    """Take from a balance into the pool; False, and nothing is written, where it does not cover that."""
    held, now = state.entry(BALANCES, member), pool(state)
    if held is None or held.balance_nano < amount_nano or now.locked_nano + amount_nano > MAX_MONEY:
        return False
    state.put(BALANCES, Holding(member, held.balance_nano - amount_nano))
    state.save(SEALED_POOL, _replace(now, locked_nano=now.locked_nano + amount_nano))
    return True


def release(state: State, member: str, amount_nano: int) -> None:
    """Give back what was locked."""
    _unlock(state, amount_nano, kept_nano=_give(state, member, amount_nano))


def forfeit(state: State, amount_nano: int) -> None:
    """What was locked is lost: nobody gains by anybody's silence."""
    _unlock(state, amount_nano, kept_nano=amount_nano)


def pay(state: State, amount_nano: int) -> bool:
    """What was locked is paid for hidden credits; False, and nothing is written, where no more can be inside."""
    if crediting.debit_public(state, None, amount_nano) != "ok":
        return False
    _unlock(state, amount_nano, kept_nano=0)
    return True


def refund(state: State, member: str, amount_nano: int) -> None:
    """Give back a part of what was paid, for which nothing is credited."""
    crediting.undebit_public(state, amount_nano)
    _unlock(state, 0, kept_nano=_give(state, member, amount_nano))


def charge(state: State, payer: str, recipient: str, amount_nano: int) -> int:
    """Move a debt, below zero if need be, as bills do; what was moved: less where a balance would leave its bounds."""
    owes, gets = state.entry(BALANCES, payer), state.entry(BALANCES, recipient)
    if owes is None or gets is None or payer == recipient:
        return 0
    moved = max(0, min(amount_nano, owes.balance_nano + MAX_MONEY, MAX_MONEY - gets.balance_nano))
    state.put(BALANCES, Holding(payer, owes.balance_nano - moved))
    state.put(BALANCES, Holding(recipient, gets.balance_nano + moved))
    return moved


def _unlock(state: State, amount_nano: int, *, kept_nano: int) -> None:
    """So much is locked no more; of it, or of what was paid, this much is nobody's for good."""
    now = pool(state)
    kept = min(MAX_MONEY, now.kept_nano + kept_nano)
    state.save(SEALED_POOL, SealedPool(now.locked_nano - amount_nano, kept))


def _give(state: State, member: str, amount_nano: int) -> int:
    """Into a balance; what that could not hold."""
    held = state.entry(BALANCES, member)
    if held is None:
        return amount_nano
    given = min(amount_nano, MAX_MONEY - held.balance_nano)
    state.put(BALANCES, Holding(member, held.balance_nano + given))
    return amount_nano - given
