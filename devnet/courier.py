"""Carries signed envelopes to whichever node answers, again and again, until they are final.

Sending twice is safe: a node that has an envelope, or finds it in a block, says so. So a node that dies,
hangs or loses an answer costs time and nothing else. Holds no keys and reads no envelope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from contracts.api import RESUBMITTABLE
from devnet.observation import Submitted
from node.client import MAX_BATCH, Client, Result, Wait
from node.errors import NodeError

T = TypeVar("T")

BATCH = 128
"""Envelopes of one request; a node takes twice as many."""
WAIT_MS = 3_000
"""How long one request waits for finality before the next node is asked."""
ANSWER_S = 5.0
"""How long a node may take to answer at all: a paused one accepts connections and says nothing."""
PAUSE_S = 0.1
"""Between two attempts after a failure."""
TRANSIENT = (
    "mempool.",
    "node.",
    "rpc.unreachable",
    "rpc.timeout",
    "rpc.garbled",
    "rpc.busy",
    "disk.",
    "proof.",
)
"""Refusals that another node, or the same one later, need not repeat."""


class Parcel(NamedTuple):
    """An envelope ready to send, and what the record says about it."""

    raw: bytes
    about: Submitted


class _Share(NamedTuple):
    """One agent's part of a request."""

    envelopes: Sequence[bytes]
    results: asyncio.Future[list[Result]]


class PooledClient(Client):
    """A client that puts what several agents submit in the same moment into one request.

    Each agent gets the results of its own envelopes, or the error of the request that they were in.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(base_url)
        self._pools: dict[tuple[Wait, int], list[_Share]] = {}
        self._requests: set[asyncio.Task[None]] = set()

    async def submit(
        self, envelopes: Sequence[bytes], wait: Wait = "accepted", timeout_ms: int = WAIT_MS
    ) -> list[Result]:
        """As `Client.submit`, together with whoever submits before the loop turns."""
        loop = asyncio.get_running_loop()
        share = _Share(envelopes, loop.create_future())
        pool = self._pools.setdefault((wait, timeout_ms), [])
        pool.append(share)
        if len(pool) == 1:
            loop.call_soon(self._send_pool, wait, timeout_ms)
        return await share.results

    def _send_pool(self, wait: Wait, timeout_ms: int) -> None:
        shares = self._pools.pop((wait, timeout_ms))
        while shares:
            size = together = 0
            while together < len(shares) and size + len(shares[together].envelopes) <= MAX_BATCH:
                size += len(shares[together].envelopes)
                together += 1
            # A share that is too large by itself goes alone: its refusal is its sender's.
            part, shares = shares[: max(1, together)], shares[max(1, together) :]
            request = asyncio.ensure_future(self._send(part, wait, timeout_ms))
            self._requests.add(request)
            request.add_done_callback(self._requests.discard)

    async def _send(self, shares: Sequence[_Share], wait: Wait, timeout_ms: int) -> None:
        raws = [raw for share in shares for raw in share.envelopes]
        try:
            results = await super().submit(raws, wait, timeout_ms)
        except NodeError as error:
            for share in shares:
                if not share.results.done():
                    share.results.set_exception(error)
            return
        at = 0
        for share in shares:
            if not share.results.done():
                share.results.set_result(results[at : at + len(share.envelopes)])
            at += len(share.envelopes)


class Courier:
    """Talks to several nodes through their public RPC, staying with one for as long as it answers."""

    def __init__(
        self, nodes: Sequence[Client], record: Callable[[Sequence[Submitted]], None] = lambda items: None
    ) -> None:
        self._nodes = nodes
        self._at = 0
        self.record = record
        """Told of every envelope before it is sent for the first time."""

    async def deliver(self, parcels: Sequence[Parcel]) -> dict[str, str]:
        """Send until every envelope is final or refused for good; receipt or refusal code by hash."""
        self.record([parcel.about for parcel in parcels])
        outcomes: dict[str, str] = {}
        batches = [parcels[at : at + BATCH] for at in range(0, len(parcels), BATCH)]
        for found in await asyncio.gather(*map(self._deliver, batches)):
            outcomes.update(found)
        return outcomes

    async def _deliver(self, batch: Sequence[Parcel]) -> dict[str, str]:
        outcomes: dict[str, str] = {}
        pending = list(batch)
        while True:
            for result in await self._submit([parcel.raw for parcel in pending]):
                if result.code in RESUBMITTABLE or result.code.startswith(TRANSIENT):
                    continue
                if result.status in ("final", "refused"):
                    outcomes[result.hash.hex()] = result.code
            pending = [parcel for parcel in pending if parcel.about.hash not in outcomes]
            if not pending:
                return outcomes
            await self._next_node()

    async def _submit(self, raws: list[bytes]) -> list[Result]:
        return await self.ask(lambda node: node.submit(raws, "final", WAIT_MS))

    async def get(self, path: str) -> dict[str, Any]:
        """A query's answer from the first node that gives one."""
        return await self.ask(lambda node: node.get(path))

    async def ask(self, question: Callable[[Client], Awaitable[T]]) -> T:
        """Put a question to one node after the other until one answers, however long that takes.

        Raises `NodeError` at once where the refusal says that the question is wrong.
        """
        while True:
            node = self._nodes[self._at % len(self._nodes)]
            try:
                async with asyncio.timeout(ANSWER_S):
                    return await question(node)
            except NodeError as error:
                if not error.code.startswith(TRANSIENT):
                    raise
            except OSError:
                # No answer in time (TimeoutError is one of these) or no node: the next one is asked.
                pass
            await self._next_node()

    async def _next_node(self) -> None:
        self._at += 1
        await asyncio.sleep(PAUSE_S)
