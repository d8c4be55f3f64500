"""Envelopes of assets: nothing that is offered or dispatched leaves one, and a revoked key takes its asset with it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from governance_world import Pact, governed
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import FIRST, INTERVAL_MS, Chain, change, key_of, make_genesis

from contracts.bodies import OfferBlock, ReserveOffer, StorageOffer
from contracts.envelopes import Limits, at, clamp, fits, in_force, is_open, limits
from contracts.governance.changes import RevokeKey, SetEnvelope
from contracts.members import (
    MAX_TERMS,
    REVOKED_KEY,
    Asset,
    AssetEnvelope,
    DaySpan,
    Enveloped,
    Meter,
    Terms,
)
from contracts.params import DAY_MS, PactParams
from contracts.records import OfferEntry
from contracts.schema import ENVELOPES, METERS
from contracts.state import State
from zk.ed25519 import is_registrable

SOLAR = AssetEnvelope("m-solar", 40_000, 0, ramp_w=8_000, safe_give_w=4_000)
"""In a quarter hour: 10,000 Wh, ramps of 2,000 Wh, 1,000 Wh when safe."""
NOON = 720
LOCKED = FIRST + 1
"""With a lead of a third of an interval this is the first whose offers are open at the start, and then not."""
NEXT = FIRST + 2


def meter(kind: str = "storage", rating_w: int = 40_000) -> Meter:
    return Meter("m", "owner", key_of("m").public_key, kind, "zone", rating_w, None, None)


def terms(envelope: AssetEnvelope | None, revoked: bool = False, since: int = 0) -> Terms:
    return Terms(since, envelope, revoked, 0)


def envelope(**fields: Any) -> AssetEnvelope:
    return AssetEnvelope(**{"meter": "m", "give_w": 40_000, "take_w": 20_000, **fields})


def enveloped(*envelopes: AssetEnvelope) -> Chain:
    return Chain(change(make_genesis(), envelopes=envelopes))


# What follows from an envelope


def test_without_an_envelope_the_rating_counts_by_the_kind_of_the_meter() -> None:
    assert at(INTERVAL_MS, meter("source"), None, 0) == Limits(10_000, 0, None, 0)
    assert at(INTERVAL_MS, meter("load"), None, 0) == Limits(0, 10_000, None, 0)
    assert at(INTERVAL_MS, meter("storage"), None, 0) == Limits(10_000, 10_000, None, 0)
    assert at(INTERVAL_MS, meter("tie"), None, 0) == Limits(0, 0, None, 0)


def test_powers_become_energies_that_never_round_to_more_and_a_floor_that_never_rounds_to_less() -> None:
    odd = envelope(give_w=4_003, take_w=4_003, ramp_w=7, floor_w=5)
    assert at(INTERVAL_MS, meter(), terms(odd), 0) == Limits(1_000, 1_000, 1, 2)


def test_a_revoked_asset_is_in_its_safe_state_and_one_without_an_envelope_does_nothing() -> None:
    safe = envelope(safe_take_w=400, floor_w=400)
    assert at(INTERVAL_MS, meter(), terms(safe, revoked=True), 0) == Limits(0, 100, None, 100, "envelope.revoked")
    assert at(INTERVAL_MS, meter(), terms(None, revoked=True), 0) == Limits(0, 0, 0, 0, "envelope.revoked")


@pytest.mark.parametrize(
    ("spans", "start", "open_"),
    [
        ((), 0, True),
        ((DaySpan(NOON, NOON + 30),), NOON, True),
        ((DaySpan(NOON, NOON + 30),), NOON + 15, True),
        ((DaySpan(NOON, NOON + 30),), NOON + 30, False),
        ((DaySpan(NOON, NOON + 29),), NOON + 15, False),
        ((DaySpan(NOON + 1, NOON + 30),), NOON, False),
        ((DaySpan(NOON, NOON + 7), DaySpan(NOON + 7, NOON + 15)), NOON, True),
        ((DaySpan(NOON, NOON + 7), DaySpan(NOON + 8, NOON + 15)), NOON, False),
    ],
)
def test_orders_move_it_only_where_the_whole_interval_is_inside_its_times(
    spans: tuple[DaySpan, ...], start: int, open_: bool
) -> None:
    interval = (100 * DAY_MS + start * 60_000) // INTERVAL_MS
    assert is_open(envelope(spans=spans), INTERVAL_MS, interval) is open_
    limited = at(INTERVAL_MS, meter(), terms(envelope(spans=spans)), interval)
    assert limited == (Limits(10_000, 5_000, None, 0) if open_ else Limits(0, 0, None, 0, "envelope.time"))


def test_an_interval_over_midnight_needs_both_sides_of_it() -> None:
    length_ms = 7_000_000
    over = next(one for one in range(100) if one * length_ms % DAY_MS > DAY_MS - 3_600_000)
    before, after = DaySpan(1_380, 1_440), DaySpan(0, 120)
    assert is_open(envelope(spans=(after, before)), length_ms, over)
    assert not is_open(envelope(spans=(before,)), length_ms, over)
    assert not is_open(envelope(spans=(DaySpan(0, 30), before)), length_ms, over)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("storage", {"give_w": 40_001}),
        ("storage", {"take_w": 40_001}),
        ("load", {"give_w": 1}),
        ("source", {"take_w": 1}),
        ("tie", {}),
        ("storage", {"safe_give_w": 40_001}),
        ("storage", {"safe_take_w": 20_001}),
        ("storage", {"safe_give_w": 1, "safe_take_w": 1}),
        ("storage", {"floor_w": 20_001}),
        ("storage", {"floor_w": 101, "safe_take_w": 100}),
        ("storage", {"spans": (DaySpan(5, 5),)}),
        ("storage", {"spans": (DaySpan(5, 9), DaySpan(8, 10))}),
        ("storage", {"spans": (DaySpan(5, 9), DaySpan(1, 2))}),
    ],
)
def test_an_envelope_that_contradicts_itself_or_its_meter_does_not_fit(kind: str, fields: dict[str, Any]) -> None:
    sound = envelope(give_w=0, take_w=0) if kind == "tie" else envelope()
    assert kind == "tie" or fits(envelope(), meter())
    assert not fits(msgspec.structs.replace(sound, **fields), meter(kind))


# Offers


def test_offers_are_taken_up_to_the_envelope_and_refused_beyond() -> None:
    chain = enveloped(SOLAR)
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (1, 9_000), (2, 1_001))) == "envelope.power"
    assert chain.run(chain.offer("solar", "m-solar", NEXT, (1, 9_000), (2, 1_000))) == "ok"
    assert chain.run(chain.offer("bio", "m-bio", NEXT, (1, 100_000))) == "ok"


def test_storages_and_reserves_are_offered_within_their_envelopes_both_ways() -> None:
    stores = AssetEnvelope("m-storage", 4_000, 8_000)
    rich = change(make_genesis(), envelopes=(SOLAR, stores))
    battery = {one.id: one for one in rich.meters}["m-storage"]
    equipped = msgspec.structs.replace(battery, capacity_wh=100_000, asset=Asset())
    meters = tuple(equipped if one.id == equipped.id else one for one in rich.meters)
    chain = Chain(change(rich, meters=meters))

    def stored(charge_wh: int, discharge_wh: int) -> str:
        return chain.run(chain.say("storage", StorageOffer("m-storage", NEXT, 2, charge_wh, discharge_wh, None, 0, 0)))

    assert stored(2_000, 1_001) == stored(2_001, 1_000) == "envelope.power"
    assert stored(2_000, 1_000) == "ok"
    assert chain.run(chain.say("solar", ReserveOffer("m-solar", NEXT, 2, 10_001, 0))) == "envelope.power"
    assert chain.run(chain.say("solar", ReserveOffer("m-solar", NEXT, 2, 10_000, 0))) == "ok"


def entry(meter: str, *energies: int) -> OfferEntry:
    return OfferEntry(meter, "solar", 0, tuple(OfferBlock(price, wh) for price, wh in enumerate(energies)))


@given(st.lists(st.integers(1, 9_000), min_size=1, max_size=8), st.integers(0, 40_000))
def test_what_stands_is_cut_to_the_envelope_from_its_dearest_end(energies: list[int], give_w: int) -> None:
    state = State(enveloped(AssetEnvelope("m-solar", give_w, 0)).store)
    other = entry("m-bio", 7)
    offers = clamp(state, NEXT, [entry("m-solar", *energies), other])
    kept = [block.energy_wh for one in offers if one.meter == "m-solar" for block in one.blocks]
    assert sum(kept) == min(sum(energies), give_w // 4)
    assert kept == energies[: len(kept)] or kept[:-1] == energies[: len(kept) - 1]
    assert other in offers and all(one.blocks for one in offers)


# By vote


def test_a_revoked_key_speaks_no_more_and_its_asset_falls_to_its_safe_state() -> None:
    pact = Pact(change(governed(), envelopes=(SOLAR,)))
    pact.agree(RevokeKey("solar", key_of("m-solar").public_key), 0)
    assert METERS.decode(pact.store[METERS.key("m-solar")]).public_key == REVOKED_KEY
    assert not is_registrable(REVOKED_KEY), "nobody can sign with it"
    assert pact.run(pact.reading("m-solar", FIRST, 0, 1)) == "meter.key"
    assert pact.run(pact.reading("m-bio", FIRST, 0, 1)) == "ok"
    assert limits(pact.state(), "m-solar", NEXT) == Limits(1_000, 0, None, 0, "envelope.revoked")
    assert pact.run(pact.offer("solar", "m-solar", NEXT, (1, 1_001))) == "envelope.revoked"
    # Once is enough, and the member itself may speak on.
    assert pact.propose("bio", RevokeKey("solar", key_of("m-solar").public_key)) == "governance.no-key"
    assert pact.run(pact.pay("solar", "bio", 1)) == "ok"


def test_an_account_key_takes_all_assets_of_its_member_with_it_and_no_meter() -> None:
    pact = Pact(change(governed(), envelopes=(SOLAR,)))
    pact.agree(RevokeKey("solar", key_of("solar").public_key), 0)
    assert pact.run(pact.pay("solar", "bio", 1)) == "key.unknown"
    assert limits(pact.state(), "m-solar", NEXT).code == "envelope.revoked"
    assert pact.run(pact.reading("m-solar", FIRST, 0, 1)) == "ok"
    # What has no envelope is nothing that anybody controls from afar.
    assert pact.propose("campus", RevokeKey("bio", key_of("bio").public_key)) == "ok"
    assert pact.approve(1, "campus", "bio", "storage", "tenant", "utility") == ["ok"] * 5
    assert limits(pact.state(), "m-bio", NEXT) == Limits(100_000, 0, None, 0)


def test_a_mended_device_comes_back_with_a_new_key_and_envelope() -> None:
    pact = Pact(change(governed(), envelopes=(SOLAR,)))
    old, new = key_of("m-solar").public_key, key_of("mended").public_key
    pact.agree(RevokeKey("solar", old), 0)
    assert pact.propose("bio", SetEnvelope(SOLAR, key_of("solar").public_key)) == "governance.key-taken"
    assert pact.propose("bio", SetEnvelope(SOLAR, REVOKED_KEY)) == "governance.keys"
    pact.agree(SetEnvelope(SOLAR, new), 1)
    assert limits(pact.state(), "m-solar", NEXT).code == ""
    envelope_ = msgspec.structs.replace(pact.reading("m-solar", FIRST, 0, 1), public_key=new)
    assert pact.run(pact.reading("m-solar", FIRST, 0, 1)) == "meter.key"
    assert pact.run(envelope_) == "ok"


def test_what_is_locked_keeps_its_terms_and_a_vote_counts_from_the_next_interval_on() -> None:
    pact = Pact(change(governed(), envelopes=(SOLAR,)))
    assert pact.run(pact.offer("solar", "m-solar", LOCKED, (1, 10_000))) == "ok"
    assert pact.run(pact.offer("solar", "m-solar", NEXT, (1, 10_000))) == "ok"
    assert pact.run(pact.need("campus", LOCKED, 20_000)) == "ok"
    assert pact.run(pact.need("campus", NEXT, 20_000)) == "ok"
    pact.at(LOCKED, -300_000)
    pact.agree(RevokeKey("solar", key_of("m-solar").public_key), 0)
    assert limits(pact.state(), "m-solar", LOCKED).give_wh == 10_000
    assert limits(pact.state(), "m-solar", NEXT).give_wh == 1_000
    pact.at(NEXT, -300_000)
    pact.block()
    ordered = {at: pact.order(at, "solar").supplied_wh for at in (LOCKED, NEXT)}
    assert ordered == {LOCKED: 10_000, NEXT: 1_000}, "what stood is cut where it had not locked"


def test_votes_within_one_lead_are_bounded_and_never_lose_what_is_in_force() -> None:
    far = PactParams(gate_lead_ms=10 * INTERVAL_MS)
    pact = Pact(change(governed(params=far), envelopes=(SOLAR,)))
    for number in range(2 * MAX_TERMS):
        smaller = msgspec.structs.replace(SOLAR, give_w=36_000 - 4_000 * number, safe_give_w=0)
        pact.agree(SetEnvelope(smaller), number)
        pact.at(FIRST + number)
        asset = ENVELOPES.decode(pact.store[ENVELOPES.key("m-solar")])
        assert len(asset.terms) <= MAX_TERMS
        assert in_force(asset, pact.now_ms // INTERVAL_MS) is not None
        assert asset.terms[-1].envelope == smaller
        assert [one.since for one in asset.terms] == sorted({one.since for one in asset.terms})


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True), st.integers(0, 25))
def test_an_interval_has_the_newest_terms_that_began(starts: list[int], interval: int) -> None:
    asset = Enveloped("m", tuple(terms(None, since=since) for since in sorted(starts)))
    began = [since for since in starts if since <= interval]
    found = in_force(asset, interval)
    assert (None if found is None else found.since) == (max(began) if began else None)
