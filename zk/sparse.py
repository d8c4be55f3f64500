"""Sparse Merkle tree over SHA-256(key): hash rules and verification of one key's presence or absence.

A subtree without leaves hashes to 32 zero bytes, one with a single leaf to that leaf, any other to the hash
of its two halves, also when one half is empty. Bit 0 of SHA-256(key) is the most significant one and decides
at the root. This is the tree that the ICS-23 `SmtSpec` describes; `zk.ics23` has its proofs as bytes,
`node.ledger.tree` the tree itself.

Never takes an empty key or value, and an empty tree proves nothing: genesis writes a first record.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

_sha256 = hashlib.sha256

EMPTY = bytes(32)
"""Hash of a subtree without leaves."""
LEAF_PREFIX = b"\x00"
INNER_PREFIX = b"\x01"
MAX_DEPTH = 256


class Presence(NamedTuple):
    """One leaf and the way from it to the root: `siblings` are subtree hashes from the leaf up."""

    key: bytes
    value: bytes
    siblings: tuple[bytes, ...]


class Absence(NamedTuple):
    """The leaves next to where `key` would be; None where `key` would be the first or the last."""

    key: bytes
    left: Presence | None
    right: Presence | None


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """SHA-256(0x00 || SHA-256(key) || SHA-256(value))."""
    return _sha256(LEAF_PREFIX + _sha256(key).digest() + _sha256(value).digest()).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return _sha256(INNER_PREFIX + left + right).digest()


def path_of(key: bytes) -> int:
    """SHA-256(key) as a 256-bit number; the tree is ordered by it."""
    return int.from_bytes(_sha256(key).digest(), "big")


def bit(path: int, depth: int) -> int:
    """0 where the path goes left below `depth` inner nodes, 1 where it goes right."""
    return path >> (MAX_DEPTH - 1 - depth) & 1


def fold(presence: Presence) -> bytes | None:
    """The root that `presence` belongs to; None if it can't belong to any."""
    depth = len(presence.siblings)
    if not presence.key or not presence.value or depth > MAX_DEPTH:
        return None
    path, node = path_of(presence.key), leaf_hash(presence.key, presence.value)
    for sibling in presence.siblings:
        depth -= 1
        if len(sibling) != len(EMPTY):
            return None
        node = inner_hash(sibling, node) if bit(path, depth) else inner_hash(node, sibling)
    return node


def verify_presence(root: bytes, presence: Presence) -> bool:
    """True when the tree under `root` holds this key with this value."""
    return fold(presence) == root


def verify_absence(root: bytes, absence: Absence) -> bool:
    """True when the tree under `root` does not hold `absence.key`.

    The neighbours must be in the tree, on both sides of the key, with nothing but empty subtrees between
    them.
    """
    left, right = absence.left, absence.right
    if not absence.key or (left is None and right is None):
        return False
    path = path_of(absence.key)
    if left is not None and not (fold(left) == root and path_of(left.key) < path):
        return False
    if right is not None and not (fold(right) == root and path < path_of(right.key)):
        return False
    split = 0
    if left is not None and right is not None:
        split = _common_depth(path_of(left.key), path_of(right.key)) + 1
    return (left is None or _is_extreme(left, split, side=1)) and (right is None or _is_extreme(right, split, side=0))


def _common_depth(left: int, right: int) -> int:
    """Number of leading bits that two different paths share."""
    return MAX_DEPTH - (left ^ right).bit_length()


def _is_extreme(presence: Presence, depth: int, side: int) -> bool:
    """True when, from `depth` down, the leaf is on `side` of every sibling that is not empty."""
    path, siblings = path_of(presence.key), presence.siblings[::-1]
    return all(bit(path, level) == side or siblings[level] == EMPTY for level in range(depth, len(siblings)))
