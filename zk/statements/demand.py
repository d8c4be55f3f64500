"""A tenant needs some energy of one sealed interval, and says how much only as part of a sum.

E = dV + rP and R = rB, with d in [0, most] and one r in both: only who knows d and r can post it, so nobody posts
another's demand again, made unlike it by a factor of its own. It is a bid of one tick that has no capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from zk.batch import Claim
from zk.codec import encode
from zk.elgamal import encrypt
from zk.group.bases import bases
from zk.group.native import Point, decode_point
from zk.sigma import Relation
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening, opened
from zk.statements.parts import (
    Instance,
    PointBytes,
    Quantity,
    claim_ranges,
    claim_relation,
    claims_of,
    number,
    prove_ranges,
    prove_relation,
    reducer,
    split,
)

KIND = "demand"


class Demand(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Threshold key, ciphertext, and the most that can be needed, in Wh."""

    key: PointBytes
    e: PointBytes
    r: PointBytes
    most: Quantity


class Demanded(NamedTuple):
    """What is posted."""

    e: bytes
    r: bytes
    proof: bytes


def prove(where: Where, key: bytes, quantity: int, most: int, *, entropy: bytes) -> tuple[Demanded, Opening]:
    """A sealed demand, and its opening over the key. ValueError where it is above `most`."""
    (opening,) = opened(KIND, where, [quantity], entropy)
    threshold = decode_point(key)
    sealed = encrypt(quantity, opening.blinding, threshold)
    one = Demand(key, sealed.E.to_bytes(), sealed.R.to_bytes(), most)
    tag = _tag(where, one)
    witness = {"d": quantity, "r": number(opening.blinding)}
    proof = prove_relation(tag, relation(threshold, sealed.E, one), witness, entropy=entropy)
    proof += prove_ranges(tag, [opening], [(0, most)], entropy=entropy, over=(threshold, [sealed.E]))
    return Demanded(one.e, one.r, proof), opening


def assertion(where: Where, key: bytes, e: bytes, r: bytes, most: int, proof: bytes) -> Assertion:
    """That the ciphertext is a demand of at most `most` Wh, made by the tenant of `where`."""
    one = Demand(key, e, r, most)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def _tag(where: Where, one: Demand) -> bytes:
    return tag_of(KIND, where, (one.key, one.e, one.r))


def relation(key: Point, e: Point, one: Demand) -> Relation:
    """What the sigma proof is about: one r in both points. `key` and `e` are those of the demand, decoded."""
    made = Relation({"V": bases().V, "P": key, "E": e, "R": one.r}, ["d", "r"])
    made.equation("E", ("d", "V"), ("r", "P"))
    made.equation("R", ("r", "B"))
    return made


def _claims(tag: bytes, one: Demand, proof: bytes) -> Sequence[Claim] | None:
    key, e = decode_point(one.key), decode_point(one.e)
    made = relation(key, e, one)
    same, small = split(made, proof)
    return claims_of(claim_relation(tag, made, same), claim_ranges(tag, [e], [(0, one.most)], small, key=key))


reduce = reducer(Demand, _claims)
