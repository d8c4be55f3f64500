"""Whether what governance carried out had the power behind it: counted anew from events and seatings.

Part of `devnet.simulator.oracles`. Reads who approved from the receipts of the chain, never from ballots in state.
"""

from __future__ import annotations

from collections.abc import Iterable

from contracts.governance.changes import SetConsensusParams, SetRuleSet
from contracts.governance.events import ApprovalWithdrawn, ProposalApproved, ProposalDecided
from contracts.receipts import AnyEvent
from contracts.schema import PROPOSALS, RULES, RULES_IN_FORCE
from contracts.state import State
from devnet.simulator.violations import Violation
from node.ledger.ledger import Ledger
from node.seats import Sets


class Ballots:
    """Follows one chain from its genesis; `ledger` is its execution."""

    def __init__(self, ledger: Ledger, sets: Sets) -> None:
        self._ledger = ledger
        self._sets = sets
        self._approvals: dict[int, set[str]] = {}
        self._rules = State(ledger).load(RULES, RULES_IN_FORCE)

    def took(self, events: Iterable[AnyEvent]) -> None:
        """The newest block was executed, with these events. Raises `Violation`."""
        enacted = []
        for event in events:
            match event:
                case ProposalApproved(number, member):
                    self._approvals.setdefault(number, set()).add(member)
                case ApprovalWithdrawn(number, member):
                    self._approvals[number].discard(member)
                case ProposalDecided(number, "enacted"):
                    enacted.append(number)
        for number in enacted:
            self._check_power(number)
        rules = State(self._ledger).load(RULES, RULES_IN_FORCE)
        if rules != self._rules and not enacted:
            raise Violation("law", f"block {self._ledger.height} changes the rules, and nothing was agreed")
        self._rules = rules

    def _check_power(self, number: int) -> None:
        state, height = State(self._ledger), self._ledger.height
        proposal = state.load(PROPOSALS, PROPOSALS.key(number))
        if proposal is None:
            raise Violation("law", f"block {height} carries out proposal {number}, which nobody made")
        waits = isinstance(proposal.change, SetConsensusParams | SetRuleSet)
        # What waits for an epoch counts by those who will be in it.
        seats = self._sets(height + waits).seats
        agreed = self._approvals.get(number, set())
        got = sum(seat.power for seat in seats if seat.organisation in agreed and not seat.flagged)
        total = sum(seat.power for seat in seats)
        if (6 * got <= 5 * total) if waits else (3 * got <= 2 * total):
            raise Violation("law", f"block {height} carries out proposal {number} with {got} of {total}")
