"""What a supplier may ask that an island can not do without.

In an island a supplier is pivotal when all the others together can't deliver the fixed demand: it could ask anything.
Then its offers count at most at the reference price that its meters are registered with (none: at the pact's import
price), block by block; energy and order of blocks stay. Demand with a limit price makes nobody pivotal, since it goes
without. Members are counted as a whole, so nothing is gained by splitting an offer among meters.

Pure. Never looks at what an offer costs, and never punishes; what is held back is reported by `contracts.conduct`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from contracts.bodies import OfferBlock
from contracts.records import NeedEntry, OfferEntry

_replace = msgspec.structs.replace


class Capped(NamedTuple):
    """Offers as they count, in their order, and whose are capped, ascending."""

    offers: list[OfferEntry]
    members: tuple[str, ...]


def pivotal(needs: Sequence[NeedEntry], supply_wh: Mapping[str, int]) -> tuple[str, ...]:
    """Members without whom fixed demand exceeds supply, ascending; `supply_wh` is what each could deliver."""
    demand_wh = sum(need.energy_wh for need in needs if need.limit_nano_per_wh is None)
    whole_wh = sum(supply_wh.values())
    return tuple(sorted(name for name, own_wh in supply_wh.items() if own_wh and whole_wh - own_wh < demand_wh))


def cap(
    needs: Sequence[NeedEntry],
    offers: Sequence[OfferEntry],
    stored_wh: Mapping[str, int],
    reference_nano_per_wh: int,
) -> Capped:
    """The offers of an island; `stored_wh` is what each member's storages could give, `reference_nano_per_wh` holds
    where no price is registered.
    """
    supply_wh = dict(stored_wh)
    for offer in offers:
        offered_wh = sum(block.energy_wh for block in offer.blocks)
        supply_wh[offer.member] = supply_wh.get(offer.member, 0) + offered_wh
    members = pivotal(needs, supply_wh)
    counted = [_lowered(offer, reference_nano_per_wh) if offer.member in members else offer for offer in offers]
    changed = {after.member for before, after in zip(offers, counted, strict=True) if after is not before}
    return Capped(counted, tuple(sorted(changed)))


def _lowered(offer: OfferEntry, reference_nano_per_wh: int) -> OfferEntry:
    """The offer at most at its reference; blocks that come to one price are one, so that prices rise strictly."""
    most = reference_nano_per_wh if offer.reference_nano_per_wh is None else offer.reference_nano_per_wh
    if not offer.blocks or offer.blocks[-1].price_nano_per_wh <= most:
        return offer
    kept = [block for block in offer.blocks if block.price_nano_per_wh < most]
    dear_wh = sum(block.energy_wh for block in offer.blocks[len(kept) :])
    return _replace(offer, blocks=(*kept, OfferBlock(most, dear_wh)))
