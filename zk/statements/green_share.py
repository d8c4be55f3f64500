"""A public share of a hidden consumption is green energy.

With a share of `ppm` millionths of what C hides, G = gV + .H and X = eV + .H hide quotient and remainder of the
division by 10^6: g in [0, 2^40), e in [0, 10^6), and ppm*C - 10^6*G - X = beta H. Consumption is below 2^40 by its own
range, so both sides are below 2^61 and the division is one of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.group.bases import bases
from zk.group.native import decode_point
from zk.pedersen import commit
from zk.sigma import Relation
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening, opened
from zk.statements.parts import (
    BELOW_2_40,
    Instance,
    PointBytes,
    claim_ranges,
    claim_relation,
    claims_of,
    number,
    prove_ranges,
    prove_relation,
    reducer,
    split,
)

KIND = "green-share"
MILLION = 1_000_000
RANGES = (BELOW_2_40, (0, MILLION - 1))


class GreenShare(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The consumption, the share of it in millionths, and quotient and remainder, as commitments."""

    consumption: PointBytes
    ppm: Annotated[int, msgspec.Meta(ge=1, le=MILLION)]
    volume: PointBytes
    remainder: PointBytes


class Green(NamedTuple):
    """What is posted."""

    volume: bytes
    remainder: bytes
    proof: bytes


def prove(where: Where, consumption: Opening, ppm: int, *, entropy: bytes) -> tuple[Green, Opening]:
    """What is posted, and the opening of the green volume."""
    share = consumption.times(ppm)
    volume, remainder = opened(KIND, where, divmod(share.value, MILLION), entropy)
    one = GreenShare(commit(*consumption).to_bytes(), ppm, commit(*volume).to_bytes(), commit(*remainder).to_bytes())
    tag = _tag(where, one)
    witness = {"beta": number(share.minus(volume.times(MILLION)).minus(remainder).blinding)}
    proof = prove_relation(tag, relation(one), witness, entropy=entropy)
    proof += prove_ranges(tag, [volume, remainder], RANGES, entropy=entropy)
    return Green(one.volume, one.remainder, proof), volume


def assertion(where: Where, consumption: bytes, ppm: int, posted: Green) -> Assertion:
    """That `posted.volume` hides `ppm` millionths of what `consumption` does, rounded down."""
    one = GreenShare(consumption, ppm, posted.volume, posted.remainder)
    return Assertion(KIND, _tag(where, one), encode(one), posted.proof)


def _tag(where: Where, one: GreenShare) -> bytes:
    return tag_of(KIND, where, (one.consumption, one.volume, one.remainder))


def relation(one: GreenShare) -> Relation:
    """What the sigma proof is about: the division by 10^6."""
    points = {"H": bases().H, "C": one.consumption, "G": one.volume, "X": one.remainder}
    made = Relation(points, ["beta"])
    made.equation({"C": one.ppm, "G": -MILLION, "X": -1}, ("beta", "H"))
    return made


def _claims(tag: bytes, one: GreenShare, proof: bytes) -> Sequence[Claim] | None:
    made = relation(one)
    same, small = split(made, proof)
    points = [decode_point(one.volume), decode_point(one.remainder)]
    return claims_of(claim_relation(tag, made, same), claim_ranges(tag, points, RANGES, small))


reduce = reducer(GreenShare, _claims)
