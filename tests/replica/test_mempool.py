"""The pool's limits: one member can't take the room of the others, whatever keys and meters it has."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.bodies import Transfer
from contracts.envelope import CODEC
from node.mempool import Entry, Mempool, MempoolLimits, lane_of
from tests.support.pact import Speaker, key_of
from zk.hashing import sha256

CHAIN = "test-0000000000000000"
LIMITS = MempoolLimits(size=100_000, transactions=40, per_member=10)


def entry(speaker: Speaker, meter: str, owner: str) -> Entry:
    raw = speaker.reading(meter, 1, 1)
    envelope = CODEC.decode(raw)
    lane, position = lane_of(envelope)
    return Entry(sha256(raw), raw, envelope, owner, lane, position, 1, False)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=120))
def test_limits_hold_and_counts_follow_the_entries(wishes: list[tuple[int, int]]) -> None:
    pool, speaker = Mempool(LIMITS), Speaker(CHAIN)
    for meter, owner in wishes:
        one = entry(speaker, f"m-{owner}-{meter}", f"owner-{owner}")
        code = pool.room_for(one)
        held = [other for other in pool if other.owner == one.owner]
        if len(pool) == LIMITS.transactions:
            assert code == "mempool.full"
        elif len(held) == LIMITS.per_member:
            assert code == "mempool.sender-full"
        else:
            assert code == "ok"
            pool.add(one)
        assert pool.size == sum(len(other.raw) for other in pool)
    pool.remove([other.hash for other in pool])
    assert (len(pool), pool.size) == (0, 0)
    assert pool.room_for(entry(speaker, "m", "owner-0")) == "ok"


def test_lanes_are_proposed_in_order_and_a_gap_waits() -> None:
    pool, speaker = Mempool(LIMITS), Speaker(CHAIN)
    first, second, third = (entry(speaker, "m", "o") for _ in range(3))
    for one in (third, first):
        pool.add(one)
    chosen = pool.select(lambda _lane: 1, height=1, max_count=9, max_units=9, max_bytes=10**6)
    assert chosen == [first]
    pool.add(second)
    chosen = pool.select(lambda _lane: 1, height=1, max_count=9, max_units=9, max_bytes=10**6)
    assert chosen == [first, second, third]
    assert pool.select(lambda _lane: 1, height=1, max_count=2, max_units=9, max_bytes=10**6) == [first, second]
    assert pool.select(lambda _lane: 1, height=1, max_count=9, max_units=1, max_bytes=10**6) == [first]


def test_what_a_lane_has_used_up_is_dropped_and_nothing_else() -> None:
    pool, speaker = Mempool(LIMITS), Speaker(CHAIN)
    entries = [entry(speaker, "m", "o") for _ in range(3)]
    for one in entries:
        pool.add(one)
    other = entry(speaker, "n", "o")
    pool.add(other)
    pool.drop_stale([entries[0].lane], lambda _lane: 3)
    assert list(pool) == [entries[2], other]
    assert pool.size == len(entries[2].raw) + len(other.raw)


NONCES = st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), max_size=9)


@given(NONCES, st.integers(0, 8), st.integers(1, 4))
def test_so_many_wait_in_a_lane_as_a_block_without_limits_would_hold(
    nonces: list[tuple[int, int]], position: int, height: int
) -> None:
    """Nonces with gaps, several of one nonce, and some that expire; another lane that must not count."""
    pool, speaker = Mempool(LIMITS), Speaker(CHAIN)
    lane = ("campus", key_of("campus").public_key)
    for nonce, expiry_height in nonces:
        raw = speaker.member("campus", Transfer("wind", 1, ""), nonce=nonce, expiry_height=expiry_height)
        envelope = CODEC.decode(raw)
        assert lane_of(envelope) == (lane, nonce)
        pool.add(Entry(sha256(raw), raw, envelope, "campus", lane, nonce, 1, False))
    pool.add(entry(speaker, "m", "campus"))
    chosen = pool.select(lambda _lane: position, height=height, max_count=99, max_units=99, max_bytes=10**6)
    assert pool.waiting(lane, position, height) == sum(one.lane == lane for one in chosen)
