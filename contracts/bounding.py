"""What keeps a case inside its bounds whatever members say, so that nobody takes everybody's dispatch away.

Whoever says more than a case takes loses its own part of it and nobody else's. What a case would hold is counted before
anybody builds it. Pure; what stands is in `contracts.standing`, what a case is made of in `contracts.questions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from contracts.program import case as program
from contracts.records import MAX_NEEDS_PER_MEMBER
from contracts.standing import Standing


class Extent:
    """How much a case of some intervals would hold, before anybody builds it: what is wanted at one limit or in one
    tier is a row of all intervals, also of those in which it is nothing."""

    def __init__(self) -> None:
        self._demands: set[tuple[str, int]] = set()
        self._bids: dict[str, set[int]] = {}
        self._sources: set[str] = set()
        self._storages: set[str] = set()
        self._blocks = 0
        self._intervals = 0

    def add(self, one: Standing) -> None:
        """One more interval."""
        for need in one.needs:
            limit = need.limit_nano_per_wh
            if limit is None:
                self._demands.add((need.member, need.tier))
            else:
                self._bids.setdefault(need.member, set()).add(limit)
        self._sources |= {offer.meter for offer in one.offers}
        self._storages |= {store.meter for store in one.flexible.storages}
        self._blocks += sum(len(offer.blocks) for offer in one.offers)
        self._intervals += 1

    @property
    def _limited(self) -> int:
        return sum(min(len(said), MAX_NEEDS_PER_MEMBER) for said in self._bids.values())

    @property
    def variables(self) -> int:
        """Of needs, offers and storages."""
        rows = len(self._demands) + self._limited + 4 * len(self._storages)
        return self._blocks + rows * self._intervals

    @property
    def fits(self) -> bool:
        """Whether there is a case of it."""
        return (
            len(self._demands) <= program.MAX_DEMANDS
            and self._limited <= program.MAX_BIDS
            and len(self._sources) <= program.MAX_SOURCES
            and len(self._storages) <= program.MAX_STORAGES
            and self.variables <= program.MAX_VARIABLES
        )


def one_way(seen: Sequence[Standing]) -> list[Standing]:
    """The same, each meter in the way in which it stands first: a case has no source that is a storage as well, and
    nobody takes everybody's dispatch away by being both in neighbouring intervals."""
    is_storage: dict[str, bool] = {}
    for one in seen:
        for offer in one.offers:
            is_storage.setdefault(offer.meter, False)
        for store in one.flexible.storages:
            is_storage.setdefault(store.meter, True)
    return [
        one._replace(
            offers=[offer for offer in one.offers if not is_storage[offer.meter]],
            flexible=msgspec.structs.replace(
                one.flexible, storages=tuple(store for store in one.flexible.storages if is_storage[store.meter])
            ),
        )
        for one in seen
    ]


def counted_limits(seen: Sequence[Standing]) -> dict[tuple[str, int], int]:
    """By member and limit of a bid, the limit at which it is in the case. A member has as many as in one interval, the
    first ones that it says and the dearest of these; further ones count at the next one below, so that it pays no more
    than it said, or not at all. So nobody fills a case with limits that change from interval to interval."""
    kept: dict[str, list[int]] = {}
    found: dict[tuple[str, int], int] = {}
    for one in seen:
        bids = {(need.member, need.limit_nano_per_wh) for need in one.needs if need.limit_nano_per_wh is not None}
        for member, limit in sorted(bids, key=lambda bid: (bid[0], -bid[1])):
            own = kept.setdefault(member, [])
            if limit not in own and len(own) < MAX_NEEDS_PER_MEMBER:
                own.append(limit)
            below = max((other for other in own if other <= limit), default=None)
            if below is not None:
                found.setdefault((member, limit), below)
    return found
