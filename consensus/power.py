"""What trust weighs: weights of organisations, the cap on each, their powers, and how much of it one epoch may change.

All exact, in integers and fractions. An organisation counts once, on its summed bond: a root per key would reward
splitting. Two sets in a row differ by less than 1/3 of the shares, so that every quorum of one has more than 1/3 in
the other, and a quorum of each have a seat in common. Knows no keys, no tokens but a bond, and never who is alive.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from fractions import Fraction
from itertools import accumulate
from math import isqrt

from zk.hashing import sha256

MIN_ORGANISATIONS = 4
"""Agreement among fewer survives nobody."""
FULL_INDEX_PPM = 1_000_000

FEW = Fraction(30, 100)
"""Most that one of 4 to 6 organisations has: more than 2/3 stay when any one is down."""
MANY = Fraction(20, 100)
"""Most that one of 7 or more has."""
MANY_ORGANISATIONS = 7
CHURN_LIMIT = Fraction(1, 3)
"""Less than this may change in an epoch."""


def weight(bond: int, index_ppm: int) -> int:
    """Weight of an organisation: the root of its summed bond, times what it has shown. 0: it is not seated."""
    return isqrt(bond) * index_ppm // FULL_INDEX_PPM


def largest_share(organisations: int) -> Fraction:
    """Most that one of so many may have. Raises ValueError below four."""
    if organisations < MIN_ORGANISATIONS:
        raise ValueError(f"{organisations} organisations have weight, consensus needs {MIN_ORGANISATIONS}")
    return FEW if organisations < MANY_ORGANISATIONS else MANY


def cap(weights: Sequence[int]) -> int:
    """The largest c with c <= share * sum(min(w, c)) of these positive weights; at least 1, since four shares of 30%
    and seven of 20% are more than everything. Raises ValueError below four.
    """
    share = largest_share(len(weights))
    ascending = sorted(weights)
    sums = [0, *accumulate(ascending)]

    def holds(most: int) -> bool:
        below = bisect_left(ascending, most)
        capped = sums[below] + most * (len(ascending) - below)
        return most <= share * capped

    # What is left over as c grows is concave and positive at 1: it holds up to one c, and beyond it never again.
    return _last(1, int(share * sums[-1]) + 1, holds)


def powers(weights: Mapping[str, int]) -> dict[str, int]:
    """Power of each organisation that is seated. Raises ValueError when fewer than four are."""
    seated = {id_: weight for id_, weight in weights.items() if weight > 0}
    most = cap(list(seated.values()))
    return {id_: min(weight, most) for id_, weight in seated.items()}


def split(power: int, nodes: Sequence[str]) -> dict[str, int]:
    """Power of an organisation among its nodes, by largest remainder: all are equal, so what is left over goes to the
    first in id order, 1 each. A node whose part is 0 has no seat.
    """
    part, over = divmod(power, len(nodes))
    parts = {node: part + (position < over) for position, node in enumerate(sorted(nodes))}
    return {node: share for node, share in parts.items() if share}


def churn(before: Mapping[str, int], after: Mapping[str, int]) -> Fraction:
    """Sum of |change of share| / 2 between two sets of powers, neither empty."""
    old, new = sum(before.values()), sum(after.values())
    moved = sum(abs(before.get(id_, 0) * new - after.get(id_, 0) * old) for id_ in {**before, **after})
    return Fraction(moved, 2 * old * new)


def is_affordable(spent: Fraction) -> bool:
    """Strictly less than 1/3 of the shares."""
    return spent < CHURN_LIMIT


def in_turn(ids: Collection[str], offenders: Collection[str], seed: bytes) -> list[str]:
    """The order in which changes of these organisations use up an epoch's budget: offenders first, and each part by a
    hash of the epoch's `seed` and the id, so that no name is early in every epoch.

    `seed` names this epoch of this chain and no other, so it starts with a `zk.hashing.domain`.
    """
    return sorted(ids, key=lambda id_: (id_ not in offenders, sha256(seed + id_.encode()), id_))


def advance(
    current: Mapping[str, int], wanted: Mapping[str, int], seed: bytes, offenders: Collection[str] = ()
) -> dict[str, int]:
    """Weights of the next epoch, ascending by id: `current` moved towards `wanted` as far as the churn budget goes.

    Changes apply `in_turn` until the budget is spent, the last one in part: some single changes cost more than a
    whole budget, and would else never happen. An organisation whose going would leave fewer than four stays as it is.
    Raises ValueError when `current` has fewer than four.
    """
    before = powers(current)
    changing = [id_ for id_ in {**current, **wanted} if current.get(id_, 0) != wanted.get(id_, 0)]
    changes = [(id_, wanted.get(id_, 0)) for id_ in in_turn(changing, offenders, seed)]

    def affordable(weights: Mapping[str, int]) -> bool:
        return is_affordable(churn(before, powers(weights)))

    def first(count: int) -> dict[str, int]:
        weights, seated = dict(current), len(before)
        for id_, goal in changes[:count]:
            left = seated + (goal > 0) - (weights.get(id_, 0) > 0)
            if left >= MIN_ORGANISATIONS:
                weights[id_], seated = goal, left
        return weights

    whole = _last(0, len(changes) + 1, lambda count: affordable(first(count)))
    weights = first(whole)
    if whole < len(changes):
        id_, goal = changes[whole]
        start = weights.get(id_, 0)
        way = 1 if goal > start else -1
        steps = _last(0, abs(goal - start), lambda count: affordable({**weights, id_: start + way * count}))
        weights[id_] = start + way * steps
    return {id_: weights[id_] for id_ in sorted(weights) if weights[id_]}


def _last(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """By bisection, a number from `low`, which holds, to below `high` that holds and whose next one is `high` or does
    not. The last is tried first.
    """
    if high - low > 1 and holds(high - 1):
        return high - 1
    return low + bisect_left(range(low + 1, high), True, key=lambda number: not holds(number))
