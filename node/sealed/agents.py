"""Agents of sealed dispatch: each says for its member what a round waits for, on what is proven of it.

A supplier keeps nothing: what it bid and what it was awarded is in notes on the ledger.

Every method says what can be said now and answers with the ledger's code, or None where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.governance.rules import rules
from contracts.records import Order
from contracts.schema import CAPACITIES, ORDERS, SEALED_GROWN, SEALED_OFFERS, SEALED_ROUNDS, SEALED_SUPPLIERS
from contracts.sealed import bidding
from contracts.sealed.bodies import OpenSealed, ProveDelivery
from contracts.sealed.records import (
    AWARDED,
    AWARDING,
    BID,
    BIDDING,
    DELIVERING,
    OPENED,
    SUSPENDED,
    Capacity,
    Grown,
    Participant,
    SealedOffer,
    SealedRound,
    SealedSupplier,
)
from contracts.state import State
from node.agents.proven import Proven, ProvenLedger
from node.billing import registers
from node.sealed import words
from node.wallet.account import Owner
from node.wallet.party import Party
from zk.statements.openings import Opening, total


class Sight(NamedTuple):
    """What is proven of a round, and of one member in it."""

    round_: SealedRound | None
    own: Participant | None = None
    offer: SealedOffer | None = None
    supplier: SealedSupplier | None = None
    capacities: Sequence[Capacity] = ()
    grown: Sequence[Grown] = ()
    """Of all meters; none while one has not spoken."""
    order: Order | None = None
    rating_wh: int = 0
    """What its private loads can take in the interval."""


async def look(ledger: ProvenLedger, interval: int, member: str, least_height: int) -> Sight:
    """What nodes prove of a round and of a member in it, as of `least_height` or later. Raises `Unproven`."""

    def read(proven: Proven) -> Sight:
        state = State(proven)
        round_ = state.load(SEALED_ROUNDS, SEALED_ROUNDS.key(interval))
        if round_ is None:
            return Sight(None)
        own = next((one for one in round_.participants if one.member == member), None)
        meters = () if own is None else own.meters
        shown = [state.load(SEALED_GROWN, SEALED_GROWN.key(interval, meter)) for meter in meters]
        grown = [one for one in shown if one is not None and one.behind is None]
        held = [state.load(CAPACITIES, CAPACITIES.key(meter)) for meter in meters]
        order = proven.get(ORDERS.key(interval, member))
        rating_wh = bidding.rating_wh(state, rules(state).params, round_.buyer, member)
        return Sight(
            round_,
            own,
            state.load(SEALED_OFFERS, SEALED_OFFERS.key(interval, member)),
            state.load(SEALED_SUPPLIERS, SEALED_SUPPLIERS.key(interval, member)),
            [one for one in held if one is not None],
            grown if len(grown) == len(shown) else (),
            None if order is None else ORDERS.decode_entry(order),
            rating_wh,
        )

    return await ledger.ask(read, "sealed", interval, member, least_height=least_height)


class RoundParty(Party):
    """A party that looks at rounds."""

    async def see(self, interval: int) -> Sight:
        """The round of an interval, proven."""
        return await look(self._ledger, interval, self.member, self._height)


class Tenant(RoundParty):
    """Seals what its member will take."""

    async def demand(self, interval: int, value_wh: int) -> str | None:
        """Seal a demand, cut to what its loads are rated for in an interval."""
        sight = await self.see(interval)
        round_ = sight.round_
        if round_ is None or round_.phase != BIDDING or round_.demand_wh is not None or self.member in round_.tenants:
            return None
        rating_wh, entropy = sight.rating_wh, self._entropy()
        return await self._say(
            words.demand(self._chain_id, self._owner, round_, min(value_wh, rating_wh), rating_wh, entropy=entropy)
        )


class Supplier(RoundParty):
    """Bids, takes its award, and shows what it delivered."""

    async def bid(self, interval: int, quantities: Sequence[int]) -> str | None:
        """Seal what it would deliver more from each tick on, the dearest cut to what is left of its capacity."""
        sight = await self.see(interval)
        round_ = sight.round_
        if round_ is None or sight.own is None or round_.phase != BIDDING or self.member in round_.bidders:
            return None
        made = [words.capacity_of(self._chain_id, self._owner, one) for one in sight.capacities]
        held, left, cut = total(made), sum(one.value for one in made), list[int]()
        for quantity in quantities:
            cut.append(min(quantity, left))
            left -= cut[-1]
        entropy = self._entropy()
        return await self._say(words.bid(self._chain_id, self._owner, round_, held, cut, entropy=entropy))

    async def award(self, interval: int) -> str | None:
        """Take what its bid gives it at the price."""
        sight = await self.see(interval)
        round_, offer, held = sight.round_, sight.offer, sight.supplier
        if round_ is None or offer is None or held is None or round_.phase != AWARDING or held.state != BID:
            return None
        ticks, entropy = words.bid_of(self._chain_id, self._owner, round_, offer), self._entropy()
        return await self._say(words.award(self._chain_id, self._owner, round_, ticks, entropy=entropy))

    async def awarded_wh(self, interval: int) -> int:
        """What it has to deliver; 0 before it has an award."""
        sight = await self.see(interval)
        if sight.round_ is None or sight.supplier is None or not sight.supplier.award:
            return 0
        return words.award_of(self._chain_id, self._owner, sight.round_, sight.supplier).value

    async def deliver(self, interval: int) -> str | None:
        """Show that its meters saw what it owes, but for what is missing."""
        body = await delivery(self._ledger, self._owner, interval, self._height, self._entropy())
        return None if body is None else await self._say(body)


async def delivery(
    ledger: ProvenLedger, owner: Owner, interval: int, least_height: int, entropy: bytes
) -> ProveDelivery | None:
    """What a supplier shows of its delivery; None where nothing can be shown now."""
    sight = await look(ledger, interval, owner.member, least_height)
    round_, held, own = sight.round_, sight.supplier, sight.own
    if round_ is None or held is None or own is None or held.state not in (AWARDED, OPENED) or not sight.grown:
        return None
    if round_.phase not in (DELIVERING, SUSPENDED):
        return None
    owed = words.award_of(ledger.chain_id, owner, round_, held)
    grown = total([await _grown(ledger, owner, one) for one in sight.grown])
    others_wh = 0
    if round_.outcome != "failed" and sight.order is not None:
        others_wh = sum(one.energy_wh for one in sight.order.meters if one.meter in own.meters)
    return words.delivery(ledger.chain_id, owner, round_, owed, grown, others_wh, entropy=entropy)


async def _grown(ledger: ProvenLedger, owner: Owner, grown: Grown) -> Opening:
    """The opening of what a register grew by, from the notes of the readings that it lies between."""
    after = await registers.of_reading(ledger, owner, grown.meter, grown.sequence)
    if grown.since_sequence:
        before = await registers.of_reading(ledger, owner, grown.meter, grown.since_sequence)
    else:
        before = await registers.of_admission(ledger, grown.meter)
    return words.checked(after.export.minus(before.export), grown.point, f"what {grown.meter} delivered")


class Buyer(Party):
    """Opens rounds for the campus."""

    async def open(self, interval: int, ticks: Sequence[int], demand_wh: int | None, deadline_ms: int) -> str:
        """Open the round of an interval."""
        return await self._say(OpenSealed(interval, tuple(ticks), demand_wh, deadline_ms))
