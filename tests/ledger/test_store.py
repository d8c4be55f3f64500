"""The two stores behave alike, lose nothing that was synced, and say in stable codes why they can't go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.ledger.store import Batch, KeyValue, LevelStore, MemoryStore, StoreError

KEYS = st.binary(min_size=1, max_size=2)
BATCHES = st.lists(
    st.tuples(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=3)), max_size=6), st.booleans()), max_size=8
)


def _apply(model: dict[bytes, bytes], batch: Batch) -> None:
    for key, value in batch:
        model.pop(key, None)
        if value is not None:
            model[key] = value


def _content(store: KeyValue) -> dict[bytes, bytes]:
    return dict(store.scan(b"", b"\xff" * 3))


@pytest.mark.properties
@settings(max_examples=40)
@given(BATCHES, KEYS, KEYS)
def test_both_stores_are_ordered_maps(
    tmp_path_factory: pytest.TempPathFactory, batches: list[tuple[Batch, bool]], start: bytes, stop: bytes
) -> None:
    model: dict[bytes, bytes] = {}
    level, memory = LevelStore(tmp_path_factory.mktemp("store")), MemoryStore()
    for batch, _ in batches:
        _apply(model, batch)
        for store in (level, memory):
            store.write(batch, sync=False)
            assert list(store.scan(start, stop)) == sorted(
                (key, value) for key, value in model.items() if start <= key < stop
            )
            assert all(store.get(key) == model.get(key) for key, _ in batch)
    level.compact(b"", b"\xff")
    assert _content(level) == _content(memory) == model
    level.close()
    reopened = LevelStore(level.path)
    assert _content(reopened) == model
    reopened.close()


@pytest.mark.properties
@settings(max_examples=100)
@given(BATCHES)
def test_a_crash_keeps_all_up_to_the_last_synced_batch(batches: list[tuple[Batch, bool]]) -> None:
    store, model, durable = MemoryStore(), dict[bytes, bytes](), dict[bytes, bytes]()
    for batch, sync in batches:
        store.write(batch, sync)
        _apply(model, batch)
        durable = dict(model) if sync else durable
    assert _content(store) == model
    assert _content(store.crash()) == durable
    store.close()
    assert _content(store.crash()) == model


def test_a_second_process_is_locked_out(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "store")
    with pytest.raises(StoreError) as refusal:
        LevelStore(tmp_path / "store")
    assert refusal.value.code == "store.locked"
    store.close()
    LevelStore(tmp_path / "store").close()


def test_a_place_that_is_no_directory_is_an_io_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreError) as refusal:
        LevelStore(tmp_path / "store")
    assert refusal.value.code == "store.io"


def test_a_damaged_table_is_reported_and_not_read(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "store")
    noise = Random(1)
    store.write([(b"key-%d" % number, noise.randbytes(200)) for number in range(2000)], sync=True)
    store.compact(b"", b"\xff")
    store.close()
    table = max((tmp_path / "store").glob("*.ldb"), key=lambda path: path.stat().st_size)
    content = bytearray(table.read_bytes())
    content[100_000] ^= 0xFF
    table.write_bytes(content)
    damaged = LevelStore(tmp_path / "store")
    with pytest.raises(StoreError) as refusal:
        for number in range(2000):
            damaged.get(b"key-%d" % number)
    assert refusal.value.code == "store.corrupt"
    with pytest.raises(StoreError) as refusal:
        list(damaged.scan(b"", b"\xff"))
    assert refusal.value.code == "store.corrupt"
    damaged.close()


def test_a_damaged_log_is_reported_and_what_follows_not_dropped(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "store")
    for number in range(10):
        store.write([(b"key-%d" % number, Random(number).randbytes(20_000))], sync=True)
    store.close()
    (log,) = (tmp_path / "store").glob("*.log")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    with pytest.raises(StoreError) as refusal:
        LevelStore(tmp_path / "store")
    assert refusal.value.code == "store.corrupt"


def test_a_damaged_manifest_is_reported_at_opening(tmp_path: Path) -> None:
    store = LevelStore(tmp_path / "store")
    store.write([(b"key", b"value")], sync=True)
    store.close()
    (tmp_path / "store" / "CURRENT").write_text("MANIFEST-999999\n")
    with pytest.raises(StoreError) as refusal:
        LevelStore(tmp_path / "store")
    assert refusal.value.code in ("store.corrupt", "store.io")
    assert refusal.value.hint


FILL = """
import resource, sys
from node.ledger.store import LevelStore, StoreError
store = LevelStore(sys.argv[1])
store.write([(b"before", b"kept")], sync=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(100):
        store.write([(b"%d" % number, bytes(range(256)) * 64)], sync=True)
except StoreError as error:
    print(error.code)
"""


def test_a_full_disk_is_an_error_with_a_code_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "store")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "disk.full"
    store = LevelStore(tmp_path / "store")
    assert store.get(b"before") == b"kept"
    assert store.get(b"0") == bytes(range(256)) * 64
    store.close()
