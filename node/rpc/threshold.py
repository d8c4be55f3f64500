"""Threshold keys as queries show them: the attempt that runs, keys that are held, and what waits to be opened."""

from __future__ import annotations

from typing import Any

from contracts.schema import (
    CEREMONIES,
    DEALINGS,
    HELD_KEYS,
    OPEN_OPENINGS,
    OPENINGS,
    THRESHOLD_KEYS,
)
from node.render import render
from node.rpc.limits import MAX_LISTED
from node.rpc.view import View

Document = dict[str, Any]


def threshold(view: View) -> Document:
    """Where making a key stands, every held key with its pins, and the first openings that wait for shares."""
    held, working = view.load(HELD_KEYS, "held"), view.load(OPEN_OPENINGS, "open")
    numbers = () if working is None else working.numbers
    return {
        "running": render(view.load(CEREMONIES, "running")),
        "in_force": held.in_force.hex() if held is not None and held.in_force else None,
        "keys": [
            {**render(view.load(THRESHOLD_KEYS, one.key_id.hex())), "pins": one.pins}
            for one in (() if held is None else held.held)
        ],
        "waiting": len(numbers),
        "openings": [render(view.load(OPENINGS, number)) for number in numbers[:MAX_LISTED]],
    }


def dealing(view: View, epoch: int, attempt: int, dealer: str) -> Document | None:
    """What a dealer dealt in an attempt; None: nothing, or nobody needs it any more."""
    found = view.load(DEALINGS, epoch, attempt, dealer)
    return None if found is None else {"dealer": dealer, **render(found)}


def opening(view: View, number: int) -> Document | None:
    """One opening; None: nothing with this number was asked."""
    found = view.load(OPENINGS, number)
    return None if found is None else render(found)
