"""Sealed or open: what a supplier does in an interval, so that no capacity is sold twice. Reads state alone."""

from __future__ import annotations

from contracts import order_book
from contracts.schema import FLEXIBLE, INTERVALS, SEALED_ROUNDS
from contracts.state import State


def sells_sealed(state: State, interval: int, member: str) -> bool:
    """Whether the member has a bid in a sealed round of the interval that has not failed."""
    round_ = state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))
    return round_ is not None and member in round_.bidders and round_.outcome != "failed"


def sells_open(state: State, interval: int, member: str) -> bool:
    """Whether an offer of the member's stands in open dispatch, reserve and storage included."""
    record = state.load(INTERVALS, INTERVALS.key(interval))
    if record is not None and any(entry.member == member for entry in order_book.offers(state, record)):
        return True
    flexible = state.load(FLEXIBLE, FLEXIBLE.key(interval))
    return flexible is not None and any(entry.member == member for entry in flexible.entries)
