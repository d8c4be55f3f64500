"""The nodes of the chain while it runs: read from state again whenever members or epochs changed.

Genesis only says who the first are; a server is added or removed by governance while everybody runs. Decides nothing:
who is registered says `contracts.governance.roster`.
"""

from __future__ import annotations

from contracts import api
from contracts.epochs import epoch_of
from contracts.governance.roster import registered
from contracts.members import NodeKeys
from contracts.state import State
from node.ledger.ledger import Ledger

Nodes = dict[str, tuple[NodeKeys, ...]]
"""Every set of keys of each node, by id, ascending; the present keys come first."""


class Roster:
    """Registered nodes as of the ledger's newest height."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen: tuple[int, int] | None = None
        self.nodes: Nodes = {}
        """Another object whenever they changed."""
        self.refresh()

    def refresh(self) -> bool:
        """Look at the newest state; whether the nodes changed."""
        state, height = State(self._ledger, self._ledger.records), self._ledger.height + 1
        rules = api.rules(state)
        seen = rules.members_height, epoch_of(height, rules.consensus)
        if seen == self._seen:
            return False
        self._seen = seen
        nodes = registered(state, height, rules.consensus)
        if nodes == self.nodes:
            return False
        self.nodes = nodes
        return True
