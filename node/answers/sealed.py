"""Answers about sealed dispatch: ciphertexts, commitments and what was opened of them; never a price or quantity that a
supplier sealed."""

from __future__ import annotations

from contracts.ceremony.records import OpeningRecord
from contracts.members import Meter
from contracts.records import Order
from contracts.sealed.records import (
    Capacity,
    Clearing,
    Grown,
    SealedDemand,
    SealedOffer,
    SealedPool,
    SealedRound,
    SealedSupplier,
)
from node.answers.chain import Answer


class RoundBrief(Answer, frozen=True, kw_only=True):
    """What a round is about, and where it stands."""

    interval: int
    buyer: str
    phase: str
    outcome: str
    reason: str
    demand_wh: int | None
    clearing: Clearing | None
    deadline_ms: int
    bidders: tuple[str, ...]


class SealedRounds(Answer, frozen=True, kw_only=True):
    """Rounds that wait for something, the newest first, what all of them hold, and meters with a capacity."""

    waiting: int
    rounds: tuple[RoundBrief, ...]
    capacities: tuple[str, ...]
    pool: SealedPool | None


class RoundShown(SealedRound, frozen=True, kw_only=True):
    """A round with the standing of its suppliers, and the openings that it waits for."""

    suppliers: tuple[SealedSupplier | None, ...]
    shown: tuple[OpeningRecord | None, ...]


class PartyShown(Answer, frozen=True, kw_only=True):
    """A round and everything in it of one member."""

    round: SealedRound
    demand: SealedDemand | None
    offer: SealedOffer | None
    supplier: SealedSupplier | None
    capacities: tuple[Capacity | None, ...]
    grown: tuple[Grown | None, ...]
    meters: tuple[Meter | None, ...]
    order: Order | None
