"""Frames that mean nothing, or almost something."""

from __future__ import annotations

from collections import Counter

from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from devnet.simulator.machine import Machine
from node.peer.wire import CODECS, Frame

LENGTHS = (0, 1, 7, 60, 400)


@behaviour
class Garbage(Behaviour):
    """Random bytes in frames of every type."""

    name = "garbage"

    def act(self) -> list[Out]:
        self.acted(len(CODECS))
        return [
            out for frame in CODECS for out in self.any_of([self.random.randbytes(self.random.choice(LENGTHS))], frame)
        ]


@behaviour
class Mutate(Behaviour):
    """Says what it should with a few bytes changed, left out or put in, and repeats altered frames of others."""

    name = "mutate"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._heard: dict[Frame, bytes] = {}

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        if self.random.random() < 0.7:
            return [Out(target, frame, body)]
        self.acted()
        return [Out(target, frame, self._mutated(body))]

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        self._heard[frame] = body
        return []

    def act(self) -> list[Out]:
        frames = [out for frame, body in self._heard.items() for out in self.any_of([self._mutated(body)], frame)]
        self.acted(len(frames))
        return frames

    def _mutated(self, body: bytes) -> bytes:
        random, raw = self.random, bytearray(body)
        for _ in range(random.choice((1, 1, 2, 5))):
            at = random.randrange(len(raw) + 1)
            match random.randrange(4):
                case 0 if at < len(raw):
                    raw[at] ^= 1 << random.randrange(8)
                case 1:
                    raw[at:at] = random.randbytes(random.randint(1, 4))
                case 2:
                    del raw[at : at + random.randint(1, 4)]
                case _:
                    raw = raw[: max(at, 1)] if random.random() < 0.2 else raw
        return bytes(raw)
