"""What a run expects of its sealed rounds: each figure that does not fit is found."""

from __future__ import annotations

import msgspec
import pytest

from devnet import scenario
from devnet.observation import SealedView
from devnet.sealed_view import off
from devnet.spec import SealedEnd
from node.cli.sealed import at_ticks
from node.errors import NodeError

FINE = SealedView(
    interval=7,
    phase="done",
    outcome="balanced",
    reason="none",
    demand_wh=1_000,
    target_wh=1_000,
    price_nano_per_wh=50,
    awarded_wh=998,
    paid_nano=str(50 * 998),
    bidders=("biodiesel", "solar", "wind"),
    short=(),
    lost=(),
    openings=5,
    ticks=6,
    seconds=3.5,
    beside_wh=20,
)
FAILED = msgspec.structs.replace(FINE, outcome="failed", reason="few-bids", price_nano_per_wh=None, target_wh=None)


def changed(**fields: object) -> SealedView:
    return msgspec.structs.replace(FINE, **fields)


def test_rounds_that_ended_as_expected_are_fine() -> None:
    assert off((FINE, FAILED), (SealedEnd(1, "failed"),)) == []
    assert off((changed(short=("wind",), lost=("solar",)),), (SealedEnd(0, short=("wind",), lost=("solar",)),)) == []
    assert off((changed(target_wh=900, awarded_wh=899, paid_nano=str(899 * 50)),), (SealedEnd(0, shortage=True),)) == []
    assert off((changed(outcome="overpaid", awarded_wh=None),), (SealedEnd(0, "overpaid"),)) == []


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (changed(phase="delivering"), "is delivering"),
        (FAILED, "is failed for few-bids"),
        (changed(short=("wind",)), "has short: wind"),
        (changed(lost=("wind",)), "has lost: wind"),
        (changed(awarded_wh=997, paid_nano=str(50 * 997)), "awards 997 Wh of 1000"),
        (changed(awarded_wh=1_001, paid_nano=str(50 * 1_001)), "awards 1001 Wh of 1000"),
        (changed(paid_nano="1"), "paid 1 nano"),
        (changed(target_wh=999), "sells 999 Wh of 1000"),
        (changed(openings=12), "opened 12 sums"),
        (changed(price_nano_per_wh=None), "has no price"),
    ],
)
def test_whatever_does_not_fit_is_found(view: SealedView, said: str) -> None:
    (found,) = off((view,), ())
    assert said in found


def test_a_run_without_any_round_is_no_run() -> None:
    assert off((), ()) == ["no sealed round was played"]


def test_the_scenario_has_rounds_that_go_wrong_beside_those_that_do_not() -> None:
    day = scenario.load("sealed-campus")
    assert day.intervals == 24 and day.sealed is not None and day.params.sealed.on
    assert {one.does for one in day.sealed.lapses} == {"no-award", "short", "no-delivery", "no-bid"}
    assert len(day.sealed.ticks_nano_per_wh) <= day.params.sealed.max_ticks
    assert any(meter.private is None and meter.kind == "source" for meter in day.meters), "open dispatch goes on beside"


def test_blocks_count_from_the_tick_at_or_above_their_price() -> None:
    assert at_ticks((100, 200, 300), [(100, 1), (101, 2), (150, 3), (300, 4)]) == [1, 5, 4]
    for blocks in ([(301, 1)], [(100, -1)]):
        with pytest.raises(NodeError, match="fits no tick"):
            at_ticks((100, 200, 300), blocks)
