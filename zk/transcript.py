"""The transcript of a proof: what both sides absorb, and the challenges that follow from all of it.

The duplex sponge of draft-irtf-cfrg-fiat-shamir in overwrite-free mode over SHAKE128, byte for byte: the state begins
with a session id of 32 bytes and zeros up to the rate, so that nothing of one session counts in another. Never draws
randomness, and knows nothing of groups but the order that a challenge is reduced by.
"""

from __future__ import annotations

import hashlib

from zk.group import ORDER

RATE_BYTES = 168
"""Of SHAKE128."""
SESSION_ID_BYTES = 32
CHALLENGE_BYTES = 48
"""Squeezed for one challenge: enough that the reduction mod the order leaves no bias."""

_SESSION_ID_LABEL = b"irtf-cfrg-fiat-shamir/session-id"


class Sponge:
    """Absorbs bytes and squeezes bytes that depend on everything absorbed so far, in order but not in portions."""

    __slots__ = ("_hash", "_squeezed")

    def __init__(self, session_id: bytes) -> None:
        """ValueError unless the session id has 32 bytes."""
        if len(session_id) != SESSION_ID_BYTES:
            raise ValueError(f"a session id has {SESSION_ID_BYTES} bytes, not {len(session_id)}")
        self._hash = hashlib.shake_128(session_id + bytes(RATE_BYTES - SESSION_ID_BYTES))
        self._squeezed = 0

    def absorb(self, data: bytes) -> None:
        """Take `data` in. The next squeeze starts anew; of nothing, it goes on, as if nobody had asked."""
        if data:
            self._hash.update(data)
            self._squeezed = 0

    def squeeze(self, n: int) -> bytes:
        """The next `n` bytes; goes on where the squeeze before it stopped. ValueError when negative."""
        if n < 0:
            raise ValueError("nothing negative can be squeezed")
        start, self._squeezed = self._squeezed, self._squeezed + n
        return self._hash.digest(self._squeezed)[start:]

    def challenge(self) -> int:
        """48 squeezed bytes, little-endian, mod the order. May be 0; whoever divides by it has to look."""
        return int.from_bytes(self.squeeze(CHALLENGE_BYTES), "little") % ORDER


def session_id(tag: bytes) -> bytes:
    """Session id of a tag: 32 bytes."""
    sponge = Sponge(_SESSION_ID_LABEL)
    sponge.absorb(tag)
    return sponge.squeeze(SESSION_ID_BYTES)
