"""The server's end of each connection: so many, errors in the server's own form, and answers that nobody takes cut off.

What is asked on a connection is the matter of `node.rpc.server`.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from node.rpc.errors import malformed
from node.rpc.limits import MAX_CONNECTIONS, UNREAD_TIMEOUT_S
from node.rpc.replies import JSON, SAFE_HEADERS


class Connection(RequestHandler):
    """One connection; what is no HTTP gets an error document, too. One that takes nothing of its answers is cut off."""

    __slots__ = ("_given_up", "_patience_s", "_wire")

    def __init__(self, manager: web.Server, patience_s: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._patience_s = patience_s
        self._given_up: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None
        """The transport for as long as it is open; aiohttp forgets its own once it has asked it to close."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        self._wire = cast(asyncio.Transport, transport)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """The connection's buffer is full."""
        super().pause_writing()
        self._lose_patience()

    def resume_writing(self) -> None:
        """There is room again."""
        super().resume_writing()
        if self._wire is not None and not self._wire.is_closing():
            self._be_patient()

    async def start(self) -> None:
        """Answer requests until no more are taken; what is still in the buffer then does not stay there."""
        try:
            await super().start()
        finally:
            self._lose_patience()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing more to wait for."""
        super().connection_lost(exc)
        self._wire = None
        self._be_patient()

    def _lose_patience(self) -> None:
        self._be_patient()
        if self._wire is not None:
            self._given_up = self._loop.call_later(self._patience_s, self._give_up)

    def _be_patient(self) -> None:
        if self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None

    def _give_up(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to bytes that aiohttp can't read as a request."""
        refusal = malformed("The request is no HTTP/1.1.", "Send it with an HTTP library.")
        response = web.Response(
            body=msgspec.json.encode(refusal.document()),
            status=status if 400 <= status < 500 else 400,
            content_type=JSON,
            headers=SAFE_HEADERS,
        )
        response.force_close()
        return response


class Listener(web.Server):
    """aiohttp's connection factory, with a bound on how many connections there are."""

    max_connections = MAX_CONNECTIONS
    unread_timeout_s = UNREAD_TIMEOUT_S

    def __call__(self) -> RequestHandler:
        return Connection(self, self.unread_timeout_s, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
