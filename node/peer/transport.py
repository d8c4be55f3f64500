"""The full mesh of authenticated links between this node and every registered node.

Every pair has one link: the node with the smaller id dials. Frames in flight may be lost with their link;
whoever sends must be able to say things again. Callbacks run on the loop's thread, and never inside a call
into Transport (but for `stop`).
"""

from __future__ import annotations

import asyncio
import errno
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from node.errors import NodeError
from node.interfaces import Entropy
from node.peer.frames import Accepted, accepted, encode_frame
from node.peer.limits import VERDICT_POINTS, Settings
from node.peer.link import Link, Stage
from node.peer.peers import Peer, PeerRecord
from node.peer.reasons import Reason, Refused
from node.peer.tls import Contexts, Identity, contexts
from node.peer.wire import CODECS, HEADER_BYTES, PROTOCOL_VERSION, Frame, Hello, Priority, hello_sign_bytes
from node.recording import Recorder
from zk import ed25519
from zk.codec import Malformed, encode
from zk.hashing import sha256

BACKLOG = 128
"""Connections that the kernel holds for us before we accept them."""

_STALL_S = 1.0
"""A tick that comes this late means that our own loop stood still."""

_DOUBLINGS = 16


class Callbacks(Protocol):
    """What the transport tells its owner. `disconnected` follows every `connected`, with a `Reason` code."""

    def frame(self, node: str, frame: Frame, body: bytes) -> None: ...

    def connected(self, node: str) -> None: ...

    def disconnected(self, node: str, reason: str) -> None: ...


Registry = Mapping[str, tuple[bytes, bytes, str]]
"""Node id to (TLS certificate as DER, consensus key, host:port), as on the ledger. Our own is ignored."""
Former = Mapping[str, Sequence[tuple[bytes, bytes, str]]]
"""The same for keys that were replaced and still have a seat: a node of the registry may use these, too."""


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. Raises ValueError."""
    host, colon, digits = address.rpartition(":")
    if not colon or not host or not (digits.isascii() and digits.isdigit()) or not 0 < int(digits) < 65536:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(digits)


def redial_delay_ms(settings: Settings, attempt: int, entropy: Entropy) -> int:
    """Pause before dialling again: doubles with each attempt up to the cap; at least half of it, the rest by lot."""
    ceiling = min(settings.redial_cap_ms, settings.redial_first_ms << min(attempt, _DOUBLINGS))
    return ceiling - entropy.below(ceiling // 2 + 1)


class Transport:
    """Links to all registered nodes. Construct and use it on a running loop."""

    def __init__(
        self,
        identity: Identity,
        registry: Registry,
        chain_id: str,
        callbacks: Callbacks,
        entropy: Entropy,
        settings: Settings | None = None,
        former: Former | None = None,
    ) -> None:
        self.settings = settings or Settings()
        every = self.settings.limits
        self.accept_hello: Accepted = accepted({Frame.HELLO: every[Frame.HELLO]})
        self.accept_all: Accepted = accepted({frame: every[frame] for frame in every if frame is not Frame.HELLO})
        self.refusals: Counter[Reason] = Counter()
        """Connections refused or ended, by reason, those of unknown origin included."""
        self.recorder = Recorder()
        self._identity = identity
        self._chain_id = chain_id
        self._callbacks = callbacks
        self._entropy = entropy
        self._loop = asyncio.get_running_loop()
        self._peers: dict[str, Peer] = {}
        self._by_certificate: dict[bytes, tuple[Peer, PeerRecord]] = {}
        self._contexts: Contexts
        self._links: dict[Link, None] = {}
        self._pending: dict[Link, None] = {}
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._ticked = self._loop.time()
        self._running = False
        self.update_registry(registry, former)

    # Life

    async def start(self, host: str, port: int) -> int:
        """Listen and begin to dial; the port listened on (`port` 0 takes a free one).

        Raises NodeError `net.port-taken` or `net.address`.
        """
        try:
            self._server = await self._loop.create_server(self._incoming, host, port, backlog=BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise NodeError(
                    "net.port-taken",
                    f"Port {port} on {host} is taken by another process.",
                    "Stop that process, or set another p2p port in the node's configuration.",
                ) from error
            raise NodeError(
                "net.address",
                f"Cannot listen on {host}:{port}: {error.strerror or error}.",
                "Set the p2p host to an address of this machine and the port to one that this user may open.",
            ) from error
        self._running = True
        self._tick()
        for peer in self._peers.values():
            self._begin_dialling(peer)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close every link and the port. Queued frames are not waited for."""
        self._running = False
        if self._server is not None:
            self._server.close()
        if self._ticking is not None:
            self._ticking.cancel()
        dials = list(self._dials.values())
        self._dials.clear()
        for task in dials:
            task.cancel()
        await asyncio.gather(*dials, return_exceptions=True)
        links = list(self._links)
        for link in links:
            link.close(Reason.STOPPED)
        if links:
            await asyncio.wait([link.closed for link in links])
        if self._server is not None:
            await self._server.wait_closed()

    # Sending

    def send(self, node: str, frame: Frame, body: bytes) -> None:
        """Queue a frame for one peer; lost when the peer is unknown, not connected, or its queue is full."""
        peer = self._peers.get(node)
        if peer is not None and peer.link is not None and not peer.blocked:
            self._push(peer, peer.link, frame, encode_frame(frame, body))

    def broadcast(self, frame: Frame, body: bytes) -> None:
        """Queue a frame for every connected peer; it is encoded once and shared."""
        data = encode_frame(frame, body)
        for peer in self._peers.values():
            if peer.link is not None and not peer.blocked:
                self._push(peer, peer.link, frame, data)

    def _push(self, peer: Peer, link: Link, frame: Frame, data: bytes) -> None:
        limit = self.settings.limits[frame]
        assert len(data) <= limit.body_bytes + HEADER_BYTES, "an own frame above its limit would cost the link"
        if not peer.queue.push(limit.priority, data) and limit.priority is Priority.CONSENSUS:
            # Consensus messages must not be lost one by one; a fresh link makes both sides resync.
            link.close_soon(Reason.QUEUE_FULL)
        link.wake()

    # Judgement and registry

    def penalise(self, node: str, code: str) -> None:
        """The owner found that `node` sent what no honest node sends; a few times, and it is disconnected."""
        peer = self._peers.get(node)
        if peer is None:
            return
        peer.refusals[code] += 1
        if not peer.charge(VERDICT_POINTS, self._loop.time()) and peer.link is not None:
            peer.link.close_soon(Reason.CONDUCT)

    def set_partition(self, blocked: set[str]) -> None:
        """Drop all frames from and to these nodes, and no others. For devnets only."""
        for peer in self._peers.values():
            peer.blocked = peer.node in blocked
            peer.kick.set()

    def update_registry(self, registry: Registry, former: Former | None = None) -> None:
        """Take over the ledger's present nodes: removed ones lose their links at once, and so does who uses keys that
        are neither registered nor `former`."""
        now = self._loop.time()
        own = self._identity.node
        wanted = {node: PeerRecord(*entry) for node, entry in sorted(registry.items()) if node != own}
        for node in [node for node in self._peers if node not in wanted]:
            self._disown(self._peers.pop(node), set())
            task = self._dials.pop(node, None)
            if task is not None:
                task.cancel()
        for node, record in wanted.items():
            peer = self._peers.get(node)
            if peer is None:
                self._peers[node] = peer = Peer(node, record, self.settings, now)
            peer.record = record
            peer.former = tuple(PeerRecord(*entry) for entry in (former or {}).get(node, ()))
            self._disown(peer, {known[:2] for known in peer.records()})
            peer.kick.set()
            if self._running:
                self._begin_dialling(peer)
        self._by_certificate = {}
        for peer in self._peers.values():
            for record in peer.records():
                self._by_certificate.setdefault(record.certificate, (peer, record))
        self._contexts = contexts(self._identity, self._by_certificate)

    def _disown(self, peer: Peer, known: set[tuple[bytes, bytes]]) -> None:
        """Close the links of a peer that rest on other keys than these."""
        for link in self._links:
            if link.peer is peer and (link.record is None or link.record[:2] not in known):
                link.close_soon(Reason.UNREGISTERED)

    # Status

    def peers(self) -> list[dict[str, Any]]:
        """Status document of every registered peer, by id (see `Peer.status`)."""
        now = self._loop.time()
        return [self._peers[node].status(now) for node in sorted(self._peers)]

    # Links

    def _incoming(self) -> Link:
        if len(self._pending) >= self.settings.pending_max:
            # The oldest goes: an honest handshake takes milliseconds, only a flood within that time hits one.
            next(iter(self._pending)).close(Reason.CROWDED)
        link = Link(self, self._contexts.server, None)
        self._pending[link] = None
        self._links[link] = None
        return link

    def _begin_dialling(self, peer: Peer) -> None:
        if self._identity.node < peer.node and peer.node not in self._dials:
            self._dials[peer.node] = self._loop.create_task(self._dial(peer))

    async def _dial(self, peer: Peer) -> None:
        attempt = 0
        while True:
            peer.kick.clear()
            if not peer.blocked and not peer.locked_out(self._loop.time()):
                link = await self._connect(peer)
                if link is not None:
                    began = self._loop.time()
                    await link.closed
                    if self._loop.time() - began > self.settings.settled_ms / 1000:
                        attempt = 0
            delay_ms = redial_delay_ms(self.settings, attempt, self._entropy)
            attempt += 1
            try:
                await asyncio.wait_for(peer.kick.wait(), delay_ms / 1000)
            except TimeoutError:
                continue

    async def _connect(self, peer: Peer) -> Link | None:
        """Open TCP and begin TLS; None when there is nobody, with the reason noted."""
        try:
            host, port = parse_address(peer.record.address)
        except ValueError:
            self._count(peer, Reason.ADDRESS)
            return None
        link = Link(self, self._contexts.client, peer.node)
        try:
            async with asyncio.timeout(self.settings.handshake_ms / 1000):
                await self._loop.create_connection(lambda: link, host, port)
        except (OSError, ValueError):  # ValueError: a host name that cannot be encoded
            link.close(Reason.UNREACHABLE)
            return None
        except asyncio.CancelledError:
            link.close(Reason.STOPPED)
            raise
        if link.stage is not Stage.CLOSED:
            self._links[link] = None
        return link

    def _tick(self) -> None:
        now = self._loop.time()
        interval = self.settings.tick_ms / 1000
        late = now - self._ticked - interval
        self._ticked = now
        for link in list(self._links):
            link.check(now, late if late > _STALL_S else 0.0)
        self._ticking = self._loop.call_later(interval, self._tick)

    def _count(self, peer: Peer | None, reason: Reason) -> None:
        self.refusals[reason] += 1
        if peer is not None:
            peer.note(reason)

    # What links ask and tell (see link.Hub)

    def identify(self, link: Link, certificate: bytes) -> Peer:
        """The registered peer with exactly this certificate, if it may connect this way and now."""
        found = self._by_certificate.get(certificate)
        if found is None:
            # OpenSSL also accepts what a registered key signed, and the registry may just have changed.
            raise Refused(Reason.UNKNOWN_KEY)
        peer, link.record = found
        if link.expected is not None and link.expected != peer.node:
            raise Refused(Reason.WRONG_NODE)
        if link.expected is None:
            now = self._loop.time()
            if peer.node > self._identity.node:
                raise Refused(Reason.DIRECTION)
            if peer.locked_out(now) or not peer.connects.take(1, now):
                raise Refused(Reason.PENALTY)
        if peer.blocked:
            raise Refused(Reason.PARTITIONED)
        return peer

    def hello(self, link: Link) -> bytes:
        """Body of our hello to the peer of an identified link."""
        assert link.record is not None
        signed = hello_sign_bytes(
            self._chain_id,
            self._identity.node,
            sha256(self._identity.certificate),
            sha256(link.record.certificate),
        )
        return encode(Hello(self._chain_id, PROTOCOL_VERSION, self._identity.node, self._identity.sign_hello(signed)))

    def check_hello(self, link: Link, body: bytes) -> None:
        """Raises Refused unless `body` is a hello by the link's peer, for us, on this chain, in this version."""
        peer, record = link.peer, link.record
        assert peer is not None and record is not None
        try:
            hello = CODECS[Frame.HELLO].decode(body)
        except Malformed:
            raise Refused(Reason.HELLO) from None
        assert isinstance(hello, Hello)
        if hello.chain_id != self._chain_id:
            raise Refused(Reason.CHAIN)
        if hello.version != PROTOCOL_VERSION:
            raise Refused(Reason.VERSION)
        if hello.node != peer.node:
            raise Refused(Reason.WRONG_NODE)
        signed = hello_sign_bytes(
            self._chain_id,
            peer.node,
            sha256(record.certificate),
            sha256(self._identity.certificate),
        )
        if not ed25519.verify(record.consensus_key, signed, hello.signature):
            raise Refused(Reason.SIGNATURE)

    def up(self, link: Link, peer: Peer) -> None:
        """Take the link into use; an older one of the same peer was half open and goes first."""
        self._pending.pop(link, None)
        if peer.link is not None:
            peer.link.close(Reason.REPLACED)
        peer.queue.clear()
        peer.link = link
        peer.since = self._loop.time()
        self._callbacks.connected(peer.node)

    def frame(self, peer: Peer, frame: Frame, body: bytes) -> None:
        """Hand a frame to the owner."""
        self.recorder.piece(peer.node.encode(), bytes([frame]), body)
        self._callbacks.frame(peer.node, frame, body)

    def gone(self, link: Link, reason: Reason) -> None:
        """Forget a closed link, count why, and tell the owner if it had been in use."""
        self._pending.pop(link, None)
        self._links.pop(link, None)
        peer = link.peer or self._peers.get(link.expected or "")
        self._count(peer, reason)
        if peer is not None and peer.link is link:
            peer.link = None
            peer.queue.clear()
            peer.since = self._loop.time()
            self._callbacks.disconnected(peer.node, str(reason))
