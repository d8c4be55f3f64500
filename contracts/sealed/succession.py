"""Public money in sealed dispatch when a chain is succeeded by another: nobody ends the rounds that run.

What buyers and bidders have locked is theirs again; what is nobody's stays so. What a buyer has paid for credits that
never came is lost to it, as where no sum could be opened (`contracts.sealed`, step 9): nobody can tell how much it is.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.schema import BALANCES
from contracts.sealed import agenda, money
from contracts.state import State
from contracts.units import MAX_MONEY


class Returned(NamedTuple):
    """All public money of sealed dispatch."""

    members_nano: dict[str, int]
    """Goes back, by member."""
    nobodys_nano: int


def returned(state: State) -> Returned:
    """Whose the money is that a state's sealed rounds hold; what a balance could not hold is nobody's."""
    owed: dict[str, int] = {}
    for interval in agenda.intervals(state):
        round_ = agenda.find(state, interval)
        assert round_ is not None, "a round that waits is on record"
        locked = [(round_.buyer, round_.escrow_nano)]
        locked += [(member, agenda.supplier(state, round_, member).wager_nano) for member in round_.bidders]
        for member, amount_nano in locked:
            owed[member] = owed.get(member, 0) + amount_nano
    balances = {one.member: one.balance_nano for one in state.group(BALANCES)}
    given = {member: min(nano, MAX_MONEY - balances[member]) for member, nano in owed.items() if nano}
    held = money.pool(state)
    rest_nano = held.locked_nano + held.kept_nano - sum(given.values())
    assert rest_nano >= 0, "what is locked is in the pool"
    return Returned(given, rest_nano)
