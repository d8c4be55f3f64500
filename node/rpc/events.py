"""GET /events: a websocket that tells what was decided, one event a message, from any point on.

Frames are pulled from the ledger, not pushed into queues: a subscriber that reads slowly waits for nothing but itself,
and one that comes back with its last cursor misses nothing and sees nothing twice. What a subscriber sends is ignored.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from aiohttp import web

from node.access.requests import BadRequest
from node.access.rights import Rights
from node.rpc.access import Desk, Stream
from node.rpc.errors import Refusal
from node.rpc.frames import AFTER_ALL, TOPICS, Cursor, Frames, Pulse, read_cursor
from node.rpc.limits import HEARTBEAT_S, MAX_MESSAGE_BYTES, MAX_SUBSCRIBERS
from node.rpc.routes import Document
from node.service import NodeService

logger = logging.getLogger(__name__)

PROTOCOLS = ("gridpact.v1",)
"""Chosen where a browser offers it beside its token (`node.rpc.tokens`)."""


class Sockets:
    """The open websockets of a node, of every kind: so many, and no more."""

    def __init__(self, most: int = MAX_SUBSCRIBERS) -> None:
        self._most = most
        self.open: set[web.WebSocketResponse] = set()

    def make(self, request: web.BaseRequest, protocols: tuple[str, ...]) -> web.WebSocketResponse:
        """A socket that is counted from now on; `open.discard` it. Raises `Refusal` before the upgrade."""
        if len(self.open) >= self._most:
            raise Refusal(503, "events.full", f"{self._most} subscribers are connected.", "Try another node.")
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=False, protocols=protocols
        )
        if not socket.can_prepare(request).ok:
            raise Refusal(
                426, "events.websocket", "Events are served over a websocket.", f"Connect to ws://...{request.path}."
            )
        return socket

    async def stop(self) -> None:
        """Tell every subscriber that the node goes away."""
        for socket in list(self.open):
            await socket.close(code=aiohttp.WSCloseCode.GOING_AWAY, message=b"the node stops")


class Events:
    """Serves the plain event websockets of one node."""

    def __init__(self, service: NodeService, desk: Desk, frames: Frames, pulse: Pulse, sockets: Sockets) -> None:
        self._ledger = service.ledger
        self._desk = desk
        self._frames = frames
        self._pulse = pulse
        self._sockets = sockets

    async def serve(self, request: web.BaseRequest, options: Document, rights: Rights) -> web.StreamResponse:
        """Upgrade and follow the chain until the subscriber leaves. Raises `Refusal` before the upgrade."""
        wanted = options["topics"].split(",") if options["topics"] else TOPICS
        topics = tuple(topic for topic in TOPICS if topic in wanted)
        cursor = read_cursor(options["cursor"], self._ledger.height)
        socket = self._sockets.make(request, PROTOCOLS)
        self._desk.open_stream(request)
        self._sockets.open.add(socket)
        follower: asyncio.Task[None] | None = None
        try:
            await socket.prepare(request)
            follower = asyncio.create_task(self._follow(socket, topics, cursor, Stream(rights, request)))
            async for _ in socket:
                pass
        finally:
            self._sockets.open.discard(socket)
            if follower is not None:
                follower.cancel()
                await asyncio.gather(follower, return_exceptions=True)
        return socket

    async def _follow(
        self, socket: web.WebSocketResponse, topics: tuple[str, ...], cursor: Cursor, stream: Stream
    ) -> None:
        height, seen = first_after(cursor)
        try:
            while True:
                await self._pulse.reached(height)
                rights = self._desk.renewed(stream)
                for topic in topics:
                    for frame in self._frames.of(height, topic, rights):
                        if frame.event > seen:
                            await socket.send_str(frame.text)
                height, seen = height + 1, -1
        except BadRequest as error:
            await socket.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION, message=error.code.encode())
        except ConnectionError:
            await socket.close()
        except Exception:
            # Left open it would look as if nothing happened any more.
            logger.exception("an event stream failed at height %d", height)
            await socket.close(code=aiohttp.WSCloseCode.INTERNAL_ERROR, message=b"rpc.internal")


def first_after(cursor: Cursor) -> tuple[int, int]:
    """Height to go on with, and the number of its last event that was seen."""
    height, seen = (cursor.height, cursor.event) if cursor.event < AFTER_ALL else (cursor.height + 1, -1)
    return (height, seen) if height else (1, -1)
