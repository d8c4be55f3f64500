"""Merkle trees over lists: RFC 6962, section 2.1, SHA-256.

Used for payloads, receipts, validators and evidence. Pure; proofs are lists of sibling hashes from the
leaf up. Never proves absence: `zk.sparse` does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_sha256 = hashlib.sha256
EMPTY_ROOT = _sha256(b"").digest()
MAX_PATH = 64


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || leaf)."""
    return _sha256(b"\x00" + leaf).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees: SHA-256(0x01 || left || right)."""
    return _sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Merkle tree hash of the list.

    Built level by level: an odd node is promoted, which yields the RFC's split at the largest power of two.
    """
    if not leaves:
        return EMPTY_ROOT
    level = [_sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        paired = [_sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Audit path of `leaves[index]`, siblings from the leaf upwards. Raises IndexError outside the list."""
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    level = [leaf_hash(leaf) for leaf in leaves]
    siblings = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            siblings.append(level[sibling])
        paired = [inner_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
        index //= 2
    return siblings


def verify(root_hash: bytes, leaf: bytes, index: int, size: int, siblings: Sequence[bytes]) -> bool:
    """True when `leaf` is entry `index` of the `size` entries under `root_hash` (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or len(siblings) > MAX_PATH:
        return False
    node, position, last = leaf_hash(leaf), index, size - 1
    for sibling in siblings:
        if last == 0:
            return False
        if position % 2 or position == last:
            node = inner_hash(sibling, node)
            while position % 2 == 0 and position:
                position //= 2
                last //= 2
        else:
            node = inner_hash(node, sibling)
        position //= 2
        last //= 2
    return last == 0 and node == root_hash
