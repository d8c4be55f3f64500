"""Block sync: which blocks to ask from whom while this node is behind. Decides nothing about their validity.

Ranges go to different peers in parallel; answers wait here, bounded, until their turn. A peer whose answer turns
out wrong is set aside for a while and costs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from node.peer.wire import FullBlock

RANGE = 16
"""Heights in one request."""
WINDOW = 128
"""Heights above the own one that may be asked for or held."""
MAX_BLOCK_BYTES = 4 * 1024 * 1024
"""Envelopes of one block: more no decided block has."""
MAX_HELD_BYTES = 64 * 1024 * 1024
"""Transactions of all held blocks; the one that comes next is taken in any case."""
ANSWER_MS = 5_000
"""A request without an answer is asked of somebody else after this."""
LAG_MS = 400
"""Being one height behind is normal for this long: consensus usually delivers the decision itself."""
ASIDE_MS = 30_000
"""How long a peer that lied or did not answer is not asked."""


@dataclass(frozen=True, slots=True)
class Request:
    """Heights `first` .. `last` asked of `peer`."""

    peer: str
    first: int
    last: int
    asked_ms: int


class _Held(NamedTuple):
    """A block that waits for those before it, and who sent it."""

    peer: str
    full: FullBlock
    size: int


@dataclass(slots=True)
class BlockSync:
    """Heights of peers, requests under way, and blocks that wait for their predecessors."""

    heights: dict[str, int] = field(default_factory=dict)
    requests: dict[str, Request] = field(default_factory=dict)
    _held: dict[int, _Held] = field(default_factory=dict)
    _aside_until: dict[str, int] = field(default_factory=dict)
    _behind_since: int | None = None

    def best_height(self, now_ms: int) -> int:
        """Highest executed height that a peer claims, those set aside excepted."""
        return max((self.heights[peer] for peer in self.credible(now_ms)), default=0)

    def credible(self, now_ms: int) -> list[str]:
        """Peers that claim a height and are not set aside."""
        return [peer for peer in self.heights if self._aside_until.get(peer, 0) <= now_ms]

    def forget(self, peer: str) -> None:
        """The link to a peer is gone."""
        self.heights.pop(peer, None)
        self.requests.pop(peer, None)

    def set_aside(self, peer: str, now_ms: int) -> None:
        """Do not ask this peer for a while, and drop what it sent."""
        self._aside_until[peer] = now_ms + ASIDE_MS
        self.requests.pop(peer, None)
        self._held = {height: held for height, held in self._held.items() if held.peer != peer}

    def behind(self, height: int, now_ms: int) -> bool:
        """True when peers are ahead of executed `height` by more than a decision under way explains."""
        ahead = self.best_height(now_ms) - height
        if ahead <= 0:
            self._behind_since = None
            return False
        if self._behind_since is None:
            self._behind_since = now_ms
        return ahead > 1 or now_ms - self._behind_since >= LAG_MS

    def plan(self, height: int, now_ms: int) -> list[Request]:
        """New requests that make sense now; they are taken as sent."""
        for peer, request in list(self.requests.items()):
            if now_ms - request.asked_ms >= ANSWER_MS:
                self.set_aside(peer, now_ms)
        covered = set(self._held)
        for request in self.requests.values():
            covered.update(range(request.first, request.last + 1))
        planned = []
        last_useful = min(self.best_height(now_ms), height + WINDOW)
        first = height + 1
        if self._room() < MAX_BLOCK_BYTES:
            # What would come now could not be held: only what comes next helps.
            last_useful = min(last_useful, first)
        for peer in sorted(self.heights, key=lambda name: (-self.heights[name], name)):
            if peer in self.requests or self._aside_until.get(peer, 0) > now_ms:
                continue
            while first in covered:
                first += 1
            last = min(first + RANGE - 1, last_useful, self.heights[peer])
            if first > last:
                continue
            while last in covered:
                last -= 1
            request = Request(peer, first, last, now_ms)
            self.requests[peer] = request
            planned.append(request)
            covered.update(range(first, last + 1))
        return planned

    def hold(self, peer: str, first: int, blocks: tuple[FullBlock, ...], height: int) -> bool:
        """Keep an answer; False when it is not what was asked (the peer is then set aside by the caller).

        An answer to an earlier question, come late, is nobody's fault and of no use.
        """
        request = self.requests.get(peer)
        if request is None or request.first != first:
            return True
        del self.requests[peer]
        if not blocks:
            self.heights[peer] = min(self.heights.get(peer, 0), request.first - 1)
            return True
        numbers = [full.block.header.height for full in blocks]
        if numbers != list(range(first, first + len(blocks))):
            return False
        room = self._room()
        for number, full in zip(numbers, blocks, strict=True):
            size = sum(map(len, full.transactions))
            if size > MAX_BLOCK_BYTES:
                return False
            wanted = height < number <= min(height + WINDOW, request.last) and number not in self._held
            if wanted and (size <= room or number == height + 1):
                self._held[number] = _Held(peer, full, size)
                room -= size
        return True

    def _room(self) -> int:
        """Bytes that may still be held."""
        return MAX_HELD_BYTES - sum(held.size for held in self._held.values())

    def take(self, height: int) -> tuple[str, FullBlock] | None:
        """The held block of this height with the peer that sent it; older ones are dropped."""
        for old in [number for number in self._held if number < height]:
            del self._held[old]
        held = self._held.pop(height, None)
        return None if held is None else (held.peer, held.full)
