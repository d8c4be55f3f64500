"""What a node hears and answers, in the clear, written to a file: for devnets that search it for what nobody may know.

Off unless an admin asks for it, and only where the genesis document is that of a devnet. Never changes a byte.
"""

from __future__ import annotations

from pathlib import Path

MAX_BYTES = 256 * 1024 * 1024
"""After so many nothing more is written."""


class Recorder:
    """Appends pieces to a file."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._left = MAX_BYTES

    def start(self, path: Path) -> None:
        """Record from now on into this file."""
        self._path = path

    def piece(self, *parts: bytes) -> None:
        """Write what went over one connection, a line with its length before it."""
        if self._path is None or (size := sum(map(len, parts))) > self._left:
            return
        self._left -= size
        with self._path.open("ab") as file:
            file.write(b"\n%d\n" % size + b"".join(parts))
