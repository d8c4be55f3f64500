"""Range proofs: committed values lie in exact ranges, and nothing else is shown of them.

Aggregated Bulletproofs (Bunz et al. 2018) over the digits of `zk.digits`, one proof for all values of a statement. A
value of [lo, hi] is proven as V_j - lo * V in [0, hi - lo]; the verifier shifts. The vectors hold the digits of all
values one after the other, then digits of weight 0 up to the next power of two N >= 4.

The commitments are value * V + blinding * base, the base H or (values encrypted under a threshold key) that key; A and
S are blinded by H, T1 and T2 by the commitments' base.

Transcript: session id of `PROTOCOL`; then absorbed, in this order, u32le length of the tag, tag; u32le version, m, N,
stop; u64le lo, u64le hi of every range; the base; all V_j; A, S, squeezed y, z; T1, T2, squeezed x; t, tau, mu,
squeezed w; every L, R with its u squeezed after it. A challenge of 0 makes a proof false. Proof: A, S, T1, T2 (48 bytes
each), t, tau, mu (32 bytes big-endian each), the L and R of every round, the four a and the four b that are left.

A proof is good for its tag only, and says nothing about who made it. Provers are not constant-time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from py_arkworks_bls12381 import Scalar

from zk.batch import Batch, Claim, Equation
from zk.digits import digits, weights
from zk.group import POINT_BYTES, SCALAR_BYTES
from zk.group.bases import MAX_VECTOR, bases, vectors
from zk.group.native import IDENTITY, Point, decode_point, decode_scalar, scalar
from zk.inner_product import STOP, blinded, fold, inverses, powers, product, spread
from zk.pedersen import commit
from zk.randomness import Draw
from zk.transcript import Sponge, session_id

PROTOCOL = b"gridpact/1/range-proof"
VERSION = 1
MAX_VALUES = 128
"""Most values of one proof. Each is below 2^64, so no sum of them comes near the order of the group."""
MAX_HI = (1 << 64) - 1

_SESSION = session_id(PROTOCOL)
_ZERO, _ONE = scalar(0), scalar(1)
_DIGEST_BYTES = 32

Range = tuple[int, int]
"""Smallest and largest value, both allowed."""


class _Layout(NamedTuple):
    """What only the ranges decide. Of the digits that fill up, nothing is kept: their weights are 0."""

    length: int
    """N: digits of all values, filled up to a power of two."""
    weights: list[list[Scalar]]
    """Of the digits, per value."""
    spans: list[Scalar]
    """hi - lo, per value."""
    lows: list[Scalar]
    """lo, per value."""


def prove(
    values: Sequence[int],
    blindings: Sequence[bytes],
    ranges: Sequence[Range],
    *,
    tag: bytes,
    entropy: bytes,
    base: bytes | None = None,
) -> tuple[list[bytes], bytes]:
    """Commitments of 48 bytes each, and the proof that every value lies in its range.

    Blindings are scalars of 32 bytes big-endian, `base` is a point of 48 bytes, None for H. ValueError on a value
    outside its range, on lists of different lengths, and on ranges that `verify` would refuse.
    """
    _check_counts(values, blindings, ranges)
    points = [commit(value, blinding, base=base) for value, blinding in zip(values, blindings, strict=True)]
    hiding = None if base is None else decode_point(base)
    proof = prove_points(points, values, blindings, ranges, tag=tag, entropy=entropy, base=hiding)
    return [point.to_bytes() for point in points], proof


def prove_points(
    points: Sequence[Point],
    values: Sequence[int],
    blindings: Sequence[bytes],
    ranges: Sequence[Range],
    *,
    tag: bytes,
    entropy: bytes,
    base: Point | None = None,
) -> bytes:
    """As `prove`, of commitments that were made already. A proof for others than these values make is false."""
    _check_counts(values, blindings, ranges, points)
    layout = _layout(ranges)
    chosen = [digits(value - lo, hi - lo) for value, (lo, hi) in zip(values, ranges, strict=True)]
    known, hiding = bases(), _base(base)
    instance = _instance(ranges, layout.length, hiding, points)
    sponge = _sponge(tag, instance)
    witness = b"".join(value.to_bytes(8, "big") for value in values) + b"".join(blindings)
    draw = Draw(PROTOCOL, witness=witness, tag=tag, instance=instance, entropy=entropy)

    n = layout.length
    g_points, h_points = ([point.ark for point in vector] for vector in vectors(n))
    flat = [scalar(digit) for value in chosen for digit in value]
    lower = flat + [_ZERO] * (n - len(flat))
    upper = [digit - _ONE for digit in lower]
    alpha, rho, tau_1, tau_2 = (scalar(drawn) for drawn in draw.scalars(4))
    s_left = [scalar(drawn) for drawn in draw.scalars(n)]
    s_right = [scalar(drawn) for drawn in draw.scalars(n)]

    a = known.H.times_secret(alpha).ark
    for digit, g, h in zip(lower, g_points, h_points, strict=True):
        a = a - h if digit.is_zero() else a + g
    s = blinded(known.H, rho, [*g_points, *h_points], [*s_left, *s_right])
    sent = [a.to_compressed_bytes(), s.to_compressed_bytes()]
    y, z = _challenges(sponge, sent, 2)

    y_powers = powers(y, n)
    zetas = _zetas(layout, z)
    l_0 = [digit - z for digit in lower]
    r_0 = [power * (digit + z) + zeta for power, digit, zeta in zip(y_powers, upper, zetas, strict=True)]
    r_1 = [power * blind for power, blind in zip(y_powers, s_right, strict=True)]
    t_1 = product(l_0, r_1) + product(s_left, r_0)
    t_2 = product(s_left, r_1)
    for coefficient, tau in ((t_1, tau_1), (t_2, tau_2)):
        sent.append((known.V.times_secret(coefficient) + hiding.times_secret(tau)).to_bytes())
    (x,) = _challenges(sponge, sent[2:], 1)

    left = [first + x * second for first, second in zip(l_0, s_left, strict=True)]
    right = [first + x * second for first, second in zip(r_0, r_1, strict=True)]
    tau = x * (tau_1 + x * tau_2)
    for factor, blinding in zip(_value_factors(z, len(values)), blindings, strict=True):
        tau = tau + factor * decode_scalar(blinding)
    sent += [part.to_be_bytes() for part in (product(left, right), tau, alpha + x * rho)]
    (w,) = _challenges(sponge, sent[4:], 1)

    def challenge(first: bytes, second: bytes) -> Scalar:
        return _challenges(sponge, (first, second), 1)[0]

    folded = fold(powers(inverses([y])[0], n), known.U.times_secret(w), (left, right), challenge)
    sent += [side for pair in folded.sides for side in pair]
    sent += [part.to_be_bytes() for part in (*folded.a, *folded.b)]
    return b"".join(sent)


def verify(
    commitments: Sequence[bytes], ranges: Sequence[Range], proof: bytes, *, tag: bytes, base: bytes | None = None
) -> bool:
    """Whether the proof shows every commitment's value to be in its range. False on hostile bytes, never raises."""
    batch = Batch()
    batch.add(claim(commitments, ranges, proof, tag=tag, base=base))
    return batch.verify()


def claim(
    commitments: Sequence[bytes], ranges: Sequence[Range], proof: bytes, *, tag: bytes, base: bytes | None = None
) -> Claim | None:
    """What `verify` checks, for a batch; None when it can not be read or a challenge is 0. Never raises."""
    try:
        points = [decode_point(commitment) for commitment in commitments]
        hiding = None if base is None else decode_point(base)
    except ValueError:
        return None
    return claim_points(points, ranges, proof, tag=tag, base=hiding)


def claim_points(
    points: Sequence[Point], ranges: Sequence[Range], proof: bytes, *, tag: bytes, base: Point | None = None
) -> Claim | None:
    """As `claim`, of commitments that were decoded or computed already. A point that other claims of the batch have too
    is best the same object: it is multiplied once."""
    try:
        return _claim(points, ranges, proof, tag=tag, base=base)
    except ValueError:
        return None


def proof_bytes(ranges: Sequence[Range]) -> int:
    """Length of a proof for these ranges. ValueError on ranges that `verify` refuses."""
    return 4 * POINT_BYTES + 3 * SCALAR_BYTES + _rounds(_layout(ranges).length) * 2 * POINT_BYTES + 8 * SCALAR_BYTES


def _claim(values: Sequence[Point], ranges: Sequence[Range], proof: bytes, *, tag: bytes, base: Point | None) -> Claim:
    if len(values) != len(ranges):
        raise ValueError("one range per commitment")
    if len(proof) != proof_bytes(ranges):
        raise ValueError("a proof has the length that its ranges say")
    layout = _layout(ranges)
    known, hiding = bases(), _base(base)
    sponge = _sponge(tag, _instance(ranges, layout.length, hiding, values))

    parts = _Parts(proof)
    a_s = parts.take(2, POINT_BYTES)
    y, z = _challenges(sponge, a_s, 2)
    t_1_2 = parts.take(2, POINT_BYTES)
    (x,) = _challenges(sponge, t_1_2, 1)
    middle = parts.take(3, SCALAR_BYTES)
    (w,) = _challenges(sponge, middle, 1)
    sides = [parts.take(2, POINT_BYTES) for _ in range(_rounds(layout.length))]
    folds = [_challenges(sponge, pair, 1)[0] for pair in sides]
    ends = parts.take(2 * STOP, SCALAR_BYTES)
    for part in ends:
        sponge.absorb(part)

    t, tau, mu = (decode_scalar(part) for part in middle)
    last = [decode_scalar(part) for part in ends]
    last_a, last_b = last[:STOP], last[STOP:]
    y_inverse, *fold_inverses = inverses([y, *folds])
    n = layout.length
    g_points, h_points = vectors(n)

    # t V + tau base = sum z^(2+j) (V_j - lo_j V) + delta V + x T1 + x^2 T2
    factors = _value_factors(z, len(values))
    on_v = t - _delta(layout, factors, y, z) + product(factors, layout.lows)
    value_equation = Equation(
        [known.V, hiding, *values, *(decode_point(part) for part in t_1_2)],
        [on_v, tau, *(-factor for factor in factors), -x, -(x * x)],
    )

    # A + x S - z sum G_i + sum (z + y^-i zeta_i) H_i - mu H + w t U + sum (u L + u^-1 R)
    #   = sum a_i G_i + sum y^-i b_i H_i + w <a, b> U, with a_i and b_i what a and b weigh on each generator
    g_scalars = [-(part + z) for part in spread(fold_inverses, last_a)]
    h_scalars = [
        z + power * (zeta - part)
        for power, zeta, part in zip(powers(y_inverse, n), _zetas(layout, z), spread(folds, last_b), strict=True)
    ]
    product_equation = Equation(
        [
            known.H,
            known.U,
            *g_points,
            *h_points,
            *(decode_point(part) for part in a_s),
            *(decode_point(part) for pair in sides for part in pair),
        ],
        [
            -mu,
            w * (t - product(last_a, last_b)),
            *g_scalars,
            *h_scalars,
            _ONE,
            x,
            *(factor for pair in zip(folds, fold_inverses, strict=True) for factor in pair),
        ],
    )
    return Claim(sponge.squeeze(_DIGEST_BYTES), (value_equation, product_equation))


class _Parts:
    """Reads a proof from its beginning to its end; its length was checked before."""

    def __init__(self, proof: bytes) -> None:
        self._proof, self._at = proof, 0

    def take(self, count: int, size: int) -> list[bytes]:
        """The next `count` parts of `size` bytes."""
        start, self._at = self._at, self._at + count * size
        return [self._proof[at : at + size] for at in range(start, self._at, size)]


def _layout(ranges: Sequence[Range]) -> _Layout:
    """ValueError on ranges that no proof may be about."""
    if not 1 <= len(ranges) <= MAX_VALUES:
        raise ValueError(f"a proof is about 1 to {MAX_VALUES} values, not {len(ranges)}")
    return _known_layout(tuple(ranges))


@lru_cache(maxsize=256)
def _known_layout(ranges: tuple[Range, ...]) -> _Layout:
    for lo, hi in ranges:
        if not 0 <= lo <= hi <= MAX_HI:
            raise ValueError(f"a range is 0 <= lo <= hi <= {MAX_HI}, not [{lo}, {hi}]")
    each = [weights(hi - lo) for lo, hi in ranges]
    length = max(STOP, 1 << (sum(map(len, each)) - 1).bit_length())
    if length > MAX_VECTOR:
        raise ValueError(f"the ranges of a proof have at most {MAX_VECTOR} digits together")
    return _Layout(
        length,
        [[scalar(weight) for weight in of_value] for of_value in each],
        [scalar(hi - lo) for lo, hi in ranges],
        [scalar(lo) for lo, _ in ranges],
    )


def _rounds(length: int) -> int:
    return (length // STOP).bit_length() - 1


def _check_counts(*lists: Sequence[object]) -> None:
    if len(set(map(len, lists))) > 1:
        raise ValueError("one blinding and one range per value")


def _base(base: Point | None) -> Point:
    """Point that blinds the commitments. ValueError when it is one that the proof needs for something else."""
    known = bases()
    if base is None:
        blinds: Point = known.H
        return blinds
    if base in (known.V, known.U, IDENTITY):
        raise ValueError("values would not be bound to their commitments")
    return base


def _instance(ranges: Sequence[Range], length: int, hiding: Point, points: Sequence[Point]) -> bytes:
    """ValueError when a commitment is the identity."""
    if IDENTITY in points:
        raise ValueError("a commitment is not the identity; 0 needs a blinding")
    head = (VERSION, len(ranges), length, STOP)
    bounds = (bound for pair in ranges for bound in pair)
    return b"".join(
        (
            *(number.to_bytes(4, "little") for number in head),
            *(bound.to_bytes(8, "little") for bound in bounds),
            hiding.to_bytes(),
            *(point.to_bytes() for point in points),
        )
    )


def _sponge(tag: bytes, instance: bytes) -> Sponge:
    sponge = Sponge(_SESSION)
    sponge.absorb(len(tag).to_bytes(4, "little") + tag + instance)
    return sponge


def _challenges(sponge: Sponge, absorbed: Sequence[bytes], count: int) -> list[Scalar]:
    """The next challenges after these bytes. ValueError when one is 0."""
    for part in absorbed:
        sponge.absorb(part)
    drawn = [sponge.challenge() for _ in range(count)]
    if 0 in drawn:
        raise ValueError("a challenge is 0")
    return [scalar(one) for one in drawn]


def _value_factors(z: Scalar, count: int) -> list[Scalar]:
    """z^2, z^3, ...: one per value."""
    factors = [z * z]
    while len(factors) < count:
        factors.append(factors[-1] * z)
    return factors


def _zetas(layout: _Layout, z: Scalar) -> list[Scalar]:
    """Per digit, its value's factor times its weight; 0 for the digits that fill up."""
    found: list[Scalar] = []
    for factor, each in zip(_value_factors(z, len(layout.spans)), layout.weights, strict=True):
        found.extend(factor * weight for weight in each)
    return found + [_ZERO] * (layout.length - len(found))


def _delta(layout: _Layout, factors: Sequence[Scalar], y: Scalar, z: Scalar) -> Scalar:
    """(z - z^2) sum y^i - z sum zeta_i; the weights of a value's digits add up to its span."""
    total, step, count = _ONE, y, 1
    while count < layout.length:
        total = total + total * step
        step = step.square()
        count *= 2
    return (z - z * z) * total - z * product(factors, layout.spans)
