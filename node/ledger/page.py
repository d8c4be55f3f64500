"""Pages of the sparse tree: a subtree of four levels as one bytes object, without an object per node.

A page has sixteen slots. A slot is vacant, a leaf with its key, or the root of a child page with its version.
A leaf always sits in the slot that its path leads to, however few leaves there are, so that updates touch one
slot; the tree's rule "a subtree with a single leaf is that leaf" is applied when hashes are computed.

Two layouts. A sparse page has up to `SPARSE_SLOTS` slots in use, and its root is computed from them anew:

    0        number of slots in use, 1 .. SPARSE_SLOTS
    1 .. 8   version that wrote the page, big-endian
    then     one byte per slot in use: 16 * digit + kind, ascending
    then     their hashes, 32 bytes each
    then     their links: version of the child, 8 bytes; or key of the leaf, u8 length and bytes

A dense page keeps the heap of its nodes (node 1 is the root, i has children 2i and 2i + 1, 16 .. 31 are the
slots), so that one changed slot costs four hashes and no parsing:

    0             DENSE
    i             kind of node i, 1 .. 31
    32i           hash of node i, zero when vacant
    1024 + 8d     version of the child in slot d, anything without one
    1152 .. 1159  version that wrote the page
    1160 ..       keys of the slots that are leaves, in order: u8 length and bytes

On disk a sparse page is as it is; of a dense one only what is below its inner nodes is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from zk.sparse import EMPTY, INNER_PREFIX

SLOTS = 16
LEVELS = 4
SPARSE_SLOTS = 8
VACANT, LEAF, INNER = 0, 1, 2
MAX_KEY_BYTES = 255

DENSE = 0
HASHES = 512
VERSIONS = 1024
OWN_VERSION = 1152
KEYS = 1160

Node = tuple[int, bytes, bytes]
"""(kind, hash, link): the link is a leaf's key, the version of an inner node's page, empty otherwise."""
Slot = tuple[int, int, bytes, bytes]
"""(digit, kind, hash, link) of a slot in use."""

NOTHING: Node = (VACANT, EMPTY, b"")

_sha256 = hashlib.sha256
_LENGTHS = [bytes((length,)) for length in range(MAX_KEY_BYTES + 1)]


def version_of(page: bytes) -> bytes:
    """The version that wrote the page, 8 bytes."""
    return page[OWN_VERSION:KEYS] if page[:1] == b"\x00" else page[1:9]


def sparse_slots(page: bytes) -> list[Slot]:
    """Slots in use of a sparse page, in order."""
    count = page[0]
    at = 9 + count
    link_at = at + 32 * count
    slots = []
    for head in page[9:at]:
        kind = head & 15
        if kind == INNER:
            end = link_at + 8
            link = page[link_at:end]
        else:
            end = link_at + 1 + page[link_at]
            link = page[link_at + 1 : end]
        link_at = end
        slots.append((head >> 4, kind, page[at : at + 32], link))
        at += 32
    return slots


def sparse_page(version: bytes, slots: Sequence[Slot]) -> bytes:
    """The sparse page with these slots, ascending."""
    heads = bytearray((len(slots),))
    heads += version
    parts: list[bytes | bytearray] = [heads]
    links: list[bytes | bytearray] = []
    for digit, kind, hash_, link in slots:
        heads.append(16 * digit + kind)
        parts.append(hash_)
        if kind == LEAF:
            links.append(_LENGTHS[len(link)])
        links.append(link)
    return b"".join(parts + links)


def rehashed(page: bytes, version: bytes, slots: Sequence[Slot]) -> bytes:
    """`sparse_page(version, slots)` when only hashes differ from those of `page`: most updates, at half the cost."""
    links_at = 9 + 33 * len(slots)
    hashes = [slot[2] for slot in slots]
    return b"".join((page[:1], version, page[9 : 9 + len(slots)], *hashes, page[links_at:]))


def fold(slots: Sequence[Slot], low: int, high: int, levels: int) -> bytes:
    """Hash of the subtree of `levels` levels whose slots in use are `slots[low:high]`."""
    if low == high:
        return EMPTY
    if high - low == 1 and (levels == 0 or slots[low][1] == LEAF):
        return slots[low][2]
    levels -= 1
    middle = low
    while middle < high and not slots[middle][0] >> levels & 1:
        middle += 1
    # Halves that need no hashing are taken here: a call for each would cost as much as the hash.
    if middle - low > 1 or (middle > low and levels and slots[low][1] == INNER):
        left = fold(slots, low, middle, levels)
    else:
        left = slots[low][2] if middle > low else EMPTY
    if high - middle > 1 or (high > middle and levels and slots[middle][1] == INNER):
        right = fold(slots, middle, high, levels)
    else:
        right = slots[middle][2] if high > middle else EMPTY
    return _sha256(INNER_PREFIX + left + right).digest()


def settle(page: bytearray, changed: Sequence[int]) -> None:
    """Recompute a dense page above the slots whose kinds and hashes were written.

    A node with two vacant children is vacant; with a leaf and a vacant one it is that leaf; else it is inner.
    Kinds are numbered so that their sum tells which.
    """
    sha256, prefix = _sha256, INNER_PREFIX
    dirty = 0
    for digit in changed:
        dirty |= 1 << (digit + SLOTS >> 1)
    while dirty:
        node = dirty.bit_length() - 1
        dirty ^= 1 << node
        at = 64 * node
        left = page[2 * node]
        total = left + page[2 * node + 1]
        if total >= INNER:
            page[node] = INNER
            page[32 * node : 32 * node + 32] = sha256(prefix + page[at : at + 64]).digest()
        elif total:
            page[node] = LEAF
            page[32 * node : 32 * node + 32] = page[at : at + 32] if left else page[at + 32 : at + 64]
        else:
            page[node] = VACANT
            page[32 * node : 32 * node + 32] = EMPTY
        if node > 1:
            dirty |= 1 << (node >> 1)


def dense_keys(page: bytes | bytearray) -> dict[int, bytes]:
    """Keys of a dense page's leaves by digit."""
    found = {}
    offset = KEYS
    for digit in range(SLOTS):
        if page[SLOTS + digit] == LEAF:
            end = offset + 1 + page[offset]
            found[digit] = bytes(page[offset + 1 : end])
            offset = end
    return found


def set_dense_keys(page: bytearray, keys: dict[int, bytes]) -> None:
    """Replace the keys of a dense page; `keys` has exactly the digits that are leaves."""
    page[KEYS:] = b"".join([_LENGTHS[len(keys[digit])] + keys[digit] for digit in sorted(keys)])


def dense_page(version: bytes, slots: Sequence[Slot]) -> bytes:
    """The dense page with these slots."""
    page = bytearray(KEYS)
    keys = {}
    for digit, kind, hash_, link in slots:
        page[SLOTS + digit] = kind
        page[HASHES + 32 * digit : HASHES + 32 * digit + 32] = hash_
        if kind == LEAF:
            keys[digit] = link
        else:
            page[VERSIONS + 8 * digit : VERSIONS + 8 * digit + 8] = link
    page[OWN_VERSION:KEYS] = version
    set_dense_keys(page, keys)
    settle(page, [digit for digit, _, _, _ in slots])
    return bytes(page)


def dense_slots(page: bytes) -> list[Slot]:
    """Slots in use of a dense page, in order."""
    keys = dense_keys(page)
    slots = []
    for digit in range(SLOTS):
        kind = page[SLOTS + digit]
        if kind:
            hash_ = page[HASHES + 32 * digit : HASHES + 32 * digit + 32]
            slots.append((digit, kind, hash_, keys[digit] if kind == LEAF else child_version(page, digit)))
    return slots


def child_version(page: bytes, digit: int) -> bytes:
    """Version of the child in a slot of a dense page."""
    return page[VERSIONS + 8 * digit : VERSIONS + 8 * digit + 8]


def slots_of(page: bytes) -> list[Slot]:
    """Slots in use of any page, in order."""
    return dense_slots(page) if page[0] == DENSE else sparse_slots(page)


def pack(page: bytes) -> bytes:
    """The form on disk."""
    return b"\x00" + page[SLOTS : 2 * SLOTS] + page[HASHES:] if page[0] == DENSE else page


def unpack(packed: bytes, version: bytes) -> bytes:
    """The page of `version` that `pack` turned into bytes. Raises ValueError when it can't be.

    Every bit is under the store's checksums; this notices a page in a wrong place.
    """
    if packed[:1] == b"\x00":
        page = bytearray(HASHES)
        page[SLOTS : 2 * SLOTS] = packed[1 : 1 + SLOTS]
        page += packed[1 + SLOTS :]
        if len(page) >= KEYS:
            settle(page, range(SLOTS))
        packed = bytes(page)
    if version_of(packed) != version:
        raise ValueError("it names another version than its parent")
    return packed
