"""What a builder must not forget: its open wagers with the salts and solutions behind them, and what it has lost.

One small file, replaced whole and synced before anything that it is about leaves the process; so a builder that is
killed after it committed can still reveal. One process at a time: a lock file beside it ends with the process. Knows
nothing of the network, and never decides anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from contracts.bodies import MAX_SOLUTION_BYTES, Claim
from contracts.members import Record
from contracts.units import Count, Hash, Id, Meta, TokenAmount, Tokens
from contracts.wagers.records import MAX_ROUNDS
from node.agents.lock import lock_beside
from node.agents.page import Owned, Wording, read_page
from node.disk import Disk
from node.errors import NodeError
from zk.codec import Codec, encode


class Engagement(Record, frozen=True):
    """A wager that was placed or may have been, and what was built for it."""

    round: Count
    claim: Claim
    amount_tokens: TokenAmount
    salt: Hash
    solution: Annotated[bytes, Meta(max_length=MAX_SOLUTION_BYTES)]


class Page(Record, frozen=True):
    """All that is in the file."""

    chain_id: str
    member: Id
    lost_tokens: Tokens = 0
    """Of all wagers that were judged."""
    earned_tokens: Tokens = 0
    open: Annotated[tuple[Engagement, ...], Meta(max_length=MAX_ROUNDS)] = ()
    """Ascending by round."""


CODEC: Codec[Page] = Codec(Page, (MAX_ROUNDS + 1) * (MAX_SOLUTION_BYTES + 1_024))
WORDING = Wording(
    "builder.corrupt",
    "commitments that were made with it can't be revealed any more",
    "builder.foreign",
    "Give each member and chain a book of its own.",
)


class Book:
    """The book of one builder."""

    def __init__(self, path: Path, chain_id: str, member: str, disk: Disk) -> None:
        """Open or create. Raises NodeError `builder.corrupt`, `builder.foreign`, `builder.locked`, `disk.*`."""
        self._path = path
        self._disk = disk
        taken = NodeError(
            "builder.locked",
            f"Another process builds with {path}.",
            "A member has one builder: stop the other one, or name another member with --as.",
        )
        self._lock = lock_beside(path, disk, taken)
        try:
            self.page = read_page(path, disk, CODEC, Page(chain_id, member), _owned, WORDING)
        except NodeError:
            self._lock.release()
            raise

    def find(self, round_: int) -> Engagement | None:
        """The open engagement in a round."""
        return next((one for one in self.page.open if one.round == round_), None)

    @property
    def staked_tokens(self) -> int:
        """What may still be lost."""
        return sum(one.amount_tokens for one in self.page.open)

    def open(self, engagement: Engagement) -> None:
        """Keep an engagement; on disk when this returns. Raises NodeError `disk.*`."""
        others = [one for one in self.page.open if one.round != engagement.round]
        self._write(msgspec.structs.replace(self.page, open=tuple(sorted([*others, engagement], key=_round))))

    def close(self, round_: int, lost_tokens: int = 0, earned_tokens: int = 0) -> None:
        """Forget an engagement and count what became of it. Raises NodeError `disk.*`."""
        left = tuple(one for one in self.page.open if one.round != round_)
        lost, earned = self.page.lost_tokens + lost_tokens, self.page.earned_tokens + earned_tokens
        self._write(msgspec.structs.replace(self.page, open=left, lost_tokens=lost, earned_tokens=earned))

    def release(self) -> None:
        """Let another process have it."""
        self._lock.release()

    def _write(self, page: Page) -> None:
        self._disk.replace(self._path, encode(page))
        self.page = page


def _round(engagement: Engagement) -> int:
    return engagement.round


def _owned(page: Page) -> Owned:
    return Owned(page.member, page.chain_id)
