"""Both trees straight from their definitions: recursion over a dictionary or a list, no pages, no cleverness."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from zk.sparse import Absence, Presence

EMPTY = bytes(32)
Leaves = list[tuple[str, bytes, bytes]]


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _bits(key: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in _sha256(key))


def leaves(records: Mapping[bytes, bytes]) -> Leaves:
    """Leaves in the order of the tree, with the bits of their paths."""
    return sorted((_bits(key), key, value) for key, value in records.items())


def _subtree(part: Leaves, depth: int) -> bytes:
    if not part:
        return EMPTY
    if len(part) == 1:
        _, key, value = part[0]
        return _sha256(b"\x00" + _sha256(key) + _sha256(value))
    left = [leaf for leaf in part if leaf[0][depth] == "0"]
    right = [leaf for leaf in part if leaf[0][depth] == "1"]
    return _sha256(b"\x01" + _subtree(left, depth + 1) + _subtree(right, depth + 1))


def root(records: Mapping[bytes, bytes]) -> bytes:
    """Root of the tree with these records."""
    return _subtree(leaves(records), 0)


def presence(records: Mapping[bytes, bytes], key: bytes) -> Presence:
    """The leaf of `key` with its siblings from the leaf up."""
    part, path, siblings, depth = leaves(records), _bits(key), [], 0
    while len(part) > 1:
        siblings.append(_subtree([leaf for leaf in part if leaf[0][depth] != path[depth]], depth + 1))
        part = [leaf for leaf in part if leaf[0][depth] == path[depth]]
        depth += 1
    assert part[0][1] == key
    return Presence(key, records[key], tuple(reversed(siblings)))


def absence(records: Mapping[bytes, bytes], key: bytes) -> Absence:
    """The neighbours of a key that is not there."""
    path = _bits(key)
    before = [leaf for leaf in leaves(records) if leaf[0] < path]
    after = [leaf for leaf in leaves(records) if leaf[0] > path]
    return Absence(
        key,
        presence(records, before[-1][1]) if before else None,
        presence(records, after[0][1]) if after else None,
    )


def crowd(bits: int, size: int) -> list[bytes]:
    """`size` keys whose paths share their first `bits` bits: what makes a tree deep."""
    found: dict[str, list[bytes]] = {}
    for number in range(1 << 20):
        key = b"crowd-%d" % number
        peers = found.setdefault(_bits(key)[:bits], [])
        peers.append(key)
        if len(peers) == size:
            return peers
    raise AssertionError("no such crowd within a million keys")


def list_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not entries:
        return _sha256(b"")
    if len(entries) == 1:
        return _sha256(b"\x00" + entries[0])
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return _sha256(b"\x01" + list_root(entries[:split]) + list_root(entries[split:]))
