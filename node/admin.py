"""The local admin socket: one JSON document per line, on a unix socket in the node's home. Never on the network.

Commands: `status`, `read`, `stop`, `clock-now`, `clock` and, on devnets, `partition`, `heal`, `profile`, `trace` and
`record`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from node.errors import UNREADABLE, NodeError

SOCKET_NAME = "admin.sock"
MAX_LINE = 64 * 1024
"""Bytes of a command."""
MAX_ANSWER = 32 * 1024 * 1024
"""Bytes of what comes back: `read` answers with documents as long as those of the RPC server."""
MAX_SOCKET_PATH = 100
"""Longer paths do not fit a unix socket address (108 bytes with its terminator)."""

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@contextlib.contextmanager
def socket_address(home: Path) -> Iterator[str]:
    """Address of the socket in `home`; through the folder's descriptor where the path is too long for one."""
    path = str(home / SOCKET_NAME)
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        yield path
        return
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_NAME}"
    finally:
        os.close(descriptor)


class AdminServer:
    """Serves one handler to whoever may open the socket file (mode 0600)."""

    def __init__(self, home: Path, handler: Handler) -> None:
        self._home = home
        self._handler = handler
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Bind, replacing the socket file of a node that was killed."""
        (self._home / SOCKET_NAME).unlink(missing_ok=True)
        with socket_address(self._home) as address:
            self._server = await asyncio.start_unix_server(self._serve, address, limit=MAX_LINE)
        os.chmod(self._home / SOCKET_NAME, 0o600)

    async def stop(self) -> None:
        """Close the socket and remove its file."""
        if self._server is not None:
            self._server.close()
        (self._home / SOCKET_NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line)) + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            return {"ok": True, **await self._handler(msgspec.json.decode(line, type=dict[str, Any]))}
        except NodeError as error:
            return {"code": error.code, "message": error.message, "hint": error.hint}
        except UNREADABLE as error:
            return {
                "code": "admin.malformed",
                "message": str(error),
                "hint": "Send one JSON object per line.",
            }


async def call(home: Path, command: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Send one command to the node in `home`. Raises NodeError with the node's code, or `admin.unreachable`."""
    try:
        async with asyncio.timeout(timeout_s):
            with socket_address(home) as address:
                reader, writer = await asyncio.open_unix_connection(address, limit=MAX_ANSWER)
            writer.write(msgspec.json.encode(command) + b"\n")
            line = await reader.readline()
            writer.close()
        answer = msgspec.json.decode(line or b'{"code":"admin.unreachable"}', type=dict[str, Any])
    except (OSError, TimeoutError, ValueError, *UNREADABLE) as error:
        raise NodeError(
            "admin.unreachable",
            f"no answer from the node in {home}: {error}",
            "Is it running? `gridpact devnet status`",
        ) from None
    if "code" in answer:
        raise NodeError(answer["code"], answer.get("message", "the node hung up"), answer.get("hint", ""))
    return answer
