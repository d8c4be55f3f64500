"""Ledger time of a devnet by hand: freeze it, move it forward, let it run.

All nodes are told the same, as of the same moment; one that is down is told when it starts again. Never moves time
back: a ledger's does not.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from devnet import processes
from devnet.directory import write_whole
from devnet.errors import DevnetError
from devnet.launcher import Launcher
from devnet.tempo import clock_command
from node.admin import call
from node.clock import ClockSetting, wall_ms

MAX_ADVANCE_MS = 366 * 86_400_000
"""A year: more is a slip of the finger."""
TIMEOUT_S = 5.0


def how(launcher: Launcher) -> ClockSetting:
    """How the clock goes now. Raises `DevnetError` `devnet.not-running` where no node could say it."""
    (answer,) = asyncio.run(_ask(_homes(launcher)[:1], {"cmd": "clock-now"}))
    return ClockSetting(**{name: answer[name] for name in ClockSetting.__struct_fields__})


def freeze(launcher: Launcher) -> ClockSetting:
    """Let the clock stand still."""
    now = how(launcher)
    return _tell(launcher, ClockSetting(True, now.at_ms, wall_ms()))


def go(launcher: Launcher) -> ClockSetting:
    """Let the clock run from where it stands; a stepped devnet's is stepped by its agents alone."""
    now = how(launcher)
    if launcher.layout.load().stepped:
        raise DevnetError(
            "devnet.stepped", "The agents of this devnet step its clock.", "`gridpact devnet up` runs one."
        )
    return _tell(launcher, ClockSetting(False, now.at_ms, wall_ms()))


def advance(launcher: Launcher, by_ms: int) -> ClockSetting:
    """Move the clock forward; it goes on as it did. Raises `DevnetError` `devnet.time`."""
    if not 0 < by_ms <= MAX_ADVANCE_MS:
        raise DevnetError("devnet.time", "Time goes forward, by at most a year.", "Write 15m, 2h or 1d.")
    now = how(launcher)
    return _tell(launcher, ClockSetting(now.freeze, now.at_ms + by_ms, wall_ms()))


def _tell(launcher: Launcher, setting: ClockSetting) -> ClockSetting:
    write_whole(launcher.layout.clock, msgspec.json.encode(setting))
    asyncio.run(_ask(_homes(launcher), clock_command(setting)))
    return setting


def _homes(launcher: Launcher) -> list[Path]:
    nodes = launcher.layout.load().nodes
    homes = [Path(node.home) for node in nodes if processes.state(node.pid, node.home) == "running"]
    if not homes:
        raise DevnetError("devnet.not-running", "No node of this devnet runs.", "`gridpact devnet restart NODE`")
    return homes


async def _ask(homes: list[Path], command: dict[str, Any]) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(call(home, command, TIMEOUT_S) for home in homes)))
