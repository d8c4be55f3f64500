"""The page that an agent remembers itself by: one small file of one owner on one chain.

Reading refuses what is damaged and what is somebody else's, so that no agent goes on from another one's memory. Says
nothing of what is on the page, and never writes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from node.disk import Disk
from node.errors import NodeError
from zk.codec import Codec, Malformed

P = TypeVar("P")


class Wording(NamedTuple):
    """How a page is refused: codes, and what to do then."""

    corrupt: str
    away: str
    """What is lost with a damaged page that is moved away."""
    foreign: str
    own: str


class Owned(NamedTuple):
    """Whose a page is."""

    owner: str
    chain_id: str


def read_page(path: Path, disk: Disk, codec: Codec[P], fresh: P, owned: Callable[[P], Owned], wording: Wording) -> P:
    """The page at `path`, or `fresh` where there is none. Raises NodeError of `wording`, and `disk.*`."""
    if not disk.exists(path):
        return fresh
    try:
        page = codec.decode(disk.read(path))
    except Malformed as error:
        raise NodeError(
            wording.corrupt, f"{path} is damaged: {error.message}.", f"Move it away; {wording.away}."
        ) from None
    found, wanted = owned(page), owned(fresh)
    if found != wanted:
        raise NodeError(
            wording.foreign,
            f"{path} is of {found.owner} on {found.chain_id}, not of {wanted.owner} on {wanted.chain_id}.",
            wording.own,
        )
    return page
