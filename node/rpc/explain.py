"""Why one interval has its price and its suppliers, from public records alone: what `--explain` tells.

A pure function of records that anybody can fetch with proofs: needs and offers as they locked, the orders, the
interval. It repeats no rule of the dispatch: blocks of one meter are taken cheapest first and a member's bids
are refused cheapest first, so orders say which blocks were taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from contracts.params import PactParams
from contracts.records import LOCKED, OPEN, Bill, IntervalRecord, NeedEntry, OfferEntry, Order, TariffRecord
from contracts.units import PPM

Document = dict[str, Any]
MOST_NAMES = 5
"""Members that one list of an explanation names; the others are counted."""
MOST_BLOCKS = 128
"""Blocks of the stack that an explanation lists, cheapest first; what is beyond is in the sums."""


class Block(NamedTuple):
    """One block of an offer, and what was ordered of it."""

    member: str
    meter: str
    price_nano_per_wh: int
    offered_wh: int
    ordered_wh: int


def explain(
    params: PactParams,
    record: IntervalRecord,
    tariff: TariffRecord | None,
    needs: Sequence[NeedEntry],
    offers: Sequence[OfferEntry],
    orders: Sequence[Order],
) -> Document:
    """Demand, offers, price and grid of one interval, JSON-ready. Before the lock there is no price."""
    ordered = record.status not in (OPEN, LOCKED)
    blocks = _blocks(offers, orders)
    asked: dict[str, int] = {}
    for need in needs:
        asked[need.member] = asked.get(need.member, 0) + need.energy_wh
    largest = sorted(asked.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES]
    price = record.price_nano_per_wh
    sides = {
        "cheaper": [block for block in blocks if block.price_nano_per_wh < price],
        "equal": [block for block in blocks if block.price_nano_per_wh == price],
        "dearer": [block for block in blocks if block.price_nano_per_wh > price],
    }
    moved = {
        "charged_wh": sum(one.charge_wh for order in orders for one in order.storages),
        "discharged_wh": sum(one.discharge_wh for order in orders for one in order.storages),
        "loads_wh": sum(one.energy_wh for order in orders for one in order.loads),
    }
    real_wh = record.supplied_wh + record.import_wh + record.shed_wh
    return {
        "demand": {
            "fixed_wh": record.demand_wh,
            "bids_wh": record.bids_wh,
            "served_wh": record.served_wh - moved["charged_wh"] - moved["loads_wh"],
            "shed_wh": record.shed_wh,
            "reduced_wh": record.reduced_wh,
            "members": len(asked),
            "largest": [{"member": member, "requested_wh": energy_wh} for member, energy_wh in largest],
        },
        "offered": {
            "offered_wh": sum(block.offered_wh for block in blocks),
            "members": len({block.member for block in blocks}),
            **({name: _side(some) for name, some in sides.items()} if ordered else {"all": _side(blocks)}),
            "stack": [block._asdict() for block in blocks[:MOST_BLOCKS]],
        },
        "moved": {**moved, "relaxed": list(record.relaxed)},
        "price": {
            "price_nano_per_wh": price,
            "set_by": _set_by(params, record, tariff, needs, orders, sides["equal"]),
            "slack_ppm": params.price_slack_ppm,
            "slack_wh": real_wh * params.price_slack_ppm // PPM,
            "as_bid_wh": sum(block.ordered_wh for block in sides["dearer"]),
        }
        if ordered
        else None,
        "grid": {
            "connected": record.grid,
            "reason": record.mode_reason,
            "import_nano_per_wh": record.import_nano_per_wh,
            "export_nano_per_wh": record.export_nano_per_wh,
            "export_lowered": record.export_lowered,
            "import_wh": record.import_wh,
            "export_wh": record.export_wh,
            "import_limit_wh": _limits(params, tariff)[0] if record.grid else 0,
            "export_limit_wh": _limits(params, tariff)[1] if record.grid else 0,
        }
        if ordered
        else None,
    }


def explain_member(record: IntervalRecord, order: Order | None, bill: Bill | None, requested_wh: int) -> Document:
    """What the interval means for one member. `expected_nano` is what its order is worth if everybody delivers it."""
    served_wh, supplied_wh = (order.served_wh, order.supplied_wh) if order else (0, 0)
    on_top = order.pay_as_bid_nano + order.spared_nano if order else 0
    return {
        "requested_wh": requested_wh,
        "served_wh": served_wh,
        "shed_wh": order.shed_wh if order else 0,
        "supplied_wh": supplied_wh,
        "expected_nano": str((supplied_wh - served_wh) * record.price_nano_per_wh + on_top),
        "settled_nano": None if bill is None else str(bill.total_nano),
    }


def _blocks(offers: Sequence[OfferEntry], orders: Sequence[Order]) -> list[Block]:
    """All blocks of all offers, cheapest first."""
    left = {order.meter: order.energy_wh for one in orders for order in one.meters}
    blocks = []
    for offer in offers:
        for block in offer.blocks:
            taken_wh = min(block.energy_wh, left.get(offer.meter, 0))
            left[offer.meter] = left.get(offer.meter, 0) - taken_wh
            blocks.append(Block(offer.member, offer.meter, block.price_nano_per_wh, block.energy_wh, taken_wh))
    return sorted(blocks, key=lambda block: (block.price_nano_per_wh, block.member, block.meter))


def _side(blocks: Sequence[Block]) -> Document:
    """Blocks on one side of the price, summed up per supplier; the largest first."""
    suppliers: dict[str, Document] = {}
    for block in blocks:
        one = suppliers.setdefault(
            block.member,
            {"member": block.member, "offered_wh": 0, "ordered_wh": 0, "from_nano_per_wh": block.price_nano_per_wh},
        )
        one["offered_wh"] += block.offered_wh
        one["ordered_wh"] += block.ordered_wh
    largest = sorted(suppliers.values(), key=lambda one: (-one["offered_wh"], one["member"]))
    return {
        "offered_wh": sum(block.offered_wh for block in blocks),
        "ordered_wh": sum(block.ordered_wh for block in blocks),
        "members": len(suppliers),
        "suppliers": largest[:MOST_NAMES],
    }


def _set_by(
    params: PactParams,
    record: IntervalRecord,
    tariff: TariffRecord | None,
    needs: Sequence[NeedEntry],
    orders: Sequence[Order],
    equal: Sequence[Block],
) -> list[Document]:
    """The accepted blocks at the price: what it was read from. None: nothing was left to read it from."""
    price = record.price_nano_per_wh
    found = [
        {
            "kind": "offer",
            "member": block.member,
            "meter": block.meter,
            "offered_wh": block.offered_wh,
            "ordered_wh": block.ordered_wh,
        }
        for block in equal
        if block.ordered_wh
    ]
    # An interval that was ordered on the grid may turn out to have been an island.
    if record.grid or record.import_wh or record.export_wh:
        import_limit_wh, export_limit_wh = _limits(params, tariff)
        if record.import_wh and record.import_nano_per_wh == price:
            found.append({"kind": "import", "offered_wh": import_limit_wh, "ordered_wh": record.import_wh})
        if record.export_wh < export_limit_wh and record.export_nano_per_wh == price:
            found.append({"kind": "export", "offered_wh": export_limit_wh, "ordered_wh": record.export_wh})
    found += [
        {"kind": "bid", "member": member, "offered_wh": energy_wh, "ordered_wh": energy_wh - refused_wh}
        for member, limit, energy_wh, refused_wh in _refused_bids(needs, orders)
        if limit == price
    ]
    if record.shed_wh and price == params.offer_cap_nano_per_wh:
        found.append({"kind": "shed", "offered_wh": record.demand_wh, "ordered_wh": record.shed_wh})
    return found[:MOST_NAMES]


def _refused_bids(needs: Sequence[NeedEntry], orders: Sequence[Order]) -> list[tuple[str, int, int, int]]:
    """(member, limit, energy, refused) of each bid that was not wholly served; a member's cheapest goes first."""
    refused = {order.member: order.requested_wh - order.served_wh - order.shed_wh for order in orders}
    bids = [
        (need.limit_nano_per_wh, need.member, need.energy_wh) for need in needs if need.limit_nano_per_wh is not None
    ]
    found = []
    for limit, member, energy_wh in sorted(bids):
        cut_wh = min(energy_wh, refused.get(member, 0))
        if cut_wh:
            refused[member] -= cut_wh
            found.append((member, limit, energy_wh, cut_wh))
    return found


def _limits(params: PactParams, tariff: TariffRecord | None) -> tuple[int, int]:
    """Most that the connection carries in the interval: import, export."""
    if tariff is None:
        return params.import_limit_wh, params.export_limit_wh
    return tariff.import_limit_wh, tariff.export_limit_wh
