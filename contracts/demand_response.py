"""Energy that members do without for pay: who is called, who answers, and what that was worth.

The utility calls for a reduction in a window of intervals and says what it pays; members offer what they would do
without. When an interval locks, those answer to whom the call pays more than the load is worth and catching up costs
(`contracts.mode_rules.responds`), the cheapest first, equal ones alike per organisation. What is ordered so is taken
out of the member's fixed demand before the dispatch, least critical tiers first: it buys nothing it will not take, and
takes it at the price of a deviation if it does.

Paid is min(reduction, ordered), by the utility. The reduction is measured at the member's load meters, against

- the mean of the same interval on its last `MAX_BASELINE_DAYS` like days without an event (fewer: those that exist;
  none: nothing is paid), as these were metered: restated or estimated energy says nothing,
- times what the day was like before anybody knew of the event: the `ADJUSTED` intervals before the call, if they are of
  the same day, over their own baselines, held between 80% and 120%,
- less what the dispatch itself withdrew from the member: bids that were not served and demand that was shed.

So a member can't earn by wanting what it would not get, by taking more once it knows of the call, by emptying a battery
into its baseline, by falling silent, or by a call every day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from contracts.bodies import CallReduction, OfferReduction
from contracts.context import BlockContext, current_interval
from contracts.estimates import WINDOW_DAYS, day_type
from contracts.members import Record
from contracts.mode_records import (
    MAX_BASELINE_DAYS,
    MAX_EVENT_DAYS,
    EventDays,
    ModeRecord,
    Reduction,
    ReductionCall,
    ReductionOffer,
)
from contracts.mode_rules import responds
from contracts.params import PactParams
from contracts.program.ties import uniform_share
from contracts.receipts import AnyEvent, ReductionCalled, ReductionOffered
from contracts.records import Line, NeedEntry, Order, Site
from contracts.schedule import late_or_far
from contracts.schema import (
    EVENT_DAY_LIST,
    EVENT_DAYS,
    METERED,
    METERS,
    MODES,
    REDUCTION_OFFERS,
    REDUCTIONS,
    SITE,
    SITES,
    UTILITIES,
    UTILITY,
)
from contracts.settlement import Due, Owed
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY, PPM

_replace = msgspec.structs.replace
ADJUSTED = 8
"""Intervals before a call that say what its day is like."""
LEAST_FACTOR_PPM, MOST_FACTOR_PPM = 800_000, 1_200_000


def call(state: State, context: BlockContext, sender: str, body: CallReduction) -> tuple[AnyEvent, ...] | str:
    """Let the utility pay for a reduction. Refuses `mode.role`, `mode.late`, `mode.horizon`, `mode.price`; all
    intervals or none."""
    utility = state.load(UTILITIES, UTILITY)
    if utility is None or utility.member != sender:
        return "mode.role"
    code = late_or_far(state, context, ("mode.late", "mode.horizon"), body.interval, body.count)
    if code is not None:
        return code
    if body.payment_nano_per_wh > context.params.offer_cap_nano_per_wh:
        return "mode.price"
    stands = body.energy_wh > 0
    now = current_interval(context)
    for interval in range(body.interval, body.interval + body.count):
        key = MODES.key(interval)
        held = state.load(MODES, key)
        if stands or held is not None:
            # A call that is only changed has been known since it was made.
            called = now if held is None or held.call is None else held.call.called
            said = ReductionCall(sender, body.energy_wh, body.payment_nano_per_wh, body.reason, called)
            state.save(key, _replace(held or ModeRecord(), call=said if stands else None))
    return (ReductionCalled(sender, body.interval, body.count, body.energy_wh, body.payment_nano_per_wh),)


def offer(state: State, context: BlockContext, sender: str, body: OfferReduction) -> tuple[AnyEvent, ...] | str:
    """Let a member do without energy. Refuses `reduction.role`, `reduction.late`, `reduction.horizon`; all intervals or
    none. The utility, which pays, offers nothing."""
    utility = state.load(UTILITIES, UTILITY)
    if utility is None or utility.member == sender:
        return "reduction.role"
    code = late_or_far(state, context, ("reduction.late", "reduction.horizon"), body.interval, body.count)
    if code is not None:
        return code
    said = ReductionOffer(sender, body.energy_wh, body.value_nano_per_wh, body.rebound_nano_per_wh)
    for interval in range(body.interval, body.interval + body.count):
        if body.energy_wh or state.entry(REDUCTION_OFFERS, sender, interval) is not None:
            state.put(REDUCTION_OFFERS, said, interval)
    return (ReductionOffered(sender, body.interval, body.count),)


def ordered_wh(state: State, interval: int, needs: Sequence[NeedEntry]) -> dict[str, int]:
    """What each member does without, as offers stand: nobody more than its fixed demand, all what was called."""
    record = state.load(MODES, MODES.key(interval))
    called = None if record is None else record.call
    if called is None:
        return {}
    fixed: dict[str, int] = {}
    for need in needs:
        if need.limit_nano_per_wh is None:
            fixed[need.member] = fixed.get(need.member, 0) + need.energy_wh
    levels: dict[int, dict[str, int]] = {}
    for one in state.group(REDUCTION_OFFERS, interval):
        most_wh = min(one.energy_wh, fixed.get(one.member, 0))
        if most_wh and responds(called.payment_nano_per_wh, one.value_nano_per_wh, one.rebound_nano_per_wh):
            levels.setdefault(one.value_nano_per_wh + one.rebound_nano_per_wh, {})[one.member] = most_wh
    shares: dict[str, int] = {}
    left_wh = called.energy_wh
    for _, wanted in sorted(levels.items()):
        level_wh = min(left_wh, sum(wanted.values()))
        shares |= uniform_share(wanted, level_wh, interval.to_bytes(8, "big"))
        left_wh -= level_wh
    return {member: energy_wh for member, energy_wh in shares.items() if energy_wh}


def without(needs: Sequence[NeedEntry], ordered: dict[str, int]) -> list[NeedEntry]:
    """Needs without what members were ordered to do without, of each the least critical first."""
    left = dict(ordered)
    cut: dict[int, int] = {}
    for at, need in sorted(enumerate(needs), key=lambda item: -item[1].tier):
        if need.limit_nano_per_wh is None and left.get(need.member):
            cut[at] = min(need.energy_wh, left[need.member])
            left[need.member] -= cut[at]
    kept = (_replace(need, energy_wh=need.energy_wh - cut.get(at, 0)) for at, need in enumerate(needs))
    return [need for need in kept if need.energy_wh]


def due(
    state: State,
    params: PactParams,
    interval: int,
    orders: Iterable[Order],
    ordered: dict[str, int],
) -> Due:
    """What reductions of an interval are worth, paid by the utility that called for them."""
    mode = state.load(MODES, MODES.key(interval))
    called = None if mode is None else mode.call
    if called is None or not ordered:
        return Due()
    refused = {order.member: order.requested_wh - order.served_wh for order in orders}
    found = [
        _measured(state, params, interval, called, member, energy_wh, refused.get(member, 0))
        for member, energy_wh in sorted(ordered.items())
    ]
    owed = [
        Owed(one.member, Line("demand-response", one.paid_wh, one.payment_nano_per_wh, one.amount_nano))
        for one in found
        if one.paid_wh
    ]
    paid_wh, paid_nano = sum(one.paid_wh for one in found), sum(one.amount_nano for one in found)
    if owed:
        owed.append(Owed(called.member, Line("demand-response", -paid_wh, called.payment_nano_per_wh, -paid_nano)))
    writes: dict[bytes, Record | tuple[Record, ...]] = {**REDUCTIONS.spread(found, interval)}
    known, today = event_days(state), params.day_of(interval)
    if today not in known:
        writes[EVENT_DAY_LIST] = EventDays(tuple(sorted((*known, today)))[-MAX_EVENT_DAYS:])
    return Due(tuple(owed), writes)


def event_days(state: State) -> tuple[int, ...]:
    """UTC days with an event."""
    held = state.load(EVENT_DAYS, EVENT_DAY_LIST)
    return held.days if held else ()


def _measured(
    state: State,
    params: PactParams,
    interval: int,
    called: ReductionCall,
    member: str,
    energy_wh: int,
    refused_wh: int,
) -> Reduction:
    """One member's reduction against its baseline."""
    meters = _load_meters(state, member)
    metered_wh = _metered(state, meters, interval)
    like, usual_wh = baseline(state, params, meters, interval)
    factor_ppm = _factor_ppm(state, params, meters, interval, called.called)
    baseline_wh = min(usual_wh * factor_ppm // PPM, MAX_ENERGY)
    reduced_wh = 0 if metered_wh is None else max(0, baseline_wh - metered_wh - refused_wh)
    paid_wh = min(reduced_wh, energy_wh)
    amount_nano = paid_wh * called.payment_nano_per_wh
    if amount_nano > MAX_MONEY:
        paid_wh = amount_nano = 0
    return Reduction(
        member,
        interval,
        energy_wh,
        called.payment_nano_per_wh,
        like,
        factor_ppm,
        baseline_wh,
        metered_wh,
        refused_wh,
        paid_wh,
        amount_nano,
    )


def baseline(state: State, params: PactParams, meters: Sequence[str], interval: int) -> tuple[tuple[int, ...], int]:
    """The same interval of the last like days without event on which all these meters spoke, ascending, and the mean of
    what they took, rounded down; 0 without such a day."""
    per_day, kind = params.day_intervals, day_type(params, interval)
    events = frozenset(event_days(state))
    like: list[int] = []
    sum_wh = 0
    for earlier in range(interval - per_day, max(-1, interval - WINDOW_DAYS * per_day - 1), -per_day):
        if day_type(params, earlier) == kind and params.day_of(earlier) not in events:
            metered_wh = _metered(state, meters, earlier)
            if metered_wh is not None:
                like.append(earlier)
                sum_wh += metered_wh
                if len(like) == MAX_BASELINE_DAYS:
                    break
    return tuple(reversed(like)), min(sum_wh // len(like), MAX_ENERGY) if like else 0


def _factor_ppm(state: State, params: PactParams, meters: Sequence[str], interval: int, called: int) -> int:
    """How the day went before the call, over what is usual then; 100% where that is not known."""
    day = params.day_of(interval)
    real_wh = usual_wh = 0
    for earlier in range(max(0, min(called, interval) - ADJUSTED), min(called, interval)):
        if params.day_of(earlier) == day:
            metered_wh, usual = _metered(state, meters, earlier), baseline(state, params, meters, earlier)
            if metered_wh is not None and usual[0]:
                real_wh, usual_wh = real_wh + metered_wh, usual_wh + usual[1]
    if not usual_wh:
        return PPM
    return max(LEAST_FACTOR_PPM, min(MOST_FACTOR_PPM, real_wh * PPM // usual_wh))


def _metered(state: State, meters: Sequence[str], interval: int) -> int | None:
    """What these meters took together; None where one of them said nothing."""
    sum_wh = 0
    for meter in meters:
        metered = state.entry(METERED, meter, interval)
        if metered is None:
            return None
        sum_wh += metered.import_wh
    return sum_wh if meters else None


def _load_meters(state: State, member: str) -> list[str]:
    site = state.load(SITES, SITE) or Site(())
    own = [one.meter for one in site.meters if one.member == member and not one.stopped]
    return [meter for meter in own if (found := state.load(METERS, METERS.key(meter))) and found.kind == "load"]
