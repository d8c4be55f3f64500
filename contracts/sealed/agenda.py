"""Rounds by their intervals, and which of them wait for something."""

from __future__ import annotations

from bisect import insort

import msgspec

from contracts.ceremony import window
from contracts.context import BlockContext
from contracts.schema import (
    OPEN_SEALED,
    OPEN_SEALED_LIST,
    SEALED_OFFERS,
    SEALED_ROUNDS,
    SEALED_SUPPLIERS,
)
from contracts.sealed.events import SealedMoved
from contracts.sealed.records import DONE, OpenSealedRounds, Participant, SealedOffer, SealedRound, SealedSupplier
from contracts.state import State

_replace = msgspec.structs.replace


def intervals(state: State) -> tuple[int, ...]:
    """Intervals whose rounds wait for something, ascending."""
    held = state.load(OPEN_SEALED, OPEN_SEALED_LIST)
    return () if held is None else held.intervals


def find(state: State, interval: int) -> SealedRound | None:
    """The round of an interval."""
    return state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))


def in_phase(state: State, interval: int, *phases: str) -> SealedRound | str:
    """The round of an interval in one of these phases; `sealed.round` or `sealed.phase` otherwise."""
    round_ = find(state, interval)
    if round_ is None:
        return "sealed.round"
    return round_ if round_.phase in phases else "sealed.phase"


def begin(state: State, round_: SealedRound) -> None:
    """Write a new round, which waits from now on."""
    waiting = list(intervals(state))
    insort(waiting, round_.interval)
    state.save(OPEN_SEALED_LIST, OpenSealedRounds(tuple(waiting)))
    save(state, round_)


def save(state: State, round_: SealedRound) -> None:
    """Write a round; one that is done waits no more."""
    state.save(SEALED_ROUNDS.key(round_.interval), round_)
    if round_.phase == DONE:
        left = tuple(one for one in intervals(state) if one != round_.interval)
        state.save(OPEN_SEALED_LIST, OpenSealedRounds(left))


def enter(context: BlockContext, round_: SealedRound, phase: str) -> tuple[SealedRound, SealedMoved]:
    """The round at the beginning of a phase."""
    moved = _replace(round_, phase=phase, window=window.begin(context))
    return moved, SealedMoved(round_.interval, phase)


def participant(round_: SealedRound, member: str) -> Participant | None:
    """What was pinned of a supplier."""
    return next((one for one in round_.participants if one.member == member), None)


def offer_of(state: State, round_: SealedRound, member: str) -> SealedOffer:
    """What a bidder sealed."""
    offer = state.load(SEALED_OFFERS, SEALED_OFFERS.key(round_.interval, member))
    assert offer is not None, "bidders have bid"
    return offer


def supplier(state: State, round_: SealedRound, member: str) -> SealedSupplier:
    """Where a bidder stands."""
    held = state.load(SEALED_SUPPLIERS, SEALED_SUPPLIERS.key(round_.interval, member))
    assert held is not None, "bidders have a standing"
    return held


def keep(state: State, round_: SealedRound, held: SealedSupplier) -> None:
    """Write where a supplier stands."""
    state.save(SEALED_SUPPLIERS.key(round_.interval, held.member), held)
