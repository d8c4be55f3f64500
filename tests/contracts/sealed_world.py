"""A site whose suppliers bid sealed: what each member knows, and the words that it makes of it.

The ceremony is real and made once; of everything else the proofs are made only where a world is `honest`, and in the
others stand for themselves: `BAD` is a proof that does not hold, and any other holds. Points and ciphertexts are always
real, so that what is opened is what was sealed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self, TypeVar

from ceremony_world import Sealers
from hidden_world import entropy_of, note_secret
from hidden_world import register as note_key
from ledger_world import FIRST, OPENING_NANO, Chain, Site, change, key_of, make_genesis

from contracts import api
from contracts.ceremony import keys, openings
from contracts.ceremony.bodies import GiveShare
from contracts.ceremony.records import OpeningRecord, ThresholdKey
from contracts.confidential import book
from contracts.envelope import AccountEnvelope, Envelope
from contracts.genesis import Genesis, OpeningTrust
from contracts.members import Private
from contracts.params import PactParams, SealedParams
from contracts.receipts import Receipt
from contracts.schema import BALANCES, CREDITS, SEALED_ROUNDS, SEALED_SUPPLIERS
from contracts.sealed import agenda, capacities, money
from contracts.sealed.bodies import (
    ClaimSum,
    OpenSealed,
    ProveDelivery,
    ReferenceBlock,
    RegisterCapacity,
    SealAward,
    SealBid,
    SealDemand,
)
from contracts.sealed.records import SealedRound, SealedSupplier
from contracts.state import State
from node.billing import readings
from zk import elgamal, notes
from zk.group import native
from zk.pedersen import commit
from zk.sizes import EQUAL_BYTES
from zk.statements import award as awarding
from zk.statements import bid as bidding
from zk.statements import delivery as delivering
from zk.statements import demand as demanding
from zk.statements import ranges
from zk.statements.assertion import Where
from zk.statements.openings import Opening, blindings, opened

E = TypeVar("E")
NEXT = FIRST + 2
"""The interval that rounds are about, unless one says otherwise."""
SUPPLIERS = {"bio": "m-bio", "geo": "m-geo", "solar": "m-solar", "wind": "m-wind"}
FACTORS = {"bio": 300, "geo": 40, "solar": 0, "wind": 10}
TENANTS = {"t1": "m-t1", "t2": "m-t2", "t3": "m-t3"}
SEATS = ("bio", "campus", "geo", "solar")
RATING_W = 400_000
NAMEPLATE_WH = 100_000
TENANT_WH = 10_000
CAPACITY_WH = 40_000
WAGER = 10
TICKS = (100, 200, 300, 400)
DEADLINE_MS = FIRST * 900_000 + 60_000
IMPORT, PENALTY_PPM = 300_000, 100_000
REFERENCE = (ReferenceBlock(90_000, 20_000),)
PARAMS = PactParams(sealed=SealedParams(on=True, window_blocks=2, wager_nano_per_wh=WAGER))
BAD = b"bad"
DUMMY = bytes(EQUAL_BYTES)


def document(params: PactParams = PARAMS, open_meter: bool = False) -> Genesis:
    """A campus with four private sources and three private tenants; four organisations have power. One supplier may
    have an open source besides."""
    roles: dict[str, tuple[str, ...]] = {"campus": ("campus",), "utility": ("utility",)}
    roles |= dict.fromkeys(SUPPLIERS, ("supplier",)) | dict.fromkeys(TENANTS, ("consumer",))
    sites = {"m-campus": Site("campus", "load", RATING_W), "m-tie": Site("utility", "tie", 2_000_000)}
    sites |= {meter: Site(member, "source", RATING_W, FACTORS[member]) for member, meter in SUPPLIERS.items()}
    sites |= {meter: Site(member, "load", 4 * TENANT_WH) for member, meter in TENANTS.items()}
    if open_meter:
        sites["m-open"] = Site("bio", "source", RATING_W)
    trusts = tuple(OpeningTrust(name, 1_000, 10_000 if name in SEATS else 0) for name in sorted(roles))
    made = make_genesis(params, sites, roles, scopes=("all",), trusts=trusts)
    hidden = {*SUPPLIERS.values(), *TENANTS.values()}
    meters = tuple(change(one, private=Private("campus")) if one.id in hidden else one for one in made.meters)
    return change(made, meters=meters)


class World(Sealers):
    """The chain, and everything that everybody knows."""

    honest = False
    last: list[Receipt]

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.capacities: dict[str, Opening] = {}
        self.bids: dict[tuple[str, int], list[Opening]] = {}
        self.awards: dict[tuple[str, int], Opening] = {}
        self.registers: dict[tuple[str, int], Opening] = {}
        self.shares: dict[str, bytes] = {}
        super().__init__(genesis or document())
        self.names = SEATS

    def copy(self) -> Self:
        """The same again, with everything that everybody knows."""
        other = super().copy()
        other.capacities, other.shares = dict(self.capacities), dict(self.shares)
        other.bids, other.awards, other.registers = dict(self.bids), dict(self.awards), dict(self.registers)
        return other

    def context(self) -> api.BlockContext:
        found = Chain.context(self)
        return found if self.honest else found._replace(proves=lambda one: one.proof != BAD)

    def block(self, *envelopes: Envelope) -> list[Receipt]:
        """... in which no public money comes or goes."""
        receipts = super().block(*envelopes)
        self.last = receipts
        assert self.money() == OPENING_NANO * len(self.genesis.members)
        return receipts

    # State

    def money(self) -> int:
        """Balances, what sealed rounds hold, and what is inside confidential accounts."""
        state = State(self.store)
        held, inside = money.pool(state), book.total(state)
        balances = sum(one.balance_nano for one in state.group(BALANCES))
        return balances + held.locked_nano + held.kept_nano + inside.net_nano + inside.debited_nano

    def inside(self) -> int:
        """What buyers have paid for hidden credits, less what went back to them."""
        return book.total(State(self.store)).debited_nano

    def kept(self) -> int:
        """Lost wagers."""
        return money.pool(State(self.store)).kept_nano

    def credited(self, member: str, interval: int = NEXT) -> bytes | None:
        """The point that a round has credited."""
        held = State(self.store).load(CREDITS, CREDITS.key(member, "award", interval))
        return None if held is None else held.commitment

    def events(self, type_: type[E]) -> list[E]:
        """Of this type, of the clock and of the transactions of the last block."""
        assert self.clock is not None
        every = [*self.clock.events, *(event for one in self.last for event in one.events)]
        return [event for event in every if isinstance(event, type_)]

    def round(self, interval: int = NEXT) -> SealedRound:
        return SEALED_ROUNDS.decode(self.store[SEALED_ROUNDS.key(interval)])

    def supplier(self, member: str, interval: int = NEXT) -> SealedSupplier:
        return SEALED_SUPPLIERS.decode(self.store[SEALED_SUPPLIERS.key(interval, member)])

    def balance_of(self, member: str) -> int:
        held = State(self.store).entry(BALANCES, member)
        assert held is not None
        return held.balance_nano

    def spent(self, member: str) -> int:
        """What a member has less than at the start."""
        return OPENING_NANO - self.balance_of(member)

    def locked(self) -> int:
        return money.pool(State(self.store)).locked_nano

    def where(self, member: str, interval: int = NEXT) -> Where:
        return Where(self.chain_id, member, interval, 0, self.round(interval).key_id)

    # Words

    def capacity(self, member: str, value_wh: int = CAPACITY_WH, **fields: Any) -> AccountEnvelope:
        meter = SUPPLIERS[member]
        where = Where(self.chain_id, meter)
        (opening,) = opened("capacity", where, [value_wh], entropy_of("capacity", member, value_wh))
        self.capacities[member] = opening
        point, proof = commit(*opening).to_bytes(), b""
        if self.honest:
            proof = ranges.prove(
                "capacity", where, [opening], [(0, NAMEPLATE_WH)], entropy=entropy_of("c", member)
            ).proof
        signature = key_of(meter).sign(capacities.signed_bytes(self.chain_id, meter, point))
        body = RegisterCapacity(meter, point, proof, signature, REFERENCE)
        return self.say(member, change(body, **fields))

    def opening_of(self, demand_wh: int | None = 30_000, interval: int = NEXT, **fields: Any) -> AccountEnvelope:
        body = OpenSealed(interval, TICKS, demand_wh, max(self.now_ms + 1, DEADLINE_MS))
        return self.say("campus", change(body, **fields))

    def demand(self, tenant: str, value_wh: int, interval: int = NEXT, **fields: Any) -> AccountEnvelope:
        where, key = self.where(tenant, interval), self.round(interval).key
        entropy = entropy_of("demand", tenant, interval)
        if self.honest:
            posted, _ = demanding.prove(where, key, value_wh, TENANT_WH, entropy=entropy)
            e, r, proof = posted
        else:
            (opening,) = opened("demand", where, [value_wh], entropy)
            sealed = elgamal.encrypt(value_wh, opening.blinding, native.decode_point(key))
            e, r, proof = sealed.E.to_bytes(), sealed.R.to_bytes(), b""
        return self.say(tenant, change(SealDemand(interval, e, r, proof), **fields))

    def bid_body(self, member: str, quantities: Sequence[int], interval: int = NEXT) -> SealBid:
        where, key = self.where(member, interval), self.round(interval).key
        entropy = entropy_of("bid", member, interval)
        if self.honest:
            posted, made = bidding.prove(where, key, self.capacities[member], quantities, entropy=entropy)
            self.bids[member, interval] = made[:-1]
            return SealBid(interval, posted.e, posted.r, posted.slack, posted.proof)
        made = opened("bid", where, [*quantities, 1], entropy)
        self.bids[member, interval] = made[:-1]
        sealed = [elgamal.encrypt(*one, native.decode_point(key)) for one in made[:-1]]
        e, r = tuple(one.E.to_bytes() for one in sealed), tuple(one.R.to_bytes() for one in sealed)
        return SealBid(interval, e, r, commit(*made[-1], base=key).to_bytes(), b"")

    def bid(self, member: str, quantities: Sequence[int], interval: int = NEXT, **fields: Any) -> AccountEnvelope:
        return self.say(member, change(self.bid_body(member, quantities, interval), **fields))

    def award_body(self, member: str, interval: int = NEXT, more_wh: int = 0) -> SealAward:
        """What a supplier's bid gives it, or more where it lies."""
        found = self.round(interval).clearing
        assert found is not None
        key, where = self.round(interval).key, self.where(member, interval)
        weighted = awarding.weigh(self.bids[member, interval][: found.tick], found.part, found.whole)
        entropy = entropy_of("award", member, interval)
        if self.honest:
            posted, opening = awarding.prove(where, key, weighted, found.whole, entropy=entropy)
            self.awards[member, interval] = opening
            return SealAward(interval, *posted)
        quantity = weighted.value // found.whole + more_wh
        s, g, y = blindings("award", where, (quantity, weighted.value % found.whole), entropy, 3)
        self.awards[member, interval] = Opening(quantity, s)
        sealed = elgamal.encrypt(quantity, y, native.decode_point(key))
        rest = commit(weighted.value % found.whole, g).to_bytes() if found.whole > 1 else b""
        e, r = sealed.E.to_bytes(), sealed.R.to_bytes()
        return SealAward(interval, commit(quantity, s).to_bytes(), rest, e, r, b"")

    def award(self, member: str, interval: int = NEXT, more_wh: int = 0, **fields: Any) -> AccountEnvelope:
        return self.say(member, change(self.award_body(member, interval, more_wh), **fields))

    def delivery(self, member: str, shortfall_wh: int = 0, interval: int = NEXT, **fields: Any) -> AccountEnvelope:
        proof = b""
        if self.honest:
            held, meter = self.supplier(member, interval), SUPPLIERS[member]
            public = None if held.award_wh is None else Opening(held.award_wh, bytes(32))
            proof = delivering.prove(
                self.where(member, interval),
                public or self.awards[member, interval],
                self.grown(meter, interval),
                shortfall_wh=shortfall_wh,
                others_wh=0,
                entropy=entropy_of("delivery", member, interval),
            )
        return self.say(member, change(ProveDelivery(interval, shortfall_wh, proof), **fields))

    def grown(self, meter: str, interval: int) -> Opening:
        """Opening of what a meter's register grew by since the interval before it that it spoke about."""
        earlier = [one for name, one in self.registers if name == meter and one < interval]
        start = self.registers[meter, max(earlier)] if earlier else Opening(0, bytes(32))
        return self.registers[meter, interval].minus(start)

    def hidden_reading(self, member: str, register_wh: int, interval: int = NEXT) -> Envelope:
        meter = (SUPPLIERS | TENANTS)[member]
        head, source = self.head(meter), member in SUPPLIERS
        owner = readings.Owner(member, notes.public(note_secret(member)))
        body = readings.seal(
            self.chain_id,
            meter,
            owner,
            sequence=head.sequence + 1,
            interval=interval,
            import_wh=0 if source else register_wh,
            export_wh=register_wh if source else 0,
            previous_hash=head.reading_hash,
            entropy=entropy_of("reading", meter, head.sequence),
        )
        read = readings.read(note_secret(member), self.chain_id, meter, member, body)
        assert read is not None
        self.registers[meter, interval] = read.export if source else read.import_
        return self.meter_says(meter, body)

    # Seats, and whoever looks for sums

    def key_of(self, record: OpeningRecord) -> ThresholdKey:
        found = keys.key(State(self.store), record.key_id)
        assert found is not None
        return found

    def share_of(self, seat: str, number: int) -> AccountEnvelope:
        record = self.opening(number)
        if seat not in self.shares:
            self.shares[seat] = self.held_share(seat, self.made())
        if self.honest:
            return self.sharing(seat, record)
        point = elgamal.share(self.shares[seat], native.decode_point(record.R)).to_bytes()
        return self.say(seat, GiveShare(number, point, DUMMY))

    def answer(self, silent: Sequence[str] = ()) -> None:
        """Seats give their shares of everything that waits, in one block: as many as it takes."""
        said: list[AccountEnvelope] = []
        spoken = dict.fromkeys(SEATS, 0)
        for record in openings.waiting(State(self.store)):
            given = {one.index for one in record.shares}
            held = {one.member: one.index for one in self.key_of(record).seats}
            seats = [name for name in SEATS if name not in silent and held[name] not in given]
            for seat in seats[: 3 - len(given)]:
                envelope = self.share_of(seat, record.number)
                said.append(change(envelope, nonce=envelope.nonce + spoken[seat]))
                spoken[seat] += 1
        assert all(receipt.code in ("ok", "share.opening") for receipt in self.block(*said)), "or it is too late"

    def claim_all(self, interval: int = NEXT) -> None:
        """Somebody finds what is open."""
        for asked in self.round(interval).asked:
            if asked.value_wh is None and not asked.late:
                point = openings.opened(State(self.store), asked.opening)
                if point is not None and point != "late":
                    value = elgamal.recover(point, 2**20)
                    assert value is not None
                    said = self.say("utility", ClaimSum(interval, asked.opening, value))
                    assert self.run(said) == "ok"

    def until(self, *phases: str, most: int = 60, interval: int | None = None) -> str:
        """Blocks until the ceremony, or the round of an interval, is in one of these phases."""
        if interval is None:
            return super().until(*phases, most=most)
        for _ in range(most):
            if self.round(interval).phase in phases:
                return self.round(interval).phase
            self.block()
        raise AssertionError(f"still in {self.round(interval).phase}")

    def open_sums(self, interval: int = NEXT, silent: Sequence[str] = ()) -> None:
        """Whatever the state machine asks for is opened and found, until it asks for nothing."""
        while self.round(interval).phase in ("summing", "searching", "balancing", "settling"):
            before = self.round(interval)
            self.answer(silent)
            for one in agenda.intervals(State(self.store)):
                self.claim_all(one)
            if self.round(interval) == before:
                self.block()

    # Whole phases

    def all_run(self, *envelopes: Envelope) -> None:
        for receipt in self.block(*envelopes):
            assert receipt.code == "ok", receipt.code

    def bidding(self, demand_wh: int | None = 30_000, interval: int = NEXT, **fields: Any) -> World:
        assert self.run(self.opening_of(demand_wh, interval, **fields)) == "ok"
        return self

    def freeze(self, interval: int = NEXT) -> World:
        """The deadline passes, and blocks after it."""
        self.now_ms = max(self.now_ms, self.round(interval).deadline_ms)
        for _ in range(40):
            if self.round(interval).phase != "bidding":
                break
            self.block()
        assert self.round(interval).phase != "bidding"
        return self

    def priced(
        self, offers: Mapping[str, Sequence[int]], demand_wh: int = 30_000, interval: int = NEXT, **fields: Any
    ) -> World:
        """A round with these bids, and its price."""
        self.bidding(demand_wh, interval, **fields)
        self.all_run(*(self.bid(member, quantities, interval) for member, quantities in offers.items()))
        if self.round(interval).phase == "bidding":
            self.freeze(interval)
        self.open_sums(interval)
        return self

    def balance(self, *members: str, interval: int = NEXT) -> World:
        """These post their awards; whatever follows of that is opened."""
        if members:
            self.all_run(*(self.award(member, interval) for member in members))
        self.until("balancing", "running", "delivering", "done", interval=interval)
        self.open_sums(interval)
        return self

    def pass_interval(self, delivered_wh: Mapping[str, int], interval: int = NEXT) -> World:
        """Sources deliver so much; the interval passes and closes."""
        self.at(interval + 1, 1)
        said = []
        for member, energy_wh in delivered_wh.items():
            meter = SUPPLIERS[member]
            before = [self.registers[key].value for key in self.registers if key[0] == meter]
            said.append(self.hidden_reading(member, max(before, default=0) + energy_wh, interval))
        self.all_run(*said)
        self.at(interval + 1, self.genesis.params.close_grace_ms + 1)
        self.until("delivering", "suspended", "done", interval=interval)
        return self


@cache
def _made(honest: bool, genesis: Genesis) -> World:
    """The chain with its key, note keys and capacities, made once."""
    made = World(genesis)
    made.honest = honest
    made.with_key()
    members = ("campus", *SUPPLIERS, *TENANTS)
    made.all_run(*(made.say(member, note_key(made, member)) for member in members))
    made.all_run(*(made.capacity(member) for member in SUPPLIERS))
    made.shares = {seat: made.held_share(seat, made.made()) for seat in SEATS}
    return made


def world(genesis: Genesis | None = None, honest: bool = False) -> World:
    """A fresh copy of the site, ready for its first round."""
    return _made(honest, genesis or document()).copy()
