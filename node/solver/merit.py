"""Cases that need no solver: where nothing couples intervals or places, merit order is the optimum.

Its multipliers are the prices of what is taken last: everything cheaper is taken whole, nothing dearer at all, so the
bound is the cost to the nano.
"""

from __future__ import annotations

from contracts.program.case import WEIGHT_ONE, Case, Multiplier, Solution
from contracts.program.points import taken_wh
from contracts.program.rows import Program, export_price, providers
from contracts.program.verdict import Schedule


def is_enough(program: Program) -> bool:
    """Whether a case has one place, and nothing that a builder could choose."""
    case = program.case
    ramped = any(source.ramp_wh is not None for source in case.sources)
    coupled = ramped or case.storages or case.loads or case.lines or any(case.reserve_wh)
    return len(program.places) == 1 and not coupled and case.carbon_cap_ug is None


def nothing_chosen(case: Case) -> Solution:
    """The solution that leaves everything to the rules."""
    idle = (0,) * case.intervals
    return Solution(case.round_id, reserve_wh=(idle,) * len(providers(case)))


def margins(program: Program, schedule: Schedule) -> tuple[Multiplier, ...]:
    """The multiplier of each balance: what the dearest costs that is taken, or the cheapest where nothing is."""
    case = program.case
    first = program.rows["balance"].start
    prices = [max(_taken(case, schedule, t), default=min(_offered(case, t), default=0)) for t in range(case.intervals)]
    return tuple(Multiplier(first + t, WEIGHT_ONE * price) for t, price in enumerate(prices) if price)


def _taken(case: Case, schedule: Schedule, t: int) -> list[int]:
    """Prices of what is taken from the stack of an interval; of each source its last block."""
    found = []
    for source, row in zip(case.sources, schedule.source_wh, strict=True):
        if row[t]:
            blocks = sum(1 for energy_wh in taken_wh(source, t, row[t]) if energy_wh)
            found.append(source.blocks[t][blocks - 1].price_nano_per_wh)
    for at, tie in enumerate(case.connections):
        found += [tie.import_nano_per_wh[t]] if schedule.import_wh[at][t] else []
        found += [export_price(tie, t)] if schedule.export_wh[at][t] < tie.export_limit_wh[t] else []
    for bid, row in zip(case.bids, schedule.bid_wh, strict=True):
        found += [bid.limit_nano_per_wh] if row[t] < bid.energy_wh[t] else []
    for demand, row in zip(case.demands, schedule.served_wh, strict=True):
        found += [case.shed_nano_per_wh[demand.tier]] if row[t] < demand.energy_wh[t] else []
    return found


def _offered(case: Case, t: int) -> list[int]:
    """Prices of all that could be taken from the stack of an interval."""
    return [
        *(block.price_nano_per_wh for source in case.sources for block in source.blocks[t]),
        *(price for tie in case.connections for price in (tie.import_nano_per_wh[t], export_price(tie, t))),
        *(bid.limit_nano_per_wh for bid in case.bids),
        *(case.shed_nano_per_wh[demand.tier] for demand in case.demands),
    ]
