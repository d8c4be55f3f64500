"""Whatever is said to the ledger: nothing raises, money is conserved, and every node computes the same bytes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, METERS, ROLES, Chain, Site, change, key_of, make_genesis
from typed_values import values

from contracts import api, schema
from contracts.bodies import (
    MAX_SOLUTION_BYTES,
    AccountBody,
    Bond,
    CommitSolution,
    Correct,
    MeterBody,
    Need,
    Offer,
    OfferBlock,
    PlainReading,
    RevealSolution,
    Tariff,
    Transfer,
    TransferTokens,
    Unbond,
    Wager,
)
from contracts.carbon.bodies import GreenBid, RegisterFactor, RetireOrigin
from contracts.codes import CODES
from contracts.envelope import AccountEnvelope, Envelope, MeterEnvelope
from contracts.genesis import CODEC as GENESIS
from contracts.governance.bodies import AllowAccess, Reader, RevokeAccess
from contracts.members import MAX_OPEN_REGISTERS
from contracts.params import PactParams, WagerParams
from contracts.receipts import Receipt
from contracts.records import MAX_NEEDS_PER_MEMBER
from contracts.rolls import Rolls, bucket, is_roll
from contracts.state import State, Table
from contracts.units import MAX_COUNT, MAX_ENERGY
from zk.codec import Codec, encode

PARAMS = PactParams()
NAMES = sorted(ROLES)
NEAR = st.integers(FIRST, FIRST + 6)


def tables() -> list[Table[msgspec.Struct] | Rolls[Any]]:
    return [value for value in vars(schema).values() if isinstance(value, Table | Rolls)]


def check_readable(records: dict[bytes, bytes]) -> None:
    """Every record decodes, and every roll has the entries of its bucket alone, ascending, each once."""
    by_prefix = {table.prefix: table for table in tables()}
    for key, raw in records.items():
        table = by_prefix[key[: key.index(b"/") + 1]]
        decoded: Any = table.decode(raw)
        assert encode(decoded) == raw
        assert is_roll(key) == isinstance(table, Rolls)
        if isinstance(table, Rolls):
            ids = [table.id(entry) for entry in decoded]
            assert ids == sorted(set(ids)) and {bucket(id_) for id_ in ids} == {int(key[-2:])}


# Records


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.prefix.decode())
def test_records_survive_encoding(table: Table[msgspec.Struct] | Rolls[Any]) -> None:
    codec: Codec[msgspec.Struct] = Codec(table.type, 1 << 20)

    @given(values(table.type))
    @settings(max_examples=25)
    def survives(record: msgspec.Struct) -> None:
        raw = encode(record)
        assert (table.decode_entry if isinstance(table, Rolls) else table.decode)(raw) == record
        assert codec.decode(raw) == record

    survives()


@given(values(Receipt))
@settings(max_examples=50)
def test_receipts_survive_encoding(receipt: Receipt) -> None:
    assert msgspec.msgpack.decode(receipt.leaf(), type=Receipt) == receipt


def test_prefixes_of_tables_are_distinct() -> None:
    prefixes = [table.prefix for table in tables()]
    assert not any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
    assert len(set(prefixes)) == len(prefixes)


def test_genesis_state_is_complete_and_decodes() -> None:
    genesis = make_genesis()
    records = api.genesis_records(GENESIS.decode(encode(genesis)))
    assert records == api.genesis_records(genesis)
    check_readable(records)
    assert schema.SENTINEL in records
    rolls = {bucket(name) for name in ROLES}, {bucket(meter) for meter in METERS}
    assert len(records) == 7 + 2 * len(ROLES) + 6 * len(ROLES) + 2 * len(METERS) + sum(map(len, rolls)) + len(rolls[0])


def test_units_grow_with_the_work() -> None:
    chain = Chain()
    assert api.units(chain.reading("m-solar", FIRST, 0, 0)) == 1
    assert api.units(chain.pay("bio", "solar", 1)) == 1
    assert api.units(chain.need("campus", FIRST, 1, count=96)) == 96
    assert api.units(chain.tariff(FIRST, 1, 1, count=96)) == 25
    assert api.units(chain.offer("bio", "m-bio", FIRST, *[(i, 1) for i in range(32)])) == 5
    assert api.units(chain.mode("campus", FIRST, "island", count=96)) == 25
    assert api.units(chain.say("bio", Correct("m-bio", 1, FIRST, 0, 0))) == 4
    assert {api.units(chain.say("bio", body)) for body in (TransferTokens("solar", 1, ""), Bond(1), Unbond(1))} == {1}
    readers = tuple(Reader("member", "solar") for _ in range(16))
    assert api.units(chain.say("bio", AllowAccess(("bills", "orders", "needs"), readers, None))) == 4
    assert api.units(chain.say("bio", RevokeAccess(("bills",), ()))) == 1
    assert api.units(chain.say("bio", Wager(0, "least-cost", 1))) == 2
    assert api.units(chain.say("bio", CommitSolution(0, bytes(32)))) == 1
    assert api.units(chain.say("bio", RevealSolution(0, bytes(32), bytes(MAX_SOLUTION_BYTES)))) == 801
    assert api.units(chain.say("bio", GreenBid(FIRST, 96, 1, 1))) == 96
    assert api.units(chain.say("bio", RegisterFactor("m-bio", "A", "B", 0, 0, FIRST, FIRST + 1))) == 4
    assert api.units(chain.say("bio", RetireOrigin("m-bio", 0, 1, "lunch"))) == 4


# Arbitrary envelopes


ACCOUNT_BODIES, METER_BODIES = values(AccountBody), values(MeterBody)


@st.composite
def envelopes(draw: st.DrawFn, chain: Chain) -> Envelope:
    """Any body in an envelope whose speaker is known; half of them near enough to now to get far."""
    near = draw(st.booleans())
    interval = min(chain.now_ms // chain.genesis.params.interval_ms, MAX_COUNT)
    if draw(st.booleans()):
        sender = draw(st.sampled_from(NAMES))
        body = draw(ACCOUNT_BODIES)
        if near and hasattr(body, "interval"):
            body = msgspec.structs.replace(body, interval=min(interval + draw(st.integers(0, 2)), MAX_COUNT))
        nonce = chain.account(sender).lanes[0].next_nonce if near else draw(st.sampled_from([0, 1, MAX_COUNT]))
        expiry = draw(st.sampled_from([0, 2**48 - 1]))
        return AccountEnvelope(chain.chain_id, sender, key_of(sender).public_key, nonce, expiry, body, bytes(64))
    meter = draw(st.sampled_from(sorted(METERS)))
    reading = draw(METER_BODIES)
    if near and isinstance(reading, PlainReading):
        head = chain.head(meter)
        reading = msgspec.structs.replace(
            reading,
            interval=max(interval - draw(st.integers(0, 1)), 0),
            sequence=head.sequence + 1,
            previous_hash=head.reading_hash,
        )
    return MeterEnvelope(chain.chain_id, meter, key_of(meter).public_key, reading, bytes(64))


@given(st.data(), st.sampled_from([0, 1, FIRST * INTERVAL_MS, 2**53 - 1]))
@settings(max_examples=150)
def test_nothing_raises_at_any_bound_at_any_time(data: st.DataObject, time_ms: int) -> None:
    params = PactParams(
        interval_ms=data.draw(st.sampled_from([1_000, 86_400_000])),
        close_grace_ms=0,
        gate_lead_ms=data.draw(st.sampled_from([0, 86_400_000])),
        units_per_key=MAX_COUNT,
        horizon_intervals=3_000,
        max_closes_per_block=96,
        wagering=WagerParams(on=data.draw(st.booleans()), wager_ms=1, commit_ms=1, reveal_ms=1),
    )
    ratings = {meter: site._replace(rating_w=MAX_ENERGY) for meter, site in METERS.items()}
    chain = Chain(make_genesis(params=params, meters=ratings))
    before = chain.money(), chain.tokens()
    for jump_ms in (0, 0, 10**6, 10**9, 2**53):
        chain.now_ms = min(time_ms + jump_ms, 2**53 - 1)
        batch = [data.draw(envelopes(chain)) for _ in range(3)]
        for receipt in chain.block(*batch):
            assert receipt.code in CODES
            assert receipt.units >= 1
        state = State(chain.store)
        for envelope in batch:
            assert api.admit(state, envelope, chain.context()) in CODES
        assert (chain.money(), chain.tokens()) == before
    check_readable(chain.store)


# Conservation of money under plausible traffic


BLOCKS = st.lists(
    st.builds(OfferBlock, st.integers(-500_000, 4_000_000), st.integers(1, 40_000)),
    max_size=3,
    unique_by=lambda block: block.price_nano_per_wh,
).map(lambda blocks: tuple(sorted(blocks, key=lambda block: block.price_nano_per_wh)))
BODIES = st.one_of(
    st.builds(
        Need, NEAR, st.integers(1, 2), st.integers(1, 90_000), st.none() | st.integers(0, 4_000_000), st.integers(0, 7)
    ),
    st.builds(Offer, st.sampled_from(["m-bio", "m-solar", "m-storage"]), NEAR, BLOCKS),
    st.builds(
        Tariff,
        NEAR,
        st.integers(1, 3),
        st.integers(-500_000, 900_000),
        st.integers(-500_000, 900_000),
        st.integers(0, 60_000),
        st.integers(0, 60_000),
        st.integers(0, 400_000),
    ),
    st.builds(Transfer, st.sampled_from([*NAMES, "nobody"]), st.integers(1, 10**16), st.just("")),
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(NAMES), BODIES),
        st.tuples(
            st.just("read"), st.sampled_from(sorted(METERS)), st.tuples(st.integers(0, 90_000), st.integers(0, 90_000))
        ),
        st.tuples(st.just("wait"), st.just(""), st.integers(0, 2 * INTERVAL_MS)),
    ),
    min_size=8,
    max_size=40,
)  # fmt: skip


def play(chain: Chain, actions: list[tuple[str, str, object]]) -> list[tuple[bytes, ...]]:
    """Run the actions, one block each, checking every block; returns the receipts as they are hashed."""
    before, leaves = chain.money(), []
    for kind, who, what in actions:
        state_before = dict(chain.store)
        receipts: list[Receipt] = []
        match kind, what:
            case "say", _:
                owner = METERS[what.meter].member if isinstance(what, Offer) else who
                sender = "utility" if isinstance(what, Tariff) else owner
                receipts = chain.block(chain.say(sender, what))
            case "read", (import_wh, export_wh):
                head = chain.head(who)
                now = chain.now_ms // INTERVAL_MS
                receipts = chain.block(chain.reading(who, now, head.import_wh + import_wh, head.export_wh + export_wh))
            case "wait", _:
                chain.now_ms += what
                receipts = chain.block()
        assert chain.money() == before, "no nano appears or vanishes"
        clock = chain.clock
        assert clock is not None
        if receipts and receipts[0].code != "ok" and not clock.events:
            changed = [key for key, raw in chain.store.items() if state_before.get(key) != raw]
            assert all(key.startswith((b"account/", b"head/")) for key in changed)
            assert len(changed) <= 1
        leaves.append((clock.leaf(), *[receipt.leaf() for receipt in receipts]))
    return leaves


@given(ACTIONS, st.booleans())
@settings(max_examples=200)
def test_money_is_conserved_by_any_traffic(actions: list[tuple[str, str, object]], island: bool) -> None:
    roles = {**ROLES, "utility": ("consumer",)} if island else ROLES
    chain = Chain(make_genesis(roles=roles))
    play(chain, actions)
    chain.at(FIRST + 20)
    chain.catch_up()
    play(chain, [("wait", "", 1)])
    for interval in range(FIRST, FIRST + 20):
        bills = [chain.bill(interval, name) for name in NAMES]
        assert sum(bill.total_nano for bill in bills if bill is not None) == 0
        if chain.store.get(schema.INTERVALS.key(interval)):
            record = chain.interval(interval)
            assert record.served_wh == record.supplied_wh + record.import_wh - record.export_wh
            assert record.served_wh + record.shed_wh <= record.demand_wh + record.bids_wh


@given(ACTIONS)
@settings(max_examples=25)
def test_same_blocks_same_bytes(actions: list[tuple[str, str, object]]) -> None:
    first, second = Chain(), Chain()
    assert play(first, actions) == play(second, actions)
    assert first.store == second.store


@given(ACTIONS)
@settings(max_examples=25)
def test_overlay_of_one_block_equals_blocks_of_one_transaction(actions: list[tuple[str, str, object]]) -> None:
    """Records cached inside a block are the records that the next block would read."""
    single, joint = Chain(), Chain()
    batch: list[Envelope] = []
    for kind, who, what in actions:
        if kind == "say" and not isinstance(what, Offer | Tariff):
            envelope: Envelope = single.say(who, what)
        elif kind == "read":
            head = single.head(who)
            envelope = single.reading(who, FIRST, head.import_wh + what[0], head.export_wh + what[1])
        else:
            continue
        single.block(envelope)
        batch.append(envelope)
    joint.block(*batch)
    assert joint.store == single.store


# Bounds of what one record may hold


def test_named_maxima_fit_their_records() -> None:
    """64 different needs of every member in one bucket, and a full list of open registers, still decode."""
    chain = Chain(make_genesis(params=change(PARAMS, close_grace_ms=86_400_000, units_per_meter=1_000)))
    for limit in range(MAX_NEEDS_PER_MEMBER):
        chain.block(*[chain.need(name, FIRST + 2, 1, limit=limit) for name in NAMES])
    assert chain.interval(FIRST + 2).needs == MAX_NEEDS_PER_MEMBER * len(NAMES)
    for interval in range(FIRST, FIRST + MAX_OPEN_REGISTERS):
        chain.at(interval).block(chain.reading("m-solar", interval, 0, 1))
    assert len(chain.head("m-solar").open) == MAX_OPEN_REGISTERS


def test_readings_of_giants_still_settle() -> None:
    giants = {f"m-{name}": Site("bio", "load", MAX_ENERGY) for name in "abc"}
    chain = Chain(make_genesis(meters=giants))
    readings = [chain.reading(meter, FIRST, MAX_ENERGY // 4, MAX_ENERGY // 4) for meter in giants]
    assert {receipt.code for receipt in chain.block(*readings)} == {"ok"}
    assert isinstance(readings[0].body, PlainReading)
    chain.close(FIRST)
    assert chain.interval(FIRST).withdrawn_wh == MAX_ENERGY // 4 * 3
