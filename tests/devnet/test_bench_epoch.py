"""The epoch benchmark measures what it says: ends of epochs in which every weight changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts import epochs
from contracts.state import State
from devnet.bench import epoch as bench


def test_the_report_has_the_promised_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "MEASURED", 1)
    for members, seats in ((5, 5), (101, 101)):
        report = bench.measure(members, lambda line: None)
        assert (report["members"], report["seats"], report["committee"]) == (members, seats, members > 100)
        for key in ("change_ms", "change_worst_ms", "draw_ms", "ordinary_ms", "rules_cold_ms", "change_processor_ms"):
            assert report[key] > 0


def test_every_epoch_weighs_everybody_anew(tmp_path: Path) -> None:
    pact = bench.Pact(8, tmp_path)
    for number in range(1, 4):
        pact.epoch()
        assert pact.ledger.height == number * bench.EPOCH_BLOCKS
        state, newest = State(pact.ledger), (number + 1) * bench.EPOCH_BLOCKS + 1
        old, new = (epochs.seating(state, height).organisations for height in (newest - bench.EPOCH_BLOCKS, newest))
        assert all(before.weight < after.weight for before, after in zip(old, new, strict=True))
