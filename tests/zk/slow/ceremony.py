"""Making the threshold key, and opening with it, as the document says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgpack

from tests.zk.slow.curve import B, R, point, refuse_unless, same, total


def commitment(chain: str, epoch: int, attempt: int, dealer: str, vector: Sequence[bytes]) -> bytes:
    """What a dealer binds itself with."""
    label = b"gridpact/1/ceremony-commitment/" + chain.encode() + b"/"
    return sha256(label + msgpack.packb([epoch, attempt, dealer, list(vector)])).digest()


def key_id(chain: str, epoch: int, attempt: int, key: bytes) -> bytes:
    """The name of a key."""
    label = b"gridpact/1/threshold-key/" + chain.encode() + b"/"
    return sha256(label + msgpack.packb([epoch, attempt, key])).digest()


def at(vector: Sequence[bytes], index: int) -> Any:
    """The polynomial of a vector at an index, times B."""
    return total([point(one) for one in vector], [index**power for power in range(len(vector))])


def check_share(share: bytes, index: int, vector: Sequence[bytes]) -> None:
    """Refused unless a share is good."""
    refuse_unless(same(total([B], [int.from_bytes(share, "big")]), at(vector, index)), "the share is on the polynomial")


def combined(shares: Mapping[int, bytes]) -> Any:
    """x R from shares x_j R."""
    factors = []
    for j in shares:
        factor = 1
        for m in shares:
            if m != j:
                factor = factor * m * pow(m - j, -1, R) % R
        factors.append(factor)
    return total([point(one) for one in shares.values()], factors)
