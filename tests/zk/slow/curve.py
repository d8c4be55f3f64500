"""Points and scalars as the document has them.

Decoding and hashing to the curve are py-ecc's. Sums are integers here, in Jacobian coordinates (X, Y, Z) for the point
(X / Z^2, Y / Z^3), Z = 0 for the identity: three times as fast as py-ecc's objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import compress_G1, decompress_G1
from py_ecc.optimized_bls12_381 import FQ, G1, field_modulus, normalize

Point = tuple[int, int, int]
R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
BASES = b"GRIDPACT-ZK-V1_BLS12381G1_XMD:SHA-256_SSWU_RO_"
WINDOW = 5
FEW = 13
"""From so many points on, it pays to multiply them together."""


class Refused(ValueError):
    """A proof is false; the text says which sentence of the document it breaks."""


def refuse_unless(holds: object, why: str) -> None:
    """Raise Refused unless something holds."""
    if not holds:
        raise Refused(why)


@cache
def point(data: bytes) -> Point:
    """Point of 48 bytes."""
    refuse_unless(len(data) == 48, "a point has 48 bytes")
    refuse_unless(data[0] & 0xC0 == 0x80, "compressed, and not the identity")
    refuse_unless(int.from_bytes(data, "big") & (1 << 381) - 1 < field_modulus, "x is below the prime")
    try:
        found = of(decompress_G1(int.from_bytes(data, "big")))
    except ValueError as error:
        raise Refused(str(error)) from None
    refuse_unless(identity(times(found, R)), "in the subgroup")
    refuse_unless(not identity(found), "not the identity")
    return found


def of(found: tuple[FQ, FQ, FQ]) -> Point:
    """A point of py-ecc, which is not the identity."""
    x, y = normalize(found)
    return int(x), int(y), 1


def encoded(one: Point) -> bytes:
    """48 bytes of a point."""
    x, y, z = one
    inverse = pow(z, -1, field_modulus)
    affine = FQ(x * inverse**2 % field_modulus), FQ(y * inverse**3 % field_modulus), FQ(1)
    return int(compress_G1(affine)).to_bytes(48, "big")


def scalar(data: bytes) -> int:
    """Scalar of 32 bytes."""
    value = int.from_bytes(data, "big")
    refuse_unless(len(data) == 32 and value < R, "a scalar has 32 bytes and is below r")
    return value


def double(one: Point) -> Point:
    """Twice a point."""
    x, y, z = one
    square = y * y % field_modulus
    slope = 3 * x * x % field_modulus
    shared = 4 * x * square % field_modulus
    there = (slope * slope - 2 * shared) % field_modulus
    return there, (slope * (shared - there) - 8 * square * square) % field_modulus, 2 * y * z % field_modulus


def add(left: Point, right: Point) -> Point:
    """Sum of two points."""
    if identity(left) or identity(right):
        return right if identity(left) else left
    (x1, y1, z1), (x2, y2, z2) = left, right
    square1, square2 = z1 * z1 % field_modulus, z2 * z2 % field_modulus
    u1, u2 = x1 * square2 % field_modulus, x2 * square1 % field_modulus
    s1, s2 = y1 * z2 * square2 % field_modulus, y2 * z1 * square1 % field_modulus
    if u1 == u2:
        return double(left) if s1 == s2 else IDENTITY
    h, r = u2 - u1, s2 - s1
    hh = h * h % field_modulus
    hhh, v = h * hh % field_modulus, u1 * hh % field_modulus
    x3 = (r * r - hhh - 2 * v) % field_modulus
    return x3, (r * (v - x3) - s1 * hhh) % field_modulus, z1 * z2 * h % field_modulus


def times(one: Point, factor: int) -> Point:
    """Factor * point, bit by bit."""
    found = IDENTITY
    for bit in range(factor.bit_length() - 1, -1, -1):
        found = double(found)
        if factor >> bit & 1:
            found = add(found, one)
    return found


def minus(left: Point, right: Point) -> Point:
    """Difference of two points."""
    x, y, z = right
    return add(left, (x, -y % field_modulus, z))


def total(points: Sequence[Point], factors: Sequence[int]) -> Point:
    """Sum of factor * point, five bits of all factors at a time."""
    pairs = [(one, factor % R) for one, factor in zip(points, factors, strict=True)]
    found = IDENTITY
    if len(pairs) < FEW:
        for one, factor in pairs:
            found = add(found, times(one, factor))
        return found
    for shift in range(255 // WINDOW * WINDOW, -1, -WINDOW):
        for _ in range(WINDOW):
            found = double(found)
        buckets = [IDENTITY] * (1 << WINDOW)
        for one, factor in pairs:
            if digit := factor >> shift & (1 << WINDOW) - 1:
                buckets[digit] = add(buckets[digit], one)
        running = IDENTITY
        for bucket in reversed(buckets[1:]):
            running = add(running, bucket)
            found = add(found, running)
    return found


def same(left: Point, right: Point) -> bool:
    """Whether two points are equal."""
    return identity(minus(left, right))


def identity(one: Point) -> bool:
    """Whether a point is the identity."""
    return one[2] == 0


IDENTITY: Point = (1, 1, 0)
B = of(G1)


@cache
def base(name: bytes) -> Point:
    """A base by its message."""
    return of(hash_to_G1(name, BASES, sha256))


def vector(name: bytes, length: int) -> list[Point]:
    """The first generators G_i or H_i."""
    return [base(name + i.to_bytes(4, "little")) for i in range(length)]
