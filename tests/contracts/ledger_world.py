"""A small pact to attack: genesis with known keys, and a chain that executes one block per call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Literal, NamedTuple, Self, TypeVar

import msgspec

from contracts import api
from contracts.bodies import AccountBody, MeterBody, Need, Offer, OfferBlock, PlainReading, SetMode, Tariff, Transfer
from contracts.confidential import book
from contracts.envelope import AccountEnvelope, Domains, Envelope, MeterEnvelope
from contracts.genesis import Balance, ConsensusParams, Genesis, OpeningTrust
from contracts.governance.rules import rules
from contracts.members import Account, AccountKey, Asset, Member, Meter, MeterHead, PowerLine, Registers, Trust
from contracts.metering import reading_hash
from contracts.metering_records import Correction, Metered
from contracts.params import PactParams
from contracts.receipts import AnyEvent, Receipt
from contracts.records import Bill, IntervalRecord, Order
from contracts.schema import (
    ACCOUNTS,
    BALANCES,
    BILLS,
    CORRECTIONS,
    HEADS,
    INTERVALS,
    METERED,
    ORDERS,
    REGISTERS,
    TRUSTS,
)
from contracts.state import State
from contracts.trust import all_tokens, pool_tokens
from tests.support.pact import node_keys
from zk.ed25519 import SigningKey
from zk.hashing import sha256

T = TypeVar("T")
INTERVAL_MS = 900_000
FIRST = 2_000_000
"""Interval in which the chain starts."""
START_MS = FIRST * INTERVAL_MS
NO_SIGNATURE = bytes(64)


def key_of(name: str) -> SigningKey:
    """The one key of a member, node or meter of this world."""
    return SigningKey(sha256(name.encode()))


class Site(NamedTuple):
    """Meter of a member."""

    member: str
    kind: str
    rating_w: int
    factor: int | None = None
    capacity_wh: int | None = None
    asset: Asset | None = None


METERS = {
    "m-bio": Site("bio", "source", 400_000, 30_000),
    "m-campus": Site("campus", "load", 400_000),
    "m-solar": Site("solar", "source", 400_000, 0),
    "m-storage": Site("storage", "storage", 100_000, 10_000),
    "m-tenant": Site("tenant", "load", 60_000),
    "m-tie": Site("utility", "tie", 2_000_000),
}
ROLES = {
    "bio": ("supplier",),
    "campus": ("campus",),
    "solar": ("supplier",),
    "storage": ("storage",),
    "tenant": ("consumer",),
    "utility": ("utility",),
}
OPENING_NANO = 10**15
OPENING_TOKENS = 1_000


def make_genesis(
    params: PactParams | None = None,
    meters: dict[str, Site] | None = None,
    roles: dict[str, tuple[str, ...]] | None = None,
    scopes: tuple[str, ...] = ("all", "market", "money"),
    balances: dict[str, int] | None = None,
    lines: tuple[PowerLine, ...] = (),
    consensus: ConsensusParams | None = None,
    trusts: tuple[OpeningTrust, ...] | None = None,
) -> Genesis:
    """Members in id order; each has one key per scope, named `member` (scope `all`) or `member/scope`."""
    roles = ROLES if roles is None else roles
    meters = METERS if meters is None else meters
    names = sorted(roles)
    members = tuple(
        Member(
            id=name,
            name=name.title(),
            roles=roles[name],
            site="site",
            keys=tuple(AccountKey(key_of(key_name(name, scope)).public_key, scope) for scope in scopes),
            nodes=(node_keys(f"node-{name}", key_of(f"node-{name}").public_key, b"", ""),),
            encryption_key=b"",
        )
        for name in names
    )
    return Genesis(
        name="test",
        rule_set=1,
        time_ms=START_MS,
        params=params or PactParams(),
        consensus=consensus or ConsensusParams(),
        members=members,
        meters=tuple(
            Meter(
                id_,
                site.member,
                key_of(id_).public_key,
                site.kind,
                "zone",
                site.rating_w,
                site.factor,
                None,
                site.capacity_wh,
                site.asset,
            )
            for id_, site in sorted(meters.items())
        ),
        balances=tuple(Balance(name, (balances or {}).get(name, OPENING_NANO)) for name in names),
        registers=(),
        validators=tuple(f"node-{name}" for name in names[:4]),
        devnet_clock=None,
        lines=lines,
        trusts=tuple(OpeningTrust(name, OPENING_TOKENS) for name in names) if trusts is None else trusts,
    )


def key_name(member: str, scope: str = "all") -> str:
    """Seed name of a member's key."""
    return member if scope == "all" else f"{member}/{scope}"


class Store(dict[bytes, bytes]):
    """Committed state as a plain dictionary: a `contracts.state.Reader`."""


class Chain:
    """Executes blocks over a `Store`; `now_ms` is the time of the next one."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.genesis = genesis or make_genesis()
        self.chain_id = self.genesis.chain_id()
        self.domains = Domains(self.chain_id)
        self.store = Store(api.genesis_records(self.genesis))
        self.height = 0
        self.now_ms = START_MS
        self.clock: Receipt | None = None
        self.changed: set[bytes] = set()
        """Keys that the transactions of the last block wrote."""
        self.scopes = tuple(key.scope for key in self.genesis.members[0].keys)

    def copy(self) -> Self:
        """The same chain, to go on from by oneself."""
        other = copy(self)
        other.store = type(self.store)(self.store)
        return other

    # Blocks

    def context(self) -> api.BlockContext:
        """Validators propose in turn."""
        now = rules(State(self.store))
        proposer = self.genesis.validators[self.height % len(self.genesis.validators)]
        mix = sha256(b"mix %d" % (self.height + 1))
        return api.BlockContext(self.chain_id, self.height + 1, self.now_ms, now.params, now.consensus, proposer, mix)

    def block(self, *envelopes: Envelope) -> list[Receipt]:
        """Receipts of the transactions; that of the clock is in `clock`."""
        state, context = State(self.store), self.context()
        self.clock = api.open_block(state, context)
        before = state.changes()
        receipts = [api.apply(state, envelope, context) for envelope in envelopes]
        self.changed = {key for key, value in state.changes().items() if before.get(key, value) != value}
        self.changed |= state.changes().keys() - before.keys()
        self._end(state, context)
        return receipts

    def decide(self, contract: Callable[[State, api.BlockContext], T]) -> T:
        """A block in which a contract decides something by itself."""
        state = State(self.store)
        context = self.context()
        decided = contract(state, context)
        state.commit()
        self._end(state, context)
        return decided

    def _end(self, state: State, context: api.BlockContext) -> None:
        api.close_block(state, context)
        self.keep(state)
        self.height += 1

    def keep(self, state: State) -> None:
        """Let count what is committed in a state; outside a block, as if it had always been so."""
        for key, value in state.changes().items():
            if value is None:
                self.store.pop(key, None)
            else:
                self.store[key] = value

    def run(self, envelope: Envelope) -> str:
        """Code of one transaction in a block of its own."""
        return self.block(envelope)[0].code

    def at(self, interval: int, offset_ms: int = 0) -> Chain:
        """Set the clock to `offset_ms` after the start of an interval (never back)."""
        self.now_ms = max(self.now_ms, interval * INTERVAL_MS + offset_ms)
        return self

    def quiet(self, interval: int) -> None:
        """Every meter that has not reported the interval repeats its registers: nothing flowed there."""
        heads = {meter.id: self.head(meter.id) for meter in self.genesis.meters}
        envelopes = [
            self.reading(meter, interval, head.import_wh, head.export_wh)
            for meter, head in heads.items()
            if head.interval <= interval and all(register.interval != interval for register in head.open)
        ]
        assert set(codes(self.block(*envelopes))) <= {"ok"}

    def close(self, interval: int, silent: bool = False) -> None:
        """Let the interval's close come, and block until nothing is overdue.

        Meters without a reading of it say that nothing flowed, unless they are `silent`: then they are
        estimated.
        """
        if not silent and self.now_ms < (interval + 1) * INTERVAL_MS + self.genesis.params.close_grace_ms:
            self.at(interval)
            self.quiet(interval)
        self.at(interval + 1, self.genesis.params.close_grace_ms)
        self.catch_up()

    def catch_up(self) -> list[AnyEvent]:
        """Blocks until nothing is overdue; returns what the clock did. An overdue block always does something."""
        events: list[AnyEvent] = []
        while (deadline := self.deadline_ms()) is not None and deadline <= self.now_ms:
            self.block()
            assert self.clock is not None
            assert self.clock.events, "a deadline that has come moves the clock"
            events += self.clock.events
        return events

    def deadline_ms(self) -> int | None:
        return api.earliest_deadline_ms(State(self.store), self.genesis.params)

    # Envelopes

    def say(
        self,
        sender: str,
        body: AccountBody,
        nonce: int | None = None,
        scope: str = "all",
        expiry: int = 10**9,
    ) -> AccountEnvelope:
        """Unsigned envelope of a member; signatures are checked before contracts see it."""
        if nonce is None:
            nonce = self.account(sender).lanes[self.scopes.index(scope)].next_nonce
        key = key_of(key_name(sender, scope)).public_key
        return AccountEnvelope(self.chain_id, sender, key, nonce, expiry, body, NO_SIGNATURE)

    def meter_says(self, meter: str, body: MeterBody, key: str | None = None) -> MeterEnvelope:
        return MeterEnvelope(self.chain_id, meter, key_of(key or meter).public_key, body, NO_SIGNATURE)

    def reading(
        self, meter: str, interval: int, import_wh: int, export_wh: int, after: PlainReading | None = None
    ) -> MeterEnvelope:
        """The next reading of a meter, or the one that follows `after`."""
        head = self.head(meter)
        sequence = head.sequence + 1 if after is None else after.sequence + 1
        previous = head.reading_hash if after is None else reading_hash(self.chain_id, after)
        body = PlainReading(sequence, interval, import_wh, export_wh, None, None, 0, previous)
        return self.meter_says(meter, body)

    def need(
        self,
        sender: str,
        interval: int,
        energy_wh: int,
        limit: int | None = None,
        tier: int = 1,
        count: int = 1,
    ) -> AccountEnvelope:
        return self.say(sender, Need(interval, count, energy_wh, limit, tier))

    def offer(self, sender: str, meter: str, interval: int, *blocks: tuple[int, int]) -> AccountEnvelope:
        return self.say(sender, Offer(meter, interval, tuple(OfferBlock(*block) for block in blocks)))

    def tariff(
        self,
        interval: int,
        import_: int,
        export: int,
        limit_wh: int = 1_000_000,
        count: int = 1,
        sender: str = "utility",
    ) -> AccountEnvelope:
        return self.say(sender, Tariff(interval, count, import_, export, limit_wh, limit_wh, 400_000))

    def mode(
        self, sender: str, interval: int, mode: Literal["grid", "island"], reason: str = "storm", count: int = 1
    ) -> AccountEnvelope:
        return self.say(sender, SetMode(interval, count, mode, reason))

    def pay(self, sender: str, to: str, amount: int, scope: str = "all") -> AccountEnvelope:
        return self.say(sender, Transfer(to, amount, ""), scope=scope)

    # State

    def account(self, member: str) -> Account:
        return ACCOUNTS.decode(self.store[ACCOUNTS.key(member)])

    def head(self, meter: str) -> MeterHead:
        return HEADS.decode(self.store[HEADS.key(meter)])

    def interval(self, interval: int) -> IntervalRecord:
        return INTERVALS.decode(self.store[INTERVALS.key(interval)])

    def settled(self, meter: str) -> Registers:
        found = State(self.store).entry(REGISTERS, meter)
        assert found is not None
        return found

    def metered(self, interval: int, meter: str) -> Metered | None:
        return State(self.store).entry(METERED, meter, interval)

    def order(self, interval: int, member: str) -> Order:
        found = State(self.store).entry(ORDERS, member, interval)
        assert found is not None
        return found

    def bill(self, interval: int, member: str) -> Bill | None:
        return State(self.store).entry(BILLS, member, interval)

    def balance(self, member: str) -> int:
        found = State(self.store).entry(BALANCES, member)
        assert found is not None
        return found.balance_nano

    def trust(self, member: str) -> Trust:
        """As it is stored: what has unlocked since may still stand as unlocking."""
        found = State(self.store).entry(TRUSTS, member)
        assert found is not None
        return found

    def tokens(self) -> int:
        """Sum of all tokens: constant for ever."""
        held = sum(all_tokens(self.trust(member.id)) for member in self.genesis.members)
        return held + pool_tokens(State(self.store))

    def money(self) -> int:
        """Sum of all balances and of all that is hidden: constant for ever."""
        inside = book.total(State(self.store))
        public_nano = sum(self.balance(member.id) for member in self.genesis.members)
        return public_nano + inside.net_nano + inside.debited_nano


def corrections(chain: Chain) -> list[Correction]:
    """All of them, in order of their keys."""
    return [CORRECTIONS.decode(raw) for key, raw in sorted(chain.store.items()) if key.startswith(CORRECTIONS.prefix)]


def history(chain: Chain) -> dict[bytes, bytes]:
    """Records that never change once they are written."""
    return {
        key: raw
        for key, raw in chain.store.items()
        if key.startswith((b"bill/", b"metered/", b"order/", b"estimate/", b"correction/", b"dispute/", b"verdict/"))
    }


def settle(chain: Chain, interval: int, registers: dict[str, tuple[int, int]], silent: tuple[str, ...] = ()) -> None:
    """One interval: named meters add to their registers, the silent say nothing, the rest repeats itself."""
    chain.at(interval)
    readings = []
    for meter in (meter.id for meter in chain.genesis.meters):
        if meter not in silent:
            head = chain.head(meter)
            import_wh, export_wh = registers.get(meter, (0, 0))
            readings.append(chain.reading(meter, interval, head.import_wh + import_wh, head.export_wh + export_wh))
    assert {receipt.code for receipt in chain.block(*readings)} <= {"ok"}
    chain.close(interval, silent=True)


def bill(chain: Chain, interval: int, member: str) -> Bill:
    """A bill that must be there."""
    found = chain.bill(interval, member)
    assert found is not None
    return found


S = TypeVar("S", bound=msgspec.Struct)


def change(struct: S, **fields: object) -> S:
    """The same parameters, body or record with some of its fields changed."""
    return msgspec.structs.replace(struct, **fields)


def codes(receipts: Iterable[Receipt]) -> list[str]:
    return [receipt.code for receipt in receipts]
