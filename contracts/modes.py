"""Whether the site hangs on the public grid in an interval, or is an island, and why.

Ordered: the campus or the utility opens the connection for a window of intervals ahead, with a reason. Each may
take back its own order alone, so that the site is in `grid` only while nobody keeps it an island. Each may also order
`injection`, and the utility alone calls for a reduction (`contracts.demand_response`); when an interval locks, what
stands for it decides by `contracts.mode_rules` which of `grid`, `injection` and `demand_response` it is. Detected: at
the close of an interval every tie meter of the utility is silent or reports an open breaker; the interval then
settles as an island, and so do the ones that lock from now on, until a close sees a tie speak with its breaker
closed. A tie that has never spoken says nothing.

In island there is neither import nor export: a dispatch case has a connection that carries nothing, the most critical
tiers are served first, and `contracts.settlement` knows the scarcity price. The tariff stays in the interval record,
because what flows through the tie all the same is still the utility's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from contracts.bodies import SetMode
from contracts.context import BlockContext
from contracts.mode_records import MAX_ISLAND_ORDERS, IslandOrder, Link, ModeRecord
from contracts.receipts import AnyEvent, ModeOrdered
from contracts.schedule import late_or_far
from contracts.schema import LINK, LINKS, MEMBERS, MODES, UTILITIES, UTILITY
from contracts.state import State

_replace = msgspec.structs.replace
OPEN_BREAKER = 1
"""Bit of a tie meter's device status: its breaker is open at the moment of the reading."""
ORDERING_ROLES = ("campus", "utility")


class TieSeen(NamedTuple):
    """What one tie meter of the utility said about an interval that closes."""

    meter: str
    spoke_ever: bool
    status: int | None
    """Device status of its last reading in the interval; None: it was silent."""


def set_mode(state: State, context: BlockContext, sender: str, body: SetMode) -> tuple[AnyEvent, ...] | str:
    """Open the connection for a window, let the site sell through it, or take back one's own orders.

    Refuses `mode.role`, `mode.no-grid`, `mode.late`, `mode.horizon`, `mode.full`; all intervals or none. Whether an
    interval is `injection` in the end is decided when it locks, by what stands then (`contracts.standing`).
    """
    member = state.load(MEMBERS, MEMBERS.key(sender))
    if member is None or not any(role in member.roles for role in ORDERING_ROLES):
        return "mode.role"
    if state.load(UTILITIES, UTILITY) is None:
        return "mode.no-grid"
    code = late_or_far(state, context, ("mode.late", "mode.horizon"), body.interval, body.count)
    if code is not None:
        return code
    own = IslandOrder(sender, body.reason, body.interval, body.count)
    for interval in range(body.interval, body.interval + body.count):
        key = MODES.key(interval)
        held = state.load(MODES, key)
        record = held or ModeRecord()
        islands = tuple(order for order in record.islands if order.member != sender)
        injections = tuple(order for order in record.injections if order.member != sender)
        match body.mode:
            case "island":
                islands = (*islands, own)
            case "injection":
                injections = (*injections, own)
        if max(len(islands), len(injections)) > MAX_ISLAND_ORDERS:
            return "mode.full"
        if held is not None or islands or injections:
            state.save(key, _replace(record, islands=islands, injections=injections))
    return (ModeOrdered(sender, body.interval, body.count, body.mode, body.reason),)


def island_reason(state: State, interval: int) -> str:
    """Why the interval is an island when its offers lock; empty: it is on the grid."""
    if state.load(UTILITIES, UTILITY) is None:
        return "the site has no utility"
    ordered = state.load(MODES, MODES.key(interval))
    if ordered is not None and ordered.islands:
        return "; ".join(f"ordered by {order.member}: {order.reason}" for order in ordered.islands)
    link = state.load(LINKS, LINK)
    return link.reason if link is not None else ""


def observe(state: State, interval: int, ties: Iterable[TieSeen]) -> str:
    """At a close: whether the site was an island in truth; the reason, or empty. Remembers it for later locks."""
    seen = [tie for tie in ties if tie.spoke_ever or tie.status is not None]
    if not seen:
        return ""
    reason = ""
    if all(tie.status is None or tie.status & OPEN_BREAKER for tie in seen):
        first = min(seen, key=lambda tie: (tie.status is None, tie.meter))
        reason = f"detected: tie meter {first.meter} " + (
            "is silent" if first.status is None else "has its breaker open"
        )
    link = state.load(LINKS, LINK)
    if (link.reason if link is not None else "") != reason:
        state.save(LINK, Link(interval, reason))
    return reason
