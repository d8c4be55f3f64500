"""What Byzantine nodes do: plug-ins that stand between a real replica and its links, with its key in their hands.

A behaviour sees every frame that its replica wants to send, says which frames leave instead, and may act by itself a
few times a second. It signs anything with its own key and forges nothing of others. Add one by decorating a class with
`behaviour`; the name is what plans and `--behaviour` use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import overload

from msgspec.structs import replace

from consensus.messages import NO_ROUND, Proposal, Vote
from devnet.simulator.machine import Machine
from node.peer.wire import CODECS, Frame
from zk.codec import encode
from zk.hashing import sha256

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
        """Nothing is remembered."""


Out = tuple[str, Frame, bytes]
"""A frame to a node."""


class Behaviour:
    """The base does what an honest node does."""

    name = "honest"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        self.machine = machine
        self.random = machine.network.stream("behaviour", self.name, machine.name)
        self.signer = Signing(machine)
        self.counts = counts

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        """What leaves instead of this frame."""
        return [(target, frame, body)]

    def act(self) -> list[Out]:
        """What leaves by itself, every `TICK_MS`."""
        return []

    # For plug-ins

    def acted(self, count: int = 1) -> None:
        """Count a deviation from the protocol."""
        self.counts[self.name] += count

    def own(self, frame: Frame, body: bytes) -> Proposal | Vote | None:
        """The vote or proposal of this node in a frame."""
        if frame is not Frame.CONSENSUS:
            return None
        message = CODECS[frame].decode(body)
        match message:
            case Vote(voter=self.machine.node) | Proposal(proposer=self.machine.node):
                return message
            case _:
                return None

    def signed(self, message: Proposal | Vote) -> bytes:
        """Body of a consensus frame with this message, signed."""
        return encode(self.signer.sign(message, self.machine.network.genesis.chain_id()))

    def everybody(self, message: bytes, frame: Frame = Frame.CONSENSUS) -> list[Out]:
        """The same frame to all others."""
        return [(node, frame, message) for node in self.machine.network.nodes if node != self.machine.node]


BEHAVIOURS: dict[str, type[Behaviour]] = {}


def behaviour(plugin: type[Behaviour]) -> type[Behaviour]:
    """Register a plug-in under its name."""
    assert plugin.name not in BEHAVIOURS
    BEHAVIOURS[plugin.name] = plugin
    return plugin


class Puppeteer:
    """The mouth of a Byzantine machine: its frames go through all its behaviours, one after the other."""

    def __init__(self, machine: Machine, names: Sequence[str], counts: Counter[str]) -> None:
        self._machine = machine
        self._plugins = [BEHAVIOURS[name](machine, counts) for name in names]

    def start(self) -> None:
        """Act from time to time, for as long as the run lasts."""
        self._machine.network.at(self._machine.network.now_ms + TICK_MS, self._tick)

    def say(self, target: str, frame: Frame, body: bytes) -> None:
        """See `devnet.simulator.machine.Mouth`."""
        self._leave([(target, frame, body)], self._plugins)

    def _tick(self) -> None:
        if self._machine.running:
            for position, plugin in enumerate(self._plugins):
                self._leave(plugin.act(), self._plugins[position + 1 :])
        self.start()

    def _leave(self, frames: list[Out], plugins: Sequence[Behaviour]) -> None:
        for plugin in plugins:
            frames = [out for frame in frames for out in plugin.say(*frame)]
        for target, frame, body in frames:
            self._machine.network.post(self._machine, target, frame, body)


@behaviour
class Equivocate(Behaviour):
    """Says one thing to some and another to the others: nil against a value, and a block with another time."""

    name = "equivocate"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if message is None or sha256(f"{message.height}/{message.round}/{target}".encode())[0] % 2:
            return [(target, frame, body)]
        self.acted()
        return [(target, frame, self.signed(_contradiction(message)))]


def _contradiction(message: Proposal | Vote) -> Proposal | Vote:
    match message:
        case Vote(block_id=None):
            return replace(message, block_id=sha256(b"made up"), valid_round=NO_ROUND)
        case Vote():
            return replace(message, block_id=None, valid_round=NO_ROUND)
        case Proposal(block=block):
            header = replace(block.header, time_ms=block.header.time_ms + 1)
            return replace(message, block=replace(block, header=header))


@behaviour
class VoteNil(Behaviour):
    """Votes nil, whatever was proposed."""

    name = "vote-nil"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if not isinstance(message, Vote) or message.block_id is None:
            return [(target, frame, body)]
        self.acted()
        return [(target, frame, self.signed(replace(message, block_id=None, valid_round=NO_ROUND)))]


@behaviour
class Withhold(Behaviour):
    """Keeps most of what it should say to itself, transactions of its own block included."""

    name = "withhold"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        if self.random.random() < 0.6:
            self.acted()
            return []
        return [(target, frame, body)]
