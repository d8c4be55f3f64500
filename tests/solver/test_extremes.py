"""Cases at the bounds of every number: a builder ends with a solution that passes, or with a code."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from msgspec.structs import replace

from contracts.program.case import Bid, Block, Case, Connection, Demand, Line, Load, Reserve, Source, Storage
from contracts.program.check import check
from contracts.program.documents import case_of, json_of
from contracts.program.verdict import Refusal
from node.errors import NodeError
from node.solver.build import build

PRICES = (-500_000, -1, 0, 1, 100_000, 4_000_000)
ENERGIES = (0, 1, 2, 1_000, 10**6, 2**31, 2**40 - 1)
FACTORS = (0, 1, 10**5, 2**22 - 1)
REACTANCES = (1, 10**7, 2**31 - 1)
KNOWN = ("dispatch.", "solver.infeasible", "solver.repair", "solver.failed")


class Extremes:
    """Draws a case from values at their bounds."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.times = self.draw.choice((1, 2, 5))
        self.places = self.draw.choice((("site",), ("site", "a"), ("site", "a", "b")))

    def energies(self) -> tuple[int, ...]:
        most = self.draw.choice(ENERGIES)
        return tuple(self.draw.choice((most, most // 2, 0, self.draw.choice(ENERGIES))) for _ in range(self.times))

    def prices(self) -> tuple[int, ...]:
        return tuple(self.draw.choice(PRICES) for _ in range(self.times))

    def source(self, at: int) -> Source:
        prices = [sorted({self.draw.choice(PRICES) for _ in range(self.draw.randint(0, 3))}) for _ in range(self.times)]
        blocks = tuple(tuple(Block(price, max(1, self.draw.choice(ENERGIES))) for price in row) for row in prices)
        return Source(
            f"source-{at}",
            f"org-{at % 2}",
            blocks,
            self.draw.choice(self.places),
            self.draw.choice(FACTORS),
            ramp_wh=self.draw.choice((None, None, 1, 10**5, 2**40 - 1)),
            reserve=self.draw.choice((None, Reserve(self.draw.choice((0, 5, 2**28 - 1)), self.energies()))),
        )

    def storage(self, at: int) -> Storage:
        n = self.draw.choice((1, 19, 97, 999))
        d = self.draw.choice([d for d in (1, 20, 100, 1_000) if d >= n])
        capacity = self.draw.choice(ENERGIES)
        full = min(2**60, capacity * n * d)
        return Storage(
            f"battery-{at}",
            "org-0",
            capacity,
            self.draw.choice((0, full, full // 2)),
            self.energies(),
            self.energies(),
            n,
            d,
            self.draw.choice(self.places),
            self.draw.choice((None, self.draw.choice(PRICES))),
            self.draw.choice((0, 5, 2**28 - 1)),
            self.draw.choice(FACTORS),
            self.draw.choice((None, Reserve(0, self.energies()))),
        )

    def case(self) -> Case:
        draw, place = self.draw, lambda: self.draw.choice(self.places)
        pairs = [*zip(self.places, self.places[1:], strict=False)]
        pairs += [(self.places[-1], "site")] if len(self.places) == 3 and draw.random() < 0.5 else []
        factors = tuple(draw.choice(FACTORS) for _ in range(self.times))
        limits = (self.energies(), self.energies())
        ties = (Connection("tie", "utility", self.prices(), self.prices(), *limits, factors, place()),)
        return Case(
            "extreme",
            self.times,
            self.times,
            "ab" * 32,
            tuple(self.source(at) for at in range(draw.randint(0, 4))),
            tuple(self.storage(at) for at in range(draw.randint(0, 2))),
            ties if draw.random() < 0.6 else (),
            tuple(Demand(f"org-{at}", self.energies(), draw.randrange(4), place()) for at in range(draw.randint(0, 3))),
            tuple(Bid("org-0", draw.choice(PRICES), self.energies(), place()) for _ in range(draw.randint(0, 2))),
            tuple(
                Load(f"load-{at}", "org-1", draw.choice(ENERGIES[1:]), draw.choice(ENERGIES), 0,
                     draw.randint(1, self.times), draw.choice(PRICES), place())
                for at in range(draw.randint(0, 1))
            ),
            tuple(
                Line(f"line-{at}", *ends, self.energies(), draw.choice(REACTANCES)) for at, ends in enumerate(pairs)
            ),
            self.energies() if draw.random() < 0.2 else (),
            draw.choice((None, None, 0, 10**9, 2**63 - 1)),
            draw.choice((0, 0, 5_000, 10**6)),
            reference_nano_per_wh=tuple(draw.choice((0, 1, 250_000)) for _ in range(self.times)),
        )  # fmt: skip


def test_numbers_at_their_bounds_never_break_a_builder() -> None:
    ends: Counter[str] = Counter()
    for seed in range(250):
        case = case_of(json_of(Extremes(seed).case()))
        assert not isinstance(case, Refusal), "the values are inside their bounds"
        try:
            built = build(case, 10.0)
        except NodeError as error:
            assert error.code.startswith(KNOWN) and error.message and error.hint
            ends[error.code] += 1
        else:
            assert check(case, built.solution) == built.verdict
            assert built.verdict.bound_nano <= built.verdict.cost_nano
            ends["solved"] += 1
    assert ends["solved"] > 100
    assert ends["solver.repair"] + ends["solver.failed"] < 10


@pytest.mark.parametrize("cap_ug", [0, 1])
def test_a_cap_of_nothing_is_kept(cap_ug: int) -> None:
    """What a share would send over a full line is no dispatch, also where the cap itself is zero."""
    dirty = Source("dirty", "dirty", ((Block(-1, 5_000),),), "a", 1)
    far = Source("far", "far", ((Block(-2, 5_000),),), "site", 1)
    case = Case(
        "nothing", 1, 1, "cd" * 32, (dirty, far), demands=(Demand("org", (4_000,), 0, "a"), Demand("org", (10,))),
        lines=(Line("cable", "site", "a", (1,)),), carbon_cap_ug=cap_ug, reference_nano_per_wh=(250_000,),
    )  # fmt: skip
    built = build(case, 10.0)
    assert built.verdict.carbon_ug <= cap_ug
    loose = build(replace(case, carbon_cap_ug=10**6), 10.0).verdict
    assert loose.carbon_ug == 4_010
