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

from contracts.carbon.book import NOTHING_HIDDEN, Hidden
from contracts.carbon.factors import applied
from contracts.delivery import Delivery
from contracts.params import PactParams
from contracts.records import IntervalRecord, Line
from contracts.schema import METERS, ORDERS
from contracts.sealed import agenda
from contracts.sealed.records import Participant, SealedRound
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


def hidden_energy(state: State, params: PactParams, interval: int) -> Hidden:
    """What carbon counts of the hidden sources of a round: all that was sold, as if the bidder's source that emits most
    had delivered it; after a failed round what each was ordered."""
    round_ = agenda.find(state, interval)
    if round_ is None or round_.outcome == "void":
        return NOTHING_HIDDEN
    if round_.outcome == "failed":
        by_meter = (pair for one in round_.participants for pair in ordered(state, round_, one).items())
        return Hidden(round_.buyer, {meter: wh for meter, wh in by_meter if wh})
    if round_.clearing is None or not round_.clearing.target_wh:
        return NOTHING_HIDDEN
    meters = [meter for one in round_.participants if one.member in round_.bidders for meter in one.meters]
    return Hidden(round_.buyer, {worst_of(state, params, meters, interval): round_.clearing.target_wh})


def worst_of(state: State, params: PactParams, meters: Sequence[str], interval: int) -> str:
    """Of some meters the first with the highest factor: nobody sees who delivers how much."""
    totals: dict[str, int] = {}
    for id_ in meters:
        meter = state.load(METERS, METERS.key(id_))
        assert meter is not None, "pinned meters are registered"
        totals[id_] = applied(state, params, meter, interval).total_ug_per_wh
    return max(totals, key=lambda id_: totals[id_])


def ordered(state: State, round_: SealedRound, supplier: Participant) -> dict[str, int]:
    """What open dispatch has ordered from the hidden sources of one supplier, by meter."""
    order = state.entry(ORDERS, supplier.member, round_.interval)
    return {} if order is None else {one.meter: one.energy_wh for one in order.meters if one.meter in supplier.meters}


def _presumed(state: State, round_: SealedRound, positions: Sequence[Position]) -> list[Position]:
    hidden = {one.member: sum(ordered(state, round_, one).values()) for one in round_.participants}
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
    for one in positions:
        is_buyer = one.member == round_.buyer
        settles = one._replace(withdrawn_wh=one.served_wh, injected_wh=one.supplied_wh) if is_buyer else one
        drawn_wh += settles.injected_wh - settles.withdrawn_wh
        found.append(settles)
    rate = record.import_nano_per_wh if drawn_wh > 0 else record.export_nano_per_wh
    if not drawn_wh:
        return Adjusted(found, Due())
    line = Line("sealed-supply", -drawn_wh, rate, -drawn_wh * rate)
    return Adjusted(found, Due((Owed(round_.buyer, line),)))
