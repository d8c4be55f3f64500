"""The ledger keeps what was committed, whole, provable, and through every crash; and forgets only what it may."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from consensus.messages import Header
from node.ledger.ledger import HistoryPruned, Ledger
from node.ledger.records import META
from node.ledger.store import Batch, LevelStore, MemoryStore, StoreError
from tests.ledger.heights import GENESIS, KEYS, RECORDS, ROLLS, Height, after, held, next_height, records
from tests.ledger.heights import root as naive_root
from tests.support import pact
from zk import ics23, merkle
from zk.codec import encode

ASKED = [b"sentinel", b"never there", *KEYS[:4], *KEYS[len(ROLLS) :][:12]]


class FailingStore(MemoryStore):
    """A disk that fills up: writes fail after `room` more batches, and change nothing."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, batch: Batch, sync: bool) -> None:
        """Write, while there is room."""
        if self.room == 0:
            raise StoreError("disk.full", "full", "Free space.")
        self.room -= 1
        super().write(batch, sync)


def _open(store: MemoryStore | LevelStore, retain: int = 4) -> Ledger:
    return Ledger.open(store, GENESIS, records, retain)


def _check_state(ledger: Ledger, state: dict[bytes, bytes], height: int, root: bytes) -> None:
    """Values and proofs of `height` are those of the model."""
    for key in ASKED:
        value = state.get(key)
        assert ledger.get_at(key, height) == value
        proof = ledger.prove_state(key, height)
        if value is None:
            assert ics23.verify_non_membership(root, key, proof)
        else:
            assert ics23.verify_membership(root, key, held(key, value), proof)


def _check_block(ledger: Ledger, height: Height) -> None:
    """Everything that was committed with a block is there and provable under its roots."""
    number = height.block.header.height
    assert ledger.block(number) == height.block
    assert ledger.header(number) == height.block.header
    assert ledger.certificate(number) == height.certificate
    assert ledger.transactions(number) == height.raws
    assert ledger.receipts(number) == height.receipts
    assert ledger.time_ms(number) == height.block.header.time_ms
    assert ledger.block_id(number) == height.block.header.id()
    leaves = [receipt.leaf() for receipt in height.receipts]
    for index, hash_ in enumerate(height.block.payload):
        assert ledger.find_transaction(hash_) == (number, index)
        siblings = ledger.prove_transaction(number, index)
        assert merkle.verify(height.block.header.payload_root, hash_, index, len(height.raws), siblings)
        siblings = ledger.prove_receipt(number, index + 1)
        assert merkle.verify(merkle.root(leaves), leaves[index + 1], index + 1, len(leaves), siblings)
    for meter, sequence, index in height.readings:
        assert ledger.find_reading(meter, sequence) == (number, index)


class LedgerAgainstModel(RuleBasedStateMachine):
    """Commits, crashes, clean restarts and pruning in any order, over a store that loses what was not synced."""

    @initialize(retain=st.integers(0, 5))
    def start(self, retain: int) -> None:
        self.store = MemoryStore()
        self.retain = retain
        self.ledger = _open(self.store, retain)
        self.states = [dict(RECORDS)]
        self.roots = [naive_root(RECORDS)]
        self.heights: list[Height] = []

    @rule(seed=st.integers(0, 2**32), transactions=st.integers(0, 6), changed=st.integers(0, 60))
    def commit(self, seed: int, transactions: int, changed: int) -> None:
        height = next_height(self.ledger, seed, transactions, changed)
        self.ledger.commit(*height)
        self.states.append(after(self.states[-1], height.changes))
        self.roots.append(naive_root(self.states[-1]))
        self.heights.append(height)

    @rule()
    def crash(self) -> None:
        self.store = self.store.crash()
        self.ledger = _open(self.store, self.retain)

    @rule()
    def restart(self) -> None:
        self.ledger.close()
        self.ledger = _open(self.store, self.retain)

    @rule(work=st.integers(1, 200))
    def prune(self, work: int) -> None:
        self.ledger.prune(work)

    @precondition(lambda self: self.heights)
    @rule(seed=st.integers(0, 2**32))
    def look_back(self, seed: int) -> None:
        oldest, latest = self.ledger.oldest, len(self.heights)
        height = oldest + seed % (latest - oldest + 1)
        _check_state(self.ledger, self.states[height], height, self.roots[height])
        _check_block(self.ledger, self.heights[seed % latest])

    @invariant()
    def stands_at_the_last_commit(self) -> None:
        latest = len(self.heights)
        assert self.ledger.height == latest
        assert self.ledger.state_root == self.roots[latest]
        assert all(self.ledger.get(key) == self.states[latest].get(key) for key in ASKED)
        receipts = [receipt.leaf() for receipt in self.heights[-1].receipts] if self.heights else []
        assert self.ledger.receipts_root == merkle.root(receipts)

    def teardown(self) -> None:
        """Pruned to the end, the store holds no more than the retained window needs."""
        while self.ledger.prune(50):
            pass
        oldest = self.ledger.oldest
        for tag, kept in ((b"u", oldest + 1), (b"s", oldest + 1), (b"v", oldest)):
            found = [int.from_bytes(key[1:9], "big") for key, _ in self.store.scan(tag, tag + b"\xff" * 9)]
            assert all(version >= kept for version in found)
        for height in range(oldest, len(self.states)):
            _check_state(self.ledger, self.states[height], height, self.roots[height])


LedgerAgainstModel.TestCase.settings = settings(max_examples=30, stateful_step_count=14)
TestLedgerAgainstModel = pytest.mark.properties(LedgerAgainstModel.TestCase)


def test_a_new_store_is_genesis() -> None:
    ledger = _open(MemoryStore())
    assert (ledger.height, ledger.oldest) == (0, 0)
    assert ledger.state_root == naive_root(RECORDS)
    assert ledger.receipts_root == merkle.EMPTY_ROOT
    assert ledger.time_ms(0) == GENESIS.time_ms
    assert ledger.header(0) is None and ledger.block(0) is None and ledger.certificate(0) is None
    assert ledger.transactions(1) == [] and ledger.receipts(1) == []
    with pytest.raises(LookupError):
        ledger.time_ms(1)
    with pytest.raises(LookupError):
        ledger.prove_transaction(1, 0)


def test_the_first_state_is_that_of_the_contracts() -> None:
    ledger = Ledger.open(MemoryStore(), GENESIS)
    assert ledger.get(b"member/solar") is not None
    proof = ledger.prove_state(b"member/solar", 0)
    assert ics23.verify_membership(ledger.state_root, b"member/solar", ledger.get(b"member/solar") or b"", proof)


def test_a_first_state_without_records_is_refused() -> None:
    with pytest.raises(ValueError, match="sentinel"):
        Ledger.open(MemoryStore(), GENESIS, lambda _: {})


@pytest.mark.parametrize("room", range(3))
def test_an_interrupted_first_write_starts_over(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.ledger.ledger.FILL_KEYS", 16)
    store = FailingStore(room)
    with pytest.raises(StoreError):
        Ledger.open(store, GENESIS, lambda genesis: records(genesis) | {b"other": b"content"})
    store.room = 1000
    assert _open(store).state_root == naive_root(RECORDS)
    assert _open(store).get(b"other") is None


def test_another_chain_is_refused() -> None:
    store = MemoryStore()
    _open(store)
    with pytest.raises(StoreError) as refusal:
        Ledger.open(store, pact.genesis(balance_nano=1), records)
    assert refusal.value.code == "store.chain"


@pytest.mark.parametrize("meta", [encode((2, "later", 0)), encode(("x",)), b"\xc1", b""])
def test_another_format_is_refused(meta: bytes) -> None:
    store = MemoryStore()
    _open(store)
    store.write([(META, meta)], sync=True)
    with pytest.raises(StoreError) as refusal:
        _open(store)
    assert refusal.value.code == "store.format"


def test_a_failed_commit_changes_nothing_and_can_be_repeated() -> None:
    store = FailingStore(1000)
    ledger = _open(store)
    ledger.commit(*next_height(ledger, 1))
    before = (ledger.height, ledger.state_root, ledger.receipts_root, [ledger.get(key) for key in KEYS])
    height = next_height(ledger, 2)
    store.room = 0
    with pytest.raises(StoreError):
        ledger.commit(*height)
    assert before == (
        ledger.height,
        ledger.state_root,
        ledger.receipts_root,
        [ledger.get(key) for key in KEYS],
    )
    store.room = 1
    ledger.commit(*height)
    state = after(after(RECORDS, next_height(_open(MemoryStore()), 1).changes), height.changes)
    assert ledger.state_root == naive_root(state)


def test_what_does_not_fit_together_is_refused() -> None:
    ledger = _open(MemoryStore())
    height = next_height(ledger, 1)
    for wrong in (
        height._replace(raws=height.raws[1:]),
        height._replace(receipts=height.receipts[1:]),
        height._replace(certificate=msgspec.structs.replace(height.certificate, height=2)),
    ):
        with pytest.raises(ValueError, match=r"height|hash"):
            ledger.commit(*wrong)
    ledger.commit(*height)
    with pytest.raises(ValueError, match="follow"):
        ledger.commit(*height)
    assert ledger.height == 1


def test_the_past_ends_at_the_retained_window() -> None:
    ledger = _open(MemoryStore(), retain=2)
    for seed in range(5):
        ledger.commit(*next_height(ledger, seed))
    assert ledger.oldest == 3
    for ask in (ledger.get_at, ledger.prove_state):
        with pytest.raises(HistoryPruned):
            ask(b"sentinel", 2)
        with pytest.raises(LookupError):
            ask(b"sentinel", 6)
        ask(b"sentinel", 3)


def test_headers_are_read_without_their_payload() -> None:
    ledger = _open(MemoryStore())
    height = next_height(ledger, 1, transactions=100)
    ledger.commit(*height)
    ledger.commit(*next_height(ledger, 2))
    assert isinstance(ledger.header(1), Header)
    assert ledger.header(1) == height.block.header


def test_pruning_frees_the_disk(tmp_path: Path) -> None:
    def used(name: str, prune: bool) -> int:
        store = LevelStore(tmp_path / name)
        ledger = _open(store, retain=4)
        for seed in range(160):
            ledger.commit(*next_height(ledger, seed, transactions=0, changed=60))
            while prune and ledger.prune(1000):
                pass
            while prune and ledger.compact():
                pass
        store.close()
        LevelStore(tmp_path / name).close()
        return sum(path.stat().st_size for path in (tmp_path / name).iterdir() if path.suffix in (".ldb", ".log"))

    assert used("pruned", prune=True) * 2 < used("kept", prune=False)


COMMIT_AND_DIE = """
import os, sys
from node.ledger.ledger import Ledger
from node.ledger.store import LevelStore
from tests.ledger.heights import GENESIS, next_height, records
ledger = Ledger.open(LevelStore(sys.argv[1]), GENESIS, records, 4)
while True:
    ledger.commit(*next_height(ledger, ledger.height))
    ledger.prune(20)
    print(ledger.height, ledger.state_root.hex(), flush=True)
    if ledger.height % 7 == 0:
        os.kill(os.getpid(), 9)
"""


def test_a_killed_process_reopens_at_its_last_height(tmp_path: Path) -> None:
    for killed in range(1, 4):
        done = subprocess.run(
            [sys.executable, "-c", COMMIT_AND_DIE, str(tmp_path / "store")],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        height, root = done.stdout.split()[-2:]
        assert done.returncode == -9 and int(height) == 7 * killed
        ledger = _open(LevelStore(tmp_path / "store"))
        assert (ledger.height, ledger.state_root.hex()) == (7 * killed, root)
        ledger.close()


def test_a_torn_log_never_shows_half_a_height(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "store")
    ledger = _open(store)
    states, roots = [dict(RECORDS)], [ledger.state_root]
    for seed in range(6):
        height = next_height(ledger, seed)
        ledger.commit(*height)
        states.append(after(states[-1], height.changes))
        roots.append(ledger.state_root)
    (log,) = (tmp_path / "store").glob("*.log")
    whole = log.read_bytes()
    seen = set()
    for cut in range(1, len(whole), len(whole) // 23):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(tmp_path / "store", copy, ignore=shutil.ignore_patterns("LOCK"))
        (copy / log.name).write_bytes(whole[:-cut])
        torn = _open(LevelStore(copy))
        assert torn.state_root == roots[torn.height]
        assert all(torn.get(key) == states[torn.height].get(key) for key in KEYS)
        torn.commit(*next_height(torn, 99))
        seen.add(torn.height)
        torn.close()
    assert len(seen) > 3
    ledger.close()
