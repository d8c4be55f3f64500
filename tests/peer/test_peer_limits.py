"""Token buckets: whatever the schedule, no more gets through than burst plus rate times time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.peer.limits import BREACH_POINTS, BURST_S, CONDUCT_BUDGET, QUEUE_BOUNDS, Bucket, RateLimits, Settings
from node.peer.peers import Peer, PeerRecord
from node.peer.wire import CODECS, HEADER_BYTES, LIMITS, Frame, Limit, Priority

STEPS = st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 400)), min_size=1, max_size=60)


@given(steps=STEPS)
def test_a_bucket_never_grants_more_than_burst_plus_rate(steps: list[tuple[int, int]]) -> None:
    bucket = Bucket(100, 400, 0.0)
    now_ms = granted = 0
    for pause_ms, amount in steps:
        now_ms += pause_ms
        if bucket.take(amount, now_ms / 1000):
            granted += amount
        assert granted <= 400 + 100 * now_ms / 1000 + 1e-6


@given(steps=STEPS)
def test_who_rests_as_told_stays_within_the_rate(steps: list[tuple[int, int]]) -> None:
    bucket = Bucket(100, 400, 0.0)
    now = spent = 0.0
    for pause_ms, amount in steps:
        now += pause_ms / 1000
        rest_s = bucket.spend(amount, now)
        spent += amount
        now += rest_s
        assert spent <= 400 + 100 * now + 1e-6
        assert bucket.level(now) >= -1e-6


def test_a_refused_frame_is_not_charged() -> None:
    rates = RateLimits({Frame.TRANSACTIONS: Limit(100, 10, 100, Priority.TRANSACTIONS)}, 0.0)
    assert not rates.take(Frame.TRANSACTIONS, 100 * BURST_S + 1, 0.0)
    assert rates.take(Frame.TRANSACTIONS, 100 * BURST_S, 0.0)
    assert not rates.take(Frame.TRANSACTIONS, 1, 0.0)


def test_conduct_is_not_forgiven_by_coming_back_but_by_time() -> None:
    peer = Peer("a", PeerRecord(b"", b"", "a:1"), Settings(), 0.0)
    breaches = 0
    while peer.charge(BREACH_POINTS, 0.0):
        breaches += 1
    assert breaches == CONDUCT_BUDGET // BREACH_POINTS
    assert peer.locked_out(BREACH_POINTS - 1)
    assert not peer.locked_out(BREACH_POINTS)


def test_every_frame_has_a_codec_and_fits_the_queue_and_the_burst_of_its_kind() -> None:
    for frame in Frame:
        limit = LIMITS[frame]
        whole = limit.body_bytes + HEADER_BYTES
        assert CODECS[frame].limit == limit.body_bytes
        assert whole <= QUEUE_BOUNDS[limit.priority].bytes
        assert whole <= limit.bytes_per_s * BURST_S
