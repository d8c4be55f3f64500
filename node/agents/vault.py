"""What a seat must not forget while a key needs it, and must forget then: one secret for each attempt at a key.

Everything that a seat has of a threshold key follows from 32 bytes drawn for one attempt and from what is on the
ledger: the key to which its shares are sealed, its polynomial, and with the dealers' notes its share. So the file is
small, is synced before anything that follows from it leaves the process, and to erase these bytes is to erase the
share. One process at a time. Knows nothing of the network.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Annotated

from contracts.ceremony.records import MAX_HELD
from contracts.members import Record
from contracts.units import Count, Hash, Id, Meta
from node.agents.lock import lock_beside
from node.agents.page import Owned, Wording, read_page
from node.disk import Disk
from node.errors import NodeError
from zk.codec import Codec, encode

MAX_KEPT = MAX_HELD + 1
"""An attempt for each held key, and the one that runs."""


class Kept(Record, frozen=True):
    """The secret of one attempt."""

    epoch: Count
    attempt: Count
    secret: Hash


class Page(Record, frozen=True):
    """All that is in the file."""

    chain_id: str
    member: Id
    kept: Annotated[tuple[Kept, ...], Meta(max_length=MAX_KEPT)] = ()
    """Ascending by epoch and attempt."""


CODEC: Codec[Page] = Codec(Page, 8_192)
WORDING = Wording(
    "seat.corrupt",
    "shares of keys that it was for can't be given any more, until other keys are made",
    "seat.foreign",
    "Give each member and chain a vault of its own.",
)


class Vault:
    """The vault of one seat."""

    def __init__(self, path: Path, chain_id: str, member: str, disk: Disk) -> None:
        """Open or create. Raises NodeError `seat.corrupt`, `seat.foreign`, `seat.locked`, `disk.*`."""
        self._path = path
        self._disk = disk
        taken = NodeError(
            "seat.locked",
            f"Another process holds a seat with {path}.",
            "A member has one seat: stop the other one, or name another member with --as.",
        )
        self._lock = lock_beside(path, disk, taken)
        try:
            self.page = read_page(path, disk, CODEC, Page(chain_id, member), _owned, WORDING)
        except NodeError:
            self._lock.release()
            raise

    def find(self, epoch: int, attempt: int) -> bytes | None:
        """The secret of an attempt; None: there is none, or it was erased."""
        return next((one.secret for one in self.page.kept if (one.epoch, one.attempt) == (epoch, attempt)), None)

    def draw(self, epoch: int, attempt: int) -> bytes:
        """The secret of an attempt, drawn now where there was none; on disk when this returns. Raises `disk.*`."""
        found = self.find(epoch, attempt)
        if found is not None:
            return found
        fresh = Kept(epoch, attempt, secrets.token_bytes(32))
        self._write(sorted((*self.page.kept, fresh), key=lambda one: (one.epoch, one.attempt)))
        return fresh.secret

    def erase_others(self, needed: Collection[tuple[int, int]]) -> None:
        """Forget the secrets of all attempts but these, by epoch and attempt. Raises `disk.*`."""
        kept = [one for one in self.page.kept if (one.epoch, one.attempt) in needed]
        if len(kept) < len(self.page.kept):
            self._write(kept)

    def release(self) -> None:
        """Let another process have it."""
        self._lock.release()

    def _write(self, kept: list[Kept]) -> None:
        page = Page(self.page.chain_id, self.page.member, tuple(kept))
        self._disk.replace(self._path, encode(page))
        self.page = page


def _owned(page: Page) -> Owned:
    return Owned(page.member, page.chain_id)
