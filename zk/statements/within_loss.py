"""A share of a bill and the delivery that it is for differ by no more than their line may lose, both hidden.

With D the share and M what the supplier's meter saw, 10^6 (D - M) + ppm*M + 10^6*fixed*V hides a value in [0, 2^62),
so no more was lost than `ppm` of the delivery and `fixed` Wh; and 10^6 (M - D) + 10^6*accuracy*V another one, so
nothing was gained beyond what the meters may err by. D and M are below 2^40 by their own ranges, and every other
number here is bounded, so neither sum reaches 2^62 in truth, and nothing wraps.

One of them that is the identity is nothing, for everybody to see, and needs no proof: whoever chose the blinding of D
could choose that, and the other side must not be left without a proof to give.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.batch import Claim
from zk.codec import encode
from zk.group.bases import bases
from zk.group.native import IDENTITY, decode_point, linear
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening, is_nothing
from zk.statements.parts import (
    BELOW_2_62,
    Energy,
    Instance,
    PointBytes,
    Ppm,
    claim_ranges,
    claims_of,
    nothing_to_prove,
    prove_ranges,
    reducer,
)

KIND = "within-loss"
MILLION = 1_000_000


class WithinLoss(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Share and delivery as commitments, and what is allowed: parts per million and Wh of loss, Wh of gain."""

    share: PointBytes
    delivery: PointBytes
    loss_ppm: Ppm
    fixed_wh: Energy
    accuracy_wh: Energy


def prove(
    where: Where,
    share: Opening,
    delivery: Opening,
    *,
    loss_ppm: int,
    fixed_wh: int,
    accuracy_wh: int,
    entropy: bytes,
) -> bytes:
    """The proof. ValueError where more was lost or gained than is allowed."""
    one = WithinLoss(commit(*share).to_bytes(), commit(*delivery).to_bytes(), loss_ppm, fixed_wh, accuracy_wh)
    openings = [
        share.times(MILLION).plus(delivery.times(loss_ppm - MILLION)).shifted(MILLION * fixed_wh),
        delivery.minus(share).times(MILLION).shifted(MILLION * accuracy_wh),
    ]
    hidden = [opening for opening in openings if not is_nothing(opening)]
    if not hidden:
        return b""
    return prove_ranges(_tag(where, one), hidden, [BELOW_2_62] * len(hidden), entropy=entropy)


def assertion(
    where: Where, share: bytes, delivery: bytes, proof: bytes, *, loss_ppm: int, fixed_wh: int, accuracy_wh: int
) -> Assertion:
    """That `share` and `delivery` differ by no more than is allowed."""
    one = WithinLoss(share, delivery, loss_ppm, fixed_wh, accuracy_wh)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def _tag(where: Where, one: WithinLoss) -> bytes:
    return tag_of(KIND, where, (one.share, one.delivery))


def _claims(tag: bytes, one: WithinLoss, proof: bytes) -> Sequence[Claim] | None:
    share, delivery, value = decode_point(one.share), decode_point(one.delivery), bases().V
    points = [
        linear((share, MILLION), (delivery, one.loss_ppm - MILLION), (value, MILLION * one.fixed_wh)),
        linear((delivery, MILLION), (share, -MILLION), (value, MILLION * one.accuracy_wh)),
    ]
    hidden = [part for part in points if part != IDENTITY]
    if not hidden:
        return nothing_to_prove(proof)
    return claims_of(claim_ranges(tag, hidden, [BELOW_2_62] * len(hidden), proof))


reduce = reducer(WithinLoss, _claims)
