"""The inner product argument of Bulletproofs, stopped at vectors of length 4.

Shows that vectors a and b are known with P = <a, G> + <b, H> + <a, b> Q, where H_i carries a factor y^-i. Each round
halves the vectors: a' = a_lo + u a_hi, b' = b_lo + u^-1 b_hi, G' = G_lo + u^-1 G_hi, H' = H_lo + u H_hi and
P' = P + u L + u^-1 R. That is the argument of Bunz et al. (2018) with u in the place of u^2, all vectors scaled by u^-1
or u. From length 4 on, another round would cost two points and save four scalars: the same bytes, and more to decode.

The prover keeps generators as they are, each with its factor: one long multiplication of many points costs less than
many short ones. Only long vectors are folded, once, after `FOLD_AFTER` rounds: all generators of one place then share
their scalars, the first of which is 1, and kept multiples of each let 64 bits of a scalar do for 256.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from py_arkworks_bls12381 import G1Point, Scalar

from zk.group.bases import vectors
from zk.group.native import Point, scalar

STOP = 4
"""Length at which the vectors are sent as they are."""
FOLD_AFTER = 3
"""Rounds after which long vectors of generators are folded."""
LONG = 256
"""Length from which on that pays: on vectors of 1,024 it saves a sixth of the work."""
PIECE_BITS = 64
_PIECES = 4
APART = 32
"""Points from which on one more is multiplied apart: arkworks chooses its windows by the logarithm of their number,
rounded up, so the 1,025th point costs as much as eight multiplications."""

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
    inverse_powers: Sequence[Scalar],
    q: Point,
    vectors_left: tuple[list[Scalar], list[Scalar]],
    challenge: Challenge,
) -> Folded:
    """Prove <a, b> of the two vectors of one length, a power of two and no less than `STOP`.

    `inverse_powers` are the factors y^-i of the H_i, as many; `q` is Q.
    """
    a, b = vectors_left
    g, h = ([point.ark for point in vector] for vector in vectors(len(a)))
    g_factors, h_factors = [scalar(1)] * len(a), list(inverse_powers)
    fold_at = len(a) >> FOLD_AFTER if len(a) >= LONG else 0
    sides = []
    while len(a) > STOP:
        width, half = len(a), len(a) // 2
        if width == fold_at:
            kept_g, kept_h = _kept_multiples(len(g))
            g, g_factors = _folded(kept_g, g_factors[::width], width), [scalar(1)] * width
            h, h_factors = _folded(kept_h, h_factors[::width], width), list(inverse_powers[:width])
        a_low, a_high, b_low, b_high = a[:half], a[half:], b[:half], b[half:]
        left: tuple[list[G1Point], list[Scalar]] = [], []
        right: tuple[list[G1Point], list[Scalar]] = [], []
        for start in range(0, len(g), width):
            low, high = slice(start, start + half), slice(start + half, start + width)
            _extend(left, g[low], g_factors[low], a_high)
            _extend(left, h[high], h_factors[high], b_low)
            _extend(right, g[high], g_factors[high], a_low)
            _extend(right, h[low], h_factors[low], b_high)
        sent = (
            blinded(q, product(a_high, b_low), *left).to_compressed_bytes(),
            blinded(q, product(a_low, b_high), *right).to_compressed_bytes(),
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


def blinded(point: Point, factor: Scalar, points: list[G1Point], scalars: list[Scalar]) -> G1Point:
    """The sum of a point times a factor and of a power of two of points times their scalars."""
    if len(points) < APART:
        return G1Point.multiexp_unchecked([point.ark, *points], [factor, *scalars])
    return G1Point.multiexp_unchecked(points, scalars) + point.times_secret(factor).ark


def _extend(
    terms: tuple[list[G1Point], list[Scalar]],
    points: Sequence[G1Point],
    factors: Sequence[Scalar],
    scalars: Sequence[Scalar],
) -> None:
    terms[0].extend(points)
    terms[1].extend(factor * one for factor, one in zip(factors, scalars, strict=True))


def _folded(kept: Sequence[Sequence[G1Point]], factors: Sequence[Scalar], width: int) -> list[G1Point]:
    """For each place below `width`, the sum over all blocks of the block's factor, 1 for the first, times its generator
    there."""
    pieces = [piece for factor in factors[1:] for piece in _pieces(int(factor))]
    return [
        kept[place][0]
        + G1Point.multiexp_unchecked([point for one in kept[place + width :: width] for point in one], pieces)
        for place in range(width)
    ]


def _pieces(number: int) -> list[Scalar]:
    return [scalar(number >> i * PIECE_BITS & (1 << PIECE_BITS) - 1) for i in range(_PIECES)]


@cache
def _kept_multiples(length: int) -> tuple[list[list[G1Point]], list[list[G1Point]]]:
    """Of each generator G_i and H_i, itself times 1, 2^64, 2^128 and 2^192. A few MB at most."""
    steps = [scalar(1 << i * PIECE_BITS) for i in range(_PIECES)]
    g, h = ([[point.ark * step for step in steps] for point in vector] for vector in vectors(length))
    return g, h


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
