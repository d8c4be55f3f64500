"""The node's own pages: files of `node/web`, held in memory, found by their exact names.

They load nothing from anywhere else and run no script that is not one of them. Reads no file after the first request,
so that no name that somebody sends ever reaches a path.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from aiohttp import hdrs, web

from node.rpc.errors import Refusal

ROOT = Path(__file__).parent.parent / "web"
MAX_SITE_BYTES = 8 * 1024 * 1024
"""Of all files together."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served, by suffix; nothing else is."""
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
PAGE_HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}


class Page(NamedTuple):
    """One file."""

    body: bytes
    content_type: str
    tag: str
    """For `If-None-Match`."""


@lru_cache(maxsize=4)
def pages(root: Path = ROOT) -> dict[str, Page]:
    """Every file that is served, by its path below `root`."""
    found: dict[str, Page] = {}
    size = 0
    for path in sorted(root.rglob("*")):
        if path.suffix in TYPES and path.is_file():
            body = path.read_bytes()
            size += len(body)
            assert size <= MAX_SITE_BYTES, f"the pages have more than {MAX_SITE_BYTES} bytes"
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found[path.relative_to(root).as_posix()] = Page(body, TYPES[path.suffix], tag)
    return found


def page(request: web.BaseRequest, name: str) -> web.Response:
    """One file, or 304 where the asker has it. Raises `Refusal` 404."""
    found = pages().get(name)
    if found is None:
        raise Refusal(404, "rpc.unknown-page", f"There is no page {name[:80]}.", "The pages start at /.")
    headers = PAGE_HEADERS | {hdrs.ETAG: found.tag}
    if request.headers.get(hdrs.IF_NONE_MATCH) == found.tag:
        return web.Response(status=304, headers=headers)
    return web.Response(body=found.body, headers=headers | {hdrs.CONTENT_TYPE: found.content_type})
