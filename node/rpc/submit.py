"""POST /tx: envelopes in, one result per envelope out.

`accepted` means on this node's disk; `final` decided and executed here; `proof` that the next header
commits to the receipt, with a bundle. The MessagePack form is what load comes through, so it does nothing
per envelope that the answer does not need. Never decodes an envelope before the node does, except to learn
when a waiting one expires.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec

from contracts.api import RESUBMITTABLE
from contracts.envelope import CODEC, AccountEnvelope
from contracts.receipts import OK, Receipt
from node.codes import describe
from node.proofs import receipt_bundle
from node.render import render
from node.rpc.errors import Refusal, malformed
from node.rpc.limits import DEFAULT_WAIT_MS, MAX_ENVELOPES, MAX_PROOFS, MAX_WAIT_MS
from node.service import NodeService, Submission
from zk.codec import Malformed

Wait = Literal["accepted", "final", "proof"]
WaitMs = Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT_MS)]
NEVER = 2**62
"""Expiry of what does not expire."""


class BinarySubmission(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """`[[bin...], wait, timeout_ms]`; the last two may be left out."""

    envelopes: Annotated[list[bytes], msgspec.Meta(min_length=1, max_length=MAX_ENVELOPES)]
    wait: Wait = "accepted"
    timeout_ms: WaitMs = DEFAULT_WAIT_MS


HexEnvelope = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-fA-F]{2})*\Z")]


class JsonSubmission(msgspec.Struct, forbid_unknown_fields=True):
    """`{"envelopes": [hex...], "wait": ..., "timeout_ms": ...}`; the last two may be left out."""

    envelopes: Annotated[list[HexEnvelope], msgspec.Meta(min_length=1, max_length=MAX_ENVELOPES)]
    wait: Wait = "accepted"
    timeout_ms: WaitMs = DEFAULT_WAIT_MS

    def binary(self) -> BinarySubmission:
        """The same in the other form."""
        return BinarySubmission([bytes.fromhex(text) for text in self.envelopes], self.wait, self.timeout_ms)


_BINARY = msgspec.msgpack.Decoder(BinarySubmission)
_JSON = msgspec.json.Decoder(JsonSubmission)


def read_submission(body: bytes, *, binary: bool) -> BinarySubmission:
    """The request in `body`. Raises `Refusal` (400)."""
    try:
        request = _BINARY.decode(body) if binary else _JSON.decode(body).binary()
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        raise malformed(
            f"The submission can't be read: {error}.",
            f"Send 1 to {MAX_ENVELOPES} envelopes as {{'envelopes': [hex...], 'wait': 'final'}}, "
            "or as MessagePack [[bin...], wait, timeout_ms].",
        ) from None
    if request.wait == "proof" and len(request.envelopes) > MAX_PROOFS:
        raise Refusal(
            400,
            "rpc.too-many-proofs",
            f"{len(request.envelopes)} proofs in one request, where at most {MAX_PROOFS} are made.",
            "Submit in smaller batches, or wait for final and ask /tx/{hash}?prove=1 for what you need.",
        )
    return request


async def submit(service: NodeService, request: BinarySubmission) -> dict[str, Any]:
    """Admit, wait as asked, and answer. Hashes are bytes, receipts and proofs are in their JSON form."""
    since = service.ledger.height
    submissions = await service.submit(request.envelopes)
    if request.wait == "accepted" and all(code == OK for _, code in submissions):
        return {"results": [{"hash": hash_, "status": "accepted", "code": OK} for hash_, _ in submissions]}
    waiting = _Waiting(service, request, submissions, since)
    await waiting.run()
    return {"results": waiting.results}


def _refused(code: str) -> dict[str, Any]:
    message, hint = describe(code)
    return {"status": "refused", "code": code, "message": message, "hint": hint}


def _final(place: tuple[int, int]) -> dict[str, Any]:
    return {"status": "final", "height": place[0], "index": place[1]}


class _Waiting:
    """Follows one submission until it is as far as was asked, or its time is up."""

    def __init__(
        self,
        service: NodeService,
        request: BinarySubmission,
        submissions: list[Submission],
        since: int,
    ) -> None:
        self._service = service
        self._ledger = service.ledger
        self._request = request
        self._since = since
        """Height before submission: what was decided up to here and may be decided again does not count."""
        self._receipts: dict[int, list[Receipt]] = {}
        self.results = [self._first(hash_, code) for hash_, code in submissions]
        # An envelope may be twice in one request.
        self._pending: dict[bytes, list[dict[str, Any]]] = {}
        self._expiry: dict[bytes, int] = {}
        for result, raw in zip(self.results, request.envelopes, strict=True):
            if result["status"] == "accepted":
                self._pending.setdefault(result["hash"], []).append(result)
                self._expiry[result["hash"]] = _expiry(raw)

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._request.timeout_ms / 1000):
                if self._request.wait != "accepted":
                    await self._finality()
                if self._request.wait == "proof":
                    await self._service.wait_height(1 + max((one["height"] for one in self._final()), default=-1))
        except TimeoutError:
            self._give_up()
        for result in self._final():
            self._add_receipt(result)
        if self._request.wait == "proof":
            for result in self._final():
                if result["height"] < self._ledger.height:
                    result["proof"] = receipt_bundle(self._ledger, result["height"], result["index"])
                # One bundle may take milliseconds in a full block; let consensus in between.
                await asyncio.sleep(0)

    def _first(self, hash_: bytes, code: str) -> dict[str, Any]:
        """The result right after submission."""
        if code == OK:
            return {"hash": hash_, "status": "accepted", "code": OK}
        place = self._decided(hash_)
        # Sent again after it was final: at-least-once senders want to hear that, not a refusal.
        return {"hash": hash_, **(_refused(code) if place is None else _final(place))}

    def _decided(self, hash_: bytes) -> tuple[int, int] | None:
        """Where this transaction has its final outcome."""
        place = self._ledger.find_transaction(hash_)
        if place is None or place[0] > self._since or self._receipt(*place).code not in RESUBMITTABLE:
            return place
        return None

    def _receipt(self, height: int, index: int) -> Receipt:
        if height not in self._receipts:
            self._receipts[height] = self._ledger.receipts(height)
        return self._receipts[height][index + 1]

    async def _finality(self) -> None:
        while True:
            height = self._ledger.height
            for hash_ in list(self._pending):
                place = self._decided(hash_)
                if place is not None:
                    outcome = _final(place)
                elif self._expiry[hash_] <= height:
                    outcome = _refused("tx.expired")
                else:
                    continue
                for result in self._pending.pop(hash_):
                    result.update(outcome)
            if not self._pending:
                return
            await self._service.wait_height(height + 1)

    def _give_up(self) -> None:
        for result in chain.from_iterable(self._pending.values()):
            result.update(
                code="wait.timeout",
                message=f"Accepted and on disk, but not final within {self._request.timeout_ms} ms.",
                hint="It is kept until final or expired. `gridpact status` says why blocks are slow.",
            )

    def _final(self) -> Iterable[dict[str, Any]]:
        return (result for result in self.results if result["status"] == "final")

    def _add_receipt(self, result: dict[str, Any]) -> None:
        receipt = self._receipt(result["height"], result["index"])
        result["code"] = receipt.code
        result["receipt"] = render(receipt)
        if receipt.code != OK:
            result["message"], result["hint"] = describe(receipt.code)


def _expiry(raw: bytes) -> int:
    """Last height at which this envelope may be decided."""
    try:
        envelope = CODEC.decode(raw)
    except Malformed:
        return NEVER
    return envelope.expiry_height if isinstance(envelope, AccountEnvelope) else NEVER
