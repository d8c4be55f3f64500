"""Sealed rounds from their opening to the last payment: what is opened, who pays what, and what nobody may say."""

from __future__ import annotations

import pytest
from ledger_world import change
from sealed_world import (
    DEADLINE_MS,
    NAMEPLATE_WH,
    NEXT,
    SUPPLIERS,
    TENANT_WH,
    TICKS,
    WAGER,
    World,
    world,
)

from contracts.ceremony import keys, openings
from contracts.cycles import cycle_of
from contracts.schema import BILLS, CARBONS, CARRIED, EMITTED, PRIVATE_CYCLES, SEALED_ROUNDS, THRESHOLD_KEYS
from contracts.sealed import points
from contracts.sealed.bodies import MAX_WH
from contracts.sealed.records import Clearing
from contracts.state import State
from zk.codec import encode
from zk.pedersen import commit

OFFERS = {
    "bio": [0, 10_000, 0, 0],
    "geo": [5_000, 5_000, 5_000, 0],
    "solar": [20_000, 0, 0, 0],
    "wind": [0, 1_000, 9_000, 0],
}
PLENTY = dict.fromkeys(SUPPLIERS, 40_000)


def finish(one: World, *members: str) -> World:
    """These show that they delivered all of it."""
    one.all_run(*(one.delivery(member) for member in members))
    return one


# The price


@pytest.mark.parametrize(
    ("demand_wh", "clearing"),
    [
        (1, Clearing(1, 100, 1, 1, 25_000)),
        (25_000, Clearing(1, 100, 25_000, 25_000, 25_000)),
        (25_001, Clearing(2, 200, 25_001, 1, 16_000)),
        (30_000, Clearing(2, 200, 30_000, 5_000, 16_000)),
        (55_000, Clearing(3, 300, 55_000, 14_000, 14_000)),
        (55_001, Clearing(4, 400, 55_000, 1, 1)),
        (99_999, Clearing(4, 400, 55_000, 1, 1)),
    ],
)
def test_the_price_is_the_first_tick_at_which_there_is_enough(demand_wh: int, clearing: Clearing) -> None:
    one = world().priced(OFFERS, demand_wh)
    assert one.round().clearing == clearing
    assert one.round().phase == "awarding"


def test_sums_are_opened_along_a_binary_search_and_never_s_0() -> None:
    one = world().priced(OFFERS)
    asked = [openings.load(State(one.store), number) for number in range(one.round().openings)]
    assert [(found.purpose, found.tick) for found in asked if found] == [("sealed-tick", 2), ("sealed-tick", 1)]


@pytest.mark.parametrize(("ticks", "most"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_at_most_log2_k_and_one_more_ticks_are_opened(ticks: int, most: int) -> None:
    for demand_wh in (1, 4_001, 8_001, 12_001, 20_000):
        one = world()
        offers = {member: [1_000] * ticks for member in SUPPLIERS}
        one.priced(offers, demand_wh, ticks=TICKS[:ticks])
        assert one.round().clearing is not None and one.round().openings <= most


def test_one_tick_is_a_round_as_well() -> None:
    one = world().priced({member: [10_000] for member in SUPPLIERS}, 30_000, ticks=(100,))
    assert one.round().clearing == Clearing(1, 100, 30_000, 30_000, 40_000)
    one.balance(*SUPPLIERS)
    assert (one.round().awarded_wh, one.inside()) == (30_000, 3_000_000)


def test_a_single_wh_at_the_margin_needs_no_remainder() -> None:
    one = world().priced({"bio": [1, 0, 0, 0], "geo": [0] * 4, "solar": [0] * 4, "wind": [0] * 4}, 1)
    assert one.round().clearing == Clearing(1, 100, 1, 1, 1)
    assert one.run(one.award("bio", remainder=points.V)) == "sealed.shape"
    one.balance(*SUPPLIERS)
    assert (one.round().awarded_wh, one.inside()) == (1, 100)


def test_an_award_without_its_remainder_is_refused() -> None:
    one = world().priced(OFFERS)
    assert one.run(one.award("bio", remainder=b"")) == "sealed.shape"


# A whole round


def test_everybody_is_paid_for_what_was_delivered_and_nobody_sees_how_much() -> None:
    one = world().priced(OFFERS)
    assert one.locked() == 400 * 30_000 + 4 * WAGER * NAMEPLATE_WH
    one.balance(*SUPPLIERS)
    assert one.round().outcome == "balanced"
    rem = 30_000 - 29_999
    assert (one.round().awarded_wh, one.round().paid_nano) == (30_000 - rem, 200 * 29_999)
    assert one.spent("campus") == 200 * 29_999 and one.locked() == 4 * WAGER * NAMEPLATE_WH
    finish(one.pass_interval(PLENTY), *SUPPLIERS)
    assert one.round().phase == "done" and one.locked() == 0
    for member in SUPPLIERS:
        opening = one.awards[member, NEXT].times(200)
        assert one.credited(member) == commit(*opening).to_bytes()
    assert one.inside() == sum(one.awards[member, NEXT].value for member in SUPPLIERS) * 200


def test_a_billing_cycle_with_awards_is_never_split_as_well() -> None:
    one = world().priced(OFFERS)
    number = cycle_of(one.genesis.params, NEXT)
    assert PRIVATE_CYCLES.key(number, "campus") not in one.store
    one.balance(*SUPPLIERS)
    assert PRIVATE_CYCLES.decode(one.store[PRIVATE_CYCLES.key(number, "campus")]).by_awards


def test_the_key_is_pinned_until_the_round_is_over() -> None:
    one = world().bidding()
    state = State(one.store)
    assert keys.is_pinned(state, "bio")
    one.freeze()  # Nobody bid.
    assert one.round().reason == "few-bids"
    assert not keys.is_pinned(State(one.store), "bio")


def test_a_shortage_sells_all_there_is_and_the_utility_supplies_the_rest() -> None:
    one = world().priced(OFFERS, 60_000).balance(*SUPPLIERS)
    assert (one.round().outcome, one.round().awarded_wh) == ("balanced", 55_000)
    assert one.spent("campus") == 55_000 * 400


def test_nothing_offered_is_a_shortage_of_everything() -> None:
    one = world().priced({member: [0] * 4 for member in SUPPLIERS}, 60_000).balance(*SUPPLIERS)
    assert (one.round().outcome, one.round().awarded_wh, one.spent("campus")) == ("balanced", 0, 0)
    finish(one.pass_interval(PLENTY), *SUPPLIERS)
    assert one.round().phase == "done"


def test_a_shortfall_goes_back_to_the_buyer_and_pays_what_a_missing_wh_costs() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS).pass_interval(PLENTY)
    before, paid = one.balance_of("campus"), one.inside()
    bio = one.balance_of("bio")
    one.all_run(one.delivery("bio", 100))
    rate = 300_000 * 11 // 10
    assert one.balance_of("campus") - before == 100 * 200 + 100 * rate
    assert one.inside() == paid - 100 * 200
    assert one.balance_of("bio") - bio == WAGER * NAMEPLATE_WH - 100 * rate
    credited = one.awards["bio", NEXT].shifted(-100).times(200)
    assert one.credited("bio") == commit(*credited).to_bytes()


def test_two_intervals_have_rounds_beside_each_other() -> None:
    one = world()
    one.bidding().bidding(interval=NEXT + 1, deadline_ms=DEADLINE_MS + 900_000)
    for interval in (NEXT, NEXT + 1):
        one.all_run(*(one.bid(member, offer, interval) for member, offer in OFFERS.items()))
    one.open_sums(NEXT), one.open_sums(NEXT + 1)
    assert {one.round(interval).phase for interval in (NEXT, NEXT + 1)} == {"awarding"}


def test_what_the_site_draws_besides_is_paid_by_the_buyer_at_the_tariff_and_without_a_penalty() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS)
    one.at(NEXT + 1, 1)
    assert one.run(one.reading("m-campus", NEXT, 700, 0)) == "ok"
    assert one.run(one.reading("m-tie", NEXT, 0, 1_000)) == "ok"
    one.pass_interval(PLENTY)
    bill = State(one.store).entry(BILLS, "campus", NEXT)
    assert bill is not None
    assert [(line.kind, line.energy_wh, line.amount_nano) for line in bill.lines] == [
        ("sealed-supply", -1_000, -1_000 * 300_000)
    ]


def test_what_was_sold_emits_as_the_worst_bidder_does_and_earns_no_certificate() -> None:
    one = world().priced({name: OFFERS[name] for name in ("bio", "geo", "solar")}).balance("bio", "geo", "solar")
    one.at(NEXT + 1, 1)
    one.all_run(one.reading("m-campus", NEXT, 0, 0), one.reading("m-tie", NEXT, 0, 0))
    one.pass_interval(PLENTY)
    carbon = CARBONS.decode(one.store[CARBONS.key(NEXT)])
    assert (carbon.energy_wh, carbon.operating_ug) == (30_000, 30_000 * 300)
    (entry,) = State(one.store).group(EMITTED, NEXT)
    assert (entry.meter, entry.energy_wh, entry.origin_wh) == ("m-bio", 30_000, 0)
    (carried,) = State(one.store).group(CARRIED, NEXT)
    assert (carried.member, carried.consumed_wh, carried.energy_ug) == ("campus", 30_000, 30_000 * 300)


# Sealed demand


def test_the_sum_of_sealed_demands_is_opened_before_any_tick_and_escrowed() -> None:
    one = world().bidding(None)
    one.all_run(*(one.demand(tenant, 9_000 + place) for place, tenant in enumerate(("t1", "t2", "t3"))))
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.freeze()
    assert one.round().phase == "summing" and one.locked() == 4 * WAGER * NAMEPLATE_WH
    one.answer()
    one.claim_all()
    assert (one.round().demand_wh, one.round().phase) == (27_003, "searching")
    assert one.locked() == 400 * 27_003 + 4 * WAGER * NAMEPLATE_WH
    one.open_sums()
    assert one.round().clearing == Clearing(2, 200, 27_003, 2_003, 16_000)


def test_no_more_demand_is_sealed_than_its_sum_could_be_found() -> None:
    one = world().bidding(None)
    full = change(one.round(), ratings_wh=MAX_WH - TENANT_WH + 1)
    one.store[SEALED_ROUNDS.key(NEXT)] = encode(full)
    assert one.run(one.demand("t1", 1)) == "sealed.full"
    one.store[SEALED_ROUNDS.key(NEXT)] = encode(change(full, ratings_wh=MAX_WH - TENANT_WH))
    assert one.run(one.demand("t1", 1)) == "ok"


# What was pinned


def test_a_capacity_registered_later_is_none_of_this_round() -> None:
    one = world().bidding()
    pinned = one.round().participants
    one.all_run(one.capacity("bio", 1))
    assert one.round().participants == pinned


def test_a_later_key_is_none_of_this_round() -> None:
    one = world().bidding()
    key_id = one.round().key_id
    one.decide(keys.supersede)
    found = THRESHOLD_KEYS.decode(one.store[THRESHOLD_KEYS.key(key_id.hex())])
    assert found.retired_height == 0
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.open_sums()
    assert one.round().phase == "awarding"
