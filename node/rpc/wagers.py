"""Rounds of wagering as queries show them."""

from __future__ import annotations

from typing import Any

from contracts.schema import (
    OPEN_ROUNDS,
    ROUND_COUNTS,
    ROUNDS,
    WAGERS,
)
from contracts.wagers.records import draw_trust, minimum_trust, minimum_wager
from node.render import render
from node.rpc.arguments import newest
from node.rpc.view import View

Document = dict[str, Any]


def rounds(view: View, before: int | None) -> Document:
    """The newest rounds, or those just below number `before`, and the numbers of all that are open."""
    counted, working = view.load(ROUND_COUNTS, "all"), view.load(OPEN_ROUNDS, "open")
    count = 0 if counted is None else counted.count
    return {
        "count": count,
        "undecided": list(working.rounds) if working is not None else [],
        "rounds": [render(view.load(ROUNDS, number)) for number in newest(count, before)],
    }


def round_of(view: View, number: int) -> Document | None:
    """One round with its bars and every wager on it; None: there is none with this number."""
    found = view.load(ROUNDS, number)
    if found is None:
        return None
    return {
        **render(found),
        "minimum_wager_tokens": str(minimum_wager(found)),
        "minimum_trust_tokens": str(minimum_trust(found)),
        "draw_trust_tokens": str(draw_trust(found)),
        "placed": [render(one) for one in view.group(WAGERS, number)],
    }


def wagers_of(view: View, member: str) -> Document:
    """Every open round with the member's wager on it, or None. Its proof shows that there is no other one."""
    working = view.load(OPEN_ROUNDS, "open")
    numbers = () if working is None else working.rounds
    return {"member": member, "rounds": [wager_of(view, number, member) for number in numbers]}


def wager_of(view: View, number: int, member: str) -> Document | None:
    """One round with the member's wager on it, or None; None: there is no round with this number."""
    found, own = view.load(ROUNDS, number), view.entry(WAGERS, member, number)
    return None if found is None else {**render(found), "wager": render(own)}
