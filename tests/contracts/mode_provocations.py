"""One way to provoke each refusal about the site's mode; with those before it, `CASES` has them all."""

from __future__ import annotations

from ledger_world import FIRST, ROLES, Chain, make_genesis
from market_provocations import CASES
from mode_world import call, promise, would_do_without
from provocations import NEXT, PARAMS, provokes

from contracts.envelope import Envelope
from contracts.mode_records import MAX_BASE_LOADS, MAX_ISLAND_ORDERS, BaseLoadEntry, BaseLoads
from contracts.schema import BASE_LOAD_LIST
from zk.codec import encode

__all__ = ["CASES"]


# Modes


@provokes("mode.role")
def _(chain: Chain) -> Envelope:
    return chain.mode("bio", NEXT, "island")


@provokes("mode.no-grid", make_genesis(roles={**ROLES, "utility": ("consumer",)}))
def _(chain: Chain) -> Envelope:
    return chain.mode("campus", NEXT, "island")


@provokes("mode.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return chain.mode("campus", NEXT, "island")


@provokes("mode.horizon")
def _(chain: Chain) -> Envelope:
    return chain.mode("campus", FIRST + PARAMS.horizon_intervals, "island", count=2)


CAMPUSES = {f"campus-{number}": ("campus",) for number in range(MAX_ISLAND_ORDERS)}


@provokes("mode.full", make_genesis(roles={**ROLES, **CAMPUSES}))
def _(chain: Chain) -> Envelope:
    for name in CAMPUSES:
        assert chain.run(chain.mode(name, NEXT + 1, "island")) == "ok"
    return chain.mode("campus", NEXT, "island", count=2)


@provokes("mode.price")
def _(chain: Chain) -> Envelope:
    return call(chain, NEXT, 1, PARAMS.offer_cap_nano_per_wh + 1)


@provokes("reduction.role")
def _(chain: Chain) -> Envelope:
    return would_do_without(chain, "utility", NEXT, 1)


@provokes("reduction.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return would_do_without(chain, "tenant", NEXT, 1)


@provokes("reduction.horizon")
def _(chain: Chain) -> Envelope:
    return would_do_without(chain, "tenant", FIRST + PARAMS.horizon_intervals, 1, count=2)


@provokes("base.meter")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 1, sender="campus")


@provokes("base.kind")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-bio", 1)


@provokes("base.rating")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 60_001)


@provokes("base.capacity")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 1)


@provokes("base.unknown")
def _(chain: Chain) -> Envelope:
    return promise(chain, "m-tenant", 0)


@provokes("base.full")
def _(chain: Chain) -> Envelope:
    others = (BaseLoadEntry(f"m-{at}", "bio", "site", 1, NEXT) for at in range(MAX_BASE_LOADS))
    chain.store[BASE_LOAD_LIST] = encode(BaseLoads(tuple(others)))
    return promise(chain, "m-tenant", 1)
