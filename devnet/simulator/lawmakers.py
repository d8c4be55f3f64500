"""Members who change the pact in a run: proposals of every kind that needs no new machine, and votes on them.

The honest agree to what an honest member proposes. Liars propose to throw out the honest, and agree to everything.
Never counts votes: that is the oracles' matter.
"""

from __future__ import annotations

from msgspec.structs import replace

from contracts import api
from contracts.epochs import epoch_of
from contracts.governance.bodies import Approve, Propose, Withdraw
from contracts.governance.changes import Change, RemoveMember, SetConsensusParams, SetParams, SetRoles
from contracts.governance.proposals import open_proposals
from contracts.schema import BALLOTS
from contracts.state import State
from devnet.simulator.actors import Actor
from devnet.simulator.network import Network
from devnet.simulator.plan import Plan
from devnet.simulator.traffic import Traffic
from node.ledger.ledger import Ledger

ROLES = (("supplier",), ("consumer", "supplier"))
OPEN_BLOCKS = 200
"""How long a proposal may be approved."""


class Lawmakers(Actor):
    """Propose, approve and withdraw."""

    NAME = "lawmakers"
    LOOK_MS = 250

    def __init__(self, plan: Plan, network: Network, traffic: Traffic, ledger: Ledger) -> None:
        super().__init__(plan, network, traffic, ledger)
        self._approved: set[tuple[str, int]] = set()

    def _look(self, state: State) -> None:
        if self._random.randrange(4) == 0:
            member = self._random.choice(self._plan.nodes)
            proposal = Propose(self._change(state, member), "to be tried", self._ledger.height + OPEN_BLOCKS)
            self._traffic.say(member, proposal)
        for one in open_proposals(state):
            member = self._random.choice(self._plan.nodes)
            ballot = state.load(BALLOTS, BALLOTS.key(one.number))
            assert ballot is not None, "what is on the agenda has a ballot"
            if member in (approval.member for approval in ballot.approvals):
                if self._random.randrange(5) == 0:
                    self._traffic.say(member, Withdraw(one.number))
            elif one.proposer not in self._lying or member in self._lying:
                self._approve(member, one.number)

    def _approve(self, member: str, number: int) -> None:
        """Once, and every now and then again, as people do who see nothing happen."""
        if (member, number) not in self._approved or self._random.randrange(6) == 0:
            self._approved.add((member, number))
            self._traffic.say(member, Approve(number))

    def _change(self, state: State, member: str) -> Change:
        random, rules = self._random, api.rules(state)
        if member in self._lying:
            return RemoveMember(random.choice(self._plan.honest))
        match random.randrange(3):
            case 0:
                return SetParams(replace(rules.params, penalty_ppm=random.randrange(200_000)))
            case 1:
                epoch = epoch_of(self._ledger.height, rules.consensus) + random.randint(2, 4)
                target_ms = random.choice((40, 80, 120))
                return SetConsensusParams(replace(rules.consensus, target_block_ms=target_ms), epoch)
            case _:
                return SetRoles(random.choice(self._plan.nodes), random.choice(ROLES))
