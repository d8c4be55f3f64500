"""How likely a committee that is drawn uniformly has too many bad members: exact, in integers and fractions.

Above 100 organisations a committee is redrawn daily. Whoever chooses its size reads here what it risks. Draws nothing.
"""

from __future__ import annotations

from fractions import Fraction
from math import comb

from consensus.quorum import is_quorum

DRAWS_PER_YEAR = 365


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
