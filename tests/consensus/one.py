"""One machine under test, and readable views of what it does."""

from __future__ import annotations

from consensus import machine
from consensus.effects import (
    Broadcast,
    Decide,
    Effect,
    HeightContext,
    Input,
    PayloadChecked,
    Received,
    Refused,
    Sign,
    Signed,
    StartHeight,
    Step,
    Timeout,
)
from consensus.messages import Block, Message, Proposal, Vote, VoteType
from consensus.state import State
from tests.consensus.height import (
    HEIGHT,
    PRECOMMIT,
    PREVOTE,
    START_MS,
    make_block,
    make_context,
    propose,
    signed_proposal,
    signed_vote,
    vote,
)

CONTEXT = make_context()
SET = CONTEXT.validators
OTHERS = ("ann", "cyd", "dan")


class One:
    """One machine under test, `bob` unless said otherwise (proposer of rounds 1, 5, 9). Signs at once."""

    def __init__(self, name: str | None = "bob", context: HeightContext = CONTEXT) -> None:
        self.name = name
        self.context = context
        self.state: State = machine.initial(name)
        self.feed(StartHeight(context))

    def feed(self, *inputs: Input) -> list[Effect]:
        """Effects of the inputs and of the signatures they ask for."""
        effects: list[Effect] = []
        for input_ in inputs:
            self.state, produced = machine.step(self.state, input_)
            effects += produced
            for effect in produced:
                match effect:
                    case Sign(Proposal() as proposal):
                        effects += self.feed(Signed(signed_proposal(proposal), START_MS))
                    case Sign(Vote() as unsigned):
                        effects += self.feed(Signed(signed_vote(unsigned), START_MS))
        return effects

    def hear(self, *messages: Message) -> list[Effect]:
        return self.feed(*(Received(message, START_MS) for message in messages))

    def see(self, proposal: Proposal) -> list[Effect]:
        """A proposal with its payload."""
        block_id = proposal.block.header.id()
        return [*self.hear(proposal), *self.feed(PayloadChecked(HEIGHT, block_id, True))]

    def expire(self, step: Step, round_: int) -> list[Effect]:
        return self.feed(Timeout(step, HEIGHT, round_))

    def votes(self, kind: VoteType, round_: int, block_id: bytes | None, valid_round: int = -1) -> list[Effect]:
        """That vote from everybody else."""
        return self.hear(*(vote(name, kind, round_, block_id, valid_round) for name in OTHERS))

    def go_to(self, round_: int) -> list[Effect]:
        """Skip to a round."""
        return self.hear(*(vote(name, PRECOMMIT, round_, None) for name in ("ann", "cyd")))


def own(effects: list[Effect]) -> list[tuple[int, str, bytes | None, int]]:
    """Own votes that were published: (round, kind, block id, valid_round)."""
    return [
        (message.round, message.kind.name, message.block_id, message.valid_round)
        for message in sent(effects)
        if isinstance(message, Vote)
    ]


def sent(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Broadcast)]


def codes(effects: list[Effect]) -> list[str]:
    return [effect.code for effect in effects if isinstance(effect, Refused)]


def decided(effects: list[Effect]) -> list[bytes]:
    return [effect.block.header.id() for effect in effects if isinstance(effect, Decide)]


def block_at(round_: int, label: str = "value") -> tuple[Block, bytes]:
    block = make_block(CONTEXT, round_, label)
    return block, block.header.id()


V, V_ID = block_at(0)


def locked_on_v() -> One:
    """Bob has locked the value of round 0."""
    node = One()
    node.see(propose(CONTEXT, 0, V))
    assert (0, "PRECOMMIT", V_ID, -1) in own(node.votes(PREVOTE, 0, V_ID))
    return node
