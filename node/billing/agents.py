"""Agents of private billing: each says for its member what a billing cycle waits for, and nothing that is not proven.

What nodes show of meters and cycles comes with proofs (`node.agents.proven`), and no opening counts that does not open
the very point in state. So a node that lies makes an agent wait. An agent keeps nothing: openings are read from the
notes on the ledger with its member's key, whenever they are needed.

Every method says what can be said now and answers with the ledger's code, or None where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.confidential.bodies import Deposit
from contracts.confidential.keys import note_key
from contracts.governance.rules import rules
from contracts.members import Meter
from contracts.params import PactParams
from contracts.private import bills, cycles, uses
from contracts.private.bodies import PayBill
from contracts.private.meters import campus_site, head_of
from contracts.private.records import (
    ANSWERING,
    OPENING,
    PROVING,
    SPLITTING,
    HiddenMeter,
    HiddenRegister,
    HiddenUse,
    PrivateCycle,
    Share,
)
from contracts.schema import HEADS, HIDDEN_USES, METERS, PRIVATE_CYCLES
from contracts.state import State
from node.agents.proven import Proven
from node.billing import registers, words
from node.errors import NodeError
from node.wallet import account
from node.wallet.openings import Openings
from node.wallet.party import Party
from zk import notes
from zk.pedersen import commit
from zk.statements.openings import Opening, total


class Metered(NamedTuple):
    """What is proven of a private meter."""

    params: PactParams
    meter: Meter
    campus_key: bytes | None
    settled: HiddenRegister | None
    opened_wh: int
    """Of the register that it is billed by, when it was admitted."""
    found: uses.Difference | None
    """Of the cycle that was asked for."""


class Sight(NamedTuple):
    """What is proven of a whole cycle."""

    record: PrivateCycle | None
    meters: tuple[HiddenMeter, ...]
    uses: Mapping[str, HiddenUse]
    """Those that stand."""
    standing_wh: int
    """Estimates that stand, of earlier cycles."""
    held_wh: int


class Member(Party):
    """What every agent of private billing can do."""

    async def register_key(self) -> str:
        """Put the member's note key on the ledger."""
        return await self._say(account.registration(self._chain_id, self._owner, self._entropy()))

    async def hide(self, amount_nano: int) -> str:
        """Hide so much public money, to pay bills with."""
        return await self._say(Deposit(amount_nano))

    async def cycle(self, meter: str, cycle: int) -> tuple[PrivateCycle | None, HiddenUse | None]:
        """The cycle that a meter is billed by, and what it used in it, if that stands."""

        def read(proven: Proven) -> tuple[PrivateCycle | None, HiddenUse | None]:
            state = State(proven)
            found = state.load(METERS, METERS.key(meter))
            assert found is not None and found.private is not None, "only of private meters"
            whole = state.load(PRIVATE_CYCLES, PRIVATE_CYCLES.key(cycle, found.private.campus))
            return whole, state.load(HIDDEN_USES, HIDDEN_USES.key(cycle, meter))

        return await self._ledger.ask(read, "use", cycle, meter, least_height=self._height)

    async def see(self, campus: str, cycle: int) -> Sight:
        """A whole billing cycle of a campus, proven."""

        def read(proven: Proven) -> Sight:
            state = State(proven)
            site, book = campus_site(state, campus), cycles.book_of(state, campus)
            found = {one.meter: cycles.use_of(state, cycle, one.meter) for one in site.meters}
            standing = {meter: use for meter, use in found.items() if use is not None}
            record = state.load(PRIVATE_CYCLES, PRIVATE_CYCLES.key(cycle, campus))
            return Sight(record, site.meters, standing, book.standing_wh, book.held_wh)

        return await self._ledger.ask(read, "cycle", cycle, campus, least_height=self._height)

    async def metered(self, meter: str, cycle: int) -> Metered:
        """A private meter, and what its readings say of a cycle, proven."""

        def read(proven: Proven) -> Metered:
            state = State(proven)
            found, head = state.load(METERS, METERS.key(meter)), state.load(HEADS, HEADS.key(meter))
            assert found is not None and found.private is not None and head is not None, "only of private meters"
            hidden, now = head_of(state, meter), rules(state)
            return Metered(
                now.params,
                found,
                note_key(state, found.private.campus),
                hidden.settled,
                head.export_wh if found.kind == "source" else head.import_wh,
                uses.difference(now.params, found, head, hidden, cycle),
            )

        return await self._ledger.ask(read, "private-meter", meter, least_height=self._height)

    async def pay(self, meter: str, cycle: int, bill: Opening, tariff_nano_per_wh: int, to: str) -> str:
        """Pay a bill out of the hidden balance, all of it. Raises NodeError `wallet.*`."""
        if not bill.value:
            proof = words.nothing_owed(self._chain_id, meter, cycle, bill, entropy=self._entropy())
            return await self._say(PayBill(meter, cycle, None, proof))
        seen = await account.look(self._ledger, self.member, self._height)
        balance = account.find(seen, self._owner, Openings()).balance
        if balance is None:
            raise NodeError(
                "wallet.opening-lost",
                f"The hidden balance of {self.member} does not open.",
                "Hide money first, or see `gridpact wallet recover`.",
            )
        to_key = await account.key_of(self._ledger, to)
        sent = bill.times(tariff_nano_per_wh)
        word = account.spend(seen, self._owner, balance, to, to_key, sent.value, self._entropy(), sent)
        return await self._say(PayBill(meter, cycle, word.body, b""))


class OwnerAgent(Member):
    """For the owner of private meters: proves what they used, pays for loads, answers for sources."""

    async def opening(self, meter: str, cycle: int) -> Opening | None:
        """What a meter's own readings say that it used; None: no reading says."""
        known = await self.metered(meter, cycle)
        return None if known.found is None else await self._difference(known, known.found)

    async def prove(self, meter: str, cycle: int) -> str | None:
        """Prove a meter's use of a cycle that waits for it."""
        record, use = await self.cycle(meter, cycle)
        if record is None or record.phase != PROVING or use is not None:
            return None
        known = await self.metered(meter, cycle)
        if known.found is None or known.campus_key is None or known.meter.private is None:
            return None
        within = uses.bounds(known.params, known.meter, known.found, False)
        assert within is not None, "a rating bounds everything"
        body = words.prove_use(
            self._chain_id,
            meter,
            self.member,
            words.Recipient(known.meter.private.campus, known.campus_key),
            known.found,
            await self._difference(known, known.found),
            within,
            uses.bounds(known.params, known.meter, known.found, True),
            cycle=cycle,
            entropy=self._entropy(),
        )
        return await self._say(body)

    async def answer(self, meter: str, cycle: int) -> str | None:
        """Answer to a source's share, or complain of the note about it."""
        record, use = await self.cycle(meter, cycle)
        share = None if record is None else next((one for one in record.shares if one.meter == meter), None)
        if record is None or share is None or record.phase != ANSWERING or share.outcome:
            return None
        bill = self.share(record, share)
        if bill is None:
            secret, entropy = self._owner.note_secret, self._entropy()
            return await self._say(
                words.blame_share(secret, self._chain_id, record.campus, cycle, share, entropy=entropy)
            )
        known = await self.metered(meter, cycle)
        if use is None or use.wrong or known.meter.private is None:
            return None
        delivery = await self.delivered(use, known)
        terms, entropy = known.meter.private, self._entropy()
        return await self._say(words.answer(self._chain_id, meter, cycle, terms, bill, delivery, entropy=entropy))

    def share(self, record: PrivateCycle, share: Share) -> Opening | None:
        """A source's share, by the campus's note; None where that does not open it."""
        return words.read_share(self._owner.note_secret, self._chain_id, record.campus, record.cycle, share)

    async def settle(self, meter: str, cycle: int) -> str | None:
        """Pay what a load is billed for."""
        record, use = await self.cycle(meter, cycle)
        if record is None or use is None or use.wrong or use.paid or record.phase not in bills.BILLED:
            return None
        known = await self.metered(meter, cycle)
        if known.meter.kind == "source" or known.meter.private is None:
            return None
        terms = known.meter.private
        return await self.pay(meter, cycle, await self.delivered(use, known), terms.tariff_nano_per_wh, terms.campus)

    async def delivered(self, use: HiddenUse, known: Metered) -> Opening:
        """The opening of a use that stands, from the readings that it lies between. Raises NodeError
        `wallet.opening-lost`."""
        # What it was settled from is the register before it, which the meter's reading of then has.
        after, before = await self._register(known.meter, use.register), Opening(known.opened_wh, bytes(32))
        if use.since_sequence:
            before = await self._reading(known.meter, use.since_sequence)
        opening = after.minus(before)
        if commit(*opening).to_bytes() != use.point:
            raise _lost(use.meter)
        return opening

    async def _difference(self, known: Metered, found: uses.Difference) -> Opening:
        after = await self._register(known.meter, found.register)
        if known.settled is None:
            return after.shifted(-known.opened_wh)
        return after.minus(await self._register(known.meter, known.settled))

    async def _register(self, meter: Meter, register: HiddenRegister) -> Opening:
        """The opening of a register in state, from the note of the reading that it is of."""
        opening = await self._reading(meter, register.sequence)
        if commit(*opening).to_bytes() != register.point:
            raise _lost(meter.id)
        return opening

    async def _reading(self, meter: Meter, sequence: int) -> Opening:
        """Of the register that a meter is billed by, from its note to this owner."""
        found = await registers.of_reading(self._ledger, self._owner, meter.id, sequence)
        return found.export if meter.kind == "source" else found.import_


class CampusAgent(Member):
    """For the campus: complains of notes that do not open, splits the total, pays the sources."""

    async def work(self, cycle: int) -> str | None:
        """Complain of one note that does not open, or split the cycle once nothing is left to complain of."""
        sight = await self.see(self.member, cycle)
        record = sight.record
        if record is None or record.phase not in (OPENING, SPLITTING):
            return None
        told = {meter: self.told(use) for meter, use in sight.uses.items()}
        for meter, opening in told.items():
            if opening is None and record.phase == OPENING:
                secret, entropy = self._owner.note_secret, self._entropy()
                return await self._say(
                    words.blame_use(secret, self._chain_id, self.member, sight.uses[meter], entropy=entropy)
                )
        waits = record.proven < len([one for one in sight.meters if not one.stopped])
        if record.phase == OPENING and (waits or sight.standing_wh or sight.held_wh):
            # What estimates come to shows with the total.
            return None
        openings = {meter: opening for meter, opening in told.items() if opening is not None}
        return await self._split(sight, record, openings)

    async def _split(self, sight: Sight, record: PrivateCycle, told: Mapping[str, Opening]) -> str | None:
        sources = [one for one in sight.meters if one.source and not one.stopped]
        whole, deliveries = _whole(sight, record, told), _deliveries(sight, told)
        weights = [deliveries[one.meter].value if one.meter in deliveries else 0 for one in sources]
        # What estimates put in beyond deliveries is held back, and what was held back before is given out with them.
        most_wh = sight.standing_wh - sight.held_wh
        held_wh = max(-sight.held_wh, min(most_wh, whole.value - sum(weights)))
        if not sources or whole.value < held_wh:
            return None
        parts = divide(whole.value - held_wh, weights)
        amounts = []
        for one, part_wh in zip(sources, parts, strict=True):
            key = await account.key_of(self._ledger, one.member)
            amounts.append((one.meter, words.Recipient(one.member, key), part_wh))
        made = words.split(
            self._chain_id,
            words.Recipient(self.member, notes.public(self._owner.note_secret)),
            record.cycle,
            whole,
            amounts,
            held_wh=held_wh,
            deliveries=deliveries,
            entropy=self._entropy(),
        )
        return await self._say(made.body)

    async def settle(self, cycle: int) -> str | None:
        """Pay one source that is not paid."""
        sight = await self.see(self.member, cycle)
        if sight.record is None:
            return None
        for share in sight.record.shares:
            if share.paid or share.point is None:
                continue
            known = await self.metered(share.meter, cycle)
            bill = self.bill(sight, sight.record, share)
            if bill is None or known.meter.private is None:
                continue
            return await self.pay(share.meter, cycle, bill, known.meter.private.tariff_nano_per_wh, share.member)
        return None

    def bill(self, sight: Sight, record: PrivateCycle, share: Share) -> Opening | None:
        """The opening of what a source is paid for: what it told the campus, or what the campus split."""
        use = sight.uses.get(share.meter)
        delivery = None if use is None else self.told(use)
        if share.point == share.delivery and delivery is not None:
            return delivery
        return self.splits(sight, record).get(share.meter)

    def splits(self, sight: Sight, record: PrivateCycle) -> Mapping[str, Opening]:
        """The openings of all shares by meter, by the campus's note to itself; none where that does not open them."""
        opened = {meter: self.told(use) for meter, use in sight.uses.items()}
        told = {meter: opening for meter, opening in opened.items() if opening is not None}
        whole, secret = _whole(sight, record, told), self._owner.note_secret
        return words.read_split(secret, self._chain_id, record, whole, _deliveries(sight, told)) or {}

    def told(self, use: HiddenUse) -> Opening | None:
        """What a use comes to, by its owner's note; None where that does not open it."""
        return words.read_use(self._owner.note_secret, self._chain_id, self.member, use)


def _whole(sight: Sight, record: PrivateCycle, told: Mapping[str, Opening]) -> Opening:
    """The opening of a cycle's total."""
    loads = [told[one.meter] for one in sight.meters if not one.source and one.meter in told]
    return total(loads).shifted(sum(one.energy_wh for one in record.estimates) - record.returned_wh)


def _deliveries(sight: Sight, told: Mapping[str, Opening]) -> dict[str, Opening]:
    return {one.meter: told[one.meter] for one in sight.meters if one.source and one.meter in told}


def divide(whole_wh: int, weights: Sequence[int]) -> list[int]:
    """Split by weights, equally where all are zero; what is left over to the first ones, 1 Wh each."""
    used = list(weights) if any(weights) else [1] * len(weights)
    parts = [whole_wh * weight // sum(used) for weight in used]
    for at in range(whole_wh - sum(parts)):
        parts[at] += 1
    return parts


def _lost(meter: str) -> NodeError:
    return NodeError(
        "wallet.opening-lost",
        f"No reading of {meter} that a node shows opens what is on the ledger.",
        "Ask other nodes; the note of the reading is sealed to the key that its owner had then.",
    )
