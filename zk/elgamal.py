"""Values encrypted to a key that nobody has: whoever holds enough shares of it opens a sum, and nothing else.

A value v in [0, 2^32) under the key P = x*B is E = v*V + r*P, R = r*B. Ciphertexts add up to ciphertexts of sums. Each
holder j of a share x_j gives x_j*R; any t of them interpolate x*R at 0, so that E - x*R = v*V is known to all, and v to
whoever looks for it. Never use B in the place of V: those who hold x together could open E to anything.

Nothing here proves anything: a share counts once it is proven (`zk.statements.share`), a ciphertext once its range is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from zk.group import ORDER, native
from zk.group.bases import bases
from zk.group.native import Point

MAX_VALUE = 2**32 - 1
"""Largest value, and largest sum of values, that anybody looks for."""
_STEPS = 2**16
"""Of the table that values are found with."""
_FLAGS = 0x1F
"""Without the three flag bits of a compressed point, a point and its negative have the same bytes."""


class Ciphertext(NamedTuple):
    """An encrypted value: E = v*V + r*P and R = r*B."""

    E: Point
    R: Point


def encrypt(value: int, blinding: bytes, key: Point) -> Ciphertext:
    """Encrypt a value in [0, ORDER) with a blinding of 32 bytes, which nobody may ever use again. ValueError for a
    value or blinding from the order up."""
    base, r = bases(), native.decode_scalar(blinding)
    return Ciphertext(base.V.times_secret(native.scalar(value)) + key.times_secret(r), base.B.times_secret(r))


def decode(e: bytes, r: bytes) -> Ciphertext:
    """A ciphertext from two points of 48 bytes each. ValueError as of `Group.decode_point`: neither is the identity."""
    return Ciphertext(native.decode_point(e), native.decode_point(r))


def total(ciphertexts: Sequence[Ciphertext]) -> Ciphertext:
    """Ciphertext of the sum of the values. What comes out may have the identity in it, and then hides nothing: look
    before asking anybody to open it."""
    e = r = native.IDENTITY
    for one in ciphertexts:
        e, r = e + one.E, r + one.R
    return Ciphertext(e, r)


def share(secret: bytes, r: Point) -> Point:
    """What the holder of a share of the key, 32 bytes, gives towards opening a ciphertext with this R."""
    return r.times_secret(native.decode_scalar(secret))


def combine(shares: Mapping[int, Point], threshold: int) -> Point:
    """x*R out of shares x_j*R by index j. The first `threshold` of them by index are used: all do agree when each is
    proven. ValueError for fewer, and for an index that is not in [1, ORDER)."""
    indices = sorted(shares)[:threshold]
    if len(indices) < threshold or threshold < 1:
        raise ValueError(f"{len(shares)} shares where {threshold} are needed")
    return native.multiexp([shares[index] for index in indices], [native.scalar(one) for one in lagrange(indices)])


def lagrange(indices: Sequence[int]) -> list[int]:
    """Weights with which values of a polynomial at `indices` add up to its value at 0. ValueError for an index that is
    0 or stands there twice: both would give a share away or divide by nothing."""
    if len(set(indices)) < len(indices) or any(not 0 < index < ORDER for index in indices):
        raise ValueError("indices are different, and none is 0")
    weights = []
    for j in indices:
        above = below = 1
        for m in indices:
            if m != j:
                above, below = above * m % ORDER, below * (m - j) % ORDER
        weights.append(above * pow(below, -1, ORDER) % ORDER)
    return weights


def opened(ciphertext: Ciphertext, combined: Point) -> Point:
    """v*V, which may be the identity: v is 0."""
    return ciphertext.E - combined


def is_value(point: Point, value: int) -> bool:
    """Whether the point is value*V. False for a value outside [0, MAX_VALUE]."""
    return 0 <= value <= MAX_VALUE and _times(value) == point


def recover(point: Point, most: int = MAX_VALUE) -> int | None:
    """v in [0, most] with v*V = point; None where there is none.

    Giant steps of 2^17 + 1 through a table of 2^16 multiples of V, each found with either sign. Takes 0.15 s up to
    2^32 and once 0.3 s more for the table, and the time tells the value: for what is public by then.
    """
    if not 0 <= most <= MAX_VALUE:
        raise ValueError(f"values end at {MAX_VALUE}")
    table, stride = _table(), 2 * _STEPS + 1
    # In the form of blst, which adds and compresses in less than half the time of arkworks.
    back = (-_times(stride)).blst
    left = (point - _times(_STEPS)).blst
    for middle in range(_STEPS, most + stride, stride):
        offset = table.get(_unsigned(left.compress()))
        if offset is not None:
            for value in (middle - offset, middle + offset):
                if value <= most and is_value(point, value):
                    return value
        left = left + back
    return None


def prepare() -> None:
    """Make the table of `recover` now, where the first value that is looked for is not to wait for it."""
    _table()


def _times(value: int) -> Point:
    return native.linear((bases().V, value))


@cache
def _table() -> dict[bytes, int]:
    """0 to 2^16 by the bytes of so many V, without sign."""
    found = {}
    step, now = bases().V.blst, native.IDENTITY.blst
    for value in range(_STEPS + 1):
        found[_unsigned(now.compress())] = value
        now = now + step
    return found


def _unsigned(raw: bytes) -> bytes:
    return bytes((raw[0] & _FLAGS, *raw[1:]))
