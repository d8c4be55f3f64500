"""One way to provoke each refusal about readings and corrections; with those before it, `CASES` has them all."""

from __future__ import annotations

import msgspec
from ledger_world import FIRST, Chain
from provocations import provokes, with_params
from wager_provocations import CASES

from contracts.bodies import CommittedReading, Correct, Quality, Reserve
from contracts.envelope import Envelope
from contracts.metering_records import MAX_RETURNS
from contracts.schema import HEADS
from zk.codec import encode

__all__ = ["CASES"]


# Metering


@provokes("meter.unknown")
def _(chain: Chain) -> Envelope:
    return msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1), meter="m-none")


@provokes("meter.key")
def _(chain: Chain) -> Envelope:
    return chain.meter_says("m-solar", chain.reading("m-solar", FIRST, 0, 1).body, key="m-bio")


@provokes("reading.committed")
def _(chain: Chain) -> Envelope:
    return chain.meter_says("m-solar", CommittedReading(1, FIRST, bytes(48), bytes(48), 0, bytes(32), b""))


@provokes("reading.gap")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    return chain.reading("m-solar", FIRST, 0, 2, after=first.body)


@provokes("reading.replay")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    second = chain.reading("m-solar", FIRST, 0, 2, after=first.body)
    chain.block(first, second)
    return first


@provokes("reading.duplicate")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    return first


@provokes("reading.fork")
def _(chain: Chain) -> Envelope:
    first = chain.reading("m-solar", FIRST, 0, 1)
    chain.block(first)
    other = msgspec.structs.replace(first.body, export_wh=7)
    return chain.reading("m-solar", FIRST, 0, 9, after=other)


@provokes("reading.future")
def _(chain: Chain) -> Envelope:
    chain.at(FIRST + 1, -1)
    return chain.reading("m-solar", FIRST + 1, 0, 1)


@provokes("reading.interval")
def _(chain: Chain) -> Envelope:
    chain.at(FIRST + 1)
    chain.block(chain.reading("m-solar", FIRST + 1, 0, 1))
    return chain.reading("m-solar", FIRST, 0, 2)


@provokes("reading.backwards")
def _(chain: Chain) -> Envelope:
    chain.block(chain.reading("m-solar", FIRST, 0, 5))
    return chain.reading("m-solar", FIRST, 0, 4)


@provokes("reading.rating")
def _(chain: Chain) -> Envelope:
    return chain.reading("m-solar", FIRST, 0, 100_002)


@provokes("reading.open-full", with_params(close_grace_ms=86_400_000))
def _(chain: Chain) -> Envelope:
    for interval in range(FIRST, FIRST + 64):
        assert chain.at(interval).run(chain.reading("m-solar", interval, 0, 1)) == "ok"
    return chain.at(FIRST + 64).reading("m-solar", FIRST + 64, 0, 1)


@provokes("reading.quality")
def _(chain: Chain) -> Envelope:
    quality = Quality(230_000, 1_000, 50_000, 1_000_001, 0, 20_000, 500_000)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, quality=quality)
    return chain.meter_says("m-solar", body)


@provokes("reading.reserve")
def _(chain: Chain) -> Envelope:
    reserve = Reserve(charge_wh=0, fuel_wh=0, generation_w=400_001)
    body = msgspec.structs.replace(chain.reading("m-solar", FIRST, 0, 1).body, reserve=reserve)
    return chain.meter_says("m-solar", body)


# Corrections


def corrected(chain: Chain, **fields: object) -> Envelope:
    """The tenant took 1,000 Wh in a settled interval and says it was 1,200; `fields` change the body."""
    chain.block(chain.reading("m-tenant", FIRST, 1_000, 0))
    chain.close(FIRST)
    body = msgspec.structs.replace(Correct("m-tenant", 1, FIRST, 1_200, 0), **fields)
    return chain.say("tenant", body)


@provokes("correction.owner")
def _(chain: Chain) -> Envelope:
    return corrected(chain, meter="m-solar")


@provokes("correction.open")
def _(chain: Chain) -> Envelope:
    return corrected(chain, interval=FIRST + 1)


@provokes("correction.final")
def _(chain: Chain) -> Envelope:
    envelope = corrected(chain)
    chain.at(FIRST + 36 * 96)
    return envelope


@provokes("correction.unknown")
def _(chain: Chain) -> Envelope:
    return corrected(chain, sequence=2)


@provokes("correction.rating")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=30_002)


@provokes("correction.favour")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=999)


@provokes("correction.same")
def _(chain: Chain) -> Envelope:
    return corrected(chain, import_wh=1_000)


@provokes("correction.full")
def _(chain: Chain) -> Envelope:
    envelope = corrected(chain)
    full = msgspec.structs.replace(chain.head("m-tenant"), returns=MAX_RETURNS)
    chain.store[HEADS.key("m-tenant")] = encode(full)
    return envelope
