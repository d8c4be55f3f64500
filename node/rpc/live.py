"""GET /ws: a websocket for pages and dashboards, with topics that change while it is open.

A subscriber says what it wants, and gets the events of each block in one message that carries the cursor after it:

    > {"do": "subscribe", "topics": ["block", "interval", "status"], "cursor": "120.1"}
    < {"kind": "subscribed", "topics": [...], "cursor": "120.1", "height": 140}
    < {"kind": "events", "cursor": "121.0", "events": [{"cursor": "121.0", "topic": "block", ...}]}
    < {"kind": "status", ...}                                  the node's own words, the newest only
    < {"kind": "error", "code": ..., "message": ..., "hint": ...}

Events are pulled from the ledger: a slow subscriber has no queue but its connection's buffer. One that takes nothing
for `SLOW_S` is dropped with its cursor as the reason, and goes on from there when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Literal

import aiohttp
import msgspec
from aiohttp import web

from node.access.requests import BadRequest
from node.access.rights import Rights
from node.errors import NodeError
from node.peer.limits import Bucket
from node.rpc.access import Desk, Stream
from node.rpc.errors import malformed
from node.rpc.events import PROTOCOLS, Sockets, first_after
from node.rpc.frames import TOPICS, Cursor, Frames, Pulse, read_cursor
from node.rpc.limits import (
    AT_ONCE_BYTES,
    MESSAGE_BURST,
    MESSAGES_PER_S,
    SLOW_S,
    STATUS_EVERY_S,
)
from node.rpc.routes import Document
from node.service import NodeService

logger = logging.getLogger(__name__)

LIVE_TOPICS = (*TOPICS, "status")
TOO_SLOW = 4008
"""Close code of a subscriber that takes nothing; its reason is `events.slow CURSOR`."""

Topic = Literal["block", "interval", "receipt", "status"]


class Subscribe(msgspec.Struct, forbid_unknown_fields=True, tag_field="do", tag="subscribe"):
    """What a subscriber may say: these topics from now on, instead of those before; an empty list stops."""

    topics: Annotated[list[Topic], msgspec.Meta(max_length=len(LIVE_TOPICS))]
    cursor: Annotated[str, msgspec.Meta(max_length=40)] | None = None


_SUBSCRIBE = msgspec.json.Decoder(Subscribe)


class Live:
    """Serves the live websockets of one node."""

    def __init__(self, service: NodeService, desk: Desk, frames: Frames, pulse: Pulse, sockets: Sockets) -> None:
        self._service = service
        self._ledger = service.ledger
        self._desk = desk
        self._frames = frames
        self._pulse = pulse
        self._sockets = sockets
        self._status: tuple[float, bytes] = (float("-inf"), b"")
        self.dropped = 0
        """Subscribers that were too slow."""

    async def serve(self, request: web.BaseRequest, options: Document, rights: Rights) -> web.StreamResponse:
        """Upgrade, and tell what is asked for until the subscriber leaves. Raises `Refusal` before the upgrade."""
        first = None
        if options["topics"] is not None:
            first = Subscribe(options["topics"].split(","), options["cursor"])
            read_cursor(first.cursor, self._ledger.height)
        socket = self._sockets.make(request, PROTOCOLS)
        self._desk.open_stream(request)
        self._sockets.open.add(socket)
        told = _Told(self, socket, Stream(rights, request))
        try:
            await socket.prepare(request)
            if first is not None:
                await told.subscribe(first)
            await self._listen(socket, told)
        except BadRequest as error:
            await told.refuse(error)
        except ConnectionError:
            await socket.close()
        except TimeoutError:
            await told.drop()
        finally:
            self._sockets.open.discard(socket)
            await told.stop()
        return socket

    async def _listen(self, socket: web.WebSocketResponse, told: _Told) -> None:
        loop = asyncio.get_running_loop()
        bucket = Bucket(MESSAGES_PER_S, MESSAGE_BURST, loop.time())
        async for message in socket:
            if not bucket.take(1, loop.time()):
                await socket.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION, message=b"events.flood")
                return
            try:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise malformed("A message is not text.", SAYABLE)
                await told.subscribe(_read(message.data))
            except BadRequest:
                raise
            except NodeError as error:
                await told.send({"kind": "error", **error.document()})

    async def follow(self, told: _Told, topics: tuple[str, ...], cursor: Cursor) -> None:
        """Tell events behind the cursor, for as long as it is not cancelled."""
        height, seen = first_after(cursor)
        while True:
            await self._pulse.reached(height)
            rights = self._desk.renewed(told.stream)
            for after, body in self._frames.messages(height, topics, seen, rights):
                await told.send_text(body)
                told.cursor = after
            height, seen = height + 1, -1

    async def watch(self, told: _Told) -> None:
        """Tell the node's status about once a second: never more than the newest."""
        while True:
            self._desk.renewed(told.stream)
            await told.send_text(self._newest_status())
            await asyncio.sleep(STATUS_EVERY_S)

    def _newest_status(self) -> bytes:
        """Made once for all subscribers."""
        now = asyncio.get_running_loop().time()
        if now - self._status[0] >= STATUS_EVERY_S / 2:
            self._status = now, msgspec.json.encode({"kind": "status", **self._service.status()})
        return self._status[1]


SAYABLE = 'Say {"do": "subscribe", "topics": ["block", "interval", "receipt", "status"], "cursor": "H.I"}.'


def _read(text: str) -> Subscribe:
    try:
        return _SUBSCRIBE.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise malformed(f"The message can't be read: {error}.", SAYABLE) from None


class _Told:
    """One subscriber: its socket, what it is told by which tasks, and how far."""

    def __init__(self, live: Live, socket: web.WebSocketResponse, stream: Stream) -> None:
        self._live = live
        self._socket = socket
        self._tasks: list[asyncio.Task[None]] = []
        self.stream = stream
        self.cursor = Cursor(0, 0)

    async def subscribe(self, wanted: Subscribe) -> None:
        """Tell these topics instead of those before. Raises `Refusal`, `BadRequest`."""
        self._live._desk.renewed(self.stream)
        cursor = read_cursor(wanted.cursor, self._live._ledger.height)
        await self.stop()
        self.cursor = cursor
        events = tuple(topic for topic in TOPICS if topic in wanted.topics)
        document: dict[str, Any] = {
            "kind": "subscribed",
            "topics": [topic for topic in LIVE_TOPICS if topic in wanted.topics],
            "cursor": str(cursor),
            "height": self._live._ledger.height,
        }
        await self.send(document)
        if events:
            self._tasks.append(asyncio.create_task(self._kept(partial(self._live.follow, self, events, cursor))))
        if "status" in wanted.topics:
            self._tasks.append(asyncio.create_task(self._kept(partial(self._live.watch, self))))

    async def stop(self) -> None:
        """Tell nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def send(self, document: dict[str, Any]) -> None:
        """One message."""
        await self.send_text(msgspec.json.encode(document))

    async def send_text(self, body: bytes) -> None:
        """One message that is encoded. Raises TimeoutError when nothing was taken for `SLOW_S`."""
        transport = self.stream.request.transport
        if transport is not None and transport.get_write_buffer_size() + len(body) < AT_ONCE_BYTES:
            # Two hundred timers a block are a fifth of what a block costs two hundred subscribers.
            await self._socket.send_frame(body, aiohttp.WSMsgType.TEXT)
            return
        async with asyncio.timeout(SLOW_S):
            await self._socket.send_frame(body, aiohttp.WSMsgType.TEXT)

    async def _kept(self, tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run one of the tasks; what ends it ends the socket, with a reason."""
        try:
            await tell()
        except BadRequest as error:
            await self.refuse(error)
        except TimeoutError:
            await self.drop()
        except ConnectionError:
            await self._socket.close()
        except Exception:
            # Left open it would look as if nothing happened any more.
            logger.exception("a live stream failed behind %s", self.cursor)
            await self._socket.close(code=aiohttp.WSCloseCode.INTERNAL_ERROR, message=b"rpc.internal")

    async def refuse(self, error: BadRequest) -> None:
        """Close the socket of one who may not ask any more."""
        await self._socket.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION, message=error.code.encode())

    async def drop(self) -> None:
        """Close a socket whose buffer is full: the reason gets through only if it reads after all."""
        self._live.dropped += 1
        reason, transport = f"events.slow {self.cursor}", self.stream.request.transport
        try:
            async with asyncio.timeout(1):
                await self._socket.close(code=TOO_SLOW, message=reason.encode(), drain=False)
        except TimeoutError:
            pass
        if transport is not None:
            transport.abort()
