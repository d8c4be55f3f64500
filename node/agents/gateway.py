"""A meter's gateway: signs readings at the source and does not rest until the ledger has them.

Readings are numbered and hash-chained per meter, kept in an outbox on disk and sent at least once; the
ledger counts each (meter, sequence) once. So nothing is lost and nothing counted twice, across kill -9,
partition and a week alone. Never invents, averages or drops a reading, and never signs one sequence twice
with different content while the first may still be accepted.

A meter has one gateway. Where two sign for it, each sequence belongs to whoever the ledger hears first; the
other one stops with `gateway.rival` and keeps what it holds.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from msgspec import structs

from contracts.api import RESUBMITTABLE
from contracts.bodies import CommittedReading, MonitorHead, PlainReading, Quality, Reading, Reserve
from contracts.envelope import CODEC, MeterEnvelope
from contracts.metering import reading_hash
from contracts.receipts import OK
from node.agents.outbox import Head, Outbox, Signed
from node.billing.readings import Owner, seal
from node.client import MAX_BATCH, Client, MeterKey, Result, RpcError, Wait
from node.disk import Disk, RealDisk
from node.errors import NodeError

ALREADY = "reading.duplicate"
"""This very reading is on the ledger."""
FORKED = ("reading.fork", "reading.replay")
"""The ledger has another reading under this sequence."""
MAX_FOLLOWS = 3
"""How often a gateway goes on behind readings that it does not know before one of its own is final: an outbox
from a backup needs one, readings of its earlier life that are still under way another.
"""


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
    held: str = ""
    """Why the first that waits is not on the ledger, where a node said so (`reading.future`,
    `budget.exceeded`, `mempool.full`): the same envelope is sent again, so pause before that.
    """


class MeterGateway:
    """One meter. `record` may be called at any time, also while `flush` waits for a node."""

    def __init__(self, key: MeterKey, path: Path, disk: Disk | None = None) -> None:
        """Open the outbox at `path` or create it. Raises NodeError `outbox.corrupt`, `gateway.locked`,
        `gateway.foreign`, `disk.*`.
        """
        self._key = key
        self._outbox = Outbox(path, RealDisk() if disk is None else disk)
        self._check_owner(path)
        self._sending = asyncio.Lock()
        self._window = MAX_BATCH
        """Envelopes of the next request: few while a node holds the first one back."""
        self._own_from = self.sequence + 1
        """From this sequence on, everything in the outbox was signed since the gateway started."""
        self._follows = MAX_FOLLOWS
        """Forks that may still be its own past; none once a reading signed since the start is final."""
        self._rival: NodeError | None = None

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
        envelope. Raises NodeError `gateway.full`, `disk.*`; the reading is then not signed.
        """
        head = self._outbox.head
        body = PlainReading(
            head.sequence + 1, interval, import_wh, export_wh, quality, reserve, status, head.reading_hash
        )
        signed = self._sign(body)
        self._outbox.add(signed)
        return signed.envelope

    def seal(
        self,
        interval: int,
        import_wh: int,
        export_wh: int,
        *,
        owner: Owner,
        entropy: bytes,
        quality: Quality | None = None,
        reserve: Reserve | None = None,
        monitor: MonitorHead | None = None,
        status: int = 0,
    ) -> bytes:
        """As `record`, of a meter that is registered private: nobody but `owner` reads what the registers show.
        `entropy` has 32 bytes that nobody else knows. Raises as `record`."""
        head = self._outbox.head
        signed = self._sign(
            seal(
                self._key.chain_id,
                self.meter,
                owner,
                sequence=head.sequence + 1,
                interval=interval,
                import_wh=import_wh,
                export_wh=export_wh,
                previous_hash=head.reading_hash,
                entropy=entropy,
                status=status,
                reserve=reserve,
                quality=quality,
                monitor=monitor,
            )
        )
        self._outbox.add(signed)
        return signed.envelope

    async def adopt(self, client: Client) -> None:
        """Go on where the ledger's chain ends, when the outbox is new or was lost. Raises `RpcError`."""
        async with self._sending:
            head = await self._ledger_head(client)
            if not self._outbox.waiting and head.sequence > self.sequence:
                self._link(head, [])

    async def flush(self, client: Client, wait: Wait = "final", timeout_ms: int = 30_000) -> Flushed:
        """Send what waits, at most 256 readings, and forget what is final. Raises `RpcError` (try again later)
        and NodeError `gateway.rival` (stop: somebody else signs for this meter).

        A reading that can't be accepted as it is stops the chain behind it: it is taken out and reported, and
        the later ones are linked and signed anew. After a fork (the outbox was restored from a backup) all that
        wait are, behind the ledger's head; registers are cumulative, so saying them again changes nothing.
        """
        # Results are matched to what waits by sequence: two requests at once would judge each other's links.
        async with self._sending:
            if self._rival is not None:
                raise self._rival
            return await self._flush(client, wait, timeout_ms)

    async def _flush(self, client: Client, wait: Wait, timeout_ms: int) -> Flushed:
        batch = list(islice(self._outbox.waiting.values(), self._window))
        if not batch:
            return Flushed(0, 0, ())
        results = await client.submit([one.envelope for one in batch], wait, timeout_ms)
        self._check_answer(batch, results)
        before, done = self.waiting, 0
        stopped: tuple[Signed, Result] | None = None
        for signed, result in zip(batch, results, strict=True):
            if not _on_ledger(result):
                stopped = (signed, result)
                break
            done = signed.sequence
        self._outbox.settle(done)
        final = before - self.waiting
        if done >= self._own_from:
            # The ledger's chain is ours to its end, and nothing that an earlier life of this gateway signed
            # links to what this one did.
            self._follows = 0
        if stopped is None:
            self._window = min(MAX_BATCH, 2 * self._window)
            return Flushed(final, self.waiting, ())
        signed, result = stopped
        if result.status == "accepted":
            return Flushed(final, self.waiting, ())
        if not _hopeless(result):
            self._window = max(1, final)
            return Flushed(final, self.waiting, (), result.code)
        if result.code not in FORKED:
            readings = self._readings()
            self._link(Head(signed.sequence - 1, readings[0].previous_hash), readings[1:])
        elif not self._follows:
            self._rival = NodeError(
                "gateway.rival",
                f"Somebody else signs with the key of meter {self.meter}: the ledger has another reading "
                f"{signed.sequence} than this gateway. {self.waiting} readings are kept here.",
                "Stop the other gateway and start this one again: it goes on behind the ledger's chain.",
            )
            raise self._rival
        else:
            head = await self._ledger_head(client)
            self._link(head, self._readings())
            self._follows -= 1
        return Flushed(final, self.waiting, (Refused(signed.sequence, result.code, result.message),))

    def close(self) -> None:
        """Close the outbox."""
        self._outbox.close()

    def _sign(self, body: Reading) -> Signed:
        return Signed(body.sequence, reading_hash(self._key.chain_id, body), self._key.sign(body))

    def _readings(self) -> list[Reading]:
        """Everything that waits, as of now: read it after the last `await` before `_link`."""
        bodies = [CODEC.decode(one.envelope).body for one in self._outbox.waiting.values()]
        return [body for body in bodies if isinstance(body, PlainReading | CommittedReading)]

    def _link(self, head: Head, readings: list[Reading]) -> None:
        """Number, chain and sign `readings` behind `head`, in place of everything that waits."""
        sequence, previous = head.sequence, head.reading_hash
        links = []
        for body in readings:
            sequence += 1
            signed = self._sign(structs.replace(body, sequence=sequence, previous_hash=previous))
            links.append(signed)
            previous = signed.reading_hash
        self._outbox.rewrite(head, links)
        self._own_from = head.sequence + 1

    async def _ledger_head(self, client: Client) -> Head:
        document = await client.meter(self.meter)
        try:
            head = document["data"]["head"]
            if head is None:
                # Its owner keeps registers to itself; the meter may read its own.
                head = (await client.meter(self.meter, reader=self._key.reader()))["data"]["head"]
            return Head(int(head["sequence"]), bytes.fromhex(head["reading_hash"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RpcError("rpc.garbled", f"The node's answer about meter {self.meter} has no head.") from error

    def _check_answer(self, batch: list[Signed], results: list[Result]) -> None:
        """A result that belongs to another envelope would settle what no ledger has."""
        if [result.hash for result in results] != [self._key.transaction_id(one.envelope) for one in batch]:
            raise RpcError("rpc.garbled", f"The node answered for other readings of meter {self.meter} than it got.")

    def _check_owner(self, path: Path) -> None:
        for signed in islice(self._outbox.waiting.values(), 1):
            envelope = CODEC.decode(signed.envelope)
            owner = (envelope.chain_id, envelope.meter) if isinstance(envelope, MeterEnvelope) else None
            if owner != (self._key.chain_id, self.meter):
                self._outbox.close()
                raise NodeError(
                    "gateway.foreign",
                    f"{path} holds readings of another meter or chain than {self.meter} of {self._key.chain_id}.",
                    "Give each meter an outbox of its own, and start a new one with a new chain.",
                )


def _on_ledger(result: Result) -> bool:
    return result.done or result.code == ALREADY


def _hopeless(result: Result) -> bool:
    """The ledger has judged this reading and will judge it alike tomorrow."""
    settled = result.status in ("final", "refused")
    return settled and result.code != OK and result.code not in RESUBMITTABLE and _judged(result.code)


def _judged(code: str) -> bool:
    """Refused for what the reading says; anything else (full mempool, starting node) may pass."""
    return code.startswith(("reading.", "amount."))
