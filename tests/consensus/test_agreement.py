"""Agreement, validity and termination of four machines, one seat of which is an adversary, under any
schedule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.consensus.adversary import Adversary
from tests.consensus.height import NAMES, make_context
from tests.consensus.soup import Soup
from tests.consensus.storms import SKEWS_MS, lossy_rounds, storm

pytestmark = pytest.mark.properties


class Schedule(RuleBasedStateMachine):
    """Hypothesis is the network, the clock and the faulty member. The oracles are in `Soup`."""

    @initialize(faulty=st.sampled_from(NAMES))
    def start(self, faulty: str) -> None:
        honest = tuple(name for name in NAMES if name != faulty)
        self.soup = Soup(make_context(), honest)
        self.draws: list[int] = []
        self.adversary = Adversary(self.soup, faulty, lambda bound: self.draws.pop() % bound)
        for name in honest:
            self.soup.wake(name)

    @precondition(lambda self: self.soup.flights)
    @rule(pick=st.integers(0, 10_000), skew_ms=st.sampled_from(SKEWS_MS))
    def deliver(self, pick: int, skew_ms: int) -> None:
        self.soup.deliver(pick % len(self.soup.flights), skew_ms=skew_ms)

    @precondition(lambda self: self.soup.flights)
    @rule(pick=st.integers(0, 10_000))
    def duplicate(self, pick: int) -> None:
        self.soup.deliver(pick % len(self.soup.flights), keep=True)

    @precondition(lambda self: self.soup.flights)
    @rule(pick=st.integers(0, 10_000))
    def lose(self, pick: int) -> None:
        self.soup.drop(pick % len(self.soup.flights))

    @precondition(lambda self: self.soup.flights)
    @rule(to=st.integers(0, 2), count=st.integers(1, 40))
    def deliver_many(self, to: int, count: int) -> None:
        """One member catches up while the others wait."""
        name = list(self.soup.nodes)[to]
        for _ in range(count):
            mine = [index for index, flight in enumerate(self.soup.flights) if flight.to == name]
            if not mine:
                return
            self.soup.deliver(mine[0])

    @precondition(lambda self: self.soup.waits)
    @rule(pick=st.integers(0, 10_000))
    def fire(self, pick: int) -> None:
        self.soup.fire(pick % len(self.soup.waits))

    @precondition(lambda self: self.soup.answers)
    @rule(pick=st.integers(0, 10_000))
    def answer(self, pick: int) -> None:
        self.soup.answer(pick % len(self.soup.answers))

    @rule()
    def answer_all(self) -> None:
        while self.soup.answers:
            self.soup.answer(0)

    @rule(draws=st.lists(st.integers(0, 10_000), min_size=8, max_size=8))
    def attack(self, draws: list[int]) -> None:
        self.draws = draws
        self.adversary.move()

    def teardown(self) -> None:
        if hasattr(self, "soup"):
            self.soup.run_fairly()
            self.soup.check_replay()


TestSchedule = Schedule.TestCase
TestSchedule.settings = settings(stateful_step_count=60)


@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(50, 600), faulty=st.sampled_from(NAMES))
def test_storm_then_fairness(seed: int, steps: int, faulty: str) -> None:
    soup = storm(seed, steps, faulty)
    soup.run_fairly()
    soup.check_replay()


@settings(max_examples=4 * settings().max_examples)
@given(seed=st.integers(0, 2**32 - 1), rounds=st.integers(1, 12), faulty=st.sampled_from(NAMES))
def test_lossy_rounds_then_fairness(seed: int, rounds: int, faulty: str) -> None:
    soup = lossy_rounds(seed, rounds, faulty)
    soup.run_fairly()
    soup.check_replay()
