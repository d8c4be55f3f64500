"""What an assertion is: a statement as bytes, its place, and the tag that pins it there.

Never takes an instance from a prover: whoever asserts builds it from what the ledger knows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from zk.batch import Claim
from zk.hashing import sha256

Reduce = Callable[[bytes, bytes, bytes], Sequence[Claim] | None]
"""Claims of (tag, instance, proof), all of which must hold; None when they can not even be read. Never raises."""


class Where(NamedTuple):
    """The place that a proof is good for, and no other."""

    chain_id: str
    actor: str
    """Member, meter or seat that proves."""
    at: int = 0
    """Interval, epoch or account sequence, as the kind says."""
    round: int = 0
    """Round or attempt."""
    key_id: bytes = b""
    """Of the threshold key, where one is used."""


class Assertion(NamedTuple):
    """One statement and its proof."""

    kind: str
    tag: bytes
    instance: bytes
    proof: bytes


VERSION = 1


def place(kind: str, where: Where) -> bytes:
    """A place and the kind and version of what is proven there, as bytes that no other place and kind has."""
    return framed(
        (
            b"gridpact/zk",
            VERSION.to_bytes(2, "big"),
            kind.encode(),
            where.chain_id.encode(),
            where.actor.encode(),
            where.at.to_bytes(8, "big"),
            where.round.to_bytes(8, "big"),
            where.key_id,
        )
    )


def tag_of(kind: str, where: Where, commitments: Sequence[bytes]) -> bytes:
    """The tag of a statement: its place, its kind and version, and a digest of all its commitments, in their order."""
    return place(kind, where) + framed((sha256(framed(commitments)),))


def framed(parts: Sequence[bytes]) -> bytes:
    """Parts behind their lengths: no two lists of parts have the same bytes."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
