"""Meters that cross a threshold ask for energy by themselves: a schedule that nobody wrote.

Where a load meter took more of its rating in an interval than the pact's threshold, and its member more than was
ordered for it, the member needs as much in the first interval that is still open: in the last tier, as nobody has said
that it is critical, and less what the member needs there already. So a load that nobody foresaw opens a round, and is
dispatched and billed like any other; its member may ask for more, and can not take back what its meter showed.

Works when intervals close, on settled energy alone. Off unless the pact has a threshold.
"""

from __future__ import annotations

from contracts import order_book
from contracts.bodies import Need
from contracts.context import BlockContext
from contracts.delivery import Delivery
from contracts.market import need
from contracts.receipts import AnyEvent
from contracts.schedule import first_open
from contracts.schema import METERED, METERS, ORDERS
from contracts.state import State
from contracts.units import MAX_COUNT, PPM, WH_MS


def ask(state: State, context: BlockContext, interval: int, delivery: Delivery) -> list[AnyEvent]:
    """Needs of those whose meters crossed the threshold in the interval that closes."""
    threshold_ppm = context.params.need_threshold_ppm
    if threshold_ppm is None:
        return []
    taken: dict[str, int] = {}
    for one in state.group(METERED, interval):
        meter = state.load(METERS, METERS.key(one.meter))
        assert meter is not None, "what is metered is registered"
        crossed = one.import_wh * WH_MS * PPM > meter.rating_w * context.params.interval_ms * threshold_ppm
        if meter.kind == "load" and crossed:
            taken[meter.member] = taken.get(meter.member, 0) + one.import_wh
    wanted = min(first_open(context.params, context.time_ms), MAX_COUNT)
    tier = len(context.params.shed_nano_per_wh) - 1
    events: list[AnyEvent] = []
    for member in sorted(taken):
        withdrawn_wh, _ = delivery.members.get(member, (0, 0))
        order = state.entry(ORDERS, member, interval)
        asked = order_book.needs_of(state, wanted, member)
        missing_wh = taken[member] - sum(one.energy_wh for one in asked if one.limit_nano_per_wh is None)
        if missing_wh > 0 and withdrawn_wh > (order.served_wh if order else 0):
            outcome = need(state, context, member, Need(wanted, 1, missing_wh, None, tier))
            # Whatever keeps it from being one (a full interval) keeps a need that is said as well.
            events += outcome if isinstance(outcome, tuple) else ()
    return events
