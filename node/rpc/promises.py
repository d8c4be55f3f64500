"""What was promised, ordered and owed beyond the market, as queries show it: conduct of suppliers, reductions, base
load, and what made storages whole. Rests on records that contracts leave for good; they prove every answer.
"""

from __future__ import annotations

from typing import Any

from contracts import base_load
from contracts.mode_records import BaseLoads
from contracts.schema import (
    BASE_LOADS,
    INTERVALS,
    MADE_WHOLE,
    MODES,
    REDUCTIONS,
    SHORTFALLS,
    SITES,
    WITHHOLDINGS,
)
from node.render import render
from node.rpc.view import View

Document = dict[str, Any]


def conduct(view: View, interval: int) -> Document:
    """Who gave less than ordered, offered less than it could, or was capped, by the close of an interval."""
    record = view.load(INTERVALS, interval)
    withheld = record.withholding if record else 0
    return {
        "interval": interval,
        "capped": list(record.capped) if record else [],
        "shortfalls": [render(one) for one in view.group(SHORTFALLS, interval)],
        "withholdings": [render(one) for one in view.group(WITHHOLDINGS, interval)] if withheld else [],
        "withholding": withheld,
    }


def reductions(view: View, interval: int) -> Document:
    """The call that stands for an interval, and what each member was ordered to do without, and paid for it."""
    ordered = view.load(MODES, interval)
    return {
        "interval": interval,
        "call": render(ordered.call) if ordered else None,
        "reductions": [render(one) for one in view.group(REDUCTIONS, interval)],
    }


def made_whole(view: View, interval: int) -> Document:
    """Storages that bills of an interval make whole, and for which day."""
    return {"interval": interval, "storages": [render(one) for one in view.group(MADE_WHOLE, interval)]}


def base_loads(view: View, interval: int) -> Document:
    """Base load in the order of its admission, what of it the site can promise in an interval, and what is left."""
    held = view.load(BASE_LOADS, "all") or BaseLoads(())
    view.load(SITES, "all")
    state = view.reckoning()
    firm_w = base_load.firm_w(state)
    promised = {entry.meter for entry in base_load.admitted(state, interval)}
    registered_w = sum(entry.power_w for entry in held.entries)
    return {
        "interval": interval,
        "firm_w": firm_w,
        "left_w": max(0, firm_w - registered_w),
        "entries": [{**render(entry), "promised": entry.meter in promised} for entry in held.entries],
    }
