"""The sponge of the document, and parts behind their lengths."""

from __future__ import annotations

from hashlib import shake_128

from tests.zk.slow.curve import R


class Sponge:
    """State, and how far its output was read."""

    def __init__(self, session: bytes) -> None:
        assert len(session) == 32
        self.state, self.read = session + bytes(136), 0

    def absorb(self, data: bytes) -> None:
        """The output begins anew, unless `data` is empty."""
        self.state += data
        self.read = 0 if data else self.read

    def squeeze(self, count: int) -> bytes:
        """The next bytes of output."""
        self.read += count
        return shake_128(self.state).digest(self.read)[self.read - count :]

    def challenge(self) -> int:
        """A scalar."""
        return int.from_bytes(self.squeeze(48), "little") % R


def session(tag: bytes) -> bytes:
    """Session id of a tag."""
    sponge = Sponge(b"irtf-cfrg-fiat-shamir/session-id")
    sponge.absorb(tag)
    return sponge.squeeze(32)


def framed(*parts: bytes) -> bytes:
    """Each part behind its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
