"""Members who wager on the dispatch in a run: honest ones that solve it, and liars that reveal what is none.

They read the chain as everybody can and speak through the traffic, late or never when the network is bad. Never decides
whether a wager was lost rightly: that is the oracles' matter.
"""

from __future__ import annotations

from collections.abc import Iterator

from contracts import windows
from contracts.bodies import CLAIMS, Claim, RevealSolution, Wager
from contracts.program.case import Case, Solution
from contracts.schema import ROUNDS
from contracts.state import State
from contracts.wagers.records import COMMITTING, REVEALING, WAGERING, Round, minimum_wager
from contracts.wagers.rounds import open_rounds
from contracts.wagers.sealing import seal
from devnet.liars import promise_more
from devnet.simulator.actors import Actor
from devnet.simulator.network import Network
from devnet.simulator.plan import Plan
from devnet.simulator.traffic import Traffic
from node.building import packed
from node.ledger.ledger import Ledger
from node.solver.build import build

SECONDS = 60.0
"""No limit for a case of one interval, so that a run is a function of its seed."""


class Builders(Actor):
    """Wager on most rounds, and commit and reveal where they are drawn."""

    NAME = "builders"
    LOOK_MS = 60

    def __init__(self, plan: Plan, network: Network, traffic: Traffic, ledger: Ledger) -> None:
        super().__init__(plan, network, traffic, ledger)
        self._wagered: set[tuple[str, int]] = set()
        self._sealed: dict[tuple[str, int], RevealSolution] = {}
        self._revealed: set[tuple[str, int]] = set()

    def _look(self, state: State) -> None:
        for round_ in _open(state):
            for member in self._plan.nodes:
                self._act(state, round_, member)

    def _act(self, state: State, round_: Round, member: str) -> None:
        place = member, round_.number
        if round_.phase == WAGERING and place not in self._wagered:
            self._wagered.add(place)
            if self._random.randrange(4):
                claims: tuple[Claim, ...] = CLAIMS if member in self._lying else CLAIMS[:1]
                amount = minimum_wager(round_) + self._random.randrange(3)
                self._traffic.say(member, Wager(round_.number, self._random.choice(claims), amount))
        elif round_.phase == COMMITTING and member in round_.builders and place not in self._sealed:
            case = windows.kept_case(state, round_.subject)
            assert case is not None, "what a round is about is kept"
            best = build(case, SECONDS).solution
            solution = self._twisted(case, best) if member in self._lying else packed(best)
            salt = self._random.randbytes(32)
            commit, self._sealed[place] = seal(self._ledger.chain_id, round_.number, member, salt, solution)
            self._traffic.say(member, commit)
        elif round_.phase == REVEALING and place in self._sealed and place not in self._revealed:
            self._revealed.add(place)
            if member not in self._lying or self._random.randrange(3):
                self._traffic.say(member, self._sealed[place])

    def _twisted(self, case: Case, best: Solution) -> bytes:
        """What a liar commits to: noise, a part of the truth, more than there is, or the truth."""
        match self._random.randrange(4):
            case 0:
                return self._random.randbytes(self._random.randrange(40))
            case 1:
                return packed(best)[:-1]
            case 2:
                return packed(promise_more(case, best))
            case _:
                return packed(best)


def _open(state: State) -> Iterator[Round]:
    for number in open_rounds(state):
        round_ = state.load(ROUNDS, ROUNDS.key(number))
        assert round_ is not None, "an open round is on record"
        yield round_
