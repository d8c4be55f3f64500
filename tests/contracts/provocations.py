"""One way to provoke each refusal: a chain, and the envelope that it refuses with that code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from ledger_world import FIRST, OPENING_NANO, OPENING_TOKENS, ROLES, Chain, change, key_of, make_genesis
from mode_world import call, promise, would_do_without
from wager_world import AMOUNT, commit, drawn, next_phase, opened, reveal, round_of, sealed, wager, wagering

from contracts.bodies import (
    Bond,
    CommitSolution,
    CommittedReading,
    Correct,
    Quality,
    Reserve,
    RevealSolution,
    TransferTokens,
    Unbond,
    Wager,
)
from contracts.envelope import Envelope
from contracts.genesis import Genesis
from contracts.governance.bodies import RECORD_KINDS, AllowAccess, Reader, RevokeAccess
from contracts.members import MAX_GRANTS, MAX_UNLOCKING, AssetEnvelope, DaySpan, Enveloped, Terms
from contracts.metering_records import MAX_RETURNS
from contracts.mode_records import MAX_BASE_LOADS, MAX_ISLAND_ORDERS, BaseLoadEntry, BaseLoads
from contracts.params import PactParams
from contracts.schema import BASE_LOAD_LIST, ENVELOPES, HEADS, ROUNDS
from contracts.trust import slash
from contracts.units import MAX_MONEY
from contracts.wagers.records import MAX_WAGERS
from zk.codec import encode

C = TypeVar("C", bound=Chain)
NEXT = FIRST + 2
PARAMS = PactParams()
CASES: dict[str, Callable[[], tuple[Chain, Envelope]]] = {}
"""By code."""


def with_params(**fields: int) -> Genesis:
    return make_genesis(params=change(PARAMS, **fields))


def provokes_on(code: str, begin: Callable[[], C]) -> Callable[[Callable[[C], Envelope]], None]:
    """Register the way to provoke `code` on a chain that has begun so."""

    def register(case: Callable[[C], Envelope]) -> None:
        def provoke() -> tuple[Chain, Envelope]:
            chain = begin()
            return chain, case(chain)

        assert code not in CASES
        CASES[code] = provoke

    return register


def provokes(code: str, genesis: Genesis | None = None) -> Callable[[Callable[[Chain], Envelope]], None]:
    """The same on a new chain."""
    return provokes_on(code, lambda: Chain(genesis))


# Who speaks


@provokes("member.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), sender="nobody")


@provokes("key.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), public_key=key_of("solar").public_key)


@provokes("key.scope")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", 1, scope="market")


@provokes("tx.nonce")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), nonce=1)


@provokes("tx.expired")
def _(chain: Chain) -> Envelope:
    chain.block()
    return msgspec.structs.replace(chain.pay("bio", "solar", 1), expiry_height=1)


@provokes("budget.exceeded", with_params(units_per_key=1))
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.pay("bio", "solar", 1)) == "ok"
    return chain.pay("bio", "solar", 1)


@provokes("amount.range", make_genesis(balances={"solar": MAX_MONEY}))
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", 1)


# Trust


@provokes("trust.recipient")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", TransferTokens("nobody", 1, ""))


@provokes("trust.insufficient")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Bond(OPENING_TOKENS + 1))


@provokes("trust.tombstoned")
def _(chain: Chain) -> Envelope:
    chain.decide(lambda state, context: slash(state, context, "bio", "duplicate-vote"))
    return chain.say("bio", Bond(1))


@provokes("trust.bond")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Unbond(1))


@provokes("trust.unlocking-full")
def _(chain: Chain) -> Envelope:
    chain.block(
        chain.say("bio", Bond(OPENING_TOKENS)),
        *[chain.say("bio", Unbond(1), 1 + number) for number in range(MAX_UNLOCKING)],
    )
    return chain.say("bio", Unbond(1))


# Wagering


@provokes("wager.round")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


def provokes_wager(code: str, genesis: Genesis | None = None) -> Callable[[Callable[[Chain], Envelope]], None]:
    """The same on a chain whose round 0 takes wagers, and has heard all proposers that it waits for."""

    def register(case: Callable[[Chain], Envelope]) -> None:
        def heard(chain: Chain) -> Envelope:
            envelope = case(chain)
            for _ in chain.genesis.validators:
                chain.block()
            return envelope

        provokes_on(code, lambda: opened(genesis))(heard)

    return register


@provokes_wager("wager.phase")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", CommitSolution(0, bytes(32)))


@provokes_wager("wager.twice")
def _(chain: Chain) -> Envelope:
    assert wager(chain, "bio") == "ok"
    return chain.say("bio", Wager(0, "zero-carbon", AMOUNT))


@provokes_wager("wager.minimum")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", 9))


@provokes_wager("wager.trust", wagering(minimum_trust_tokens=500))
def _(chain: Chain) -> Envelope:
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


@provokes_wager("wager.full")
def _(chain: Chain) -> Envelope:
    full = msgspec.structs.replace(round_of(chain), wagers=MAX_WAGERS)
    chain.store[ROUNDS.key(0)] = encode(full)
    return chain.say("bio", Wager(0, "least-cost", AMOUNT))


@provokes_wager("wager.drawn")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    return chain.say("campus", CommitSolution(0, bytes(32)))


@provokes_wager("wager.committed")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    return chain.say("bio", CommitSolution(0, bytes(32)))


@provokes_wager("wager.commitment")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    next_phase(chain)
    return chain.say("bio", RevealSolution(0, bytes(32), b"other"))


@provokes_wager("wager.revealed")
def _(chain: Chain) -> Envelope:
    drawn(chain, ("bio", "solar"))
    assert commit(chain, "bio", b"") == "ok"
    next_phase(chain)
    assert reveal(chain, "bio", b"") == "ok"
    return chain.say("bio", sealed(chain, "bio", b"")[1])


# Metering


@provokes("meter.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1), meter="m-none")


@provokes("meter.key")
def _(chain: Chain) -> Envelope:
    return chain.meter_says("m-solar", chain.reading("m-solar", FIRST, 0, 1).body, key="m-bio")


@provokes("reading.committed")
def _(chain: Chain) -> Envelope:
    return chain.meter_says("m-solar", CommittedReading(1, FIRST, bytes(48), bytes(48), 0, bytes(32), b""))


@provokes("reading.gap")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    return chain.reading("m-solar", FIRST, 0, 2, after=first.body)


@provokes("reading.replay")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    second = chain.reading("m-solar", FIRST, 0, 2, after=first.body)
    chain.block(first, second)
    return first


@provokes("reading.duplicate")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    return first


@provokes("reading.fork")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    other = msgspec.structs.replace(first.body, export_wh=7)
    return chain.reading("m-solar", FIRST, 0, 9, after=other)


@provokes("reading.future")
def _(chain: Chain) -> Envelope:
    chain.at(FIRST + 1, -1)
    return chain.reading("m-solar", FIRST + 1, 0, 1)


@provokes("reading.interval")
def _(chain: Chain) -> Envelope:
    chain.at(FIRST + 1)
    chain.block(chain.reading("m-solar", FIRST + 1, 0, 1))
    return chain.reading("m-solar", FIRST, 0, 2)


@provokes("reading.backwards")
def _(chain: Chain) -> Envelope:
    chain.block(chain.reading("m-solar", FIRST, 0, 5))
    return chain.reading("m-solar", FIRST, 0, 4)


@provokes("reading.rating")
def _(chain: Chain) -> Envelope:
    return chain.reading("m-solar", FIRST, 0, 100_002)


@provokes("reading.open-full", with_params(close_grace_ms=86_400_000))
def _(chain: Chain) -> Envelope:
    for interval in range(FIRST, FIRST + 64):
        assert chain.at(interval).run(chain.reading("m-solar", interval, 0, 1)) == "ok"
    return chain.at(FIRST + 64).reading("m-solar", FIRST + 64, 0, 1)


@provokes("reading.quality")
def _(chain: Chain) -> Envelope:
    quality = Quality(230_000, 1_000, 50_000, 1_000_001, 0, 20_000, 500_000)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, quality=quality)
    return chain.meter_says("m-solar", body)


@provokes("reading.reserve")
def _(chain: Chain) -> Envelope:
    reserve = Reserve(charge_wh=0, fuel_wh=0, generation_w=400_001)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, reserve=reserve)
    return chain.meter_says("m-solar", body)


# Corrections


def corrected(chain: Chain, **fields: object) -> Envelope:
    """The tenant took 1,000 Wh in a settled interval and says it was 1,200; `fields` change the body."""
    chain.block(chain.reading("m-tenant", FIRST, 1_000, 0))
    chain.close(FIRST)
    body = msgspec.structs.replace(Correct("m-tenant", 1, FIRST, 1_200, 0), **fields)
    return chain.say("tenant", body)


@provokes("correction.owner")
def _(chain: Chain) -> Envelope:
    return corrected(chain, meter="m-solar")


@provokes("correction.open")
def _(chain: Chain) -> Envelope:
    return corrected(chain, interval=FIRST + 1)


@provokes("correction.final")
def _(chain: Chain) -> Envelope:
    envelope = corrected(chain)
    chain.at(FIRST + 36 * 96)
    return envelope


@provokes("correction.unknown")
def _(chain: Chain) -> Envelope:
    return corrected(chain, sequence=2)


@provokes("correction.rating")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=30_002)


@provokes("correction.favour")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=999)


@provokes("correction.same")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=1_000)


@provokes("correction.full")
def _(chain: Chain) -> Envelope:
    envelope = corrected(chain)
    full = msgspec.structs.replace(chain.head("m-tenant"), returns=MAX_RETURNS)
    chain.store[HEADS.key("m-tenant")] = encode(full)
    return envelope


# Market


@provokes("need.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return chain.need("campus", NEXT, 1)


@provokes("need.horizon")
def _(chain: Chain) -> Envelope:
    return chain.need("campus", FIRST + PARAMS.horizon_intervals - 1, 1, count=3)


@provokes("need.price")
def _(chain: Chain) -> Envelope:
    return chain.need("campus", NEXT, 1, limit=PARAMS.offer_cap_nano_per_wh + 1)


@provokes("need.full")
def _(chain: Chain) -> Envelope:
    for limit in range(64):
        assert chain.run(chain.need("campus", NEXT, 1, limit=limit)) == "ok"
    return chain.need("campus", NEXT, 1, limit=64)


@provokes("offer.meter")
def _(chain: Chain) -> Envelope:
    return chain.offer("bio", "m-solar", NEXT, (0, 1))


@provokes("offer.kind")
def _(chain: Chain) -> Envelope:
    return chain.offer("campus", "m-campus", NEXT, (0, 1))


@provokes("offer.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return chain.offer("solar", "m-solar", NEXT, (0, 1))


@provokes("offer.horizon")
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", FIRST + PARAMS.horizon_intervals + 1, (0, 1))


@provokes("offer.order")
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", NEXT, (5, 1), (5, 1))


@provokes("offer.price")
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", NEXT, (PARAMS.price_floor_nano_per_wh - 1, 1))


@provokes("offer.rating")
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", NEXT, (0, 100_000), (1, 1))


@provokes("offer.full", with_params(max_offers_per_interval=1))
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (0, 1))) == "ok"
    return chain.offer("bio", "m-bio", NEXT, (0, 1))


@provokes("tariff.role")
def _(chain: Chain) -> Envelope:
    return chain.tariff(NEXT, 2, 1, sender="bio")


@provokes("tariff.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return chain.tariff(NEXT, 2, 1)


@provokes("tariff.horizon")
def _(chain: Chain) -> Envelope:
    return chain.tariff(FIRST + PARAMS.horizon_intervals, 2, 1, count=2)


@provokes("tariff.price")
def _(chain: Chain) -> Envelope:
    return chain.tariff(NEXT, PARAMS.offer_cap_nano_per_wh + 1, 1)


# Modes


@provokes("mode.role")
def _(chain: Chain) -> Envelope:
    return chain.mode("bio", NEXT, "island")


@provokes("mode.no-grid", make_genesis(roles={**ROLES, "utility": ("consumer",)}))
def _(chain: Chain) -> Envelope:
    return chain.mode("campus", NEXT, "island")


@provokes("mode.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return chain.mode("campus", NEXT, "island")


@provokes("mode.horizon")
def _(chain: Chain) -> Envelope:
    return chain.mode("campus", FIRST + PARAMS.horizon_intervals, "island", count=2)


CAMPUSES = {f"campus-{number}": ("campus",) for number in range(MAX_ISLAND_ORDERS)}


@provokes("mode.full", make_genesis(roles={**ROLES, **CAMPUSES}))
def _(chain: Chain) -> Envelope:
    for name in CAMPUSES:
        assert chain.run(chain.mode(name, NEXT + 1, "island")) == "ok"
    return chain.mode("campus", NEXT, "island", count=2)


@provokes("mode.price")
def _(chain: Chain) -> Envelope:
    return call(chain, NEXT, 1, PARAMS.offer_cap_nano_per_wh + 1)


@provokes("reduction.role")
def _(chain: Chain) -> Envelope:
    return would_do_without(chain, "utility", NEXT, 1)


@provokes("reduction.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return would_do_without(chain, "tenant", NEXT, 1)


@provokes("reduction.horizon")
def _(chain: Chain) -> Envelope:
    return would_do_without(chain, "tenant", FIRST + PARAMS.horizon_intervals, 1, count=2)


@provokes("base.meter")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 1, sender="campus")


@provokes("base.kind")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-bio", 1)


@provokes("base.rating")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 60_001)


@provokes("base.capacity")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 1)


@provokes("base.unknown")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 0)


@provokes("base.full")
def _(chain: Chain) -> Envelope:
    others = (BaseLoadEntry(f"m-{at}", "bio", "site", 1, NEXT) for at in range(MAX_BASE_LOADS))
    chain.store[BASE_LOAD_LIST] = encode(BaseLoads(tuple(others)))
    return promise(chain, "m-tenant", 1)


# Money


@provokes("money.recipient")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "nobody", 1)


@provokes("money.insufficient")
def _(chain: Chain) -> Envelope:
    return chain.pay("bio", "solar", OPENING_NANO + 1)


# Access policies


@provokes("access.reader")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"), Reader("role", "solar")), None))


@provokes("access.until")
def _(chain: Chain) -> Envelope:
    return chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"),), chain.now_ms))


MANY = tuple(f"tenant-{number:02d}" for number in range(MAX_GRANTS // len(RECORD_KINDS) + 1))


@provokes("access.full", make_genesis(roles={**ROLES, **dict.fromkeys(MANY, ("consumer",))}))
def _(chain: Chain) -> Envelope:
    readers = tuple(Reader("member", name) for name in MANY)
    assert chain.run(chain.say("bio", AllowAccess(RECORD_KINDS, readers[:-1], None))) == "ok"
    return chain.say("bio", AllowAccess(RECORD_KINDS, readers[-1:], None))


@provokes("access.not-granted")
def _(chain: Chain) -> Envelope:
    assert chain.run(chain.say("bio", AllowAccess(("bills",), (Reader("member", "solar"),), None))) == "ok"
    return chain.say("bio", RevokeAccess(("balance", "orders"), (Reader("member", "solar"),)))


# Envelopes


def enveloped(*envelopes: AssetEnvelope) -> Genesis:
    return change(make_genesis(), envelopes=envelopes)


@provokes("envelope.power", enveloped(AssetEnvelope("m-solar", 1_000, 0)))
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", NEXT, (1, 251))


@provokes("envelope.time", enveloped(AssetEnvelope("m-solar", 1_000, 0, spans=(DaySpan(0, 1),))))
def _(chain: Chain) -> Envelope:
    return chain.offer("solar", "m-solar", NEXT, (1, 1))


@provokes("envelope.revoked", enveloped(AssetEnvelope("m-solar", 1_000, 0)))
def _(chain: Chain) -> Envelope:
    revoked = Enveloped("m-solar", (Terms(0, AssetEnvelope("m-solar", 1_000, 0), revoked=True, height=1),))
    chain.store[ENVELOPES.key("m-solar")] = encode(revoked)
    return chain.offer("solar", "m-solar", NEXT, (1, 1))


FREE = {
    "member.unknown",
    "key.unknown",
    "key.scope",
    "tx.nonce",
    "tx.expired",
    "budget.exceeded",
    "meter.stopped",
    "meter.unknown",
    "meter.key",
    "reading.committed",
    "reading.gap",
    "reading.replay",
    "reading.duplicate",
    "reading.future",
    "reading.open-full",
}
"""Refusals that write nothing at all."""
