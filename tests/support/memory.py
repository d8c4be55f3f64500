"""The simulator's network for tests: with hooks on its links, a trace, and assertions instead of answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contracts.genesis import Genesis
from devnet.simulator.machine import JOURNAL, SIGN_STATE, Machine
from devnet.simulator.network import Network, Watcher, Weather
from devnet.simulator.turns import Led
from node.effects import Timer
from node.peer.wire import Frame
from zk.hashing import sha256

__all__ = ["JOURNAL", "SIGN_STATE", "Machine", "MemoryNetwork", "in_turn"]


def in_turn(names: tuple[str, ...]) -> Led:
    """Everybody leads after each other, from height to height and from round to round."""
    return lambda height: names[height % len(names) :] + names[: height % len(names)]


class Diary(Watcher):
    """Keeps what happened, and who blamed whom."""

    def __init__(self) -> None:
        self.trace: list[tuple[Any, ...]] = []
        self.penalties: list[tuple[str, str, str]] = []
        self.on_height: Callable[[Machine, int], None] = lambda *_: None

    def delivered(self, machine: Machine, peer: str, frame: Frame, body: bytes) -> None:
        self.trace.append((machine.network.now_ms, machine.name, peer, int(frame), sha256(body)))

    def fired(self, machine: Machine, timer: Timer) -> None:
        self.trace.append((machine.network.now_ms, machine.name, timer))

    def stored(self, machine: Machine, height: int) -> None:
        self.on_height(machine, height)

    def penalised(self, machine: Machine, peer: str, code: str) -> None:
        self.penalties.append((machine.name, peer, code))


class MemoryNetwork(Network):
    """A network whose frames a test may drop or change."""

    def __init__(self, genesis: Genesis, *, seed: int = 0, delay_ms: tuple[int, int] = (1, 5), **more: Any) -> None:
        self.diary = Diary()
        super().__init__(genesis, seed=seed, weather=Weather(*delay_ms), watcher=self.diary, **more)
        self.random = self.stream("test")
        self.drop: Callable[[str, str, Frame, bytes], bool] = lambda *_: False
        self.tamper: Callable[[str, str, Frame, bytes], bytes] = lambda _sender, _target, _frame, body: body
        self._apart: list[tuple[str, str]] = []

    @property
    def trace(self) -> list[tuple[Any, ...]]:
        """Every event that was handled."""
        return self.diary.trace

    @property
    def penalties(self) -> list[tuple[str, str, str]]:
        """Who blamed whom for what."""
        return self.diary.penalties

    def partition(self, *groups: set[str]) -> None:
        """Only machines of one group reach each other."""
        self.heal()
        names = sorted(self.machines)
        self._apart = [(a, b) for a in names for b in names if a != b and not any({a, b} <= g for g in groups)]
        self.blocked.update(self._apart)

    def heal(self) -> None:
        """Everybody reaches everybody."""
        self.blocked.subtract(self._apart)
        self._apart = []

    def pass_on(self, sender: Machine, target: Machine, frame: Frame, body: bytes, *, later_ms: int = 0) -> None:
        """As the links allow, and the test."""
        if not self.drop(sender.name, target.name, frame, body):
            body = self.tamper(sender.name, target.name, frame, body)
            super().pass_on(sender, target, frame, body, later_ms=later_ms)

    def run_until(self, condition: Callable[[], bool], limit_ms: int = 60_000) -> None:
        """Run until `condition` holds; AssertionError when virtual time runs out first."""
        assert self.reached(condition, limit_ms), self.describe()
