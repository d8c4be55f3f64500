"""Lies about what a node votes for, and about what it once locked."""

from __future__ import annotations

from msgspec.structs import replace

from consensus.messages import NO_ROUND, Proposal, Vote, VoteType
from devnet.simulator.behaviours.base import Behaviour, Out, behaviour
from node.peer.wire import Frame
from zk.hashing import sha256


def contradiction(message: Proposal | Vote) -> Proposal | Vote:
    """Something else for the same step: nil against a value, and a block with another time."""
    match message:
        case Vote(block_id=None):
            return replace(message, block_id=sha256(b"made up"), valid_round=NO_ROUND)
        case Vote():
            return replace(message, block_id=None, valid_round=NO_ROUND)
        case Proposal(block=block):
            header = replace(block.header, time_ms=block.header.time_ms + 1)
            return replace(message, block=replace(block, header=header))


@behaviour
class Equivocate(Behaviour):
    """Says one thing to some and another to the others, about half of the time."""

    name = "equivocate"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if message is None or sha256(f"{message.height}/{message.round}/{target}".encode())[0] % 2:
            return [Out(target, frame, body)]
        self.acted()
        return [Out(target, frame, self.signed(contradiction(message)))]


@behaviour
class VoteNil(Behaviour):
    """Votes nil, whatever was proposed."""

    name = "vote-nil"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message = self.own(frame, body)
        if not isinstance(message, Vote) or message.block_id is None:
            return [Out(target, frame, body)]
        self.acted()
        return [Out(target, frame, self.signed(replace(message, block_id=None, valid_round=NO_ROUND)))]


@behaviour
class ForgetLocks(Behaviour):
    """Its replica loses what it locked and what it could propose again, as soon as it has precommitted."""

    name = "forget-locks"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        self._forget()
        return [Out(target, frame, body)]

    def act(self) -> list[Out]:
        self._forget()
        return []

    def _forget(self) -> None:
        core = self.state.core
        if core is None or core.decided or (core.locked is None and core.valid is None):
            return
        self.acted()
        assert self.machine.driver is not None
        self.machine.driver.replica.machine = replace(self.state, core=replace(core, locked=None, valid=None))


@behaviour
class Amnesia(Behaviour):
    """Precommits like everybody, and in later rounds prevotes against its lock: another value if one is proposed, or
    nil."""

    name = "amnesia"

    def say(self, target: str, frame: Frame, body: bytes) -> list[Out]:
        message, core = self.own(frame, body), self.state.core
        if (
            not isinstance(message, Vote)
            or (message.kind, message.height) != (VoteType.PREVOTE, self.height)
            or core is None
            or core.locked is None
            or core.locked.round >= message.round
        ):
            return [Out(target, frame, body)]
        self.acted()
        locked = core.locked.block_id
        for received in self.state.proposals.get(message.round, ()):
            if received.block_id != locked:
                valid_round = received.proposal.valid_round
                other = replace(message, block_id=received.block_id, valid_round=valid_round)
                return [Out(target, frame, self.signed(other))]
        return [Out(target, frame, self.signed(replace(message, block_id=None, valid_round=NO_ROUND)))]


@behaviour
class ForgedVotes(Behaviour):
    """Votes for the others, signed with its own key."""

    name = "forged-votes"

    def act(self) -> list[Out]:
        state, random = self.state, self.random
        block_id = random.choice([None, *state.candidates])
        vote = Vote(
            random.choice((VoteType.PREVOTE, VoteType.PRECOMMIT)), self.height, state.round, block_id, NO_ROUND, "", b""
        )
        self.acted()
        return [out for other in self.others for out in self.everybody(self.signed(replace(vote, voter=other)))]
