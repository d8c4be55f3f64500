"""The inner product argument of Bulletproofs, stopped at vectors of length 4.

Shows that vectors a and b are known with P = <a, G> + <b, H> + <a, b> Q, where H_i carries a factor y^-i. Each round
halves the vectors: a' = a_lo + u a_hi, b' = b_lo + u^-1 b_hi, G' = G_lo + u^-1 G_hi, H' = H_lo + u H_hi and
P' = P + u L + u^-1 R. That is the argument of Bunz et al. (2018) with u in the place of u^2, all vectors scaled by u^-1
or u. From length 4 on, another round would cost two points and save four scalars: the same bytes, and more to decode.

The prover never folds generators. It keeps each one's factor instead, and pays with one longer multiplication of many
points what would be many short ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from py_arkworks_bls12381 import G1Point, Scalar

from zk.group.native import scalar

STOP = 4
"""Length at which the vectors are sent as they are."""

Challenge = Callable[[bytes, bytes], Scalar]
"""Absorbs L and R, 48 bytes each, and gives the challenge of their round, never 0."""


def product(left: Sequence[Scalar], right: Sequence[Scalar]) -> Scalar:
    """<left, right>, of two vectors of one length that is not 0."""
    factors = zip(left, right, strict=True)
    first, second = next(factors)
    total = first * second
    for first, second in factors:
        total = total + first * second
    return total


def powers(base: Scalar, count: int) -> list[Scalar]:
    """1, base, base^2, ... of a count that is a power of two, by doubling."""
    known, step = [scalar(1)], base
    while len(known) < count:
        known += [power * step for power in known]
        step = step.square()
    return known


class Folded(NamedTuple):
    """What a prover sends: L and R of every round, and the vectors that are left."""

    sides: list[tuple[bytes, bytes]]
    a: list[Scalar]
    b: list[Scalar]


def fold(
    generators: tuple[Sequence[G1Point], Sequence[G1Point]],
    inverse_powers: Sequence[Scalar],
    q: G1Point,
    vectors: tuple[list[Scalar], list[Scalar]],
    challenge: Challenge,
) -> Folded:
    """Prove <a, b> of the two vectors; their length is a power of two, and that of everything else.

    `generators` are G and H without their factors, `inverse_powers` are the factors y^-i of H, `q` is Q.
    """
    g, h = generators
    a, b = vectors
    g_factors, h_factors = [inverse_powers[0]] * len(a), list(inverse_powers)
    sides = []
    while len(a) > STOP:
        width, half = len(a), len(a) // 2
        a_low, a_high, b_low, b_high = a[:half], a[half:], b[:half], b[half:]
        left: tuple[list[G1Point], list[Scalar]] = [q], [product(a_high, b_low)]
        right: tuple[list[G1Point], list[Scalar]] = [q], [product(a_low, b_high)]
        for start in range(0, len(g), width):
            low, high = slice(start, start + half), slice(start + half, start + width)
            left[0].extend(g[low])
            left[1].extend(f * v for f, v in zip(g_factors[low], a_high, strict=True))
            left[0].extend(h[high])
            left[1].extend(f * v for f, v in zip(h_factors[high], b_low, strict=True))
            right[0].extend(g[high])
            right[1].extend(f * v for f, v in zip(g_factors[high], a_low, strict=True))
            right[0].extend(h[low])
            right[1].extend(f * v for f, v in zip(h_factors[low], b_high, strict=True))
        sent = (
            G1Point.multiexp_unchecked(*left).to_compressed_bytes(),
            G1Point.multiexp_unchecked(*right).to_compressed_bytes(),
        )
        sides.append(sent)
        u = challenge(*sent)
        inverse = u.inverse()
        a = [low + u * high for low, high in zip(a_low, a_high, strict=True)]
        b = [low + inverse * high for low, high in zip(b_low, b_high, strict=True)]
        for start in range(half, len(g), width):
            for i in range(start, start + half):
                g_factors[i] = g_factors[i] * inverse
                h_factors[i] = h_factors[i] * u
    return Folded(sides, a, b)


def spread(challenges: Sequence[Scalar], last: Sequence[Scalar]) -> list[Scalar]:
    """What the vector `last` of length `STOP` weighs on each generator when every upper half was taken times the
    challenge of its round, the first round's halves being the longest. Built by doubling."""
    spread_out = list(last)
    for u in reversed(challenges):
        spread_out += [part * u for part in spread_out]
    return spread_out


def inverses(scalars: Sequence[Scalar]) -> list[Scalar]:
    """The inverses of scalars other than 0, for one inversion. ValueError when one is 0 or none is there."""
    running = [scalars[0]]
    for one in scalars[1:]:
        running.append(running[-1] * one)
    if running[-1].is_zero():
        raise ValueError("0 has no inverse")
    rest = running[-1].inverse()
    found = [rest] * len(scalars)
    for i in range(len(scalars) - 1, 0, -1):
        found[i] = rest * running[i - 1]
        rest = rest * scalars[i]
    found[0] = rest
    return found
