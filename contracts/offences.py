"""Offences of validators: what evidence in a block leaves behind, and what it costs.

Who signed two contradicting messages is put on record, loses all that stands behind its word at once, and is
tombstoned for good: the organisation, whatever keys and nodes it has or gets. The organisation that proposed the block
with the evidence has a share of what was taken; the rest goes to the pool. Never judges evidence: a block's evidence
was checked against the set of its height before anybody voted for it. Never touches what others hold.
"""

from __future__ import annotations

from typing import NamedTuple

from contracts import trust
from contracts.conduct_records import Offence, OffenceCount, OffencePlace
from contracts.context import BlockContext
from contracts.receipts import AnyEvent, BondSlashed, OffenceRecorded
from contracts.schema import OFFENCE_COUNT, OFFENCE_COUNTS, OFFENCE_PLACES, OFFENCES
from contracts.state import State
from contracts.units import PPM


class Charge(NamedTuple):
    """One piece of evidence as contracts see it."""

    node: str
    """Seat whose key signed both messages."""
    member: str
    """Organisation that had the seat at `height`."""
    kind: str
    height: int
    round: int
    evidence_hash: bytes
    reporter: str
    """Organisation that proposed the block which brings the evidence."""


def accuse(state: State, context: BlockContext, charge: Charge) -> tuple[AnyEvent, ...]:
    """Record an offence, and punish its member unless it is tombstoned already. Nothing happens the second time."""
    if is_accused(state, charge.node, charge.height):
        return ()
    events: tuple[AnyEvent, ...] = (
        OffenceRecorded(charge.node, charge.member, charge.kind, charge.height, charge.evidence_hash),
    )
    taken = rewarded = 0
    if not trust.is_tombstoned(state, charge.member):
        taken = trust.slash(state, context, charge.member, charge.kind)
        rewarded = _reward(state, context, charge.reporter, taken)
        events += (BondSlashed(charge.member, taken, charge.reporter if rewarded else None, rewarded),)
    number = offence_count(state)
    offence = Offence(
        node=charge.node,
        member=charge.member,
        kind=charge.kind,
        height=charge.height,
        round=charge.round,
        evidence_hash=charge.evidence_hash,
        recorded_height=context.height,
        recorded_ms=context.time_ms,
        number=number,
        taken_tokens=taken,
        whistleblower=charge.reporter if rewarded else None,
        rewarded_tokens=rewarded,
    )
    state.save(OFFENCES.key(charge.node, charge.height), offence)
    state.save(OFFENCE_PLACES.key(number), OffencePlace(charge.node, charge.height))
    state.save(OFFENCE_COUNT, OffenceCount(number + 1))
    state.commit()
    return events


def _reward(state: State, context: BlockContext, reporter: str, taken: int) -> int:
    """Pay the whistleblower its share, in whole tokens; returns what that is. Nobody gains by its own offence."""
    share = taken * context.consensus.whistleblower_ppm // PPM
    if not share or trust.is_tombstoned(state, reporter) or trust.current(state, context, reporter) is None:
        return 0
    trust.pay(state, context, reporter, share, "whistleblower")
    return share


def is_accused(state: State, node: str, height: int) -> bool:
    """Whether this seat stands accused for this height already."""
    return state.load(OFFENCES, OFFENCES.key(node, height)) is not None


def offence_count(state: State) -> int:
    """Offences on record."""
    counted = state.load(OFFENCE_COUNTS, OFFENCE_COUNT)
    return 0 if counted is None else counted.count
