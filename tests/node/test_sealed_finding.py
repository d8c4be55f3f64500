"""Opened sums are found once by whoever's turn it is, and by the others if nobody says them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest

from node.client import Client
from node.errors import NodeError
from node.sealed import finding
from node.sealed.finding import PATIENCE, Finder, Found, points_of, sum_of
from zk.group import native
from zk.group.bases import bases


def point(value: int) -> bytes:
    return native.multiexp([bases().V], [native.scalar(value)]).to_bytes()


class Node:
    """Shows one round with some openings."""

    def __init__(self, *openings: dict[str, Any], phase: str = "searching") -> None:
        self.asked = [{"opening": one["number"], "value_wh": None, "late": False} for one in openings]
        self.openings = openings
        self.phase = phase
        self.down = False
        self.mute = False
        self.asked_for = 0

    async def query(self, kind: str, *arguments: int) -> dict[str, Any]:
        self.asked_for += 1
        if self.down:
            raise NodeError("rpc.unreachable", "", "")
        if self.mute:
            await asyncio.sleep(60)
        if not arguments:
            return {"data": {"rounds": [{"interval": 7, "phase": self.phase}]}}
        return {"data": {"asked": self.asked, "shown": list(self.openings)}}


def opening(number: int, value: int | None) -> dict[str, Any]:
    return {"number": number, "point": "" if value is None else point(value).hex()}


def look(finder: Finder, node: Node, place: int, of: int = 4) -> list[Found]:
    return asyncio.run(finder.look(cast(Client, node), place, of))


def test_whoevers_turn_it_is_finds_a_sum_at_once() -> None:
    node = Node(opening(5, 41_000), opening(6, 0))
    assert look(Finder(), node, 1) == [Found(7, 5, 41_000)]
    assert look(Finder(), node, 2) == [Found(7, 6, 0)]
    assert look(Finder(), node, 3) == []


def test_others_find_it_once_it_was_left_lying() -> None:
    node, other = Node(opening(5, 9)), Finder()
    assert [look(other, node, 3) for _ in range(PATIENCE)] == [[]] * PATIENCE
    assert look(other, node, 3) == [Found(7, 5, 9)]


def test_what_is_closed_claimed_late_or_over_is_left_alone() -> None:
    node = Node(opening(1, 9), opening(5, None), opening(9, 3), opening(13, 4))
    node.asked[0]["value_wh"], node.asked[2]["late"] = 9, True
    assert points_of({"asked": node.asked, "shown": node.openings}) == [(13, point(4))]
    assert look(Finder(), node, 1) == [Found(7, 13, 4)]
    assert look(Finder(), Node(opening(1, 9), phase="awarding"), 1) == []


def test_a_node_that_lies_or_is_down_brings_nothing_to_a_stop() -> None:
    node, finder = Node({"number": 1, "point": "c0ffee"}), Finder()
    assert look(finder, node, 1) == []
    node.down = True
    assert look(finder, node, 1) == []


def test_a_point_beyond_every_sum_says_nothing() -> None:
    assert sum_of(native.IDENTITY.to_bytes()) == 0
    assert sum_of(point(2**32 - 1)) == 2**32 - 1
    assert sum_of(point(2**32)) is None


def test_a_node_that_says_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "ANSWER_S", 0.01)
    node = Node(opening(5, 9))
    node.mute = True
    assert look(Finder(), node, 1) == []
    assert node.asked_for == 1


def test_a_node_that_invents_points_makes_a_finder_look_for_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a third of a second; the point of an opening is remembered, not its number, which a liar chooses."""
    looked: list[bytes] = []

    def looking(asked: bytes) -> int | None:
        looked.append(asked)
        return sum_of(asked)

    monkeypatch.setattr(finding, "sum_of", looking)
    finder = Finder()
    liar = Node(*(opening(number, 2**33 + number) for number in range(1, 12, 4)))
    for looks in (1, 2, 3, 3, 3):
        assert look(finder, liar, 1) == []
        assert len(looked) == looks
    assert look(finder, Node(opening(1, 41)), 1) == [Found(7, 1, 41)]


def test_finders_of_one_process_make_the_table_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same time they would all take longer than a round waits."""
    at_once, most = [0], [0]

    def making() -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        at_once[0] -= 1

    monkeypatch.setattr(finding.elgamal, "prepare", making)

    async def all_prepare() -> None:
        await asyncio.gather(*(finding.prepare() for _ in range(4)))

    asyncio.run(all_prepare())
    assert most == [1]
