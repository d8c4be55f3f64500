"""What everybody can add up: parts are a total, or a commitment hides a number that its opening shows.

sum: commitments and a public number add up to a total, as points, so what they hide does. Of four shares of a bill that
add up to what all readings used, nothing else is shown. opening: a value and a blinding are those of a commitment; that
shows the value to whoever gets the file.

Neither has a proof: points are added and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce as fold
from operator import add
from typing import Annotated

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.group import SCALAR_BYTES
from zk.group.bases import bases
from zk.group.native import decode_point, linear
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import Instance, PointBytes, nothing_to_prove, reducer

SUM, OPENING = "sum", "opening"
MAX_PARTS = 4_096
MAX_SUM_BYTES = 1 << 18


class Sum(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Parts and a public number, and what they add up to."""

    parts: Annotated[tuple[PointBytes, ...], msgspec.Meta(min_length=1, max_length=MAX_PARTS)]
    public: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    total: PointBytes


class Opened(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A commitment and what opens it."""

    commitment: PointBytes
    value: Annotated[int, msgspec.Meta(ge=0)]
    blinding: Annotated[bytes, msgspec.Meta(min_length=SCALAR_BYTES, max_length=SCALAR_BYTES)]


def assert_sum(where: Where, parts: Sequence[bytes], public: int, total: bytes) -> Assertion:
    """That `parts` and `public` make up `total`."""
    one = Sum(tuple(parts), public, total)
    return Assertion(SUM, tag_of(SUM, where, (*one.parts, one.total)), encode(one), b"")


def assert_opening(where: Where, commitment: bytes, opening: Opening) -> Assertion:
    """That `commitment` hides the value of `opening`."""
    one = Opened(commitment, *opening)
    return Assertion(OPENING, tag_of(OPENING, where, (commitment,)), encode(one), b"")


def _sum_claims(_tag: bytes, one: Sum, proof: bytes) -> Sequence[Claim] | None:
    parts = fold(add, map(decode_point, one.parts))
    whole = linear((bases().V, one.public)) + parts if one.public else parts
    return nothing_to_prove(proof) if whole == decode_point(one.total) else None


def _opening_claims(_tag: bytes, one: Opened, proof: bytes) -> Sequence[Claim] | None:
    same = commit(one.value, one.blinding) == decode_point(one.commitment)
    return nothing_to_prove(proof) if same else None


reduce_sum = reducer(Sum, _sum_claims, MAX_SUM_BYTES)
reduce_opening = reducer(Opened, _opening_claims)
