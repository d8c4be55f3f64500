"""Private meters and billing cycles as queries show them: points, sealed notes, and who is named for what."""

from __future__ import annotations

from typing import Any

from contracts.schema import (
    ESTIMATE_BOOKS,
    HEADS,
    HIDDEN_HEADS,
    HIDDEN_SITES,
    HIDDEN_USES,
    METERS,
    NOTE_KEYS,
    PRIVATE_CYCLES,
    RULES,
)
from node.render import render
from node.rpc.view import View

Document = dict[str, Any]


def cycle_of(view: View, cycle: int, campus: str) -> Document | None:
    """A billing cycle of a campus with the use of each of its meters; None: no private meter spoke in it."""
    record, site = view.load(PRIVATE_CYCLES, cycle, campus), view.load(HIDDEN_SITES, campus)
    book = view.load(ESTIMATE_BOOKS, campus)
    meters = () if site is None else site.meters
    uses = [view.load(HIDDEN_USES, cycle, one.meter) for one in meters]
    if record is None:
        return None
    return {**render(record), "uses": [render(use) for use in uses if use is not None], "book": render(book)}


def use_of(view: View, cycle: int, meter: str) -> Document | None:
    """What a private meter used up to the end of a billing cycle, hidden, and that cycle; None: there is no such meter,
    or it is an open one."""
    record = view.load(METERS, meter)
    if record is None or record.private is None:
        return None
    use, whole = view.load(HIDDEN_USES, cycle, meter), view.load(PRIVATE_CYCLES, cycle, record.private.campus)
    return {"meter": meter, "use": render(use), "cycle": render(whole)}


def meter_of(view: View, meter: str) -> Document | None:
    """A private meter, where its registers stand, and the note keys of its owner and its campus; None: there is no such
    meter, or it is an open one. What its energy may be follows from the rules, so they are proven, too."""
    record = view.load(METERS, meter)
    view.load(RULES, "in-force")
    if record is None or record.private is None:
        return None
    head, hidden = view.readable(HEADS, meter), view.load(HIDDEN_HEADS, meter)
    keys = [view.load(NOTE_KEYS, member) for member in (record.member, record.private.campus)]
    return {
        **render(record),
        "head": render(head),
        "hidden": render(hidden),
        "note_keys": [render(key) for key in keys],
    }
