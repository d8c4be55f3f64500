"""Every bound of the peer transport that is not a size on the wire: times, queues, rates, conduct.

Token buckets only; they read no clock, the caller says what time it is (seconds, monotonic).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from node.peer.wire import LIMITS, Frame, Limit, Priority

BURST_S = 4
"""A rate limit's bucket holds this many seconds' worth (see `wire.Limit`)."""

CONDUCT_BUDGET = 100
"""Violation points that a peer may collect at once."""

CONDUCT_PER_S = 1
"""Violation points forgiven per second."""

BREACH_POINTS = 25
"""Cost of what no honest node ever sends (garbage, oversized, forged); who has fewer left is locked out."""

VERDICT_POINTS = 5
"""Cost of a well-formed frame whose content the owner of the transport objects to."""

EXCESS_POINTS = 1
"""Cost of one frame above a rate limit: an honest node may get there for a moment."""

CONNECTS_BURST = 10
CONNECTS_PER_S = 1
"""Authenticated connections that one peer may open."""


class QueueBound(NamedTuple):
    """How much may wait for one peer in one priority."""

    frames: int
    bytes: int


QUEUE_BOUNDS: dict[Priority, QueueBound] = {
    Priority.CONSENSUS: QueueBound(4096, 16 * 1024 * 1024),
    Priority.SYNC: QueueBound(256, 33 * 1024 * 1024),
    Priority.TRANSACTIONS: QueueBound(512, 2 * 1024 * 1024),
}


class Settings(NamedTuple):
    """Times and bounds of one transport; the defaults suit a devnet and a LAN."""

    handshake_ms: int = 5_000
    """An unauthenticated connection has this long for TCP, TLS and hello together."""
    frame_ms: int = 10_000
    """A started frame must be complete after this, plus its length over `frame_bytes_per_s`."""
    frame_bytes_per_s: int = 64 * 1024
    ping_ms: int = 2_000
    silence_ms: int = 8_000
    """A link on which nothing was heard for this long is dropped."""
    redial_first_ms: int = 50
    redial_cap_ms: int = 1_000
    settled_ms: int = 5_000
    """A link that lived this long starts the redial backoff anew."""
    tick_ms: int = 100
    """How often deadlines are looked at."""
    pending_max: int = 64
    """Unauthenticated connections at once; the oldest makes room."""
    queues: Mapping[Priority, QueueBound] = QUEUE_BOUNDS
    limits: Mapping[Frame, Limit] = LIMITS


class Bucket:
    """Token bucket: `burst` tokens at most, `per_s` come back every second."""

    __slots__ = ("_at", "_burst", "_level", "_per_s")

    def __init__(self, per_s: float, burst: float, now: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._level = burst
        self._at = now

    def level(self, now: float) -> float:
        """Tokens left; negative while in debt."""
        self._level = min(self._burst, self._level + (now - self._at) * self._per_s)
        self._at = now
        return self._level

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` if it is there."""
        if self.level(now) < amount:
            return False
        self._level -= amount
        return True

    def spend(self, amount: float, now: float) -> float:
        """Take `amount` in any case; seconds until the debt is paid (0 without debt)."""
        self._level = self.level(now) - amount
        return max(0.0, -self._level / self._per_s)


class RateLimits:
    """What one peer may send: frames and bytes per type. They outlive its connections."""

    def __init__(self, limits: Mapping[Frame, Limit], now: float) -> None:
        self._buckets = {
            frame: (
                Bucket(limit.per_s, limit.per_s * BURST_S, now),
                Bucket(limit.bytes_per_s, limit.bytes_per_s * BURST_S, now),
            )
            for frame, limit in limits.items()
        }

    def spend(self, frame: Frame, size: int, now: float) -> float:
        """Charge a frame of `size` bytes; seconds for which nothing more should be read."""
        frames, octets = self._buckets[frame]
        return max(frames.spend(1, now), octets.spend(size, now))

    def take(self, frame: Frame, size: int, now: float) -> bool:
        """Charge a frame only if it is within both limits; False means: drop it."""
        frames, octets = self._buckets[frame]
        if frames.level(now) < 1 or octets.level(now) < size:
            return False
        return frames.take(1, now) and octets.take(size, now)
