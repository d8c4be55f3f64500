"""Who bonds in epoch 0 and what that is in power, by epoch: a buyer of most tokens, and one more name of dust.

Played on the contracts, by transactions: whoever bonds is a member already, with free tokens and no bond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from contracts.bodies import Bond
from contracts.genesis import OpeningTrust
from devnet.trustlab.coalitions import DUST, LARGE, can_halt, can_rule, ppm, split_evenly
from devnet.trustlab.pact import Pact
from devnet.trustlab.turns import ALIVE

OTHERS = 10
BOUGHT = 90
"""Percent of all bonds that the buyer has once it has bonded."""
SHORT_EPOCH = 4
"""Blocks: how long an epoch is does not matter here."""
EPOCHS = 10
NAMES = (1, 3, 6, 20)
JOINED = ((3, 3), (66, 34), (33, 67))
"""Pacts of so many large organisations and so many of dust, which one more name of dust joins: the seventh
organisation, and twice the hundred and first."""
BARS = (DUST, 10_000, 100_000, LARGE)
"""Tokens that a seat takes, in pacts that one more name at the bar joins as the hundred and first organisation."""


class Takeover(NamedTuple):
    """What a buyer with so many names has in each epoch; it bonds in epoch 0."""

    names: int
    power_ppm: tuple[int, ...]
    """By epoch, from 0."""
    halts_epoch: int | None
    """First in which the others are no quorum."""
    rules_epoch: int | None
    """First in which it is a quorum by itself."""


class Join(NamedTuple):
    """What dust has before and after one more name of it has bonded."""

    large: int
    dust: int
    """Before."""
    bar_tokens: int
    """What a seat takes, and each of the dust has."""
    bonded_tokens: int
    """All that is behind the dust, with the new name."""
    before_ppm: int
    """Its share of the power in the last epoch without the new name."""
    after_ppm: int
    """And in the next one."""


def join(large: int, dust: int, bar: int = DUST) -> Join:
    """One more name of dust bonds, each as much as a seat takes."""
    names = [f"dust-{at:03d}" for at in range(dust + 1)]
    trusts = {f"large-{at:03d}": OpeningTrust(f"large-{at:03d}", 0, LARGE) for at in range(large)}
    trusts |= {name: OpeningTrust(name, 0, bar) for name in names[:-1]}
    trusts[names[-1]] = OpeningTrust(names[-1], bar)
    shares = _shares(trusts, {names[-1]: bar}, names, bar)
    return Join(large, dust, bar, bar * (dust + 1), ppm(shares[1]), ppm(shares[2]))


def takeover(names: int) -> Takeover:
    """Ten organisations with equal bonds, and a buyer."""
    tokens = OTHERS * LARGE * BOUGHT // (100 - BOUGHT)
    buyers = [f"buyer-{at:02d}" for at in range(names)]
    parts = dict(zip(buyers, split_evenly(tokens, names), strict=True))
    trusts = {f"other-{at:02d}": OpeningTrust(f"other-{at:02d}", 0, LARGE) for at in range(OTHERS)}
    trusts |= {name: OpeningTrust(name, part) for name, part in parts.items()}
    shares = _shares(trusts, parts, buyers)
    return Takeover(
        names,
        tuple(ppm(share) for share in shares),
        next((epoch for epoch, share in enumerate(shares) if can_halt(share)), None),
        next((epoch for epoch, share in enumerate(shares) if can_rule(share)), None),
    )


def _shares(
    trusts: Mapping[str, OpeningTrust], bonds: Mapping[str, int], names: Sequence[str], bar: int = DUST
) -> list[Fraction]:
    """Share of the power that `names` have together, by epoch, when these `bonds` are made in the first block and a
    seat takes `bar` tokens."""
    pact = Pact(trusts, SHORT_EPOCH, bar)
    shares = []
    for epoch in range(EPOCHS):
        for place in range(SHORT_EPOCH):
            first = (epoch, place) == (0, 0)
            said = [pact.say(name, Bond(tokens)) for name, tokens in bonds.items()] if first else []
            _, codes = pact.block(said, conduct=lambda _node: ALIVE)
            assert set(codes) <= {"ok"}, "everybody has what it bonds"
        powers = pact.powers(pact.height)
        shares.append(Fraction(sum(powers.get(name, 0) for name in names), sum(powers.values())))
    return shares
