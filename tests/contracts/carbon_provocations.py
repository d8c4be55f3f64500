"""One way to provoke each refusal about carbon; with all others, `CASES` has them all."""

from __future__ import annotations

from collections.abc import Callable

from carbon_world import NEXT, certified, factor, green, offset
from flexible_provocations import CASES
from ledger_world import FIRST, Chain
from provocations import PARAMS, provokes_on

from contracts.carbon.bodies import (
    EndFactor,
    RetireOffset,
    RetireOrigin,
    TransferOffset,
    TransferOrigin,
)
from contracts.carbon.factors import MAX_VALIDITY_MS
from contracts.carbon.records import (
    MAX_GREEN_BIDS,
    MAX_OFFSETS,
    MAX_RETIRED,
    MAX_SPANS,
    FactorSpans,
    GreenBids,
    GreenEntry,
    Lot,
    OffsetAccount,
    OffsetPlace,
    OriginAccount,
    Retirement,
    Retirements,
    Span,
)
from contracts.cycles import cycle_of
from contracts.envelope import AccountEnvelope, Envelope
from contracts.schema import FACTORS, GREEN, OFFSET_ACCOUNTS, ORIGINS, RETIREMENTS
from contracts.units import MAX_FACTOR
from zk.codec import encode

__all__ = ["CASES"]

CYCLE = cycle_of(PARAMS, FIRST)


def provokes(code: str) -> Callable[[Callable[[Chain], Envelope]], None]:
    """Register the way to provoke `code` on a new chain with certifiers."""
    return provokes_on(code, lambda: Chain(certified()))


def said(code: str, say: Callable[..., AccountEnvelope], **fields: object) -> None:
    """This word, changed so, is refused."""
    provokes(code)(lambda chain: say(chain, **fields))


said("carbon.role", factor, sender="bio")
said("carbon.own", factor, sender="bureau", meter="m-bureau")
said("factor.validity", factor, until=FIRST + MAX_VALIDITY_MS // PARAMS.interval_ms + 1)
said("factor.range", factor, operating_ug_per_wh=MAX_FACTOR, embodied_ug_per_wh=1)
said("factor.storage", factor, meter="m-storage", operating_ug_per_wh=1)
said("offset.recipient", offset, to="nobody")
said("green.horizon", green, interval=FIRST + PARAMS.horizon_intervals, count=2)
said("green.price", green, premium_nano_per_wh=PARAMS.offer_cap_nano_per_wh + 1)
said("green.none", green, energy_wh=0)


@provokes("factor.taken")
def _(chain: Chain) -> Envelope:
    assert chain.run(factor(chain, first=NEXT + 9, until=NEXT + 10)) == "ok"
    return factor(chain, "bureau", until=NEXT + 10)


@provokes("factor.full")
def _(chain: Chain) -> Envelope:
    spans = tuple(Span(at, "bureau", 0, 0, NEXT + 5_000 + at, NEXT + 5_001 + at) for at in range(MAX_SPANS))
    chain.store[FACTORS.key("m-bio")] = encode(FactorSpans("m-bio", MAX_SPANS, NEXT, spans))
    return factor(chain)


@provokes("factor.party")
def _(chain: Chain) -> Envelope:
    assert chain.run(factor(chain)) == "ok"
    return chain.say("bureau", EndFactor("m-bio", NEXT + 1))


@provokes("factor.none")
def _(chain: Chain) -> Envelope:
    assert chain.run(factor(chain)) == "ok"
    return chain.say("bio", EndFactor("m-bio", NEXT + 1_000))


@provokes("offset.exists")
def _(chain: Chain) -> Envelope:
    assert chain.run(offset(chain)) == "ok"
    return offset(chain, to="bio")


@provokes("offset.full")
def _(chain: Chain) -> Envelope:
    full = tuple(OffsetPlace("bureau", f"o-{number}") for number in range(MAX_OFFSETS))
    chain.store[OFFSET_ACCOUNTS.key("campus")] = encode(OffsetAccount("campus", full))
    return offset(chain)


@provokes("offset.unknown")
def _(chain: Chain) -> Envelope:
    return chain.say("campus", TransferOffset("auditor", "o-1", "bio"))


@provokes("offset.holder")
def _(chain: Chain) -> Envelope:
    assert chain.run(offset(chain)) == "ok"
    return chain.say("auditor", RetireOffset("auditor", "o-1", "flights"))


@provokes("offset.retired")
def _(chain: Chain) -> Envelope:
    assert chain.run(offset(chain)) == "ok"
    assert chain.run(chain.say("campus", RetireOffset("auditor", "o-1", "flights"))) == "ok"
    return chain.say("campus", RetireOffset("auditor", "o-1", "flights again"))


def holding(chain: Chain) -> None:
    """The campus holds ten certificates of origin."""
    chain.store[ORIGINS.key("campus")] = encode(OriginAccount("campus", (Lot("m-solar", CYCLE, 10),)))


@provokes("origin.recipient")
def _(chain: Chain) -> Envelope:
    holding(chain)
    return chain.say("campus", TransferOrigin("nobody", "m-solar", CYCLE, 1))


@provokes("origin.insufficient")
def _(chain: Chain) -> Envelope:
    holding(chain)
    return chain.say("campus", RetireOrigin("m-solar", CYCLE, 11, "lunch"))


@provokes("retire.full")
def _(chain: Chain) -> Envelope:
    holding(chain)
    full = (Retirement(FIRST, "lunch"),) * MAX_RETIRED
    chain.store[RETIREMENTS.key("campus", CYCLE)] = encode(Retirements("campus", CYCLE, full))
    return chain.say("campus", RetireOrigin("m-solar", CYCLE, 1, "lunch"))


@provokes("green.late")
def _(chain: Chain) -> Envelope:
    chain.at(NEXT, -PARAMS.gate_lead_ms)
    return green(chain)


@provokes("green.full")
def _(chain: Chain) -> Envelope:
    full = tuple(GreenEntry(f"a-{number:04d}", 1, 1) for number in range(MAX_GREEN_BIDS))
    chain.store[GREEN.key(NEXT)] = encode(GreenBids(full))
    return green(chain)
