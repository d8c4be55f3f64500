"""Frames without I/O: encode them, cut them out of a byte stream, queue them by priority.

A frame is u32be length, u8 type, body. The length is checked against the type's limit before any of the body
is kept. Never decodes a body and never holds more of it than has arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from struct import Struct

from node.peer.limits import QueueBound
from node.peer.reasons import Reason, Refused
from node.peer.wire import HEADER_BYTES, Frame, Limit, Priority

_HEADER = Struct(">IB")

READ_BYTES = 64 * 1024
"""Receive buffer of a link; frames that fit are cut out of it directly."""

CHUNK_BYTES = 256 * 1024
"""A longer body grows in steps of this: an announced length alone costs no more memory."""

_SPACE_MIN = 16 * 1024
"""One TLS record should fit behind what is in the buffer, else the buffer is compacted first."""

Accepted = Mapping[int, tuple[Frame, int]]
"""Type byte to frame and longest body, for the types that may come at this point."""


def accepted(limits: Mapping[Frame, Limit]) -> dict[int, tuple[Frame, int]]:
    """Table for `FrameReader.accept` out of a selection of `wire.LIMITS`."""
    return {int(frame): (frame, limit.body_bytes) for frame, limit in limits.items()}


def encode_frame(frame: Frame, body: bytes) -> bytes:
    """The frame as it goes over the wire."""
    return _HEADER.pack(len(body), frame) + body


class FrameReader:
    """Cuts frames out of a stream: fill `space()`, say how much with `advance()`, then empty `next()`."""

    __slots__ = ("_buffer", "_chunks", "_end", "_filled", "_frame", "_missing", "_start", "_view", "accept")

    def __init__(self, accept: Accepted) -> None:
        self.accept = accept
        self._buffer = bytearray(READ_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0
        self._frame: Frame | None = None
        self._chunks: list[bytearray] = []
        self._filled = 0
        self._missing = 0

    @property
    def partial_bytes(self) -> int:
        """Length of the body that is being waited for (0 when only a header is), or -1 between frames."""
        if self._frame is not None:
            return self._missing + sum(map(len, self._chunks))
        held = self._end - self._start
        if held == 0:
            return -1
        return 0 if held < HEADER_BYTES else int(_HEADER.unpack_from(self._buffer, self._start)[0])

    def space(self) -> memoryview:
        """Where to put the next bytes; never empty once `next()` has returned None."""
        if self._frame is not None:
            chunk = self._chunks[-1]
            if self._filled == len(chunk):
                chunk = bytearray(min(CHUNK_BYTES, self._missing))
                self._chunks.append(chunk)
                self._missing -= len(chunk)
                self._filled = 0
            return memoryview(chunk)[self._filled :]
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start and READ_BYTES - self._end < _SPACE_MIN:
            held = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, len(held)
            self._view[: len(held)] = held
        return self._view[self._end :]

    def advance(self, count: int) -> None:
        """`count` bytes of `space()` were filled."""
        if self._frame is not None:
            self._filled += count
        else:
            self._end += count

    def next(self) -> tuple[Frame, bytes] | None:
        """The next complete frame. Raises `Refused` (type, length) as soon as a header is complete."""
        if self._frame is not None:
            return self._finish_long()
        start = self._start
        if self._end - start < HEADER_BYTES:
            return None
        length, kind = _HEADER.unpack_from(self._buffer, start)
        known = self.accept.get(kind)
        if known is None:
            raise Refused(Reason.FRAME_TYPE)
        frame, limit = known
        if length > limit:
            raise Refused(Reason.OVERSIZED)
        if length > READ_BYTES - HEADER_BYTES:
            self._begin_long(frame, length)
            return None
        stop = start + HEADER_BYTES + length
        if stop > self._end:
            return None
        self._start = stop
        return frame, bytes(self._view[start + HEADER_BYTES : stop])

    def _begin_long(self, frame: Frame, length: int) -> None:
        first = bytearray(min(CHUNK_BYTES, length))
        held = self._end - self._start - HEADER_BYTES
        first[:held] = self._view[self._start + HEADER_BYTES : self._end]
        self._start = self._end = 0
        self._frame = frame
        self._chunks = [first]
        self._filled = held
        self._missing = length - len(first)

    def _finish_long(self) -> tuple[Frame, bytes] | None:
        if self._missing or self._filled < len(self._chunks[-1]):
            return None
        assert self._frame is not None
        whole = self._frame, b"".join(self._chunks)
        self._frame = None
        self._chunks = []
        self._filled = 0
        return whole


class _Lane:
    """Frames of one priority that wait for one peer."""

    __slots__ = ("bound", "bytes", "dropped", "frames")

    def __init__(self, bound: QueueBound) -> None:
        self.bound = bound
        self.frames: deque[bytes] = deque()
        self.bytes = 0
        self.dropped = 0

    def fits(self, size: int) -> bool:
        """Whether a frame of `size` bytes is within both bounds."""
        return len(self.frames) < self.bound.frames and self.bytes + size <= self.bound.bytes

    def push(self, data: bytes) -> None:
        """Append a frame that fits."""
        self.frames.append(data)
        self.bytes += len(data)

    def pop(self) -> bytes:
        """Remove the oldest frame."""
        data = self.frames.popleft()
        self.bytes -= len(data)
        return data


class SendQueue:
    """Encoded frames that wait for one peer, consensus before sync before transactions."""

    __slots__ = ("_lanes", "_rest")

    def __init__(self, bounds: Mapping[Priority, QueueBound]) -> None:
        self._lanes = tuple(_Lane(bounds[priority]) for priority in sorted(Priority))
        self._rest: memoryview | None = None

    def push(self, priority: Priority, data: bytes) -> bool:
        """Queue a frame. When its lane is full: False and not queued, but transactions drop their oldest."""
        lane = self._lanes[priority]
        if lane.fits(len(data)):
            lane.push(data)
            return True
        if priority is Priority.TRANSACTIONS and len(data) <= lane.bound.bytes:
            while not lane.fits(len(data)):
                lane.pop()
                lane.dropped += 1
            lane.push(data)
            return True
        lane.dropped += 1
        return False

    def take(self, maximum: int) -> bytes | memoryview:
        """At most `maximum` bytes to write next, empty when nothing waits. Long frames leave in slices."""
        if self._rest is not None:
            part = self._rest[:maximum]
            self._rest = self._rest[maximum:] if len(self._rest) > maximum else None
            return part
        parts: list[bytes] = []
        size = 0
        for lane in self._lanes:
            while lane.frames:
                following = len(lane.frames[0])
                if size + following > maximum:
                    return b"".join(parts) if parts else self._slice(lane.pop(), maximum)
                parts.append(lane.pop())
                size += following
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _slice(self, data: bytes, maximum: int) -> memoryview:
        whole = memoryview(data)
        self._rest = whole[maximum:]
        return whole[:maximum]

    def clear(self) -> None:
        """Forget what waits (the link it waited for is gone); the drop counters stay."""
        self._rest = None
        for lane in self._lanes:
            lane.frames.clear()
            lane.bytes = 0

    def depth(self) -> dict[str, dict[str, int]]:
        """Per priority: frames and bytes waiting, and frames ever dropped."""
        return {
            priority.name.lower(): {"frames": len(lane.frames), "bytes": lane.bytes, "dropped": lane.dropped}
            for priority, lane in zip(sorted(Priority), self._lanes, strict=True)
        }
