"""BLS12-381 behind one interface, so that two unrelated implementations can be held against each other.

`zk.group.native` (arkworks and blst) is what nodes run. `zk.group.reference` (py-ecc, pure Python) is about a
hundred times slower; it is there to be compared with. Both are modules that satisfy `Group`.

One encoding of everything, in both directions: points of G1 as 48 bytes compressed, of G2 as 96, scalars as 32
bytes big-endian. Decoding refuses the identity, whatever lies outside the prime-order subgroup, and every second
encoding of anything; nothing else on the ledger may decode a point. Computed points may be the identity.

Nothing here draws randomness. Only `times_secret` may see a secret: it takes the same time for every scalar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self, TypeVar

ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""r, the prime order of G1 and G2."""
SCALAR_BYTES = 32
POINT_BYTES = 48
KEY_BYTES = 96
MAX_DST_BYTES = 255

BASES_DST = b"GRIDPACT-ZK-V1_BLS12381G1_XMD:SHA-256_SSWU_RO_"
"""Domain separation tag of the bases of commitments, none of which has a known logarithm to another."""


class Scalar(Protocol):
    """An integer mod `ORDER`."""

    def __add__(self, rhs: Self, /) -> Self: ...
    def __sub__(self, rhs: Self, /) -> Self: ...
    def __mul__(self, rhs: Self, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def __int__(self) -> int: ...
    def to_be_bytes(self) -> bytes:
        """32 bytes big-endian, what `decode_scalar` takes."""
        ...


S = TypeVar("S", bound=Scalar)
S_contra = TypeVar("S_contra", bound=Scalar, contravariant=True)


class Point(Protocol[S_contra]):
    """A point of G1. Compares and hashes by value."""

    def __add__(self, rhs: Self, /) -> Self: ...
    def __sub__(self, rhs: Self, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def times_secret(self, scalar: S_contra) -> Self:
        """`scalar` times the point, in time that does not depend on `scalar` (native backend)."""
        ...

    def to_bytes(self) -> bytes:
        """48 bytes compressed, what `decode_point` takes unless it is the identity."""
        ...


class Key(Protocol[S_contra]):
    """A point of G2. Compares and hashes by value."""

    def times_secret(self, scalar: S_contra) -> Self:
        """As of `Point`."""
        ...

    def to_bytes(self) -> bytes:
        """96 bytes compressed, what `decode_key` takes unless it is the identity."""
        ...


P = TypeVar("P", bound=Point[Any])
K = TypeVar("K", bound=Key[Any])


class Group(Protocol[P, K, S]):
    """The pairing-friendly group: points P of G1, keys K of G2, scalars S."""

    GENERATOR: P
    KEY_GENERATOR: K
    IDENTITY: P

    def scalar(self, value: int) -> S:
        """Scalar of an integer in [0, ORDER). ValueError on any other: nothing is reduced silently."""
        ...

    def decode_scalar(self, data: bytes) -> S:
        """Scalar of 32 bytes big-endian. ValueError on another length or a value from `ORDER` up."""
        ...

    def decode_point(self, data: bytes) -> P:
        """Point of 48 bytes. ValueError unless it is the one encoding of a point of G1 other than the identity."""
        ...

    def decode_key(self, data: bytes) -> K:
        """Key of 96 bytes. ValueError unless it is the one encoding of a point of G2 other than the identity."""
        ...

    def hash_to_point(self, message: bytes, dst: bytes) -> P:
        """`BLS12381G1_XMD:SHA-256_SSWU_RO_` of RFC 9380 under a tag of 1 to 255 bytes, else ValueError."""
        ...

    def multiexp(self, points: Sequence[P], scalars: Sequence[S]) -> P:
        """Sum of scalar times point, of public scalars only: the time it takes tells them. ValueError when the
        lengths differ."""
        ...

    def pairing_check(self, pairs: Sequence[tuple[P, K]]) -> bool:
        """True when the product of the pairings of `pairs` is one."""
        ...


AnyGroup = Group[Any, Any, Any]


def check_dst(dst: bytes) -> None:
    """Raise ValueError unless RFC 9380 takes `dst` as it is: not empty, and short enough not to be hashed first."""
    if not 1 <= len(dst) <= MAX_DST_BYTES:
        raise ValueError(f"a domain separation tag has 1 to {MAX_DST_BYTES} bytes, not {len(dst)}")
