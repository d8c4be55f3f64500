"""How ledger time passes for a devnet's agents: by itself, or in steps taken when they are done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from devnet.directory import write_whole
from node.admin import call
from node.clock import SystemClock
from node.errors import NodeError

CLOCK_TIMEOUT_S = 1.0


class Tempo(Protocol):
    """`reach` returns once ledger time is at or after `at_ms`."""

    def now_ms(self) -> int: ...
    async def reach(self, at_ms: int) -> None: ...
    async def insist(self) -> None: ...


class Running:
    """Time runs at the speed of genesis, whether the agents are done or not."""

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        """Ledger time."""
        return self._clock.ledger_ms()

    async def reach(self, at_ms: int) -> None:
        """Sleep until then."""
        while (delay_ms := self._clock.real_delay_ms(at_ms)) != 0:
            assert delay_ms is not None, "a running clock gets there"
            await asyncio.sleep(delay_ms / 1000)

    async def insist(self) -> None:
        """Nothing to do: nobody has to be told the time."""


class Stepped:
    """Time stands until it is stepped, on all nodes, through their admin sockets.

    A node that is down misses a step; `insist`, and the launcher at a restart, tell it again.
    """

    def __init__(self, homes: Sequence[Path], record: Path, at_ms: int) -> None:
        self._homes = homes
        self._record = record
        self._at_ms = at_ms

    def now_ms(self) -> int:
        """Ledger time of the last step."""
        return self._at_ms

    async def reach(self, at_ms: int) -> None:
        """Step there; never back."""
        if at_ms > self._at_ms:
            self._at_ms = at_ms
            write_whole(self._record, msgspec.json.encode(self._command()))
            await self.insist()

    async def insist(self) -> None:
        """Tell every node the time again."""
        await asyncio.gather(*map(self._tell, self._homes))

    def _command(self) -> dict[str, Any]:
        return {"cmd": "clock", "freeze": True, "at_ms": self._at_ms}

    async def _tell(self, home: Path) -> None:
        with contextlib.suppress(NodeError):
            await call(home, self._command(), CLOCK_TIMEOUT_S)
