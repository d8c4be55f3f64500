"""Dispatch cases by seed: sites of any size, the same on every machine.

Sun, wind, steady and engine-driven sources with one demand per organisation, batteries, a tie to the utility, and,
where the plan says so, ramps, reserves, a carbon cap that binds, bids, loads with a deadline and a network. Profiles
are shapes of a day with noise; nothing here is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from random import Random
from typing import NamedTuple

from contracts.program.case import (
    SITE,
    Bid,
    Block,
    Case,
    Connection,
    Demand,
    Line,
    Load,
    Reserve,
    Source,
    Storage,
)

KINDS = ("solar", "wind", "steady", "engine")
FACTORS = {"solar": (20_000, 50_000), "wind": (8_000, 15_000), "steady": (30_000, 60_000), "engine": (400_000, 900_000)}
"""Micrograms per Wh, operating and embodied."""
PRICES = {"solar": (5_000, 40_000), "wind": (10_000, 60_000), "steady": (50_000, 90_000), "engine": (90_000, 320_000)}
"""Nano-currency per Wh."""
BLOCKS = {"solar": 1, "wind": 1, "steady": 2, "engine": 3}
GRID_FACTOR = (250_000, 500_000)
EFFICIENCIES = ((19, 20), (9, 10), (97, 100))
SURPLUS_PPM = 1_400_000
"""What all sources could give at their best, in parts of mean demand."""
REFERENCE = 250_000


class Plan(NamedTuple):
    """What a case has."""

    name: str
    seed: int
    sources: int
    intervals: int
    organisations: int
    storages: int = 0
    demand_wh: int = 2_500
    """Of one organisation in one interval, on average."""
    ramps: bool = False
    """Steady sources are ramp-limited."""
    reserve_ppm: int = 0
    """Needed, in parts of demand; engines and batteries offer it."""
    cap_share_ppm: int | None = None
    """Where the carbon cap lies between the cleanest and the cheapest merit order."""
    bids: int = 0
    loads: int = 0
    places: int = 1
    meshed: bool = False
    line_share_ppm: int = 250_000
    """Limit of a line, in parts of all demand."""
    connected: bool = True
    tiers: int = 4
    end_value: bool = False


DAY_OF_FOUR = Plan("four sources x 24", 4, 4, 24, 4, storages=1, demand_wh=12_000)
CAMPUS = Plan("53 members x 96", 53, 53, 96, 53, storages=4, ramps=True, reserve_ppm=50_000, cap_share_ppm=500_000)
TOWN = Plan("1,000 members x 96", 1_000, 1_000, 96, 1_000, storages=50)
OFFERS = Plan("10,000 offers x 1", 10_000, 10_000, 1, 1_000, demand_wh=25_000)
BENCH = (DAY_OF_FOUR, CAMPUS, TOWN, OFFERS)


def drawn_plan(seed: int) -> Plan:
    """A small plan with any mixture of features."""
    draw = Random(f"plan {seed}")
    places = draw.choice((1, 1, 1, 2, 3, 4))
    intervals = draw.choice((1, 2, 4, 6, 12, 24))
    return Plan(
        name=f"drawn {seed}",
        seed=seed,
        sources=draw.randint(3, 14),
        intervals=intervals,
        organisations=draw.randint(2, 8),
        storages=draw.randint(0, 3) if intervals > 1 else 0,
        demand_wh=draw.choice((2_500, 10_000, 40_000)),
        ramps=draw.random() < 0.5,
        reserve_ppm=draw.choice((0, 0, 30_000, 60_000)),
        cap_share_ppm=draw.choice((None, None, 300_000, 700_000)),
        bids=draw.choice((0, 0, 2, 5)),
        loads=draw.choice((0, 0, 1, 3)),
        places=places,
        meshed=places > 2 and draw.random() < 0.5,
        line_share_ppm=draw.choice((100_000, 250_000, 600_000)),
        connected=draw.random() < 0.8,
        tiers=draw.randint(1, 4),
        end_value=draw.random() < 0.3,
    )


def served_plan(seed: int) -> Plan:
    """A small plan whose site has a tie strong enough that hardly anybody is ever shed."""
    plan = drawn_plan(seed)
    cap = None if plan.cap_share_ppm is None else 700_000
    intervals = max(2, plan.intervals)
    return plan._replace(
        name=f"served {seed}", intervals=intervals, connected=True, line_share_ppm=1_000_000, cap_share_ppm=cap
    )


def make(plan: Plan) -> Case:
    """The case of a plan."""
    draw = Random(f"{plan.name} {plan.seed}")
    places = [SITE, *(f"place-{at}" for at in range(1, plan.places))]
    demands = tuple(_demand(plan, draw, at, places[at % plan.places]) for at in range(plan.organisations))
    total = [sum(one.energy_wh[t] for one in demands) for t in range(plan.intervals)]
    mean_wh = sum(total) // plan.intervals
    sources = tuple(_source(plan, draw, at, mean_wh, draw.choice(places)) for at in range(plan.sources))
    storages = tuple(_storage(plan, draw, at, mean_wh, draw.choice(places)) for at in range(plan.storages))
    connections = (_connection(plan, draw, mean_wh),) if plan.connected else ()
    return Case(
        name=plan.name,
        intervals=plan.intervals,
        binding=plan.intervals,
        round_id=sha256(f"{plan.name} {plan.seed}".encode()).hexdigest(),
        sources=sources,
        storages=storages,
        connections=connections,
        demands=demands,
        bids=tuple(_bid(plan, draw, at, mean_wh, draw.choice(places)) for at in range(plan.bids)),
        loads=tuple(_load(plan, draw, at, mean_wh, draw.choice(places)) for at in range(plan.loads)),
        lines=_lines(plan, draw, places, mean_wh),
        reserve_wh=tuple(one * plan.reserve_ppm // 1_000_000 for one in total) if plan.reserve_ppm else (),
        carbon_cap_ug=None if plan.cap_share_ppm is None else _cap(plan.cap_share_ppm, sources, connections, total),
        reference_nano_per_wh=(REFERENCE,) * plan.intervals,
    )


def _hour(plan: Plan, t: int) -> float:
    """The time of day; a plan of fewer than 24 intervals has hours from noon on."""
    return t * 24 / plan.intervals if plan.intervals >= 24 else (12 + t) % 24


def _shape(kind: str, hour: float) -> float:
    """Share of the best that sun gives, or of the mean that demand takes, at a time of the day."""
    if kind == "solar":
        return max(0.0, math.cos((hour - 12.5) / 7 * math.pi / 2)) if 5.5 < hour < 19.5 else 0.0
    return 0.75 + 0.35 * math.exp(-(((hour - 8) / 2) ** 2)) + 0.6 * math.exp(-(((hour - 19) / 3) ** 2))


def _demand(plan: Plan, draw: Random, at: int, place: str) -> Demand:
    size = draw.uniform(0.5, 1.5) * plan.demand_wh
    energy = (round(size * _shape("load", _hour(plan, t)) * draw.uniform(0.85, 1.15)) for t in range(plan.intervals))
    return Demand(f"org-{at}", tuple(energy), at % plan.tiers, place)


def _source(plan: Plan, draw: Random, at: int, mean_wh: int, place: str) -> Source:
    kind = KINDS[at % len(KINDS)]
    best_wh = max(8, round(mean_wh * SURPLUS_PPM / 1_000_000 / plan.sources * draw.uniform(0.6, 1.6)))
    low, high = PRICES[kind]
    prices = sorted(draw.sample(range(low, high), BLOCKS[kind]))
    blocks, wind = [], draw.uniform(0.2, 0.8)
    for t in range(plan.intervals):
        wind = min(1.0, max(0.0, wind + draw.uniform(-0.1, 0.1)))
        share = {"solar": _shape(kind, _hour(plan, t)) * draw.uniform(0.7, 1.0), "wind": wind}.get(kind, 1.0)
        part_wh = round(best_wh * share) // len(prices)
        blocks.append(tuple(Block(price, part_wh) for price in prices) if part_wh else ())
    limited = plan.ramps and kind == "steady"
    offers_reserve = plan.reserve_ppm > 0 and kind == "engine"
    most_wh = max(sum(block.energy_wh for block in one) for one in blocks)
    return Source(
        id=f"{kind}-{at}",
        organisation=f"org-{at % plan.organisations}",
        blocks=tuple(blocks),
        place=place,
        factor_ug_per_wh=draw.randrange(*FACTORS[kind]),
        rating_wh=most_wh + most_wh // 10,
        ramp_wh=max(1, best_wh // 12) if limited else None,
        last_wh=best_wh // 2 if limited and draw.random() < 0.5 else None,
        reserve=Reserve(draw.randrange(2_000, 20_000), (best_wh // 3,) * plan.intervals) if offers_reserve else None,
    )


def _storage(plan: Plan, draw: Random, at: int, mean_wh: int, place: str) -> Storage:
    n, d = EFFICIENCIES[at % len(EFFICIENCIES)]
    power_wh = max(4, mean_wh // (4 * plan.storages) + draw.randrange(4))
    capacity_wh = power_wh * (4 if plan.intervals <= 24 else 10) + draw.randrange(10)
    valued = plan.end_value and at % 2 == 0
    reserve = Reserve(draw.randrange(1_000, 9_000), (power_wh // 2,) * plan.intervals) if plan.reserve_ppm else None
    return Storage(
        id=f"battery-{at}",
        organisation=f"org-{at % plan.organisations}",
        capacity_wh=capacity_wh,
        start_soc=capacity_wh * n * d * draw.randrange(20, 80) // 100,
        most_charge_wh=(power_wh,) * plan.intervals,
        most_discharge_wh=(power_wh,) * plan.intervals,
        efficiency_n=n,
        efficiency_d=d,
        place=place,
        end_value_nano_per_wh=draw.randrange(40_000, 150_000) if valued else None,
        wear_nano_per_wh=draw.randrange(1_000, 12_000),
        factor_ug_per_wh=draw.randrange(1_000, 30_000),
        reserve=reserve,
    )


def _connection(plan: Plan, draw: Random, mean_wh: int) -> Connection:
    cheap, dear = draw.randrange(90_000, 140_000), draw.randrange(200_000, 320_000)
    imports = tuple(dear if 7 <= _hour(plan, t) < 22 else cheap for t in range(plan.intervals))
    return Connection(
        id="tie",
        organisation="utility",
        import_nano_per_wh=imports,
        export_nano_per_wh=tuple(price // 3 for price in imports),
        import_limit_wh=(mean_wh,) * plan.intervals,
        export_limit_wh=(mean_wh // 2,) * plan.intervals,
        factor_ug_per_wh=tuple(draw.randrange(*GRID_FACTOR) for _ in range(plan.intervals)),
    )


def _bid(plan: Plan, draw: Random, at: int, mean_wh: int, place: str) -> Bid:
    energy = (draw.randrange(mean_wh // 20 + 1) for _ in range(plan.intervals))
    return Bid(f"org-{at % plan.organisations}", draw.randrange(20_000, 300_000), tuple(energy), place)


def _load(plan: Plan, draw: Random, at: int, mean_wh: int, place: str) -> Load:
    first = draw.randrange(plan.intervals)
    until = draw.randrange(first, plan.intervals) + 1
    most_wh = max(10, mean_wh // 10)
    return Load(
        id=f"vehicle-{at}",
        organisation=f"org-{at % plan.organisations}",
        energy_wh=max(1, most_wh * (until - first) * draw.randrange(20, 90) // 100),
        most_wh=most_wh,
        first=first,
        until=until,
        value_nano_per_wh=draw.randrange(200_000, 900_000),
        place=place,
    )


def _lines(plan: Plan, draw: Random, places: Sequence[str], mean_wh: int) -> tuple[Line, ...]:
    """A tree, or a ring where the plan is meshed."""
    ends = [(places[at - 1] if plan.meshed else places[draw.randrange(at)], places[at]) for at in range(1, len(places))]
    ends += [(places[-1], places[0])] if plan.meshed else []
    limit_wh = max(3, mean_wh * plan.line_share_ppm // 1_000_000)
    return tuple(
        Line(
            id=f"line-{at}",
            from_place=start,
            to_place=end,
            limit_wh=(limit_wh + draw.randrange(limit_wh),) * plan.intervals,
            reactance_npu=draw.randrange(10_000_000, 90_000_000),
        )
        for at, (start, end) in enumerate(ends)
    )


def _cap(share_ppm: int, sources: Sequence[Source], connections: Sequence[Connection], total: Sequence[int]) -> int:
    """Between what the cleanest and what the cheapest order of each interval alone would emit, in micrograms."""
    cleanest = cheapest = 0
    for t, demand_wh in enumerate(total):
        stack = [
            (block.price_nano_per_wh, one.factor_ug_per_wh, block.energy_wh)
            for one in sources
            for block in one.blocks[t]
        ]
        stack += [(one.import_nano_per_wh[t], one.factor_ug_per_wh[t], one.import_limit_wh[t]) for one in connections]
        cheapest += _emission(sorted(stack), demand_wh)
        cleanest += _emission(sorted(stack, key=lambda entry: entry[1]), demand_wh)
    return cleanest + (cheapest - cleanest) * share_ppm // 1_000_000


def _emission(stack: Sequence[tuple[int, int, int]], demand_wh: int) -> int:
    emitted = 0
    for _, factor, energy_wh in stack:
        taken = min(energy_wh, demand_wh)
        emitted, demand_wh = emitted + factor * taken, demand_wh - taken
    return emitted
