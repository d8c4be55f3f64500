"""Committed values lie in public ranges: readings, capacities, reserves of a bill's shares, fields of power quality.

One form for several kinds, which have names of their own so that a proof made for one is worth nothing as another.
Commitments are over H, or over a threshold key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.group.native import decode_point
from zk.pedersen import commit
from zk.range_proof import MAX_VALUES
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import (
    Instance,
    NoPointOr,
    PointBytes,
    Range,
    claim_ranges,
    claims_of,
    prove_ranges,
    reducer,
)

KINDS = ("range", "reading", "capacity", "quality")
"""reading: what a register rose by. capacity: [0, nameplate energy]. quality: any field of a record, like the current
of a line that may carry 32 A. range: anything else, like the shares of a bill."""

Bound = Annotated[int, msgspec.Meta(ge=0)]
_MANY = msgspec.Meta(min_length=1, max_length=MAX_VALUES)


class Ranges(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Commitments, the range of each, and the point in the place of H where there is one."""

    commitments: Annotated[tuple[PointBytes, ...], _MANY]
    ranges: Annotated[tuple[tuple[Bound, Bound], ...], _MANY]
    key: NoPointOr = b""


class Ranged(NamedTuple):
    """What is posted."""

    commitments: tuple[bytes, ...]
    proof: bytes


def prove(
    kind: str,
    where: Where,
    openings: Sequence[Opening],
    ranges: Sequence[Range],
    *,
    entropy: bytes,
    key: bytes | None = None,
) -> Ranged:
    """Commitments and the proof of their ranges. ValueError where a value is outside, or the kind is not of KINDS."""
    _known(kind)
    points = [commit(*one, base=key) for one in openings]
    posted = tuple(point.to_bytes() for point in points)
    over = (None if key is None else decode_point(key), points)
    return Ranged(posted, prove_ranges(tag_of(kind, where, posted), openings, ranges, entropy=entropy, over=over))


def assertion(
    kind: str,
    where: Where,
    commitments: Sequence[bytes],
    ranges: Sequence[Range],
    proof: bytes,
    *,
    key: bytes | None = None,
) -> Assertion:
    """That commitments hide values in ranges. ValueError where the kind is not of KINDS."""
    _known(kind)
    instance = Ranges(tuple(commitments), tuple(ranges), key or b"")
    return Assertion(kind, tag_of(kind, where, instance.commitments), encode(instance), proof)


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


def _claims(tag: bytes, one: Ranges, proof: bytes) -> Sequence[Claim] | None:
    points = [decode_point(commitment) for commitment in one.commitments]
    key = decode_point(one.key) if one.key else None
    return claims_of(claim_ranges(tag, points, one.ranges, proof, key=key))


reduce = reducer(Ranges, _claims)
