"""Who may bid, when, once: bids twice, replaced, late; capacity sold twice; a buyer that can not pay."""

from __future__ import annotations

import pytest
from ledger_world import OPENING_NANO, change
from sealed_world import NAMEPLATE_WH, NEXT, SUPPLIERS, TENANT_WH, TENANTS, TICKS, WAGER, World, document, world

from contracts.governance.records import Membership
from contracts.schema import MEMBERSHIPS, SEALED_OFFERS, SEALED_ROUNDS
from contracts.sealed.bodies import MAX_WH
from zk.codec import encode
from zk.group import native

FIRST_WORD, SECOND_WORD = [10_000, 0, 0, 0], [1, 0, 0, 0]
DEMAND_WH = 30_000


def rivals(one: World) -> World:
    """Everybody has bid but one."""
    one.all_run(*(one.bid(member, FIRST_WORD) for member in SUPPLIERS if member != "bio"))
    return one


def test_the_first_bid_counts_and_no_other_replaces_it() -> None:
    one = world().bidding()
    one.all_run(one.bid("bio", FIRST_WORD))
    before, spent = one.store[SEALED_OFFERS.key(NEXT, "bio")], one.spent("bio")
    assert spent == WAGER * NAMEPLATE_WH
    assert one.run(one.bid("bio", SECOND_WORD)) == "sealed.twice"
    # Not in one block either, where the second comes first to nobody's mind.
    again = one.bid("bio", SECOND_WORD)
    codes = [receipt.code for receipt in one.block(again, change(one.bid("bio", FIRST_WORD), nonce=again.nonce + 1))]
    assert codes == ["sealed.twice", "sealed.twice"]
    assert one.store[SEALED_OFFERS.key(NEXT, "bio")] == before
    assert one.spent("bio") == spent
    assert one.round().bidders == ("bio",)


def test_two_bids_of_one_block_are_one() -> None:
    one = world().bidding()
    first, second = one.bid("bio", FIRST_WORD), one.bid("bio", SECOND_WORD)
    codes = [receipt.code for receipt in one.block(first, change(second, nonce=first.nonce + 1))]
    assert codes == ["ok", "sealed.twice"]
    assert one.spent("bio") == WAGER * NAMEPLATE_WH


def test_a_bid_after_the_deadline_is_refused() -> None:
    one = rivals(world().bidding())
    late = one.bid("bio", FIRST_WORD)
    one.freeze()
    assert one.round().phase == "searching"
    assert "bio" in one.round().absent
    sums = one.round().sums
    assert one.run(late) == "sealed.phase"
    assert one.round().sums == sums
    assert one.spent("bio") == 0
    one.open_sums()
    assert one.run(one.bid("bio", FIRST_WORD)) == "sealed.phase"


def test_a_bid_that_no_proposer_took_at_first_still_counts() -> None:
    """The deadline has passed, and blocks are still waited for: nobody leaves a bid out by proposing one block."""
    one = rivals(world().bidding())
    one.now_ms = one.round().deadline_ms
    one.block()
    assert one.round().phase == "bidding"
    assert one.round().closing
    assert one.run(one.bid("bio", FIRST_WORD)) == "ok"
    assert set(one.round().bidders) == set(SUPPLIERS)


def test_capacity_is_not_sold_twice() -> None:
    open_first = world(document(open_meter=True)).bidding()
    open_first.all_run(open_first.offer("bio", "m-open", NEXT, (100_000, 10)))
    assert open_first.run(open_first.bid("bio", FIRST_WORD)) == "sealed.open"
    sealed_first = world(document(open_meter=True)).bidding()
    sealed_first.all_run(sealed_first.bid("bio", FIRST_WORD))
    assert sealed_first.run(sealed_first.offer("bio", "m-open", NEXT, (100_000, 10))) == "offer.sealed"
    # In another interval both may be said.
    assert sealed_first.run(sealed_first.offer("bio", "m-open", NEXT + 1, (100_000, 10))) == "ok"


def test_a_buyer_that_can_not_pay_for_all_of_it_at_the_highest_tick_opens_nothing() -> None:
    one = world()
    escrow_nano = TICKS[-1] * DEMAND_WH
    one.all_run(one.pay("campus", "utility", OPENING_NANO - escrow_nano + 1))
    assert one.run(one.opening_of(DEMAND_WH)) == "sealed.insolvent"
    assert one.locked() == 0
    one.all_run(one.pay("utility", "campus", 1))
    assert one.run(one.opening_of(DEMAND_WH)) == "ok"
    assert one.locked() == escrow_nano
    assert one.balance_of("campus") == 0


@pytest.mark.parametrize("part", ["sealed", "ephemeral"])
def test_a_bid_whose_first_points_sum_to_the_identity_is_refused(part: str) -> None:
    """Its sum could not be opened by shares: whoever sells it could fail to deliver for nothing. Whatever is proven."""
    one = world().bidding()
    body = one.bid_body("bio", FIRST_WORD)
    first, second, *others = (native.decode_point(raw) for raw in getattr(body, part))
    for row in ((first, -first, *others), (first, second, -(first + second), *others[1:])):
        raised = change(body, **{part: tuple(point.to_bytes() for point in row)})
        assert one.run(one.say("bio", raised)) == "sealed.point"
    assert one.run(one.say("bio", body)) == "ok"


def test_demands_that_could_exceed_what_can_be_found_are_refused() -> None:
    """The sum of what tenants can take stays below 2^32, or nobody would find the value of their sum."""
    one = world().bidding(None)
    full = change(one.round(), ratings_wh=MAX_WH - TENANT_WH + 1)
    one.store[SEALED_ROUNDS.key(NEXT)] = encode(full)
    assert one.run(one.demand("t1", 1_000)) == "sealed.full"
    one.store[SEALED_ROUNDS.key(NEXT)] = encode(change(full, ratings_wh=MAX_WH - TENANT_WH))
    assert one.run(one.demand("t1", 1_000)) == "ok"
    assert one.round().ratings_wh == MAX_WH


def test_all_bids_end_no_round_to_which_tenants_may_still_speak() -> None:
    one = world().bidding(None)
    one.all_run(*(one.bid(member, FIRST_WORD) for member in SUPPLIERS))
    one.block()
    assert one.round().phase == "bidding"
    for tenant in TENANTS:
        assert one.run(one.demand(tenant, 1_000)) == "ok"
    known = rivals(world().bidding())
    known.all_run(known.bid("bio", FIRST_WORD))
    assert known.round().phase == "searching", "where nobody has anything to say"


def test_whoever_was_removed_takes_no_part_in_later_rounds() -> None:
    one = world()
    one.store[MEMBERSHIPS.prefix + b"wind"] = encode(Membership("wind", removed_height=1))
    one.bidding()
    assert [participant.member for participant in one.round().participants] == sorted({*SUPPLIERS} - {"wind"})
