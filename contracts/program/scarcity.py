"""Where demand has to be shed whatever anybody chooses, and what a Wh of rounding is worth there.

Of the case alone: what is wanted less everything that could possibly be supplied. No builder moves it, and nobody else
learns more from it than from the case. Only intervals count in which nobody can gain by it either: those whose price is
the offer cap in every dispatch of the case, and in which nothing but shedding decides what is taken.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from contracts.program.case import WEIGHT_ONE, Case, Multiplier, Storage
from contracts.program.flows import places
from contracts.program.points import point
from contracts.program.rows import Program, evaluate, loads_at, losses_wh, ramps_at
from contracts.program.validate import reachable_wh
from contracts.program.verdict import Schedule
from contracts.units import PPM

Times = tuple[int, int]
"""First and last interval that something is about; the number of intervals as the last: all of them together."""


def penalties_nano(case: Case) -> dict[int, int]:
    """By interval that is certainly short: penalty of the most critical tier that is not served whole in it.

    None in a network, where a price may part from that of who is short; under a carbon cap, where shedding may stand
    before what is dirty; in intervals that need reserve, where who holds it decides who sells.
    """
    if case.carbon_cap_ug is not None or len(places(case)) != 1:
        return {}
    wanted_wh = [sum(demand.energy_wh[t] for demand in case.demands) for t in range(case.intervals)]
    tied_wh = [sum(tie.import_limit_wh[t] for tie in case.connections) for t in range(case.intervals)]
    owed_wh = [wh + losses_wh(case, wh) for wh in wanted_wh]
    if all(least <= most for least, most in zip(owed_wh, tied_wh, strict=True)):
        return {}  # What a tie could serve alone: sources are many, and need no adding up.
    sources = [reachable_wh(source, case.intervals) for source in case.sources]
    stores = [most_given_wh(store) for store in case.storages]
    found = {}
    for t in range(case.intervals):
        given_wh = sum(row[t][1] for row in sources) + tied_wh[t]
        short_wh = owed_wh[t] - given_wh - sum(row[t] for row in stores)
        # The price is read below all that is taken by the slack of real supply, which is never more than this.
        real_wh = given_wh + sum(store.most_discharge_wh[t] for store in case.storages) + wanted_wh[t]
        needed = bool(case.reserve_wh and case.reserve_wh[t])
        if short_wh > 0 and short_wh * PPM > case.price_slack_ppm * real_wh and not needed:
            found[t] = _penalty_nano(case, t, short_wh)
    return found


def most_given_wh(store: Storage) -> list[int]:
    """Most that a storage gives on balance in each interval, had it been charged all the time before."""
    n, d = store.efficiency_n, store.efficiency_d
    soc, found = store.start_soc, []
    for charge_wh, discharge_wh in zip(store.most_charge_wh, store.most_discharge_wh, strict=True):
        # What it takes in the same interval comes from the same place, and is never less than what it then gives.
        found.append(min(discharge_wh, soc // d**2))
        soc = min(store.capacity_wh * n * d, soc + n**2 * charge_wh)
    return found


def _penalty_nano(case: Case, t: int, short_wh: int) -> int:
    """Penalty of the tier in which this much shedding ends that begins with the least critical."""
    for tier, penalty_nano in reversed(list(enumerate(case.shed_nano_per_wh))):
        short_wh -= sum(demand.energy_wh[t] for demand in case.demands if demand.tier == tier)
        if short_wh <= 0:
            return penalty_nano
    return case.shed_nano_per_wh[0]


def threshold_nano(case: Case, near_nano: int, penalties: Mapping[int, int]) -> int:
    """Most by which a certified solution is above its bound, where `near_nano` holds without scarcity: one Wh of each
    short interval at its penalty and one of each storage at the highest, where that is more."""
    return max(near_nano, sum(penalties.values()) + len(case.storages) * max(penalties.values(), default=0))


def is_near_elsewhere(
    program: Program,
    schedule: Schedule,
    multipliers: Sequence[Multiplier],
    near_nano: int,
    penalties: Mapping[int, int],
) -> bool:
    """Whether a distance above `near_nano` comes from short intervals alone, and from nothing that is paid as asked."""
    paid = (*schedule.charge_wh, *schedule.reserve_wh)
    if any(row[t] for row in paid for t in penalties):
        return False
    return elsewhere_scaled(program, point(program, schedule), multipliers, penalties) <= WEIGHT_ONE * near_nano


# Where a distance from the bound comes from


def terms(program: Program, x: Sequence[int], multipliers: Sequence[Multiplier]) -> Iterator[tuple[Times, int]]:
    """2^32 x (cost - bound) of a point in parts, none of them negative: of each row, then of each variable."""
    reduced = [WEIGHT_ONE * cost for cost in program.cost]
    activity = evaluate(program, x).activity
    times = list(_times_of_rows(program))
    for multiplier in multipliers:
        number, weight = multiplier.row, multiplier.weight
        least = min(weight * program.row_lo[number], weight * program.row_hi[number])
        yield times[number], weight * activity[number] - least
        for at in range(program.starts[number], program.starts[number + 1]):
            reduced[program.columns[at]] -= program.values[at] * weight
    variables = zip(_times_of_variables(program), x, program.lo, program.hi, reduced, strict=True)
    for about, value, low, high, cost in variables:
        yield about, cost * value - min(cost * low, cost * high)


def elsewhere_scaled(
    program: Program, x: Sequence[int], multipliers: Sequence[Multiplier], short: Container[int]
) -> int:
    """2^32 x the distance of a point from the bound, without what is about short intervals alone.

    At least as much as could be saved by changing nothing but what is outside of these: the same multipliers bound that
    smaller program, and its distance is made of terms that are counted here.
    """
    return sum(
        scaled
        for (first, last), scaled in terms(program, x, multipliers)
        if scaled and not all(t in short for t in range(first, last + 1))
    )


def _times_of_variables(program: Program) -> Iterator[Times]:
    """Intervals of each variable."""
    case = program.case
    times = range(case.intervals)
    for kind, span in program.variables.items():
        match kind:
            case "block":
                yield from ((t, t) for t in times for source in case.sources for _ in source.blocks[t])
            case "credit":
                yield from ((0, case.intervals - 1) for _ in span)
            case "load":
                yield from ((t, t) for t, _ in loads_at(case))
            case "undelivered":
                yield from ((load.first, load.until - 1) for load in case.loads)
            case _:
                yield from ((t, t) for t in times for _ in range(len(span) // case.intervals))


def _times_of_rows(program: Program) -> Iterator[Times]:
    """Intervals of each row."""
    case = program.case
    times = range(case.intervals)
    for kind, span in program.rows.items():
        match kind:
            case "soc":
                yield from ((max(0, t - 1), t) for t in times for _ in case.storages)
            case "end":
                yield from ((0, case.intervals - 1) for _ in span)
            case "need":
                yield from ((load.first, load.until - 1) for load in case.loads)
            case "ramp":
                yield from ((max(0, t - 1), t) for t, _ in ramps_at(case))
            case "carbon":
                yield from ((0, case.intervals) for _ in span)
            case _:
                yield from ((t, t) for t in times for _ in range(len(span) // case.intervals))
