"""The process that checks proofs: `python -m node.proving.worker`. Reads questions from its standard input until that
ends, and answers each on its standard output; knows no file, no key and no network.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import BinaryIO

import msgspec

from zk.statements import check
from zk.statements.assertion import Assertion

LENGTH_BYTES = 4
NICE = 5
"""The node's own process, which votes, goes first."""

_QUESTION = msgspec.msgpack.Decoder(list[Assertion])
_ANSWER = msgspec.msgpack.Decoder(list[bool])


def question(assertions: Sequence[Assertion]) -> bytes:
    """As a worker reads it: its length, then MessagePack."""
    return framed(msgspec.msgpack.encode(assertions))


def framed(body: bytes) -> bytes:
    """A body behind its length."""
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def answers(body: bytes) -> list[bool]:
    """What a worker said, without its length. msgspec.DecodeError when it is no answer."""
    return _ANSWER.decode(body)


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer until there is nothing more to read."""
    while len(length := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        asked = _QUESTION.decode(source.read(int.from_bytes(length, "big")))
        sink.write(framed(msgspec.msgpack.encode(check.verify_all(asked))))
        sink.flush()


def main() -> None:
    """Entry point."""
    # Whoever interrupts the node in a terminal means the node; this process ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
