"""Every refusal by name: each code has one way to provoke it, and none of them leaves more than it may.

A refused transaction of a member leaves its nonce and its budget. A refused reading leaves the meter's
budget, or, where a carrier could provoke the refusal with genuine envelopes, nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from ledger_world import FIRST, INTERVAL_MS, OPENING_NANO, OPENING_TOKENS, ROLES, Chain, change, key_of, make_genesis

import contracts
from contracts import api
from contracts.bodies import (
    Bond,
    CommittedReading,
    Correct,
    Need,
    Quality,
    Reserve,
    TransferTokens,
    Unbond,
)
from contracts.codes import CODES, describe
from contracts.envelope import Envelope
from contracts.members import MAX_UNLOCKING
from contracts.params import PactParams
from contracts.records import MAX_ISLAND_ORDERS, MAX_RETURNS
from contracts.schema import ACCOUNTS, HEADS
from contracts.state import State
from contracts.units import MAX_COUNT, MAX_ENERGY, MAX_MONEY
from zk.codec import encode

NEXT = FIRST + 2
PARAMS = PactParams()
Case = Callable[[], tuple[Chain, Envelope]]
CASES: dict[str, Case] = {}


def provokes(code: str) -> Callable[[Case], Case]:
    """Register the way to provoke `code`."""

    def register(case: Case) -> Case:
        assert code not in CASES
        CASES[code] = case
        return case

    return register


def with_params(**fields: int) -> Chain:
    return Chain(make_genesis(params=change(PARAMS, **fields)))


# Who speaks


@provokes("member.unknown")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, msgspec.structs.replace(chain.pay("bio", "solar", 1), sender="nobody")


@provokes("key.unknown")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, msgspec.structs.replace(chain.pay("bio", "solar", 1), public_key=key_of("solar").public_key)


@provokes("key.scope")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.pay("bio", "solar", 1, scope="market")


@provokes("tx.nonce")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, msgspec.structs.replace(chain.pay("bio", "solar", 1), nonce=1)


@provokes("tx.expired")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    chain.block()
    return chain, msgspec.structs.replace(chain.pay("bio", "solar", 1), expiry_height=1)


@provokes("budget.exceeded")
def _() -> tuple[Chain, Envelope]:
    chain = with_params(units_per_key=1)
    assert chain.run(chain.pay("bio", "solar", 1)) == "ok"
    return chain, chain.pay("bio", "solar", 1)


@provokes("amount.range")
def _() -> tuple[Chain, Envelope]:
    chain = Chain(make_genesis(balances={"solar": MAX_MONEY}))
    return chain, chain.pay("bio", "solar", 1)


# Trust


@provokes("trust.recipient")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.say("bio", TransferTokens("nobody", 1, ""))


@provokes("trust.insufficient")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.say("bio", Bond(OPENING_TOKENS + 1))


@provokes("trust.bond")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.say("bio", Unbond(1))


@provokes("trust.unlocking-full")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    chain.block(
        chain.say("bio", Bond(OPENING_TOKENS)),
        *[chain.say("bio", Unbond(1), 1 + number) for number in range(MAX_UNLOCKING)],
    )
    return chain, chain.say("bio", Unbond(1))


# Metering


@provokes("meter.unknown")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1), meter="m-none")


@provokes("meter.key")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.meter_says("m-solar", chain.reading("m-solar", FIRST, 0, 1).body, key="m-bio")


@provokes("reading.committed")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.meter_says("m-solar", CommittedReading(1, FIRST, bytes(48), bytes(48), 0, bytes(32), b""))


@provokes("reading.gap")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    first = chain.reading("m-solar", FIRST, 0, 1)
    return chain, chain.reading("m-solar", FIRST, 0, 2, after=first.body)


@provokes("reading.replay")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    first = chain.reading("m-solar", FIRST, 0, 1)
    second = chain.reading("m-solar", FIRST, 0, 2, after=first.body)
    chain.block(first, second)
    return chain, first


@provokes("reading.duplicate")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    return chain, first


@provokes("reading.fork")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    other = msgspec.structs.replace(first.body, export_wh=7)
    return chain, chain.reading("m-solar", FIRST, 0, 9, after=other)


@provokes("reading.future")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(FIRST + 1, -1)
    return chain, chain.reading("m-solar", FIRST + 1, 0, 1)


@provokes("reading.interval")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(FIRST + 1)
    chain.block(chain.reading("m-solar", FIRST + 1, 0, 1))
    return chain, chain.reading("m-solar", FIRST, 0, 2)


@provokes("reading.backwards")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    chain.block(chain.reading("m-solar", FIRST, 0, 5))
    return chain, chain.reading("m-solar", FIRST, 0, 4)


@provokes("reading.rating")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.reading("m-solar", FIRST, 0, 100_002)


@provokes("reading.open-full")
def _() -> tuple[Chain, Envelope]:
    chain = with_params(close_grace_ms=86_400_000)
    for interval in range(FIRST, FIRST + 64):
        assert chain.at(interval).run(chain.reading("m-solar", interval, 0, 1)) == "ok"
    return chain.at(FIRST + 64), chain.reading("m-solar", FIRST + 64, 0, 1)


@provokes("reading.quality")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    quality = Quality(230_000, 1_000, 50_000, 1_000_001, 0, 20_000, 500_000)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, quality=quality)
    return chain, chain.meter_says("m-solar", body)


@provokes("reading.reserve")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    reserve = Reserve(charge_wh=0, fuel_wh=0, generation_w=400_001)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, reserve=reserve)
    return chain, chain.meter_says("m-solar", body)


# Corrections


def corrected(**fields: object) -> tuple[Chain, Envelope]:
    """The tenant took 1,000 Wh in a settled interval and says it was 1,200; `fields` change the body."""
    chain = Chain()
    chain.block(chain.reading("m-tenant", FIRST, 1_000, 0))
    chain.close(FIRST)
    body = msgspec.structs.replace(Correct("m-tenant", 1, FIRST, 1_200, 0), **fields)
    return chain, chain.say("tenant", body)


@provokes("correction.owner")
def _() -> tuple[Chain, Envelope]:
    return corrected(meter="m-solar")


@provokes("correction.open")
def _() -> tuple[Chain, Envelope]:
    return corrected(interval=FIRST + 1)


@provokes("correction.final")
def _() -> tuple[Chain, Envelope]:
    chain, envelope = corrected()
    chain.at(FIRST + 36 * 96)
    return chain, envelope


@provokes("correction.unknown")
def _() -> tuple[Chain, Envelope]:
    return corrected(sequence=2)


@provokes("correction.rating")
def _() -> tuple[Chain, Envelope]:
    return corrected(import_wh=30_002)


@provokes("correction.favour")
def _() -> tuple[Chain, Envelope]:
    return corrected(import_wh=999)


@provokes("correction.same")
def _() -> tuple[Chain, Envelope]:
    return corrected(import_wh=1_000)


@provokes("correction.full")
def _() -> tuple[Chain, Envelope]:
    chain, envelope = corrected()
    full = msgspec.structs.replace(chain.head("m-tenant"), returns=MAX_RETURNS)
    chain.store[HEADS.key("m-tenant")] = encode(full)
    return chain, envelope


# Market


@provokes("need.late")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(NEXT, -PARAMS.gate_lead_ms)
    return chain, chain.need("campus", NEXT, 1)


@provokes("need.horizon")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.need("campus", FIRST + PARAMS.horizon_intervals - 1, 1, count=3)


@provokes("need.price")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.need("campus", NEXT, 1, limit=PARAMS.offer_cap_nano_per_wh + 1)


@provokes("need.full")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    for limit in range(64):
        assert chain.run(chain.need("campus", NEXT, 1, limit=limit)) == "ok"
    return chain, chain.need("campus", NEXT, 1, limit=64)


@provokes("offer.meter")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("bio", "m-solar", NEXT, (0, 1))


@provokes("offer.kind")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("campus", "m-campus", NEXT, (0, 1))


@provokes("offer.late")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(NEXT, -PARAMS.gate_lead_ms)
    return chain, chain.offer("solar", "m-solar", NEXT, (0, 1))


@provokes("offer.horizon")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("solar", "m-solar", FIRST + PARAMS.horizon_intervals + 1, (0, 1))


@provokes("offer.order")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("solar", "m-solar", NEXT, (5, 1), (5, 1))


@provokes("offer.price")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("solar", "m-solar", NEXT, (PARAMS.price_floor_nano_per_wh - 1, 1))


@provokes("offer.rating")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.offer("solar", "m-solar", NEXT, (0, 100_000), (1, 1))


@provokes("offer.full")
def _() -> tuple[Chain, Envelope]:
    chain = with_params(max_offers_per_interval=1)
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (0, 1))) == "ok"
    return chain, chain.offer("bio", "m-bio", NEXT, (0, 1))


@provokes("tariff.role")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.tariff(NEXT, 2, 1, sender="bio")


@provokes("tariff.late")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(NEXT, -PARAMS.gate_lead_ms)
    return chain, chain.tariff(NEXT, 2, 1)


@provokes("tariff.horizon")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.tariff(FIRST + PARAMS.horizon_intervals, 2, 1, count=2)


@provokes("tariff.price")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.tariff(NEXT, PARAMS.offer_cap_nano_per_wh + 1, 1)


# Modes


@provokes("mode.role")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.mode("bio", NEXT, "island")


@provokes("mode.no-grid")
def _() -> tuple[Chain, Envelope]:
    chain = Chain(make_genesis(roles={**ROLES, "utility": ("consumer",)}))
    return chain, chain.mode("campus", NEXT, "island")


@provokes("mode.late")
def _() -> tuple[Chain, Envelope]:
    chain = Chain().at(NEXT, -PARAMS.gate_lead_ms)
    return chain, chain.mode("campus", NEXT, "island")


@provokes("mode.horizon")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.mode("campus", FIRST + PARAMS.horizon_intervals, "island", count=2)


@provokes("mode.full")
def _() -> tuple[Chain, Envelope]:
    more = {f"campus-{number}": ("campus",) for number in range(MAX_ISLAND_ORDERS)}
    chain = Chain(make_genesis(roles={**ROLES, **more}))
    for name in more:
        assert chain.run(chain.mode(name, NEXT + 1, "island")) == "ok"
    return chain, chain.mode("campus", NEXT, "island", count=2)


# Money


@provokes("money.recipient")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.pay("bio", "nobody", 1)


@provokes("money.insufficient")
def _() -> tuple[Chain, Envelope]:
    chain = Chain()
    return chain, chain.pay("bio", "solar", OPENING_NANO + 1)


FREE = {
    "member.unknown",
    "key.unknown",
    "key.scope",
    "tx.nonce",
    "tx.expired",
    "budget.exceeded",
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


@pytest.mark.parametrize("code", sorted(CASES))
def test_refusal_has_its_code_and_leaves_only_nonce_and_budget(code: str) -> None:
    chain, envelope = CASES[code]()
    chain.block()
    before = dict(chain.store)
    assert chain.run(envelope) == code
    changed = {key for key in chain.store.keys() | before.keys() if chain.store.get(key) != before.get(key)}
    if code in FREE:
        assert changed == set()
    elif code.startswith("reading."):
        (key,) = changed
        old, new = HEADS.decode(before[key]), HEADS.decode(chain.store[key])
        assert new.units_used == (old.units_used if old.budget_interval == new.budget_interval else 0) + 1
        unbilled = msgspec.structs.replace(new, units_used=old.units_used, budget_interval=old.budget_interval)
        assert unbilled == old
    else:
        (key,) = changed
        account, charged = ACCOUNTS.decode(before[key]), ACCOUNTS.decode(chain.store[key])
        assert charged.lanes[0].next_nonce == account.lanes[0].next_nonce + 1
        assert charged.lanes[0].units_used == account.lanes[0].units_used + api.units(envelope)
        assert charged.lanes[1:] == account.lanes[1:]


@pytest.mark.parametrize("code", sorted(api.RESUBMITTABLE))
def test_what_may_be_sent_again_left_no_trace(code: str) -> None:
    assert code in FREE


def test_sum_of_needs_stays_an_energy() -> None:
    chain = Chain()
    assert chain.run(chain.need("campus", NEXT, MAX_ENERGY)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 1)) == "amount.range"


def test_multi_interval_need_is_all_or_nothing() -> None:
    chain = with_params(max_needs_per_interval=1)
    assert chain.run(chain.need("campus", NEXT + 1, 1)) == "ok"
    assert chain.run(chain.need("tenant", NEXT, 1, count=2)) == "need.full"
    assert chain.deadline_ms() == (NEXT + 1) * INTERVAL_MS - PARAMS.gate_lead_ms, "nothing of it was scheduled"


def test_envelope_is_valid_up_to_and_including_its_expiry_height() -> None:
    chain = Chain()
    last = msgspec.structs.replace(chain.pay("bio", "solar", 1), expiry_height=1)
    assert api.admit(State(chain.store), last, chain.context()) == "ok"
    assert chain.run(last) == "ok"


def test_budget_comes_back_with_the_next_interval() -> None:
    chain = with_params(units_per_key=1)
    assert chain.run(chain.pay("bio", "solar", 1)) == "ok"
    waiting = chain.pay("bio", "solar", 1)
    assert chain.at(FIRST + 1, -1).run(waiting) == "budget.exceeded"
    assert chain.at(FIRST + 1).run(waiting) == "ok"


def test_lane_ends_before_its_counter_would() -> None:
    chain = Chain()
    account = chain.account("bio")
    lanes = (msgspec.structs.replace(account.lanes[0], next_nonce=MAX_COUNT), *account.lanes[1:])
    chain.store[ACCOUNTS.key("bio")] = encode(msgspec.structs.replace(account, lanes=lanes))
    envelope = chain.pay("bio", "solar", 1)
    assert envelope.nonce == MAX_COUNT
    assert chain.run(envelope) == "tx.nonce"
    assert api.admit(State(chain.store), envelope, chain.context()) == "tx.nonce"


# Admission to a mempool: the same sentences, without writing


@pytest.mark.parametrize(
    "code", sorted(code for code in FREE if code not in {"tx.nonce", "reading.gap", "reading.future"})
)
def test_admission_refuses_what_cannot_execute(code: str) -> None:
    chain, envelope = CASES[code]()
    state = State(chain.store)
    expected = "ok" if code in {"reading.open-full"} else code
    assert api.admit(state, envelope, chain.context()) == expected
    assert state.changes() == {}


def test_admission_keeps_a_window_of_nonces_and_sequences() -> None:
    chain = Chain()
    chain.block(chain.pay("bio", "solar", 1))
    state, context = State(chain.store), chain.context()
    window = {
        nonce: api.admit(state, chain.say("bio", Need(NEXT, 1, 1, None, 0), nonce), context)
        for nonce in (0, 1, 1024, 1025)
    }
    assert window == {0: "tx.nonce", 1: "ok", 1024: "ok", 1025: "tx.nonce"}
    reading = chain.reading("m-solar", FIRST, 0, 1)
    ahead = {
        sequence: api.admit(
            state,
            chain.meter_says("m-solar", msgspec.structs.replace(reading.body, sequence=sequence)),
            context,
        )
        for sequence in (1, 1023, 1024)
    }
    assert ahead == {1: "ok", 1023: "ok", 1024: "reading.gap"}


# The table


STATELESS = {
    "ok",
    "codec.oversized",
    "codec.malformed",
    "codec.non-canonical",
    "tx.wrong-chain",
    "tx.signature",
}
"""Codes that are found before contracts see an envelope."""


def test_every_code_of_the_table_is_provoked() -> None:
    assert CASES.keys() | STATELESS == CODES.keys()


def test_every_code_in_the_sources_has_a_sentence_and_a_hint() -> None:
    used = set()
    for path in Path(contracts.__path__[0]).glob("*.py"):
        if path.name != "codes.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    used |= set(re.findall(r"^[a-z]+\.[a-z]+(?:-[a-z]+)*$", node.value))
    assert used == CODES.keys() - STATELESS
    for code in CODES.keys() - {"ok"}:
        assert describe(code).message.endswith(".")
        assert describe(code).hint.endswith(".")


def test_what_was_executed_is_refused_when_it_comes_again() -> None:
    chain = Chain()
    envelope = chain.need("campus", NEXT, 1)
    assert chain.run(envelope) == "ok"
    chain.block()
    before = dict(chain.store)
    assert chain.run(envelope) == "tx.nonce"
    assert chain.store == before
