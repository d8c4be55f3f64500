"""Finds what opened sums of sealed rounds say, so that rounds go on: the ledger has the point, and takes the number
that opens it. Believes a node without proof, since no other number is ever taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from contracts.sealed.records import BALANCING, SEARCHING, SETTLING, SUMMING
from node.client import Client
from node.errors import NodeError
from zk import elgamal
from zk.group import native

OPENING = (SUMMING, SEARCHING, BALANCING, SETTLING)
PATIENCE = 8
"""Looks that a finder leaves to the one whose turn it is."""
ANSWER_S = 0.5
"""How long a node may take to show rounds: one that says nothing is not to hold a seat up."""
MAX_POINTS = 64
"""Remembered with what they say; a node that invents points makes a finder look for one of them at a time."""


T = TypeVar("T")
_ONE_AT_A_TIME = Lock()


class Found(NamedTuple):
    """What an opening of an interval's round says."""

    interval: int
    opening: int
    sum_wh: int


class Finder:
    """One of several that find the same: openings are dealt to them in turn, and left for a while to whose it is."""

    def __init__(self) -> None:
        self._looks: dict[int, int] = {}
        self._known: dict[bytes, int | None] = {}
        """What points say; None: no sum."""

    async def look(self, node: Client, place: int, of: int) -> list[Found]:
        """What is to be claimed now by number `place` of so many finders, as a node shows it; nothing where it shows
        nothing."""
        found, shown, looked = list[Found](), set[int](), 0
        try:
            rounds = (await _asked(node))["data"]["rounds"]
            for interval in [int(one["interval"]) for one in rounds if one["phase"] in OPENING]:
                for number, point in points_of((await _asked(node, interval))["data"]):
                    shown.add(number)
                    self._looks[number] = self._looks.get(number, 0) + 1
                    if number % of == place % of or self._looks[number] > PATIENCE:
                        looked += point not in self._known
                        sum_wh = await self._sum(point) if looked <= 1 or point in self._known else None
                        found += [] if sum_wh is None else [Found(interval, number, sum_wh)]
        except (NodeError, OSError, ValueError):
            return []
        self._looks = {number: looks for number, looks in self._looks.items() if number in shown}
        return found

    async def _sum(self, point: bytes) -> int | None:
        if point not in self._known:
            # It takes a third of a second, in which a seat has other things to do.
            self._known[point] = await asyncio.to_thread(_alone, sum_of, point)
            while len(self._known) > MAX_POINTS:
                self._known.pop(next(iter(self._known)))
        return self._known[point]


async def prepare() -> None:
    """Make ready to find sums, so that the first round does not wait for that. Takes a second, once in a process."""
    await asyncio.to_thread(_alone, elgamal.prepare)


def _alone(work: Callable[..., T], *arguments: Any) -> T:
    """What the work gives; one of it at a time in a process, since together they take no less."""
    with _ONE_AT_A_TIME:
        return work(*arguments)


async def _asked(node: Client, *interval: int) -> Mapping[str, Any]:
    """The node's answer about rounds, or one of them. TimeoutError where it takes too long."""
    async with asyncio.timeout(ANSWER_S):
        return await node.query("sealed", *interval)


def points_of(shown: Mapping[str, Any]) -> list[tuple[int, bytes]]:
    """Points of a round that are open and that nobody has claimed, by number of the opening."""
    waiting = {one["opening"] for one in shown["asked"] if one["value_wh"] is None and not one["late"]}
    every = ((int(one["number"]), bytes.fromhex(one["point"])) for one in shown["shown"])
    return [(number, point) for number, point in every if number in waiting and point]


def sum_of(point: bytes) -> int | None:
    """What an opened point says, in Wh; None: no sum that anybody could have sealed. ValueError: it is no point."""
    return 0 if point == native.IDENTITY.to_bytes() else elgamal.recover(native.decode_point(point))
