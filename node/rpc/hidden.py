"""Hidden money as queries show it: commitments, sealed notes, and what is public of them.

Whoever holds the member's keys opens it with its own wallet (`node.wallet`); a node never sees an amount.
"""

from __future__ import annotations

from typing import Any

from contracts.confidential.records import Credit, CreditName
from contracts.schema import CREDITS, HIDDEN, HIDDEN_TOTALS, NOTE_KEYS, PENDING
from node.render import render
from node.rpc.view import View

Document = dict[str, Any]

MAX_CREDITS = 256
"""Credits that one answer walks back over."""


def hidden_of(view: View, member: str) -> Document:
    """A member's hidden account with all that waits beside it; `more` names the credit where the walk stopped."""
    own = view.load(HIDDEN, member)
    keys = view.load(NOTE_KEYS, member)
    newest = None if own is None else own.newest
    credits, more = _credits(view, member, newest)
    return {
        "member": member,
        "account": render(own),
        "note_key": None if keys is None else keys.keys[-1].point.hex(),
        "items": [] if own is None else [render(view.load(PENDING, number)) for number in own.pending],
        "credits": credits,
        "more": render(more),
    }


def credits_of(view: View, member: str, source: str, number: int) -> Document:
    """Credits of a member from one on, back to the last acceptance."""
    credit: Credit | None = view.load(CREDITS, member, source, number)
    credits, more = ([], None) if credit is None else _credits(view, member, credit.name)
    return {"member": member, "credits": credits, "more": render(more)}


def note_key_of(view: View, member: str) -> Document | None:
    """The note keys of a member, oldest first."""
    keys = view.load(NOTE_KEYS, member)
    return None if keys is None else {"member": member, **render(keys)}


def sums_of(view: View) -> Document | None:
    """Sums over all hidden accounts: both sides of the equality that every block asserts."""
    sums = view.load(HIDDEN_TOTALS, "all")
    return None if sums is None else dict(render(sums))


def _credits(view: View, member: str, name: CreditName | None) -> tuple[list[Any], CreditName | None]:
    found: list[Any] = []
    while name is not None and len(found) < MAX_CREDITS:
        credit: Credit | None = view.load(CREDITS, member, name.source, name.number)
        if credit is None:
            return found, None
        found.append(render(credit))
        name = credit.previous
    return found, name
