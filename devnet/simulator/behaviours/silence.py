"""Saying less than one should, or later."""

from __future__ import annotations

from consensus.effects import Step
from consensus.messages import Proposal
from consensus.timing import timeout_ms
from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from node.peer.wire import Frame

SPARE_MS = 5
"""A frame that is held back arrives about so long before others lose patience."""


@behaviour
class Withhold(Behaviour):
    """Keeps most of what it should say to itself, transactions of its own block included."""

    name = "withhold"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        if self.random.random() < 0.6:
            self.acted()
            return []
        return [Out(target, frame, body)]


@behaviour
class SlowDrip(Behaviour):
    """Delays everything to just before the timeouts of its round, so that each step takes as long as it can."""

    name = "slow-drip"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        context = self.state.context
        assert context is not None
        step = Step.PROPOSE if isinstance(self.own(frame, body), Proposal) else Step.PREVOTE
        patience_ms = timeout_ms(context.timing, step, self.state.round)
        self.acted()
        return [Out(target, frame, body, max(0, patience_ms - self.machine.network.weather.most_ms - SPARE_MS))]
