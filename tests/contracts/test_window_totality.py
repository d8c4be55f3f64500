"""Whatever is said about windows: nothing raises, no interval stays without an order, nothing appears or vanishes."""

from __future__ import annotations

import random

import pytest
from any_traffic import Traffic
from carbon_world import check_carbon
from hypothesis import given, settings
from hypothesis import strategies as st
from test_totality import check_readable

STEPS = 60


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_any_traffic_over_windows_is_ordered_and_settled(chance: random.Random) -> None:
    traffic = Traffic(chance)
    for _ in range(STEPS):
        traffic.step()
    traffic.end()
    check_readable(traffic.chain.store)
    check_carbon(traffic.chain)


@pytest.mark.parametrize("seed", range(3))
def test_the_same_traffic_is_the_same_bytes(seed: int) -> None:
    first, second = Traffic(random.Random(seed)), Traffic(random.Random(seed))
    for _ in range(STEPS):
        first.step()
        second.step()
        assert first.chain.store == second.chain.store
