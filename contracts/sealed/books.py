"""What a sealed round means for the open settlement of its interval.

Hidden sources and loads are in no open position. With a price, the buyer bought what its site takes: whatever else it
draws through its open meters, which is losses, shortage and what was short, it pays at the tariff, and no imbalance.
After a failed round hidden sources count as having delivered what they were ordered, and the buyer as having taken
that; what they did not deliver they pay for when they show it (`contracts.sealed.delivering`).

Reads state and never moves money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.delivery import Delivery
from contracts.records import IntervalRecord, Line
from contracts.schema import ORDERS
from contracts.sealed import agenda
from contracts.sealed.records import SealedRound
from contracts.settlement import Due, Owed, Position
from contracts.state import State


class Adjusted(NamedTuple):
    """Positions as they settle, and what the buyer owes besides."""

    positions: list[Position]
    due: Due


def adjust(state: State, record: IntervalRecord, positions: Sequence[Position], delivery: Delivery) -> Adjusted:
    """The positions of an interval with its sealed round in mind; the same where it has none."""
    round_ = agenda.find(state, record.interval)
    if round_ is None:
        return Adjusted(list(positions), Due())
    if round_.outcome == "failed":
        return Adjusted(_presumed(state, round_, positions), Due())
    return _bought(round_, record, positions, delivery)


def _presumed(state: State, round_: SealedRound, positions: Sequence[Position]) -> list[Position]:
    hidden: dict[str, int] = {}
    for one in round_.participants:
        order = state.entry(ORDERS, one.member, round_.interval)
        if order is not None:
            hidden[one.member] = sum(part.energy_wh for part in order.meters if part.meter in one.meters)
    taken_wh = sum(hidden.values())
    found = []
    for position in positions:
        injected_wh = position.injected_wh + hidden.get(position.member, 0)
        withdrawn_wh = position.withdrawn_wh + (taken_wh if position.member == round_.buyer else 0)
        found.append(position._replace(injected_wh=injected_wh, withdrawn_wh=withdrawn_wh))
    return found


def _bought(round_: SealedRound, record: IntervalRecord, positions: Sequence[Position], delivery: Delivery) -> Adjusted:
    """The buyer's deviation is no imbalance: it is what the utility supplied, or took, for the round."""
    drawn_wh = delivery.tie_import_wh - delivery.tie_export_wh
    found = []
    for position in positions:
        if position.member == round_.buyer:
            drawn_wh += position.supplied_wh - position.served_wh
            position = position._replace(  # noqa: PLW2901 - what follows is about the new one
                withdrawn_wh=position.served_wh, injected_wh=position.supplied_wh
            )
        else:
            drawn_wh += position.injected_wh - position.withdrawn_wh
        found.append(position)
    rate = record.import_nano_per_wh if drawn_wh > 0 else record.export_nano_per_wh
    if not drawn_wh:
        return Adjusted(found, Due())
    line = Line("sealed-supply", -drawn_wh, rate, -drawn_wh * rate)
    return Adjusted(found, Due((Owed(round_.buyer, line),)))
