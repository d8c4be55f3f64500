"""What stands behind each member's word in a run, and how that moves while it lasts.

Draws opening bonds (equal, spread, some at the bar or just below it, one giant) and big moves of them. Whoever is bad,
that is lying or absent, stays below 1/3 of the power in every seating that the moves can lead to, whatever part of them
has happened and however far the churn budget has let them through. Never looks at a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from random import Random

import msgspec

from contracts.genesis import ConsensusParams

SLACK_TOKENS = 5_000
"""What small bonds, unbonds and transfers of a member may add up to in a run; the traffic keeps to it."""
UNIT_TOKENS = 40_000
"""A bond of n * n such units weighs n times 100 at the index of the start."""
MAX_PARTS = 9
DUST_TOKENS = ConsensusParams().seat_bond_tokens
"""The least bond with which an organisation has weight."""
GIANT_TOKENS = 10**12
MAX_MOVES = 6
LAST_MOVE_MS = 8_000


class Stake(msgspec.Struct, frozen=True):
    """A member's tokens at the start. Without a bond its node has no seat."""

    bonded_tokens: int
    free_tokens: int


class Move(msgspec.Struct, frozen=True):
    """A member bonds so many tokens at a time, or takes them out where they are negative."""

    at_ms: int
    member: str
    tokens: int


class Stakes(msgspec.Struct, frozen=True):
    """Of all members, in the order of their nodes."""

    opening: tuple[Stake, ...]
    moves: tuple[Move, ...]


def draw(random: Random, nodes: Sequence[str], bad: frozenset[str]) -> Stakes:
    """Stakes under which `bad` nodes are never 1/3 of the power; each member has one node of its name."""
    while True:
        bonds = _draw_bonds(random, len(nodes))
        opening = tuple(Stake(bond, 2 * bond + 100_000) for bond in bonds)
        held = dict(zip(nodes, bonds, strict=True))
        moves = tuple(_draw_move(random, held) for _ in range(random.choice((0, 2, MAX_MOVES))))
        stakes = Stakes(opening, tuple(sorted(moves, key=lambda move: move.at_ms)))
        if is_safe(stakes, nodes, bad):
            return stakes


def is_safe(stakes: Stakes, nodes: Sequence[str], bad: frozenset[str]) -> bool:
    """Whether the others have more than 2/3 of the power under every cap, with as little as the moves can leave them
    against as much as they can give to `bad`. One bad organisation needs no look: a cap of 30% holds it."""
    if len(bad) <= 1:
        return True
    good_least, bad_most = [], []
    for node, stake in zip(nodes, stakes.opening, strict=True):
        own = [move.tokens for move in stakes.moves if move.member == node]
        least = stake.bonded_tokens + sum(tokens for tokens in own if tokens < 0) - SLACK_TOKENS
        most = stake.bonded_tokens + sum(tokens for tokens in own if tokens > 0) + SLACK_TOKENS
        if node in bad:
            bad_most.append(isqrt(most))
        else:
            good_least.append(isqrt(least) if least >= DUST_TOKENS else 0)
    # As a function of the cap the surplus is linear between two weights.
    caps = [1, *good_least, *bad_most]
    return all(
        sum(min(weight, cap) for weight in good_least) > 2 * sum(min(weight, cap) for weight in bad_most)
        for cap in caps
        if cap
    )


def _draw_bonds(random: Random, count: int) -> list[int]:
    spread = random.choice((1, 3, MAX_PARTS))
    bonds = [UNIT_TOKENS * random.randint(1, spread) ** 2 for _ in range(count)]
    match random.randrange(6):
        case 0:
            bonds[random.randrange(count)] = GIANT_TOKENS
        case 1:
            for place in random.sample(range(count), random.randint(1, count // 2)):
                bonds[place] = DUST_TOKENS
        case _:
            for place in random.sample(range(count), random.randint(0, (count - 4) // 2)):
                bonds[place] = random.choice((0, DUST_TOKENS - 1))
    return bonds


def _draw_move(random: Random, held: dict[str, int]) -> Move:
    """One that the member can make, if those before it happened; `held` are the bonds by then."""
    member = random.choice(sorted(held))
    bond = held[member]
    tokens = random.choice((-bond, -bond // 2, -bond // 4, bond // 2, bond, UNIT_TOKENS)) or UNIT_TOKENS
    held[member] += tokens
    return Move(random.randrange(LAST_MOVE_MS), member, tokens)
