"""What the kinds of statements share: their instances read strictly, and the two parts that a proof can have.

A proof is a sigma proof, a range proof, or the one behind the other; how long the first is follows from its relation.
Both are made under the tag of their statement with a name of their own at its end, so neither stands for the other.
Never takes a point that was not decoded strictly, and never lets the identity be a commitment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from operator import add
from typing import Annotated, TypeVar

import msgspec

from zk import range_proof, sigma
from zk.batch import Claim
from zk.codec import Codec
from zk.group import POINT_BYTES, SCALAR_BYTES, native
from zk.group.native import Point
from zk.pedersen import commit
from zk.sigma import Relation
from zk.sigma import proof as sigma_proof
from zk.statements.assertion import Reduce, framed
from zk.statements.openings import Opening

T = TypeVar("T")

MAX_INSTANCE_BYTES = 16_384
"""A bid of 64 ticks has 6.5 kB."""
MAX_TICKS = 64

PointBytes = Annotated[bytes, msgspec.Meta(min_length=POINT_BYTES, max_length=POINT_BYTES)]
NoPointOr = Annotated[bytes, msgspec.Meta(max_length=POINT_BYTES)]
Quantity = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
"""Wh of one sealed interval, or the public part of one."""
Energy = Annotated[int, msgspec.Meta(ge=0, le=2**40 - 1)]
Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]

Range = tuple[int, int]
"""Lowest and highest value, both included."""
BELOW_2_31: Range = (0, 2**31 - 1)
BELOW_2_32: Range = (0, 2**32 - 1)
BELOW_2_40: Range = (0, 2**40 - 1)
BELOW_2_62: Range = (0, 2**62 - 1)
BELOW_2_63: Range = (0, 2**63 - 1)

_RANGE = b"range"
_SIGMA = b"sigma"


class Instance(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a statement is about, as its verifier rebuilds it."""


def reducer(
    type_: type[T], claims: Callable[[bytes, T, bytes], Sequence[Claim] | None], limit: int = MAX_INSTANCE_BYTES
) -> Reduce:
    """The reducer of a kind, out of the one for its decoded instance, which may raise ValueError where it refuses.
    `limit` is how many bytes an instance may have."""
    codec: Codec[T] = Codec(type_, limit)

    def reduce(tag: bytes, instance: bytes, proof: bytes) -> Sequence[Claim] | None:
        try:
            return claims(tag, codec.decode(instance), proof)
        except ValueError:
            return None

    return reduce


def claims_of(*claims: Claim | None) -> Sequence[Claim] | None:
    """The claims; None when one of them could not be read."""
    read = [claim for claim in claims if claim is not None]
    return read if len(read) == len(claims) else None


def nothing_to_prove(proof: bytes) -> Sequence[Claim] | None:
    """For a statement that everybody sees to be true: no claim, and no bytes in the place of a proof."""
    return None if proof else ()


def prove_ranges(
    tag: bytes,
    openings: Sequence[Opening],
    ranges: Sequence[Range],
    *,
    entropy: bytes,
    over: tuple[Point | None, Sequence[Point]] | None = None,
) -> bytes:
    """Proof that the values of the openings lie in the ranges. ValueError where one does not.

    `over` has the threshold key, None for H, and the commitments over it, where they were made already; without it they
    are made over H.
    """
    values, blindings = [one.value for one in openings], [one.blinding for one in openings]
    key, points = over or (None, [commit(*one) for one in openings])
    where = _part(tag, _RANGE)
    return range_proof.prove_points(points, values, blindings, ranges, tag=where, entropy=entropy, base=key)


def claim_ranges(
    tag: bytes, points: Sequence[Point], ranges: Sequence[Range], proof: bytes, *, key: Point | None = None
) -> Claim | None:
    """Claim that the points hide values in the ranges; None also where a point is the identity."""
    return range_proof.claim_points(points, ranges, proof, tag=_part(tag, _RANGE), base=key)


def prove_relation(tag: bytes, relation: Relation, witness: Mapping[str, int], *, entropy: bytes) -> bytes:
    """Proof of the relation, of scalars by name. ValueError where they do not satisfy it."""
    name, scalars = sigma.tag_for(_part(tag, _SIGMA)), relation.witness(witness)
    return sigma.prove(name, relation.instance, scalars, compact=False, entropy=entropy)


def claim_relation(tag: bytes, relation: Relation, proof: bytes) -> Claim | None:
    """Claim that somebody knows scalars of the relation."""
    return sigma_proof.claim(sigma.tag_for(_part(tag, _SIGMA)), relation.instance, proof)


def split(relation: Relation, proof: bytes) -> tuple[bytes, bytes]:
    """The proof of the relation, and the range proof behind it."""
    length = POINT_BYTES * len(relation.instance.equations) + SCALAR_BYTES * relation.instance.scalars
    return proof[:length], proof[length:]


def number(scalar: bytes) -> int:
    """The integer of 32 bytes big-endian."""
    return int.from_bytes(scalar, "big")


def has_identity_sum(points: Sequence[Point]) -> bool:
    """Whether some first points sum up to the identity: what is encrypted there would be no secret, and could not be
    opened by shares, so its maker would be free not to deliver."""
    return any(total == native.IDENTITY for total in accumulate(points, add))


def _part(tag: bytes, name: bytes) -> bytes:
    return tag + framed((name,))
