"""Members of a devnet that act by rulebooks: what they see is proven to them as to anybody, what they say the conductor
sends.

The member's own data is the simulated world's: what its batteries hold, and its forecasts with the error that these
are known to have. Every sight is written to `DIR/rulebooks/MEMBER.jsonl`, so that `gridpact rulebook check --dir DIR`
can try another rulebook on the day. Never signs or sends anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from contracts.bodies import AccountBody
from contracts.units import PPM
from devnet.spec import MeterSpec
from devnet.trades import Agent
from devnet.world import World
from node.agents.builder import Builder
from node.agents.eyes import Eyes, Own
from node.agents.proven import Unproven
from node.rulebook.decision import decide
from node.rulebook.document import Rulebook
from node.rulebook.ledger import RuleLedger
from node.rulebook.sight import Forecast, Sight

PATIENCE = 40
"""Looks at one interval, until some node proves what there is to see."""
POLL_S = 0.1

Say = Callable[[str], None]


class Ruled(Agent):
    """One member's agent."""

    def __init__(
        self,
        member: str,
        meters: Sequence[MeterSpec],
        world: World,
        rulebook: Rulebook,
        eyes: Eyes,
        ledger: RuleLedger,
        record: Path,
        say: Say,
        builder: Builder | None = None,
    ) -> None:
        super().__init__(member, meters, world)
        self._rulebook = rulebook
        self._eyes = eyes
        self._ledger = ledger
        self._record = record
        self._say = say
        self._builder = builder
        self._sights: dict[int, Sight] = {}

    async def look(self, intervals: Sequence[int]) -> None:
        """See each of the intervals; where nobody proves anything the member says nothing about it."""
        seen = [await self._see(interval) for interval in intervals]
        self._sights = {sight.interval: sight for sight in seen if sight is not None}

    async def _see(self, interval: int) -> Sight | None:
        for _ in range(PATIENCE):
            try:
                return await self._eyes.look(interval, [one.interval for one in self._ledger.page.open])
            except Unproven:
                await asyncio.sleep(POLL_S)
        self._say(f"interval {interval}: nothing is proven, so nothing is said")
        return None

    def market(self, interval: int) -> list[AccountBody]:
        """What the rules say. Asked again for the same interval, it decides again: its cost counts once, stakes
        each time, which is the careful side."""
        sight, page = self._sights.get(interval), self._ledger.page
        if sight is None:
            return []
        if interval > page.acted:
            with self._record.open("ab") as file:
                file.write(msgspec.json.encode(sight) + b"\n")
        decision = decide(self._rulebook, sight, self._ledger.look(sight))
        for trouble in decision.troubles:
            self._say(f"interval {interval}: rule {trouble.rule!r} does not act: {trouble.code}: {trouble.message}")
        if self._builder is not None:
            allowance = self._builder.allowance
            self._builder.allowance = allowance._replace(stake_tokens=decision.stake_tokens, claim=decision.claim)
        if decision.stopped is not None:
            if decision.stopped.code != page.stopped:
                self._say(f"interval {interval}: it stops: {decision.stopped.code}: {decision.stopped.message}")
            self._ledger.stop(interval, decision.stopped.code)
            return []
        self._ledger.act(interval, decision.spend_nano, decision.stake_tokens, ())
        return list(decision.bodies)


def own_data(world: World, meters: Sequence[MeterSpec]) -> Callable[[int], Mapping[str, Own]]:
    """What a member knows by itself: forecasts that are off by up to a known part either way, evenly spread."""

    def known(interval: int) -> dict[str, Own]:
        return {
            meter.id: Own(
                charge_wh=world.charge_wh(meter.id) if meter.store is not None else 0,
                expect=_forecast(world.forecast_wh(meter.id, interval), meter.forecast_error_ppm),
            )
            for meter in meters
        }

    return known


def _forecast(mean_wh: int, error_ppm: int) -> Forecast:
    off_wh = mean_wh * error_ppm // PPM
    return Forecast(mean_wh, off_wh // 2, mean_wh - off_wh * 8 // 10, mean_wh, mean_wh + off_wh * 8 // 10, 1)
