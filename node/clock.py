"""Ledger time and monotonic time of one process. The only place in `node` that reads a clock for the protocol.

Ledger time is UTC milliseconds. A devnet's genesis may make it run at another speed, and its admin socket may freeze
it or move it; production genesis has no such table, and then `set` is refused.
"""

from __future__ import annotations

import time

import msgspec

from contracts.genesis import DevnetClock
from node.errors import NodeError

PPM = 1_000_000


def wall_ms() -> int:
    """UTC milliseconds of this machine, whatever ledger time is."""
    return time.time_ns() // 1_000_000


class ClockSetting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a devnet's clock goes: it stands at `at_ms`, or runs since `said_ms` of the machine's clock, when it was
    `at_ms`."""

    freeze: bool
    at_ms: int
    said_ms: int


class SystemClock:
    """Clock of a running node."""

    def __init__(self, devnet: DevnetClock | None) -> None:
        self._devnet = devnet
        self._frozen_at: int | None = None
        self._shift_ms = 0

    def monotonic_ms(self) -> int:
        """Milliseconds of the machine's monotonic clock."""
        return time.monotonic_ns() // 1_000_000

    def ledger_ms(self) -> int:
        """UTC milliseconds as the pact counts them."""
        if self._frozen_at is not None:
            return self._frozen_at
        return self._running_ms(wall_ms())

    def _running_ms(self, wall: int) -> int:
        """Ledger time at this moment of the machine's clock, where it is not frozen."""
        if self._devnet is None:
            return wall
        elapsed = wall - self._devnet.start_wall_ms
        return self._devnet.origin_ms + self._devnet.speed_ppm * elapsed // PPM + self._shift_ms

    def real_delay_ms(self, ledger_ms: int) -> int | None:
        """Real milliseconds until ledger time reaches `ledger_ms`; None while the clock stands still before it."""
        ahead = ledger_ms - self.ledger_ms()
        if ahead <= 0:
            return 0
        if self._frozen_at is not None:
            return None
        if self._devnet is None:
            return ahead
        if self._devnet.speed_ppm == 0:
            return None
        return -(-ahead * PPM // self._devnet.speed_ppm)

    def follow(self, setting: ClockSetting) -> None:
        """Go as the clock that said this. Raises `clock.production` off devnets."""
        self.set(freeze=setting.freeze, at_ms=setting.at_ms, said_ms=setting.said_ms)

    def set(self, *, freeze: bool, at_ms: int | None, said_ms: int | None = None) -> None:
        """Freeze at `at_ms` (default: now), or run on from there, as if that had been said at `said_ms` of the
        machine's clock (default: now).

        Raises `clock.production` off devnets.
        """
        if self._devnet is None:
            raise NodeError(
                "clock.production",
                "ledger time can be set on devnets only",
                "Use a genesis with [devnet_clock].",
            )
        target = self.ledger_ms() if at_ms is None else at_ms
        if freeze:
            self._frozen_at = target
            return
        self._frozen_at, self._shift_ms = None, 0
        self._shift_ms = target - self._running_ms(wall_ms() if said_ms is None else said_ms)

    def say(self) -> ClockSetting:
        """What makes another clock of this devnet go as this one does."""
        return ClockSetting(self._frozen_at is not None, self.ledger_ms(), wall_ms())
