"""One process at a time for a file of an agent: a lock file beside it, which ends with the process.

The lock is in a file of its own because agents replace theirs. Says nothing of what the file holds.
"""

from __future__ import annotations

from pathlib import Path

from node.disk import Disk, Lock
from node.errors import NodeError

LOCK_SUFFIX = ".lock"


def lock_beside(path: Path, disk: Disk, taken: NodeError) -> Lock:
    """The lock of `path`. Raises `taken` where another process has it, NodeError `disk.*`."""
    beside = path.with_name(path.name + LOCK_SUFFIX)
    disk.open_append(beside).close()
    try:
        return disk.lock(beside)
    except NodeError as error:
        if error.code != "disk.locked":
            raise
        raise taken from None
