"""A supplier offers quantities at every tick, sealed, and together no more than its capacity.

At tick k it would deliver d_k more: E_k = d_k V + r_k P, R_k = r_k B. What is left of its capacity C = cV + sH is the
slack F = fV + phi P. One range proof over P says that every d_k is in [0, 2^31) and f in [0, 2^32). One relation says
with weights rho_k

    sum rho_k E_k = d V + r P        sum rho_k R_k = r B        C - sum E_k - F = alpha P + beta H

so that every R_k has the blinding of its E_k, and the quantities and the slack make up the capacity: fewer than 2^38
Wh, so nothing wraps. The weights are 128 bits each of a sponge that absorbed the tag and every point before, so no
element can be chosen after its weight, or be left out.

No first elements may sum up to the identity, of E or of R: their sum could not be opened by shares, and whoever can
make the opening fail has an option for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from zk.batch import WEIGHT_BYTES, Claim
from zk.codec import encode
from zk.elgamal import encrypt
from zk.group.bases import bases
from zk.group.native import Point, decode_point
from zk.pedersen import commit
from zk.sigma import Relation
from zk.statements.assertion import Assertion, Where, framed, tag_of
from zk.statements.openings import Opening, opened, total
from zk.statements.parts import (
    BELOW_2_31,
    BELOW_2_32,
    MAX_TICKS,
    Instance,
    PointBytes,
    claim_ranges,
    claim_relation,
    claims_of,
    has_identity_sum,
    number,
    prove_ranges,
    prove_relation,
    reducer,
    split,
)
from zk.transcript import Sponge, session_id

KIND = "bid"
_WEIGHTS = session_id(b"gridpact/1/bid-weights")

Ticks = Annotated[tuple[PointBytes, ...], msgspec.Meta(min_length=1, max_length=MAX_TICKS)]
"""One point for each tick, the cheapest first."""


class Bid(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Threshold key, capacity as it was pinned when the round opened, ciphertexts by tick, and slack."""

    key: PointBytes
    capacity: PointBytes
    e: Ticks
    r: Ticks
    slack: PointBytes

    def commitments(self) -> tuple[bytes, ...]:
        """All points, in the order in which tag and weights have them."""
        return (self.key, self.capacity, *self.e, *self.r, self.slack)


class Sealed(NamedTuple):
    """What is posted."""

    e: tuple[bytes, ...]
    r: tuple[bytes, ...]
    slack: bytes
    proof: bytes


class Points(NamedTuple):
    """Of a bid, decoded once."""

    key: Point
    capacity: Point
    e: list[Point]
    r: list[Point]
    slack: Point


def prove(
    where: Where, key: bytes, capacity: Opening, quantities: Sequence[int], *, entropy: bytes
) -> tuple[Sealed, list[Opening]]:
    """A sealed bid, and openings over the key: of every tick, which an award needs, and of the slack, last.

    ValueError where a quantity is no unsigned integer of 31 bits or all of them exceed the capacity.
    """
    values = [*quantities, capacity.value - sum(quantities)]
    openings = opened(KIND, where, values, entropy)
    *ticks, slack = openings
    threshold = decode_point(key)
    sealed = [encrypt(one.value, one.blinding, threshold) for one in ticks]
    one = Bid(
        key,
        commit(*capacity).to_bytes(),
        tuple(tick.E.to_bytes() for tick in sealed),
        tuple(tick.R.to_bytes() for tick in sealed),
        commit(*slack, base=key).to_bytes(),
    )
    tag, points = _tag(where, one), _decoded(one)
    weights = weights_of(tag, one)
    every = total([tick.times(weight) for tick, weight in zip(ticks, weights, strict=True)])
    witness = {
        "d": every.value,
        "r": number(every.blinding),
        "alpha": -number(total(openings).blinding),
        "beta": number(capacity.blinding),
    }
    proof = prove_relation(tag, relation(points, weights), witness, entropy=entropy)
    proof += prove_ranges(tag, openings, _ranges(one), entropy=entropy, over=(threshold, [*points.e, points.slack]))
    return Sealed(one.e, one.r, one.slack, proof), openings


def assertion(
    where: Where, key: bytes, capacity: bytes, e: Sequence[bytes], r: Sequence[bytes], slack: bytes, proof: bytes
) -> Assertion:
    """That a bid is one of quantities within the capacity, made by the supplier of `where`."""
    one = Bid(key, capacity, tuple(e), tuple(r), slack)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def weights_of(tag: bytes, one: Bid) -> list[int]:
    """One weight of 128 bits per tick, which depends on the tag and on every point of the bid. ValueError on a zero,
    which would leave an element out."""
    sponge = Sponge(_WEIGHTS)
    sponge.absorb(framed((tag, *one.commitments())))
    weights = [int.from_bytes(sponge.squeeze(WEIGHT_BYTES), "little") for _ in one.e]
    if 0 in weights:
        raise ValueError("every element has a weight")
    return weights


def _tag(where: Where, one: Bid) -> bytes:
    return tag_of(KIND, where, one.commitments())


def _decoded(one: Bid) -> Points:
    if len(one.e) != len(one.r):
        raise ValueError("a ciphertext has two points")
    e, r = [decode_point(point) for point in one.e], [decode_point(point) for point in one.r]
    if has_identity_sum(e) or has_identity_sum(r):
        raise ValueError("no sum of the first points is the identity")
    return Points(decode_point(one.key), decode_point(one.capacity), e, r, decode_point(one.slack))


def _ranges(one: Bid) -> list[tuple[int, int]]:
    return [BELOW_2_31] * len(one.e) + [BELOW_2_32]


def relation(points: Points, weights: Sequence[int]) -> Relation:
    """What the sigma proof is about: the same blindings in E and R, and all quantities within the capacity."""
    e = {f"E{k}": point for k, point in enumerate(points.e, start=1)}
    r = {f"R{k}": point for k, point in enumerate(points.r, start=1)}
    fixed = {"V": bases().V, "P": points.key, "H": bases().H, "C": points.capacity, "F": points.slack}
    made = Relation(fixed | e | r, ["d", "r", "alpha", "beta"])
    made.equation(dict(zip(e, weights, strict=True)), ("d", "V"), ("r", "P"))
    made.equation(dict(zip(r, weights, strict=True)), ("r", "B"))
    made.equation({"C": 1, "F": -1} | dict.fromkeys(e, -1), ("alpha", "P"), ("beta", "H"))
    return made


def _claims(tag: bytes, one: Bid, proof: bytes) -> Sequence[Claim] | None:
    points = _decoded(one)
    made = relation(points, weights_of(tag, one))
    same, small = split(made, proof)
    return claims_of(
        claim_relation(tag, made, same),
        claim_ranges(tag, [*points.e, points.slack], _ranges(one), small, key=points.key),
    )


reduce = reducer(Bid, _claims)
