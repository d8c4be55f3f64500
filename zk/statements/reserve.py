"""A supplier holds a reserve of at most its nameplate, and has not delivered more than it.

Reserve Z = zV + sH and what is left, Z - M for a delivery M, both hide values in [0, most]. That a meter saw the
reserve is its signature's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zk.batch import Claim
from zk.codec import encode
from zk.group.native import decode_point
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import (
    Energy,
    Instance,
    PointBytes,
    claim_ranges,
    claims_of,
    prove_ranges,
    reducer,
)

KIND = "reserve"


class Reserve(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The reserve, the delivery out of it, and the most that the reserve can be, in Wh."""

    reserve: PointBytes
    delivery: PointBytes
    most: Energy


class Reserved(NamedTuple):
    """What is posted."""

    reserve: bytes
    proof: bytes


def prove(where: Where, reserve: Opening, delivery: Opening, most: int, *, entropy: bytes) -> Reserved:
    """The reserve and its proof. ValueError where it is above `most` or below the delivery."""
    one = Reserve(commit(*reserve).to_bytes(), commit(*delivery).to_bytes(), most)
    openings = [reserve, reserve.minus(delivery)]
    return Reserved(one.reserve, prove_ranges(_tag(where, one), openings, [(0, most)] * 2, entropy=entropy))


def assertion(where: Where, reserve: bytes, delivery: bytes, most: int, proof: bytes) -> Assertion:
    """That `reserve` hides no more than `most` Wh and no less than `delivery` does."""
    one = Reserve(reserve, delivery, most)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def _tag(where: Where, one: Reserve) -> bytes:
    return tag_of(KIND, where, (one.reserve, one.delivery))


def _claims(tag: bytes, one: Reserve, proof: bytes) -> Sequence[Claim] | None:
    reserve, delivery = decode_point(one.reserve), decode_point(one.delivery)
    return claims_of(claim_ranges(tag, [reserve, reserve - delivery], [(0, one.most)] * 2, proof))


reduce = reducer(Reserve, _claims)
