"""The state tree on disk: one batch update per block, proofs against retained versions, pruning of the rest.

A sparse Merkle tree (`zk.sparse`) in pages of four levels (`node.ledger.page`), keyed by the version that
wrote them and the path they hang under, so that a page is written once and never changed. The page that a
version replaces is listed under that version, and goes when no retained version can reach it. Only recently
used pages are in memory.

Never stores values: those are the ledger's, the tree knows their hashes.

    p | version u64be | path, one hex digit per four levels   a page v | version u64be
    root of a version: kind, hash, link s | version u64be                                         pages that
    this version replaced: (version, u8 length, path)
"""

from __future__ import annotations

import hashlib
from binascii import hexlify
from collections.abc import Iterable
from typing import NamedTuple

from node.ledger import page as layout
from node.ledger.cache import BoundedCache
from node.ledger.page import (
    DENSE,
    HASHES,
    INNER,
    LEAF,
    LEVELS,
    MAX_KEY_BYTES,
    NOTHING,
    OWN_VERSION,
    SLOTS,
    SPARSE_SLOTS,
    VACANT,
    VERSIONS,
    Node,
    Slot,
)
from node.ledger.store import Batch, KeyValue, StoreError, damaged
from zk.sparse import LEAF_PREFIX

PAGE_TAG, ROOT_TAG, STALE_TAG = b"p", b"v", b"s"
PAGE_CACHE_BYTES = 20 * 1024 * 1024

_sha256 = hashlib.sha256
_DIGITS = b"0123456789abcdef"
_DIGIT = {code: value for value, code in enumerate(_DIGITS)}

Operation = tuple[bytes, bytes | None, bytes]
"""(hex of SHA-256(key), leaf hash or None to delete, key)"""


class Update(NamedTuple):
    """A computed but not yet stored version. Store `writes`, then `accept` it."""

    root: Node
    writes: Batch
    pages: dict[bytes, bytes]


def version_bytes(version: int) -> bytes:
    """Eight bytes, big-endian, so that versions sort."""
    return version.to_bytes(8, "big")


class Tree:
    """The tree over one store. One writer; `cache_bytes` bounds the pages in memory."""

    def __init__(self, store: KeyValue, cache_bytes: int = PAGE_CACHE_BYTES) -> None:
        self._store = store
        self._cache: BoundedCache = BoundedCache(cache_bytes)

    def root(self, version: int) -> Node:
        """Top of `version`. Raises StoreError `store.corrupt` when it was never stored or is pruned."""
        raw = self._store.get(ROOT_TAG + version_bytes(version))
        if raw is None:
            raise _damaged(f"the root of version {version} is missing")
        return raw[0], raw[1:33], raw[33:]

    def update(self, base: Node, version: int, changes: Iterable[tuple[bytes, bytes | None]]) -> Update:
        """Version `version`: `base` with every (key, value) of `changes` set, or removed where it is None.

        Changes nothing here or on disk. Keys are distinct and 1 .. 255 bytes, values not empty; else
        ValueError. Only a first version may be made by several updates.
        """
        sha256, hexadecimal = _sha256, hexlify
        operations: list[Operation] = []
        for key, value in changes:
            if not 0 < len(key) <= MAX_KEY_BYTES or value == b"":
                raise ValueError("keys are 1 .. 255 bytes and values are not empty")
            hashed = sha256(key).digest()
            leaf = None if value is None else sha256(LEAF_PREFIX + hashed + sha256(value).digest()).digest()
            operations.append((hexadecimal(hashed), leaf, key))
        operations.sort()
        draft = _Draft(self, version_bytes(version))
        root = draft.replace(b"", *base, operations) or base
        kind, hash_, link = root
        writes = draft.writes
        writes.append((ROOT_TAG + draft.version, bytes((kind,)) + hash_ + link))
        if draft.stale:
            writes.append((STALE_TAG + draft.version, b"".join(draft.stale)))
        return Update(root, writes, draft.pages)

    def accept(self, update: Update) -> None:
        """Remember the pages of an update that was stored."""
        cache = self._cache
        for path, page in update.pages.items():
            cache.put(path, page)

    def load(self, version: bytes, path: bytes) -> bytes:
        """The page that `version` wrote under `path`."""
        page = self._cache.get(path)
        if page is not None:
            held = layout.version_of(page)
            if held == version:
                return page
        raw = self._store.get(PAGE_TAG + version + path)
        if raw is None:
            raise _damaged(f"page {path.decode()} of version {int.from_bytes(version, 'big')} is missing")
        try:
            loaded = layout.unpack(raw, version)
        except ValueError as error:
            raise _damaged(f"page {path.decode()}: {error}") from error
        if page is None or held < version:
            self._cache.put(path, loaded)
        return loaded

    def siblings(self, root: Node, key: bytes) -> tuple[bytes, ...] | None:
        """Sibling hashes from the leaf of `key` up to `root`; None when the tree has no such leaf."""
        path = hexlify(_sha256(key).digest())
        kind, _, link = root
        found: list[bytes] = []
        depth = 0
        while kind == INNER:
            slots = layout.slots_of(self.load(link, path[:depth]))
            digit = _DIGIT[path[depth]]
            low, high, levels = 0, len(slots), LEVELS
            while levels and not (high - low == 1 and slots[low][1] == LEAF):
                levels -= 1
                middle = low
                while middle < high and not slots[middle][0] >> levels & 1:
                    middle += 1
                if digit >> levels & 1:
                    found.append(layout.fold(slots, low, middle, levels))
                    low = middle
                else:
                    found.append(layout.fold(slots, middle, high, levels))
                    high = middle
                if low == high:
                    return None
            _, kind, _, link = slots[low]
            depth += 1
        return tuple(reversed(found)) if kind == LEAF and link == key else None

    def slots(self, root: Node, path: bytes) -> list[Slot]:
        """Slots of the four levels below `path` (hex digits, at most 63), also where a lone leaf stands for them."""
        kind, hash_, link = root
        for depth, digit in enumerate(path):
            if kind != INNER:
                break
            below = [slot for slot in layout.slots_of(self.load(link, path[:depth])) if slot[0] == _DIGIT[digit]]
            _, kind, hash_, link = below[0] if below else (0, *NOTHING)
        if kind == INNER:
            return layout.slots_of(self.load(link, path))
        hashed = hexlify(_sha256(link).digest())
        return [(_DIGIT[hashed[len(path)]], kind, hash_, link)] if kind == LEAF and hashed.startswith(path) else []

    def neighbours(self, root: Node, key: bytes) -> tuple[bytes | None, bytes | None]:
        """Keys of the leaves next to `key` in the order of the tree, on the left and on the right."""
        path = hexlify(_sha256(key).digest())
        left = self._nearest(root, b"", path, rightwards=False)
        return left, self._nearest(root, b"", path, rightwards=True)

    def _nearest(self, node: Node, path: bytes, bound: bytes | None, rightwards: bool) -> bytes | None:
        """Key of the first leaf under `node` beyond `bound`; without a bound, of the first leaf."""
        kind, _, link = node
        if kind == VACANT:
            return None
        if kind == LEAF:
            hashed = hexlify(_sha256(link).digest())
            beyond = bound is None or (hashed > bound if rightwards else hashed < bound)
            return link if beyond else None
        slots = layout.slots_of(self.load(link, path))
        limit = None if bound is None else _DIGIT[bound[len(path)]]
        for digit, kind, hash_, link in slots if rightwards else reversed(slots):
            if limit is not None and (digit < limit if rightwards else digit > limit):
                continue
            below = path + _DIGITS[digit : digit + 1]
            found = self._nearest((kind, hash_, link), below, bound if digit == limit else None, rightwards)
            if found is not None:
                return found
        return None

    def stale(self, first: int, before: int, max_work: int) -> Batch:
        """Deletes of pages that versions `first` .. `before` replaced; from `before` on nothing reaches them.

        Oldest first; stops after the version that brings it to `max_work` pages. Storing the batch is all that
        pruning takes.
        """
        deletes: Batch = []
        for key, listed in self._store.scan(STALE_TAG + version_bytes(first), STALE_TAG + version_bytes(before + 1)):
            offset = 0
            while offset < len(listed):
                end = offset + 9 + listed[offset + 8]
                deletes.append((PAGE_TAG + listed[offset : offset + 8] + listed[offset + 9 : end], None))
                offset = end
            deletes.append((key, None))
            if len(deletes) >= max_work:
                break
        return deletes


def _damaged(what: str) -> StoreError:
    return damaged(f"the state tree is damaged: {what}")


class _Draft:
    """The pages of one version while it is computed."""

    __slots__ = ("_load", "pages", "stale", "version", "writes")

    def __init__(self, tree: Tree, version: bytes) -> None:
        self._load = tree.load
        self.version = version
        self.writes: Batch = []
        self.pages: dict[bytes, bytes] = {}
        self.stale: list[bytes] = []

    def replace(self, path: bytes, kind: int, hash_: bytes, link: bytes, work: list[Operation]) -> Node | None:
        """What stands at `path` after `work` on the node that is there now; None when that is the same."""
        if kind == INNER:
            page = self._load(link, path)
            if page[0] == DENSE:
                return self._replace_dense(path, page, work)
            return self._replace_sparse(path, page, layout.sparse_slots(page), work)
        if kind == LEAF:
            if len(work) == 1 and work[0][2] == link:
                leaf = work[0][1]
                if leaf is None:
                    return NOTHING
                return None if leaf == hash_ else (LEAF, leaf, link)
            if all(operation[2] != link for operation in work):
                work = sorted([*work, (hexlify(_sha256(link).digest()), hash_, link)])
        live = [operation for operation in work if operation[1] is not None]
        if len(live) > 1:
            return self._replace_sparse(path, None, [], live)
        if not live:
            return None if kind == VACANT else NOTHING
        _, leaf, key = live[0]
        if leaf is None or (key == link and leaf == hash_):
            return None
        return LEAF, leaf, key

    def _replace_sparse(self, path: bytes, page: bytes | None, slots: list[Slot], work: list[Operation]) -> Node | None:
        """The same for a page that is sparse or new, given its slots, which it may change."""
        depth = len(path)
        changed = relinked = False
        at, size = 0, len(slots)
        start, count = 0, len(work)
        while start < count:
            head = work[start][0]
            code = head[depth]
            stop = start + 1
            while stop < count and work[stop][0][depth] == code:
                stop += 1
            group = work if stop - start == count else work[start:stop]
            start = stop
            digit = _DIGIT[code]
            while at < size and slots[at][0] < digit:
                at += 1
            held = at < size and slots[at][0] == digit
            _, kind, hash_, link = slots[at] if held else (digit, *NOTHING)
            new = self.replace(head[: depth + 1], kind, hash_, link, group)
            if new is None:
                continue
            changed = True
            relinked = relinked or new[2] != link
            kind, hash_, link = new
            if not held:
                slots.insert(at, (digit, kind, hash_, link))
            elif kind != VACANT:
                slots[at] = (digit, kind, hash_, link)
            else:
                del slots[at]
            size = len(slots)
        if not changed:
            return None
        if page is None:
            return self._file(path, slots)
        self._retire(path, page[1:9])
        if relinked:
            return self._file(path, slots)
        hash_ = layout.fold(slots, 0, size, LEVELS)
        return self._keep(path, layout.rehashed(page, self.version, slots), hash_)

    def _replace_dense(self, path: bytes, page: bytes, work: list[Operation]) -> Node | None:
        """The same for a dense page."""
        depth = len(path)
        draft = bytearray(page)
        keys: dict[int, bytes] | None = None
        rekeyed = False
        touched = []
        start, count = 0, len(work)
        while start < count:
            head = work[start][0]
            code = head[depth]
            stop = start + 1
            while stop < count and work[stop][0][depth] == code:
                stop += 1
            group = work if stop - start == count else work[start:stop]
            start = stop
            digit = _DIGIT[code]
            kind = page[SLOTS + digit]
            at = HASHES + 32 * digit
            version_at = VERSIONS + 8 * digit
            if kind == INNER:
                link = page[version_at : version_at + 8]
            elif kind == LEAF:
                keys = layout.dense_keys(page) if keys is None else keys
                link = keys[digit]
            else:
                link = b""
            new = self.replace(head[: depth + 1], kind, page[at : at + 32], link, group)
            if new is None:
                continue
            touched.append(digit)
            new_kind, new_hash, new_link = new
            draft[SLOTS + digit] = new_kind
            draft[at : at + 32] = new_hash
            if new_kind == INNER:
                draft[version_at : version_at + 8] = new_link
            if link != new_link and LEAF in (kind, new_kind):
                keys = layout.dense_keys(page) if keys is None else keys
                rekeyed = True
                keys.pop(digit, None)
                if new_kind == LEAF:
                    keys[digit] = new_link
        if not touched:
            return None
        self._retire(path, page[OWN_VERSION : OWN_VERSION + 8])
        if rekeyed and keys is not None:
            layout.set_dense_keys(draft, keys)
        if SLOTS - draft.count(VACANT, SLOTS, 2 * SLOTS) <= SPARSE_SLOTS:
            return self._file(path, layout.dense_slots(bytes(draft)))
        draft[OWN_VERSION : OWN_VERSION + 8] = self.version
        layout.settle(draft, touched)
        return self._keep(path, bytes(draft), bytes(draft[32:64]))

    def _file(self, path: bytes, slots: list[Slot]) -> Node:
        """Make the page with these slots, unless it would be empty or a single leaf."""
        if len(slots) > SPARSE_SLOTS:
            page = layout.dense_page(self.version, slots)
            return self._keep(path, page, page[32:64])
        if len(slots) > 1 or (slots and slots[0][1] == INNER):
            hash_ = layout.fold(slots, 0, len(slots), LEVELS)
            return self._keep(path, layout.sparse_page(self.version, slots), hash_)
        if not slots:
            return NOTHING
        _, kind, hash_, link = slots[0]
        return kind, hash_, link

    def _keep(self, path: bytes, page: bytes, hash_: bytes) -> Node:
        """File a page of this version."""
        self.pages[path] = page
        self.writes.append((PAGE_TAG + self.version + path, layout.pack(page)))
        return INNER, hash_, self.version

    def _retire(self, path: bytes, version: bytes) -> None:
        """List a page that this version no longer has. One of this version itself is overwritten instead."""
        if version != self.version:
            self.stale.append(version + bytes((len(path),)) + path)
