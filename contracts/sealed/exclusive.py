"""Sealed or open: what a supplier does in an interval, so that no capacity is sold twice. Reads state alone."""

from __future__ import annotations

from contracts import order_book
from contracts.schema import FLEXIBLE, INTERVALS, SEALED_ROUNDS
from contracts.state import State


def sells_sealed(state: State, interval: int, member: str) -> bool:
    """Whether the member has a bid in a sealed round of the interval that has not failed."""
    round_ = state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))
    return round_ is not None and member in round_.bidders and round_.outcome != "failed"


def open_sellers(state: State, interval: int) -> frozenset[str]:
    """Members of whom an offer stands in open dispatch, reserve and storage included."""
    record, flexible = state.load(INTERVALS, INTERVALS.key(interval)), state.load(FLEXIBLE, FLEXIBLE.key(interval))
    offers = () if record is None else order_book.offers(state, record)
    entries = () if flexible is None else flexible.entries
    return frozenset({one.member for one in offers} | {one.member for one in entries})
