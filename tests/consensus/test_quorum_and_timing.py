"""Threshold arithmetic, waits, and which proposal times are believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.effects import Step
from consensus.quorum import is_quorum, is_skip
from consensus.timing import is_timely, message_delay_ms, timeout_ms
from tests.consensus.height import START_MS, TIMING


@pytest.mark.parametrize(
    ("got", "total", "expected"),
    [(2, 3, False), (3, 4, True), (6, 9, False), (6, 10, False), (7, 10, True), (0, 1, False), (1, 1, True)],
)
def test_quorum_is_strictly_more_than_two_thirds(got: int, total: int, expected: bool) -> None:
    assert is_quorum(got, total) is expected


@pytest.mark.parametrize(("got", "total", "expected"), [(1, 3, False), (1, 4, False), (2, 4, True), (2, 5, True)])
def test_skip_is_strictly_more_than_one_third(got: int, total: int, expected: bool) -> None:
    assert is_skip(got, total) is expected


@given(total=st.integers(1, 2**53), left=st.integers(0, 2**53), right=st.integers(0, 2**53))
def test_two_quorums_share_more_than_a_third(total: int, left: int, right: int) -> None:
    left, right = left % (total + 1), right % (total + 1)
    if is_quorum(left, total) and is_quorum(right, total):
        assert is_skip(left + right - total, total)


def test_a_dead_proposer_costs_well_below_a_second() -> None:
    waits = (Step.PROPOSE, Step.PRECOMMIT)
    assert sum(timeout_ms(TIMING, step, 0) for step in waits) < 600


@given(round_=st.integers(0, 2**31 - 1))
def test_waits_grow_with_the_round_and_stay_bounded(round_: int) -> None:
    for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        assert timeout_ms(TIMING, step, round_) <= timeout_ms(TIMING, step, round_ + 1)
        assert timeout_ms(TIMING, step, round_) <= 100 * TIMING.target_block_ms
    assert message_delay_ms(TIMING, round_) <= message_delay_ms(TIMING, round_ + 1)


def test_waits_grow_at_once() -> None:
    for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
        assert timeout_ms(TIMING, step, 0) < timeout_ms(TIMING, step, 1)
    assert message_delay_ms(TIMING, 0) < message_delay_ms(TIMING, 1)


@pytest.mark.parametrize(
    ("received_ms", "expected"), [(-201, False), (-200, True), (0, True), (400, True), (401, False)]
)
def test_timeliness_in_round_0(received_ms: int, expected: bool) -> None:
    """Precision and delay are 200 ms each: from 200 ms before to 400 ms after."""
    assert is_timely(TIMING, 0, START_MS, START_MS + received_ms, START_MS - 10) is expected


def test_a_late_proposal_is_timely_in_a_later_round() -> None:
    assert not is_timely(TIMING, 0, START_MS, START_MS + 500, START_MS - 10)
    assert is_timely(TIMING, 1, START_MS, START_MS + 500, START_MS - 10)


def test_the_least_valid_time_is_never_too_early() -> None:
    """A frozen clock still makes blocks, one millisecond apart."""
    assert is_timely(TIMING, 0, START_MS, START_MS - 10_000, START_MS)
    assert not is_timely(TIMING, 0, START_MS, START_MS + 10_000, START_MS)
