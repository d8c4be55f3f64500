"""What the RPC server needs of a running node. The runner implements it; tests use a fake."""

from __future__ import annotations

from typing import Any, Protocol

from node.effects import Submission
from node.ledger.ledger import Ledger
from node.seats import Sets

__all__ = ["NodeService", "Submission"]


class NodeService(Protocol):
    """A running node as seen by RPC handlers, all on one event loop."""

    ledger: Ledger
    sets: Sets
    node_id: str

    async def submit(self, envelopes: list[bytes]) -> list[Submission]:
        """Admit envelopes; returns once every accepted one is on disk."""
        ...

    async def report(self, evidence: bytes) -> str:
        """Take encoded evidence against a validator: "ok" once it is on disk, or the code of a refusal."""
        ...

    def waiting(self, member: str, public_key: bytes, nonce: int) -> int:
        """How many transactions of an account key wait here for a block, in a row from `nonce` on."""
        ...

    async def wait_height(self, height: int) -> None:
        """Return once `ledger.height >= height` (cancel to give up)."""
        ...

    def now_ms(self) -> int:
        """This node's ledger time."""
        ...

    def status(self) -> dict[str, Any]:
        """The `status` document (JSON-ready)."""
        ...

    def health(self) -> tuple[bool, str]:
        """Whether the node is making progress, and a sentence."""
        ...

    def metrics(self) -> dict[str, float]:
        """Counters and gauges by Prometheus name."""
        ...
