"""The judge of dispatch: one window per round, judged by the certificate against what stood when its offers locked.

A solution is what its builder chose and the weights that show how far from the optimum it is (`contracts.program`).
Every node fills in the rest, checks all of it in exact integers, and believes nothing. The fallback is the answer that
every node has by itself; so a builder earns by what couples intervals: storages, ramps, loads with a deadline, a cap on
carbon.

The clock opens the rounds: nobody chooses when. Knows no wager and no token.
"""

from __future__ import annotations

from contracts import ordering, relaxing, windows
from contracts.context import BlockContext
from contracts.network import registered
from contracts.network.lines import program_lines
from contracts.network.power import examine
from contracts.network.records import Network
from contracts.ordering import Plan
from contracts.program.case import Case as Question
from contracts.program.check import check
from contracts.program.documents import unpack
from contracts.program.verdict import Refusal, Verdict
from contracts.receipts import AnyEvent, RoundOpened
from contracts.records import IntervalRecord
from contracts.schedule import Window
from contracts.schema import CASES, INTERVALS
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY, PPM
from contracts.wagers import rounds
from contracts.wagers.judging import Case, Judge, Weighed

NAME = "dispatch"


def lock(state: State, context: BlockContext, window: Window) -> tuple[AnyEvent, ...]:
    """What happens when offers of a window lock: a round is opened, or the fallback is ordered at once. Where a window
    as a whole can not be dispatched, each of its intervals is by itself: what is too much together is not in one."""
    decided = ordering.plan(state, context, window, context.params.look_ahead_intervals)
    if decided.verdict is None and window.length > 1:
        alone = [Window(interval, 1) for interval in window.intervals]
        return tuple(event for one in alone for event in _order_now(state, context, one, None))
    opened = _open_round(state, context, window, decided)
    if opened is not None:
        return (opened,)
    return _order_now(state, context, window, decided)


def _order_now(state: State, context: BlockContext, window: Window, decided: Plan | None) -> tuple[AnyEvent, ...]:
    """Order a window without a round, by what was decided; None: by what every node would order of it alone."""
    decided = decided or ordering.plan(state, context, window, 0)
    kept = None if windows.is_plain(decided.case) else windows.stored(window, decided.case)
    if kept is not None:
        windows.keep(state, kept)
    return ordering.order(state, context, window, decided)


def _open_round(state: State, context: BlockContext, window: Window, decided: Plan) -> RoundOpened | None:
    """Open a round about a window. None, and nothing is written: it is to be ordered at once."""
    params, case = context.params, decided.case
    if not params.wagering.on or decided.verdict is None:
        return None
    if windows.variables(case) > params.max_dispatch_variables:
        return None
    start_ms = window.first * params.interval_ms
    stake_nano = _stake_nano(state, window, case)
    if stake_nano > MAX_MONEY or abs(decided.verdict.cost_nano) > MAX_MONEY:
        return None  # Costs would not be money.
    kept = windows.stored(window, case)
    round_ = rounds.open_round(state, context, JUDGE, window.first, None, stake_nano, start_ms) if kept else None
    if kept is None or round_ is None:
        return None
    windows.keep(state, kept)
    ordering.lock(state, context, window, decided.relaxed, round_.number)
    return rounds.opened(round_)


def _stake_nano(state: State, window: Window, case: Question) -> int:
    """What all that is wanted in the window is worth at reference prices."""
    records = [state.load(INTERVALS, INTERVALS.key(one)) or IntervalRecord(one) for one in window.intervals]
    return sum(
        (record.demand_wh + record.bids_wh) * price
        for record, price in zip(records, case.reference_nano_per_wh, strict=False)
    )


def _case(state: State, context: BlockContext, first: int) -> Case:
    """The window that begins with `first`, and its fallback."""
    kept = state.load(CASES, CASES.key(first))
    assert kept is not None, "what a round is about is kept"
    known = relaxing.remembered(kept.document)
    record = state.load(INTERVALS, INTERVALS.key(first))
    assert known is not None and record is not None, "a round is about what has an answer"
    terms = Plan(known.case, None, record.relaxed)
    network, interval_ms = network_of(state, context, known.case), context.params.interval_ms

    def weigh(solution: bytes) -> Weighed | None:
        found = unpack(solution)
        verdict = found if isinstance(found, Refusal) else check(known.ready, found)
        if isinstance(found, Refusal) or isinstance(verdict, Refusal):
            return None
        flows = examine(network, known.case, found, verdict.schedule, interval_ms)
        return None if isinstance(flows, Refusal) else _weighed(verdict, terms)

    waste_wh = known.verdict.demand_wh * known.case.energy_ppm // PPM
    return Case(_weighed(known.verdict, terms), known.verdict.threshold_nano, 0, weigh, waste_wh)


def network_of(state: State, context: BlockContext, case: Question) -> Network | None:
    """The network whose voltages a solution has to bring; None: it needs none, or another one was registered since."""
    network = registered.of(state)
    if network is None or program_lines(network, context.params.interval_ms, case.intervals) != case.lines:
        return None
    return network


def _weighed(verdict: Verdict, terms: Plan) -> Weighed:
    energy_wh = max(0, min(MAX_ENERGY, verdict.injected_wh - verdict.demand_wh))
    carbon_ug = min(MAX_MONEY, verdict.carbon_ug)
    return Weighed(verdict.cost_nano, energy_wh, carbon_ug, verdict.certified, terms._replace(verdict=verdict))


def _order(state: State, context: BlockContext, first: int, plan: Plan, builder: str | None) -> tuple[AnyEvent, ...]:
    return ordering.order(state, context, Window(first, plan.case.binding), plan, builder)


JUDGE = Judge(NAME, "least-cost", _case, _order)
