"""Twins of the pure machine: two of it with one key, and links that split five machines anew in every round.

Bano et al., "Twins: BFT systems made robust" (arXiv:2004.10617). Each twin follows the algorithm, so every oracle holds
for it too; together they equivocate.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.effects import Broadcast, Effect, StartHeight, Step
from tests.consensus.height import NAMES, make_context
from tests.consensus.soup import Flight, Honest, Soup
from tests.consensus.storms import answer_everything

pytestmark = pytest.mark.properties


class Twins(Soup):
    """Everybody is honest, and `twin` is there twice: messages reach only the group of who sends them."""

    def __init__(self, twin: str) -> None:
        self.group = frozenset[str]()
        """One group; the others are the other one."""
        self.accused: set[str] = set()
        super().__init__(make_context(), NAMES)
        second = Honest(twin)
        second.name = f"{twin}~2"
        self.nodes[second.name] = second
        self.feed(second, StartHeight(self.context))
        for name in self.nodes:
            self.wake(name)

    def perform(self, node: Honest, effect: Effect) -> None:
        match effect:
            case Broadcast(message):
                self.watch_broadcast(node, message)
                side = node.name in self.group
                reached = [name for name in self.nodes if name != node.name and (name in self.group) == side]
                self.flights += [Flight(name, message) for name in reached]
            case _:
                super().perform(node, effect)

    def watch_accusation(self, accused: str) -> None:
        self.accused.add(accused)


def twin_rounds(seed: int, rounds: int, twin: str) -> Twins:
    """Rounds in lockstep, each with its own groups; what crosses them is lost for good."""
    source = random.Random(seed)
    soup = Twins(twin)
    for _ in range(rounds):
        soup.group = frozenset(name for name in soup.nodes if source.random() < 0.5)
        for step in (Step.REBROADCAST, Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
            answer_everything(soup)
            for _ in range(len(soup.flights)):
                # Now and then a message is lost within a group too: else all of a group lock alike.
                if source.random() < 0.1:
                    soup.drop(0)
                else:
                    soup.deliver(0)
            answer_everything(soup)
            for index in reversed(range(len(soup.waits))):
                if soup.waits[index].timeout.step == step:
                    soup.fire(index)
    soup.group = frozenset()
    return soup


@settings(max_examples=2 * settings().max_examples)
@given(seed=st.integers(0, 2**32 - 1), rounds=st.integers(1, 8), twin=st.sampled_from(NAMES))
def test_twins_break_nothing_and_only_they_are_accused(seed: int, rounds: int, twin: str) -> None:
    soup = twin_rounds(seed, rounds, twin)
    soup.run_fairly()
    assert soup.accused <= {twin}


def test_twins_do_contradict_themselves() -> None:
    """The schedules are worth something: in many of them somebody sees it."""
    seen = [twin_rounds(seed, 4, "dan").accused for seed in range(40)]
    assert seen.count({"dan"}) > 20
