"""Certificates that certify nothing: false signers, false quorums, signatures of other times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from consensus.messages import (
    MAX_VALIDATORS,
    NO_ROUND,
    Commit,
    CommitCertificate,
    Message,
    PolkaCertificate,
    Proposal,
    RoundCertificate,
    Vote,
    VoteType,
)
from devnet.simulator.behaviours.base import Behaviour, Out, Signing, behaviour
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.peer.wire import Frame
from zk.codec import encode
from zk.hashing import sha256

MAX_VOTES = 512
MAX_CERTIFICATES = 64

Signatures = tuple[tuple[int, bytes], ...]


@behaviour
class ForgedCertificates(Behaviour):
    """Sends polkas, commits and round certificates that are each wrong in one way."""

    name = "forged-certificates"
    AT_ONCE = 4

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._votes: dict[tuple[int, int, int, str], Vote] = {}
        self._real: dict[bytes, CommitCertificate] = {}
        """Of earlier heights, and so of earlier sets."""

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        match read(frame, body):
            case Vote() as vote:
                self._votes[vote.height, vote.round, int(vote.kind), vote.voter] = vote
                if len(self._votes) > MAX_VOTES:
                    del self._votes[next(iter(self._votes))]
            case Proposal(block=block) if block.last_certificate is not None:
                self._real[block.header.last_certificate_hash] = block.last_certificate
                if len(self._real) > MAX_CERTIFICATES:
                    del self._real[next(iter(self._real))]
        return []

    def act(self) -> list[Out]:
        frames: list[Out] = []
        for _ in range(self.AT_ONCE):
            message = self._forge()
            if message is not None:
                self.acted()
                frames += self.everybody(encode(message))
        return frames

    def _forge(self) -> Message | None:
        random, height = self.random, self.height
        block_id = self._some_block_id()
        round_ = max(0, self.state.round + random.choice((-1, 0, 0, 1, 3)))
        kind = random.choice((VoteType.PREVOTE, VoteType.PRECOMMIT))
        signatures = random.choice((self._alone, self._doubled, self._of_others, self._of_the_past, self._shifted))(
            Vote(kind, height, round_, block_id, NO_ROUND, self.node, b"")
        )
        shape = random.randrange(4)
        if shape == 0:
            return self._round_certificate(height, round_)
        if kind == VoteType.PREVOTE:
            return PolkaCertificate(height, round_, block_id, random.choice((NO_ROUND, round_ - 1)), signatures)
        certificate = CommitCertificate(height, round_, block_id, signatures)
        block = None
        candidates = list(self.state.candidates.values())
        if shape == 1 and candidates:
            block = random.choice(candidates).block
        return Commit(certificate, block)

    def _some_block_id(self) -> bytes:
        known = [vote.block_id for vote in self._votes.values() if vote.block_id is not None]
        return self.random.choice([*known[-8:], sha256(self.random.randbytes(4))])

    # Signatures: each of these returns (seat, signature) of a certificate for what `vote` says.

    def _signature(self, vote: Vote) -> bytes:
        return Signing(self.machine).sign(vote, self.chain_id).signature

    def _alone(self, vote: Vote) -> Signatures:
        """Its own, for its own seat: no quorum."""
        return ((self.seats.index.get(self.node, 0), self._signature(vote)),)

    def _doubled(self, vote: Vote) -> Signatures:
        """Its own, often enough."""
        return self._alone(vote) * len(self.seats)

    def _of_others(self, vote: Vote) -> Signatures:
        """What others signed in this height, whatever that was, and its own for whoever said nothing."""
        said = {
            known.voter: known.signature
            for known in self._votes.values()
            if known.height == vote.height and known.kind == vote.kind
        }
        own = self._signature(vote)
        return tuple((index, said.get(seat.id, own)) for index, seat in enumerate(self.seats.seats))

    def _of_the_past(self, vote: Vote) -> Signatures:
        """A real quorum of another height."""
        if not self._real:
            return self._of_others(vote)
        return self.random.choice(list(self._real.values())).signatures

    def _shifted(self, vote: Vote) -> Signatures:
        """Signatures under the seats of others, seats that do not exist, and in the wrong order."""
        others = self._of_others(vote)
        by = self.random.choice((1, len(self.seats), MAX_VALIDATORS - len(self.seats)))
        moved = tuple(((index + by) % MAX_VALIDATORS, signature) for index, signature in others)
        return moved if self.random.random() < 0.5 else moved[::-1]

    def _round_certificate(self, height: int, round_: int) -> RoundCertificate:
        """Votes of other rounds and heights, of one voter twice, or of strangers."""
        random = self.random
        votes: Sequence[Vote] = random.sample(list(self._votes.values()), min(4, len(self._votes)))
        match random.randrange(4):
            case 0:
                seats = self.seats.index
                moved = {vote.voter: replace(vote, height=height, round=round_) for vote in votes}
                votes = [moved[voter] for voter in sorted(moved, key=lambda voter: seats.get(voter, 0))]
            case 1:
                own = Vote(VoteType.PREVOTE, height, round_, None, NO_ROUND, self.node, b"")
                votes = [Signing(self.machine).sign(own, self.chain_id)] * len(self.seats)
            case 2:
                votes = [replace(vote, height=height, round=round_, voter="stranger") for vote in votes]
        return RoundCertificate(height, round_, tuple(votes))
