"""Sums of points as state keeps them: 48 bytes each, the identity where nothing was added.

Every point that gets here was decoded strictly when it was said, or computed from such points.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk import elgamal
from zk.elgamal import Ciphertext
from zk.group import native
from zk.group.bases import bases
from zk.group.native import Point

IDENTITY = native.IDENTITY.to_bytes()
NOTHING = (IDENTITY, IDENTITY)
Pair = tuple[bytes, bytes]
"""E and R of a ciphertext, or of a sum."""


def load(data: bytes) -> Point:
    """A point that state holds."""
    return native.IDENTITY if data == IDENTITY else native.decode_point(data)


def pair(sealed: bytes, ephemeral: bytes) -> Ciphertext:
    """A ciphertext that state holds."""
    return Ciphertext(load(sealed), load(ephemeral))


def said(sealed: bytes, ephemeral: bytes) -> Ciphertext | None:
    """A ciphertext that somebody sent; None where a point is none, or the identity."""
    try:
        return elgamal.decode(sealed, ephemeral)
    except ValueError:
        return None


def encoded(ciphertext: Ciphertext) -> Pair:
    """As state holds it."""
    return _kept(ciphertext.E), _kept(ciphertext.R)


def _kept(point: Point) -> bytes:
    """What the next one to add to it reads again."""
    return IDENTITY if point == native.IDENTITY else native.keep(point)


def add(held: Pair, more: Ciphertext) -> Pair:
    """The sum with one more."""
    return encoded(elgamal.total([pair(*held), more]))


def prefix(pairs: Sequence[Pair], count: int) -> Ciphertext:
    """Sum of the first `count` ciphertexts; of none, the identity twice."""
    return elgamal.total([pair(*one) for one in pairs[:count]])


def weighted(*terms: tuple[bytes, int]) -> Point:
    """Sum of public integer times point, of integers of either sign."""
    return native.linear(*((load(data), factor) for data, factor in terms))


def of_value(value: int) -> Point:
    """value * V."""
    return native.linear((bases().V, value))


V = bases().V.to_bytes()
