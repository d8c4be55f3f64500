"""Many validators: three message delays from a proposal to its decision, whatever their number."""

from __future__ import annotations

import pytest

from devnet.bench.scale import LINK_MS, Scale, measure


@pytest.mark.parametrize(("validators", "limit_ms"), [(4, 1_000), (31, 1_000), (100, 3_000)])
def test_a_height_takes_three_message_delays(validators: int, limit_ms: int) -> None:
    scale = Scale(validators, verifying=False)
    heights = 1 if validators == 100 else 3
    assert scale.live(heights) <= heights * limit_ms
    latencies = scale.latency_ms()
    assert [latencies[height] for height in range(2, 2 + heights)] == [3 * LINK_MS] * heights


def test_the_report_counts_time_and_bytes() -> None:
    report = measure(4, 2, lambda _: None)
    assert report["validators"] == 4
    assert report["proposal_to_decision_ms"] == 3 * LINK_MS
    # A transaction may travel once more, to who proposes next.
    assert 3 * LINK_MS <= report["virtual_ms_per_height"] <= 4 * LINK_MS
    assert report["cpu_ms_per_height"] > 0
    # Two votes of each node to three others are the least that must be said.
    assert report["bytes_per_height"] > 2 * 4 * 3 * 100
