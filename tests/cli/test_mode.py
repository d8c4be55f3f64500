"""`gridpact tx mode`, and what it looks like in an interval and its explanation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.genesis import Genesis
from tests.cli.conftest import Devnet
from tests.rpc.chain import INTERVAL, PARAMS
from tests.support import pact

NEXT = INTERVAL + 1
LOCK_MS = NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms


def with_utility(**options: Any) -> Genesis:
    """The usual pact, in which wind is the utility."""
    document = pact.genesis(**options)
    members = tuple(
        msgspec.structs.replace(one, roles=("utility",)) if one.id == "wind" else one for one in document.members
    )
    return msgspec.structs.replace(document, members=members)


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Devnet]:
    monkeypatch.setattr("tests.rpc.chain.genesis", with_utility)
    made = Devnet(tmp_path / "devnet")
    yield made
    made.stop()


def test_an_ordered_island_is_shown_with_its_reason_before_and_after_the_lock(grid: Devnet) -> None:
    order = ("tx", "mode", "island", "--as", "campus", "--from", "next", "--count", "2", "--reason", "line work")
    done = grid.document(*order)
    assert (done["code"], done["mode"], done["interval"], done["count"]) == ("ok", "island", NEXT, 2)
    assert done["end_ms"] - done["start_ms"] == 2 * PARAMS.interval_ms
    before = grid.document("query", "interval", str(NEXT), "--prove")["data"]
    standing = {"member": "campus", "reason": "line work", "first": NEXT, "count": 2}
    assert (before["mode"], before["island_orders"]) == (None, [standing])
    assert "ordered by campus: line work" in grid.run("query", "interval", str(NEXT)).stdout
    grid.chain.leap_to_ms = LOCK_MS
    grid.run("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    after = grid.document("query", "interval", str(NEXT))["data"]
    assert (after["mode"], after["import_wh"], after["shed_wh"]) == ("island", 0, 5_000)
    assert "ordered by campus: line work" in grid.run("query", "interval", str(NEXT)).stdout
    explained = grid.run("query", "interval", str(NEXT), "--explain").stdout.splitlines()
    assert explained[4].startswith("Island (ordered by campus: line work): no import and no export")


def test_grid_takes_the_order_back_and_imports_again(grid: Devnet) -> None:
    grid.document("tx", "mode", "island", "--as", "wind", "--from", str(NEXT), "--reason", "fault")
    shown = grid.run("tx", "mode", "grid", "--as", "wind", "--from", str(NEXT), "--reason", "cleared")
    assert shown.exit_code == 0 and "cleared" in shown.stdout and "UTC" in shown.stdout
    grid.chain.leap_to_ms = LOCK_MS
    grid.document("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    data = grid.document("query", "interval", str(NEXT))["data"]
    assert (data["mode"], data["import_wh"], data["mode_reason"]) == ("grid", 5_000, "")
    explained = grid.run("query", "interval", str(NEXT), "--explain").stdout.splitlines()
    assert "set by import from the grid, 5,000 of 1,000,000 Wh taken" in explained[3]
    assert explained[4] == (
        "Grid: imports 5,000 of at most 1,000,000 Wh at 0.30, exports 0 of at most 1,000,000 Wh at 0.05 currency/kWh."
    )


def test_an_island_that_was_found_at_the_close_says_what_was_ordered(
    grid: Devnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tie falls silent after the interval was ordered with imports."""
    monkeypatch.setattr("contracts.modes.observe", lambda *_: "detected: tie meter m-tie is silent")
    grid.chain.leap_to_ms = LOCK_MS
    grid.document("tx", "dispatch", "request", "--as", "campus", "--wh", "5000")
    grid.call(grid.chain.produce((NEXT + 1) * PARAMS.interval_ms + PARAMS.close_grace_ms))
    grid.call(grid.chain.produce())
    explained = grid.run("query", "interval", str(NEXT), "--explain").stdout.splitlines()
    assert "set by import from the grid" in explained[3]
    assert explained[4].startswith("Island (detected: tie meter m-tie is silent): of the 5,000 Wh import and 0 Wh")


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (("island", "--as", "solar", "--reason", "x"), "mode.role"),
        (("island", "--as", "campus", "--reason", "x", "--from", str(INTERVAL)), "mode.late"),
        (("island", "--as", "campus", "--reason", "x", "--from", str(INTERVAL + 5_000)), "mode.horizon"),
        (("party", "--as", "campus", "--reason", "x"), "cli.mode"),
        (("island", "--as", "campus", "--reason", ""), "cli.reason"),
        (("island", "--as", "campus", "--reason", "x" * 81), "cli.reason"),
        (("island", "--as", "campus", "--reason", "a\x1bb"), "cli.reason"),
    ],
)
def test_a_bad_order_is_refused_with_a_next_step(grid: Devnet, order: tuple[str, ...], code: str) -> None:
    refused = grid.document("tx", "mode", *order, exit_code=1)
    assert refused["code"] == code and refused["message"] and refused["hint"]


def test_a_site_without_utility_has_no_grid_to_leave(devnet: Devnet) -> None:
    refused = devnet.document("tx", "mode", "island", "--as", "campus", "--reason", "x", exit_code=1)
    assert refused["code"] == "mode.no-grid"
