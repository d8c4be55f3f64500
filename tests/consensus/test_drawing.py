"""The second drawing of `docs/consensus.md`, on the real machine: a lock that is kept, and given up for a newer polka.

ann, bob, cyd and dan stand for biodiesel, campus, solar and wind, in the order of their turns.
"""

from __future__ import annotations

from consensus.effects import Step
from consensus.messages import NO_ROUND, Message, PolkaCertificate, Proposal, Vote, VoteType
from consensus.round import Mark
from tests.consensus.height import NAMES, PRECOMMIT, PREVOTE, make_context
from tests.consensus.soup import Flight, Soup
from tests.consensus.storms import answer_everything

ANN, BOB, CYD, DAN = NAMES
HEARD = (
    {ANN: (BOB, CYD), BOB: (ANN, CYD), CYD: (ANN, BOB), DAN: (ANN, CYD)},
    {ANN: (BOB, DAN), BOB: (ANN, DAN), CYD: (ANN, BOB), DAN: (ANN, BOB)},
    {name: tuple(other for other in NAMES if other != name) for name in NAMES},
)
"""By round: whose prevotes arrive at whom in time."""


class Drawing(Soup):
    """Four honest members, and a network that delivers what the drawing shows."""

    def proposals(self, late: str | None = None) -> None:
        """The proposal, and the polka with it, arrive at all but one."""
        answer_everything(self)
        for flight in self.taken((Proposal, PolkaCertificate)):
            if flight.to != late:
                self.hand(flight.to, flight.message)
        answer_everything(self)

    def prevotes(self, round_: int) -> None:
        """Prevotes arrive at those who hear them."""
        for flight in self.taken((Vote,)):
            assert isinstance(flight.message, Vote)
            if flight.message.voter in HEARD[round_][flight.to]:
                self.hand(flight.to, flight.message)
        answer_everything(self)

    def precommits(self) -> None:
        """Precommits arrive at everybody, their polkas do not."""
        self.taken((PolkaCertificate,))
        for flight in self.taken((Vote,)):
            self.hand(flight.to, flight.message)
        answer_everything(self)

    def taken(self, kinds: tuple[type[Message], ...]) -> list[Flight]:
        """What is in flight of these kinds, off the air."""
        chosen = [flight for flight in self.flights if isinstance(flight.message, kinds)]
        self.flights = [flight for flight in self.flights if not isinstance(flight.message, kinds)]
        return chosen

    def time_out(self, step: Step, round_: int, *names: str) -> None:
        """This timer, which must be running, ends at these members."""
        for name in names:
            here = [
                index
                for index, wait in enumerate(self.waits)
                if wait.node == name and (wait.timeout.step, wait.timeout.round) == (step, round_)
            ]
            assert len(here) == 1, f"{name} does not wait for {step.name} of round {round_}"
            self.fire(here[0])
        answer_everything(self)

    def said(self, kind: VoteType, round_: int) -> list[tuple[bytes | None, int]]:
        """(block id, valid_round) of everybody's vote, in the order of names."""
        votes = {
            message.voter: (message.block_id, message.valid_round)
            for message in self.published
            if isinstance(message, Vote) and (message.kind, message.round) == (kind, round_)
        }
        return [votes[name] for name in NAMES]

    def proposed(self, round_: int) -> bytes:
        """Block id of a round's proposal."""
        [proposal] = {
            message.block.header.id()
            for message in self.published
            if isinstance(message, Proposal) and message.round == round_
        }
        return proposal

    def locks(self) -> list[Mark | None]:
        """Everybody's lock."""
        cores = [self.nodes[name].state.core for name in NAMES]
        return [None if core is None else core.locked for core in cores]


def test_the_rounds_of_the_drawing() -> None:
    soup, nil = Drawing(make_context(), NAMES), (None, NO_ROUND)
    for name in NAMES:
        soup.wake(name)

    soup.proposals(late=BOB)
    soup.time_out(Step.PROPOSE, 0, BOB)
    a = soup.proposed(0)
    assert soup.said(PREVOTE, 0) == [(a, NO_ROUND), nil, (a, NO_ROUND), (a, NO_ROUND)]
    soup.prevotes(0)
    soup.time_out(Step.PREVOTE, 0, ANN, BOB, CYD)
    assert soup.said(PRECOMMIT, 0) == [nil, nil, nil, (a, NO_ROUND)]
    assert soup.locks() == [None, None, None, Mark(a, 0)]
    soup.precommits()
    soup.time_out(Step.PRECOMMIT, 0, *NAMES)

    soup.proposals()
    b = soup.proposed(1)
    assert b != a
    assert soup.said(PREVOTE, 1) == [(b, NO_ROUND), (b, NO_ROUND), (b, NO_ROUND), nil]
    soup.prevotes(1)
    soup.time_out(Step.PREVOTE, 1, ANN, BOB, DAN)
    assert soup.said(PRECOMMIT, 1) == [nil, nil, (b, NO_ROUND), nil]
    assert soup.locks() == [None, None, Mark(b, 1), Mark(a, 0)]
    soup.precommits()
    soup.time_out(Step.PRECOMMIT, 1, *NAMES)

    soup.proposals()
    assert soup.proposed(2) == b
    assert soup.said(PREVOTE, 2) == [(b, 1)] * 4
    soup.prevotes(2)
    assert soup.said(PRECOMMIT, 2) == [(b, NO_ROUND)] * 4
    assert soup.locks() == [Mark(b, 2)] * 4
    soup.precommits()
    decided = [node.decision for node in soup.nodes.values()]
    assert [None if one is None else one[0].header.id() for one in decided] == [b] * 4
