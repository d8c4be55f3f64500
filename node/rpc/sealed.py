"""Sealed dispatch as queries show it: rounds, what everybody sealed into them, and what they came to."""

from __future__ import annotations

from typing import Any

from contracts.schema import (
    CAPACITIES,
    CAPACITY_LISTS,
    HIDDEN_SITES,
    INTERVALS,
    METERS,
    OPEN_SEALED,
    OPENINGS,
    ORDERS,
    RULES,
    SEALED_DEMANDS,
    SEALED_GROWN,
    SEALED_OFFERS,
    SEALED_POOLS,
    SEALED_ROUNDS,
    SEALED_SUPPLIERS,
)
from contracts.sealed.records import SealedRound
from node.render import render
from node.rpc.limits import MAX_LISTED
from node.rpc.view import View

Document = dict[str, Any]


def rounds(view: View) -> Document:
    """Rounds that wait for something, the newest first, what all of them hold, and whose capacities are registered."""
    waiting, listed = view.load(OPEN_SEALED, "open"), view.load(CAPACITY_LISTS, "all")
    intervals = () if waiting is None else waiting.intervals
    found = [view.load(SEALED_ROUNDS, interval) for interval in intervals[::-1][:MAX_LISTED]]
    return {
        "waiting": len(intervals),
        "rounds": [_brief(one) for one in found if one is not None],
        "capacities": [] if listed is None else list(listed.meters),
        "pool": render(view.load(SEALED_POOLS, "all")),
    }


def _brief(round_: SealedRound) -> Document:
    shown: Document = render(round_)
    kept = ("interval", "buyer", "phase", "outcome", "reason", "demand_wh", "clearing", "deadline_ms", "bidders")
    return {name: shown[name] for name in kept}


def round_of(view: View, interval: int) -> Document | None:
    """A round with the standing of its suppliers and the openings that it waits for; None: the interval has none."""
    record = view.load(SEALED_ROUNDS, interval)
    if record is None:
        return None
    suppliers = [view.load(SEALED_SUPPLIERS, interval, member) for member in record.bidders]
    openings = [view.load(OPENINGS, one.opening) for one in record.asked if not one.late]
    return {
        **render(record),
        "suppliers": [render(one) for one in suppliers],
        "shown": [render(one) for one in openings],
    }


def party_of(view: View, interval: int, member: str) -> Document | None:
    """A round and everything in it of one member: its demand, capacities, bid, standing, and what its meters have
    shown; None: the interval has no round."""
    record = view.load(SEALED_ROUNDS, interval)
    if record is None:
        return None
    view.load(INTERVALS, interval)
    own = next((one for one in record.participants if one.member == member), None)
    meters = () if own is None else own.meters
    view.load(RULES, "in-force")
    site = view.load(HIDDEN_SITES, record.buyer)
    loads = [one.meter for one in site.meters if one.member == member and not one.source] if site is not None else []
    return {
        "round": render(record),
        "demand": render(view.load(SEALED_DEMANDS, interval, member)),
        "offer": render(view.load(SEALED_OFFERS, interval, member)),
        "supplier": render(view.load(SEALED_SUPPLIERS, interval, member)),
        "capacities": [render(view.load(CAPACITIES, meter)) for meter in meters],
        "grown": [render(view.load(SEALED_GROWN, interval, meter)) for meter in meters],
        "meters": [render(view.load(METERS, meter)) for meter in (*meters, *loads)],
        "order": render(view.readable_entry(ORDERS, member, interval)),
    }


def capacity_of(view: View, meter: str) -> Document | None:
    """A registered capacity, hidden; None: there is none."""
    found = view.load(CAPACITIES, meter)
    return None if found is None else render(found)
