"""The server against its surroundings: slow, many, broken and impolite peers, and failures inside."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, web
from aiohttp.web_protocol import RequestHandler

from contracts.bodies import Transfer
from node.client import RpcError
from node.errors import NodeError
from node.rpc import server as module
from node.rpc.connections import Connection, Listener
from node.rpc.server import RpcServer
from tests.rpc.chain import Chain, serving


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def talk(url: str, sent: bytes) -> bytes:
    """Everything that the server says to these bytes, until it hangs up."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize(
    "head",
    [b"", b"POST /tx HTT", b"GET /status HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"POST /tx HTTP/1.1\r\nContent-Le"],
)
def test_heads_that_trickle_are_cut_off(head: bytes) -> None:
    async def go() -> None:
        async with serving(Chain(), idle_timeout_s=0.05) as client:
            assert await talk(client.base_url, head) == b""
            assert (await client.status())["height"] == 0

    run(go())


def test_a_body_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        monkeypatch.setattr(module, "BODY_TIMEOUT_S", 0.05)
        async with serving(Chain()) as client:
            head = b"POST /tx HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            head += b"Content-Length: 1000\r\n\r\n{"
            answer = await talk(client.base_url, head)
            assert answer.startswith(b"HTTP/1.1 408 ") and b'"rpc.slow"' in answer

    run(go())


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"b" * 10_000 + b"\r\n\r\n",
        b"POST /tx HTTP/1.1\r\nContent-Length: -5\r\nContent-Type: application/json\r\n\r\n",
        b"POST /tx HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /%zz%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /query/interval/%ff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
def test_broken_http_gets_an_error_without_innards(sent: bytes) -> None:
    async def go() -> None:
        async with serving(Chain(), idle_timeout_s=0.5) as client:
            answer = await talk(client.base_url, sent)
            assert answer.startswith(b"HTTP/1.") and answer.split()[1][:1] == b"4", answer
            assert b"Traceback" not in answer and b".py" not in answer
            document = json.loads(answer.partition(b"\r\n\r\n")[2])
            assert document.keys() == {"code", "message", "hint"} and document["code"].startswith("rpc.")
            assert (await client.status())["height"] == 0

    run(go())


@pytest.mark.parametrize("stray", [b"\xff", b"\xc3(", b"\xed\xa0\x80", b"\xff" * 400])
def test_a_header_that_is_no_text_is_said_so(stray: bytes) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    heads = [
        *(name + b": " for name in (b"Authorization", b"Origin", b"Accept", b"Gridpact-Reader", b"Idempotency-Key")),
        *(upgrade + name + b": " for name in (b"Sec-WebSocket-Version", b"Sec-WebSocket-Protocol")),
        b"Content-Type: ",
    ]

    async def go() -> None:
        async with serving(Chain()) as client:
            for head in heads:
                for line in (b"GET /ws", b"GET /status", b"POST /tx"):
                    sent = line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + head + stray + b"\r\n\r\n"
                    answer = await talk(client.base_url, sent)
                    assert answer.startswith(b"HTTP/1.1 400 ") and b'"rpc.malformed"' in answer, (line, head, answer)

    run(go())


async def unread(server: RpcServer, asked: bytes) -> socket.socket:
    """A connection over which this is asked, and of which nothing is read."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", server._port))
    await loop.sock_sendall(deaf, asked)
    return deaf


@pytest.mark.parametrize("path", ["/openapi.json", "/web/lib/d3.LICENSE.txt"])
@pytest.mark.parametrize("last", [b"", b"GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])
def test_answers_that_nobody_takes_hold_no_connection(path: str, last: bytes) -> None:
    """Whether one answer fills the connection's buffer or many small ones do, and whether more is to come or not."""
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    async def go() -> None:
        server = RpcServer(Chain(), "127.0.0.1", 0, idle_timeout_s=0.05, unread_timeout_s=0.05)
        await server.start()
        # As much as no kernel buffers, and as little as it does.
        deaf = [await unread(server, asked * (8 << 20 >> 18) + last), await unread(server, asked * 2_000 + last)]
        assert server._runner is not None and isinstance(server._runner.server, Listener)
        while not server._runner.server.connections or server._served < len(deaf):
            await asyncio.sleep(0.001)
        while server._runner.server.connections:
            await asyncio.sleep(0.001)
        for one in deaf:
            one.close()
        await server.stop()

    run(go())


def test_patience_begins_anew_where_something_is_taken() -> None:
    """But not where the connection is over, and only its rest is still to be taken."""

    async def go() -> None:
        for over in (False, True):
            one, transport = connection()
            transport.is_closing.return_value = over
            one.pause_writing()
            assert one._given_up is not None
            one.resume_writing()
            assert (one._given_up is not None) is over
            waiting = one._given_up
            one.connection_lost(None)
            assert one._given_up is None and (waiting is None or waiting.cancelled())

    run(go())


@pytest.mark.parametrize("ends", [RequestHandler.force_close, RequestHandler.close])
def test_what_is_left_in_the_buffer_at_the_end_stays_there_no_longer(ends: Callable[[RequestHandler], None]) -> None:
    """Less than what fills it, so that nothing was ever paused; however the end comes."""

    async def go() -> None:
        one, transport = connection()
        await asyncio.sleep(0)
        ends(one)
        while not transport.abort.called:
            await asyncio.sleep(0.001)
        one.connection_lost(None)

    run(go())


def connection() -> tuple[Connection, Mock]:
    """One of a server that has next to no patience, and its transport."""

    async def nothing(_: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("nobody asks")

    one, transport = Connection(Listener(nothing), 0.001, loop=asyncio.get_running_loop()), Mock(asyncio.Transport)
    one.connection_made(transport)
    return one, transport


def test_a_body_in_another_encoding_is_not_unpacked_beyond_the_limit() -> None:
    """A small compressed body may not become a large one in memory."""

    async def go() -> None:
        import zlib

        bomb = zlib.compress(bytes(64 * 1024 * 1024))
        async with serving(Chain()) as client, ClientSession() as session:
            headers = {"Content-Type": "application/json", "Content-Encoding": "deflate"}
            async with session.post(client.base_url + "/tx", data=bomb, headers=headers) as reply:
                assert reply.status in (400, 413, 415)
            assert (await client.status())["height"] == 0

    run(go())


def test_connections_beyond_the_limit_are_dropped_and_room_is_found_again() -> None:
    async def go() -> None:
        async with serving(Chain(), max_connections=4) as client:
            address = urlsplit(client.base_url)
            held = [await asyncio.open_connection(address.hostname, address.port) for _ in range(4)]
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with pytest.raises(ConnectionError):
                await writer.drain()
                if not await reader.read():
                    raise ConnectionResetError
            for _, other in held:
                other.close()
                await other.wait_closed()
            while True:
                try:
                    assert (await client.status())["height"] == 0
                    break
                except RpcError as error:
                    assert error.code == "rpc.unreachable"

    run(go())


def test_requests_and_bodies_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = Chain(automatic=False)
        monkeypatch.setattr(module, "MAX_REQUESTS", 1)
        async with serving(chain) as client:
            raw = chain.speaker.member("campus", Transfer("solar", 1, ""))
            slow = asyncio.create_task(client.submit_one(raw, "final"))
            while not chain.submissions:
                await asyncio.sleep(0)
            with pytest.raises(RpcError) as busy:
                await client.status()
            assert (busy.value.code, busy.value.status) == ("rpc.busy", 503)
            await chain.produce()
            assert (await slow).done
            monkeypatch.setattr(module, "MAX_BODIES_BYTES", 10)
            with pytest.raises(RpcError) as full:
                await client.submit([b"12345678901"])
            assert full.value.code == "rpc.busy"

    run(go())


def test_a_defect_is_answered_without_details(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go() -> None:
        chain = Chain()

        def broken() -> dict[str, Any]:
            raise RuntimeError("secret path /root/key")

        monkeypatch.setattr(chain, "status", broken)
        async with serving(chain) as client, ClientSession() as session:
            async with session.get(client.base_url + "/status") as reply:
                text = await reply.text()
                assert reply.status == 500 and json.loads(text)["code"] == "rpc.internal"
                assert "secret" not in text and "RuntimeError" not in text
            assert (await client.balance_nano("solar")) == 10**12

    run(go())
    assert "secret path" in caplog.text, "the operator finds it in the log"


def test_a_taken_port_is_explained() -> None:
    async def go() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = RpcServer(Chain(), "127.0.0.1", taken.getsockname()[1])
            with pytest.raises(NodeError) as refused:
                await server.start()
            assert refused.value.code == "rpc.port" and "another process" in refused.value.message
            assert refused.value.hint
            await server.stop()

    run(go())
