"""A meter's gateway: signs readings at the source and does not rest until the ledger has them.

Readings are numbered and hash-chained per meter, kept in an outbox on disk and sent at least once; the
ledger counts each (meter, sequence) once. So nothing is lost and nothing counted twice, across kill -9,
partition and a week alone. Never invents, averages or drops a reading, and never signs one sequence twice
with different content while the first may still be accepted.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from contracts.api import RESUBMITTABLE
from contracts.bodies import PlainReading, Quality, Reserve
from contracts.envelope import CODEC
from contracts.metering import reading_hash
from contracts.receipts import OK
from node.agents.outbox import Head, Outbox, Signed
from node.client import MAX_BATCH, Client, MeterKey, Result, Wait
from node.disk import Disk, RealDisk

ALREADY = "reading.duplicate"
"""This very reading is on the ledger."""
FORKED = ("reading.fork", "reading.replay")
"""The ledger has another reading under this sequence."""


class Refused(NamedTuple):
    """A reading that the ledger will never take: what the meter showed can't be right."""

    sequence: int
    code: str
    message: str


class Flushed(NamedTuple):
    """What one `flush` achieved."""

    final: int
    """Readings that are on the ledger now and were not before."""
    waiting: int
    refused: tuple[Refused, ...]


class MeterGateway:
    """One meter. Not safe to open twice on one outbox file."""

    def __init__(self, key: MeterKey, path: Path, disk: Disk | None = None) -> None:
        """Open the outbox at `path` or create it. Raises NodeError `outbox.*`, `disk.*`."""
        self._key = key
        self._outbox = Outbox(path, RealDisk() if disk is None else disk)

    @property
    def meter(self) -> str:
        """The meter's id."""
        return self._key.meter

    @property
    def sequence(self) -> int:
        """Of the newest signed reading."""
        return self._outbox.head.sequence

    @property
    def waiting(self) -> int:
        """Readings that the ledger does not have yet, as far as is known here."""
        return len(self._outbox.waiting)

    def record(
        self,
        interval: int,
        import_wh: int,
        export_wh: int,
        *,
        quality: Quality | None = None,
        reserve: Reserve | None = None,
        status: int = 0,
    ) -> bytes:
        """Sign the registers at one moment of `interval`; on disk when this returns, as the returned
        envelope."""
        head = self._outbox.head
        body = PlainReading(
            head.sequence + 1, interval, import_wh, export_wh, quality, reserve, status, head.reading_hash
        )
        signed = self._sign(body)
        self._outbox.add(signed)
        return signed.envelope

    async def adopt(self, client: Client) -> None:
        """Go on where the ledger's chain ends, when the outbox is new or was lost. Raises `RpcError`."""
        head = await self._ledger_head(client)
        if not self._outbox.waiting and head.sequence > self.sequence:
            self._outbox.rewrite(head, [])

    async def flush(self, client: Client, wait: Wait = "final", timeout_ms: int = 30_000) -> Flushed:
        """Send what waits, at most 256 readings, and forget what is final. Raises `RpcError`; try again later.

        A reading that can't be accepted as it is stops the chain behind it: it is taken out and reported, and
        the later ones are linked and signed anew. After a fork (the outbox was restored from a backup) all that
        wait are, behind the ledger's head; registers are cumulative, so saying them again changes nothing.
        """
        batch = list(self._outbox.waiting.values())[:MAX_BATCH]
        if not batch:
            return Flushed(0, 0, ())
        results = await client.submit([one.envelope for one in batch], wait, timeout_ms)
        before, done = self.waiting, 0
        stopped: tuple[Signed, Result] | None = None
        for signed, result in zip(batch, results, strict=True):
            if not _on_ledger(result):
                stopped = (signed, result)
                break
            done = signed.sequence
        self._outbox.settle(done)
        final = before - self.waiting
        if stopped is None or not _hopeless(stopped[1]):
            return Flushed(final, self.waiting, ())
        signed, result = stopped
        bodies = [CODEC.decode(one.envelope).body for one in self._outbox.waiting.values()]
        readings = [body for body in bodies if isinstance(body, PlainReading)]
        if result.code in FORKED:
            self._link(await self._ledger_head(client), readings)
        else:
            self._link(Head(signed.sequence - 1, readings[0].previous_hash), readings[1:])
        return Flushed(final, self.waiting, (Refused(signed.sequence, result.code, result.message),))

    def close(self) -> None:
        """Close the outbox."""
        self._outbox.close()

    def _sign(self, body: PlainReading) -> Signed:
        return Signed(body.sequence, reading_hash(self._key.chain_id, body), self._key.sign(body))

    def _link(self, head: Head, readings: list[PlainReading]) -> None:
        """Number, chain and sign `readings` behind `head`, in place of everything that waits."""
        sequence, previous = head.sequence, head.reading_hash
        links = []
        for body in readings:
            sequence += 1
            signed = self._sign(structs.replace(body, sequence=sequence, previous_hash=previous))
            links.append(signed)
            previous = signed.reading_hash
        self._outbox.rewrite(head, links)

    async def _ledger_head(self, client: Client) -> Head:
        head = (await client.meter(self.meter))["data"]["head"]
        return Head(head["sequence"], bytes.fromhex(head["reading_hash"]))


def _on_ledger(result: Result) -> bool:
    return result.done or result.code == ALREADY


def _hopeless(result: Result) -> bool:
    """The ledger has judged this reading and will judge it alike tomorrow."""
    settled = result.status in ("final", "refused")
    return settled and result.code != OK and result.code not in RESUBMITTABLE and _judged(result.code)


def _judged(code: str) -> bool:
    """Refused for what the reading says; anything else (full mempool, starting node) may pass."""
    return code.startswith(("reading.", "amount."))
