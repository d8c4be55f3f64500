"""GET /events: a websocket that tells what was decided, from any point on.

Frames are pulled from the ledger, not pushed into queues: a subscriber that reads slowly waits for nothing
but itself, and one that comes back with its last cursor misses nothing and sees nothing twice. Cursor
`H.I`: event I of height H, where 0 is the block, 1 what its clock did (orders, settlements), 2 + i the
receipt of transaction i. What a subscriber sends is ignored.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec
from aiohttp import web

from node.access.requests import BadRequest
from node.access.rights import Rights
from node.access.shown import show_receipt
from node.rpc.access import Desk, Stream
from node.rpc.errors import Refusal, malformed
from node.rpc.limits import FRAME_CACHE, HEARTBEAT_S, MAX_SUBSCRIBERS
from node.service import NodeService

TOPICS = ("block", "interval", "receipt")
FIRST_RECEIPT = 2
AFTER_ALL = 2**31
"""Event number above every one of a block."""
MAX_MESSAGE_BYTES = 1024
"""Largest message that a subscriber may send (to be ignored)."""

_CURSOR = re.compile(r"(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,9})\Z")


class Cursor(NamedTuple):
    """The last event that a subscriber has seen."""

    height: int
    event: int


Frame = tuple[int, str]
"""Event number and JSON text."""


def read_cursor(options: Mapping[str, str], height: int) -> Cursor:
    """Where to go on; without a cursor after the newest block. Raises `Refusal` (400)."""
    text = options.get("cursor")
    if text is None:
        return Cursor(height, AFTER_ALL)
    match = _CURSOR.match(text)
    if match is None:
        raise malformed(f"{text[:40]!r} is not a cursor.", "Use the last cursor received, or 0.0 for everything.")
    cursor = Cursor(int(match[1]), int(match[2]))
    if cursor.height > height:
        raise Refusal(
            400,
            "events.cursor-ahead",
            f"The cursor is at height {cursor.height}, this node at {height}.",
            "Wait until it has caught up, or start from 0.0 if this is a new chain.",
        )
    return cursor


def read_topics(options: Mapping[str, str]) -> tuple[str, ...]:
    """Wanted topics, default all. Raises `Refusal` (400)."""
    wanted = options.get("topics", ",".join(TOPICS)).split(",")
    strange = [topic for topic in wanted if topic not in TOPICS]
    if strange:
        raise malformed(f"There is no topic {strange[0][:40]!r}.", f"Topics are {', '.join(TOPICS)}.")
    return tuple(topic for topic in TOPICS if topic in wanted)


class Events:
    """Serves every event websocket of one node."""

    def __init__(self, service: NodeService, desk: Desk, max_subscribers: int = MAX_SUBSCRIBERS) -> None:
        self._service = service
        self._desk = desk
        self._max_subscribers = max_subscribers
        self._ledger = service.ledger
        self._frames: dict[tuple[int, str], list[Frame]] = {}
        self._sockets: set[web.WebSocketResponse] = set()

    @property
    def subscribers(self) -> int:
        """Open websockets."""
        return len(self._sockets)

    async def stop(self) -> None:
        """Tell every subscriber that the node goes away."""
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"the node stops")

    async def serve(self, request: web.BaseRequest, rights: Rights) -> web.StreamResponse:
        """Upgrade and follow the chain until the subscriber leaves. Raises `Refusal` before the upgrade."""
        topics = read_topics(request.query)
        cursor = read_cursor(request.query, self._ledger.height)
        if len(self._sockets) >= self._max_subscribers:
            raise Refusal(
                503, "events.full", f"{self._max_subscribers} subscribers are connected.", "Try another node."
            )
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False)
        if not socket.can_prepare(request).ok:
            raise Refusal(426, "events.websocket", "Events are served over a websocket.", "Connect to ws://.../events.")
        self._desk.open_stream(request)
        self._sockets.add(socket)
        follower: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            follower = asyncio.create_task(self._follow(socket, topics, cursor, Stream(rights, request)))
            async for _ in socket:
                pass
        finally:
            self._sockets.discard(socket)
            if follower is not None:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)
        return socket

    async def _follow(
        self, socket: web.WebSocketResponse, topics: tuple[str, ...], cursor: Cursor, stream: Stream
    ) -> None:
        height, seen = (cursor.height, cursor.event) if cursor.event < AFTER_ALL else (cursor.height + 1, -1)
        height, seen = (height, seen) if height else (1, -1)
        try:
            while True:
                await self._service.wait_height(height)
                rights = self._desk.renewed(stream)
                for topic in topics:
                    for event, text in self._rendered(height, topic, rights):
                        if event > seen:
                            await socket.send_str(text)
                height, seen = height + 1, -1
        except BadRequest as error:
            await socket.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION, message=error.code.encode())
        except ConnectionError:
            await socket.close()

    def _rendered(self, height: int, topic: str, rights: Rights) -> list[Frame]:
        """Frames of one topic of one block; the last few are shared among subscribers where all may read all."""
        if not rights.unrestricted:
            self._frames.clear()
            return self._render(height, topic, rights)
        key = (height, topic)
        frames = self._frames.get(key)
        if frames is None:
            frames = self._render(height, topic, rights)
            if len(self._frames) >= FRAME_CACHE:
                del self._frames[next(iter(self._frames))]
            self._frames[key] = frames
        return frames

    def _render(self, height: int, topic: str, rights: Rights) -> list[Frame]:
        documents = self._events(height, topic, rights)
        return [(event, _text(f"{height}.{event}", topic, document)) for event, document in documents]

    def _events(self, height: int, topic: str, rights: Rights) -> list[tuple[int, dict[str, Any]]]:
        block = self._ledger.block(height)
        if block is None:
            return []
        place = {"height": height, "time_ms": block.header.time_ms}
        if topic == "block":
            counts = {
                "id": block.header.id().hex(),
                "proposer": block.header.proposer,
                "proposer_round": block.header.proposer_round,
                "transactions": len(block.payload),
                "evidence": len(block.evidence),
            }
            return [(0, {**place, **counts})]
        clock, *receipts = self._ledger.receipts(height)
        if topic == "interval":
            return [(1, {**place, **show_receipt(clock, rights)})] if clock.events else []
        return [
            (
                FIRST_RECEIPT + index,
                {**place, "index": index, "hash": hash_.hex(), "receipt": show_receipt(receipt, rights)},
            )
            for index, (hash_, receipt) in enumerate(zip(block.payload, receipts, strict=True))
        ]


def _text(cursor: str, topic: str, document: dict[str, Any]) -> str:
    return msgspec.json.encode({"cursor": cursor, "topic": topic, **document}).decode()
