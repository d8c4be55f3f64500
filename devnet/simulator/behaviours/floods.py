"""Old messages again, and messages of times to come: what buffers and memories are tried with."""

from __future__ import annotations

from collections import Counter, deque

from msgspec.structs import replace

from consensus.messages import NO_ROUND, Proposal, Vote, VoteType
from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.peer.wire import Frame
from zk.hashing import sha256

MAX_REMEMBERED = 1_000
MAX_REPEATED = 4_096
"""Bytes of a frame worth remembering."""


@behaviour
class StaleReplays(Behaviour):
    """Repeats what it ever heard and said: votes and certificates of earlier heights and rounds, blocks, statuses."""

    name = "stale-replays"
    AT_ONCE = 12

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._early: list[tuple[Frame, bytes]] = []
        self._late: deque[tuple[Frame, bytes]] = deque(maxlen=MAX_REMEMBERED)

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        self._remember(frame, body)
        return [Out(target, frame, body)]

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        self._remember(frame, body)
        return []

    def act(self) -> list[Out]:
        known = [*self._early, *self._late]
        again = self.random.sample(known, min(self.AT_ONCE, len(known)))
        self.acted(len(again))
        return [out for frame, body in again for out in self.any_of([body], frame)]

    def _remember(self, frame: Frame, body: bytes) -> None:
        if len(body) > MAX_REPEATED:
            return
        if len(self._early) < MAX_REMEMBERED:
            self._early.append((frame, body))
        else:
            self._late.append((frame, body))


@behaviour
class FutureFlood(Behaviour):
    """Votes and proposes in rounds and heights far ahead, over and over."""

    name = "future-flood"
    AT_ONCE = 16
    AHEAD = (1, 2, 3, 10, 100, 10_000, 2**30)

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._proposal: Proposal | None = None

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if isinstance(message, Proposal):
            self._proposal = message
        return [Out(target, frame, body)]

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        message = read(frame, body)
        if isinstance(message, Proposal):
            self._proposal = message
        return []

    def act(self) -> list[Out]:
        random = self.random
        bodies = []
        for _ in range(self.AT_ONCE):
            height = self.height + random.choice((0, 0, 1, 1, *self.AHEAD[:5]))
            round_ = self.state.round + random.choice(self.AHEAD)
            if self._proposal is not None and random.random() < 0.2:
                bodies.append(self._far_proposal(self._proposal, round_))
                continue
            block_id = None if random.random() < 0.5 else sha256(random.randbytes(8))
            vote = Vote(random.choice(list(VoteType)), height, round_, block_id, NO_ROUND, self.node, b"")
            bodies.append(self.signed(vote))
        self.acted(len(bodies))
        return self.any_of(bodies)

    def _far_proposal(self, seen: Proposal, round_: int) -> bytes:
        """Its block of the open height in a later round of its own, with a time that makes each one another."""
        turns = range(round_, round_ + len(self.seats))
        round_ = next((turn for turn in turns if self.proposer(turn) == self.node), round_)
        header = replace(
            seen.block.header,
            height=self.height,
            proposer=self.node,
            proposer_round=round_,
            time_ms=seen.block.header.time_ms + self.random.randrange(1_000),
        )
        block = replace(seen.block, header=header)
        return self.signed(replace(seen, height=self.height, round=round_, block=block, proposer=self.node))
