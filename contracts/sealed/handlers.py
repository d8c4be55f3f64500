"""What each word about sealed dispatch is handled by, which key may say it, and what it may cost to execute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.context import BlockContext
from contracts.receipts import AnyEvent
from contracts.sealed import bidding, capacities, clock, delivering
from contracts.sealed.bodies import (
    ClaimSum,
    OpenSealed,
    ProveDelivery,
    RegisterCapacity,
    SealAward,
    SealBid,
    SealDemand,
    SealedBody,
)
from contracts.state import State

HANDLERS: dict[type, tuple[str, Callable[[State, BlockContext, str, Any], tuple[AnyEvent, ...] | str]]] = {
    RegisterCapacity: ("sealed", capacities.register),
    OpenSealed: ("sealed", bidding.open_round),
    SealDemand: ("sealed", bidding.seal_demand),
    SealBid: ("sealed", clock.bid),
    SealAward: ("sealed", clock.award),
    ProveDelivery: ("sealed", delivering.show),
    ClaimSum: ("sealed", clock.claim),
}
"""Scope that a key needs, and the contract, per body."""
PROVEN = (RegisterCapacity, SealDemand, SealBid, SealAward, ProveDelivery)
"""Those whose contract asks whether a proof holds."""

OPEN_UNITS = 32
"""Pinning looks at every registered capacity."""
RANGE_UNITS = 16
TICK_UNITS = 24
"""A tick of a bid, in multiples of what a reading takes."""
SUM_UNITS = 8


def units(body: SealedBody) -> int:
    """Declared verification units."""
    match body:
        case OpenSealed():
            return OPEN_UNITS
        case SealBid(sealed=sealed):
            return RANGE_UNITS + TICK_UNITS * len(sealed)
        case RegisterCapacity() | SealDemand() | SealAward() | ProveDelivery():
            return 2 * RANGE_UNITS
        case ClaimSum():
            return SUM_UNITS
