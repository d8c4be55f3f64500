"""Gates and graces that governance moves open nothing that they had closed: no order and no bill changes."""

from __future__ import annotations

import pytest
from governance_world import NAMES, Pact
from ledger_world import FIRST, bill, change, codes, history, settle

from contracts.governance.changes import SetParams
from contracts.params import DAY_MS, PactParams

NEXT = FIRST + 4
NOW = PactParams()


def moved(pact: Pact, params: PactParams) -> None:
    """Other parameters, from the next block on."""
    assert pact.propose("bio", SetParams(params)) == "ok"
    assert pact.approve(0, *NAMES[:5]) == ["ok"] * 5 and pact.ballot(0).status == "enacted"


@pytest.mark.parametrize("first", [NEXT - 1, NEXT])
def test_a_later_gate_opens_no_interval_that_is_ordered(first: int) -> None:
    wide = change(NOW, gate_lead_ms=4 * NOW.interval_ms)
    pact = Pact()
    moved(pact, wide)
    # Only the later interval has content: the one before it was never locked.
    pact.block(pact.need("campus", NEXT + 1, 30_000), pact.offer("bio", "m-bio", NEXT + 1, (200_000, 40_000)))
    pact.at(NEXT + 1, -wide.gate_lead_ms).block()
    ordered = pact.interval(NEXT + 1)
    assert ordered.status == "ordered"
    assert pact.propose("bio", SetParams(change(NOW, gate_lead_ms=0))) == "ok"
    assert pact.approve(1, *NAMES[:5]) == ["ok"] * 5
    count = NEXT + 2 - first
    words = [
        pact.need("campus", first, 1_000, count=count),
        pact.offer("solar", "m-solar", NEXT + 1, (1, 1)),
        pact.tariff(first, 200_000, 1_000, count=count),
    ]
    assert codes(pact.block(*words)) == ["need.late", "offer.late", "tariff.late"]
    assert pact.run(pact.mode("utility", first, "island", count=count)) == "mode.late"
    assert pact.interval(NEXT + 1) == ordered
    assert pact.run(pact.need("campus", NEXT, 1_000)) == "ok"


def test_a_longer_grace_bills_no_interval_again_and_none_out_of_order() -> None:
    pact = Pact()
    settle(pact, FIRST + 2, {"m-bio": (0, 5_000), "m-campus": (5_000, 0)}, silent=("m-solar",))
    before, balances = history(pact), [pact.balance(name) for name in NAMES]
    assert bill(pact, FIRST + 2, "bio").total_nano != 0
    moved(pact, change(NOW, close_grace_ms=DAY_MS))
    # One says more of an interval that is billed, one speaks for the first time of the interval before that.
    said = pact.block(pact.reading("m-bio", FIRST + 2, 0, 9_000), pact.reading("m-solar", FIRST + 1, 0, 0))
    assert codes(said) == ["ok", "ok"]
    pact.at(FIRST + 3, DAY_MS)
    for _ in range(4):
        pact.block()
    assert (history(pact), [pact.balance(name) for name in NAMES]) == (before, balances)
