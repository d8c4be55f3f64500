"""Nodes on real loopback sockets for the transport tests: meshes, recorders and a peer made by hand."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import cache
from struct import unpack
from typing import Any, ClassVar, NamedTuple

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from node.peer.frames import encode_frame
from node.peer.limits import Settings
from node.peer.tls import Identity, contexts
from node.peer.transport import Transport
from node.peer.wire import PROTOCOL_VERSION, Frame, Hello, hello_sign_bytes
from zk import ed25519
from zk.codec import encode
from zk.hashing import sha256

CHAIN = "test-0011223344556677"
WAIT_S = 10.0
QUICK = Settings(redial_first_ms=10, redial_cap_ms=50, tick_ms=20)


class Node(NamedTuple):
    """Everything about one node, secrets included."""

    name: str
    tls_seed: bytes
    certificate: bytes
    consensus_seed: bytes

    @property
    def consensus_key(self) -> bytes:
        return ed25519.public_key(self.consensus_seed)

    def identity(self) -> Identity:
        seed = self.consensus_seed
        return Identity(self.name, self.certificate, self.tls_seed, lambda message: ed25519.sign(seed, message))

    def record(self, port: int = 1) -> tuple[bytes, bytes, str]:
        return self.certificate, self.consensus_key, f"127.0.0.1:{port}"


@cache
def node(name: str, *, not_after: int = 2100, authority: bool = False, issuer: str = "") -> Node:
    """A deterministic node. Its certificate may claim to be an authority, or be signed by another node."""
    seed = sha256(f"tls {name}".encode())
    signer = sha256(f"tls {issuer}".encode()) if issuer else seed
    # Equal subjects on purpose: nothing may depend on the name that a certificate carries.
    title = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "child")]) if issuer else title
    certificate = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(title)
        .public_key(Ed25519PrivateKey.from_private_bytes(seed).public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(not_after, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(Ed25519PrivateKey.from_private_bytes(signer), None)
        .public_bytes(Encoding.DER)
    )
    return Node(name, seed, certificate, sha256(f"consensus {name}".encode()))


class FixedEntropy:
    """No randomness at all."""

    def below(self, bound: int) -> int:
        return bound // 2


class Recorder:
    """Callbacks that remember, with a way to wait for what they remember."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.frames: list[tuple[str, Frame, bytes]] = []
        self.up: set[str] = set()
        self._changed = asyncio.Event()

    def frame(self, node: str, frame: Frame, body: bytes) -> None:
        assert node in self.up, "frames come only between connected and disconnected"
        self.frames.append((node, frame, body))
        self._changed.set()

    def connected(self, node: str) -> None:
        assert node not in self.up
        self.up.add(node)
        self.events.append(("up", node))
        self._changed.set()

    def disconnected(self, node: str, reason: str) -> None:
        self.up.remove(node)
        self.events.append((reason, node))
        self._changed.set()

    async def connected_to(self, nodes: set[str]) -> None:
        """Return once links to exactly these nodes are up."""
        await self.until(lambda: self.up == nodes)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds; it is looked at after every callback."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class Member(NamedTuple):
    """A running transport with its recorder."""

    transport: Transport
    recorder: Recorder
    port: int


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition`, which no callback announces (a counter, a queue), holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def launch(me: Node, registry: dict[str, tuple[bytes, bytes, str]], **options: Any) -> Member:
    """Start one transport on a free port."""
    recorder = Recorder()
    settings = options.pop("settings", QUICK)
    port = options.pop("port", 0)
    chain = options.pop("chain", CHAIN)
    transport = Transport(me.identity(), registry, chain, recorder, FixedEntropy(), settings)
    return Member(transport, recorder, await transport.start("127.0.0.1", port))


@asynccontextmanager
async def mesh(*names: str, settings: Settings = QUICK) -> AsyncIterator[dict[str, Member]]:
    """Transports of these nodes, all connected; stopped at the end."""
    members = {name: await launch(node(name), {}, settings=settings) for name in names}
    registry = {name: node(name).record(member.port) for name, member in members.items()}
    for member in members.values():
        member.transport.update_registry(registry)
    try:
        for name, member in members.items():
            await member.recorder.connected_to(set(names) - {name})
        yield members
    finally:
        for member in members.values():
            await member.transport.stop()


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Puppet:
    """One side of a link, driven by hand: honest where a test does not make it otherwise."""

    open: ClassVar[list[Puppet]] = []
    """Those that `lone` hangs up at its end."""

    def __init__(self, me: Node, target: Node, streams: Streams) -> None:
        self.me = me
        self.target = target
        self.reader, self.writer = streams

    @classmethod
    async def dial(cls, me: Node, target: Node, port: int) -> Puppet:
        """Connect and complete our side of TLS, with whatever key `me` has."""
        context = contexts(me.identity(), [target.certificate]).client
        streams = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="")
        puppet = cls(me, target, streams)
        cls.open.append(puppet)
        return puppet

    @classmethod
    async def connect(cls, me: Node, target: Node, port: int) -> Puppet:
        """Connect and complete the hello exchange."""
        puppet = await cls.dial(me, target, port)
        puppet.writer.write(puppet.hello())
        kind, _ = await puppet.frame()
        assert kind == Frame.HELLO
        return puppet

    def hello(self, meant_for: Node | None = None, **changes: Any) -> bytes:
        """Our hello frame, with some fields changed after signing, or signed for another node."""
        certificates = sha256(self.me.certificate), sha256((meant_for or self.target).certificate)
        signed = hello_sign_bytes(CHAIN, self.me.name, *certificates)
        fields = {
            "chain_id": CHAIN,
            "version": PROTOCOL_VERSION,
            "node": self.me.name,
            "signature": ed25519.sign(self.me.consensus_seed, signed),
        } | changes
        return encode_frame(Frame.HELLO, encode(Hello(**fields)))

    def send(self, frame: int, body: bytes) -> None:
        """Queue a frame of any type byte."""
        self.writer.write(len(body).to_bytes(4, "big") + bytes([frame]) + body)

    async def frame(self) -> tuple[int, bytes]:
        """Next frame from the node under test."""
        async with asyncio.timeout(WAIT_S):
            length, kind = unpack(">IB", await self.reader.readexactly(5))
            return kind, await self.reader.readexactly(length)

    async def ended(self) -> None:
        """Return once the node under test has closed the link."""
        async with asyncio.timeout(WAIT_S):
            with suppress(OSError):
                await self.reader.read(-1)
        self.hang_up()

    def hang_up(self) -> None:
        """Drop the connection without a goodbye."""
        self.writer.transport.abort()


@asynccontextmanager
async def lone(settings: Settings = QUICK, **registry: Node) -> AsyncIterator[Member]:
    """One transport, node `m`, that knows `registry` and waits for puppets (it dials ids above `m`)."""
    records = {name: known.record() for name, known in registry.items()}
    member = await launch(node("m"), records, settings=settings)
    try:
        yield member
    finally:
        await member.transport.stop()
        while Puppet.open:
            Puppet.open.pop().hang_up()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test on asyncio's own loop and on uvloop: both are supported."""
    asyncio.run(main())
    uvloop.run(main())


async def tls_exchange(context: ssl.SSLContext, port: int, data: bytes) -> bytes:
    """Handshake, send and read one answer, in a thread. Raises ssl.SSLError with the alert, if any."""

    def exchange() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as wire,
            context.wrap_socket(wire) as secure,
        ):
            secure.sendall(data)
            return secure.recv(65536)

    return await asyncio.get_running_loop().run_in_executor(None, exchange)
