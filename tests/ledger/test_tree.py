"""The paged tree against the definition: roots, proofs, retained versions, pruning, whatever the order of updates."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from node.ledger import page as layout
from node.ledger.cache import BoundedCache
from node.ledger.page import NOTHING, Node
from node.ledger.store import MemoryStore, StoreError
from node.ledger.tree import PAGE_TAG, ROOT_TAG, STALE_TAG, Tree
from tests.zk import naive
from zk.sparse import Presence, leaf_hash, verify_presence

KEYS = [b"key-%d" % number for number in range(120)] + naive.crowd(8, 12) + naive.crowd(14, 4)
"""Enough for pages of both layouts, and crowds that share two and three pages."""
LAST = b"\xff" * 8


def _batch(seed: int, share: float, removed: float) -> dict[bytes, bytes | None]:
    """About `share` of all keys, of them about `removed` taken out. Drawn from a seed, so that batches get large."""
    choice = Random(seed)
    return {
        key: None if choice.random() < removed else choice.randbytes(1 + choice.randrange(3))
        for key in KEYS
        if choice.random() < share
    }


CHANGES = st.builds(
    _batch, st.integers(0, 2**32), st.sampled_from([0.02, 0.2, 1.0]), st.sampled_from([0.0, 0.4, 0.95, 1.0])
)


def _apply(records: dict[bytes, bytes], changes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    merged = {**records, **changes}
    return {key: value for key, value in merged.items() if value is not None}


class TreeAgainstModel(RuleBasedStateMachine):
    """Random batches, reopenings and prunings; every retained version must stay what it was."""

    @initialize(cache=st.sampled_from([0, 2_000, 1 << 20]), changes=CHANGES)
    def start(self, cache: int, changes: dict[bytes, bytes | None]) -> None:
        self.store = MemoryStore()
        self.cache = cache
        self.tree = Tree(self.store, cache)
        self.versions: dict[int, dict[bytes, bytes]] = {}
        self.roots: dict[int, Node] = {}
        self.version = -1
        self.step({}, NOTHING, changes)

    def step(self, records: dict[bytes, bytes], base: Node, changes: dict[bytes, bytes | None]) -> None:
        self.version += 1
        update = self.tree.update(base, self.version, changes.items())
        self.store.write(update.writes, sync=True)
        self.tree.accept(update)
        self.versions[self.version] = _apply(records, changes)
        self.roots[self.version] = update.root
        assert update.root[1] == naive.root(self.versions[self.version])

    @rule(changes=CHANGES)
    def update(self, changes: dict[bytes, bytes | None]) -> None:
        self.step(self.versions[self.version], self.roots[self.version], changes)

    @rule()
    def remove_almost_all(self) -> None:
        self.update(dict.fromkeys(sorted(self.versions[self.version])[2:]))

    @rule()
    def remove_all(self) -> None:
        self.update(dict.fromkeys(self.versions[self.version]))
        assert self.roots[self.version] == NOTHING

    @rule(changes=CHANGES)
    def compute_without_storing(self, changes: dict[bytes, bytes | None]) -> None:
        self.tree.update(self.roots[self.version], self.version + 1, changes.items())

    @rule()
    def reopen(self) -> None:
        self.tree = Tree(self.store, self.cache)
        assert self.tree.root(self.version) == self.roots[self.version]

    @rule(keep=st.integers(0, 3), work=st.integers(1, 40))
    def prune(self, keep: int, work: int) -> None:
        oldest = max(0, self.version - keep)
        deletes = self.tree.stale(0, oldest, work)
        self.store.write(deletes, sync=False)
        for version in [old for old in self.versions if old < oldest]:
            del self.versions[version]

    @rule(key=st.sampled_from(KEYS), data=st.data())
    def prove(self, key: bytes, data: st.DataObject) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        records, root = self.versions[version], self.tree.root(version)
        siblings = self.tree.siblings(root, key)
        if key in records:
            presence = naive.presence(records, key)
            assert siblings == presence.siblings
            assert verify_presence(root[1], Presence(key, records[key], presence.siblings))
        else:
            assert siblings is None
        absence = naive.absence(records, key)
        assert self.tree.neighbours(root, key) == (
            absence.left and absence.left.key,
            absence.right and absence.right.key,
        )

    @invariant()
    def every_retained_page_is_there(self) -> None:
        for version in self.versions:
            _walk(self.tree, self.tree.root(version), b"")

    def teardown(self) -> None:
        """With everything pruned, exactly the pages of the latest version are left."""
        if not self.versions:
            return
        while deletes := self.tree.stale(0, self.version, 7):
            self.store.write(deletes, sync=False)
        live = _walk(self.tree, self.roots[self.version], b"")
        assert {key for key, _ in self.store.scan(PAGE_TAG, PAGE_TAG + LAST)} == live


def _walk(tree: Tree, node: Node, path: bytes) -> set[bytes]:
    """Keys of every page under `node`; raises when one is missing."""
    kind, _, link = node
    if kind != layout.INNER:
        return set()
    found = {PAGE_TAG + link + path}
    for digit, child, hash_, below in layout.slots_of(tree.load(link, path)):
        found |= _walk(tree, (child, hash_, below), path + b"%x" % digit)
    return found


TreeAgainstModel.TestCase.settings = settings(max_examples=50, stateful_step_count=16)
TestTreeAgainstModel = pytest.mark.properties(TreeAgainstModel.TestCase)


@pytest.mark.properties
@settings(max_examples=60)
@given(CHANGES, st.permutations(KEYS))
def test_the_root_forgets_the_way_there(changes: dict[bytes, bytes | None], order: list[bytes]) -> None:
    """Inserted one by one in any order, with detours, or all at once: one content, one root."""
    store = MemoryStore()
    tree = Tree(store)
    root, version = NOTHING, 0
    final = _apply({}, changes)
    for key in order[:25]:
        for value in (b"detour", final.get(key)):
            update = tree.update(root, version, [(key, value)])
            store.write(update.writes, sync=True)
            tree.accept(update)
            root, version = update.root, version + 1
    rest = {key: value for key, value in final.items() if key not in order[:25]}
    assert tree.update(root, version, rest.items()).root[1] == naive.root(final)


def test_an_update_that_changes_nothing_writes_no_page() -> None:
    store = MemoryStore()
    tree = Tree(store)
    records = {key: b"value" for key in KEYS}
    first = tree.update(NOTHING, 0, records.items())
    store.write(first.writes, sync=True)
    same = tree.update(first.root, 1, [*records.items(), (b"never there", None)])
    assert same.root == first.root
    assert [key[:1] for key, _ in same.writes] == [ROOT_TAG]


def test_a_filled_first_version_is_the_same_in_portions() -> None:
    store = MemoryStore()
    tree, root = Tree(store), NOTHING
    for start in range(0, len(KEYS), 10):
        update = tree.update(root, 0, [(key, b"value") for key in KEYS[start : start + 10]])
        store.write(update.writes, sync=True)
        tree.accept(update)
        root = update.root
    assert root[1] == naive.root({key: b"value" for key in KEYS})
    assert tree.root(0) == root
    assert not list(store.scan(STALE_TAG, STALE_TAG + LAST))
    assert {key for key, _ in store.scan(PAGE_TAG, PAGE_TAG + LAST)} == _walk(tree, root, b"")


@pytest.mark.parametrize(("key", "value"), [(b"", b"value"), (b"key", b""), (b"k" * 256, b"value")])
def test_empty_keys_and_values_are_forbidden(key: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="not empty"):
        Tree(MemoryStore()).update(NOTHING, 0, [(key, value)])


def test_the_longest_key_fits() -> None:
    store = MemoryStore()
    tree = Tree(store)
    records = {b"%03d" % number + b"k" * 252: b"value" for number in range(40)}
    update = tree.update(NOTHING, 0, records.items())
    store.write(update.writes, sync=True)
    assert update.root[1] == naive.root(records)
    assert Tree(store).siblings(update.root, sorted(records)[7]) is not None


@pytest.mark.parametrize("damage", ["missing", "moved", "cut"])
def test_damaged_pages_are_noticed(damage: str) -> None:
    store = MemoryStore()
    tree = Tree(store)
    update = tree.update(NOTHING, 3, [(key, b"value") for key in KEYS])
    store.write(update.writes, sync=True)
    pages = sorted(store.scan(PAGE_TAG, PAGE_TAG + LAST))
    for key, page in pages:
        changed = {"missing": None, "moved": page.replace(bytes(7) + b"\x03", bytes(7) + b"\x04"), "cut": page[:5]}
        store.write([(key, changed[damage])], sync=True)
    with pytest.raises(StoreError) as refusal:
        Tree(store).siblings(update.root, KEYS[0])
    assert refusal.value.code == "store.corrupt"
    with pytest.raises(StoreError):
        Tree(store).root(4)


slots_ = st.dictionaries(
    st.integers(0, 15),
    st.tuples(st.sampled_from([layout.LEAF, layout.INNER]), st.binary(min_size=32, max_size=32)),
    min_size=1,
    max_size=16,
)


@pytest.mark.properties
@settings(max_examples=200)
@given(slots_)
def test_both_page_layouts_hold_the_same_subtree(chosen: dict[int, tuple[int, bytes]]) -> None:
    slots = [
        (digit, kind, hash_, b"key" + bytes(digit) if kind == layout.LEAF else hash_[:8])
        for digit, (kind, hash_) in sorted(chosen.items())
    ]
    version = (7).to_bytes(8, "big")
    dense = layout.dense_page(version, slots)
    assert dense[32:64] == layout.fold(slots, 0, len(slots), layout.LEVELS)
    pages = [dense] + ([layout.sparse_page(version, slots)] if len(slots) <= layout.SPARSE_SLOTS else [])
    for page in pages:
        assert layout.slots_of(page) == slots
        assert layout.version_of(page) == version
        assert layout.unpack(layout.pack(page), version) == page


@pytest.mark.properties
@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3_000), st.booleans()), max_size=80))
def test_the_cache_returns_what_was_put_and_stays_within_its_bound(steps: list[tuple[int, int, bool]]) -> None:
    limit = 4_000
    cache, model = BoundedCache(limit), dict[bytes, bytes]()
    for number, (name, size, drop) in enumerate(steps):
        key = b"%d" % name
        if drop:
            cache.drop(key)
            model.pop(key, None)
        else:
            model[key] = bytes((number,)) * size
            cache.put(key, model[key])
            assert size > limit // 2 - 200 or cache.get(key) == model[key]
        count = len(cache)
        held = {other: value for other in model if (value := cache.get(other)) is not None}
        assert all(model[other] == value for other, value in held.items())
        assert len(held) <= count <= len(model)
        assert sum(len(value) for value in held.values()) <= limit


def test_what_is_used_stays_in_the_cache() -> None:
    cache = BoundedCache(10_000)
    cache.put(b"hot", b"value")
    for number in range(1000):
        cache.put(b"%d" % number, bytes(50))
        assert cache.get(b"hot") == b"value"
    assert cache.get(b"0") is None


def test_leaf_hashes_match_the_rules() -> None:
    update = Tree(MemoryStore()).update(NOTHING, 0, [(b"key", b"value")])
    assert update.root == (layout.LEAF, leaf_hash(b"key", b"value"), b"key")
