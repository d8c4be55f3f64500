"""Commitments: a value hidden behind a blinding, value * V + blinding * H.

Binding because nobody knows a logarithm of one base to the other, hiding because the blinding is uniform; commitments
add up as their values and blindings do. Nothing here says how large a value is: only a range proof does. Never draws
randomness, and multiplies by secrets with `times_secret` only.
"""

from __future__ import annotations

from zk.group import ORDER
from zk.group.bases import bases
from zk.group.native import Point, decode_point, decode_scalar, scalar
from zk.randomness import Draw

_LABEL = b"gridpact/1/blinding"


def commit(value: int, blinding: bytes, *, base: bytes | None = None) -> Point:
    """value * V + blinding * base; `blinding` is a scalar of 32 bytes big-endian, `base` 48 bytes, None for H.

    Of values in [0, ORDER), so a caller that means to commit to less has to prove it. ValueError on anything else.
    """
    known = bases()
    hiding = known.H if base is None else decode_point(base)
    committed: Point = known.V.times_secret(scalar(value)) + hiding.times_secret(decode_scalar(blinding))
    return committed


def derive_blinding(key: bytes, value: int, *, purpose: bytes, entropy: bytes = b"") -> bytes:
    """The blinding, 32 bytes big-endian, that the holder of the secret `key` finds again for this value and purpose.

    The value is part of it: a wallet that came to commit to two values for one purpose would otherwise show their
    difference to everybody. `purpose` names the one use (chain, meter and register, account sequence, round).
    ValueError unless the value is in [0, ORDER).
    """
    if not 0 <= value < ORDER:
        raise ValueError("a value is below the order of the group")
    drawn = Draw(_LABEL, witness=key, tag=purpose, instance=value.to_bytes(32, "big"), entropy=entropy).scalar()
    return drawn.to_bytes(32, "big")
