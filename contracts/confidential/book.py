"""The one door through which confidential accounts are written, and the equality that it keeps.

    sum(balances + credits + waiting items) = (deposits - withdrawals) V + sum of awards

The left side is moved by what is really written, record by record, the right side by what is said in public: a deposit,
a withdrawal, an award. So an operation that writes another point than its proof was about breaks the equality, and the
block that holds it asserts that there is none (`check`). Nothing here decides what may be written.

Sums can not wrap: all money inside is known in public, at most `debited_nano` above what went in and came out, and
stays below 2^63, so every hidden amount does, and the group's order is near 2^255. It also means that no balance ever
grows beyond what a range proof covers.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from contracts.confidential.records import CreditName, HiddenAccount, HiddenTotal, PendingItem
from contracts.schema import CREDITS, HIDDEN, HIDDEN_TOTAL, HIDDEN_TOTALS, PENDING
from contracts.state import State
from contracts.units import MAX_MONEY
from zk.group import native
from zk.group.bases import bases

_replace = msgspec.structs.replace

Sum = native.Point
"""A computed point, which may be the identity."""

NOTHING = HiddenTotal(net_nano=0, debited_nano=0, held=None, credited=None, next_item=0, first_item=0)


def point(encoded: bytes | None) -> Sum:
    """The point of a record or body; None is the identity. ValueError on what is no point."""
    return native.IDENTITY if encoded is None else native.decode_point(encoded)


def encoded(sum_: Sum) -> bytes | None:
    """What a record holds of a sum: the identity is absent."""
    return None if sum_ == native.IDENTITY else native.keep(sum_)


def of_amount(amount_nano: int) -> Sum:
    """`amount_nano` times V, of either sign."""
    times = native.multiexp([bases().V], [native.scalar(abs(amount_nano))])
    return -times if amount_nano < 0 else times


def account(state: State, member: str) -> HiddenAccount:
    """A member's account; an empty one where it never had any."""
    found = state.load(HIDDEN, HIDDEN.key(member))
    return found or HiddenAccount(member, 0, None, b"", 0, 0, (), None, None)


def total(state: State) -> HiddenTotal:
    """The sums over all accounts."""
    return state.load(HIDDEN_TOTALS, HIDDEN_TOTAL) or NOTHING


def write_account(state: State, after: HiddenAccount) -> None:
    """Write an account in place of what it was."""
    before = account(state, after.member)
    state.save(HIDDEN.key(after.member), after)
    _hold(state, (before.balance, before.credits), (after.balance, after.credits))


def write_item(state: State, item: PendingItem) -> None:
    """Let an item wait."""
    key = PENDING.key(item.number)
    before = state.load(PENDING, key)
    state.save(key, item)
    _hold(state, () if before is None else (before.commitment,), (item.commitment,))


def remove_item(state: State, item: PendingItem) -> None:
    """The item waits no more."""
    state.remove(PENDING.key(item.number))
    _hold(state, (item.commitment,), ())


def write_total(state: State, after: HiddenTotal) -> None:
    """Write the sums."""
    state.save(HIDDEN_TOTAL, after)


def credit_key(member: str, name: CreditName) -> bytes:
    """Where the record of one credit of a member is."""
    return CREDITS.key(member, name.source, name.number)


def may_hold(sums: HiddenTotal, more_nano: int) -> bool:
    """Whether so much more money fits inside."""
    return sums.net_nano + sums.debited_nano + more_nano <= MAX_MONEY


def check(state: State) -> None:
    """Assert the equality, and that no more came out than ever went in. Free in blocks that changed nothing.

    No statement `assert`: a node that was started with `python -O` stops as well. Raises AssertionError.
    """
    sums = total(state)
    if not 0 <= sums.net_nano + sums.debited_nano <= MAX_MONEY:
        raise AssertionError("what is inside went in, and stays provable")
    if not is_balanced(sums):
        raise AssertionError("hidden money is deposits less withdrawals, and awards")


@lru_cache(maxsize=8)
def is_balanced(sums: HiddenTotal) -> bool:
    """Whether the sums fulfil the equality."""
    return point(sums.held) == of_amount(sums.net_nano) + point(sums.credited)


def _hold(state: State, before: tuple[bytes | None, ...], after: tuple[bytes | None, ...]) -> None:
    """Count what records held before and hold now."""
    if before == after:
        return
    sums = total(state)
    held = point(sums.held)
    for one in after:
        held += point(one)
    for one in before:
        held -= point(one)
    write_total(state, _replace(sums, held=encoded(held)))
