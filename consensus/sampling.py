"""Weighted draws that everybody repeats exactly: integers from SHA-256, nothing rounded, nothing kept.

A draw takes the first bits of a hash, as many as the total has, and goes on to the next hash when that number is not
below the total: a remainder would favour the first seats.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, count

from zk.hashing import HASH_BYTES, sha256

_HASH_BITS = 8 * HASH_BYTES


def permutation(randomness: bytes, weights: Sequence[int]) -> Iterator[int]:
    """Positions of all positive `weights`, each once, drawn without replacement in proportion to what is left.

    Lazy: who needs the first position pays for one draw. `randomness` names this draw and no other, so it starts
    with a `zk.hashing.domain`. Raises ValueError on a negative weight or a total of 2^256 and above.
    """
    left = list(weights)
    total = sum(left)
    if any(weight < 0 for weight in left) or total.bit_length() > _HASH_BITS:
        raise ValueError("weights are not negative, and their sum is below 2^256")
    hashes = (sha256(randomness + counter.to_bytes(8, "big")) for counter in count())
    while total:
        drawn = _below(total, hashes)
        position = next(index for index, upto in enumerate(accumulate(left)) if drawn < upto)
        yield position
        total -= left[position]
        left[position] = 0


def _below(total: int, hashes: Iterator[bytes]) -> int:
    """Uniform integer in [0, total)."""
    unused_bits = _HASH_BITS - total.bit_length()
    while True:
        drawn = int.from_bytes(next(hashes), "big") >> unused_bits
        if drawn < total:
            return drawn
