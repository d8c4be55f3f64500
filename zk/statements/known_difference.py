"""Two commitments differ by a public number: a share of a bill and the delivery that it is for.

A - B - vV = delta*H for a delta that the prover knows. Where the left side is the identity, everybody sees that it is
so: whoever chose the blinding of A could choose that, and the other side must not be left without a proof to give.

The number is one mod the order of the group; what A and B have ranges for makes it the difference of two quantities.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.group.bases import bases
from zk.group.native import IDENTITY, Point, decode_point, linear
from zk.pedersen import commit
from zk.sigma import Relation
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import (
    Instance,
    PointBytes,
    claim_relation,
    claims_of,
    nothing_to_prove,
    number,
    prove_relation,
    reducer,
)

KIND = "known-difference"


class KnownDifference(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """minuend - subtrahend hides `difference`."""

    minuend: PointBytes
    subtrahend: PointBytes
    difference: Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]


class Difference(NamedTuple):
    """What is posted."""

    difference: int
    proof: bytes


def prove(where: Where, minuend: Opening, subtrahend: Opening, *, entropy: bytes) -> Difference:
    """The difference and its proof."""
    apart = minuend.minus(subtrahend)
    left, right = commit(*minuend), commit(*subtrahend)
    if _left(left, right, apart.value) == IDENTITY:
        return Difference(apart.value, b"")
    one = KnownDifference(left.to_bytes(), right.to_bytes(), apart.value)
    relation, witness = _relation(left, right, one), {"delta": number(apart.blinding)}
    return Difference(apart.value, prove_relation(_tag(where, one), relation, witness, entropy=entropy))


def assertion(where: Where, minuend: bytes, subtrahend: bytes, difference: int, proof: bytes) -> Assertion:
    """That `minuend` hides `difference` more than `subtrahend`."""
    one = KnownDifference(minuend, subtrahend, difference)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def _tag(where: Where, one: KnownDifference) -> bytes:
    return tag_of(KIND, where, (one.minuend, one.subtrahend, one.difference.to_bytes(8, "big", signed=True)))


def _left(minuend: Point, subtrahend: Point, difference: int) -> Point:
    return linear((minuend, 1), (subtrahend, -1), (bases().V, -difference))


def _relation(minuend: Point, subtrahend: Point, one: KnownDifference) -> Relation:
    relation = Relation({"V": bases().V, "H": bases().H, "A": minuend, "M": subtrahend}, ["delta"])
    relation.equation({"A": 1, "M": -1, "V": -one.difference}, ("delta", "H"))
    return relation


def _claims(tag: bytes, one: KnownDifference, proof: bytes) -> Sequence[Claim] | None:
    minuend, subtrahend = decode_point(one.minuend), decode_point(one.subtrahend)
    if _left(minuend, subtrahend, one.difference) == IDENTITY:
        return nothing_to_prove(proof)
    return claims_of(claim_relation(tag, _relation(minuend, subtrahend, one), proof))


reduce = reducer(KnownDifference, _claims)
