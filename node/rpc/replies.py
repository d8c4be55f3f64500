"""Answers on the wire: documents as JSON or MessagePack, and the headers that every answer carries."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import hdrs, web

from node.render import render

JSON = "application/json"
MSGPACK = "application/msgpack"
NOTHING_LOADS = "default-src 'none'; frame-ancestors 'none'"
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": NOTHING_LOADS,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""A browser that opens an answer runs nothing of it, and gives it to no other site's page."""


def reply(
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


def raw_reply(body: bytes) -> web.Response:
    """A record in its canonical encoding."""
    return web.Response(body=body, content_type=MSGPACK, headers=SAFE_HEADERS)
