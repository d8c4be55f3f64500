"""What every Byzantine behaviour starts from: what it may see, what it may do, and how deviations are counted.

A behaviour sees every frame that its replica wants to send or is about to get, says which frames leave instead, and may
act by itself a few times a second. It signs anything with its own key and forges nothing of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, overload

from msgspec.structs import replace

from consensus.messages import Proposal, Vote
from consensus.state import State
from consensus.validators import ValidatorSet
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.effects import Submission
from node.peer.wire import Frame
from zk.codec import encode

TICK_MS = 150
"""How often a behaviour acts by itself."""


class Signing:
    """A signer without a memory: signs whatever it is asked to."""

    restored = False

    def __init__(self, machine: Machine) -> None:
        self._key = machine.key

    @overload
    def sign(self, message: Proposal, chain_id: str) -> Proposal: ...
    @overload
    def sign(self, message: Vote, chain_id: str) -> Vote: ...
    def sign(self, message: Proposal | Vote, chain_id: str) -> Proposal | Vote:
        """The message with its signature, also when it contradicts an earlier one."""
        return replace(message, signature=self._key.sign(message.sign_bytes(chain_id)))

    def clear_restored(self, height: int) -> None:
        """It never came from a backup."""

    def resume(self, height: int, last: tuple[int, int]) -> bool:
        """Whatever the log says."""
        return True


class Out(NamedTuple):
    """A frame to a node, `later_ms` of virtual time from now."""

    target: str
    frame: Frame
    body: bytes
    later_ms: int = 0


class Behaviour:
    """The base does what an honest node does."""

    name = "honest"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        self.machine = machine
        self.random = machine.network.stream("behaviour", self.name, machine.name)
        self.counts = counts

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        """What leaves instead of this frame."""
        return [Out(target, frame, body)]

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        """What leaves because this frame arrives, before the replica sees it."""
        return []

    def act(self) -> list[Out]:
        """What leaves by itself, every `TICK_MS`."""
        return []

    def take(self, envelopes: list[bytes]) -> list[Submission] | None:
        """The answer to a client, or None: the replica answers."""
        return None

    # For plug-ins

    def acted(self, count: int = 1) -> None:
        """Count deviations from the protocol."""
        self.counts[self.name] += count

    @property
    def node(self) -> str:
        """Who lies."""
        return self.machine.node

    @property
    def chain_id(self) -> str:
        """Of the pact."""
        return self.machine.network.genesis.chain_id()

    @property
    def state(self) -> State:
        """The consensus machine of its own replica."""
        assert self.machine.driver is not None
        return self.machine.driver.replica.machine

    @property
    def height(self) -> int:
        """The height that its replica votes in."""
        return self.machine.ledger.height + 1

    @property
    def seats(self) -> ValidatorSet:
        """The set of that height."""
        context = self.state.context
        assert context is not None
        return context.validators

    def proposer(self, round_: int) -> str:
        """Whose turn a round of that height is."""
        context = self.state.context
        assert context is not None
        return context.proposers.proposer(round_).id

    @property
    def others(self) -> list[str]:
        """All other nodes."""
        return [node for node in self.machine.network.nodes if node != self.node]

    def own(self, frame: Frame, body: bytes) -> Proposal | Vote | None:
        """The vote or proposal of this node in a frame."""
        match read(frame, body):
            case (Vote(voter=self.node) | Proposal(proposer=self.node)) as message:
                return message
            case _:
                return None

    def signed(self, message: Proposal | Vote) -> bytes:
        """Body of a consensus frame with this message, signed."""
        return encode(Signing(self.machine).sign(message, self.chain_id))

    def everybody(self, body: bytes, frame: Frame = Frame.CONSENSUS) -> list[Out]:
        """The same frame to all others."""
        return [Out(node, frame, body) for node in self.others]

    def any_of(self, bodies: Iterable[bytes], frame: Frame = Frame.CONSENSUS) -> list[Out]:
        """Each of these frames to somebody, by chance."""
        return [Out(self.random.choice(self.others), frame, body) for body in bodies]


BEHAVIOURS: dict[str, type[Behaviour]] = {}


def behaviour(plugin: type[Behaviour]) -> type[Behaviour]:
    """Register a plug-in under its name."""
    assert plugin.name not in BEHAVIOURS
    BEHAVIOURS[plugin.name] = plugin
    return plugin
