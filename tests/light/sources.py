"""Nodes that a light client can ask, without nodes: lists of blocks in memory, and over real sockets."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from consensus.light import LightBlock
from node.light.source import SourceError
from zk.codec import encode


class Listed:
    """A source that has `blocks`, the first of which is block 1. `silent`: gives no answer."""

    def __init__(self, name: str, blocks: Sequence[LightBlock]) -> None:
        self.url = name
        self.blocks = list(blocks)
        self.silent = False
        self.asked: list[int | None] = []

    def light_block(self, height: int | None = None) -> LightBlock | None:
        self.asked.append(height)
        if self.silent:
            raise SourceError("light.unreachable", f"No answer from {self.url}: it is silent.")
        if not self.blocks or (height is not None and not 1 <= height <= len(self.blocks)):
            return None
        return self.blocks[-1 if height is None else height - 1]


def answer(status: str, body: bytes = b"", headers: str = "") -> bytes:
    """A whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def of_blocks(blocks: Sequence[LightBlock]) -> Callable[[str], bytes]:
    """What a node with these blocks answers to a path."""

    def say(path: str) -> bytes:
        which = path.removeprefix("/light/")
        number = len(blocks) if which == "latest" else int(which)
        if not 1 <= number <= len(blocks):
            return answer("404 Not Found", b"{}")
        return answer("200 OK", encode(blocks[number - 1]))

    return say


@contextmanager
def listening(say: Callable[[str], bytes | Iterator[bytes]]) -> Iterator[str]:
    """URL of a server that sends what `say` makes of the path, in one piece or in several."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().decode().split(" ")[1]
            while self.rfile.readline().strip():
                pass
            said = say(path)
            try:
                for piece in [said] if isinstance(said, bytes) else said:
                    self.wfile.write(piece)
            except OSError:
                # The client has seen enough.
                return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
