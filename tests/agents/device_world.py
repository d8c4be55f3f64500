"""A chain whose quorum may be corrupt, and devices that are shown its proofs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from contracts import market, windows
from contracts.bodies import AccountBody, Need, Offer, OfferBlock
from contracts.governance.bodies import Approve, Propose
from contracts.governance.changes import Change
from contracts.members import AssetEnvelope
from contracts.schema import ENVELOPES, METERS, ORDERS, RULES_IN_FORCE
from node.agents.device import Device
from node.disk import MemoryDisk
from node.proofs import state_bundle
from tests.rpc.chain import INTERVAL, PARAMS, Chain
from tests.support.pact import VALIDATORS

PLATE = AssetEnvelope("solar-1", 36_000, 0, ramp_w=36_000, safe_give_w=400)
"""In a quarter hour 9,000 Wh, when safe 100 Wh."""
NEXT = INTERVAL + 1
LAST = INTERVAL + 2


class World:
    """A chain with one source and one load, where both are dispatched as offered and wanted."""

    def __init__(self, *envelopes: AssetEnvelope) -> None:
        self.chain = Chain(automatic=False, envelopes=envelopes)

    def say(self, member: str, body: AccountBody) -> None:
        asyncio.run(self._say(member, body))

    async def _say(self, member: str, body: AccountBody) -> None:
        (result,) = await self.chain.submit([self.chain.speaker.member(member, body)])
        assert result.code == "ok"
        receipts = await self.chain.produce()
        assert receipts[-1].code == "ok", receipts[-1].code

    def until(self, time_ms: int) -> None:
        """Two blocks at this time: the second one carries the root of the first."""
        asyncio.run(self.chain.produce(time_ms))
        asyncio.run(self.chain.produce())

    def order(self, interval: int, energy_wh: int, price: int = 1) -> None:
        """Let the interval's dispatch order so much from the source."""
        self.say("solar", Offer("solar-1", interval, (OfferBlock(price, energy_wh),)))
        self.say("campus", Need(interval, 1, energy_wh, None, 0))
        self.until(interval * PARAMS.interval_ms - PARAMS.gate_lead_ms)

    def agree(self, change: Change, number: int) -> None:
        """All four propose and approve."""
        self.say(VALIDATORS[0], Propose(change, "because", self.chain.ledger.height + 100))
        for name in VALIDATORS[:3]:
            self.say(name, Approve(number))
        self.until(0)

    def proof(self, interval: int, meter: str = "solar-1", member: str = "solar", height: int | None = None) -> Any:
        """What `gridpact proof fetch order` gets, as a document."""
        keys = [METERS.key(meter), ENVELOPES.key(meter), RULES_IN_FORCE, ORDERS.key(interval, member)]
        ledger = self.chain.ledger
        return state_bundle(ledger, keys, ledger.height - 1 if height is None else height)

    def raw(self, interval: int, **options: Any) -> bytes:
        return json.dumps(self.proof(interval, **options)).encode()

    def device(self, plate: AssetEnvelope = PLATE, disk: MemoryDisk | None = None) -> Device:
        return Device(plate, self.chain.ledger.genesis, Path("device"), disk or MemoryDisk())


def corrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every validator runs rules that know no envelope, and signs what comes of them."""
    monkeypatch.setattr(market, "refusal", lambda *given, **named: None)
    monkeypatch.setattr(windows, "clamp", lambda state, interval, offers: list(offers))


def at(interval: int, offset_ms: int = 0) -> int:
    return interval * PARAMS.interval_ms + offset_ms
