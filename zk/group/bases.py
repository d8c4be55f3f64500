"""The bases of commitments: points of which nobody knows a logarithm to another.

All but the generator are hashed from their names, so anybody can make them anew. Never use the generator B as the base
of a value that is encrypted under a threshold key x*B: those who hold x could open it to anything.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from zk.group import BASES_DST, AnyGroup, native

MAX_VECTOR = 2_048
"""Most generators of each vector: 64 ticks of 31 bits, and slack."""


class Bases(NamedTuple):
    """Of one backend; B is the standard generator."""

    B: Any
    V: Any
    """Values."""
    H: Any
    """Blindings."""
    U: Any
    """Inner products."""


@cache
def bases(group: AnyGroup = native) -> Bases:
    """B, V, H and U of a backend; the same objects at every call."""
    v, h, u = (group.hash_to_point(name, BASES_DST) for name in (b"V", b"H", b"U"))
    return Bases(group.GENERATOR, v, h, u)


@cache
def vectors(length: int, group: AnyGroup = native) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The first `length` generators G_i and H_i. ValueError beyond `MAX_VECTOR`."""
    if not 0 <= length <= MAX_VECTOR:
        raise ValueError(f"a vector has 0 to {MAX_VECTOR} generators, not {length}")
    return (
        tuple(_generator(b"G", i, group) for i in range(length)),
        tuple(_generator(b"H", i, group) for i in range(length)),
    )


def _generator(name: bytes, i: int, group: Any) -> Any:
    """The same object at every call, so that a batch multiplies it once."""
    known = _GENERATORS.setdefault(id(group), {})
    if (name, i) not in known:
        known[name, i] = group.hash_to_point(name + i.to_bytes(4, "little"), BASES_DST)
    return known[name, i]


_GENERATORS: dict[int, dict[tuple[bytes, int], Any]] = {}
