"""A sealed round with real proofs, and what they keep out: words that are copied, changed, replayed or beyond."""

from __future__ import annotations

from functools import cache

import pytest
from ledger_world import change
from sealed_world import NEXT, World, world
from test_sealed_rounds import finish

from contracts.envelope import CODEC
from contracts.sealed.bodies import OpenSealed, ProveDelivery
from zk import elgamal
from zk.codec import Malformed, encode
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit
from zk.statements.openings import Opening

TICKS = (100, 200)
OFFERS = {"bio": [3_000, 7_000], "geo": [5_000, 5_000], "solar": [20_000, 0]}
TENANTS = {"t1": 9_000, "t2": 9_500, "t3": 9_999}


@cache
def _bidding() -> World:
    one = world(honest=True).bidding(None, ticks=TICKS)
    one.all_run(*(one.demand(tenant, wh) for tenant, wh in TENANTS.items() if tenant != "t3"))
    one.all_run(*(one.bid(member, OFFERS[member]) for member in ("geo", "solar")))
    return one


@cache
def _priced() -> World:
    one = _bidding().copy()
    one.all_run(one.demand("t3", TENANTS["t3"]), one.bid("bio", OFFERS["bio"]))
    one.freeze().open_sums()
    assert one.round().phase == "awarding"
    return one


@cache
def _delivering() -> World:
    return _priced().copy().balance(*OFFERS).pass_interval(dict.fromkeys(OFFERS, 40_000))


def test_a_whole_round_with_sealed_demand_real_proofs_and_real_shares() -> None:
    one = _delivering().copy()
    assert (one.round().outcome, one.round().demand_wh) == ("balanced", sum(TENANTS.values()))
    assert one.round().clearing is not None and one.round().clearing.tick == 2
    one.all_run(one.delivery("bio", 10))
    finish(one, "geo", "solar")
    assert (one.round().phase, one.locked()) == ("done", 0)
    worth = sum(one.awards[member, NEXT].value for member in OFFERS) - 10
    assert one.inside() == worth * 200
    assert one.credited("geo") == commit(*one.awards["geo", NEXT].times(200)).to_bytes()


# Demands and bids


def test_a_copied_demand_is_refused_as_it_is_and_when_it_is_made_unlike_it() -> None:
    one = _bidding().copy()
    victim = one.demand("t1", TENANTS["t1"]).body
    assert one.run(one.say("t3", victim)) == "sealed.proof"
    blinded = elgamal.encrypt(0, (7).to_bytes(32, "big"), native.decode_point(one.round().key))
    again = elgamal.total([elgamal.decode(victim.sealed, victim.ephemeral), blinded])
    changed = change(victim, sealed=again.E.to_bytes(), ephemeral=again.R.to_bytes())
    assert one.run(one.say("t3", changed)) == "sealed.proof"


def test_a_copied_bid_is_refused_as_it_is_and_when_it_is_made_unlike_it() -> None:
    """Without it the copy less the others' demands would open a victim's offer."""
    one = _bidding().copy()
    victim = one.bid_body("geo", OFFERS["geo"])
    assert one.run(one.say("bio", victim)) == "sealed.proof"
    blinded = elgamal.encrypt(0, (7).to_bytes(32, "big"), native.decode_point(one.round().key))
    pairs = [
        elgamal.total([elgamal.decode(*pair), blinded]) for pair in zip(victim.sealed, victim.ephemeral, strict=True)
    ]
    e, r = tuple(pair.E.to_bytes() for pair in pairs), tuple(pair.R.to_bytes() for pair in pairs)
    assert one.run(one.say("bio", change(victim, sealed=e, ephemeral=r))) == "sealed.proof"


def test_a_garbage_bid_is_refused_and_a_good_one_counts_after_it() -> None:
    one = _bidding().copy()
    body = one.bid_body("bio", OFFERS["bio"])
    swapped = (body.sealed[1], body.sealed[0])
    garbage = bytes(len(body.proof))
    for fields in (
        {"proof": body.proof[:-1]},
        {"proof": garbage},
        {"sealed": swapped},
        {"slack": body.sealed[0]},
    ):
        assert one.run(one.say("bio", change(body, **fields))) == "sealed.proof"
    assert one.round().bidders == ("geo", "solar") and one.spent("bio") == 0
    assert one.run(one.say("bio", body)) == "ok"


def test_a_bid_beyond_the_pinned_capacity_is_refused() -> None:
    one = _bidding().copy()
    one.all_run(one.capacity("bio", 60_000))
    assert one.run(one.bid("bio", [25_000, 25_000])) == "sealed.proof"


def test_a_bid_for_another_interval_is_refused() -> None:
    one = _bidding().copy()
    one.bidding(20_000, NEXT + 1, ticks=TICKS)
    there = one.bid_body("bio", OFFERS["bio"], NEXT + 1)
    assert one.run(one.say("bio", change(there, interval=NEXT))) == "sealed.proof"


@pytest.mark.parametrize("ticks", [(0, 100), (-1,), ()])
def test_a_tick_below_one_is_no_word_at_all(ticks: tuple[int, ...]) -> None:
    with pytest.raises(Malformed):
        CODEC.decode(encode(world().say("campus", OpenSealed(NEXT, ticks, 1, 1))))


# Awards


def test_an_award_with_its_remainder_off_by_one_is_refused() -> None:
    """q is near the order of the group then, and would print money."""
    one = _priced().copy()
    found = one.round().clearing
    assert found is not None
    body = one.award_body("bio")
    below, marginal = one.bids["bio", NEXT]
    weighted = below.value * found.whole + marginal.value * found.part
    rest = weighted % found.whole
    forged = (weighted - rest - 1) * pow(found.whole, -1, ORDER) % ORDER
    q = native.multiexp([bases().V], [native.scalar(forged)])
    x = commit(rest + 1, (5).to_bytes(32, "big"))
    assert one.run(one.say("bio", change(body, award=q.to_bytes(), remainder=x.to_bytes()))) == "sealed.proof"
    assert one.run(one.say("bio", change(body, remainder=x.to_bytes()))) == "sealed.proof"


def test_an_award_of_anothers_bid_is_refused() -> None:
    one = _priced().copy()
    assert one.run(one.say("bio", one.award_body("geo"))) == "sealed.proof"


def test_an_award_counts_once() -> None:
    one = _priced().copy()
    body = one.award_body("bio")
    one.all_run(one.say("bio", body))
    assert one.run(one.say("bio", body)) == "sealed.twice"


# Deliveries


def test_a_delivery_is_paid_once() -> None:
    one = _delivering().copy()
    one.all_run(one.delivery("bio"))
    before = one.credited("bio")
    assert one.run(one.delivery("bio")) == "sealed.award"
    assert one.credited("bio") == before


def test_a_shortfall_above_the_award_is_refused() -> None:
    one = _delivering().copy()
    award_wh = one.awards["bio", NEXT].value
    good = one.delivery("bio", award_wh).body
    assert one.run(one.say("bio", change(good, shortfall_wh=award_wh + 1))) == "sealed.proof"
    one.awards["bio", NEXT] = Opening(award_wh + 1, one.awards["bio", NEXT].blinding)
    assert one.run(one.delivery("bio", award_wh + 1)) == "sealed.proof"


@pytest.mark.parametrize("shortfall_wh", [-1, 2**32])
def test_a_shortfall_that_is_negative_or_huge_is_no_word_at_all(shortfall_wh: int) -> None:
    with pytest.raises(Malformed):
        CODEC.decode(encode(world().say("bio", ProveDelivery(NEXT, shortfall_wh, b""))))


def test_whoever_delivered_less_has_to_say_so() -> None:
    one = _priced().copy().balance(*OFFERS).pass_interval({"bio": 1_000, "geo": 40_000, "solar": 40_000})
    award_wh = one.awards["bio", NEXT].value
    with pytest.raises(ValueError, match="below the order"):
        one.delivery("bio", award_wh - 1_001)
    good = one.delivery("bio", award_wh - 1_000)
    assert one.run(one.say("bio", change(good.body, shortfall_wh=0))) == "sealed.proof"
    assert one.run(one.say("bio", good.body)) == "ok"


def test_a_delivery_of_another_supplier_or_interval_is_refused() -> None:
    one = _delivering().copy()
    assert one.run(one.say("geo", one.delivery("bio").body)) == "sealed.proof"
