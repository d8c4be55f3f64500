"""What this node keeps about each registered peer across connections: limits, conduct, queue, counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from node.peer.frames import SendQueue
from node.peer.limits import (
    BREACH_POINTS,
    CONDUCT_BUDGET,
    CONDUCT_PER_S,
    CONNECTS_BURST,
    CONNECTS_PER_S,
    Bucket,
    RateLimits,
    Settings,
)
from node.peer.reasons import Reason

if TYPE_CHECKING:
    from node.peer.link import Link


class PeerRecord(NamedTuple):
    """What the ledger says about a node: TLS certificate (DER), consensus key, host:port."""

    certificate: bytes
    consensus_key: bytes
    address: str


class Peer:
    """One other node. Its buckets outlive its connections: coming back does not refill them."""

    def __init__(self, node: str, record: PeerRecord, settings: Settings, now: float) -> None:
        self.node = node
        self.record = record
        self.former: tuple[PeerRecord, ...] = ()
        """Keys that were replaced and still have a seat."""
        self.link: Link | None = None
        self.blocked = False
        self.queue = SendQueue(settings.queues)
        self.rates = RateLimits(settings.limits, now)
        self.connects = Bucket(CONNECTS_PER_S, CONNECTS_BURST, now)
        self.refusals: Counter[str] = Counter()
        """Refused frames and connections by code: ours, and those of the transport's owner."""
        self.last_reason: Reason | None = None
        self.since = now
        self.rtt_us: int | None = None
        self.bytes_in = self.bytes_out = self.frames_in = 0
        self.kick = asyncio.Event()
        """Set: dial now instead of waiting for the backoff."""
        self._conduct = Bucket(CONDUCT_PER_S, CONDUCT_BUDGET, now)

    def records(self) -> tuple[PeerRecord, ...]:
        """Everything under which it may connect."""
        return (self.record, *self.former)

    def charge(self, points: int, now: float) -> bool:
        """Charge a violation; False when the conduct budget is used up and the peer has to go."""
        return self._conduct.take(points, now)

    def locked_out(self, now: float) -> bool:
        """Whether its violations are too recent for another connection."""
        return self._conduct.level(now) < BREACH_POINTS

    def note(self, reason: Reason) -> None:
        """Count why a connection was refused or ended, and remember it for the status."""
        self.refusals[reason] += 1
        self.last_reason = reason

    def status(self, now: float) -> dict[str, Any]:
        """JSON-ready; `since_ms`: how long the link has been up, or down; `rtt_us`: None until measured."""
        connected = self.link is not None
        return {
            "id": self.node,
            "address": self.record.address,
            "connected": connected,
            "blocked": self.blocked,
            "since_ms": int((now - self.since) * 1000),
            "rtt_us": self.rtt_us if connected else None,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "frames_in": self.frames_in,
            "queue": self.queue.depth(),
            "refusals": {str(code): count for code, count in sorted(self.refusals.items())},
            "last_reason": None if self.last_reason is None else str(self.last_reason),
        }
