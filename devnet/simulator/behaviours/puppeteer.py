"""Leads a Byzantine machine by its behaviours: everything that it says, hears and takes goes through all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from devnet.simulator.behaviours.base import BEHAVIOURS, TICK_MS, Behaviour, Out
from devnet.simulator.machine import Machine
from node.effects import Submission
from node.peer.wire import Frame


class Puppeteer:
    """See `devnet.simulator.machine.Mouth`. What one behaviour says, those after it may change."""

    def __init__(self, machine: Machine, names: Sequence[str], counts: Counter[str]) -> None:
        self._machine = machine
        self._plugins: list[Behaviour] = [BEHAVIOURS[name](machine, counts) for name in names]

    def plays(self, behaviour: type[Behaviour]) -> bool:
        """Whether this is among its behaviours."""
        return any(isinstance(plugin, behaviour) for plugin in self._plugins)

    def start(self) -> None:
        """Act from time to time, for as long as the run lasts."""
        self._machine.network.at(self._machine.network.now_ms + TICK_MS, self._tick)

    def say(self, target: str, frame: Frame, body: bytes) -> None:
        self._leave([Out(target, frame, body)], self._plugins)

    def hear(self, peer: str, frame: Frame, body: bytes) -> None:
        for position, plugin in enumerate(self._plugins):
            self._leave(plugin.hear(peer, frame, body), self._plugins[position + 1 :])

    def take(self, envelopes: list[bytes]) -> list[Submission] | None:
        answers = (plugin.take(envelopes) for plugin in self._plugins)
        return next((answer for answer in answers if answer is not None), None)

    def _tick(self) -> None:
        if self._machine.running:
            for position, plugin in enumerate(self._plugins):
                self._leave(plugin.act(), self._plugins[position + 1 :])
        self.start()

    def _leave(self, frames: list[Out], plugins: Sequence[Behaviour]) -> None:
        for plugin in plugins:
            frames = [
                Out(target, frame, body, later_ms + more_ms)
                for wanted, kind, said, later_ms in frames
                for target, frame, body, more_ms in plugin.say(wanted, kind, said)
            ]
        for target, frame, body, later_ms in frames:
            self._machine.network.post(self._machine, target, frame, body, later_ms=later_ms)
