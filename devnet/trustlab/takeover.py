"""A majority of tokens is bought and bonded in one epoch: when it becomes power, and how much.

Played on the contracts, by transactions: the buyer's organisations are members already, with free tokens and no bond.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from contracts.bodies import Bond
from contracts.genesis import OpeningTrust
from devnet.trustlab.coalitions import LARGE, can_halt, can_rule, ppm, split_evenly
from devnet.trustlab.pact import Pact
from devnet.trustlab.turns import ALIVE

OTHERS = 10
BOUGHT = 90
"""Percent of all bonds that the buyer has once it has bonded."""
SHORT_EPOCH = 4
"""Blocks: how long an epoch is does not matter here."""
EPOCHS = 10
NAMES = (1, 3, 6, 20)


class Takeover(NamedTuple):
    """What a buyer with so many names has in each epoch; it bonds in epoch 0."""

    names: int
    power_ppm: tuple[int, ...]
    """By epoch, from 0."""
    halts_epoch: int | None
    """First in which the others are no quorum."""
    rules_epoch: int | None
    """First in which it is a quorum by itself."""


def takeover(names: int) -> Takeover:
    """Ten organisations with equal bonds, and a buyer."""
    tokens = OTHERS * LARGE * BOUGHT // (100 - BOUGHT)
    buyers = [f"buyer-{at:02d}" for at in range(names)]
    parts = dict(zip(buyers, split_evenly(tokens, names), strict=True))
    trusts = {f"other-{at:02d}": OpeningTrust(f"other-{at:02d}", 0, LARGE) for at in range(OTHERS)}
    trusts |= {name: OpeningTrust(name, part) for name, part in parts.items()}
    pact = Pact(trusts, SHORT_EPOCH)
    shares = []
    for epoch in range(EPOCHS):
        for place in range(SHORT_EPOCH):
            first = (epoch, place) == (0, 0)
            bonds = [pact.say(name, Bond(part)) for name, part in parts.items()] if first else []
            _, codes = pact.block(bonds, conduct=lambda _node: ALIVE)
            assert set(codes) <= {"ok"}, "everybody has what it bonds"
        powers = pact.powers(pact.height)
        shares.append(Fraction(sum(powers.get(name, 0) for name in buyers), sum(powers.values())))
    return Takeover(
        names,
        tuple(ppm(share) for share in shares),
        next((epoch for epoch, share in enumerate(shares) if can_halt(share)), None),
        next((epoch for epoch, share in enumerate(shares) if can_rule(share)), None),
    )
