"""Nobody takes everybody's dispatch away by what it says: too much, in two ways at once, or ever anew."""

from __future__ import annotations

import msgspec
import pytest
from flexible_world import EQUIPPED, Site, require, storage
from ledger_world import FIRST, Chain, change, make_genesis
from wager_world import BOND, SEATED, TERMS

from contracts import bounding, windows
from contracts.bodies import StorageOffer
from contracts.envelopes import opening_records
from contracts.genesis import OpeningTrust
from contracts.members import Asset, AssetEnvelope
from contracts.params import MAX_STANDING, PactParams
from contracts.program.case import MAX_BIDS, MAX_DEMANDS, MAX_SOURCES, MAX_STORAGES, Case
from contracts.records import LOCKED, MAX_NEEDS_PER_MEMBER, ORDERED
from contracts.schedule import Window
from contracts.state import State
from contracts.units import MAX_ENERGY, MAX_MONEY

WINDOW = FIRST + 96
LENGTH = 4
LEAD_MS = 1_800_000
BATTERIES = {
    f"s-{number:03}": Site("storage", "storage", 1_000, capacity_wh=1_000, asset=Asset())
    for number in range(MAX_STORAGES + 1)
}


def pact(on: bool = True, meters: dict[str, Site] | None = None, **params: object) -> Chain:
    """Windows of four with a look-ahead of four, in which the campus needs 30 kWh in each interval."""
    terms = {"window_intervals": LENGTH, "look_ahead_intervals": 4, "gate_lead_ms": LEAD_MS} | params
    trusts = tuple(
        OpeningTrust(name, 1_000, BOND if name in SEATED else 0)
        for name in ("bio", "campus", "solar", "storage", "tenant", "utility")
    )
    rules = change(PactParams(), wagering=change(TERMS, on=on), **terms)
    chain = Chain(make_genesis(params=rules, meters=meters or EQUIPPED, trusts=trusts, scopes=("all", "wagering")))
    assert chain.run(chain.need("campus", WINDOW, 30_000, count=8)) == "ok"
    return chain


def lock(chain: Chain) -> None:
    chain.at(WINDOW, -LEAD_MS).catch_up()


def case_of(chain: Chain) -> Case:
    """As nodes keep it and read it again."""
    context = chain.context()
    case = windows.build(State(chain.store), context, Window(WINDOW, LENGTH), context.params.look_ahead_intervals)
    return msgspec.json.decode(msgspec.json.encode(case), type=Case)


def check_served(chain: Chain, wanted_wh: int = 30_000) -> None:
    for interval in range(WINDOW, WINDOW + LENGTH):
        assert (chain.interval(interval).status, chain.interval(interval).code) == (ORDERED, "ok")
        assert chain.order(interval, "campus").served_wh == wanted_wh


@pytest.mark.parametrize("blocks_first", [True, False])
def test_a_storage_that_offers_blocks_in_the_next_interval_is_one_thing_in_a_case(blocks_first: bool) -> None:
    chain = pact(on=False)
    block, itself = (WINDOW, WINDOW + 1) if blocks_first else (WINDOW + 1, WINDOW)
    assert chain.run(chain.offer("storage", "m-storage", block, (200_000, 5_000))) == "ok"
    assert chain.run(storage(chain, itself)) == "ok"
    case = case_of(chain)
    assert [len(case.sources), len(case.storages)] == ([1, 0] if blocks_first else [0, 1])
    lock(chain)
    check_served(chain)
    assert (chain.order(WINDOW, "storage").supplied_wh == 5_000) == blocks_first


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("cap_ug", [MAX_MONEY, 2**61])
def test_caps_that_come_to_more_than_an_emission_halt_nothing(on: bool, cap_ug: int) -> None:
    chain = pact(on=on)
    assert chain.run(require(chain, interval=WINDOW, count=8, reserve_wh=0, carbon_cap_ug=cap_ug)) == "ok"
    assert case_of(chain).carbon_cap_ug == MAX_MONEY
    lock(chain)
    assert chain.interval(WINDOW).status == (LOCKED if on else ORDERED)


def test_a_member_has_as_many_bids_in_a_case_as_in_an_interval() -> None:
    """Its first ones, the dearest of these; the others pay no more than they said."""
    chain = pact(on=False)
    for limit in range(MAX_NEEDS_PER_MEMBER - 1):
        assert chain.run(chain.need("tenant", WINDOW, 1, limit=300_100 + 10 * limit)) == "ok"
    for limit, energy_wh in ((300_099, 1_000), (300_109, 2_000), (300_110, 3_000), (900_000, 4_000)):
        assert chain.run(chain.need("tenant", WINDOW + 1, energy_wh, limit=limit)) == "ok"
    bids = {bid.limit_nano_per_wh: bid.energy_wh for bid in case_of(chain).bids}
    assert len(bids) == MAX_NEEDS_PER_MEMBER
    assert {limit: row[1] for limit, row in bids.items() if row[1]} == {300_100: 2_000, 300_110: 3_000, 900_000: 4_000}
    assert sum(row[0] for row in bids.values()) == MAX_NEEDS_PER_MEMBER - 1
    lock(chain)
    check_served(chain)
    assert chain.order(WINDOW + 1, "tenant").requested_wh == 10_000
    assert chain.order(WINDOW + 1, "tenant").served_wh == 9_000


@pytest.mark.parametrize("on", [True, False])
def test_limits_that_change_in_every_interval_leave_others_their_dispatch(on: bool) -> None:
    chain = pact(on=on, units_per_key=100_000)
    for interval in range(WINDOW, WINDOW + LENGTH):
        at = (interval - WINDOW) * MAX_NEEDS_PER_MEMBER
        for name in ("bio", "solar", "storage", "tenant"):
            needs = [
                chain.say(
                    name,
                    chain.need(name, interval, 1, limit=at + number).body,
                    chain.account(name).lanes[0].next_nonce + number,
                )
                for number in range(MAX_NEEDS_PER_MEMBER)
            ]
            assert {receipt.code for receipt in chain.block(*needs)} == {"ok"}
    assert len(case_of(chain).bids) == 4 * MAX_NEEDS_PER_MEMBER
    lock(chain)
    assert chain.interval(WINDOW).status == (LOCKED if on else ORDERED)


@pytest.mark.parametrize("on", [True, False])
def test_a_window_that_is_no_case_is_ordered_interval_by_interval(on: bool) -> None:
    """No interval has more storages than a case may have, and the window has."""
    chain = pact(on=on, meters=EQUIPPED | BATTERIES)
    for number, name in enumerate(BATTERIES):
        offer = StorageOffer(name, WINDOW + number % 2, 1, 10, 10, None, 0, 0)
        assert chain.run(chain.say("storage", offer)) == "ok"
    lock(chain)
    check_served(chain)
    assert {chain.interval(interval).window for interval in range(WINDOW, WINDOW + LENGTH)} == {None}
    assert chain.interval(WINDOW + LENGTH).status == "open"


def test_a_window_whose_sums_are_no_money_is_ordered_interval_by_interval() -> None:
    """The tariff of one interval takes that one's dispatch away, and no other's."""
    chain = pact(on=False, look_ahead_intervals=0)
    assert chain.run(chain.tariff(WINDOW + 2, 4_000_000, 0, limit_wh=MAX_ENERGY)) == "ok"
    assert chain.run(chain.need("tenant", WINDOW + 2, MAX_ENERGY // 2)) == "ok"
    lock(chain)
    codes = [chain.interval(interval).code for interval in range(WINDOW, WINDOW + LENGTH)]
    assert codes == ["ok", "ok", "amount.range", "ok"]
    assert chain.order(WINDOW + 3, "campus").served_wh == 30_000


def test_the_ramp_of_an_envelope_is_an_energy_in_intervals_of_any_length() -> None:
    day_ms = 86_400_000
    chain = Chain(make_genesis(params=change(PactParams(), interval_ms=day_ms, window_intervals=1)))
    chain.store |= opening_records([AssetEnvelope("m-bio", 400_000, 0, ramp_w=MAX_ENERGY)])
    first = FIRST * 900_000 // day_ms + 2
    assert chain.run(chain.offer("bio", "m-bio", first, (100, 1_000))) == "ok"
    assert chain.run(chain.need("campus", first, 1_000)) == "ok"
    case = windows.build(State(chain.store), chain.context(), Window(first, 1))
    assert case.sources[0].ramp_wh == MAX_ENERGY
    assert msgspec.json.decode(msgspec.json.encode(case), type=Case) == case


def test_what_stands_in_an_interval_always_fits_a_case() -> None:
    assert min(MAX_BIDS, MAX_DEMANDS, MAX_SOURCES) >= MAX_STANDING
    assert bounding.Extent().fits
