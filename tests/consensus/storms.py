"""Whole schedules from one seed: what a storm or a run of lossy rounds leaves behind, before fairness returns."""

from __future__ import annotations

import random

from consensus.effects import Step
from consensus.messages import Proposal, Vote, VoteType
from tests.consensus.adversary import Adversary
from tests.consensus.height import NAMES, make_context
from tests.consensus.soup import Flight, Soup

SKEWS_MS = (0, 0, 0, -5_000, 5_000)
"""How far a receiver's clock is off when a message arrives."""


class Weather:
    """What a phase of a storm is like: who loses what, how hasty the clocks are, how busy the adversary."""

    def __init__(self, source: random.Random, honest: tuple[str, ...]) -> None:
        # A height ends with its precommits and with certificates: lose most of them, or there are no locks to
        # test.
        losses: dict[str, tuple[float, ...]] = {
            "proposal": (0.0, 0.0, 0.0, 1.0),
            "prevote": (0.0, 0.0, 0.3, 0.6),
            "precommit": (0.3, 0.9, 1.0),
            "certificate": (0.0, 0.8, 1.0),
        }
        self.loss = {(kind, name): source.choice(losses[kind]) for kind in losses for name in honest}
        self.haste = source.choice((0.0, 0.01, 0.05))
        self.malice = source.choice((0.02, 0.1, 0.3))

    def loses(self, flight: Flight, source: random.Random) -> bool:
        """Whether this message is lost."""
        match flight.message:
            case Proposal():
                kind = "proposal"
            case Vote():
                kind = flight.message.kind.name.lower()
            case _:
                kind = "certificate"
        return source.random() < self.loss[kind, flight.to]


def storm(seed: int, steps: int, faulty: str) -> Soup:
    """A long schedule from a seed, in phases of different weather, so that rounds, locks and polkas pile
    up."""
    source = random.Random(seed)
    honest = tuple(name for name in NAMES if name != faulty)
    soup = Soup(make_context(), honest)
    adversary = Adversary(soup, faulty, source.randrange)
    for name in honest:
        soup.wake(name)
    weather = Weather(source, honest)
    for _ in range(steps):
        if source.random() < 0.02:
            weather = Weather(source, honest)
        if source.random() < weather.malice:
            adversary.move()
        if soup.waits and source.random() < weather.haste:
            soup.fire(source.randrange(len(soup.waits)))
        elif soup.answers and source.random() < 0.5:
            soup.answer(source.randrange(len(soup.answers)))
        elif soup.flights:
            # Rather early than late: mostly in order.
            index = int(len(soup.flights) * source.random() ** 3)
            if weather.loses(soup.flights[index], source):
                soup.drop(index)
            else:
                skew_ms = source.choice(SKEWS_MS) if source.random() < weather.malice else 0
                soup.deliver(index, keep=source.random() < 0.05, skew_ms=skew_ms)
        elif soup.answers:
            soup.answer(0)
        elif soup.waits:
            soup.fire(source.randrange(len(soup.waits)))
    return soup


def lossy_rounds(seed: int, rounds: int, faulty: str) -> Soup:
    """Rounds in lockstep: in each step every member misses at most one other, and the adversary fills in as
    it likes, for each of them differently. The quickest way to locks on different values in different
    rounds."""
    source = random.Random(seed)
    honest = tuple(name for name in NAMES if name != faulty)
    soup = Soup(make_context(), honest)
    adversary = Adversary(soup, faulty, source.randrange)
    for name in honest:
        soup.wake(name)
    for _ in range(rounds):
        for step in (Step.PROPOSE, Step.PREVOTE, Step.PRECOMMIT):
            answer_everything(soup)
            if source.random() < 0.3:
                adversary.move()
            for name in honest:
                if step == Step.PROPOSE:
                    adversary.send_proposal(name)
                else:
                    adversary.send_vote(name, VoteType(step - 1))
            missed = {name: source.choice((*honest, faulty, None, None, None)) for name in honest}
            exchange(soup, missed, source)
            answer_everything(soup)
            for index in reversed(range(len(soup.waits))):
                if soup.waits[index].timeout.step == step:
                    soup.fire(index)
    return soup


def answer_everything(soup: Soup) -> None:
    """Signatures, blocks and payloads get ready."""
    while soup.answers:
        soup.answer(0)


def exchange(soup: Soup, missed: dict[str, str | None], source: random.Random) -> None:
    """What is in flight now arrives, but for what each receiver misses; certificates rarely make it."""
    for _ in range(len(soup.flights)):
        match soup.flights[0]:
            case Flight(to, Vote(voter=signer) | Proposal(proposer=signer)):
                is_lost = missed[to] == signer
            case _:
                is_lost = source.random() < 0.9
        if is_lost:
            soup.drop(0)
        else:
            soup.deliver(0)
