"""Offences of validators: what evidence in a block leaves behind, and where slashing will come in.

Rule set 1 records an offence, so that members see and prove who signed two contradicting messages, and does
nothing else: no bond is taken and no seat changes. Never judges evidence: a block's evidence was checked
against the set of its height before anybody voted for it.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts.context import BlockContext
from contracts.members import Record
from contracts.receipts import AnyEvent, OffenceRecorded
from contracts.state import State, Table
from contracts.units import Count, Hash, Height, Id, Time


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


class Offence(Record, frozen=True):
    """A seat contradicted itself at `height`. Written once, never changed."""

    node: Id
    member: Id
    kind: Id
    """`duplicate-prevote`, `duplicate-precommit` or `duplicate-proposal`."""
    height: Height
    round: Count
    evidence_hash: Hash
    recorded_height: Height
    """Block whose evidence says so."""
    recorded_ms: Time
    number: Count
    """Offences are counted from 0."""


class OffencePlace(Record, frozen=True):
    """Where the offence with a number lies."""

    node: Id
    height: Height


class OffenceCount(Record, frozen=True):
    """Offences so far."""

    count: Count


OFFENCES: Table[Offence] = Table("offence", Offence)
"""By node and height: one for each, whatever else the node signed there."""
OFFENCE_PLACES: Table[OffencePlace] = Table("offences", OffencePlace)
"""By number."""
OFFENCE_COUNTS: Table[OffenceCount] = Table("offence-count", OffenceCount)
OFFENCE_COUNT = OFFENCE_COUNTS.key("all")


def accuse(state: State, context: BlockContext, charge: Charge) -> tuple[AnyEvent, ...]:
    """Record an offence; what it costs its member comes with proof of trust. Nothing happens the second time."""
    if is_recorded(state, charge.node, charge.height):
        return ()
    counted = state.load(OFFENCE_COUNTS, OFFENCE_COUNT)
    number = 0 if counted is None else counted.count
    offence = Offence(*charge, context.height, context.time_ms, number)
    state.save(OFFENCES.key(charge.node, charge.height), offence)
    state.save(OFFENCE_PLACES.key(number), OffencePlace(charge.node, charge.height))
    state.save(OFFENCE_COUNT, OffenceCount(number + 1))
    state.commit()
    return (OffenceRecorded(charge.node, charge.member, charge.kind, charge.height, charge.evidence_hash),)


def is_recorded(state: State, node: str, height: int) -> bool:
    """Whether this seat stands accused for this height already."""
    return state.load(OFFENCES, OFFENCES.key(node, height)) is not None
