"""What members say to sealed dispatch, made from what they alone know, and read again from their own notes.

Every word carries a note to its author's own key with the values and the entropy that its proof was made of. So nothing
has to be kept beside the ledger: whoever has the member's note key opens its bids, awards and capacities again. Draws
no randomness: `entropy` comes from the caller. That the ledger takes a word is `contracts.sealed`'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts.sealed import assertions, capacities
from contracts.sealed.bodies import ProveDelivery, ReferenceBlock, RegisterCapacity, SealAward, SealBid, SealDemand
from contracts.sealed.records import Capacity, Clearing, SealedOffer, SealedRound, SealedSupplier
from node.errors import NodeError
from node.wallet import account
from node.wallet.account import Owner
from zk import notes
from zk.pedersen import commit
from zk.statements import award as awarding
from zk.statements import bid as bidding
from zk.statements import delivery as delivering
from zk.statements import demand as demanding
from zk.statements import openings, ranges
from zk.statements.openings import Kept, Opening

CAPACITY, DEMAND, BID, AWARD = "capacity", "demand", "bid", "award"


def capacity(
    chain_id: str,
    owner: Owner,
    meter: str,
    nameplate_wh: int,
    capacity_wh: int,
    reference: Sequence[ReferenceBlock],
    sign: Callable[[bytes], bytes],
    *,
    entropy: bytes,
) -> RegisterCapacity:
    """A hidden capacity, co-signed by the meter with `sign`. ValueError above the nameplate."""
    place = assertions.capacity_place(chain_id, meter)
    made = openings.opened(CAPACITY, place, [capacity_wh], entropy)
    posted = ranges.prove(CAPACITY, place, made, [(0, nameplate_wh)], entropy=entropy)
    (point,) = posted.commitments
    signature = sign(capacities.signed_bytes(chain_id, meter, point))
    note = _note(chain_id, owner, CAPACITY, 0, [capacity_wh], entropy)
    return RegisterCapacity(meter, point, posted.proof, signature, tuple(reference), note)


def capacity_of(chain_id: str, owner: Owner, held: Capacity) -> Opening:
    """A capacity that is registered, from its note. Raises NodeError `wallet.opening-lost`."""
    kept = _kept(chain_id, owner, CAPACITY, 0, held.note)
    place = assertions.capacity_place(chain_id, held.meter)
    (made,) = openings.opened(CAPACITY, place, kept.values, kept.entropy)
    return checked(made, held.capacity, f"the capacity of {held.meter}")


def demand(
    chain_id: str, owner: Owner, round_: SealedRound, value_wh: int, rating_wh: int, *, entropy: bytes
) -> SealDemand:
    """A sealed demand. ValueError above what the tenant's loads are rated for."""
    place = assertions.where(chain_id, round_, owner.member)
    posted, _ = demanding.prove(place, round_.key, value_wh, rating_wh, entropy=entropy)
    note = _note(chain_id, owner, DEMAND, round_.interval, [value_wh], entropy)
    return SealDemand(round_.interval, posted.e, posted.r, posted.proof, note)


def bid(
    chain_id: str, owner: Owner, round_: SealedRound, held: Opening, quantities: Sequence[int], *, entropy: bytes
) -> SealBid:
    """A sealed bid: one quantity for each tick, inside the pinned capacity, of which `held` is the opening. ValueError
    outside."""
    place = assertions.where(chain_id, round_, owner.member)
    posted, made = bidding.prove(place, round_.key, held, quantities, entropy=entropy)
    note = _note(chain_id, owner, BID, round_.interval, [one.value for one in made], entropy)
    return SealBid(round_.interval, posted.e, posted.r, posted.slack, posted.proof, note)


def bid_of(chain_id: str, owner: Owner, round_: SealedRound, offer: SealedOffer) -> list[Opening]:
    """Openings of a bid by tick, from its note. Raises NodeError `wallet.opening-lost`."""
    kept = _kept(chain_id, owner, BID, round_.interval, offer.note)
    place = assertions.where(chain_id, round_, owner.member)
    made = openings.opened(BID, place, kept.values, kept.entropy)[:-1]
    for opening, point in zip(made, offer.sealed, strict=True):
        checked(opening, point, "the bid", round_.key)
    return made


def award(chain_id: str, owner: Owner, round_: SealedRound, ticks: Sequence[Opening], *, entropy: bytes) -> SealAward:
    """What a bid gives its supplier at the price."""
    found = clearing(round_)
    place = assertions.where(chain_id, round_, owner.member)
    weighted = awarding.weigh(ticks[: found.tick], found.part, found.whole)
    posted, _ = awarding.prove(place, round_.key, weighted, found.whole, entropy=entropy)
    values = divmod(weighted.value, found.whole)
    note = _note(chain_id, owner, AWARD, round_.interval, values, entropy)
    return SealAward(round_.interval, *posted, note)


def award_of(chain_id: str, owner: Owner, round_: SealedRound, held: SealedSupplier) -> Opening:
    """The opening of an award, from its note, or of one that everybody knows. Raises NodeError
    `wallet.opening-lost`."""
    if held.award_wh is not None:
        return Opening(held.award_wh, bytes(32))
    kept = _kept(chain_id, owner, AWARD, round_.interval, held.note)
    place = assertions.where(chain_id, round_, owner.member)
    s, _, _ = openings.blindings(AWARD, place, kept.values, kept.entropy, 3)
    return checked(Opening(kept.values[0], s), held.award, "the award")


def clearing(round_: SealedRound) -> Clearing:
    """What the round came to. Raises NodeError `sealed.phase` before there is a price."""
    if round_.clearing is None:
        raise NodeError("sealed.phase", f"The round of interval {round_.interval} has no price.", "Wait for it.")
    return round_.clearing


def delivery(
    chain_id: str,
    owner: Owner,
    round_: SealedRound,
    awarded: Opening,
    metered: Opening,
    others_wh: int = 0,
    *,
    entropy: bytes,
) -> ProveDelivery:
    """That meters saw the award, but for what is missing of it, which is shown."""
    shortfall_wh = max(0, min(awarded.value, awarded.value + others_wh - metered.value))
    place = assertions.where(chain_id, round_, owner.member)
    proof = delivering.prove(place, awarded, metered, shortfall_wh=shortfall_wh, others_wh=others_wh, entropy=entropy)
    credited = awarded.shifted(-shortfall_wh).times(clearing(round_).price_nano_per_wh if round_.clearing else 0)
    note = account.award_note(chain_id, owner, round_.interval, credited, entropy)
    return ProveDelivery(round_.interval, shortfall_wh, proof, note)


def _route(chain_id: str, owner: Owner, kind: str, epoch: int) -> notes.Route:
    return notes.Route(
        purpose=f"sealed-{kind}", chain_id=chain_id, epoch=epoch, sender=owner.member, recipient=owner.member
    )


def _note(chain_id: str, owner: Owner, kind: str, epoch: int, values: Sequence[int], entropy: bytes) -> bytes:
    plaintext = openings.kept(kind, values, entropy)
    return notes.seal(
        notes.public(owner.note_secret), plaintext, entropy=entropy, **_route(chain_id, owner, kind, epoch)
    )


def _kept(chain_id: str, owner: Owner, kind: str, epoch: int, note: bytes) -> Kept:
    plaintext = notes.open_(owner.note_secret, note, **_route(chain_id, owner, kind, epoch))
    kept = None if plaintext is None else openings.read(plaintext)
    if not isinstance(kept, Kept) or kept.kind != kind:
        raise _lost(f"the {kind}")
    return kept


def checked(opening: Opening, point: bytes, what: str, key: bytes | None = None) -> Opening:
    """The opening, if it opens this point, over `key` in place of H where there is one. Raises NodeError
    `wallet.opening-lost`."""
    if commit(*opening, base=key).to_bytes() != point:
        raise _lost(what)
    return opening


def _lost(what: str) -> NodeError:
    return NodeError(
        "wallet.opening-lost",
        f"The note about {what} does not open what is on the ledger.",
        "It is sealed to the note key that the member had then; see `gridpact wallet recover`.",
    )
