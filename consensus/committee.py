"""Committees: above 100 organisations one is drawn daily, uniformly, with equal power inside.

Trust is the bar to be drawn from, and weighs no more: sample by trust or weigh by it, never both. How likely a draw has
too many bad members is exact here, in integers and fractions. Knows no beacon and no calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from math import comb

from consensus.quorum import is_quorum
from consensus.sampling import permutation

EVERYBODY = 100
"""Up to so many organisations all vote."""
MAX_SEATS = 250
"""Most that are drawn from more. With 20% bad of 1,000, a year of daily draws has a bad committee with 7e-7; with
200 seats it is 1e-4."""
DRAWS_PER_YEAR = 365


def draw(randomness: bytes, members: Sequence[str], seats: int) -> tuple[str, ...]:
    """`seats` of the members, or all where they are no more, ascending: every choice is equally likely.

    `members` ascend. `randomness` names this draw and no other, so it starts with a `zk.hashing.domain`.
    """
    drawn = islice(permutation(randomness, [1] * len(members)), seats)
    return tuple(members[position] for position in sorted(drawn))


def breaking_point(seats: int) -> int:
    """Fewest bad seats (equal power) without which the others are no quorum: at least 1/3 of them."""
    return next(bad for bad in range(1, seats + 1) if not is_quorum(seats - bad, seats))


def risk(members: int, bad: int, seats: int) -> Fraction:
    """Probability that so many of `seats`, drawn from `members` without replacement, are among the `bad` that the rest
    is no quorum: the tail of the hypergeometric distribution.

    Raises ValueError unless 1 <= seats <= members and 0 <= bad <= members.
    """
    if not 1 <= seats <= members:
        raise ValueError(f"{seats} seats can not be drawn from {members} members")
    if not 0 <= bad <= members:
        raise ValueError(f"{bad} of {members} members can not be bad")
    good = members - bad
    least = max(breaking_point(seats), seats - good)
    if least > min(bad, seats):
        return Fraction(0)
    ways = comb(bad, least) * comb(good, seats - least)
    total = ways
    for drawn in range(least, min(bad, seats)):
        ways = ways * (bad - drawn) * (seats - drawn) // ((drawn + 1) * (good - seats + drawn + 1))
        total += ways
    return Fraction(total, comb(members, seats))


def repeated(once: Fraction, draws: int) -> Fraction:
    """Probability that it happens at least once in `draws` independent draws."""
    return 1 - (1 - once) ** draws
