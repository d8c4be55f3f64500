"""What frames mean, for everybody who looks on: oracles, traces, liars. Never what a replica uses to read them."""

from __future__ import annotations

from functools import lru_cache

from node.peer.wire import CODECS, Frame
from zk.codec import Malformed


@lru_cache(maxsize=1_024)
def read(frame: Frame, body: bytes) -> object:
    """The message in a frame, None if there is none: the same body goes to everybody, so it is decoded once."""
    try:
        return CODECS[frame].decode(body)
    except Malformed:
        return None
