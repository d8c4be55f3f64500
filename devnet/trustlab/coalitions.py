"""What a coalition gets for its bonds: power under the caps, by names and by tokens, and how soon.

All of it is asked of `consensus.power` and `consensus.quorum`; nothing here weighs or caps. Bonds are whole tokens,
shares are parts per million, cut off. Everybody has the same index, so it is left out of what differs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

from consensus import power
from consensus.quorum import is_quorum
from contracts.genesis import ConsensusParams
from zk.codec import encode
from zk.hashing import domain

PPM = 1_000_000
INDEX_PPM = 500_000
"""Everybody's: that of a new member."""
BONDED = 1_000_000_000
"""Tokens that all bonds come to where shares of them are compared."""
STEP_PPM = 10_000
FINE_PPM = 1_000
LARGE, DUST = 1_000_000, ConsensusParams().seat_bond_tokens
"""Bonds: one that matters, and the least that has a seat."""

TWELVE, HELD_EPOCHS, PLAYS = 12, 40, 500
TOGGLING = (3, 4, 6, 8)

PACTS = (4, 6, 7, 20)
"""Sizes of pacts that are compared."""
NAMES = {4: (1, 2, 3), 6: (1, 2, 3, 4), 7: (1, 2, 3, 4), 20: (1, 2, 4, 7, 10)}
"""Under how many names a coalition acts in a pact of each size."""
DUSTY = ((1, 3), (2, 2), (3, 1), (3, 3), (3, 4), (4, 3), (5, 2), (5, 15), (7, 13))
"""Pacts of so many large organisations and so many of dust."""


class Point(NamedTuple):
    """What a share of all bonds gives."""

    bond_ppm: int
    power_ppm: int


class Threshold(NamedTuple):
    """Least share of all bonds, in steps of 0.1%, that makes a coalition able; None: no share does."""

    organisations: int
    names: int
    halts_ppm: int | None
    """Without it the others are no quorum."""
    rules_ppm: int | None
    """It is a quorum by itself."""


class Dust(NamedTuple):
    """A pact of large and of dust organisations."""

    large: int
    dust: int
    weight_ppm: int
    """Share that the dust has of the weights."""
    power_ppm: int
    """Share that it has of the power."""


class HeldUp(NamedTuple):
    """How long changes of others take while a coalition bonds and unbonds all it has, over and over."""

    toggling: int
    """Of `TWELVE` equal organisations."""
    offender_epochs: int
    """Until one that was tombstoned when it began has no power, in the worst of `PLAYS`."""
    newcomer_epochs: Fraction
    """Until one that wanted to join then weighs what it bonded, on average."""
    newcomer_worst: int


class Split(NamedTuple):
    """One bond under several names, beside others."""

    names: int
    power_ppm: int


def share_of(coalition: Sequence[int], others: Sequence[int]) -> Fraction:
    """Share of the power that organisations with these bonds have together beside `others`. Bonds too small to weigh
    anything are not seated. Raises ValueError when fewer than four organisations weigh anything.
    """
    weights = {f"c{at:03d}": power.weight(bond, INDEX_PPM) for at, bond in enumerate(coalition)}
    weights |= {f"o{at:03d}": power.weight(bond, INDEX_PPM) for at, bond in enumerate(others)}
    powers = power.powers(weights)
    held = sum(amount for id_, amount in powers.items() if id_.startswith("c"))
    return Fraction(held, sum(powers.values()))


def ppm(share: Fraction) -> int:
    """Parts per million, cut off."""
    return share.numerator * PPM // share.denominator


def split_evenly(tokens: int, names: int) -> list[int]:
    """A bond under several names, as equal as whole tokens allow: nothing weighs more, since a root is concave."""
    part, over = divmod(tokens, names)
    return [part + (at < over) for at in range(names)]


def share_by_bond(organisations: int, names: int, bond_ppm: int) -> Fraction:
    """Share of the power of a coalition of `names` of so many `organisations`, which together have `bond_ppm` of all
    bonds, while the others share the rest evenly.
    """
    tokens = BONDED * bond_ppm // PPM
    return share_of(split_evenly(tokens, names), split_evenly(BONDED - tokens, organisations - names))


def curve(organisations: int, names: int) -> tuple[Point, ...]:
    """Power by share of all bonds, from 1% to 99%."""
    return tuple(
        Point(bond_ppm, ppm(share_by_bond(organisations, names, bond_ppm)))
        for bond_ppm in range(STEP_PPM, PPM, STEP_PPM)
    )


def can_halt(share: Fraction) -> bool:
    """Whether everybody else together is no quorum."""
    return not is_quorum(share.denominator - share.numerator, share.denominator)


def can_rule(share: Fraction) -> bool:
    """Whether a coalition with this share of the power decides by itself."""
    return is_quorum(share.numerator, share.denominator)


def threshold(organisations: int, names: int) -> Threshold:
    """What a coalition of `names` of so many `organisations` has to bond."""

    return Threshold(
        organisations, names, _least(organisations, names, can_halt), _least(organisations, names, can_rule)
    )


def _least(organisations: int, names: int, able: Callable[[Fraction], bool]) -> int | None:
    """By bisection: who bonds more has no less power."""
    bonds = range(FINE_PPM, PPM, FINE_PPM)
    at = bisect_left(bonds, True, key=lambda bond: able(share_by_bond(organisations, names, bond)))
    return bonds[at] if at < len(bonds) else None


def dust(large: int, small: int) -> Dust:
    """What organisations with next to no bond have beside large ones."""
    light, heavy = power.weight(DUST, INDEX_PPM), power.weight(LARGE, INDEX_PPM)
    weights = Fraction(small * light, small * light + large * heavy)
    return Dust(large, small, ppm(weights), ppm(share_of([DUST] * small, [LARGE] * large)))


def splits(others: int, names: Sequence[int]) -> tuple[Split, ...]:
    """A bond as large as that of each of the `others`, under one name or several."""
    return tuple(Split(count, ppm(share_of(split_evenly(LARGE, count), [LARGE] * others))) for count in names)


def held_up(toggling: int) -> HeldUp:
    """So many of `TWELVE` equal organisations want to leave whenever they weigh and to come back whenever they do not,
    played with `PLAYS` beacons. Raises ValueError when somebody else's change takes more than `HELD_EPOCHS`.
    """
    waits = [_wait(toggling, play) for play in range(PLAYS)]
    newcomers = [newcomer for _, newcomer in waits]
    offenders = [offender for offender, _ in waits]
    return HeldUp(toggling, max(offenders), Fraction(sum(newcomers), PLAYS), max(newcomers))


def _wait(toggling: int, play: int) -> tuple[int, int]:
    """Epochs until the offender is gone, and until the newcomer weighs all that it bonded."""
    coalition = [f"a{at:02d}" for at in range(toggling)]
    offender, newcomer = "offender", "zeal"
    others = [f"other-{at:02d}" for at in range(TWELVE - toggling - 1)]
    full = power.weight(LARGE, INDEX_PPM)
    weights = dict.fromkeys([*coalition, offender, *others], full)
    gone: list[int] = []
    come: list[int] = []
    for epoch in range(HELD_EPOCHS):
        seed = domain("churn", "trustlab") + encode((play, epoch))
        staying = [id_ for id_ in coalition if id_ not in weights]
        wanted = dict.fromkeys([*staying, *others, newcomer], full)
        weights = power.advance(weights, wanted, seed, (offender,))
        if offender not in weights:
            gone.append(epoch + 1)
        if weights.get(newcomer) == full:
            come.append(epoch + 1)
        if gone and come:
            return gone[0], come[0]
    raise ValueError(f"{toggling} organisations hold others up for {HELD_EPOCHS} epochs")
