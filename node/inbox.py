"""What a replica keeps of its peers' consensus frames before the machine takes them, and how much of each peer's.

Three bounds: encodings that were seen, messages that wait for the next height, and bytes that one peer may have
written into the journal within one height. Who is at one of them is not heard until there is room again; what it
said is sent again by whoever means it. A fourth bounds the signatures that are known to be good. Decodes and verifies
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from consensus.messages import Message
from node.effects import Triple
from node.journal import MAX_SEGMENTS, SEGMENT_BYTES

MAX_WAITING = 256
"""Messages of one peer kept for the next height while this one is being executed."""
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Their encodings, of one peer together."""
MAX_SEEN = 16_384
"""Remembered encodings; forgotten twice a second, because what the machine could not use yet must be taken when it
is sent again."""
MAX_SEEN_BYTES = 16 * 1024 * 1024
MAX_VERIFIED = 65_536
"""Remembered good signatures of one height."""
JOURNAL_SHARE_BYTES = MAX_SEGMENTS * SEGMENT_BYTES // 2
"""What all peers together may have written down within one height: half of what the journal holds."""


class Inbox:
    """Frames of `peers` registered nodes."""

    def __init__(self, peers: int) -> None:
        self.share_among(peers)
        self._seen: set[bytes] = set()
        self._seen_bytes = 0
        self._waiting: dict[str, dict[bytes, Message]] = {}
        self._waiting_bytes: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._verified: set[Triple] = set()
        self._verified_before: set[Triple] = set()

    def share_among(self, peers: int) -> None:
        """So many nodes are registered from now on."""
        self._share = JOURNAL_SHARE_BYTES // max(1, peers)

    def is_new(self, body: bytes) -> bool:
        """Whether this encoding was not seen lately."""
        return body not in self._seen

    def remember(self, body: bytes) -> None:
        """It has been dealt with, and need not be again for a while."""
        if len(self._seen) < MAX_SEEN and self._seen_bytes + len(body) <= MAX_SEEN_BYTES:
            self._seen.add(body)
            self._seen_bytes += len(body)

    def forget(self) -> None:
        """Everything may come again."""
        self._seen.clear()
        self._seen_bytes = 0

    def wait(self, peer: str, body: bytes, message: Message) -> None:
        """Keep a message of the next height, if this peer has room for it."""
        kept = self._waiting.setdefault(peer, {})
        size = self._waiting_bytes[peer] + len(body)
        if body not in kept and len(kept) < MAX_WAITING and size <= MAX_WAITING_BYTES:
            kept[body] = message
            self._waiting_bytes[peer] = size

    def may_write(self, peer: str, size: int) -> bool:
        """Charge a message of `size` bytes to the peer that sent it; False once its share of this height is used up."""
        self._written[peer] += size
        return self._written[peer] <= self._share

    def unverified(self, triples: Iterable[Triple]) -> list[Triple]:
        """Those that were not found good in this height or the last."""
        return [one for one in triples if one not in self._verified and one not in self._verified_before]

    def verified(self, triples: Iterable[Triple]) -> None:
        """These signatures are good."""
        if len(self._verified) < MAX_VERIFIED:
            self._verified.update(triples)

    def next_height(self) -> Iterator[tuple[str, bytes, Message]]:
        """Begin a height: everybody has its share anew. What waited for it, in order of arrival per peer."""
        self._verified_before, self._verified = self._verified, set()
        waiting, self._waiting = self._waiting, {}
        self._waiting_bytes.clear()
        self._written.clear()
        self.forget()
        for peer, messages in waiting.items():
            for body, message in messages.items():
                self.remember(body)
                yield peer, body, message
