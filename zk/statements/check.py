"""The one door through which every proof is checked.

Pure and total: no bytes make it raise, and equal bytes get equal answers in every process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from zk.batch import Batch
from zk.statements import (
    award,
    bid,
    chain,
    delivery,
    demand,
    green_share,
    known_difference,
    logarithm,
    ranges,
    reserve,
    spend,
    sums,
    withdraw,
    within_loss,
)
from zk.statements.assertion import Assertion, Reduce

REDUCERS: Mapping[str, Reduce] = {
    **dict.fromkeys(logarithm.KINDS, logarithm.reduce),
    **dict.fromkeys(ranges.KINDS, ranges.reduce),
    award.KIND: award.reduce,
    bid.KIND: bid.reduce,
    chain.KIND: chain.reduce,
    delivery.KIND: delivery.reduce,
    demand.KIND: demand.reduce,
    green_share.KIND: green_share.reduce,
    known_difference.KIND: known_difference.reduce,
    reserve.KIND: reserve.reduce,
    spend.KIND: spend.reduce,
    sums.SUM: sums.reduce_sum,
    sums.OPENING: sums.reduce_opening,
    withdraw.KIND: withdraw.reduce,
    within_loss.KIND: within_loss.reduce,
}
"""Per kind, what reduces its proofs to claims."""


def verify_all(assertions: Sequence[Assertion]) -> list[bool]:
    """Which assertions are proven, all checked as one batch. A kind that nobody knows is not proven."""
    batch = Batch()
    owner: list[int] = []
    for place, one in enumerate(assertions):
        reduce = REDUCERS.get(one.kind)
        claims = None if reduce is None else reduce(one.tag, one.instance, one.proof)
        for claim in (None,) if claims is None else claims:
            batch.add(claim)
            owner.append(place)
    proven = [True] * len(assertions)
    for culprit in batch.culprits():
        proven[owner[culprit]] = False
    return proven


def verify(assertion: Assertion) -> bool:
    """Whether one assertion is proven."""
    return verify_all((assertion,))[0]
