"""The bench of proofs: it measures what the ledger checks, and has the keys that others look for."""

from __future__ import annotations

from devnet.bench import zk as bench
from zk.statements import check


def test_a_short_run_reports_every_figure() -> None:
    said: list[str] = []
    report = bench.measure(said.append, many=2, ticks=2, repeats=1, seats=4)
    assert list(report) == [
        "point_us",
        "verify_53_readings_ms",
        "verify_1000_readings_ms",
        "prove_reading_ms",
        "reading_proof_bytes",
        "bid_prove_ms",
        "bid_verify_ms",
        "bid_proof_bytes",
        "share_verify_ms",
        "dkg_10_cpu_s",
    ]
    assert all(value > 0 for value in report.values())
    assert report["reading_proof_bytes"] == 736
    assert said


def test_a_reading_of_the_bench_is_one_that_a_ledger_takes() -> None:
    assert check.verify(bench.reading(5).assertion)
