"""Every way in which a sealed round can end: whoever withholds, keeps silent or can not pay, money adds up."""

from __future__ import annotations

import pytest
from ledger_world import FIRST, OPENING_NANO, Chain, change
from sealed_world import (
    NAMEPLATE_WH,
    NEXT,
    PARAMS,
    SEATS,
    SUPPLIERS,
    WAGER,
    World,
    world,
)
from test_sealed_rounds import OFFERS, PLENTY, finish

from contracts.ceremony import keys, openings
from contracts.order_book import offers as standing_offers
from contracts.params import DAY_MS
from contracts.schema import INTERVALS, ORDERS, SEALED_GROWN, SEALED_ROUNDS
from contracts.sealed.bodies import ClaimSum
from contracts.sealed.events import SealedBalanced, SealedFailed, SealedFrozen, WagerLost
from contracts.sealed.records import Clearing, SealedRound
from contracts.state import State
from contracts.succession import left_behind, successor
from zk.pedersen import commit

LOCK_MS = NEXT * 900_000 - PARAMS.gate_lead_ms
WAGERS = WAGER * NAMEPLATE_WH
SHORT_NANO = 330_000
"""What a missing Wh costs."""


def asked(one: World) -> list[tuple[str, int]]:
    """Everything that was ever asked to be opened."""
    count = sum(1 for key in one.store if key.startswith(b"opening/"))
    return [(found.purpose, found.tick) for found in (one.opening(number) for number in range(count))]


def ended_open(one: World, reason: str, demand_wh: int = 30_000) -> None:
    """The round has failed, everything is given back, and open merit order has the reference offers and the demand."""
    assert (one.round().outcome, one.round().reason, one.round().clearing) == ("failed", reason, None)
    assert one.locked() == 0 and all(one.spent(member) == 0 for member in (*SUPPLIERS, "campus"))
    assert not any(held.pins for held in keys.held_keys(State(one.store)).held)
    record = INTERVALS.decode(one.store[INTERVALS.key(NEXT)])
    assert record.demand_wh == demand_wh
    found = standing_offers(State(one.store), record)
    assert {entry.meter: entry.blocks[0].energy_wh for entry in found} == dict.fromkeys(SUPPLIERS.values(), 20_000)


# Before there is a price


def test_without_enough_shares_nothing_more_is_opened_and_withholders_are_named() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    before = asked(one)
    one.answer(silent=("bio", "geo"))
    one.until("ordered", interval=NEXT)
    assert asked(one) == before == [("sealed-tick", 2)]
    assert one.round().withheld == ("bio", "geo")
    (failed,) = one.events(SealedFailed)
    assert failed.withheld == ("bio", "geo")
    ended_open(one, "withheld")


def test_a_single_seat_may_be_silent() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.open_sums(silent=("bio",))
    assert one.round().phase == "awarding"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_bids_open_nothing(count: int) -> None:
    one = world().bidding()
    bidders = list(OFFERS)[:count]
    if count:
        one.all_run(*(one.bid(member, OFFERS[member]) for member in bidders))
    one.freeze()
    assert asked(one) == []
    assert one.round().absent == tuple(sorted(OFFERS.keys() - set(bidders)))
    ended_open(one, "few-bids")


def test_a_supplier_that_is_publicly_nothing_does_not_count_among_the_three() -> None:
    one = world().bidding()
    one.decide(lambda state, context: state.save(*_with_nothing(one, "geo")))
    one.all_run(*(one.bid(member, OFFERS[member]) for member in ("bio", "geo", "solar")))
    one.freeze()
    assert (one.round().reason, asked(one)) == ("few-bids", [])


def _with_nothing(one: World, member: str) -> tuple[bytes, SealedRound]:
    parts = tuple(change(part, nameplate_wh=0) if part.member == member else part for part in one.round().participants)
    return SEALED_ROUNDS.key(NEXT), change(one.round(), participants=parts)


def test_absent_suppliers_are_named_unless_they_offer_openly() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, OFFERS[member]) for member in ("bio", "geo", "solar")))
    one.now_ms = one.round().deadline_ms
    one.until("searching", interval=NEXT)
    (frozen,) = one.events(SealedFrozen)
    assert frozen.absent == one.round().absent == ("wind",)


def test_the_window_of_bids_spans_enough_proposers_after_any_stall() -> None:
    one = world().bidding(deadline_ms=FIRST * 900_000 + 60_000)
    opened = one.height
    one.now_ms = one.round().deadline_ms + 1
    one.block()
    assert one.round().phase == "bidding"
    late = one.run(one.bid("wind", OFFERS["wind"]))
    assert late == "ok", "no block has taken bids from enough proposers yet"
    one.until("ordered", interval=NEXT)
    assert one.height - opened >= 4, "two proposers more than it takes to exceed a third"


def test_without_a_price_when_offers_lock_the_round_has_failed() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.now_ms = LOCK_MS
    one.block()
    assert (one.round().outcome, one.round().reason) == ("failed", "late")
    orders = State(one.store).group(ORDERS, NEXT)
    assert sum(order.supplied_wh for order in orders) == 30_000, "reference offers serve the demand"


def test_a_round_that_failed_at_the_lock_opens_nothing_that_it_had_asked() -> None:
    """A share that comes now would show a sum of offers that sell in the open next."""
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    (record,) = openings.waiting(State(one.store))
    late = one.share_of(one.key_of(record).seats[0].member, record.number)
    one.now_ms = LOCK_MS
    one.block()
    assert openings.waiting(State(one.store)) == []
    assert one.run(late) == "share.opening"


def test_an_island_ends_a_round() -> None:
    one = world().bidding()
    assert one.run(one.mode("campus", NEXT, "island")) == "ok"
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    assert (one.round().reason, asked(one)) == ("island", [])


def test_fewer_than_three_tenants_open_no_demand() -> None:
    one = world().bidding(None)
    one.all_run(one.demand("t1", 5_000), one.demand("t2", 6_000))
    one.freeze()
    assert asked(one) == []
    ended_open(one, "few-demands", 0)


def test_no_demand_at_all_is_no_round() -> None:
    one = world().bidding(None)
    one.all_run(*(one.demand(tenant, 0) for tenant in ("t1", "t2", "t3")))
    one.freeze().open_sums()
    ended_open(one, "no-demand", 0)


def test_an_unopened_demand_opens_no_tick() -> None:
    one = world().bidding(None)
    one.all_run(*(one.demand(tenant, 5_000) for tenant in ("t1", "t2", "t3")))
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.freeze()
    one.until("ordered", interval=NEXT)
    assert asked(one) == [("sealed-demand", 0)]
    ended_open(one, "withheld", 0)


def test_an_insolvent_buyer_of_an_opened_demand_sees_no_tick() -> None:
    one = world().bidding(None)
    one.all_run(*(one.demand(tenant, 9_000) for tenant in ("t1", "t2", "t3")))
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.all_run(one.pay("campus", "utility", OPENING_NANO - 400 * 27_000 + 1))
    one.freeze().open_sums()
    assert (one.round().reason, asked(one)) == ("insolvent", [("sealed-demand", 0)])
    assert one.locked() == 0


def test_what_nobody_finds_counts_as_withheld_by_nobody() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.answer()
    one.until("ordered", interval=NEXT)
    assert (one.round().reason, one.round().withheld) == ("withheld", ())


# After the price


def test_no_award_in_time_opens_that_bid_alone_and_costs_its_wager() -> None:
    one = world().priced(OFFERS)
    one.all_run(*(one.award(member) for member in ("geo", "solar", "wind")))
    one.until("balancing", interval=NEXT)
    assert asked(one)[2:] == [("sealed-awards", 0), ("sealed-low", 1), ("sealed-at", 1)]
    one.open_sums()
    held = one.supplier("bio")
    assert (held.state, held.award_wh, held.lost_wager) == ("opened", 10_000 * 5_000 // 16_000, True)
    assert (one.kept(), one.round().outcome, one.round().awarded_wh) == (WAGERS, "balanced", 29_999)
    finish(one.pass_interval(PLENTY), *SUPPLIERS)
    assert one.round().phase == "done", "it may still deliver, and is paid for it"
    assert one.inside() == 29_999 * 200 and one.locked() == 0


def test_at_the_first_tick_the_marginal_quantity_alone_is_opened() -> None:
    one = world().priced(OFFERS, 20_000)
    one.all_run(*(one.award(member) for member in ("geo", "bio", "wind")))
    one.until("balancing", interval=NEXT)
    assert asked(one)[-2:] == [("sealed-awards", 0), ("sealed-at", 3)]
    one.open_sums()
    assert one.supplier("solar").award_wh == 20_000 * 20_000 // 25_000


def test_with_fewer_than_three_awards_their_sum_stays_closed_and_the_buyer_pays_for_everything() -> None:
    one = world().priced(OFFERS)
    one.all_run(*(one.award(member) for member in ("geo", "solar")))
    one.until("balancing", interval=NEXT)
    assert ("sealed-awards", 0) not in asked(one)
    one.open_sums()
    told = one.events(SealedBalanced)
    assert [(event.outcome, event.awarded_wh, event.remainder_wh, event.paid_nano) for event in told] == [
        ("overpaid", None, 0, 30_000 * 200)
    ]
    finish(one.pass_interval(PLENTY), *SUPPLIERS)
    assert one.round().phase == "done" and one.locked() == 0
    worth = sum(one.awards[member, NEXT].value for member in ("geo", "solar")) * 200
    worth += sum((one.supplier(member).award_wh or 0) * 200 for member in ("bio", "wind"))
    assert one.inside() == 30_000 * 200 >= worth, "at least: what is too much stays for good"


def test_without_shares_for_the_sum_of_awards_the_buyer_pays_for_everything() -> None:
    one = world().priced(OFFERS)
    one.all_run(*(one.award(member) for member in OFFERS))
    one.until("running", interval=NEXT)
    assert (one.round().outcome, one.round().paid_nano) == ("overpaid", 30_000 * 200)
    assert one.round().withheld == SEATS
    finish(one.pass_interval(PLENTY), *SUPPLIERS)
    assert (one.round().phase, one.locked(), one.kept()) == ("done", 0, 0)


def test_a_bid_that_can_not_be_opened_gets_nothing_and_loses_its_wager() -> None:
    one = world().priced(OFFERS)
    one.all_run(*(one.award(member) for member in ("geo", "solar", "wind")))
    one.until("balancing", interval=NEXT)
    sums = [number for number in range(8) if one.store.get(b"opening/%010d" % number)]
    one.all_run(*(one.share_of(seat, sums[2]) for seat in SEATS[:3]))
    one.claim_all()
    one.until("running", interval=NEXT)
    assert (one.supplier("bio").state, one.round().outcome, one.kept()) == ("unopened", "overpaid", WAGERS)
    one.pass_interval(PLENTY)
    assert one.run(one.delivery("bio")) == "sealed.award"
    finish(one, "geo", "solar", "wind")
    assert (one.round().phase, one.locked(), one.credited("bio")) == ("done", 0, None)


def test_awards_that_do_not_fit_credit_nobody() -> None:
    """Proofs make it impossible; were one to lie, nobody would be paid out of nothing."""
    one = world().priced(OFFERS)
    one.all_run(one.award("bio", more_wh=2), *(one.award(member) for member in ("geo", "solar", "wind")))
    one.open_sums()
    assert (one.round().phase, one.round().outcome) == ("done", "void")
    assert one.locked() == 0 and all(one.spent(member) == 0 for member in (*SUPPLIERS, "campus"))
    assert one.inside() == 0


def test_awards_below_the_target_by_a_whole_bidder_credit_nobody() -> None:
    one = world().priced(OFFERS)
    one.all_run(one.award("bio", more_wh=-3), *(one.award(member) for member in ("geo", "solar", "wind")))
    one.open_sums()
    assert one.round().outcome == "void"


# Delivery


def test_no_delivery_is_opened_alone_credits_nothing_and_pays_for_all_of_it() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS).pass_interval(PLENTY)
    finish(one, "geo", "solar", "wind")
    before, bio, paid = asked(one), one.balance_of("bio"), one.inside()
    one.until("settling", interval=NEXT)
    assert asked(one)[len(before) :] == [("sealed-low", 1), ("sealed-at", 1)]
    buyer = one.balance_of("campus")
    one.open_sums()
    held, award_wh = one.supplier("bio"), one.awards["bio", NEXT].value
    assert (held.state, held.award_wh, held.shortfall_wh) == ("short", award_wh, award_wh)
    assert (one.round().phase, one.locked(), one.credited("bio")) == ("done", 0, None)
    assert one.balance_of("bio") - bio == WAGERS - award_wh * SHORT_NANO
    assert one.balance_of("campus") - buyer == award_wh * (200 + SHORT_NANO)
    assert one.inside() == paid - award_wh * 200 and one.round().outcome == "balanced"


def test_no_delivery_of_an_award_that_is_public_needs_no_opening() -> None:
    one = world().priced(OFFERS)
    one.all_run(*(one.award(member) for member in ("geo", "solar", "wind")))
    one.until("balancing", interval=NEXT)
    one.open_sums()
    finish(one.pass_interval(PLENTY), "geo", "solar", "wind")
    before = asked(one)
    one.until("done", interval=NEXT)
    assert asked(one) == before
    assert (one.supplier("bio").shortfall_wh, one.locked()) == (3_125, 0)


def test_no_delivery_and_no_shares_leave_the_money_where_it_is() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS).pass_interval(PLENTY)
    finish(one, "geo", "solar", "wind")
    paid = one.inside()
    one.until("done", interval=NEXT)
    assert (one.supplier("bio").state, one.round().outcome) == ("unopened", "overpaid")
    assert (one.inside(), one.kept(), one.locked()) == (paid, WAGERS, 0)
    assert one.events(WagerLost)


def test_a_silent_meter_excuses_its_supplier_until_it_speaks() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS)
    one.pass_interval({member: 40_000 for member in ("geo", "solar", "wind")})
    finish(one, "geo", "solar", "wind")
    assert one.round().phase == "suspended"
    height = one.height
    for _ in range(20):
        one.block()
    assert one.round().phase == "suspended" and one.height > height + 10
    assert one.run(one.delivery("bio")) == "sealed.metered"
    one.at(NEXT + 4)
    one.all_run(one.hidden_reading("bio", 40_000, NEXT + 3))
    one.block()
    assert one.round().phase == "delivering"
    finish(one, "bio")
    assert (one.round().phase, one.locked()) == ("done", 0)


def test_a_meter_that_never_speaks_again_excuses_for_35_days() -> None:
    one = world().priced(OFFERS).balance(*SUPPLIERS)
    one.pass_interval({member: 40_000 for member in ("geo", "solar", "wind")})
    finish(one, "geo", "solar", "wind")
    one.now_ms = (NEXT + 1) * 900_000 + 35 * DAY_MS - 1
    one.block()
    assert one.round().phase == "suspended"
    one.now_ms += 1
    one.until("settling", interval=NEXT)
    one.open_sums()
    assert (one.round().phase, one.supplier("bio").state, one.locked()) == ("done", "short", 0)


def test_one_difference_over_two_rounds_pays_for_what_it_is_once() -> None:
    """After a gap the register's growth answers for the earliest round, and what that leaves for the next."""
    one = world()
    for interval in (NEXT, NEXT + 1):
        one.bidding(interval=interval)
        one.all_run(*(one.bid(member, offer, interval) for member, offer in OFFERS.items()))
        one.open_sums(interval)
        one.balance(*SUPPLIERS, interval=interval)
    one.pass_interval({member: 40_000 for member in ("geo", "solar", "wind")})
    finish(one, "geo", "solar", "wind")
    one.pass_interval({member: 40_000 for member in SUPPLIERS}, NEXT + 1)
    assert one.run(one.delivery("bio", interval=NEXT + 1)) == "sealed.metered"
    one.all_run(one.delivery("bio"))
    left = SEALED_GROWN.decode(one.store[SEALED_GROWN.key(NEXT + 1, "m-bio")])
    grown = one.grown("m-bio", NEXT + 1).minus(one.awards["bio", NEXT])
    assert (left.behind, left.point) == (None, commit(grown.value, grown.blinding).to_bytes())


# A failed round and its hidden meters


def failed(one: World, *bidders: str) -> World:
    one.bidding()
    if bidders:
        one.all_run(*(one.bid(member, OFFERS[member]) for member in bidders))
    one.freeze()
    one.now_ms = LOCK_MS
    one.block()
    return one


@pytest.mark.parametrize("bidders", [(), ("bio", "geo")])
def test_reference_offers_of_hidden_sources_are_paid_openly_and_shown_afterwards(bidders: tuple[str, ...]) -> None:
    one = failed(world(), *bidders)
    ordered = {order.member: order.supplied_wh for order in State(one.store).group(ORDERS, NEXT) if order.supplied_wh}
    assert sum(ordered.values()) == 30_000
    one.pass_interval(PLENTY)
    earned = {member: -one.spent(member) for member in ordered}
    assert earned == {member: 90_000 * wh for member, wh in ordered.items()}
    assert one.spent("campus") == 90_000 * 30_000
    assert one.round().bidders == tuple(sorted(ordered))
    first, *others = sorted(ordered)
    finish(one, *others)
    assert one.run(one.delivery(first, 100)) == "ok"
    assert one.spent(first) == -90_000 * ordered[first] + 100 * SHORT_NANO
    assert (one.round().phase, one.inside(), one.locked()) == ("done", 0, 0)


def test_whoever_shows_nothing_of_a_reference_offer_is_short_of_it() -> None:
    one = failed(world()).pass_interval(PLENTY)
    ordered = {order.member: order.supplied_wh for order in State(one.store).group(ORDERS, NEXT) if order.supplied_wh}
    one.until("done", interval=NEXT)
    for member, wh in ordered.items():
        assert one.spent(member) == wh * (SHORT_NANO - 90_000)


# Claims


def test_only_what_was_opened_can_be_claimed_and_only_once() -> None:
    one = world().bidding()
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    number = one.round().asked[0].opening
    assert one.run(one.say("utility", ClaimSum(NEXT, number, 41_000))) == "sealed.opening"
    one.answer()
    assert one.run(one.say("utility", ClaimSum(NEXT, number, 40_999))) == "sealed.claim"
    assert one.run(one.say("utility", ClaimSum(NEXT, number + 1, 41_000))) == "sealed.opening"
    first, second = (one.say(name, ClaimSum(NEXT, number, 41_000)) for name in ("utility", "t1"))
    assert [receipt.code for receipt in one.block(first, second)] == ["ok", "sealed.opening"]


def test_what_is_opened_of_a_whole_life_follows_from_the_rules_alone() -> None:
    """Any opening outside the rules would be here."""
    one = world().bidding(None)
    one.all_run(*(one.demand(tenant, 10_000) for tenant in ("t1", "t2", "t3")))
    one.all_run(*(one.bid(member, offer) for member, offer in OFFERS.items()))
    one.freeze().open_sums()
    one.all_run(*(one.award(member) for member in ("geo", "solar", "wind")))
    one.until("balancing", interval=NEXT)
    one.open_sums()
    finish(one.pass_interval(PLENTY), "solar", "wind")
    one.until("settling", interval=NEXT)
    one.open_sums()
    assert asked(one) == [
        ("sealed-demand", 0),
        ("sealed-tick", 2),
        ("sealed-tick", 1),
        ("sealed-awards", 0),
        ("sealed-low", 1),
        ("sealed-at", 1),
        ("sealed-low", 2),
        ("sealed-at", 2),
    ]
    assert one.round().clearing == Clearing(2, 200, 30_000, 5_000, 16_000)
    assert openings.waiting(State(one.store)) == []


@pytest.mark.parametrize("steps", range(5))
def test_a_chain_that_succeeds_has_all_money_of_rounds_that_nobody_ends(steps: int) -> None:
    one = world().bidding(20_000)
    for member, quantities in list(OFFERS.items())[:3]:
        one.all_run(one.bid(member, quantities))
    if steps > 0:
        one.freeze()
    if steps > 1:
        one.open_sums()
    if steps > 2:
        for member in list(OFFERS)[:2]:
            one.all_run(one.award(member))
    if steps > 3:
        one.until("running", "done", interval=NEXT)
    genesis = successor(State(one.store), one.genesis, "again", one.now_ms)
    left = left_behind(State(one.store))
    again = Chain(genesis)
    assert again.money() == one.money()
    lost = {member: WAGERS for member in one.round().bidders if one.supplier(member).lost_wager}
    lost["campus"] = one.round().paid_nano
    for member in (*SUPPLIERS, "campus"):
        assert again.balance(member) == OPENING_NANO - lost.get(member, 0)
    assert (lost["campus"] > 0) == (steps == 4)
    assert left.sealed == ((NEXT,) if one.round().phase != "done" else ())
