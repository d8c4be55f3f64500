"""Frames and queues against naive models, under any cutting of the stream and any order of use."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.peer.frames import CHUNK_BYTES, READ_BYTES, FrameReader, SendQueue, accepted, encode_frame
from node.peer.limits import QueueBound
from node.peer.reasons import Reason, Refused
from node.peer.wire import HEADER_BYTES, LIMITS, Frame, Priority

ALL = accepted(LIMITS)
EDGES = [0, 1, READ_BYTES - HEADER_BYTES - 1, READ_BYTES - HEADER_BYTES, READ_BYTES, CHUNK_BYTES, CHUNK_BYTES + 1]


def feed(reader: FrameReader, data: bytes, cuts: list[int]) -> list[tuple[Frame, bytes]]:
    """What comes out when `data` arrives in pieces of at most `cuts` bytes, taken in turn."""
    out: list[tuple[Frame, bytes]] = []
    turn = 0
    while True:
        while (frame := reader.next()) is not None:
            out.append(frame)
        if not data:
            return out
        space = reader.space()
        count = min(len(space), cuts[turn % len(cuts)], len(data))
        assert count > 0, "a reader that wants more must have room for it"
        space[:count] = data[:count]
        reader.advance(count)
        data = data[count:]
        turn += 1


@settings(max_examples=60)
@given(
    sizes=st.lists(st.one_of(st.integers(0, 40), st.sampled_from(EDGES)), max_size=8),
    cuts=st.lists(st.one_of(st.integers(1, 9), st.integers(1000, 90_000)), min_size=1, max_size=5),
)
def test_any_cutting_of_the_stream_gives_the_same_frames(sizes: list[int], cuts: list[int]) -> None:
    if sum(sizes) > 5_000:
        cuts = [*cuts, READ_BYTES]
    frames = [(Frame.BLOCK_RESPONSE, bytes([i]) * size) for i, size in enumerate(sizes)]
    stream = b"".join(encode_frame(frame, body) for frame, body in frames)
    reader = FrameReader(ALL)
    assert feed(reader, stream, cuts) == frames
    assert reader.partial_bytes == -1


@given(kind=st.integers(0, 255), length=st.integers(0, 2**32 - 1))
def test_a_header_alone_decides(kind: int, length: int) -> None:
    reader = FrameReader(ALL)
    header = length.to_bytes(4, "big") + bytes([kind])
    if kind not in ALL:
        expected = Reason.FRAME_TYPE
    elif length > LIMITS[Frame(kind)].body_bytes:
        expected = Reason.OVERSIZED
    else:
        feed(reader, header, [5])
        return
    with pytest.raises(Refused) as refused:
        feed(reader, header, [5])
    assert refused.value.reason is expected


def test_an_announced_length_costs_no_memory() -> None:
    reader = FrameReader(ALL)
    longest = LIMITS[Frame.BLOCK_RESPONSE].body_bytes
    feed(reader, longest.to_bytes(4, "big") + bytes([Frame.BLOCK_RESPONSE]) + b"x", [6])
    assert reader.partial_bytes == longest
    assert len(reader.space()) <= CHUNK_BYTES


@given(cut=st.integers(1, 12))
def test_a_started_frame_is_noticed_and_a_finished_one_is_not(cut: int) -> None:
    whole = encode_frame(Frame.STATUS, b"1234567")
    reader = FrameReader(ALL)
    feed(reader, whole[:cut], [12])
    assert (reader.partial_bytes >= 0) == (cut < len(whole))


LANES = {
    Priority.CONSENSUS: QueueBound(4, 300),
    Priority.SYNC: QueueBound(3, 300),
    Priority.TRANSACTIONS: QueueBound(4, 200),
}


@settings(max_examples=200)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.sampled_from(Priority), st.integers(1, 310)),
            st.tuples(st.just("take"), st.just(Priority.SYNC), st.integers(1, 250)),
        ),
        max_size=40,
    )
)
def test_queue_follows_the_naive_model(steps: list[tuple[str, Priority, int]]) -> None:
    """Model: per lane a list of frames; taking frames in priority order, slicing only what is longer than asked."""
    queue = SendQueue(LANES)
    lanes: dict[Priority, deque[bytes]] = {priority: deque() for priority in Priority}
    dropped = dict.fromkeys(Priority, 0)
    rest = b""
    for number, (step, priority, size) in enumerate(steps):
        if step == "push":
            data = bytes([number]) * size
            lane, bound = lanes[priority], LANES[priority]
            if priority is Priority.TRANSACTIONS and size <= bound.bytes:
                while len(lane) == bound.frames or sum(map(len, lane)) + size > bound.bytes:
                    lane.popleft()
                    dropped[priority] += 1
            fits = len(lane) < bound.frames and sum(map(len, lane)) + size <= bound.bytes
            assert queue.push(priority, data) == fits
            if fits:
                lane.append(data)
            else:
                dropped[priority] += 1
        else:
            if not rest:
                for lane in lanes.values():
                    while lane and len(rest) + len(lane[0]) <= size:
                        rest += lane.popleft()
                    if lane:
                        rest = rest or lane.popleft()
                        break
            expected, rest = rest[:size], rest[size:]
            assert bytes(queue.take(size)) == expected
        for lane_of, state in zip(sorted(Priority), queue.depth().values(), strict=True):
            assert state == {
                "frames": len(lanes[lane_of]),
                "bytes": sum(map(len, lanes[lane_of])),
                "dropped": dropped[lane_of],
            }
            assert state["frames"] <= LANES[lane_of].frames
            assert state["bytes"] <= LANES[lane_of].bytes


def test_a_cleared_queue_forgets_the_rest_of_a_sliced_frame() -> None:
    queue = SendQueue(LANES)
    queue.push(Priority.SYNC, b"x" * 100)
    queue.take(10)
    queue.clear()
    assert not queue.take(10)
