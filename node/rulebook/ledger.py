"""What a ruled agent must not forget: how far it acted, what the day cost, what it signed and has not seen final.

One small file, replaced whole and synced before anything that it is about leaves the process. So an agent that is
killed anywhere says nothing twice, and no limit is lifted by a restart. One process at a time: a lock file beside it
ends with the process. Knows nothing of the network, and never decides anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from contracts.envelope import MAX_ENVELOPE_BYTES
from contracts.members import Record
from contracts.params import DAY_MS
from contracts.units import Count, Id, Interval, Meta, Tokens, Total
from node.agents.lock import lock_beside
from node.agents.page import Owned, Wording, read_page
from node.disk import Disk
from node.errors import NodeError
from node.rulebook.sight import Sight, Spent
from zk.codec import Codec, encode

MAX_OPEN = 256
"""Intervals that were acted on and are not billed yet; of one more, the oldest counts at its worst for good."""
MAX_PENDING = 64


class Open(Record, frozen=True):
    """An interval that is not billed yet, and the worst that it may cost."""

    interval: Interval
    worst_nano: Total


class Page(Record, frozen=True):
    """All that is in the file."""

    chain_id: str
    member: Id
    acted: Interval = 0
    """The last interval that was acted on."""
    day: Count = 0
    """Days from 1970-01-01 to that of the figures that follow."""
    spent_nano: Total = 0
    """Paid by bills of the day's intervals."""
    staked_tokens: Tokens = 0
    open: Annotated[tuple[Open, ...], Meta(max_length=MAX_OPEN)] = ()
    """Ascending by interval; also those of the day before, which count until they are billed."""
    pending: Annotated[
        tuple[Annotated[bytes, Meta(max_length=MAX_ENVELOPE_BYTES)], ...], Meta(max_length=MAX_PENDING)
    ] = ()
    """Signed, and not known to be final."""
    stopped: str = ""
    """Code of the limit that was hit last, until it is not hit any more."""


CODEC: Codec[Page] = Codec(Page, (MAX_PENDING + 1) * (MAX_ENVELOPE_BYTES + 1_024))
WORDING = Wording(
    "rulebook.corrupt",
    "what the day has cost so far then counts no more",
    "rulebook.foreign",
    "Give each member and chain a file of its own.",
)


class RuleLedger:
    """The file of one agent."""

    def __init__(self, path: Path, chain_id: str, member: str, disk: Disk) -> None:
        """Open or create. Raises NodeError `rulebook.corrupt`, `rulebook.foreign`, `rulebook.locked`, `disk.*`."""
        self._path = path
        self._disk = disk
        taken = NodeError(
            "rulebook.locked", f"Another process acts with {path}.", "A member has one ruled agent: stop the other."
        )
        self._lock = lock_beside(path, disk, taken)
        try:
            self.page = read_page(path, disk, CODEC, Page(chain_id, member), _owned, WORDING)
        except NodeError:
            self._lock.release()
            raise

    def look(self, sight: Sight) -> Spent:
        """What counts against the limits of the sight's day, once what has been billed since is known."""
        page = self.page
        if sight.day != page.day:
            page = msgspec.structs.replace(page, day=sight.day, spent_nano=0, staked_tokens=0)
        billed = dict(sight.settled)
        left = []
        paid_nano = page.spent_nano
        for one in page.open:
            if one.interval not in billed:
                left.append(one)
            elif one.interval * sight.interval_ms // DAY_MS == sight.day:
                paid_nano += max(0, billed[one.interval])
        page = msgspec.structs.replace(page, open=tuple(left), spent_nano=paid_nano)
        if page != self.page:
            self._write(page)
        # What was said of the sight's own interval is said anew, or not at all.
        open_nano = sum(one.worst_nano for one in page.open if one.interval != sight.interval)
        return Spent(page.spent_nano + open_nano, page.staked_tokens)

    def act(self, interval: int, worst_nano: int, stake_tokens: int, envelopes: tuple[bytes, ...]) -> None:
        """Keep what is about to be said of an interval; on disk when this returns. Raises NodeError `disk.*`."""
        page = self.page
        others = tuple(one for one in page.open if one.interval != interval)
        opened = (*others, *((Open(interval, worst_nano),) if worst_nano else ()))
        spent_nano = page.spent_nano + sum(one.worst_nano for one in opened[:-MAX_OPEN])
        self._write(
            msgspec.structs.replace(
                page,
                acted=interval,
                open=opened[-MAX_OPEN:],
                spent_nano=spent_nano,
                staked_tokens=page.staked_tokens + stake_tokens,
                pending=(*page.pending, *envelopes)[-MAX_PENDING:],
                stopped="",
            )
        )

    def stop(self, interval: int, code: str) -> None:
        """A limit was hit: nothing is said of the interval."""
        self._write(msgspec.structs.replace(self.page, acted=interval, stopped=code))

    def done(self, envelopes: tuple[bytes, ...]) -> None:
        """These are final, or will never be."""
        left = tuple(one for one in self.page.pending if one not in envelopes)
        if left != self.page.pending:
            self._write(msgspec.structs.replace(self.page, pending=left))

    def release(self) -> None:
        """Let another process have it."""
        self._lock.release()

    def _write(self, page: Page) -> None:
        self._disk.replace(self._path, encode(page))
        self.page = page


def _owned(page: Page) -> Owned:
    return Owned(page.member, page.chain_id)
