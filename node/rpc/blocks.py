"""GET: blocks, headers, transactions, readings and receipts, with proofs on request. Blocks are kept for good.

A transaction that its member keeps to itself is told by hash and sort alone. Never changes anything.
"""

from __future__ import annotations

import asyncio
from typing import Any

from consensus.evidence import decode as decode_evidence
from contracts.bodies import Reading
from contracts.envelope import CODEC, MeterEnvelope
from contracts.schema import HEADS
from node.access.rights import Rights
from node.access.shown import show_envelope, show_receipt
from node.access.subjects import Subject
from node.proofs import receipt_bundle
from node.render import render
from node.rpc.errors import Refusal, unknown
from node.rpc.limits import PROOF_WAIT_S
from node.service import NodeService

Document = dict[str, Any]


class Blocks:
    """Answers about what was decided by `service`'s chain."""

    def __init__(self, service: NodeService) -> None:
        self._service = service
        self._ledger = service.ledger

    def block(self, which: int | None) -> Document:
        """A block with its certificate; None: the latest."""
        height = self._ledger.height if which is None else which
        block = self._ledger.block(height)
        if block is None:
            raise self._no_block(height)
        return {
            "height": height,
            "id": block.header.id().hex(),
            "time_ms": block.header.time_ms,
            "header": render(block.header),
            "payload": render(block.payload),
            "evidence": [render(decode_evidence(raw)) for raw in block.evidence],
            "certificate": render(self._ledger.certificate(height)),
        }

    def header(self, which: int | None) -> Document:
        """A header with the certificate that decided it; None: the latest."""
        height = self._ledger.height if which is None else which
        header = self._ledger.header(height)
        if header is None:
            raise self._no_block(height)
        return {
            "height": height,
            "id": header.id().hex(),
            "header": render(header),
            "certificate": render(self._ledger.certificate(height)),
        }

    async def transaction(self, hash_: bytes, rights: Rights, *, prove: bool) -> Document:
        """A decided transaction with its receipt."""
        place = self._ledger.find_transaction(hash_)
        if place is None:
            raise unknown("transaction", hash_.hex(), "It may still be waiting for a block, or have expired.")
        return await self._placed(place, rights, prove=prove)

    async def receipt(self, at: int, index: int | None, rights: Rights, *, prove: bool) -> Document:
        """The receipt of transaction `index` of a block, or (None) of the clock: what time alone did."""
        receipts = self._ledger.receipts(at) if 1 <= at <= self._ledger.height else []
        if not receipts:
            raise self._no_block(at)
        if index is None:
            return {"height": at, "time_ms": self._ledger.time_ms(at), "data": show_receipt(receipts[0], rights)}
        if index + 1 >= len(receipts):
            raise unknown("receipt", f"{index} in block {at}", f"It has {len(receipts) - 1} transactions.")
        return await self._placed((at, index), rights, prove=prove)

    async def _placed(self, place: tuple[int, int], rights: Rights, *, prove: bool) -> Document:
        height, index = place
        raw = self._ledger.transactions(height)[index]
        block = self._ledger.block(height)
        if block is None:
            raise self._no_block(height)
        envelope = CODEC.decode(raw)
        if prove and not rights.unrestricted:
            rights.demand(rights.subjects.of_envelope(envelope))
        shown, whole = show_envelope(envelope, rights)
        answer = {
            "height": height,
            "time_ms": block.header.time_ms,
            "data": {
                "hash": block.payload[index].hex(),
                "index": index,
                "envelope": shown,
                "raw": raw.hex() if whole else None,
                "receipt": show_receipt(self._ledger.receipts(height)[index + 1], rights, whole=whole),
            },
        }
        if prove:
            await self.next_header(height)
            answer["proof"] = receipt_bundle(self._ledger, height, index)
        return answer

    async def next_header(self, height: int) -> None:
        """Wait a little for the header that commits to what `height` did. Raises `Refusal`."""
        try:
            async with asyncio.timeout(PROOF_WAIT_S):
                await self._service.wait_height(height + 1)
        except TimeoutError:
            raise Refusal(
                503,
                "proof.not-yet",
                f"Header {height + 1}, which commits to block {height}'s results, is not decided yet.",
                "Ask again in a moment; if the chain stands still, `gridpact status` says why.",
            ) from None

    async def reading(self, meter: str, sequence: int | None, rights: Rights, *, prove: bool) -> Document:
        """An accepted reading: the newest of the meter, or the one with `sequence`."""
        raw = self._ledger.get(HEADS.key(meter))
        if raw is None:
            raise unknown("meter", meter, "`gridpact query member NAME` lists nothing of it; check the spelling.")
        if not rights.unrestricted:
            rights.demand((Subject("readings", (rights.subjects.owner(meter),), meter),))
        head = HEADS.decode(raw)
        sequence = head.sequence if sequence is None else sequence
        place = self._ledger.find_reading(meter, sequence)
        if place is None:
            raise unknown("reading", f"{sequence} of meter {meter}", f"Its newest has sequence {head.sequence}.")
        answer = await self._placed(place, rights, prove=prove)
        envelope = CODEC.decode(bytes.fromhex(answer["data"]["raw"]))
        if isinstance(envelope, MeterEnvelope):
            body: Reading = envelope.body
            answer["data"] = {"meter": meter, **render(body), **answer["data"]}
        return answer

    def _no_block(self, height: int) -> Refusal:
        return unknown("block", str(height), f"This node has blocks 1 to {self._ledger.height}.")
