"""A supplier delivered what it was awarded, but for a public shortfall.

Award Q, metered delivery M, shortfall u and other obligations o of the same interval: Q - uV hides a value in
[0, 2^32), so u is no more than the award, and M - Q + uV - oV one in [0, 2^40), so what was not fallen short of was
delivered beside everything else. Both u and o are bounded: a u near the order of the group would print money.
"""

from __future__ import annotations

from collections.abc import Sequence

from zk.batch import Claim
from zk.codec import encode
from zk.group.bases import bases
from zk.group.native import decode_point, linear
from zk.pedersen import commit
from zk.statements.assertion import Assertion, Where, tag_of
from zk.statements.openings import Opening
from zk.statements.parts import (
    BELOW_2_32,
    BELOW_2_40,
    Energy,
    Instance,
    PointBytes,
    Quantity,
    claim_ranges,
    claims_of,
    prove_ranges,
    reducer,
)

KIND = "delivery"
RANGES = (BELOW_2_32, BELOW_2_40)


class Delivery(Instance, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What was awarded and what was metered, as commitments; shortfall and other obligations in Wh."""

    award: PointBytes
    metered: PointBytes
    shortfall_wh: Quantity
    others_wh: Energy


def prove(
    where: Where, award: Opening, metered: Opening, *, shortfall_wh: int, others_wh: int, entropy: bytes
) -> bytes:
    """The proof. ValueError where the shortfall is above the award, or less was metered than is claimed."""
    one = Delivery(commit(*award).to_bytes(), commit(*metered).to_bytes(), shortfall_wh, others_wh)
    left = award.shifted(-shortfall_wh)
    openings = [left, metered.minus(left).shifted(-others_wh)]
    return prove_ranges(_tag(where, one), openings, RANGES, entropy=entropy)


def assertion(
    where: Where, award: bytes, metered: bytes, proof: bytes, *, shortfall_wh: int, others_wh: int
) -> Assertion:
    """That all of `award` but the shortfall was delivered. Of an award that was opened, the commitment is qV."""
    one = Delivery(award, metered, shortfall_wh, others_wh)
    return Assertion(KIND, _tag(where, one), encode(one), proof)


def _tag(where: Where, one: Delivery) -> bytes:
    return tag_of(KIND, where, (one.award, one.metered))


def _claims(tag: bytes, one: Delivery, proof: bytes) -> Sequence[Claim] | None:
    award, metered, value = decode_point(one.award), decode_point(one.metered), bases().V
    left = linear((award, 1), (value, -one.shortfall_wh))
    points = [left, linear((metered, 1), (left, -1), (value, -one.others_wh))]
    return claims_of(claim_ranges(tag, points, RANGES, proof))


reduce = reducer(Delivery, _claims)
