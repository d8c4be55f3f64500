"""What each word about hidden energy is handled by, which key may say it, and what it may cost to execute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.context import BlockContext
from contracts.private import bills, green, quarrels, shares, shown, uses
from contracts.private.bodies import (
    BlameNote,
    PayBill,
    PrivateBody,
    ProveUse,
    Reconcile,
    RetireGreen,
    ShowReading,
    SplitCycle,
)
from contracts.receipts import AnyEvent
from contracts.state import State

HANDLERS: dict[type, tuple[str, Callable[[State, BlockContext, str, Any], tuple[AnyEvent, ...] | str]]] = {
    ProveUse: ("metering", uses.prove),
    BlameNote: ("metering", quarrels.blame),
    SplitCycle: ("metering", shares.split),
    Reconcile: ("metering", shares.answer),
    PayBill: ("money", bills.pay),
    ShowReading: ("metering", shown.show),
    RetireGreen: ("carbon", green.retire),
}
"""Scope that a key needs, and the contract, per body."""

NOTE_UNITS = 4
"""The proof that a note carries, in multiples of what a reading takes."""
RANGE_UNITS = 12
"""A proof of one range."""
PAY_UNITS = 64


def units(body: PrivateBody) -> int:
    """Declared verification units."""
    match body:
        case ProveUse(green=share):
            return NOTE_UNITS + (RANGE_UNITS if share is None else 4 * RANGE_UNITS)
        case ShowReading():
            return 3 * RANGE_UNITS
        case RetireGreen(lots=lots):
            return RANGE_UNITS + 4 * len(lots)
        case BlameNote():
            return 2 * NOTE_UNITS
        case SplitCycle(shares=split):
            return (NOTE_UNITS + RANGE_UNITS) * (1 + len(split))
        case Reconcile():
            return 3 * RANGE_UNITS
        case PayBill():
            return PAY_UNITS
