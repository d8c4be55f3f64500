"""An agent that bills privately for its member, cycle after cycle, until it is stopped.

It looks at the cycles that may still wait for something, and says for its member whatever one waits for: as an owner it
proves, answers and pays, as the campus it complains, splits and pays. It keeps nothing, so it may be killed anywhere;
what was said already is seen on the ledger. What can not be said now (money that is not there yet, an opening that no
node shows) is told once and tried again at the next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from contracts.private.records import DONE, MAX_LATEST
from contracts.receipts import OK
from node.agents.proven import Unproven
from node.billing.agents import CampusAgent, OwnerAgent
from node.errors import NodeError

LOOK_S = 2.0
"""Between two looks."""
MAX_TOLD = 256
"""Troubles that are remembered as told, the newest."""

Tell = Callable[[str], None]
"""Told in a sentence what happens."""


class Biller:
    """One member's private bills with one campus."""

    def __init__(self, agent: OwnerAgent | CampusAgent, campus: str, tell: Tell) -> None:
        """`agent` is a `CampusAgent` where its member is the campus."""
        self._agent = agent
        self._campus = campus
        self._tell = tell
        self._told: dict[str, str] = {}
        """What was told of each thing that waits."""

    async def run(self, present: Callable[[], Awaitable[int]]) -> None:
        """Look until cancelled; `present` answers with the billing cycle of now."""
        while True:
            try:
                now = await present()
                self._told.pop("", None)
                for cycle in range(max(0, now - MAX_LATEST), now + 1):
                    await self.look(cycle)
            except NodeError as error:
                self._once("", str(error))
            await asyncio.sleep(LOOK_S)

    async def look(self, cycle: int) -> int:
        """Say everything that a cycle waits for; how much that was."""
        try:
            sight = await self._agent.see(self._campus, cycle)
        except Unproven as error:
            self._once(f"cycle {cycle}", str(error))
            return 0
        self._told.pop(f"cycle {cycle}", None)
        if sight.record is None or sight.record.phase == DONE:
            return 0
        if isinstance(self._agent, CampusAgent):
            return await self._as_campus(self._agent, cycle)
        own = [one.meter for one in sight.meters if one.member == self._agent.member]
        said = 0
        for meter in own:
            said += await self._try(self._agent.prove(meter, cycle), f"{meter}: the use of cycle {cycle}")
            said += await self._try(self._agent.answer(meter, cycle), f"{meter}: the answer to its share of {cycle}")
            said += await self._try(self._agent.settle(meter, cycle), f"{meter}: the bill of cycle {cycle}")
        return said

    async def _as_campus(self, agent: CampusAgent, cycle: int) -> int:
        said = await self._try(agent.work(cycle), f"the total of cycle {cycle}")
        while done := await self._try(agent.settle(cycle), f"a source's bill of cycle {cycle}"):
            said += done
        return said

    async def _try(self, saying: Awaitable[str | None], what: str) -> int:
        """1 where something was said and the ledger took it."""
        try:
            code = await saying
        except NodeError as error:
            self._once(what, f"{what} waits: {error}")
            return 0
        if code is None or code == OK:
            self._told.pop(what, None)
        if code is None:
            return 0
        if code == OK:
            self._tell(f"{what} is on the ledger")
        else:
            self._once(what, f"{what} was refused: {code}")
        return int(code == OK)

    def _once(self, what: str, text: str) -> None:
        """Tell of a trouble with something, unless that was told of it last."""
        if self._told.pop(what, None) != text:
            self._tell(text)
        self._told[what] = text
        if len(self._told) > MAX_TOLD:
            del self._told[next(iter(self._told))]
