"""Several liars as one: they know each other's keys, and each half of the honest takes them for loyal."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from consensus.messages import Proposal, Vote
from devnet.simulator.behaviours.base import Behaviour, Out, Signing, behaviour
from devnet.simulator.behaviours.puppeteer import Puppeteer
from devnet.simulator.behaviours.votes import contradiction
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.peer.wire import Frame
from zk.codec import encode
from zk.hashing import sha256


@behaviour
class Collude(Behaviour):
    """Shows each half of the honest another block, and echoes every honest vote to its half in the name of all liars.

    What one half decides or locks the other half never hears of from them.
    """

    name = "collude"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._height = 0
        self._echoed: set[tuple[int, Vote]] = set()
        """(half, vote without voter and signature) of the height."""

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        half = self._half(target)
        match message:
            case Proposal() if half:
                self.acted()
                return [Out(target, frame, self.signed(contradiction(message)))]
            case Vote(block_id=bytes()) if self._is_split(message):
                # Its own block: this half hears the vote for what it was shown as an echo.
                return []
            case _:
                return [Out(target, frame, body)]

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        vote = read(frame, body)
        if not isinstance(vote, Vote) or vote.height < self.height:
            return []
        if self.height != self._height:
            self._height = self.height
            self._echoed.clear()
        ring = self._ring()
        half = self._half(vote.voter)
        said = (half, replace(vote, voter="", signature=b""))
        if vote.voter in {machine.node for machine in ring} or said in self._echoed:
            return []
        self._echoed.add(said)
        frames = []
        for machine in ring:
            echo = Signing(machine).sign(replace(vote, voter=machine.node), self.chain_id)
            frames += [Out(node, frame, encode(echo)) for node in self.others if self._half(node) == half]
        self.acted(len(frames))
        return frames

    def _half(self, node: str) -> int:
        return sha256(f"{self.machine.network.seed}/{node}".encode())[0] % 2

    def _is_split(self, vote: Vote) -> bool:
        """Whether each half was shown another block in this round."""
        proposer = self.proposer(vote.round)
        return any(machine.node == proposer for machine in self._ring())

    def _ring(self) -> list[Machine]:
        """Everybody who is in it, with its key."""
        seated = [node for node in self.machine.network.machines.values() if node.node in self.seats.index]
        return [one for one in seated if isinstance(one.mouth, Puppeteer) and one.mouth.plays(Collude)]
