"""A second judge, of a puzzle: who finds a lower number? Nothing in `contracts` knows of it.

A solution is a number in ASCII from `FLOOR` on, its cost; near `FLOOR` it is certified. The fallback is far from it, so
there is something to earn.
"""

from __future__ import annotations

from typing import Any

from ledger_world import Chain
from wager_world import wagering

from contracts import api
from contracts.context import BlockContext
from contracts.envelope import Envelope
from contracts.genesis import Genesis
from contracts.receipts import AnyEvent, Receipt
from contracts.state import State
from contracts.wagers import rounds
from contracts.wagers.judging import Case, Judge, Judges, Weighed
from contracts.wagers.records import Round

FLOOR, THRESHOLD, FALLBACK = 600, 5, 1_000
HONEST = b"600"
REWARDING = {"reward_nano_per_token": 1, "reward_pool_ppm": 1_000_000}


def weigh(solution: bytes) -> Weighed | None:
    if not (solution.isdigit() and len(solution) <= 6 and int(solution) >= FLOOR):
        return None
    cost = int(solution)
    return Weighed(cost, 0, cost % 2, cost - FLOOR <= THRESHOLD, cost)


def case(_state: State, _context: BlockContext, _subject: int) -> Case:
    return Case(Weighed(FALLBACK, 0, 0, True, FALLBACK), THRESHOLD, 0, weigh)


def order(
    _state: State, _context: BlockContext, _subject: int, _plan: Any, _builder: str | None
) -> tuple[AnyEvent, ...]:
    return ()


JUDGE = Judge("puzzle", "least-cost", case, order)


class Puzzles(Chain):
    """A chain that asks puzzles; `proposer` proposes its next block."""

    proposer: str | None = None

    def __init__(self, genesis: Genesis | None = None) -> None:
        super().__init__(genesis or wagering(**REWARDING))

    def context(self) -> api.BlockContext:
        context = super().context()
        return context if self.proposer is None else context._replace(proposer=f"node-{self.proposer}")

    def block(self, *envelopes: Envelope) -> list[Receipt]:
        """Without intervals: the clock moves rounds alone."""
        state, context = State(self.store), self.context()
        judges: Judges = {JUDGE.name: JUDGE}
        self.clock = Receipt("ok", 0, rounds.advance(state, context, judges))
        receipts = [api.apply(state, envelope, context) for envelope in envelopes]
        self._end(state, context)
        return receipts

    def ask(self, opener: str | None = None, stake_nano: int = 10**12, lasts_ms: int = 3_600_000) -> Round | None:
        """Open a round, in a block of its own."""
        return self.decide(
            lambda state, context: rounds.open_round(
                state, context, JUDGE, 7, opener, stake_nano, context.time_ms + lasts_ms
            )
        )
