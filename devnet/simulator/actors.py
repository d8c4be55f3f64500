"""Members who look at the chain every now and then in a run, as everybody can, and speak through the traffic.

What they look for and say is for those who derive from `Actor`. Never judges a run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import ClassVar

from contracts.state import State
from devnet.simulator.network import Network
from devnet.simulator.plan import Plan
from devnet.simulator.traffic import Traffic
from node.ledger.ledger import Ledger


class Actor(ABC):
    """All members of a run in one part, each deciding for itself; `ledger` is the chain as nobody's replica has it."""

    NAME: ClassVar[str]
    """Of the part's stream of chance."""
    LOOK_MS: ClassVar[int]
    """Mean virtual time between two looks at the chain."""

    def __init__(self, plan: Plan, network: Network, traffic: Traffic, ledger: Ledger) -> None:
        self._plan = plan
        self._network = network
        self._traffic = traffic
        self._ledger = ledger
        self._lying = {liar.node for liar in plan.liars}
        self._random: Random = network.stream(self.NAME)

    def start(self) -> None:
        """Watch the chain until the traffic stops."""
        if not self._traffic.speaking:
            return
        self._look(State(self._ledger, self._ledger.records))
        self._network.at(self._network.now_ms + self._random.randint(1, 2 * self.LOOK_MS), self.start)

    @abstractmethod
    def _look(self, state: State) -> None:
        """Say what is to be said at this state."""
