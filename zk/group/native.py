"""The group as nodes run it: arkworks reads points and multiplies many at once, blst does everything else.

Why blst at all: arkworks takes 1.5 us to multiply by 3 and 400 us by a large scalar, so it tells the scalar; it hashes
four times and pairs twice as slowly. Why arkworks reads: a point that was read is multiplied in a batch next, and to
read with blst and hand over takes 94 us where arkworks takes 80. It takes any bytes after the infinity flag for the
identity, so the flag is looked at here. A point holds the form of whichever library made it, and makes the other on
demand.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any

from py_arkworks_bls12381 import G1Point, G2Point, Scalar
from pyblst import BlstFP12Element, BlstP1Element, BlstP2Element, final_verify, miller_loop

from zk.group import KEY_BYTES, ORDER, POINT_BYTES, SCALAR_BYTES, check_dst


class Point:
    """A point of G1, see `zk.group.Point`."""

    __slots__ = ("_ark", "_blst", "_encoded")

    def __init__(
        self, ark: G1Point | None = None, blst: BlstP1Element | None = None, encoded: bytes | None = None
    ) -> None:
        """Exactly one of the two forms, and the encoding where it is known. What is given was computed or checked here:
        `decode_point` reads bytes."""
        self._ark = ark
        self._blst: Any = blst
        self._encoded = encoded

    @property
    def ark(self) -> G1Point:
        """The form of arkworks."""
        if self._ark is None:
            # Of a checked point, so that neither its subgroup nor its flags need another look.
            self._ark = G1Point.from_compressed_bytes_unchecked(self.to_bytes())
        return self._ark

    @property
    def blst(self) -> BlstP1Element:
        """The form of blst."""
        if self._blst is None:
            self._blst = BlstP1Element().uncompress(self.to_bytes())
        return self._blst

    def __add__(self, rhs: Point, /) -> Point:
        # To go from one form to the other takes 40 times as long as to add.
        if self._blst is not None and rhs._blst is not None:
            return Point(blst=self._blst + rhs._blst)
        return Point(self.ark + rhs.ark)

    def __sub__(self, rhs: Point, /) -> Point:
        return Point(self.ark - rhs.ark)

    def __neg__(self) -> Point:
        return Point(-self._ark) if self._ark is not None else Point(blst=-self._blst)

    def __eq__(self, other: object, /) -> bool:
        if not isinstance(other, Point):
            return False
        if self._ark is not None and other._ark is not None:
            # Two products each, where an encoding takes a division.
            return bool(self._ark == other._ark)
        return self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def times_secret(self, scalar: Scalar) -> Point:
        """See `zk.group.Point`."""
        return Point(blst=self.blst.scalar_mul(int(scalar)))

    def to_bytes(self) -> bytes:
        """See `zk.group.Point`."""
        if self._encoded is None:
            # A division: as long as seven additions.
            self._encoded = self._ark.to_compressed_bytes() if self._ark is not None else bytes(self._blst.compress())
        return self._encoded


class Key:
    """A point of G2, see `zk.group.Key`."""

    __slots__ = ("blst",)

    def __init__(self, blst: BlstP2Element) -> None:
        """What is given was computed or checked here: `decode_key` reads bytes."""
        self.blst = blst

    def __eq__(self, other: object, /) -> bool:
        return isinstance(other, Key) and self.to_bytes() == other.to_bytes()

    def __hash__(self) -> int:
        return hash(self.to_bytes())

    def times_secret(self, scalar: Scalar) -> Key:
        """See `zk.group.Key`."""
        return Key(self.blst.scalar_mul(int(scalar)))

    def to_bytes(self) -> bytes:
        """See `zk.group.Key`."""
        return bytes(self.blst.compress())


IDENTITY = Point(G1Point.identity())
GENERATOR = Point(G1Point())
KEY_GENERATOR = Key(BlstP2Element().uncompress(G2Point().to_compressed_bytes()))

MAX_KNOWN = 4_096
"""Points that were read lately, the oldest first to go. Which are there changes how long a reading takes, and nothing
else: points are public."""
_KNOWN: dict[bytes, Point] = {}

_INFINITY_FLAG = 0x40
"""Of the first byte."""
_KEY_IDENTITY_BYTES = G2Point.identity().to_compressed_bytes()


def scalar(value: int) -> Scalar:
    """See `zk.group.Group`."""
    # The constructor of arkworks reduces mod the order, and wraps at 2^256.
    if not 0 <= value < ORDER:
        raise ValueError("a scalar is below the order of the group")
    return Scalar.from_le_bytes(value.to_bytes(SCALAR_BYTES, "little"))


def decode_scalar(data: bytes) -> Scalar:
    """See `zk.group.Group`."""
    return Scalar.from_be_bytes(data)


def decode_point(data: bytes) -> Point:
    """See `zk.group.Group`. One that was read or kept lately is the same object again."""
    known = _KNOWN.get(data)
    if known is not None:
        return known
    if len(data) != POINT_BYTES or data[0] & _INFINITY_FLAG:
        raise ValueError(f"a point has {POINT_BYTES} bytes and is not the identity")
    return _remember(data, Point(G1Point.from_compressed_bytes(data), encoded=data))


def keep(point: Point) -> bytes:
    """The encoding of a computed point, which `decode_point` reads without work for a while: of sums that the next
    transaction goes on from. ValueError for the identity, which has none."""
    encoded = point.to_bytes()
    if encoded[0] & _INFINITY_FLAG:
        raise ValueError("the identity is not kept")
    _remember(encoded, point)
    return encoded


def forget() -> None:
    """Read every point anew from now on: for whoever measures that."""
    _KNOWN.clear()


def _remember(encoded: bytes, point: Point) -> Point:
    if len(_KNOWN) >= MAX_KNOWN and encoded not in _KNOWN:
        del _KNOWN[next(iter(_KNOWN))]
    _KNOWN[encoded] = point
    return point


def decode_key(data: bytes) -> Key:
    """See `zk.group.Group`."""
    if len(data) != KEY_BYTES or data == _KEY_IDENTITY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes and is not the identity")
    return Key(BlstP2Element().uncompress(data))


def hash_to_point(message: bytes, dst: bytes) -> Point:
    """See `zk.group.Group`."""
    check_dst(dst)
    return Point(blst=BlstP1Element().hash_to_group(message, dst))


def multiexp(points: Sequence[Point], scalars: Sequence[Scalar]) -> Point:
    """See `zk.group.Group`."""
    # arkworks drops what is left over in silence.
    if len(points) != len(scalars):
        raise ValueError(f"{len(points)} points and {len(scalars)} scalars; there must be one scalar per point")
    return Point(G1Point.multiexp_unchecked([point.ark for point in points], list(scalars)))


def linear(*terms: tuple[Point, int]) -> Point:
    """Sum of public integer, of either sign, times point. May be the identity; one point once is that very object."""
    total: Point | None = None
    points, scalars = [], []
    for point, factor in terms:
        # A negative number is near the order: times the negated point it is as short as it looks.
        positive = factor % ORDER
        part, times = (point, positive) if positive <= ORDER // 2 else (-point, ORDER - positive)
        if times == 1:
            # An addition takes less than a hundredth of a multiplication.
            total = part if total is None else total + part
        else:
            points.append(part)
            scalars.append(scalar(times))
    if points:
        product = multiexp(points, scalars)
        total = product if total is None else total + product
    return IDENTITY if total is None else total


def pairing_check(pairs: Sequence[tuple[Point, Key]]) -> bool:
    """See `zk.group.Group`."""
    loops = [miller_loop(point.blst, key.blst) for point, key in pairs]
    return bool(final_verify(reduce(mul, loops, BlstFP12Element()), BlstFP12Element()))
