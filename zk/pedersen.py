"""Commitments: a value hidden behind a blinding, value * V + blinding * H.

Binding because nobody knows a logarithm of one base to the other, hiding because the blinding is uniform; commitments
add up as their values and blindings do. Nothing here says how large a value is: only a range proof does. Never draws
randomness, and multiplies by secrets with `times_secret` only.
"""

from __future__ import annotations

from zk.group.bases import bases
from zk.group.native import Point, decode_point, decode_scalar, scalar


def commit(value: int, blinding: bytes, *, base: bytes | None = None) -> Point:
    """value * V + blinding * base; `blinding` is a scalar of 32 bytes big-endian, `base` 48 bytes, None for H.

    Of values in [0, ORDER), so a caller that means to commit to less has to prove it. ValueError on anything else.
    """
    known = bases()
    hiding = known.H if base is None else decode_point(base)
    committed: Point = known.V.times_secret(scalar(value)) + hiding.times_secret(decode_scalar(blinding))
    return committed
