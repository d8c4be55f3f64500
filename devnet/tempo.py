"""How ledger time passes for a devnet's agents: by itself, or in steps taken when they are done."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from devnet.directory import damaged, write_whole
from node.admin import call
from node.clock import ClockSetting, SystemClock, wall_ms
from node.errors import UNREADABLE, NodeError

CLOCK_TIMEOUT_S = 1.0
LOOK_S = 0.25
"""So often agents look whether somebody set the clock."""


class Tempo(Protocol):
    """`reach` returns once ledger time is at or after `at_ms`."""

    def now_ms(self) -> int: ...
    async def reach(self, at_ms: int) -> None: ...
    async def insist(self) -> None: ...


class Running:
    """Time runs at the speed of genesis, whether the agents are done or not, unless somebody sets it (`timing`)."""

    def __init__(self, clock: SystemClock, record: Path) -> None:
        self._clock = clock
        self._record = record
        self._known: ClockSetting | None = None

    def now_ms(self) -> int:
        """Ledger time."""
        setting = read_clock(self._record)
        if setting is not None and setting != self._known:
            self._clock.follow(setting)
            self._known = setting
        return self._clock.ledger_ms()

    async def reach(self, at_ms: int) -> None:
        """Sleep until then, however often the clock is set meanwhile."""
        while self.now_ms() < at_ms:
            delay_ms = self._clock.real_delay_ms(at_ms)
            await asyncio.sleep(LOOK_S if delay_ms is None else min(LOOK_S, delay_ms / 1000))

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
            write_whole(self._record, msgspec.json.encode(self._setting()))
            await self.insist()

    async def insist(self) -> None:
        """Tell every node the time again."""
        await asyncio.gather(*map(self._tell, self._homes))

    def _setting(self) -> ClockSetting:
        return ClockSetting(True, self._at_ms, wall_ms())

    async def _tell(self, home: Path) -> None:
        with contextlib.suppress(NodeError):
            await call(home, clock_command(self._setting()), CLOCK_TIMEOUT_S)


def clock_command(setting: ClockSetting) -> dict[str, Any]:
    """What the admin socket of a node takes."""
    return {"cmd": "clock", **msgspec.structs.asdict(setting)}


def read_clock(record: Path) -> ClockSetting | None:
    """How the devnet's clock was set last; None: it goes as genesis says. Raises `DevnetError` `devnet.damaged`."""
    try:
        return msgspec.json.decode(record.read_bytes(), type=ClockSetting)
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        raise damaged(record, error) from None
