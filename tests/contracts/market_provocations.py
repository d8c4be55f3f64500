"""One way to provoke each refusal of needs, offers and tariffs; with those before it, `CASES` has them all."""

from __future__ import annotations

from ledger_world import FIRST, Chain, change, make_genesis
from metering_provocations import CASES
from provocations import NEXT, PARAMS, provokes, with_params

from contracts.envelope import Envelope
from contracts.genesis import Genesis
from contracts.members import AssetEnvelope, DaySpan, Enveloped, Terms
from contracts.schema import ENVELOPES
from zk.codec import encode

__all__ = ["CASES"]


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
