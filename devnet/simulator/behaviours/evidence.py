"""Accusations that do not hold."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from consensus.evidence import Amnesia, DuplicateProposal, DuplicateVote, Fork, SignedProposal, statement
from consensus.messages import NO_ROUND, CommitCertificate, PolkaCertificate, Proposal, Vote
from devnet.simulator.behaviours.base import Behaviour, Out, Signing, behaviour
from devnet.simulator.frames import read
from devnet.simulator.machine import Machine
from node.peer.wire import Frame
from zk.codec import encode
from zk.hashing import sha256

MAX_MESSAGES = 128


@behaviour
class FalseEvidence(Behaviour):
    """Accuses others: of what they said once, in two rounds or heights, or what it signed in their name; and shows
    certificates that exclude each other, one of which is made up."""

    name = "false-evidence"

    def __init__(self, machine: Machine, counts: Counter[str]) -> None:
        super().__init__(machine, counts)
        self._votes: list[Vote] = []
        self._proposals: list[Proposal] = []
        self._certificates: list[CommitCertificate] = []

    def hear(self, peer: str, frame: Frame, body: bytes) -> list[Out]:
        match read(frame, body):
            case Vote() as vote:
                self._votes = [*self._votes, vote][-MAX_MESSAGES:]
            case Proposal(block=block) as proposal:
                self._proposals = [*self._proposals, proposal][-MAX_MESSAGES:]
                if block.last_certificate is not None:
                    self._certificates = [*self._certificates, block.last_certificate][-MAX_MESSAGES:]
        return []

    def act(self) -> list[Out]:
        accusation = self.random.choice((self._of_vote, self._of_votes, self._of_proposal, self._fork, self._amnesia))()
        if accusation is None:
            return []
        self.acted()
        return self.everybody(encode(accusation), Frame.EVIDENCE)

    def _of_vote(self) -> DuplicateVote | None:
        """A real vote against one that it signed itself in the name of the other."""
        if not self._votes:
            return None
        vote = self.random.choice(self._votes)
        made_up = replace(vote, block_id=sha256(b"made up"), valid_round=NO_ROUND)
        return self._pair(vote, Signing(self.machine).sign(made_up, self.chain_id))

    def _of_votes(self) -> DuplicateVote | None:
        """Two real votes that do not contradict each other."""
        if not self._votes:
            return None
        one, other = self.random.choice(self._votes), self.random.choice(self._votes)
        return self._pair(one, other if self.random.random() < 0.5 else replace(other, voter=one.voter))

    def _pair(self, one: Vote, other: Vote) -> DuplicateVote:
        first, second = sorted((one, other), key=statement)
        return DuplicateVote(first, second)

    def _of_proposal(self) -> DuplicateProposal | None:
        if not self._proposals:
            return None
        said = self.random.choice(self._proposals)
        real = SignedProposal(
            said.height, said.round, said.valid_round, said.block.header.id(), said.proposer, said.signature
        )
        first, second = sorted((real, replace(real, block_id=sha256(real.block_id))), key=statement)
        return DuplicateProposal(first, second)

    def _fork(self) -> Fork | None:
        """A real certificate against the same signatures under another block."""
        if not self._certificates:
            return None
        real = self.random.choice(self._certificates)
        other = replace(real, block_id=sha256(real.block_id))
        first, second = sorted((real, other), key=lambda one: (one.round, one.block_id))
        return Fork(first, second)

    def _amnesia(self) -> Amnesia | None:
        if not self._certificates:
            return None
        real = self.random.choice(self._certificates)
        return Amnesia(
            real,
            PolkaCertificate(real.height, real.round + 1, sha256(real.block_id), NO_ROUND, real.signatures),
        )
