"""Hashing with domain separation: every hash and signature on the ledger starts here.

Never truncates a digest and never hashes without saying what for: a digest or signature made for one
purpose or chain must be worthless for every other.
"""

from __future__ import annotations

import hashlib

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)


def sha256(data: bytes) -> bytes:
    """SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def domain(purpose: str, chain_id: str) -> bytes:
    """Prefix that binds what follows to one purpose on one chain.

    Purposes and chain ids come from `[a-z0-9-]`, so the separators make the prefix unambiguous.
    """
    return b"gridpact/1/%s/%s/" % (purpose.encode(), chain_id.encode())
