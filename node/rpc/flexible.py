"""What can be moved in time, and the cases that are made of it, as documents with proofs on request."""

from __future__ import annotations

from typing import Any

import msgspec

from contracts.flexible import assets
from contracts.records import IntervalRecord
from contracts.schema import (
    CASES,
    CHARGES,
    FLEXIBLE,
    INTERVALS,
    LOADS,
    METERS,
    NETWORKS,
    OPEN_LOADS,
    REQUIREMENTS,
    RULES,
)
from node.render import render
from node.rpc.view import View

Document = dict[str, Any]


def case_of(view: View, interval: int) -> Document | None:
    """The case by which the interval's window is dispatched, in the form of `docs/schemas/case.json`; None: none was
    kept, for needs and offers of the interval say it all."""
    record = view.load(INTERVALS, interval) or IntervalRecord(interval)
    kept = view.load(CASES, interval if record.window is None else record.window)
    # Whoever builds has to know that the rules are still those of the round, and where everything is.
    view.load(RULES, "in-force")
    view.load(NETWORKS, "site")
    if kept is None:
        return None
    return {"interval": kept.interval, "count": kept.count, "case": msgspec.json.decode(kept.document)}


def standing_of(view: View, interval: int) -> Document:
    """Storages, reserves and requirements that stand for an interval."""
    required = view.load(REQUIREMENTS, interval)
    entries = [render(one) for one in view.entries(FLEXIBLE, interval)]
    return {
        "interval": interval,
        "storages": [one for one in entries if "charge_wh" in one],
        "reserves": [one for one in entries if "charge_wh" not in one],
        "requirements": render(required.entries) if required is not None else [],
    }


def storage(view: View, meter: str) -> Document | None:
    """What a storage holds, and what it may do; None: there is no such storage."""
    registered, held = view.load(METERS, meter), view.entry(CHARGES, meter)
    if registered is None or held is None:
        return None
    return {**render(held), "charge_wh": held.soc // assets.unit(registered), "asset": render(registered.asset)}


def loads(view: View) -> Document:
    """Flexible loads that wait for energy, as far as the asker may see them."""
    waiting = view.entries(OPEN_LOADS, "open")
    return {"loads": [render(view.load(LOADS, one.id)) for one in waiting]}


def load(view: View, name: str) -> Document | None:
    """A flexible load and what became of it."""
    found = view.load(LOADS, name)
    return None if found is None else dict(render(found))
