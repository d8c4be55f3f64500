"""Whoever reads a lot lets others work in between, and loses no entry by that."""

from __future__ import annotations

import asyncio

import pytest

from node.rpc.turns import YIELD_EVERY, in_turns


@pytest.mark.parametrize("at_once", [1, 32, YIELD_EVERY])
@pytest.mark.parametrize("count", [0, 1, YIELD_EVERY - 1, YIELD_EVERY, 3 * YIELD_EVERY + 1])
def test_others_get_a_turn_after_so_many_entries(count: int, at_once: int) -> None:
    async def go() -> None:
        turns: list[int] = []
        seen: list[int] = []

        async def other() -> None:
            while True:
                turns.append(len(seen))
                await asyncio.sleep(0)

        busy = asyncio.create_task(other())
        await asyncio.sleep(0)
        turns.clear()
        async for entry in in_turns(range(count), at_once):
            seen.append(entry)
        busy.cancel()
        assert seen == list(range(count))
        assert turns == list(range(at_once, count + 1, at_once))

    asyncio.run(go())
