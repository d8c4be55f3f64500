"""Points and scalars as the document has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.bls.point_compression import compress_G1, decompress_G1
from py_ecc.optimized_bls12_381 import G1, Z1, add, double, eq, field_modulus, is_inf, multiply, neg

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
def point(data: bytes) -> Any:
    """Point of 48 bytes."""
    refuse_unless(len(data) == 48, "a point has 48 bytes")
    refuse_unless(data[0] & 0xC0 == 0x80, "compressed, and not the identity")
    refuse_unless(int.from_bytes(data, "big") & (1 << 381) - 1 < field_modulus, "x is below the prime")
    try:
        found = decompress_G1(int.from_bytes(data, "big"))
    except ValueError as error:
        raise Refused(str(error)) from None
    refuse_unless(is_inf(multiply(found, R)), "in the subgroup")
    refuse_unless(not is_inf(found), "not the identity")
    return found


def encoded(one: Any) -> bytes:
    """48 bytes of a point."""
    return int(compress_G1(one)).to_bytes(48, "big")


def scalar(data: bytes) -> int:
    """Scalar of 32 bytes."""
    value = int.from_bytes(data, "big")
    refuse_unless(len(data) == 32 and value < R, "a scalar has 32 bytes and is below r")
    return value


def minus(left: Any, right: Any) -> Any:
    """Difference of two points."""
    return add(left, neg(right))


def total(points: Sequence[Any], factors: Sequence[int]) -> Any:
    """Sum of factor * point, five bits of all factors at a time."""
    pairs = [(one, factor % R) for one, factor in zip(points, factors, strict=True)]
    if len(pairs) < FEW:
        found = Z1
        for one, factor in pairs:
            found = add(found, multiply(one, factor))
        return found
    found = Z1
    for shift in range(255 // WINDOW * WINDOW, -1, -WINDOW):
        for _ in range(WINDOW):
            found = double(found)
        buckets = [Z1] * (1 << WINDOW)
        for one, factor in pairs:
            if digit := factor >> shift & (1 << WINDOW) - 1:
                buckets[digit] = add(buckets[digit], one)
        running = Z1
        for bucket in reversed(buckets[1:]):
            running = add(running, bucket)
            found = add(found, running)
    return found


def same(left: Any, right: Any) -> bool:
    """Whether two points are equal."""
    return bool(eq(left, right))


def identity(one: Any) -> bool:
    """Whether a point is the identity."""
    return bool(is_inf(one))


B = G1


@cache
def base(name: bytes) -> Any:
    """A base by its message."""
    return hash_to_G1(name, BASES, sha256)


def vector(name: bytes, length: int) -> list[Any]:
    """The first generators G_i or H_i."""
    return [base(name + i.to_bytes(4, "little")) for i in range(length)]
