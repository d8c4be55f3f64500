"""The cache of decoded records: bounded, and never older than what is committed."""

from __future__ import annotations

import pytest
from ledger_world import Store

from contracts import state as state_module
from contracts.members import Account, Lane
from contracts.schema import ACCOUNTS
from contracts.state import RecordCache, State
from zk.codec import encode


def account(number: int) -> Account:
    return Account((Lane(number, 0, 0),))


def test_the_oldest_go_first_and_the_bound_is_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_CACHED_RECORDS", 40)
    monkeypatch.setattr(state_module, "EVICTED_AT_ONCE", 8)
    cache = RecordCache()
    for number in range(200):
        cache.keep(b"%d" % number, account(number))
        assert len(cache.records) <= 40
        assert b"%d" % number in cache.records
    kept = [int(key) for key in cache.records]
    assert kept == list(range(kept[0], 200))
    assert len(kept) > 30


def test_keeping_a_known_key_evicts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_CACHED_RECORDS", 3)
    cache = RecordCache()
    for number in range(3):
        cache.keep(b"%d" % number, account(number))
    cache.keep(b"0", account(9))
    assert cache.records[b"0"] == account(9)
    assert len(cache.records) == 3


def test_a_forgotten_record_is_read_again() -> None:
    store, cache, key = Store(), RecordCache(), ACCOUNTS.key("a")
    store[key] = encode(account(1))
    assert State(store, cache).load(ACCOUNTS, key) == account(1)
    store[key] = encode(account(2))
    assert State(store, cache).load(ACCOUNTS, key) == account(1), "read from the cache"
    cache.forget([key])
    assert State(store, cache).load(ACCOUNTS, key) == account(2)


def test_each_entry_of_a_roll_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "MAX_CACHED_RECORDS", 40)
    monkeypatch.setattr(state_module, "EVICTED_AT_ONCE", 2)
    cache = RecordCache()
    for number in range(60):
        cache.keep(b"%d" % (number % 11), tuple(account(at) for at in range(number % 10)))
        cache.forget([b"%d" % (number % 7)] if number % 3 == 0 else [])
        assert sum(len(roll) for roll in cache.records.values()) <= 40
    for name in (b"a", b"b"):
        cache.keep(name, tuple(account(at) for at in range(50)))
        assert list(cache.records) == [name], "one that is larger than all is held alone"
