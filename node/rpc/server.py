"""The node's HTTP server: limits, routing, error documents. What is answered is in the modules beside it.

Every byte is hostile. Connections, requests under way, bodies in memory, waits and subscribers are bounded
(`node.rpc.limits`); heads and bodies that trickle are cut off; nothing but a code, a sentence and a hint
ever describes a failure. Holds no rules and no admin calls: those are on a local socket.

Built on aiohttp's low-level server with a `match` for a router, because submission is the hot path.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from node.access.log import AccessLog
from node.access.requests import BadRequest
from node.access.rights import Denied, Rights
from node.access.shown import WithheldProof
from node.clock import wall_ms
from node.errors import NodeError
from node.render import render
from node.rpc.access import WITHHELD, Desk
from node.rpc.blocks import Blocks
from node.rpc.errors import Refusal, malformed
from node.rpc.events import Events
from node.rpc.evidence import report
from node.rpc.light import light_block
from node.rpc.limits import (
    BODY_TIMEOUT_S,
    IDLE_TIMEOUT_S,
    MAX_BODIES_BYTES,
    MAX_BODY_BYTES,
    MAX_CONNECTIONS,
    MAX_REQUESTS,
    MAX_SUBSCRIBERS,
    SHUTDOWN_S,
)
from node.rpc.queries import Queries
from node.rpc.submit import read_submission, submit
from node.service import NodeService
from zk.codec import encode

logger = logging.getLogger(__name__)

JSON = "application/json"
MSGPACK = "application/msgpack"
TEXT = "text/plain"
SAFE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
BACKLOG = 128


class _Listener(web.Server):
    """aiohttp's connection factory, with a bound on how many connections there are."""

    max_connections = MAX_CONNECTIONS

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > self.max_connections:
            transport.abort()


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
        log: AccessLog | None = None,
        wall_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._service = service
        self._host = host
        self._port = port
        self._idle_timeout_s = idle_timeout_s
        self._blocks = Blocks(service)
        self._queries = Queries(service, self._blocks)
        self._desk = Desk(service, log or AccessLog(), wall_ms)
        self._events = Events(service, self._desk, max_subscribers)
        self._max_connections = max_connections
        self._active = 0
        self._body_bytes = 0
        self._served = 0
        self._refused = 0
        self._runner: web.ServerRunner | None = None

    async def start(self) -> str:
        """Listen; returns the base URL. Raises NodeError `rpc.port`."""
        listener = _Listener(
            self._handle,
            request_factory=_request,
            keepalive_timeout=self._idle_timeout_s,
            access_log=None,
            lingering_time=0.0,
            auto_decompress=False,
        )
        listener.max_connections = self._max_connections
        self._runner = web.ServerRunner(listener, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, backlog=BACKLOG).start()
        except OSError as error:
            await self._runner.cleanup()
            taken = error.errno == errno.EADDRINUSE
            raise NodeError(
                "rpc.port",
                f"The RPC server can't listen on {self._host}:{self._port}: "
                f"{'another process does' if taken else error.strerror}.",
                "Stop that process, or choose another rpc port in config.toml (0 takes a free one).",
            ) from error
        self._port = self._runner.addresses[0][1]
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self._port}"

    async def stop(self) -> None:
        """Close every connection; requests under way get `SHUTDOWN_S`."""
        await self._events.stop()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._served += 1
        if self._active >= MAX_REQUESTS:
            return self._error(request, _busy(f"{MAX_REQUESTS} requests are under way."))
        self._active += 1
        try:
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
            return await self._answered(request, rights)
        except (BadRequest, Denied, WithheldProof) as error:
            code = error.code
            raise
        finally:
            self._desk.settle(request, rights, code)

    async def _answered(self, request: web.BaseRequest, rights: Rights) -> web.StreamResponse:
        """The answer to one request. `tests/rpc/test_access.py` says of each route what it keeps back."""
        blocks, queries, options = self._blocks, self._queries, request.query
        match (request.method, *request.path.strip("/").split("/")):
            case ("POST", "tx"):
                return await self._submit(request)
            case ("POST", "evidence"):
                return await self._report(request)
            case ("GET", "status"):
                return _answer(request, {**self._service.status(), "access": self._desk.status()})
            case ("GET", "health"):
                healthy, sentence = self._service.health()
                return _answer(request, {"ok": healthy, "message": sentence}, status=200 if healthy else 503)
            case ("GET", "metrics"):
                return web.Response(text=self._metrics(), content_type=TEXT, headers=SAFE_HEADERS)
            case ("GET", "genesis"):
                body = encode(self._service.ledger.genesis)
                return web.Response(body=body, content_type=MSGPACK, headers=SAFE_HEADERS)
            case ("GET", "block", which):
                return _answer(request, blocks.block(which))
            case ("GET", "header", which):
                return _answer(request, blocks.header(which))
            case ("GET", "light", which):
                body = light_block(self._service, which)
                return web.Response(body=body, content_type=MSGPACK, headers=SAFE_HEADERS)
            case ("GET", "tx", hash_):
                return _answer(request, await blocks.transaction(hash_, options, rights))
            case ("GET", "receipt", height, index):
                return _answer(request, await blocks.receipt(height, index, options, rights))
            case ("GET", "query", kind, *arguments):
                return _answer(request, await queries.state(kind, arguments, options, rights))
            case ("GET", "refusals"):
                return _answer(request, self._desk.refusals(rights))
            case ("GET", "events"):
                return await self._events.serve(request, rights)
            case ("GET" | "POST", *_):
                raise Refusal(404, "rpc.unknown-path", f"There is no {request.method} {request.path[:80]}.")
            case _:
                raise Refusal(405, "rpc.method", "Only GET and POST are served.")

    async def for_operator(self, target: str) -> dict[str, Any]:
        """The answer to `/query/...`, `/tx/...`, `/receipt/...` or `/refusals` as the node's own member may read it.

        Only for whoever may open the admin socket. Raises NodeError.
        """
        url = URL(target)
        rights = self._desk.for_operator()
        match url.path.strip("/").split("/"):
            case ["query", kind, *arguments]:
                return await self._queries.state(kind, arguments, url.query, rights)
            case ["tx", hash_]:
                return await self._blocks.transaction(hash_, url.query, rights)
            case ["receipt", height, index]:
                return await self._blocks.receipt(height, index, url.query, rights)
            case ["refusals"]:
                return self._desk.refusals(rights)
        raise Refusal(404, "rpc.unknown-path", f"There is no {target[:80]} to read.", "Give a path like /query/trust.")

    async def _submit(self, request: web.BaseRequest) -> web.Response:
        binary = request.content_type == MSGPACK
        if not binary and request.content_type != JSON:
            # Also keeps web pages from submitting through a visitor's browser: these types need a preflight.
            raise Refusal(415, "rpc.content-type", f"Send {JSON} or {MSGPACK}, not {request.content_type[:60]}.")
        submission = read_submission(await self._body(request), binary=binary)
        return _answer(request, await submit(self._service, submission), binary=binary)

    async def _report(self, request: web.BaseRequest) -> web.Response:
        if request.content_type != MSGPACK:
            raise Refusal(415, "rpc.content-type", f"Send {MSGPACK}, not {request.content_type[:60]}.")
        return _answer(request, await report(self._service, await self._body(request)))

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
                return await request.read()
        except TimeoutError:
            raise Refusal(408, "rpc.slow", f"The body took more than {BODY_TIMEOUT_S:.0f} s to arrive.") from None
        except web.RequestPayloadError as error:
            raise malformed(f"The body is broken: {error}.") from None
        finally:
            self._body_bytes -= size

    def _error(self, request: web.BaseRequest, refusal: Refusal) -> web.Response:
        self._refused += 1
        response = _answer(request, refusal.document(), status=refusal.status)
        if refusal.status in (408, 411, 413, 415, 503) and request.can_read_body:
            # The rest of the body is still coming; don't read it.
            response.force_close()
        return response

    def _metrics(self) -> str:
        values = {
            **self._service.metrics(),
            **self._desk.metrics(),
            "gridpact_rpc_requests_total": float(self._served),
            "gridpact_rpc_refused_total": float(self._refused),
            "gridpact_rpc_requests_active": float(self._active),
            "gridpact_rpc_subscribers": float(self._events.subscribers),
        }
        lines = []
        for name, value in sorted(values.items()):
            family = name.partition("{")[0]
            kind = f"# TYPE {family} {'counter' if family.endswith('_total') else 'gauge'}"
            if kind not in lines:
                lines.append(kind)
            lines.append(f"{name} {value:.10g}")
        return "\n".join(lines) + "\n"


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


def _answer(
    request: web.BaseRequest, document: dict[str, Any], *, status: int = 200, binary: bool | None = None
) -> web.Response:
    """`document` as JSON, or as MessagePack for whoever asks for (or sent) that."""
    if binary is None:
        binary = MSGPACK in request.headers.get(hdrs.ACCEPT, "")
    if binary:
        body, content_type = msgspec.msgpack.encode(document), MSGPACK
    else:
        body, content_type = msgspec.json.encode(render(document)), JSON
    return web.Response(body=body, status=status, content_type=content_type, headers=SAFE_HEADERS)


def _busy(message: str) -> Refusal:
    return Refusal(503, "rpc.busy", message, "Try again in a moment, or another node.")
