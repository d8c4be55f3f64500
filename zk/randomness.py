"""Where a prover's random scalars come from: a hash of everything that the proof is about, and of fresh entropy.

Nothing in `zk` fetches randomness. All of it is SHAKE256 of (label, witness, tag, full instance, entropy, counter), so
two different proofs never share a nonce, not even when a machine repeats its entropy; with the same entropy, the same
proof comes out again. The entropy keeps a proof hiding from whoever could guess the witness: give at least 32 bytes
that nobody else knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from zk.group import ORDER

DRAW_BYTES = 48
"""Per scalar: enough that the reduction mod the order leaves no bias."""


class Draw:
    """Scalars for one proof, one after the other."""

    __slots__ = ("_counter", "_seeded")

    def __init__(self, label: bytes, *, witness: bytes, tag: bytes, instance: bytes, entropy: bytes) -> None:
        """Every part counts with its length, so no two lists of parts are the same."""
        seed = b"".join(part for one in (label, witness, tag, instance, entropy) for part in _framed(one))
        self._seeded = hashlib.shake_256(seed)
        self._counter = 0

    def scalar(self) -> int:
        """The next scalar in [1, ORDER)."""
        while True:
            counter, self._counter = self._counter, self._counter + 1
            drawn = self._seeded.copy()
            drawn.update(counter.to_bytes(8, "little"))
            if value := int.from_bytes(drawn.digest(DRAW_BYTES), "little") % ORDER:
                return value

    def scalars(self, count: int) -> Sequence[int]:
        """The next `count` scalars."""
        return [self.scalar() for _ in range(count)]


def _framed(part: bytes) -> tuple[bytes, bytes]:
    return len(part).to_bytes(8, "little"), part
