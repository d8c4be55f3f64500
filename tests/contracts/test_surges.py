"""A meter that crosses the threshold asks for its member, once, and never for more than it showed."""

from __future__ import annotations

import pytest
from ledger_world import FIRST, INTERVAL_MS, Chain, change, make_genesis

from contracts.params import PactParams
from contracts.receipts import NeedAccepted
from contracts.records import NeedEntry
from contracts.rolls import bucket
from contracts.schema import NEEDS

RATED_WH = 15_000
"""Of the tenant's meter in an interval."""
LAST_TIER = 3


def watched(threshold_ppm: int | None = 500_000) -> Chain:
    return Chain(make_genesis(params=change(PactParams(), need_threshold_ppm=threshold_ppm)))


def asked(chain: Chain, interval: int) -> list[NeedEntry]:
    """What the tenant needs by now."""
    raw = chain.store.get(NEEDS.key(interval, bucket("tenant")))
    return [] if raw is None else [one for one in NEEDS.decode(raw).entries if one.member == "tenant"]


def took(chain: Chain, energy_wh: int) -> int:
    """The tenant takes so much in the first interval, and that closes; the first interval that is open then."""
    chain.block(chain.reading("m-tenant", FIRST, energy_wh, 0))
    chain.close(FIRST)
    return (chain.now_ms + PactParams().gate_lead_ms) // INTERVAL_MS + 1


@pytest.mark.parametrize(
    ("threshold_ppm", "energy_wh", "needs"),
    [(500_000, 7_501, True), (500_000, 7_500, False), (None, RATED_WH, False), (0, 1, True)],
)
def test_a_load_beyond_the_threshold_is_a_need(threshold_ppm: int | None, energy_wh: int, needs: bool) -> None:
    chain = watched(threshold_ppm)
    open_ = took(chain, energy_wh)
    assert asked(chain, open_) == ([NeedEntry("tenant", None, LAST_TIER, energy_wh)] if needs else [])
    assert chain.clock is not None
    assert any(isinstance(event, NeedAccepted) for event in chain.clock.events) == needs
    assert (chain.deadline_ms() is not None) == needs, "and its interval waits for its lock"


def test_what_was_ordered_is_no_surge_and_what_is_asked_already_is_not_asked_twice() -> None:
    chain = watched()
    chain.block(chain.need("tenant", FIRST + 2, 12_000))
    chain.at(FIRST + 2, -PactParams().gate_lead_ms).block()
    chain.at(FIRST + 2).block(chain.reading("m-tenant", FIRST + 2, 12_000, 0))
    chain.close(FIRST + 2)
    assert asked(chain, FIRST + 4) == []
    chain = watched()
    chain.block(chain.need("tenant", FIRST + 2, 5_000, tier=0))
    open_ = took(chain, 8_000)
    assert open_ == FIRST + 2
    assert [(one.tier, one.energy_wh) for one in asked(chain, open_)] == [(0, 5_000), (LAST_TIER, 3_000)]
