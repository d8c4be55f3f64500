"""A process that can open no socket: what it does in an island is done without any network, provably.

The interpreter tells every use of sockets to its audit hooks before it happens, and a hook can't be removed.
Descriptors that a parent left open are looked for. Native code that bypasses the interpreter is out of its reach; an
operator who does not trust that runs the process in a network namespace of its own (`unshare --net`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from node.errors import NodeError

_FORBIDDEN = ("socket.", "urllib.", "http.client.", "ftplib.", "smtplib.", "telnetlib.")


def forbid_network() -> None:
    """From now on, every attempt of this process at a socket raises NodeError `device.network`; for good.

    Also at a pair of its own, which reaches nobody: so no event loop runs here either.

    Raises the same at once where the process has one already.
    """
    held = open_sockets()
    if held:
        raise _forbidden(f"descriptor {held[0]} is one")
    sys.addaudithook(_refuse)


def open_sockets() -> list[int]:
    """Descriptors of this process that are sockets; none where the system does not say."""
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                    found.append(int(name))
    return sorted(found)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise _forbidden(f"it asked for {event}")


def _forbidden(what: str) -> NodeError:
    return NodeError(
        "device.network", f"A process without a network touched a socket: {what}.", "Start it without descriptors."
    )
