"""The group by py-ecc: pure Python, shares no code with `zk.group.native`, slow, and not constant-time.

For differential tests and for whoever wants to check a node's arithmetic with other means. Needs the package
`py-ecc`, which a node does not install.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from hashlib import sha256
from typing import Any

from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import compress_G1, compress_G2, decompress_G1, decompress_G2
from py_ecc.optimized_bls12_381 import FQ12, G1, G2, Z1, add, final_exponentiate, is_inf, multiply, neg, pairing

from zk.group import KEY_BYTES, ORDER, POINT_BYTES, SCALAR_BYTES, check_dst


class Scalar:
    """An integer mod `ORDER`, see `zk.group.Scalar`."""

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value % ORDER

    def __add__(self, rhs: Scalar, /) -> Scalar:
        return Scalar(self._value + rhs._value)

    def __sub__(self, rhs: Scalar, /) -> Scalar:
        return Scalar(self._value - rhs._value)

    def __mul__(self, rhs: Scalar, /) -> Scalar:
        return Scalar(self._value * rhs._value)

    def __neg__(self) -> Scalar:
        return Scalar(-self._value)

    def __int__(self) -> int:
        return self._value

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Scalar) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def to_be_bytes(self) -> bytes:
        """See `zk.group.Scalar`."""
        return self._value.to_bytes(SCALAR_BYTES, "big")


class Point:
    """A point of G1, see `zk.group.Point`."""

    __slots__ = ("xyz",)

    def __init__(self, xyz: Any) -> None:
        """Projective coordinates as py-ecc has them."""
        self.xyz = xyz

    def __add__(self, rhs: Point, /) -> Point:
        return Point(add(self.xyz, rhs.xyz))

    def __sub__(self, rhs: Point, /) -> Point:
        return Point(add(self.xyz, neg(rhs.xyz)))

    def __neg__(self) -> Point:
        return Point(neg(self.xyz))

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Point) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def times_secret(self, scalar: Scalar) -> Point:
        """See `zk.group.Point`. Not constant-time here."""
        return Point(multiply(self.xyz, int(scalar)))

    def to_bytes(self) -> bytes:
        """See `zk.group.Point`."""
        return int(compress_G1(self.xyz)).to_bytes(POINT_BYTES, "big")


class Key:
    """A point of G2, see `zk.group.Key`."""

    __slots__ = ("xyz",)

    def __init__(self, xyz: Any) -> None:
        """Projective coordinates as py-ecc has them."""
        self.xyz = xyz

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Key) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def times_secret(self, scalar: Scalar) -> Key:
        """See `zk.group.Key`. Not constant-time here."""
        return Key(multiply(self.xyz, int(scalar)))

    def to_bytes(self) -> bytes:
        """See `zk.group.Key`."""
        return b"".join(int(half).to_bytes(KEY_BYTES // 2, "big") for half in compress_G2(self.xyz))


IDENTITY = Point(Z1)
GENERATOR = Point(G1)
KEY_GENERATOR = Key(G2)


def scalar(value: int) -> Scalar:
    """See `zk.group.Group`."""
    if not 0 <= value < ORDER:
        raise ValueError("a scalar is below the order of the group")
    return Scalar(value)


def decode_scalar(data: bytes) -> Scalar:
    """See `zk.group.Group`."""
    if len(data) != SCALAR_BYTES:
        raise ValueError(f"a scalar has {SCALAR_BYTES} bytes, not {len(data)}")
    return scalar(int.from_bytes(data, "big"))


def decode_point(data: bytes) -> Point:
    """See `zk.group.Group`."""
    if len(data) != POINT_BYTES:
        raise ValueError(f"a point has {POINT_BYTES} bytes, not {len(data)}")
    return Point(_checked(decompress_G1(int.from_bytes(data, "big"))))


def decode_key(data: bytes) -> Key:
    """See `zk.group.Group`."""
    if len(data) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(data)}")
    halves = data[: KEY_BYTES // 2], data[KEY_BYTES // 2 :]
    return Key(_checked(decompress_G2(tuple(int.from_bytes(half, "big") for half in halves))))


def _checked(xyz: Any) -> Any:
    if is_inf(xyz) or not is_inf(multiply(xyz, ORDER)):
        raise ValueError("the identity, or outside the prime-order subgroup")
    return xyz


def hash_to_point(message: bytes, dst: bytes) -> Point:
    """See `zk.group.Group`."""
    check_dst(dst)
    return Point(hash_to_G1(message, dst, sha256))


def multiexp(points: Sequence[Point], scalars: Sequence[Scalar]) -> Point:
    """See `zk.group.Group`."""
    terms = (point.times_secret(factor) for point, factor in zip(points, scalars, strict=True))
    return reduce(Point.__add__, terms, IDENTITY)


def pairing_check(pairs: Sequence[tuple[Point, Key]]) -> bool:
    """See `zk.group.Group`."""
    product = FQ12.one()
    for point, key in pairs:
        product *= pairing(key.xyz, point.xyz, final_exponentiate=False)
    return bool(final_exponentiate(product) == FQ12.one())
