"""Sealed or open: what a supplier does in an interval, so that no capacity is sold twice. Reads state alone."""

from __future__ import annotations

from contracts.rolls import BUCKETS
from contracts.schema import FLEXIBLE, INTERVALS, OFFERS, SEALED_ROUNDS
from contracts.sealed.records import SealedRound
from contracts.state import State


def sells_sealed(state: State, interval: int, member: str) -> bool:
    """Whether the member has a bid in a sealed round of the interval that has not failed."""
    round_ = state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))
    return round_ is not None and member in round_.bidders and round_.outcome != "failed"


def sells_open(state: State, interval: int, member: str) -> bool:
    """Whether an offer of the member's stands in open dispatch, reserve and storage included."""
    record = state.load(INTERVALS, INTERVALS.key(interval))
    if record is not None and record.offers:
        for number in range(BUCKETS):
            held = state.load(OFFERS, OFFERS.key(interval, number)) if record.offer_buckets >> number & 1 else None
            if held is not None and any(entry.member == member for entry in held.entries):
                return True
    flexible = state.load(FLEXIBLE, FLEXIBLE.key(interval))
    return flexible is not None and any(entry.member == member for entry in flexible.entries)


def round_of(state: State, interval: int) -> SealedRound | None:
    """The sealed round of an interval."""
    return state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))
