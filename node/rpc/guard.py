"""Keeps other sites' pages out: a browser that visits one may not be made to talk to this node.

A page gets at a node on its visitor's machine in two ways: it sends requests across origins, or it points its own name
at the node's address (DNS rebinding). The first is seen by `Origin` and `Sec-Fetch-Site`, the second by a `Host` that
is no address and no name of this node. Addresses can not be rebound. Knows nothing of who asks (`node.access`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from node.rpc.errors import Refusal

LOCAL = "localhost"
STRANGE_SITES = ("cross-site", "same-site")
"""Of `Sec-Fetch-Site`: another site's page made the browser send this."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens there."""
    if host.lower() == LOCAL:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks where requests to one node come from; `names` are its own besides addresses and `localhost`."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset((LOCAL, *(name.lower() for name in names)))

    def check(self, request: web.BaseRequest) -> None:
        """Raises `Refusal` 421 `rpc.host` or 403 `rpc.origin`."""
        authority = request.headers.get(hdrs.HOST, "")
        if not self._is_own(authority):
            raise Refusal(
                421,
                "rpc.host",
                f"This node is not called {authority[:80]!r}.",
                "Use its address, or list the name under names in the [rpc] part of its config.toml.",
            )
        origin, site = request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site", "")
        visits = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if (origin is not None and not _is_same(origin, authority)) or (site in STRANGE_SITES and not visits):
            raise Refusal(
                403,
                "rpc.origin",
                f"A page of {(origin or 'another site')[:80]} may not use this node.",
                "Open the node's own pages, or ask from a program instead of a browser.",
            )

    def _is_own(self, authority: str) -> bool:
        try:
            name = urlsplit(f"//{authority}").hostname or ""
            if name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _is_same(origin: str, authority: str) -> bool:
    """Whether an origin is the one that the request went to."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == authority.lower()
