"""A site with a firm source and a little one, whose modes, promises and reductions are tried."""

from __future__ import annotations

import msgspec
from ledger_world import FIRST, METERS, Chain, Site, make_genesis

from contracts.bodies import BaseLoad, CallReduction, OfferReduction
from contracts.envelope import AccountEnvelope
from contracts.genesis import Genesis
from contracts.members import Asset
from contracts.params import ModeParams, PactParams

NEXT = FIRST + 2
DAY = 96
FIRM_W = 40_000
"""What biodiesel gives at any time; the other firm source is larger, and so the one that is out."""


def genesis(
    modes: ModeParams | None = None, prices: dict[str, int] | None = None, firm_w: int = FIRM_W, **params: int
) -> Genesis:
    """`prices` are registered reference prices by meter."""
    rules = msgspec.structs.replace(PactParams(modes=modes or ModeParams()), **params)
    made = make_genesis(params=rules, meters={**METERS, "m-geo": Site("solar", "source", 400_000)})
    firm = {"m-bio": Asset(firm_w=firm_w), "m-geo": Asset(firm_w=2 * FIRM_W)}
    meters = tuple(
        msgspec.structs.replace(
            meter, asset=firm.get(meter.id), reference_price_nano_per_wh=(prices or {}).get(meter.id)
        )
        for meter in made.meters
    )
    return msgspec.structs.replace(made, meters=meters)


def lock(chain: Chain, interval: int = NEXT) -> None:
    """Let the offers of an interval lock."""
    chain.at(interval, -chain.genesis.params.gate_lead_ms).catch_up()


def promise(chain: Chain, meter: str, power_w: int, sender: str | None = None) -> AccountEnvelope:
    return chain.say(sender or METERS[meter].member, BaseLoad(meter, power_w))


def call(
    chain: Chain, interval: int, energy_wh: int, payment: int, count: int = 1, sender: str = "utility"
) -> AccountEnvelope:
    return chain.say(sender, CallReduction(interval, count, energy_wh, payment, "peak"))


def would_do_without(
    chain: Chain, member: str, interval: int, energy_wh: int, value: int = 0, rebound: int = 0, count: int = 1
) -> AccountEnvelope:
    return chain.say(member, OfferReduction(interval, count, energy_wh, value, rebound))
