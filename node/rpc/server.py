"""The node's HTTP server: limits, routing, error documents. What is answered is in the modules beside it.

Every byte is hostile. Connections, requests under way, bodies in memory, waits and subscribers are bounded
(`node.rpc.limits`); heads and bodies that trickle and answers that nobody takes are cut off; nothing but a code, a
sentence and a hint ever describes a failure. Holds no rules and no admin calls: those are on a local socket.

Built on aiohttp's low-level server with a router of its own (`node.rpc.routes`), because submission is the hot path and
because one table says what is served and what is promised.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from inspect import isawaitable
from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from node.access.log import AccessLog
from node.access.requests import BadRequest
from node.access.rights import Denied, Rights
from node.access.shown import WithheldProof
from node.clock import wall_ms
from node.errors import NodeError
from node.recording import Recorder
from node.rpc.access import WITHHELD, Desk
from node.rpc.connections import Listener
from node.rpc.endpoints import Endpoints
from node.rpc.errors import Refusal, malformed
from node.rpc.events import Events, Sockets
from node.rpc.exposure import HANDSHAKE_S, UNPROTECTED, Exposure
from node.rpc.frames import Frames, Pulse
from node.rpc.guard import Guard
from node.rpc.limits import (
    BODY_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    MAX_BODIES_BYTES,
    MAX_BODY_BYTES,
    MAX_CONNECTIONS,
    MAX_REQUESTS,
    MAX_SUBSCRIBERS,
    SHUTDOWN_S,
    UNREAD_TIMEOUT_S,
)
from node.rpc.live import Live
from node.rpc.replies import reply
from node.rpc.routes import OPEN_TAG, Router
from node.rpc.table import ROUTES, Call
from node.service import NodeService

logger = logging.getLogger(__name__)

BACKLOG = 128
BEFORE_THE_BODY = (401, 403, 404, 405, 408, 411, 413, 415, 421, 503)
"""Statuses of refusals that may come while a body is still arriving."""


class RpcServer:
    """Serves `service` on `host`:`port` (0: any free one) until stopped."""

    def __init__(
        self,
        service: NodeService,
        host: str,
        port: int,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_subscribers: int = MAX_SUBSCRIBERS,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        unread_timeout_s: float = UNREAD_TIMEOUT_S,
        names: Sequence[str] = (),
        exposure: Exposure = UNPROTECTED,
        log: AccessLog | None = None,
        wall_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._service = service
        self._host = host
        self._port = port
        self._idle_timeout_s = idle_timeout_s
        self._unread_timeout_s = unread_timeout_s
        self._desk = Desk(service, log or AccessLog(), wall_ms, exposure.tokens)
        self._sockets, self._pulse, frames = Sockets(max_subscribers), Pulse(service), Frames(service)
        events = Events(service, self._desk, frames, self._pulse, self._sockets)
        self._live = Live(service, self._desk, frames, self._pulse, self._sockets)
        self._endpoints = Endpoints(service, self._desk, events, self._live, self._body, self._counters)
        self._router = Router(ROUTES)
        self._guard = Guard((host, *names))
        self._exposure = exposure
        self._listening: asyncio.Server | None = None
        self._max_connections = max_connections
        self._active = 0
        self._body_bytes = 0
        self._served = 0
        self._refused = 0
        self._runner: web.ServerRunner | None = None
        self.recorder = Recorder()

    async def start(self) -> str:
        """Listen; returns the base URL. Raises NodeError `rpc.port`, `rpc.exposed`."""
        self._exposure.demand(self._host)
        listener = Listener(
            self._handle,
            request_factory=_request,
            keepalive_timeout=self._idle_timeout_s,
            access_log=None,
            lingering_time=0.0,
            auto_decompress=False,
        )
        listener.max_connections = self._max_connections
        listener.unread_timeout_s = self._unread_timeout_s
        self._runner = web.ServerRunner(listener, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        try:
            assert self._runner.server is not None, "a runner that is set up has a server"
            self._listening = await asyncio.get_running_loop().create_server(
                self._runner.server,
                self._host,
                self._port,
                backlog=BACKLOG,
                ssl=self._exposure.tls,
                ssl_handshake_timeout=None if self._exposure.tls is None else HANDSHAKE_S,
            )
        except OSError as error:
            await self._runner.cleanup()
            taken = error.errno == errno.EADDRINUSE
            raise NodeError(
                "rpc.port",
                f"The RPC server can't listen on {self._host}:{self._port}: "
                f"{'another process does' if taken else error.strerror}.",
                "Stop that process, or choose another rpc port in config.toml (0 takes a free one).",
            ) from error
        self._port = self._listening.sockets[0].getsockname()[1]
        scheme = "http" if self._exposure.tls is None else "https"
        return f"{scheme}://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    async def stop(self) -> None:
        """Close every connection; requests under way get `SHUTDOWN_S`."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        await self._sockets.stop()
        self._pulse.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._served += 1
        if self._active >= MAX_REQUESTS:
            return self._error(request, _busy(f"{MAX_REQUESTS} requests are under way."))
        self._active += 1
        try:
            _demand_text(request)
            self._guard.check(request)
            return await self._route(request)
        except Refusal as refusal:
            return self._error(request, refusal)
        except BadRequest as error:
            return self._error(request, Refusal(401, error.code, error.message, error.hint))
        except (Denied, WithheldProof) as error:
            return self._error(request, Refusal(403, error.code, error.message, error.hint))
        except NodeError as error:
            return self._error(request, Refusal(503, error.code, error.message, error.hint))
        except ConnectionError:
            raise
        except Exception:
            logger.exception("RPC request failed: %s %r", request.method, request.path)
            return self._error(
                request,
                Refusal(
                    500,
                    "rpc.internal",
                    "The node failed to answer.",
                    "Its log has the details under this time.",
                ),
            )
        finally:
            self._active -= 1

    async def _route(self, request: web.BaseRequest) -> web.StreamResponse:
        rights, code = self._desk.admit(request), WITHHELD
        try:
            answer = await self._answered(request, rights)
            if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
                self.recorder.piece(request.path_qs.encode(), b"\n", answer.body)
            return answer
        except (BadRequest, Denied, WithheldProof) as error:
            code = error.code
            raise
        finally:
            self._desk.settle(request, rights, code)

    async def _answered(self, request: web.BaseRequest, rights: Rights) -> web.StreamResponse:
        """The answer to one request. `tests/rpc/test_access.py` says of each route what it keeps back."""
        found = self._router.find(request.method, request.path)
        if found.route.tag != OPEN_TAG:
            self._desk.let_in(request)
        answer = await self._call(Call(found, found.options(request.query), rights, request))
        return answer if isinstance(answer, web.StreamResponse) else reply(request, answer)

    async def _call(self, call: Call) -> Any:
        """What the route's handler answers: a document, or a whole response."""
        if call.found.route.state:
            return await self._endpoints.queries.state(call.found, call.options, call.rights)
        answer = call.found.route.handle(self._endpoints, call)
        return await answer if isawaitable(answer) else answer

    async def for_operator(self, target: str) -> dict[str, Any]:
        """The answer to `/query/...`, `/tx/...`, `/receipt/...` or `/refusals` as the node's own member may read it.

        Only for whoever may open the admin socket. Raises NodeError.
        """
        url = URL(target)
        found = self._router.find("GET", url.path)
        if not found.route.personal:
            raise Refusal(
                404, "rpc.unknown-path", f"There is no {target[:80]} to read.", "Give a path like /query/trust."
            )
        document: dict[str, Any] = await self._call(
            Call(found, found.options(url.query), self._desk.for_operator(), None)
        )
        return document

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The whole body, within bounds of size, time and memory. Raises `Refusal`."""
        size = request.content_length
        if size is None:
            raise Refusal(411, "rpc.length", "The request has no Content-Length.", "Send the body in one piece.")
        if size > MAX_BODY_BYTES:
            raise Refusal(
                413,
                "rpc.too-large",
                f"The body is larger than {MAX_BODY_BYTES} bytes.",
                "Send fewer envelopes at once.",
            )
        if self._body_bytes + size > MAX_BODIES_BYTES:
            raise _busy("Too many bodies are being received.")
        self._body_bytes += size
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await request.read()
                self.recorder.piece(body)
                return body
        except TimeoutError:
            raise Refusal(408, "rpc.slow", f"The body took more than {BODY_TIMEOUT_S:.0f} s to arrive.") from None
        except web.RequestPayloadError as error:
            raise malformed(f"The body is broken: {error}.") from None
        finally:
            self._body_bytes -= size

    def _error(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        self._refused += 1
        response = reply(request, refusal.document(), status=refusal.status)
        if refusal.allowed:
            response.headers[hdrs.ALLOW] = refusal.allowed
        if refusal.status in BEFORE_THE_BODY and request.can_read_body:
            # The rest of the body is still coming; don't read it.
            response.force_close()
        return response

    def _counters(self) -> dict[str, float]:
        return {
            "gridpact_rpc_requests_total": float(self._served),
            "gridpact_rpc_refused_total": float(self._refused),
            "gridpact_rpc_requests_active": float(self._active),
            "gridpact_rpc_subscribers": float(len(self._sockets.open)),
            "gridpact_rpc_subscribers_dropped_total": float(self._live.dropped),
        }


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


def _demand_text(request: web.BaseRequest) -> None:
    """Raises `Refusal`: what is no UTF-8 can be neither hashed nor said back, whichever header it is."""
    for name, value in request.headers.items():
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise malformed(f"The header {name[:40]} is no UTF-8.", "Send headers as ASCII.")


def _busy(message: str) -> Refusal:
    return Refusal(503, "rpc.busy", message, "Try again in a moment, or another node.")
