"""What each peer may cost this node: one token bucket per peer, so that nobody uses up the share of another."""

from __future__ import annotations

from node.peer.limits import Bucket


class Shares:
    """`per_s` units come back to each peer every second, `at_once` are there at most. Peers are registered nodes."""

    def __init__(self, per_s: int, at_once: int) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._buckets: dict[str, Bucket] = {}

    def take(self, peer: str, amount: int, now_ms: int) -> bool:
        """Charge `amount` if it is there."""
        return self._bucket(peer, now_ms).take(amount, now_ms / 1000)

    def spend(self, peer: str, amount: int, now_ms: int) -> None:
        """Charge `amount` in any case: for what costs are known of only afterwards."""
        self._bucket(peer, now_ms).spend(amount, now_ms / 1000)

    def has_any(self, peer: str, now_ms: int) -> bool:
        """Whether the peer is not in debt."""
        return self._bucket(peer, now_ms).level(now_ms / 1000) > 0

    def _bucket(self, peer: str, now_ms: int) -> Bucket:
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = Bucket(self._per_s, self._at_once, now_ms / 1000)
        return bucket
