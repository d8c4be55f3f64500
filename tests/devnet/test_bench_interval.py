"""The interval benchmark measures what it says: a whole market, metering and settlement, and bytes that stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.relaxing import answer
from contracts.rolls import BUCKETS
from contracts.schema import BILLS, INTERVALS
from devnet.bench import interval as bench
from devnet.errors import DevnetError


def test_the_report_has_the_promised_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "WINDOW_DAYS", 1)
    monkeypatch.setattr(bench, "MEASURED", 2)
    monkeypatch.setattr(bench, "OFFERS", 1_500)
    monkeypatch.setattr(bench, "ROUNDS", 1)
    report = bench.measure(24, lambda line: None)
    assert report["members"] == 24
    for key in ("close_ms", "dispatch_ms", "lock_ms", "readings_ms", "bytes_per_bill"):
        assert report[key] > 0
    assert report["bytes_per_reading"] > report["envelope_bytes"] > 150


def test_what_is_timed_is_a_settled_market(tmp_path: Path) -> None:
    site = bench.Site(24, tmp_path)
    interval = bench.START_MS // site.params.interval_ms + 2
    site.live(interval)
    raw = site.ledger.get(INTERVALS.key(interval))
    assert raw is not None
    record = INTERVALS.decode(raw)
    assert record.status == "settled" and record.code == "ok"
    assert record.served_wh > 0 and record.supplied_wh > 0 and record.injected_wh > 0
    rolls = [site.ledger.get(key) for key in BILLS.roll_keys(interval)]
    bills = [bill for roll in rolls if roll is not None for bill in BILLS.decode(roll)]
    assert sorted(bill.member for bill in bills) == [one.id for one in site.genesis.members]
    assert sum(bill.total_nano for bill in bills) == 0
    assert all(bill.lines for bill in bills)
    site.store.close()


def test_orders_and_bills_of_many_members_are_few_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key that a block writes costs a path of the state tree, so their number must not grow with members."""
    site = bench.Site(200, tmp_path)
    interval = bench.START_MS // site.params.interval_ms + 2
    written: list[int] = []
    commit = site.ledger.commit

    def counting(*args: Any) -> None:
        written.append(len(args[4]))
        commit(*args)

    monkeypatch.setattr(site.ledger, "commit", counting)
    site.live(interval)
    _, locked, _, closed = written
    # Rolls of registers, metered energy, balances, bills, emissions, carbon in storages, conduct, shortfalls and trust;
    # the interval, the schedule, its carbon and the carbon of the site.
    assert (locked, closed) == (BUCKETS + 2, 9 * BUCKETS + 4)
    site.store.close()


def test_a_refusal_is_an_error_and_not_a_fast_block(tmp_path: Path) -> None:
    site = bench.Site(24, tmp_path)
    interval = bench.START_MS // site.params.interval_ms + 2
    with pytest.raises(DevnetError) as refused:
        site._timed(interval * site.params.interval_ms, site._market(interval))
    assert refused.value.code == "bench.refused"
    site.store.close()


def test_many_offers_cover_their_demand() -> None:
    found = answer(bench.case(2_000))
    assert found is not None
    made, demands = found.verdict.schedule, found.case.demands
    assert [row[0] for row in made.served_wh] == [demand.energy_wh[0] for demand in demands]
    assert made.import_wh == [[0]]
