"""One connection to another node: TLS, hello, frames both ways, and the deadlines of each stage.

It never decides who may connect nor what a frame means: that is its hub's. Whatever the other side does costs
only this link. Works on asyncio and uvloop; all methods run on the loop's thread.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from enum import IntEnum
from typing import Protocol, cast

from node.peer.frames import Accepted, FrameReader, encode_frame
from node.peer.limits import BREACH_POINTS, EXCESS_POINTS, Settings
from node.peer.peers import Peer, PeerRecord
from node.peer.reasons import Reason, Refused
from node.peer.tls import TlsSession, reason_of
from node.peer.wire import CODECS, HEADER_BYTES, Frame, Ping, Priority
from zk.codec import Malformed, encode

RECEIVE_BYTES = 128 * 1024
"""Ciphertext taken from the socket at once."""

SLICE_BYTES = 128 * 1024
"""Queued frames are joined up to this before they are encrypted; also what may wait in the transport's buffer
and unsent in the kernel's: a vote never stands behind more."""

FLUSH_BYTES = 1024 * 1024
"""Written at most before other links get their turn."""

LINGER_S = 0.5
"""A closed link has this long to get its last bytes out."""

THROTTLE_MIN_S = 0.05
"""A link above its rate rests at least this long."""

_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class Stage(IntEnum):
    """How far a link has come."""

    TLS = 0
    HELLO = 1
    UP = 2
    CLOSED = 3


class Hub(Protocol):
    """Owner of the links."""

    settings: Settings
    accept_hello: Accepted
    accept_all: Accepted

    def identify(self, link: Link, certificate: bytes) -> Peer:
        """The peer with this certificate, whose record the link keeps. Raises Refused."""
        ...

    def hello(self, link: Link) -> bytes:
        """Body of our hello to the peer of an identified link."""
        ...

    def check_hello(self, link: Link, body: bytes) -> None:
        """Raises Refused unless `body` is the hello of the link's peer to us."""
        ...

    def up(self, link: Link, peer: Peer) -> None:
        """The link is authenticated; frames follow."""
        ...

    def frame(self, peer: Peer, frame: Frame, body: bytes) -> None:
        """A frame within its limits."""
        ...

    def gone(self, link: Link, reason: Reason) -> None:
        """The link was up or not, now it is closed. Called once."""
        ...


class Link(asyncio.BufferedProtocol):
    """A connection that we dialled (`expected` names the node) or accepted (`expected` is None)."""

    def __init__(self, hub: Hub, context: ssl.SSLContext, expected: str | None) -> None:
        self.expected = expected
        self.peer: Peer | None = None
        self.record: PeerRecord | None = None
        """The keys under which the peer is known on this link."""
        self.stage = Stage.TLS
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        """Done once the socket is gone, up to LINGER_S after the hub was told."""
        self._tls = TlsSession(context, server_side=expected is None)
        self._reader = FrameReader(hub.accept_hello)
        self._view = memoryview(bytearray(RECEIVE_BYTES))
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._full = False
        self._resting: asyncio.TimerHandle | None = None
        self._opened = self._heard = self._pinged = self._loop.time()
        self._partial_since: float | None = None
        self._token = 0
        self._asked: float | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # uvloop's is one by duck typing only
        transport.set_write_buffer_limits(high=SLICE_BYTES, low=SLICE_BYTES // 4)
        wire = transport.get_extra_info("socket")
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _NOTSENT_LOWAT is not None:
            wire.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, SLICE_BYTES)
        if self.stage is Stage.CLOSED:
            transport.abort()
        elif self.expected is not None:
            self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if self.stage is Stage.CLOSED:
            return
        self._heard = self._loop.time()
        self._tls.feed(self._view[:nbytes])
        if self.peer is not None:
            self.peer.bytes_in += nbytes
        self._advance()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(Reason.LOST)

    # Our side

    def wake(self) -> None:
        """Something was queued: write once the present turn of the loop has queued all it has."""
        if not self._flushing and not self._full and self.stage is Stage.UP:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def close_soon(self, reason: Reason) -> None:
        """Close in the next turn of the loop: whoever is sending must not be called back while it does."""
        self._loop.call_soon(self.close, reason)

    def close(self, reason: Reason) -> None:
        """Say goodbye if the socket takes it, close, and tell the hub why. Idempotent."""
        transport = self._transport
        if self.stage is not Stage.CLOSED and transport is not None:
            if self.stage is not Stage.TLS:
                self._tls.close()
            self._write(self._tls.take())  # the goodbye, or the alert that says what was wrong
            transport.close()
            self._loop.call_later(LINGER_S, transport.abort)
        self._end(reason)

    def check(self, now: float, stalled: float) -> None:
        """Enforce this stage's deadlines; `stalled` seconds were lost by our own loop and don't count."""
        settings = self._hub.settings
        self._heard += stalled
        self._opened += stalled
        if self._partial_since is not None:
            self._partial_since += stalled
        if self.stage is not Stage.UP:
            if now - self._opened > settings.handshake_ms / 1000:
                self.close(Reason.SLOW_HANDSHAKE)
        elif self._resting is not None:
            return
        elif self._overdue(now):
            self._breach(Reason.SLOW_FRAME, now)
        elif now - self._heard > settings.silence_ms / 1000:
            self.close(Reason.SILENT)
        elif now - self._pinged >= settings.ping_ms / 1000:
            self._ping(now)

    def _overdue(self, now: float) -> bool:
        if self._partial_since is None:
            return False
        settings = self._hub.settings
        allowed = settings.frame_ms / 1000 + max(0, self._reader.partial_bytes) / settings.frame_bytes_per_s
        return now - self._partial_since > allowed

    def _advance(self) -> None:
        try:
            if self.stage is Stage.TLS:
                if self._tls.handshake():
                    self._greet()
                self._write(self._tls.take())
            if self.stage in (Stage.HELLO, Stage.UP):
                self._read()
        except Refused as refusal:
            self._breach(refusal.reason, self._loop.time())
        except ssl.SSLError as error:
            self.close(reason_of(error, handshaking=self.stage is Stage.TLS))

    def _greet(self) -> None:
        self.stage = Stage.HELLO
        self.peer = self._hub.identify(self, self._tls.peer_certificate())
        self._tls.write(encode_frame(Frame.HELLO, self._hub.hello(self)))

    def _read(self) -> None:
        reader = self._reader
        completed = False
        while self._resting is None and self.stage is not Stage.CLOSED:
            frame = reader.next()
            if frame is not None:
                completed = True
                self._on_frame(*frame)
                continue
            count = self._tls.read_into(reader.space())
            if not count:
                break
            reader.advance(count)
        if reader.partial_bytes < 0:
            self._partial_since = None
        elif completed or self._partial_since is None:
            self._partial_since = self._heard
        if self.stage is not Stage.CLOSED:
            self._write(self._tls.take())  # answers of TLS itself, such as key updates

    def _on_frame(self, frame: Frame, body: bytes) -> None:
        peer = self.peer
        assert peer is not None
        if self.stage is Stage.HELLO:
            self._hub.check_hello(self, body)
            self.stage = Stage.UP
            self._reader.accept = self._hub.accept_all
            self._hub.up(self, peer)
            return
        peer.frames_in += 1
        if peer.blocked or not self._within_rate(peer, frame, len(body) + HEADER_BYTES):
            return
        if frame is Frame.PING or frame is Frame.PONG:
            self._on_ping(peer, frame, body)
        else:
            self._hub.frame(peer, frame, body)

    def _within_rate(self, peer: Peer, frame: Frame, size: int) -> bool:
        """Charge the frame. Above its rate gossip is dropped; all else is kept, but then the link rests."""
        now = self._heard
        if self._hub.settings.limits[frame].priority is Priority.TRANSACTIONS:
            if peer.rates.take(frame, size, now):
                return True
            keep = False
        else:
            rest_s = peer.rates.spend(frame, size, now)
            if not rest_s:
                return True
            keep = True
            self._rest(max(rest_s, THROTTLE_MIN_S))
        peer.refusals[Reason.RATE] += 1
        if not peer.charge(EXCESS_POINTS, now):
            self.close(Reason.CONDUCT)
        return keep

    def _rest(self, seconds: float) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self._resting = self._loop.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._resting = None
        if self.stage is Stage.CLOSED:
            return
        self._heard = self._loop.time()
        self._partial_since = None
        self._advance()
        transport = self._transport
        if self._resting is None and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _ping(self, now: float) -> None:
        peer = self.peer
        assert peer is not None
        self._pinged = now
        self._asked = time.monotonic()  # the loop's own time only ticks once per turn
        self._token = (self._token + 1) % 2**32
        self._queue(peer, Frame.PING, encode(Ping(self._token)))

    def _on_ping(self, peer: Peer, frame: Frame, body: bytes) -> None:
        try:
            ping = CODECS[frame].decode(body)
        except Malformed:
            raise Refused(Reason.MALFORMED) from None
        assert isinstance(ping, Ping)
        if frame is Frame.PING:
            self._queue(peer, Frame.PONG, body)
        elif self._asked is not None and ping.token == self._token:
            peer.rtt_us = int((time.monotonic() - self._asked) * 1_000_000)
            self._asked = None

    def _queue(self, peer: Peer, frame: Frame, body: bytes) -> None:
        if peer.blocked:
            return
        if not peer.queue.push(Priority.CONSENSUS, encode_frame(frame, body)):
            self.close_soon(Reason.QUEUE_FULL)
        self.wake()

    def _flush(self) -> None:
        self._flushing = False
        peer = self.peer
        written = 0
        while self.stage is Stage.UP and not self._full and peer is not None:
            data = peer.queue.take(SLICE_BYTES)
            if not data:
                return
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                self.close(reason_of(error, handshaking=False))
                return
            self._write(self._tls.take())
            written += len(data)
            if written >= FLUSH_BYTES:
                self.wake()
                return

    def _write(self, ciphertext: bytes) -> None:
        if ciphertext and self._transport is not None and not self._transport.is_closing():
            self._transport.write(ciphertext)
            if self.peer is not None:
                self.peer.bytes_out += len(ciphertext)

    def _breach(self, reason: Reason, now: float) -> None:
        if self.peer is not None:
            self.peer.charge(BREACH_POINTS, now)
        self.close(reason)

    def _end(self, reason: Reason) -> None:
        if self._transport is None and not self.closed.done():
            self.closed.set_result(None)
        if self.stage is Stage.CLOSED:
            return
        self.stage = Stage.CLOSED
        if self._resting is not None:
            self._resting.cancel()
        self._hub.gone(self, reason)
