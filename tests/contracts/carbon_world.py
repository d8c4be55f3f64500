"""The small pact with two certifiers, a battery, and its carbon held to the sums that always hold."""

from __future__ import annotations

from typing import Any

from flexible_world import EQUIPPED
from ledger_world import FIRST, ROLES, Chain, Site, change, make_genesis

from contracts.carbon.bodies import GreenBid, IssueOffset, RegisterFactor
from contracts.carbon.records import (
    CarbonCorrection,
    CarbonTotals,
    Carried,
    Emitted,
    IntervalCarbon,
    LockedOrigins,
    OriginAccount,
    OriginTotals,
    StoredCarbon,
)
from contracts.envelope import AccountEnvelope
from contracts.genesis import Genesis
from contracts.members import Asset
from contracts.params import CarbonParams, PactParams
from contracts.schema import (
    CARBON_CORRECTIONS,
    CARBON_TOTAL,
    CARBON_TOTALS,
    CARBONS,
    CARRIED,
    EMITTED,
    INTERVALS,
    LOCKED_ORIGINS,
    ORIGIN_TOTAL,
    ORIGIN_TOTALS,
    ORIGINS,
    STORED,
)
from contracts.state import State

NEXT = FIRST + 2
MEMBERS = ROLES | {"auditor": ("certifier",), "bureau": ("certifier", "consumer")}
METERS = EQUIPPED | {"m-bureau": Site("bureau", "source", 50_000), "m-none": Site("tenant", "source", 50_000)}
SIMPLE = {
    "m-bio": Site("bio", "source", 400_000, 300),
    "m-campus": Site("campus", "load", 400_000),
    "m-solar": Site("solar", "source", 400_000, 0),
    "m-storage": Site("storage", "storage", 400_000, 7, 100_000, Asset(9, 10)),
    "m-tenant": Site("tenant", "load", 400_000),
    "m-tie": Site("utility", "tie", 2_000_000),
}
"""Round factors, and a battery that loses a tenth each way."""


def certified(meters: dict[str, Site] | None = None, **carbon: Any) -> Genesis:
    """Genesis with certifiers; `carbon` changes the parameters of carbon."""
    params = change(PactParams(), carbon=CarbonParams(**carbon))
    return make_genesis(params=params, roles=MEMBERS, meters=METERS if meters is None else meters)


def factor(chain: Chain, sender: str = "auditor", **fields: object) -> AccountEnvelope:
    """A certificate for the geothermal source's meter; `fields` change the body."""
    body = RegisterFactor("m-bio", "A-1", "cradle to grave, 25 years", 20, 5, NEXT, NEXT + 1_000)
    return chain.say(sender, change(body, **fields))


def offset(chain: Chain, sender: str = "auditor", **fields: object) -> AccountEnvelope:
    body = IssueOffset("o-1", "campus", "O-1", "reforestation, 100 years", 5_000)
    return chain.say(sender, change(body, **fields))


def green(chain: Chain, sender: str = "campus", **fields: object) -> AccountEnvelope:
    body = GreenBid(NEXT, 1, 1_000, 50_000)
    return chain.say(sender, change(body, **fields))


def carbon_of(chain: Chain, interval: int) -> IntervalCarbon:
    return CARBONS.decode(chain.store[CARBONS.key(interval)])


def emitted(chain: Chain, interval: int, meter: str) -> Emitted:
    found = State(chain.store).entry(EMITTED, meter, interval)
    assert found is not None
    return found


def carried(chain: Chain, interval: int, member: str) -> Carried:
    found = State(chain.store).entry(CARRIED, member, interval)
    assert found is not None
    return found


def stored(chain: Chain, meter: str = "m-storage") -> StoredCarbon:
    return State(chain.store).load(STORED, STORED.key(meter)) or StoredCarbon(meter, 0, 0)


def account(chain: Chain, member: str) -> dict[tuple[str, int], int]:
    """Certificates of origin of a member by meter and cycle."""
    found = State(chain.store).load(ORIGINS, ORIGINS.key(member)) or OriginAccount(member)
    return {(lot.meter, lot.cycle): lot.energy_wh for lot in found.lots}


def carbon_corrections(chain: Chain) -> list[CarbonCorrection]:
    return [
        CARBON_CORRECTIONS.decode(raw)
        for key, raw in sorted(chain.store.items())
        if key.startswith(CARBON_CORRECTIONS.prefix)
    ]


def check_carbon(chain: Chain) -> CarbonTotals:
    """Everything that has entered is carried, exported or held; certificates are somewhere once."""
    state = State(chain.store)
    intervals = [CARBONS.decode(raw) for key, raw in chain.store.items() if key.startswith(CARBONS.prefix)]
    entered = attributed = exported = 0
    for one in intervals:
        entries = state.group(EMITTED, one.interval)
        shares = state.group(CARRIED, one.interval)
        brought = sum(
            entry.energy_wh * (entry.operating_ug_per_wh + entry.embodied_ug_per_wh) + entry.unseen_ug
            for entry in entries
        )
        assert brought == one.operating_ug + one.embodied_ug + one.unseen_ug
        assert one.pool_ug == brought + one.released_ug
        entered += brought + one.site_ug + one.travel_ug + one.corrected_ug
        own = sum(share.energy_ug + share.site_ug + share.travel_ug + share.corrected_ug for share in shares)
        assert own == one.attributed_ug
        attributed += own
        exported += one.exported_ug + one.exported_corrected_ug
    held = sum(STORED.decode(raw).carbon_ug for key, raw in chain.store.items() if key.startswith(STORED.prefix))
    assert entered == attributed + exported + held
    totals = state.load(CARBON_TOTALS, CARBON_TOTAL) or CarbonTotals(0, 0, 0, 0)
    assert totals == CarbonTotals(entered, attributed, exported, held)
    accounts = [ORIGINS.decode(raw) for key, raw in chain.store.items() if key.startswith(ORIGINS.prefix)]
    locked: list[LockedOrigins] = [
        LOCKED_ORIGINS.decode(raw) for key, raw in chain.store.items() if key.startswith(LOCKED_ORIGINS.prefix)
    ]
    there = sum(lot.energy_wh for one in accounts for lot in one.lots)
    there += sum(lot.energy_wh for one in locked for lot in one.lots)
    counted = state.load(ORIGIN_TOTALS, ORIGIN_TOTAL) or OriginTotals()
    gone = counted.cancelled_wh + counted.lost_wh + counted.retired_wh + counted.expired_wh
    assert counted.issued_wh == there + gone
    return totals


def injected(chain: Chain, interval: int) -> int:
    """Metered injection of an interval, ties included, as settlement has it."""
    return INTERVALS.decode(chain.store[INTERVALS.key(interval)]).injected_wh
