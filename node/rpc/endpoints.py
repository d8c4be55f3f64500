"""What each route does, over the parts that know how: blocks, state, submission, events, pages. No HTTP mechanics.

An endpoint answers a document, or a whole response where it is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import hdrs, web

from node.rpc import listing
from node.rpc.blocks import Blocks
from node.rpc.errors import Refusal
from node.rpc.evidence import report
from node.rpc.idempotency import KEY, Keys
from node.rpc.light import light_block
from node.rpc.metrics import prometheus
from node.rpc.openapi import make_document
from node.rpc.queries import Queries
from node.rpc.recheck import Recheck
from node.rpc.replies import JSON, MSGPACK, SAFE_HEADERS, raw_reply, reply
from node.rpc.routes import Document
from node.rpc.site import page
from node.rpc.submit import read_submission, submit
from node.rpc.table import METRICS, ROUTES, Call
from zk.codec import encode

if TYPE_CHECKING:
    from node.rpc.access import Desk
    from node.rpc.events import Events
    from node.rpc.live import Live
    from node.service import NodeService

ReadBody = Callable[[web.BaseRequest], Awaitable[bytes]]


@lru_cache(maxsize=1)
def openapi() -> bytes:
    """The document of this version, encoded once."""
    return msgspec.json.encode(make_document(ROUTES))


class Endpoints:
    """Handlers of one node's routes; `read_body` takes a body within the server's bounds."""

    def __init__(
        self,
        service: NodeService,
        desk: Desk,
        events: Events,
        live: Live,
        read_body: ReadBody,
        counters: Callable[[], dict[str, float]],
    ) -> None:
        self._service = service
        self._ledger = service.ledger
        self._read_body = read_body
        self._counters = counters
        self._keys = Keys()
        self.desk = desk
        self.events = events
        self.live = live
        self.blocks = Blocks(service)
        self.queries = Queries(service, self.blocks)
        self.recheck = Recheck(service.ledger)

    def read(self, call: Call) -> list[Any]:
        """What the path names. Raises `Refusal`."""
        return call.found.arguments(self.queries)

    def page(self, call: Call, name: str) -> web.Response:
        """A file of the node's own pages."""
        assert call.request is not None, "pages are for browsers"
        return page(call.request, name)

    def document(self, call: Call) -> web.Response:
        """`/openapi.json`."""
        return web.Response(body=openapi(), content_type=JSON, headers=SAFE_HEADERS)

    def status(self) -> Document:
        """The node's own words."""
        return {**self._service.status(), "access": self.desk.status()}

    def health(self, call: Call) -> web.Response:
        """For whoever restarts or routes around nodes: the status alone says it."""
        assert call.request is not None, "the admin socket has `status`"
        healthy, sentence = self._service.health()
        return reply(call.request, {"ok": healthy, "message": sentence}, status=200 if healthy else 503)

    def metrics(self) -> web.Response:
        """Counters and gauges of the node and of this server."""
        text = prometheus({**self._service.metrics(), **self.desk.metrics(), **self._counters()})
        return web.Response(body=text.encode(), headers=SAFE_HEADERS | {hdrs.CONTENT_TYPE: METRICS})

    def genesis(self) -> web.Response:
        """What everybody trusts."""
        return raw_reply(encode(self._ledger.genesis))

    def light(self, call: Call) -> web.Response:
        """One light block."""
        return raw_reply(light_block(self._service, *self.read(call)))

    async def block_list(self, call: Call) -> Document:
        """A page of blocks."""
        return await listing.blocks(self._ledger, call.options["before"], call.options["limit"])

    async def transaction_list(self, call: Call) -> Document:
        """A page of transactions."""
        options = call.options
        wanted = {name: options[name] for name in ("sender", "body", "code")}
        return await listing.transactions(self._ledger, call.rights, options["before"], options["limit"], wanted)

    async def submit(self, call: Call) -> web.Response:
        """Envelopes in, results out, in the form in which they came."""
        request = call.request
        assert request is not None, "the admin socket submits nothing"
        binary = request.content_type == MSGPACK
        if not binary and request.content_type != JSON:
            # Also keeps web pages from submitting through a visitor's browser: these types need a preflight.
            raise Refusal(415, "rpc.content-type", f"Send {JSON} or {MSGPACK}, not {request.content_type[:60]}.")
        text = request.headers.get(KEY.name)
        key = None if text is None else KEY.read(text)
        submission = read_submission(await self._read_body(request), binary=binary)
        if key is None:
            return reply(request, await submit(self._service, submission), binary=binary)
        caller, taken = self.desk.caller(request), True
        self._keys.claim(caller, key, submission.envelopes)
        try:
            answer = await submit(self._service, submission)
            taken = any(result["status"] != "refused" for result in answer["results"])
        finally:
            self._keys.settle(caller, key, submission.envelopes, taken=taken)
        return reply(request, answer, binary=binary)

    async def report(self, call: Call) -> Document:
        """Evidence in."""
        request = call.request
        assert request is not None, "the admin socket reports nothing"
        if request.content_type != MSGPACK:
            raise Refusal(415, "rpc.content-type", f"Send {MSGPACK}, not {request.content_type[:60]}.")
        return await report(self._service, await self._read_body(request))
