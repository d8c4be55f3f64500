"""Cases and solutions for the tests of the dispatch program: small, full of ties, and of everything that couples."""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.program.case import (
    Bid,
    Block,
    Case,
    Connection,
    Demand,
    Line,
    LineFlow,
    Load,
    Reserve,
    Solution,
    Source,
    Storage,
)
from contracts.program.flows import network
from contracts.program.rows import offered_wh, providers

ROUND = "00" * 32
CAP = 4_000
TIERS = (1_024_000, 128_000, 16_000)
NAMES = st.sampled_from(["a", "b", "c"])
PRICES = st.sampled_from([-20, 0, 10, 20, 50, 300, CAP])
FACTORS = st.sampled_from([0, 5, 400])


def source(name: str, *blocks: tuple[int, int], place: str = "site", factor: int = 0, **more: object) -> Source:
    """One source with the same (price, Wh) blocks in its only interval."""
    return replace(Source(name, name, (tuple(Block(*block) for block in blocks),), place, factor), **more)


def one(**parts: object) -> Case:
    """A case of one interval."""
    case = Case("one", 1, 1, ROUND, shed_nano_per_wh=TIERS, offer_cap_nano_per_wh=CAP, scarcity_nano_per_wh=CAP)
    return replace(case, **parts)


@st.composite
def cases(draw: st.DrawFn, places: int = 1, most: int = 6) -> Case:
    """Cases of up to three intervals with everything in them, energies up to `most`."""
    times = draw(st.integers(1, 3))
    names = [f"p{i}" for i in range(draw(st.integers(1, places)))]
    place = st.sampled_from(names)
    energies = st.lists(st.integers(0, most), min_size=times, max_size=times).map(tuple)

    def number(smallest: int, largest: int) -> int:
        return draw(st.integers(smallest, largest))

    def blocks() -> tuple[Block, ...]:
        prices = sorted(draw(st.lists(PRICES, max_size=2, unique=True)))
        return tuple(Block(price, number(1, most)) for price in prices)

    def reserve() -> Reserve | None:
        return Reserve(number(0, 9), draw(energies)) if draw(st.booleans()) else None

    sources = []
    for i in range(number(0, 4)):
        ramp = draw(st.none() | st.integers(0, 5))
        last = None if ramp is None else draw(st.none() | st.integers(0, 6))
        offer = tuple(blocks() for _ in range(times))
        sources.append(
            Source(f"s{i}", draw(NAMES), offer, draw(place), draw(FACTORS), None, ramp, last, draw(st.just(reserve())))
        )
    storages = [
        Storage(f"b{i}", draw(NAMES), 8, number(0, 8), draw(energies), draw(energies), place=draw(place))
        for i in range(number(0, 1))
    ]
    prices = st.lists(st.sampled_from([0, 10, 50, 300]), min_size=times, max_size=times).map(tuple)
    factors = st.lists(FACTORS, min_size=times, max_size=times).map(tuple)
    ties = [
        Connection(
            f"t{i}", "utility", draw(prices), draw(prices), draw(energies), draw(energies), draw(factors), draw(place)
        )
        for i in range(number(0, 1))
    ]
    demands = [Demand(draw(NAMES), draw(energies), number(0, 2), draw(place)) for _ in range(number(0, 3))]
    bids = [Bid(draw(NAMES), draw(PRICES), draw(energies), draw(place)) for _ in range(number(0, 2))]
    loads = [Load(f"l{i}", draw(NAMES), 5, 3, 0, times, 100, draw(place)) for i in range(number(0, 1))]
    lines = [
        Line(f"n{i}", names[number(0, i)], names[i + 1], draw(energies), number(1, 5)) for i in range(len(names) - 1)
    ]
    if len(names) > 2:
        for i in range(number(0, 2)):
            first, second = draw(st.lists(place, min_size=2, max_size=2, unique=True))
            lines.append(Line(f"m{i}", first, second, draw(energies), number(1, 5)))
    return Case(
        "drawn",
        times,
        times,
        draw(st.binary(min_size=32, max_size=32)).hex(),
        tuple(sources),
        tuple(storages),
        tuple(ties),
        tuple(demands),
        tuple(bids),
        tuple(loads),
        tuple(lines),
        shed_nano_per_wh=TIERS,
        offer_cap_nano_per_wh=CAP,
        scarcity_nano_per_wh=draw(st.sampled_from([CAP, 700])),
        line_loss_ppm=draw(st.sampled_from([0, 30_000])),
        price_slack_ppm=draw(st.sampled_from([0, 5_000, 200_000])),
    )


@st.composite
def solutions(draw: st.DrawFn, case: Case) -> Solution:
    """Anything that has the shape of a solution, most of it feasible."""

    def below(most_wh: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(draw(st.integers(0, energy_wh)) for energy_wh in most_wh)

    times = range(case.intervals)
    ramped = [source for source in case.sources if source.ramp_wh is not None]
    flows: dict[tuple[int, int], LineFlow] = {}
    net = network(case)
    for t in times:
        for i, line in enumerate(case.lines):
            if draw(st.integers(0, 3)):
                continue
            mesh = net.meshes[net.mesh_of[i]].lines if net.mesh_of[i] >= 0 else (i,)
            for other in mesh:
                limit = case.lines[other].limit_wh[t]
                flow = draw(st.integers(-limit, limit))
                flows.setdefault((other, t), LineFlow(other, t, flow))
            flows[i, t] = LineFlow(i, t, draw(st.sampled_from([-1, 1])) * line.limit_wh[t])
    return Solution(
        case.round_id,
        tuple(below(store.most_charge_wh) for store in case.storages),
        tuple(below(store.most_discharge_wh) for store in case.storages),
        tuple(below((load.most_wh,) * case.intervals) for load in case.loads),
        tuple(below(tuple(offered_wh(source, t) for t in times)) for source in ramped),
        tuple(below(thing.reserve.most_wh) for thing in providers(case) if thing.reserve),
        *draw(st.sampled_from([(0, 1), (1, 1), (1, 8), (2, 3)])),
        draw(st.sampled_from([0, 2**31, 2**32, 3**18])),
        tuple(flows.values()),
    )
