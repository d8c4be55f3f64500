"""The builder, killed anywhere: it goes on with its book, and loses nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.bodies import CommitSolution, RevealSolution, Wager
from node.agents.book import Book, Engagement
from node.client import Result, Wait
from node.disk import MemoryDisk, PowerLoss
from tests.rpc.builder_world import (
    BOOK,
    Node,
    builder,
    opened,
    play,
    run,
    tokens_of,
    wager_of,
)
from tests.rpc.chain import Chain


class Killed(BaseException):
    """SIGKILL: nothing handles it."""


class Doomed(Node):
    """A node whose asker dies before or after one of its requests."""

    def __init__(self, chain: Chain, at: int) -> None:
        super().__init__(chain)
        self.left = at

    def step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed

    async def get(self, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.step()
        return await super().get(path, *arguments, **options)

    async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
        self.step()
        answer = await super().submit(envelopes, wait, timeout_ms)
        self.step()
        return answer


async def survive(chain: Chain, at: int, disk: MemoryDisk) -> bool:
    """Play round 0 with a builder that dies at its `at`-th request, or disk operation where `at` is negative, and one
    that takes over with the same book at its next look. False where it never came to that.
    """
    doomed, other = Doomed(chain, max(at, 0)), builder(chain, "wind")
    one = builder(chain, "campus", [doomed], disk)
    if at < 0:
        disk.fail_at(-at)
    died = False

    async def act() -> None:
        nonlocal one, died
        await other.step()
        try:
            await one.step()
        except (Killed, PowerLoss):
            died = True
            disk.crash()
            disk.locked.clear()
            one = builder(chain, "campus", [Node(chain)], disk)
            await one.step()

    await play(chain, act)
    assert one.book.page.open == ()
    return died


@pytest.mark.parametrize("sign", [1, -1], ids=["kill", "power"])
def test_a_builder_that_dies_anywhere_loses_nothing(sign: int) -> None:
    async def go() -> None:
        for at in range(1, 100):
            chain = await opened(builders=2)
            before = tokens_of(chain, "campus")
            if not await survive(chain, sign * at, MemoryDisk()):
                assert at > (10 if sign > 0 else 3)
                return
            found = wager_of(chain, "campus")
            assert found is not None and (found.verdict, found.lost_tokens) == ("best", 0), at
            assert tokens_of(chain, "campus") == before
        raise AssertionError("it never gets through")

    run(go())


def test_salt_and_solution_are_on_disk_before_the_wager_leaves() -> None:
    async def go() -> None:
        chain, disk = await opened(), MemoryDisk()
        kept: list[Engagement | None] = []

        class Watching(Node):
            async def submit(self, envelopes: Any, wait: Wait = "accepted", timeout_ms: int = 0) -> list[Result]:
                after = MemoryDisk()
                after.replace(BOOK / "campus", disk.read(BOOK / "campus"))
                kept.append(Book(BOOK / "campus", chain.ledger.chain_id, "campus", after).find(0))
                return await super().submit(envelopes, wait, timeout_ms)

        node = Watching(chain)
        one, other = builder(chain, "campus", [node], disk), builder(chain, "wind")
        await play(chain, lambda: asyncio.gather(one.step(), other.step()))
        assert [type(body) for body in node.heard] == [Wager, CommitSolution, RevealSolution]
        shown = node.heard[2]
        assert all(one is not None and (one.salt, one.solution) == (shown.salt, shown.solution) for one in kept)

    run(go())
