"""Whose turn it is at the open height: the window of committed blocks that the draw looks at.

The proposer of a height is a function of the blocks below it, so of certificates up to two heights below: block h - 1
includes that of h - 2. The window is kept in memory and read from the ledger at the start; who was running all the
time, who restarted and who fetched the blocks from others have the same. Decides nothing: the rule is
`consensus.proposers`.
"""

from __future__ import annotations

from collections import deque

from consensus.beacon import seed_height
from consensus.proposers import Participation, Proposers, Record, draw, leader_weights, window_heights
from contracts import trust
from contracts.state import State
from node.ledger.ledger import Ledger
from node.seats import Sets


class Leaders:
    """Follows one ledger."""

    def __init__(self, ledger: Ledger, sets: Sets) -> None:
        self._ledger = ledger
        self._sets = sets
        self._window: deque[Participation] = deque()
        self._record = Record()
        self._length = 0
        """Most heights that the window has."""
        self._newest = 0
        """The last of them."""

    def proposers(self) -> Proposers:
        """Of the height after the newest executed one."""
        ledger, height = self._ledger, self._ledger.height + 1
        validators = self._sets(height)
        self._slide(max(0, height - 2), window_heights(len(validators)))
        excluded = frozenset(trust.tombstoned(State(ledger, ledger.records)))
        weights = leader_weights(validators, self._record, excluded)
        seed = ledger.mix_at(seed_height(height, ledger.genesis.consensus.epoch_blocks))
        return draw(validators, seed, ledger.chain_id, height, weights)

    def _slide(self, newest: int, length: int) -> None:
        """Have the `length` heights up to `newest` in the window."""
        if length != self._length or newest < self._newest:
            # Another number of seats: what has left the window may have to come back.
            self._window.clear()
            self._record = Record()
            self._length, self._newest = length, max(0, newest - length)
        for height in range(self._newest + 1, newest + 1):
            shown = self._participation(height)
            self._window.append(shown)
            self._record.add(shown)
            if len(self._window) > length:
                self._record.drop(self._window.popleft())
        self._newest = newest

    def _participation(self, height: int) -> Participation:
        turn, seats = self._ledger.turn(height), self._sets(height).seats
        signers = self._ledger.turn(height + 1).signers
        return Participation(turn.proposer, turn.passed, tuple(seats[index].id for index in signers))
