"""A meter gateway's surroundings: its key, its disk's crashes, and a wire to a chain that behaves as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.bodies import PlainReading
from contracts.envelope import CODEC, MeterEnvelope
from contracts.receipts import OK
from contracts.schema import HEADS
from node.access.requests import ReaderKey
from node.client import Client, MeterKey, Result, RpcError
from node.disk import Tear
from node.rpc.submit import BinarySubmission, submit
from tests.rpc.chain import Chain, Wireless
from tests.support.pact import seed_of

PATH = Path("/outbox/campus-1")
METER = "campus-1"
WRITTEN = Tear(1 << 30)
"""A kill: the process is gone, its lock too, and what it wrote is with the operating system."""

Shown = tuple[int, int]
"""Interval and import register of a reading; tests never let two readings show the same register."""


def key(chain: Chain, meter: str = METER) -> MeterKey:
    return MeterKey(chain.ledger.chain_id, meter, seed_of(meter))


def head(chain: Chain, meter: str = METER) -> tuple[int, int]:
    """Sequence and import register of the ledger."""
    raw = chain.ledger.get(HEADS.key(meter))
    assert raw is not None
    record = HEADS.decode(raw)
    return record.sequence, record.import_wh


class Accepted:
    """What the ledger has taken from one meter, in order; reads each block once."""

    def __init__(self, chain: Chain, meter: str = METER) -> None:
        self._chain = chain
        self._meter = meter
        self._height = 0
        self.sequences: list[int] = []
        self._shown: list[Shown] = []

    def shown(self) -> list[Shown]:
        """Readings so far."""
        ledger = self._chain.ledger
        while self._height < ledger.height:
            self._height += 1
            receipts = ledger.receipts(self._height)[1:]
            for raw, receipt in zip(ledger.transactions(self._height), receipts, strict=True):
                envelope = CODEC.decode(raw)
                if receipt.code == OK and isinstance(envelope, MeterEnvelope) and envelope.meter == self._meter:
                    reading = envelope.body
                    assert isinstance(reading, PlainReading), "the meter hides nothing"
                    self.sequences.append(reading.sequence)
                    self._shown.append((reading.interval, reading.import_wh))
        return self._shown


class Wire(Client):
    """Submits straight to a chain. Loses, scrambles and repeats as told; counts what it carries."""

    def __init__(self, chain: Chain) -> None:
        super().__init__("http://nowhere")
        self._chain = chain
        self.lose_request = self.lose_answer = self.scramble = False
        self.meanwhile: Callable[[], object] | None = None
        """Runs once while a request is under way."""
        self.carried: list[bytes] = []
        self.requests = 0
        self.largest = 0
        """Envelopes of the largest request."""

    async def submit(self, envelopes: Any, wait: Any = "accepted", timeout_ms: int = 30_000) -> list[Result]:
        self.requests += 1
        self.largest = max(self.largest, len(envelopes))
        if self.lose_request:
            raise RpcError("rpc.unreachable", "The network is away.")
        self.carried += envelopes
        await asyncio.sleep(0)  # Others get their turn, as on any network.
        order = list(reversed(envelopes)) if self.scramble else list(envelopes)
        answer = await submit(self._chain, BinarySubmission(order, wait, timeout_ms))
        self._interrupt()
        await asyncio.sleep(0)
        if self.lose_answer:
            raise RpcError("rpc.timeout", "The answer is lost.")
        results = [
            Result(**{k: v for k, v in one.items() if k not in ("receipt", "proof")}) for one in answer["results"]
        ]
        return list(reversed(results)) if self.scramble else results

    async def meter(self, meter: str, *, prove: bool = False, reader: ReaderKey | None = None) -> dict[str, Any]:
        document = await Wireless(self._chain).get(f"/query/meter/{meter}")
        self._interrupt()
        return document

    async def repeat(self, count: int) -> None:
        """Copies of what was carried long ago arrive, last ones first."""
        for raw in reversed(self.carried[-count:]):
            await submit(self._chain, BinarySubmission([raw], "accepted", 0))

    def _interrupt(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
