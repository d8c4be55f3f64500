"""One way to provoke each refusal about sealed dispatch; with all others, `CASES` has them all."""

from __future__ import annotations

from ceremony_provocations import CASES
from ledger_world import FIRST, OPENING_NANO, Chain, change
from provocations import provokes, provokes_on
from sealed_world import (
    BAD,
    NAMEPLATE_WH,
    NEXT,
    PARAMS,
    RATING_W,
    SUPPLIERS,
    TICKS,
    World,
    document,
    world,
)

from contracts.envelope import Envelope
from contracts.schema import (
    CAPACITY_LIST,
    METERS,
    OPEN_SEALED_LIST,
    SEALED_ROUNDS,
)
from contracts.sealed import points
from contracts.sealed.bodies import ClaimSum, OpenSealed, ProveDelivery, ReferenceBlock
from contracts.sealed.records import MAX_CAPACITIES, MAX_OPEN, CapacityList, OpenSealedRounds
from zk.codec import encode

__all__ = ["CASES"]

OFFER = [10_000, 0, 0, 0]
OFFERS = dict.fromkeys(SUPPLIERS, OFFER)


def bidding() -> World:
    return world().bidding()


def tenants_bidding() -> World:
    return world().bidding(None)


def awarding() -> World:
    return world().priced(OFFERS)


def delivering() -> World:
    return awarding().balance(*SUPPLIERS).pass_interval(dict.fromkeys(SUPPLIERS, 40_000))


def opened_alone() -> World:
    one = awarding()
    one.balance("geo", "solar", "wind")
    return one.pass_interval(dict.fromkeys(SUPPLIERS, 40_000))


def searching() -> World:
    one = bidding()
    one.all_run(*(one.bid(member, OFFER) for member in SUPPLIERS))
    assert one.round().phase == "searching" and one.round().ticks == TICKS
    return one


# Opening


@provokes("sealed.off")
def _(chain: Chain) -> Envelope:
    return chain.say("campus", OpenSealed(NEXT, (1,), 1, 1))


@provokes_on("sealed.role", world)
def _(one: World) -> Envelope:
    return one.say("bio", one.opening_of().body)


@provokes_on("sealed.late", world)
def _(one: World) -> Envelope:
    return one.opening_of(interval=FIRST)


@provokes_on("sealed.horizon", world)
def _(one: World) -> Envelope:
    return one.opening_of(interval=FIRST + 193)


@provokes_on("sealed.interval", bidding)
def _(one: World) -> Envelope:
    return one.opening_of()


@provokes_on("sealed.ticks", world)
def _(one: World) -> Envelope:
    return one.opening_of(ticks=(100, 100))


@provokes_on("sealed.price", world)
def _(one: World) -> Envelope:
    return one.opening_of(ticks=(100, PARAMS.offer_cap_nano_per_wh + 1))


@provokes_on("sealed.deadline", world)
def _(one: World) -> Envelope:
    return one.opening_of(deadline_ms=NEXT * 900_000 - PARAMS.gate_lead_ms)


@provokes_on("sealed.island", world)
def _(one: World) -> Envelope:
    assert one.run(one.mode("campus", NEXT, "island")) == "ok"
    return one.opening_of()


@provokes_on("sealed.full", world)
def _(one: World) -> Envelope:
    found = change(world().bidding().round(), phase="running")
    for interval in range(FIRST + 500, FIRST + 500 + MAX_OPEN):
        one.store[SEALED_ROUNDS.key(interval)] = encode(change(found, interval=interval))
    waiting = OpenSealedRounds(tuple(range(FIRST + 500, FIRST + 500 + MAX_OPEN)))
    one.store[OPEN_SEALED_LIST] = encode(waiting)
    return one.opening_of()


@provokes_on("sealed.key", World)
def _(one: World) -> Envelope:
    return one.opening_of()


@provokes_on("sealed.few", world)
def _(one: World) -> Envelope:
    one.store[CAPACITY_LIST] = encode(CapacityList(("m-bio", "m-geo")))
    return one.opening_of()


@provokes_on("sealed.nameplate", world)
def _(one: World) -> Envelope:
    for member in SUPPLIERS:
        key = SUPPLIERS[member]
        raw = one.store[METERS.key(key)]
        one.store[METERS.key(key)] = encode(change(METERS.decode(raw), rating_w=2**32))
        one.all_run(one.capacity(member))
    return one.opening_of()


@provokes_on("sealed.insolvent", world)
def _(one: World) -> Envelope:
    one.all_run(one.pay("campus", "utility", OPENING_NANO - 400 * 30_000 + 1))
    return one.opening_of()


# Bids and demands


@provokes_on("sealed.round", bidding)
def _(one: World) -> Envelope:
    body = one.bid_body("bio", OFFER)
    return one.say("bio", change(body, interval=NEXT + 1))


@provokes_on("sealed.phase", awarding)
def _(one: World) -> Envelope:
    return one.bid("bio", OFFER)


@provokes_on("sealed.demand-public", bidding)
def _(one: World) -> Envelope:
    return one.demand("t1", 1_000)


@provokes_on("sealed.twice", bidding)
def _(one: World) -> Envelope:
    one.all_run(one.bid("bio", OFFER))
    return one.bid("bio", [1, 0, 0, 0])


@provokes_on("sealed.tenant", tenants_bidding)
def _(one: World) -> Envelope:
    return one.say("bio", one.demand("t1", 1_000).body)


@provokes_on("sealed.participant", bidding)
def _(one: World) -> Envelope:
    return one.say("t1", one.bid_body("bio", OFFER))


@provokes_on("sealed.open", lambda: world(document(open_meter=True)).bidding())
def _(one: World) -> Envelope:
    one.all_run(one.offer("bio", "m-open", NEXT, (100_000, 10)))
    return one.bid("bio", OFFER)


@provokes_on("offer.sealed", lambda: world(document(open_meter=True)).bidding())
def _(one: World) -> Envelope:
    one.all_run(one.bid("bio", OFFER))
    return one.offer("bio", "m-open", NEXT, (100_000, 10))


@provokes_on("sealed.shape", bidding)
def _(one: World) -> Envelope:
    return one.bid("bio", OFFER[1:])


@provokes_on("sealed.point", bidding)
def _(one: World) -> Envelope:
    body = one.bid_body("bio", OFFER)
    return one.say("bio", change(body, sealed=(bytes(48), *body.sealed[1:])))


@provokes_on("sealed.wager", bidding)
def _(one: World) -> Envelope:
    one.all_run(one.pay("bio", "utility", OPENING_NANO - 10 * NAMEPLATE_WH + 1))
    return one.bid("bio", OFFER)


@provokes_on("sealed.proof", bidding)
def _(one: World) -> Envelope:
    return one.bid("bio", OFFER, proof=BAD)


# Awards, deliveries, claims


@provokes_on("sealed.bidder", lambda: world().priced({name: OFFER for name in ("bio", "geo", "solar")}))
def _(one: World) -> Envelope:
    one.bids["wind", NEXT] = one.bids["bio", NEXT]
    return one.award("wind")


@provokes_on("sealed.award", delivering)
def _(one: World) -> Envelope:
    one.all_run(one.delivery("bio"))
    return one.delivery("bio")


@provokes_on("sealed.metered", lambda: awarding().balance(*SUPPLIERS).pass_interval({"geo": 40_000}))
def _(one: World) -> Envelope:
    return one.delivery("bio")


@provokes_on("sealed.shortfall", opened_alone)
def _(one: World) -> Envelope:
    held = one.supplier("bio").award_wh
    assert held is not None
    return one.say("bio", ProveDelivery(NEXT, held, b""))


@provokes_on("sealed.opening", searching)
def _(one: World) -> Envelope:
    return one.say("utility", ClaimSum(NEXT, one.round().asked[0].opening, 40_000))


@provokes_on("sealed.claim", searching)
def _(one: World) -> Envelope:
    one.answer()
    return one.say("utility", ClaimSum(NEXT, one.round().asked[0].opening, 40_001))


# Capacities


@provokes_on("capacity.meter", world)
def _(one: World) -> Envelope:
    return one.say("geo", one.capacity("bio").body)


@provokes_on("capacity.kind", world)
def _(one: World) -> Envelope:
    return one.say("t1", change(one.capacity("bio").body, meter="m-t1"))


@provokes_on("capacity.rating", world)
def _(one: World) -> Envelope:
    return one.capacity("bio", reference=(ReferenceBlock(1, RATING_W // 4 + 1),))


@provokes_on("capacity.order", world)
def _(one: World) -> Envelope:
    return one.capacity("bio", reference=(ReferenceBlock(1, 1), ReferenceBlock(1, 1)))


@provokes_on("capacity.signature", world)
def _(one: World) -> Envelope:
    return one.capacity("bio", capacity=points.V)


@provokes_on("capacity.proof", world)
def _(one: World) -> Envelope:
    return one.capacity("bio", proof=BAD)


@provokes_on("capacity.full", world)
def _(one: World) -> Envelope:
    held = one.store.pop(b"capacity/m-bio")
    for number in range(MAX_CAPACITIES):
        one.store[b"capacity/m%03d" % number] = held
    one.store[CAPACITY_LIST] = encode(CapacityList(tuple(f"m{number:03d}" for number in range(MAX_CAPACITIES))))
    return one.capacity("bio")
