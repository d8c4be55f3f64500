"""Sums of commitments as state keeps them: 48 bytes, None for the identity, which is nothing."""

from __future__ import annotations

from collections.abc import Iterable

from zk.group import native
from zk.group.bases import bases

Hidden = bytes | None
"""A sum of commitments; None: of nothing."""


def combine(*terms: tuple[Hidden, int]) -> Hidden:
    """Sum of public integers, of either sign, times points of state."""
    return _encoded(
        native.linear(*((native.decode_point(point), factor) for point, factor in terms if point is not None))
    )


def with_public(point: Hidden, energy_wh: int) -> Hidden:
    """A point with so much more, in public, in it."""
    if not energy_wh:
        return point
    held = native.IDENTITY if point is None else native.decode_point(point)
    return _encoded(native.linear((held, 1), (bases().V, energy_wh)))


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


def _encoded(total: native.Point) -> Hidden:
    return None if total == native.IDENTITY else native.keep(total)
