"""Carries signed envelopes to whichever node answers, again and again, until they are final.

Sending twice is safe: a node that has an envelope, or finds it in a block, says so. So a node that dies,
hangs or loses an answer costs time and nothing else. Holds no keys and reads no envelope.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from contracts.api import RESUBMITTABLE
from devnet.expectations import Submitted
from node.client import Client, Result
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
            except (OSError, TimeoutError):
                pass
            await self._next_node()

    async def _next_node(self) -> None:
        self._at += 1
        await asyncio.sleep(PAUSE_S)
