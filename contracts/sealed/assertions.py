"""What has to be proven to a sealed round, each rebuilt from state and the body that brings the proof."""

from __future__ import annotations

from contracts.context import BlockContext
from contracts.sealed.bodies import RegisterCapacity, SealAward, SealBid, SealDemand
from contracts.sealed.records import Clearing, Participant, SealedRound
from zk.statements import award, bid, delivery, demand, ranges
from zk.statements.assertion import Assertion, Where


def where(chain_id: str, round_: SealedRound, member: str) -> Where:
    """The place of everything that a member proves to a round."""
    return Where(chain_id, member, round_.interval, 0, round_.key_id)


def capacity_place(chain_id: str, meter: str) -> Where:
    """The place of a meter's capacity."""
    return Where(chain_id, meter)


def capacity(context: BlockContext, body: RegisterCapacity, nameplate_wh: int) -> Assertion:
    """A capacity is at most what the rating delivers."""
    place = capacity_place(context.chain_id, body.meter)
    return ranges.assertion("capacity", place, (body.capacity,), ((0, nameplate_wh),), body.proof)


def demanded(context: BlockContext, round_: SealedRound, sender: str, body: SealDemand, rating_wh: int) -> Assertion:
    """A demand is at most what the tenant's loads can take, and its sender knows it."""
    place = where(context.chain_id, round_, sender)
    return demand.assertion(place, round_.key, body.sealed, body.ephemeral, rating_wh, body.proof)


def offered(context: BlockContext, round_: SealedRound, supplier: Participant, body: SealBid) -> Assertion:
    """Quantities are at least zero, inside the pinned capacity, and their sender knows them."""
    place = where(context.chain_id, round_, supplier.member)
    return bid.assertion(place, round_.key, supplier.capacity, body.sealed, body.ephemeral, body.slack, body.proof)


def awarded(
    context: BlockContext, round_: SealedRound, clearing: Clearing, sender: str, weighted: bytes, body: SealAward
) -> Assertion:
    """An award is what the sender's own bid gives it at the price, rounded down."""
    posted = award.Awarded(body.award, body.remainder, body.sealed, body.ephemeral, body.proof)
    return award.assertion(where(context.chain_id, round_, sender), round_.key, weighted, clearing.whole, posted)


def delivered(
    context: BlockContext,
    round_: SealedRound,
    sender: str,
    awarded_point: bytes,
    metered: bytes,
    shortfall_wh: int,
    others_wh: int,
    proof: bytes,
) -> Assertion:
    """Meters saw the award less a shortfall that is not more than it, beside all other obligations."""
    place = where(context.chain_id, round_, sender)
    return delivery.assertion(place, awarded_point, metered, proof, shortfall_wh=shortfall_wh, others_wh=others_wh)
