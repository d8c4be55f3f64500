"""What the agents' process has to remember when it is killed: where the run and the physical world stand.

Two files, each replaced whole: `agents.json` (progress, which others may read) and `market.json` (the newest
market's signed envelopes, since a second signature of the same offer would be a second transaction). Readings
are not in here: each gateway has its own outbox.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from devnet.courier import Parcel
from devnet.directory import Layout, damaged, write_whole
from devnet.observation import Submitted
from devnet.world import WorldState
from node.errors import UNREADABLE


class Progress(msgspec.Struct):
    """How far the agents are, and what the world was like when they wrote this."""

    waiting_for: str = "the agents to start"
    first: int | None = None
    """First interval of the run."""
    interval: int | None = None
    """Interval under way."""
    begun: int = 0
    """Intervals of the run that have started."""
    happened: int | None = None
    """Newest interval whose energy has flowed."""
    done: bool = False
    error: str | None = None
    refused: dict[str, int] = {}
    """Refusals by code."""
    outcomes: dict[int, dict[str, int]] = {}
    """What physically happened: injected_wh, withdrawn_wh, losses_wh, unserved_wh, curtailed_wh by interval."""
    flowed: dict[int, dict[str, tuple[int, int]]] = {}
    """What really crossed the meters of lines and those that misread at times, by interval."""
    shown: dict[str, tuple[int, int]] = {}
    """Import and export register of each meter as its gateway last signed them."""
    world: WorldState | None = None
    seconds: dict[int, float] = {}
    """What each sealed round took, from its opening to the buyer's payment."""


class _Market(msgspec.Struct, frozen=True):
    interval: int
    parcels: tuple[tuple[bytes, Submitted], ...]


class Diary:
    """The two files of one devnet."""

    def __init__(self, layout: Layout) -> None:
        self._progress = layout.progress
        self._market = layout.market

    def tell(self, progress: Progress) -> None:
        """Replace what is known; it survives a kill of this process."""
        write_whole(self._progress, msgspec.json.encode(progress), durable=False)

    def progress(self) -> Progress:
        """What was told last; a fresh document before anything was."""
        try:
            return msgspec.json.decode(self._progress.read_bytes(), type=Progress)
        except FileNotFoundError:
            return Progress()
        except UNREADABLE as error:
            raise damaged(self._progress, error) from None

    def posting(self, interval: int, make: Callable[[], Sequence[Parcel]]) -> Sequence[Parcel]:
        """The market of `interval`: as it was signed before if it was, else what `make` signs, written down.

        Nothing for an interval whose successor's market was signed already.
        """
        known = self.market()
        if known is not None and known[0] >= interval:
            return known[1] if known[0] == interval else ()
        parcels = make()
        market = _Market(interval, tuple((parcel.raw, parcel.about) for parcel in parcels))
        write_whole(self._market, msgspec.json.encode(market), durable=False)
        return parcels

    def market(self) -> tuple[int, Sequence[Parcel]] | None:
        """The newest market that was signed, and its interval."""
        try:
            market = msgspec.json.decode(self._market.read_bytes(), type=_Market)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise damaged(self._market, error) from None
        return market.interval, [Parcel(raw, about) for raw, about in market.parcels]
