"""A round of wagering where time stands: builders speak in each phase before time goes on to the phase's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from contracts.wagers.records import DRAWING, JUDGED
from devnet.courier import Courier
from devnet.tempo import Tempo
from node.agents.builder import Builder
from node.agents.proven import Unproven


async def play(
    number: int,
    builders: Sequence[Builder],
    courier: Courier,
    tempo: Tempo,
    poll_s: float,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The round once it is judged; `tell` hears each phase as it begins."""
    seen = 0
    while True:
        round_: dict[str, Any] = (await courier.get(f"/query/round/{number}"))["data"]
        if round_["phase"] == JUDGED:
            return round_
        if round_["since_height"] <= seen:
            await asyncio.sleep(poll_s)
            continue
        seen = int(round_["since_height"])
        tell(round_["phase"])
        await asyncio.gather(*(_spoken(builder, seen, poll_s) for builder in builders))
        if round_["phase"] != DRAWING:
            await tempo.reach(int(round_["ends_ms"]))


async def _spoken(builder: Builder, height: int, poll_s: float) -> None:
    """One builder's part of a phase that began at `height`."""
    while True:
        try:
            await builder.step(height)
        except Unproven:
            # The header that proves the beginning of the phase comes with the next block.
            await asyncio.sleep(poll_s)
        else:
            return
