"""Small random cases that are valid, with all that a case may have."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

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

ROUND = "00" * 32
PLACES = (SITE, "south", "east")


def source(name: str, *blocks: tuple[int, int], intervals: int = 1, **more: Any) -> Source:
    """A source that offers the same blocks of (price, energy) in every interval."""
    return Source(name, name, (tuple(Block(*block) for block in blocks),) * intervals, **more)


def small(name: str = "small", intervals: int = 1, **more: Any) -> Case:
    """A case of these parts; everything binds."""
    return Case(name, intervals, intervals, ROUND, **more)


@st.composite
def cases(draw: st.DrawFn, most_intervals: int = 3, most_wh: int = 4, most_places: int = 3) -> Case:
    """Any small case."""
    intervals = draw(st.integers(1, most_intervals))
    places = PLACES[: draw(st.integers(1, most_places))]
    place = st.sampled_from(places)
    energy = st.integers(0, most_wh)
    price = st.integers(-3, 9)
    factor = st.integers(0, 3)

    def each(one: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[int, ...]]:
        return st.tuples(*[one] * intervals)

    @st.composite
    def blocks(draw: st.DrawFn) -> tuple[Block, ...]:
        prices = sorted(draw(st.sets(price, max_size=2)))
        return tuple(Block(one, draw(st.integers(1, most_wh))) for one in prices)

    reserve = st.none() | st.builds(Reserve, st.integers(0, 3), each(energy))

    def several(thing: st.SearchStrategy[Any], most: int) -> tuple[Any, ...]:
        return tuple(draw(st.lists(thing, max_size=most)))

    def named(prefix: str, things: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(msgspec.structs.replace(thing, id=f"{prefix}-{i}") for i, thing in enumerate(things))

    organisation = st.sampled_from(("ann", "bob"))
    spare = st.none() | st.integers(2 * most_wh, 3 * most_wh)
    sources = st.builds(
        Source,
        st.just("x"),
        organisation,
        st.tuples(*[blocks()] * intervals),
        place,
        factor,
        spare,
        st.none() | energy,
        st.none() | st.just(0),
        reserve,
    )

    @st.composite
    def storages(draw: st.DrawFn) -> Storage:
        capacity = draw(st.integers(1, most_wh))
        d = draw(st.integers(1, 3))
        n = draw(st.integers(1, d))
        return Storage(
            "x",
            draw(organisation),
            capacity,
            draw(st.integers(0, capacity * n * d)),
            draw(each(energy)),
            draw(each(energy)),
            n,
            d,
            draw(place),
            draw(st.none() | price),
            draw(st.integers(0, 2)),
            draw(factor),
            draw(reserve),
        )

    @st.composite
    def loads(draw: st.DrawFn) -> Load:
        first = draw(st.integers(0, intervals - 1))
        until = draw(st.integers(first + 1, intervals))
        return Load(
            "x",
            draw(organisation),
            draw(st.integers(1, most_wh)),
            draw(energy),
            first,
            until,
            draw(price),
            draw(place),
        )

    def line(first: str, second: str) -> Line:
        ends = (first, second) if draw(st.booleans()) else (second, first)
        return Line("x", *ends, draw(each(energy)), draw(st.integers(1, 3)))

    joined = [line(*ends) for ends in pairwise(places)]
    joined += [line(*draw(st.permutations(places))[:2]) for _ in range(draw(st.integers(0, 2))) if joined]

    ties = st.builds(
        Connection,
        st.just("x"),
        organisation,
        each(price),
        each(price),
        each(energy),
        each(energy),
        each(factor),
        place,
    )
    return Case(
        "random",
        intervals,
        draw(st.integers(1, intervals)),
        ROUND,
        named("source", several(sources, 2)),
        named("storage", several(storages(), 1)),
        named("tie", several(ties, 1)),
        several(st.builds(Demand, organisation, each(energy), st.integers(0, 1), place), 2),
        several(st.builds(Bid, organisation, price, each(energy), place), 1),
        named("load", several(loads(), 1)),
        named("line", tuple(joined)),
        draw(st.just(()) | each(st.integers(0, 2))),
        draw(st.none() | st.integers(0, 20)),
        draw(st.sampled_from((0, 200_000))),
        (400, 100),
        9,
        -3,
        9,
        reference_nano_per_wh=draw(each(st.integers(0, 9))),
    )
