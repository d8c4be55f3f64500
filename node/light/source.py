"""Asking one node for light blocks over plain HTTP, with bounds on bytes and time that hold against any server.

The whole answer is read before a byte of it is looked at, so that a server that trickles, or never ends, costs
`DEADLINE_S` and `MAX_ANSWER_BYTES` at most. Never retries, and keeps no connection: nodes are restarted at any time.
"""

from __future__ import annotations

import io
import socket
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import cast
from urllib.parse import SplitResult, urlsplit

from consensus.light import CODEC, MAX_LIGHT_BLOCK_BYTES, LightBlock
from node.errors import NodeError
from zk.codec import Malformed

DEADLINE_S = 10.0
"""From connecting to the last byte."""
MAX_HEAD_BYTES = 16 * 1024
MAX_ANSWER_BYTES = MAX_HEAD_BYTES + MAX_LIGHT_BLOCK_BYTES
CHUNK_BYTES = 16 * 1024


class SourceError(NodeError):
    """A node that gave no usable answer: `light.unreachable`, `light.garbled`, or `light.behind`."""


class Source:
    """The light blocks of the node at `url`. Raises NodeError `cli.node` for what is no URL of a node."""

    def __init__(self, url: str, deadline_s: float = DEADLINE_S) -> None:
        self.url = url.rstrip("/")
        self._deadline_s = deadline_s
        self._parts = _parts(self.url)

    def light_block(self, height: int | None = None) -> LightBlock | None:
        """The light block of `height` (None: the newest), or None when the node has none. Raises `SourceError`."""
        path = f"{self._parts.path}/light/{'latest' if height is None else height}"
        try:
            status, body = _parse(self._read(path))
        except (OSError, HTTPException) as error:
            raise SourceError(
                "light.unreachable",
                f"No answer from {self.url}: {error or type(error).__name__}.",
                "Is the node running? It is asked again.",
            ) from None
        if status == 404:
            return None
        if status != 200:
            raise self._garbled(f"status {status}")
        try:
            return CODEC.decode(body)
        except Malformed as error:
            raise self._garbled(error.message) from None

    def _read(self, path: str) -> bytes:
        """Everything that the server sends until it closes the connection."""
        deadline = monotonic() + self._deadline_s
        host = self._parts.hostname or ""
        secure = self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        connection = socket.create_connection((host, port), self._deadline_s)
        try:
            if secure:
                import ssl

                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=host)
            # HTTP/1.0: the end of the answer is the end of the connection.
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {self._parts.netloc}\r\n\r\n".encode())
            answer = bytearray()
            while len(answer) <= MAX_ANSWER_BYTES:
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError(f"it took more than {self._deadline_s:g} s")
                connection.settimeout(left)
                chunk = connection.recv(CHUNK_BYTES)
                if not chunk:
                    return bytes(answer)
                answer += chunk
        finally:
            connection.close()
        raise self._garbled(f"more than {MAX_ANSWER_BYTES} bytes")

    def _garbled(self, what: str) -> SourceError:
        return SourceError(
            "light.garbled", f"{self.url} serves no light blocks: {what}.", "Name the RPC of a Gridpact node."
        )


class _Received:
    """Bytes in place of the socket that `HTTPResponse` reads from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def _parse(raw: bytes) -> tuple[int, bytes]:
    """Status and body of an answer. Raises `HTTPException`."""
    # Of a socket it uses `makefile` alone.
    response = HTTPResponse(cast(socket.socket, _Received(raw)))
    try:
        response.begin()
        return response.status, response.read()
    except OverflowError as error:
        # A length beyond what any machine could hold.
        raise HTTPException(str(error)) from None


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise NodeError("cli.node", f"{url} is not a node's URL.", "Give it like http://127.0.0.1:8545.")
    return parts
