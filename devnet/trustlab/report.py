"""Everything that `docs/trust.md` and its figures say in numbers, played once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from devnet.trustlab import coalitions, grinding, members, takeover, turns
from devnet.trustlab.coalitions import Dust, HeldUp, Point, Split, Threshold
from devnet.trustlab.grinding import Grind, Risk
from devnet.trustlab.members import Life, Speed
from devnet.trustlab.takeover import Join, Takeover
from devnet.trustlab.turns import Story

EPOCHS = 100
CHAINS = 8
"""That the stories of turns are played on."""
SIGNIFICANCES_PPM = (1_000_000, 100_000)
OTHERS = 9
"""Organisations beside one that splits."""
SPLITS = (1, 2, 4, 9)
PACT = 20


class Findings(NamedTuple):
    """All figures."""

    life: Life
    speeds: tuple[Speed, ...]
    alone: dict[int, tuple[Point, ...]]
    """One organisation with a share of the bonds, by size of the pact."""
    together: dict[int, tuple[Point, ...]]
    """A coalition in a pact of `PACT`, by its names."""
    thresholds: tuple[Threshold, ...]
    dust: tuple[Dust, ...]
    splits: tuple[Split, ...]
    held_up: tuple[HeldUp, ...]
    takeovers: tuple[Takeover, ...]
    joins: tuple[Join, ...]
    bars: tuple[Join, ...]
    """The hundred and first, by what a seat takes."""
    dead: Story
    rejected: Story
    grinds: tuple[Grind, ...]
    draws: tuple[grinding.Draws, ...]
    risks: tuple[Risk, ...]


@cache
def findings() -> Findings:
    """Play everything; the same every time."""
    return Findings(
        life=members.live(EPOCHS),
        speeds=tuple(members.speed(significance) for significance in SIGNIFICANCES_PPM),
        alone={size: coalitions.curve(size, 1) for size in coalitions.PACTS},
        together={names: coalitions.curve(PACT, names) for names in coalitions.NAMES[PACT]},
        thresholds=tuple(
            coalitions.threshold(size, names) for size in coalitions.PACTS for names in coalitions.NAMES[size]
        ),
        dust=tuple(coalitions.dust(large, small) for large, small in coalitions.DUSTY),
        splits=coalitions.splits(OTHERS, SPLITS),
        held_up=tuple(coalitions.held_up(toggling) for toggling in coalitions.TOGGLING),
        takeovers=tuple(takeover.takeover(names) for names in takeover.NAMES),
        joins=tuple(takeover.join(large, dust) for large, dust in takeover.JOINED),
        bars=tuple(takeover.join(large, dust, bar) for bar in takeover.BARS for large, dust in takeover.JOINED[1:]),
        dead=turns.story(4, turns.DEAD, 3, 11, 16, CHAINS),
        rejected=turns.story(7, turns.REJECTED, 3, 11, 16, CHAINS),
        grinds=grinding.grind(),
        draws=grinding.draws(),
        risks=grinding.risks(),
    )
