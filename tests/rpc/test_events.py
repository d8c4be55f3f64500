"""The event stream: complete, in order, resumable at every point, and never a burden on the node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import aiohttp
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.bodies import Need, Transfer
from node.access.log import AccessLog
from node.access.rights import NOBODY
from node.client import Client, RpcError
from node.rpc.access import Desk
from node.rpc.frames import TOPICS, Frames
from node.rpc.limits import FRAME_CACHE, MAX_SUBSCRIBERS
from tests.rpc.chain import INTERVAL, PARAMS, Chain, serving

NEXT = INTERVAL + 1


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def busy_chain() -> Chain:
    chain = Chain()
    for count in (1, 3):
        await chain.submit([chain.speaker.member("campus", Transfer("solar", 1, "")) for _ in range(count)])
    await chain.submit([chain.speaker.member("campus", Need(NEXT, 1, 10, None, 0))])
    await chain.produce(NEXT * PARAMS.interval_ms - PARAMS.gate_lead_ms)
    return chain


EXPECTED = [
    ("1.0", "block"), ("1.2", "receipt"), ("2.0", "block"),
    ("3.0", "block"), ("3.2", "receipt"), ("3.3", "receipt"), ("3.4", "receipt"), ("4.0", "block"),
    ("5.0", "block"), ("5.2", "receipt"), ("6.0", "block"),
    ("7.0", "block"), ("7.1", "interval"),
]  # fmt: skip


async def take(
    client: Client, count: int, cursor: str | None, topics: tuple[str, ...] = TOPICS
) -> list[dict[str, Any]]:
    """The next `count` events, then leave without a word."""
    events: list[dict[str, Any]] = []
    stream = client.events(topics, cursor)
    if count:
        async for event in stream:
            events.append(event)
            if len(events) == count:
                break
    await stream.aclose()
    return events


def names(events: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(event["cursor"], event["topic"]) for event in events]


def test_the_whole_history_comes_in_order() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            events = await take(client, len(EXPECTED), "0.0")
            assert names(events) == EXPECTED
            block, receipt, interval = events[0], events[1], events[-1]
            assert block["transactions"] == 1 and block["id"] == chain.ledger.block_id(1).hex()
            assert receipt["receipt"]["events"][0]["type"] == "transferred" and receipt["index"] == 0
            (ordered,) = interval["events"]
            assert (ordered["type"], ordered["interval"], ordered["demand_wh"]) == ("interval-ordered", NEXT, 10)

    run(go())


@given(st.lists(st.integers(0, len(EXPECTED)), max_size=6), st.sets(st.sampled_from(TOPICS), min_size=1))
@settings(max_examples=25)
def test_leaving_and_coming_back_misses_and_repeats_nothing(stops: list[int], topics: set[str]) -> None:
    """However often the connection breaks, going on from the last cursor yields the same sequence."""

    async def go() -> None:
        chain = await busy_chain()
        wanted = [entry for entry in EXPECTED if entry[1] in topics]
        async with serving(chain) as client:
            seen: list[tuple[str, str]] = []
            cursor = "0.0"
            for stop in [*stops, len(EXPECTED)]:
                events = await take(client, min(stop, len(wanted) - len(seen)), cursor, tuple(sorted(topics)))
                seen += names(events)
                cursor = seen[-1][0] if seen else cursor
            assert seen == wanted

    run(go())


def test_without_a_cursor_only_what_comes_next_is_told() -> None:
    async def go() -> None:
        chain = await busy_chain()
        height = chain.ledger.height
        async with serving(chain) as client:
            following = asyncio.create_task(take(client, 2, None, ("block",)))
            while not chain.waiters:
                await asyncio.sleep(0)
            await chain.produce()
            await chain.produce()
            assert names(await following) == [(f"{height + 1}.0", "block"), (f"{height + 2}.0", "block")]

    run(go())


def test_a_cursor_at_the_end_waits_for_the_next_block() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client:
            following = asyncio.create_task(take(client, 1, EXPECTED[-1][0]))
            while not chain.waiters:
                await asyncio.sleep(0)
            await chain.produce()
            assert names(await following) == [("8.0", "block")]

    run(go())


def test_subscribers_are_bounded_and_leave_nothing_behind() -> None:
    async def go() -> None:
        chain = await busy_chain()
        unbounded = aiohttp.TCPConnector(limit=0)
        async with serving(chain) as client, aiohttp.ClientSession(connector=unbounded) as session:
            url = f"{client.base_url}/events?cursor=0.0"
            sockets = [await session.ws_connect(url) for _ in range(MAX_SUBSCRIBERS)]
            try:
                await take(client, 1, "0.0")
                raise AssertionError("one subscriber too many was served")
            except RpcError as error:
                assert error.status == 503
            for socket in sockets:
                assert json.loads((await socket.receive()).data)["cursor"] == "1.0"
                await socket.close()
            while "gridpact_rpc_subscribers 0\n" not in await client.metrics():
                await asyncio.sleep(0)
            assert names(await take(client, 1, "0.0")) == EXPECTED[:1]

    run(go())


def test_what_a_subscriber_says_is_ignored_and_bounded() -> None:
    async def go() -> None:
        chain = await busy_chain()
        async with serving(chain) as client, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{client.base_url}/events?cursor=0.0&topics=block") as socket:
                await socket.send_str('{"cursor": "9.9"}')
                await socket.send_bytes(b"\x00\xff")
                assert json.loads((await socket.receive()).data)["cursor"] == "1.0"
                await socket.send_bytes(bytes(100_000))
                while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
                assert message.data == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
            assert names(await take(client, 1, "0.0")) == EXPECTED[:1]

    run(go())


def test_a_stopping_server_ends_its_streams_and_another_one_goes_on() -> None:
    async def go() -> None:
        chain = await busy_chain()
        seen: list[dict[str, Any]] = []
        arrived = asyncio.Event()

        async def follow(client: Client) -> None:
            async for event in client.events(TOPICS, EXPECTED[-3][0]):
                seen.append(event)
                arrived.set()

        async with serving(chain) as client:
            following = asyncio.create_task(follow(client))
            await arrived.wait()
        await following
        async with serving(chain) as other:
            rest = await take(other, len(EXPECTED) - EXPECTED.index(names(seen)[-1]) - 1, seen[-1]["cursor"])
        assert names(seen) + names(rest) == EXPECTED[-2:]

    run(go())


def test_rendered_frames_are_shared_and_bounded() -> None:
    async def go() -> None:
        chain = await busy_chain()
        everybody = Desk(chain, AccessLog(), chain.now_ms).rights(NOBODY)
        frames = Frames(chain)
        first, whole = frames.of(3, "receipt", everybody), frames.messages(3, TOPICS, -1, everybody)
        assert frames.of(3, "receipt", everybody) is first
        assert frames.messages(3, TOPICS, -1, everybody) is whole
        for height in range(1, 8):
            for topic in TOPICS:
                frames.of(height, topic, everybody)
                frames.messages(height, (topic,), -1, everybody)
        assert len(frames._frames) == len(frames._messages) == FRAME_CACHE

    run(go())
