"""The judge of dispatch: one interval per round, judged exactly against what stood when its offers locked.

A solution says how much each source and each need gets, and what crosses the grid connection. It is feasible when it
is a dispatch of that market (`contracts.dispatch.check`), and certified when it costs at most the threshold more than
the merit order that every node fills for itself, which for one interval without ramps and lines is an optimum. So a
builder can equal the fallback, and earns nothing by that: rewards are for what no node has computed before.

The clock opens the rounds: nobody chooses when. Knows no wager and no token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from contracts import dispatch, ordering
from contracts.bodies import MAX_SOLUTION_BYTES
from contracts.context import BlockContext
from contracts.dispatch import Dispatch, Market
from contracts.members import Record
from contracts.params import PactParams
from contracts.receipts import AnyEvent, RoundOpened
from contracts.records import IntervalRecord
from contracts.schema import INTERVALS
from contracts.state import State
from contracts.units import MAX_MONEY, MAX_PRICE, PPM, Energy, Meta
from contracts.wagers import rounds
from contracts.wagers.judging import Case, Judge, Weighed
from zk.codec import Codec, Malformed, encode

NAME = "dispatch"
MAX_ENTRIES = 16_384
"""Blocks and needs of a market that builders are asked about. Every node checks every different solution inside one
block, and nobody pays for that: at this size it takes about as long as filling the market itself twice."""

Energies = Annotated[tuple[Energy, ...], Meta(max_length=MAX_ENTRIES)]


class Plan(Record, frozen=True):
    """A solution of one interval."""

    supplied_wh: Energies
    """Per offer in the order in which they stand; its blocks are taken in theirs."""
    served_wh: Energies
    """Per need in the order in which they stand."""
    import_wh: Energy
    export_wh: Energy


PLAN: Codec[Plan] = Codec(Plan, MAX_SOLUTION_BYTES)


def open_round(state: State, context: BlockContext, interval: int) -> RoundOpened | None:
    """Lock an interval for builders. None, and nothing is written: it is to be ordered at once."""
    params = context.params
    if not params.wagering.on:
        return None
    market = ordering.market(state, context, interval)
    if dispatch.total_wh(market) * MAX_PRICE > MAX_MONEY:
        return None  # Costs would not be money.
    if len(market.supplies) + len(market.demands) > MAX_ENTRIES:
        return None
    record = state.load(INTERVALS, INTERVALS.key(interval)) or IntervalRecord(interval)
    stake_nano = (record.demand_wh + record.bids_wh) * _reference_price(params, market)
    start_ms = interval * params.interval_ms
    round_ = rounds.open_round(state, context, JUDGE, interval, None, stake_nano, start_ms)
    if round_ is None:
        return None
    ordering.lock(state, context, interval, round_.number)
    return rounds.opened(round_)


def _reference_price(params: PactParams, market: Market) -> int:
    """The import price, in an island that of the parameters in force; never below zero."""
    grid = market.grid
    return max(0, params.import_nano_per_wh if grid is None else grid.import_nano_per_wh)


def _case(state: State, context: BlockContext, interval: int) -> Case:
    """The interval with its fallback; see "Certificate" in the design for the threshold."""
    params = context.params
    market = ordering.market(state, context, interval)
    price = _reference_price(params, market)
    base_nano = price * sum(demand.energy_wh for demand in market.demands if demand.limit_nano_per_wh is None)
    threshold_nano = max(base_nano * params.wagering.loss_ppm // PPM, price)
    merit = dispatch.clear(market)
    fallback = _weighed(market, merit, cost_nano(market, merit), certified=True)
    known = plan_of(market, merit)

    def weigh(solution: bytes) -> Weighed | None:
        if solution == known:
            return fallback
        try:
            plan = PLAN.decode(solution)
        except Malformed:
            return None
        supplied_wh = spread(market, plan.supplied_wh)
        if supplied_wh is None:
            return None
        found = dispatch.check(market, supplied_wh, plan.served_wh, plan.import_wh, plan.export_wh)
        if found is None:
            return None
        return _weighed(market, *found, certified=found[1] - fallback.cost_nano <= threshold_nano)

    return Case(fallback, threshold_nano, 0, weigh)


def _order(
    state: State, context: BlockContext, interval: int, plan: Dispatch, builder: str | None
) -> tuple[AnyEvent, ...]:
    return (ordering.order(state, context, interval, plan, builder),)


JUDGE = Judge(NAME, "least-cost", _case, _order)


def cost_nano(market: Market, planned: Dispatch) -> int:
    """Cost of a dispatch of this market."""
    found = dispatch.check(market, planned.supplied_wh, planned.served_wh, planned.import_wh, planned.export_wh)
    assert found is not None, "what is filled by the rule follows it"
    return found[1]


def _weighed(market: Market, planned: Dispatch, cost: int, certified: bool) -> Weighed:
    carbon_ug = planned.import_wh * (market.grid.factor_ug_per_wh if market.grid else 0) + sum(
        energy_wh * supply.factor_ug_per_wh
        for energy_wh, supply in zip(planned.supplied_wh, market.supplies, strict=True)
    )
    # Nothing is lost on the way in this model: every balanced dispatch uses as much energy.
    return Weighed(cost, 0, carbon_ug, certified, planned)


# For builders


def plan_of(market: Market, planned: Dispatch) -> bytes:
    """A dispatch as a solution: what a builder commits to and reveals."""
    supplied_wh: dict[str, int] = {}
    for supply, energy_wh in zip(market.supplies, planned.supplied_wh, strict=True):
        supplied_wh[supply.meter] = supplied_wh.get(supply.meter, 0) + energy_wh
    return encode(Plan(tuple(supplied_wh.values()), tuple(planned.served_wh), planned.import_wh, planned.export_wh))


def solve(market: Market) -> bytes:
    """The merit order as a solution: valid for this market, and never beaten."""
    return plan_of(market, dispatch.clear(market))


def spread(market: Market, by_offer_wh: Sequence[int]) -> list[int] | None:
    """Energy of each block from that of each offer: an offer's blocks are taken in the order of their prices. None
    where these are not as many as there are offers, or more than one of them has.
    """
    left = list(by_offer_wh)
    taken: list[int] = []
    at = -1
    meter: str | None = None
    for supply in market.supplies:
        if supply.meter != meter:
            at, meter = at + 1, supply.meter
            if at >= len(left):
                return None
        energy_wh = min(left[at], supply.energy_wh)
        left[at] -= energy_wh
        taken.append(energy_wh)
    return taken if at + 1 == len(left) and not any(left) else None
