"""The live stream: whatever is subscribed to, wherever it breaks, nothing is missed or told twice; nobody who reads
slowly, talks too much or asks for everything burdens the node or the others."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Transfer
from contracts.governance.bodies import RevokeAccess
from contracts.policies import Asker
from node.access.log import AccessLog
from node.access.rights import Identity
from node.errors import NodeError
from node.rpc import frames, live
from node.rpc.access import Desk
from node.rpc.frames import TOPICS, Pulse
from tests.rpc.chain import Chain, serving
from tests.rpc.test_events import EXPECTED, busy_chain, run

Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def connected(url: str, options: str = "") -> AsyncIterator[Socket]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, session.ws_connect(f"{url}/ws{options}") as one:
        yield one


async def heard(socket: Socket, kind: str = "events") -> dict[str, Any]:
    """The next message of a kind."""
    while True:
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        document: dict[str, Any] = json.loads(message.data)
        if document["kind"] == kind:
            return document


async def subscribe(socket: Socket, *topics: str, cursor: str | None = None) -> dict[str, Any]:
    await socket.send_json({"do": "subscribe", "topics": topics} | ({} if cursor is None else {"cursor": cursor}))
    return await heard(socket, "subscribed")


@given(
    st.lists(st.tuples(st.sets(st.sampled_from(TOPICS), min_size=1), st.integers(1, 4)), max_size=5),
    st.sampled_from([1, 2, 256]),
)
@settings(max_examples=20)
def test_leaving_anywhere_and_coming_back_misses_and_repeats_nothing(
    visits: list[tuple[set[str], int]], size: int
) -> None:
    """Whatever the topics of each visit, and however many events share a message: each tells what is behind its
    cursor, of its topics, in order."""

    async def go() -> None:
        chain = await busy_chain()
        kept, frames.EVENTS_PER_MESSAGE = frames.EVENTS_PER_MESSAGE, size
        try:
            async with serving(chain) as client:
                cursor = "0.0"
                for topics, messages in visits:
                    place = tuple(map(int, cursor.split(".")))
                    due = [one for one in EXPECTED if one[1] in topics and tuple(map(int, one[0].split("."))) > place]
                    async with connected(client.base_url) as socket:
                        await subscribe(socket, *topics, cursor=cursor)
                        told: list[tuple[str, str]] = []
                        for _ in range(messages):
                            if len(told) == len(due):
                                break
                            message = await heard(socket)
                            assert len(message["events"]) <= size
                            told += [(one["cursor"], one["topic"]) for one in message["events"]]
                            cursor = message["cursor"]
                        assert told == due[: len(told)] and (not told or told[-1][0] == cursor)
        finally:
            frames.EVENTS_PER_MESSAGE = kept

    run(go())


def test_topics_change_while_it_is_open_and_options_may_name_the_first_ones() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client, connected(client.base_url, "?topics=interval&cursor=0.0") as socket:
            assert (await heard(socket, "subscribed"))["topics"] == ["interval"]
            (event,) = (await heard(socket))["events"]
            assert event["cursor"] == "7.1"
            answer = await subscribe(socket, "block", "status")
            assert (answer["topics"], answer["height"]) == (["block", "status"], 7)
            await chain.produce()
            message = await heard(socket)
            assert [one["cursor"] for one in message["events"]] == ["8.0"] and message["cursor"] == "8.0"
            assert (await heard(socket, "status"))["height"] in (7, 8)
            assert (await subscribe(socket))["topics"] == []
            await chain.produce()
            await subscribe(socket, "receipt", cursor="1.0")
            assert (await heard(socket))["events"][0]["cursor"] == "1.2", "nothing was told in between"

    run(go())


BAD: list[Any] = [
    "", "{", "null", "[]", '"subscribe"', "{}", '{"do":"publish","topics":[]}', '{"do":"subscribe"}', "[" * 500,
    '{"do":"subscribe","topics":["money"]}', '{"do":"subscribe","topics":"block"}',
    '{"do":"subscribe","topics":["block","block","block","block","block"]}',
    '{"do":"subscribe","topics":[],"more":1}', '{"do":"subscribe","topics":["block"],"cursor":"1"}', b"\x00\xff",
]  # fmt: skip


def test_what_can_not_be_read_is_answered_with_code_and_hint_and_changes_nothing() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client, connected(client.base_url) as socket:
            for bad in BAD:
                await (socket.send_bytes(bad) if isinstance(bad, bytes) else socket.send_str(bad))
                error = await heard(socket, "error")
                assert error["code"] == "rpc.malformed" and error["message"] and error["hint"]
            await socket.send_json({"do": "subscribe", "topics": ["block"], "cursor": "99.0"})
            assert (await heard(socket, "error"))["code"] == "events.cursor-ahead"

    run(go())


@pytest.mark.parametrize("options", ["?topics=money", "?topics=block&cursor=1", "?topics=block&cursor=99.0", "?x=1"])
def test_options_that_can_not_be_read_open_no_socket(options: str) -> None:
    async def go() -> None:
        async with serving(await busy_chain()) as client, aiohttp.ClientSession() as session:
            async with session.get(f"{client.base_url}/ws{options}") as reply:
                assert reply.status == 400
            async with session.get(f"{client.base_url}/ws") as reply:
                assert (reply.status, (await reply.json())["code"]) == (426, "events.websocket")
            assert "gridpact_rpc_subscribers 0\n" in await client.metrics()

    run(go())


@pytest.mark.parametrize("message", ['{"do":"subscribe","topics":["status"]}', "x"])
def test_who_talks_too_much_is_dropped(message: str) -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client, connected(client.base_url) as socket:
            for _ in range(int(live.MESSAGE_BURST) + 20):
                await socket.send_str(message)
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert socket.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION
        async with serving(chain) as client, connected(client.base_url) as socket:
            await socket.send_str("x" * 2_000)
            while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
            assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

    run(go())


async def deaf(url: str, topics: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A subscriber that reads nothing behind the head of the answer."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**16)
    key = base64.b64encode(bytes(16)).decode()
    writer.write(
        f"GET /ws?topics={topics}&cursor=0.0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()
    return reader, writer


@pytest.mark.parametrize(("size", "times"), [(2_000_000, 1), (4_000, 3_000)])
def test_a_subscriber_that_takes_nothing_is_dropped_and_others_go_on(
    size: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is its connection's buffer; its place is free again, and a cursor says where to go on."""

    async def go() -> None:
        monkeypatch.setattr(live, "SLOW_S", 0.2)
        chain = Chain()
        note = "n" * 60
        for _ in range(8):
            await chain.submit([chain.speaker.member("campus", Transfer("solar", 1, note)) for _ in range(250)])
        async with serving(chain) as client:
            # Whatever a kernel buffers, it is full when the whole history is told again and again.
            monkeypatch.setattr(live, "first_after", lambda cursor: (1, -1))
            told = frames.Frames.messages

            def swollen(*arguments: Any) -> Any:
                return [(cursor, body + b" " * size) for cursor, body in told(*arguments)] * times

            monkeypatch.setattr(frames.Frames, "messages", swollen)
            _, writer = await deaf(client.base_url, "block")
            while "gridpact_rpc_subscribers_dropped_total 1\n" not in await client.metrics():
                await asyncio.sleep(0.01)
            monkeypatch.undo()
            assert "gridpact_rpc_subscribers 0\n" in await client.metrics()
            async with connected(client.base_url, "?topics=receipt&cursor=1.200") as socket:
                assert (await heard(socket))["events"][0]["cursor"] == "1.201"
            writer.close()

    run(go())


def test_a_pulse_gives_way_at_every_height_it_has_reached() -> None:
    async def go() -> None:
        chain = Chain()
        for _ in range(50):
            await chain.produce()
        pulse, turns = Pulse(chain), list[int]()

        async def other() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        work = asyncio.create_task(other())
        for height in range(1, 51):
            await pulse.reached(height)
        work.cancel()
        assert len(turns) >= 49

    run(go())


def test_who_leaves_does_not_end_what_others_wait_for_and_a_server_that_stops_ends_it_for_all() -> None:
    async def go() -> None:
        chain = Chain()
        pulse = Pulse(chain)
        leaves, stays, later = (asyncio.create_task(pulse.reached(height)) for height in (1, 1, 2))
        while not chain.waiters:
            await asyncio.sleep(0)
        leaves.cancel()
        await chain.produce()
        await stays
        assert leaves.cancelled() and chain.waiters == 1
        while chain.waiters < 2:
            await asyncio.sleep(0)
        pulse.stop()
        for _ in range(10):
            await asyncio.sleep(0)
        assert later.cancelled()

    run(go())


def test_any_number_of_subscribers_cost_the_node_one_wait_and_one_rendering_a_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def go() -> None:
        chain = Chain()
        rendered = []
        render = frames.Frames._events
        monkeypatch.setattr(frames.Frames, "_events", lambda self, *at: rendered.append(at[:2]) or render(self, *at))
        async with serving(chain) as client, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            sockets = [await session.ws_connect(f"{client.base_url}/ws?topics=block,interval") for _ in range(200)]
            for socket in sockets:
                await heard(socket, "subscribed")
            while not chain.waiters:
                await asyncio.sleep(0)
            for number in range(3):
                await chain.produce()
                for socket in sockets:
                    assert (await heard(socket))["cursor"] == f"{number + 1}.0"
            assert chain.waiters <= 4 and len(rendered) == 6
            for socket in sockets:
                await socket.close()

    run(go())


def test_what_is_nobodys_secret_is_rendered_once_also_where_members_keep_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def go() -> None:
        chain = await busy_chain()
        await chain.submit([chain.speaker.member("campus", RevokeAccess(("orders",), ()))])
        desk = Desk(chain, AccessLog(), chain.now_ms)
        here, rendered = frames.Frames(chain), list[str]()
        render = frames.Frames._events
        monkeypatch.setattr(frames.Frames, "_events", lambda *at: rendered.append(at[2]) or render(*at))
        for member in ("", "campus", "solar", "wind"):
            rights = desk.rights(Identity(Asker(member)))
            assert not rights.unrestricted
            for topics in (("block",), ("block", "interval")):
                here.messages(7, topics, -1, rights)
        assert (rendered.count("block"), rendered.count("interval")) == (1, 4), "shared, and each by its own rights"

    run(go())


def test_who_leaves_while_all_wait_takes_nobody_along() -> None:
    async def go() -> None:
        chain = Chain()
        async with serving(chain) as client, connected(client.base_url, "?topics=block") as stays:
            await heard(stays, "subscribed")
            async with connected(client.base_url, "?topics=block") as leaves:
                await heard(leaves, "subscribed")
                while not chain.waiters:
                    await asyncio.sleep(0)
            while "gridpact_rpc_subscribers 1\n" not in await client.metrics():
                await asyncio.sleep(0)
            await chain.produce()
            assert (await heard(stays))["cursor"] == "1.0"

    run(go())


def test_the_status_is_made_once_for_all_and_only_the_newest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def go() -> None:
        chain = Chain()
        made, say = 0, chain.status

        def status() -> dict[str, Any]:
            nonlocal made
            made += 1
            return say()

        monkeypatch.setattr(chain, "status", status)
        async with serving(chain) as client, aiohttp.ClientSession() as session:
            sockets = [await session.ws_connect(f"{client.base_url}/ws?topics=status") for _ in range(20)]
            assert {(await heard(socket, "status"))["height"] for socket in sockets} == {0}
            assert made <= 2
            for socket in sockets:
                await socket.close()

    run(go())


@pytest.mark.parametrize("path", ["/ws?topics=block", "/ws?topics=status", "/events"])
def test_a_stream_that_fails_ends_instead_of_looking_idle(
    path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that can not be read, say: whoever watches is told that it sees nothing any more."""

    async def go() -> None:
        chain = Chain()

        def broken(*_: object) -> Any:
            raise NodeError("disk.read", "secret path")

        async with serving(chain) as client, aiohttp.ClientSession() as session:
            monkeypatch.setattr(chain, "status", broken)
            monkeypatch.setattr(chain.ledger, "block", broken)
            socket = await session.ws_connect(client.base_url + path)
            if path.startswith("/ws"):
                await heard(socket, "subscribed")
            await chain.produce()
            message = await socket.receive()
            assert (message.type, message.extra) == (aiohttp.WSMsgType.CLOSE, "rpc.internal")
            assert socket.close_code == aiohttp.WSCloseCode.INTERNAL_ERROR
            monkeypatch.undo()
            assert "gridpact_rpc_subscribers 0\n" in await client.metrics()

    run(go())
    assert "secret path" in caplog.text, "the operator finds it in the log"


def test_a_node_that_stops_says_so() -> None:
    async def go() -> None:
        async with aiohttp.ClientSession() as session:
            async with serving(Chain()) as client:
                socket = await session.ws_connect(f"{client.base_url}/ws?topics=block,status")
                await heard(socket, "status")
                leaving = asyncio.create_task(socket.receive())
            await leaving
            assert socket.close_code == aiohttp.WSCloseCode.GOING_AWAY

    run(go())
