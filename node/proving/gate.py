"""How many false proofs this node puts up with: from a member that signed them, and from a peer that passed them on.

A false proof never costs its sender anything on the ledger, since no honest node proposes it; so what it may cost here
is bounded. Each takes tokens from its sender and from the peer that it came from, and whoever is in debt has nothing
with proofs taken from it for a while, before any signature of it is looked at. Senders are members and peers are
nodes that proved their keys; only what a member signed counts against it. A peer may be behind or ahead and pass on in
good faith what proves nothing here, so it has more patience, and no penalty.
"""

from __future__ import annotations

from collections import Counter

from node.shares import Shares

FALSE_COST = 8
SENDER_PER_S = 1
SENDER_AT_ONCE = 16
"""Two at once, then one in eight seconds."""
PEER_PER_S = 16
PEER_AT_ONCE = 512
"""64 at once, then two a second."""
MAX_WAITING = 64
"""Transactions with proofs of one sender whose answers are not known yet: so much garbage costs work before it is known
to be that."""


class Gate:
    """Who may have proofs checked here now."""

    def __init__(self) -> None:
        self._senders = Shares(SENDER_PER_S, SENDER_AT_ONCE)
        self._peers = Shares(PEER_PER_S, PEER_AT_ONCE)
        self._waiting: Counter[str] = Counter()

    def enter(self, sender: str) -> bool:
        """One more of this sender waits for answers, until it has to `leave`; False where it has too many."""
        if self._waiting[sender] >= MAX_WAITING:
            return False
        self._waiting[sender] += 1
        return True

    def leave(self, sender: str) -> None:
        """One of them has its answers."""
        self._waiting[sender] -= 1
        if not self._waiting[sender]:
            del self._waiting[sender]

    def is_open(self, sender: str, peer: str | None, now_ms: int) -> bool:
        """Whether what `sender` signed is looked at, when `peer` sends it (None: a client)."""
        if peer is not None and not self._peers.has_any(peer, now_ms):
            return False
        return self._senders.has_any(sender, now_ms)

    def was_false(self, sender: str, peer: str | None, now_ms: int) -> None:
        """Something that `sender` signed had a false proof."""
        self._senders.spend(sender, FALSE_COST, now_ms)
        if peer is not None:
            self._peers.spend(peer, FALSE_COST, now_ms)
