"""Sums of commitments as state keeps them: 48 bytes, None for the identity, which is nothing."""

from __future__ import annotations

from collections.abc import Iterable

from zk.group import ORDER, native
from zk.group.bases import bases

Hidden = bytes | None
"""A sum of commitments; None: of nothing."""


def combine(*terms: tuple[Hidden, int]) -> Hidden:
    """Sum of public integers, of either sign, times points of state."""
    total = native.IDENTITY
    for point, factor in terms:
        if point is not None:
            total = total + _times(native.decode_point(point), factor)
    return _encoded(total)


def with_public(point: Hidden, energy_wh: int) -> Hidden:
    """A point with so much more, in public, in it."""
    if not energy_wh:
        return point
    total = native.IDENTITY if point is None else native.decode_point(point)
    return _encoded(total + _times(bases().V, energy_wh))


def total(points: Iterable[Hidden]) -> Hidden:
    """Sum of points."""
    return combine(*((point, 1) for point in points))


def is_point(data: bytes) -> bool:
    """Whether these bytes are the one encoding of a point that may be a commitment."""
    try:
        native.decode_point(data)
    except ValueError:
        return False
    return True


def _times(point: native.Point, factor: int) -> native.Point:
    if factor == 1:
        return point
    if factor == -1:
        return -point
    return native.multiexp([point], [native.scalar(factor % ORDER)])


def _encoded(total: native.Point) -> Hidden:
    return None if total == native.IDENTITY else native.keep(total)
