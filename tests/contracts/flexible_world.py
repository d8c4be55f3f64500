"""The small pact with a battery, a source that ramps, and short words for what moves energy in time."""

from __future__ import annotations

from ledger_world import FIRST, METERS, Chain, Site, change, make_genesis

from contracts.bodies import FlexibleLoad, Require, Reserve, ReserveOffer, StorageOffer
from contracts.envelope import AccountEnvelope, MeterEnvelope
from contracts.flexible.records import StorageCharge
from contracts.genesis import Genesis
from contracts.members import Asset
from contracts.params import PactParams
from contracts.schema import CHARGES
from contracts.state import State

NEXT = FIRST + 2
BATTERY = Asset(efficiency_n=24, efficiency_d=25, charge_w=80_000, wear_nano_per_wh=1_000, charge_wh=50_000)
"""Loses 4% each way; takes 20 kWh per interval and gives 25."""
CAPACITY_WH = 200_000
UNIT = 24 * 25
EQUIPPED = METERS | {
    "m-bio": METERS["m-bio"]._replace(asset=Asset(ramp_w=40_000)),
    "m-plain": Site("storage", "storage", 10_000),
    "m-storage": METERS["m-storage"]._replace(capacity_wh=CAPACITY_WH, asset=BATTERY),
}


def equipped(**params: object) -> Genesis:
    """Genesis of the pact; `params` change its parameters."""
    return make_genesis(params=change(PactParams(), **params), meters=EQUIPPED)


def storage(chain: Chain, interval: int = NEXT, sender: str = "storage", **fields: object) -> AccountEnvelope:
    """The battery offers all that it can; `fields` change the body."""
    body = StorageOffer("m-storage", interval, 1, 20_000, 25_000, None, 0, 0)
    return chain.say(sender, change(body, **fields))


def reserve(chain: Chain, sender: str = "bio", **fields: object) -> AccountEnvelope:
    return chain.say(sender, change(ReserveOffer("m-bio", NEXT, 1, 5_000, 10_000), **fields))


def require(chain: Chain, sender: str = "campus", **fields: object) -> AccountEnvelope:
    return chain.say(sender, change(Require(NEXT, 1, 3_000, None), **fields))


def load(chain: Chain, id_: str = "car", sender: str = "tenant", **fields: object) -> AccountEnvelope:
    """A car that wants 6 kWh within three intervals."""
    body = FlexibleLoad(id_, NEXT, NEXT + 3, 6_000, 4_000, 400_000)
    return chain.say(sender, change(body, **fields))


def charge_report(chain: Chain, interval: int, import_wh: int, export_wh: int, charge_wh: int) -> MeterEnvelope:
    """A reading of the battery in which it says what it holds."""
    body = chain.reading("m-storage", interval, import_wh, export_wh).body
    return chain.meter_says("m-storage", change(body, reserve=Reserve(charge_wh, 0, 0)))


def charge_of(chain: Chain) -> StorageCharge:
    """What the ledger knows of the battery."""
    found = State(chain.store).entry(CHARGES, "m-storage")
    assert found is not None
    return found
