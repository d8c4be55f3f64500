"""What a supplier sold at the price, out of its sealed bid, without showing it.

In a round whose last tick is the k-th, supplier i's part of the demand times b is hidden in a point that everybody can
compute, W = b*E_1 + ... + b*E_(k-1) + a*E_k. With W = wV + .P and w = b*q + e, e in [0, b-1], it posts Q = qV + sH
(what it is paid for), X = eV + gH (what is left of the division; none where b is 1), and T = qV + yP, R_T = yB (its
part of the sum that validators open). One range proof says that q is in [0, 2^32) and e in [0, b-1]; one relation

    Q = qV + sH        T = qV + yP        R_T = yB        W - b*Q - X = alpha P + beta H

says that q is the same in all and that b*q + e = w. Below 2^64 on both sides, that is so of integers too; without the
range of q it would be so mod the order only, and an e that is off by one would have a q near the order that prints
money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.batch import Claim
from zk.codec import encode
from zk.elgamal import encrypt
from zk.group import POINT_BYTES
from zk.group.bases import bases
from zk.group.native import decode_point
from zk.pedersen import commit
from zk.sigma import Relation
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening, blindings, total
from zk.statements.parts import (
    BELOW_2_32,
    Instance,
    NoPointOr,
    PointBytes,
    Range,
    claim_ranges,
    claim_relation,
    claims_of,
    number,
    prove_ranges,
    prove_relation,
    reducer,
    split,
)

KIND = "award"


class Award(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Threshold key, the weighted sum W of the supplier's ciphertexts, b, and what it posted."""

    key: PointBytes
    weighted: PointBytes
    divisor: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    """b: what all offer at the last tick, in Wh; 1 in a shortage."""
    award: PointBytes
    remainder: NoPointOr
    """X; empty exactly where b is 1."""
    summand: PointBytes
    """T"""
    summand_r: PointBytes
    """R_T"""


class Awarded(NamedTuple):
    """What is posted."""

    award: bytes
    remainder: bytes
    summand: bytes
    summand_r: bytes
    proof: bytes


def factors(ticks: int, a: int, b: int) -> list[int]:
    """What the first `ticks` ciphertexts, or their openings, are multiplied by in W."""
    return [b] * (ticks - 1) + [a]


def weigh(openings: Sequence[Opening], a: int, b: int) -> Opening:
    """Opening of W over the key, out of those of the first k ticks of a bid."""
    weights = factors(len(openings), a, b)
    return total([one.times(factor) for one, factor in zip(openings, weights, strict=True)])


def prove(where: Where, key: bytes, weighted: Opening, divisor: int, *, entropy: bytes) -> tuple[Awarded, Opening]:
    """What is posted, and the opening of Q, the award. ValueError where nothing can be divided by the divisor."""
    if divisor < 1:
        raise ValueError(f"nothing is divided by {divisor}")
    quantity, rest = divmod(weighted.value, divisor)
    s, g, y = blindings(KIND, where, (quantity, rest), entropy, 3)
    award, remainder = Opening(quantity, s), Opening(rest, g)
    sealed = encrypt(quantity, y, decode_point(key))
    one = Award(
        key,
        commit(*weighted, base=key).to_bytes(),
        divisor,
        commit(*award).to_bytes(),
        b"" if divisor == 1 else commit(*remainder).to_bytes(),
        sealed.E.to_bytes(),
        sealed.R.to_bytes(),
    )
    hidden = award.times(divisor) if divisor == 1 else award.times(divisor).plus(remainder)
    witness = {
        "q": quantity,
        "s": number(s),
        "y": number(y),
        "alpha": number(weighted.blinding),
        "beta": -number(hidden.blinding),
    }
    tag = _tag(where, one)
    proof = prove_relation(tag, relation(one), witness, entropy=entropy)
    ranges = _ranges(one)
    proof += prove_ranges(tag, (award, remainder)[: len(ranges)], ranges, entropy=entropy)
    return Awarded(one.award, one.remainder, one.summand, one.summand_r, proof), award


def assertion(where: Where, key: bytes, weighted: bytes, divisor: int, posted: Awarded) -> Assertion:
    """That `posted` is the award of a supplier whose ciphertexts sum up to `weighted`."""
    one = Award(key, weighted, divisor, posted.award, posted.remainder, posted.summand, posted.summand_r)
    return Assertion(KIND, _tag(where, one), encode(one), posted.proof)


def _tag(where: Where, one: Award) -> bytes:
    return tag_of(KIND, where, (one.key, one.weighted, one.award, one.remainder, one.summand, one.summand_r))


def _ranges(one: Award) -> tuple[Range, ...]:
    if len(one.remainder) != (0 if one.divisor == 1 else POINT_BYTES):
        raise ValueError("there is a remainder exactly where something is divided")
    return (BELOW_2_32,) if one.divisor == 1 else (BELOW_2_32, (0, one.divisor - 1))


def relation(one: Award) -> Relation:
    """What the sigma proof is about: q is the same everywhere, and b*q + e is w."""
    points = {"V": bases().V, "P": one.key, "H": bases().H, "W": one.weighted, "Q": one.award}
    points |= {"T": one.summand, "Y": one.summand_r}
    left = {"W": 1, "Q": -one.divisor}
    if one.remainder:
        points["X"], left["X"] = one.remainder, -1
    made = Relation(points, ["q", "s", "y", "alpha", "beta"])
    made.equation("Q", ("q", "V"), ("s", "H"))
    made.equation("T", ("q", "V"), ("y", "P"))
    made.equation("Y", ("y", "B"))
    made.equation(left, ("alpha", "P"), ("beta", "H"))
    return made


def _claims(tag: bytes, one: Award, proof: bytes) -> Sequence[Claim] | None:
    ranges, made = _ranges(one), relation(one)
    same, small = split(made, proof)
    points = [decode_point(point) for point in (one.award, one.remainder)[: len(ranges)]]
    return claims_of(claim_relation(tag, made, same), claim_ranges(tag, points, ranges, small))


reduce = reducer(Award, _claims)
