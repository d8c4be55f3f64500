"""Offences of validators: what evidence in a block leaves behind, and where slashing will come in.

Rule set 1 records an offence, so that members see and prove who signed two contradicting messages, and does
nothing else: no bond is taken and no seat changes. Never judges evidence: a block's evidence was checked
against the set of its height before anybody voted for it.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.context import BlockContext
from contracts.receipts import AnyEvent, OffenceRecorded
from contracts.records import Offence, OffenceCount, OffencePlace
from contracts.schema import OFFENCE_COUNT, OFFENCE_COUNTS, OFFENCE_PLACES, OFFENCES
from contracts.state import State


class Charge(NamedTuple):
    """One piece of evidence as contracts see it."""

    node: str
    """Seat whose key signed both messages."""
    member: str
    """Organisation that had the seat."""
    kind: str
    height: int
    round: int
    evidence_hash: bytes


def accuse(state: State, context: BlockContext, charge: Charge) -> tuple[AnyEvent, ...]:
    """Record an offence; what it costs its member comes with proof of trust. Nothing happens the second time."""
    if is_accused(state, charge.node, charge.height):
        return ()
    number = offence_count(state)
    offence = Offence(*charge, context.height, context.time_ms, number)
    state.save(OFFENCES.key(charge.node, charge.height), offence)
    state.save(OFFENCE_PLACES.key(number), OffencePlace(charge.node, charge.height))
    state.save(OFFENCE_COUNT, OffenceCount(number + 1))
    state.commit()
    return (OffenceRecorded(charge.node, charge.member, charge.kind, charge.height, charge.evidence_hash),)


def is_accused(state: State, node: str, height: int) -> bool:
    """Whether this seat stands accused for this height already."""
    return state.load(OFFENCES, OFFENCES.key(node, height)) is not None


def offence_count(state: State) -> int:
    """Offences on record."""
    counted = state.load(OFFENCE_COUNTS, OFFENCE_COUNT)
    return 0 if counted is None else counted.count
