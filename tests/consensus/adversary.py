"""One faulty member: it knows everything that was sent, signs anything with its own key, and nothing with
others'."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from consensus.messages import (
    NO_ROUND,
    Block,
    Commit,
    CommitCertificate,
    Message,
    PolkaCertificate,
    Proposal,
    RoundCertificate,
    Vote,
    VoteType,
)
from tests.consensus.height import build, payload_named, signed_proposal, signed_vote
from tests.consensus.soup import BAD, Soup

Pick = Callable[[int], int]
"""Draws an integer from 0 to below its argument: from Hypothesis or from a seeded generator."""

MAX_ROUND = 6


class Adversary:
    """Plays the seat `name` in a soup whose other seats are honest."""

    def __init__(self, soup: Soup, name: str, pick: Pick) -> None:
        self.soup, self.name, self.pick = soup, name, pick
        self.blocks: dict[bytes, Block] = {}
        self.votes: dict[tuple[object, ...], Vote] = {}
        self.read = 0

    def move(self) -> None:
        """One hostile message to one or all honest members."""
        self.learn()
        moves = (
            self.agree,
            self.agree,
            self.equivocate_vote,
            self.propose_anywhere,
            self.bundle,
            self.swap_body,
        )
        message = moves[self.pick(len(moves))]()
        if message is None:
            return
        names = list(self.soup.nodes)
        choice = self.pick(len(names) + 1)
        for name in names if choice == len(names) else [names[choice]]:
            self.soup.send(name, message)

    def learn(self) -> None:
        """Read what was published since the last move."""
        for message in self.soup.published[self.read :]:
            if isinstance(message, Proposal):
                self.blocks[message.block.header.id()] = message.block
            elif isinstance(message, Vote):
                self.remember(message)
        self.read = len(self.soup.published)

    def remember(self, vote: Vote) -> None:
        self.votes[(vote.voter, vote.kind, vote.round, vote.block_id, vote.valid_round)] = vote

    def send_proposal(self, to: str) -> None:
        """In its turn, its own proposal for each member."""
        self.learn()
        context, round_ = self.soup.context, self.soup.nodes[to].state.round
        if context.proposers.proposer(round_).id == self.name:
            self.soup.send(to, self.propose(round_))

    def send_vote(self, to: str, kind: VoteType) -> None:
        """A vote of the round that `to` is in: like somebody's, nil, or none."""
        self.learn()
        round_ = self.soup.nodes[to].state.round
        alike = [vote for vote in self.votes.values() if (vote.kind, vote.round) == (kind, round_)]
        choice = self.pick(len(alike) + 2)
        if choice > len(alike):
            return
        nil = Vote(kind, self.soup.context.height, round_, None, NO_ROUND, self.name, b"")
        vote = nil if choice == len(alike) else replace(alike[choice], voter=self.name, signature=b"")
        self.remember(signed_vote(vote))
        self.soup.send(to, signed_vote(vote))

    def agree(self) -> Message | None:
        """What some honest vote says: the missing voice of a quorum, for those who are to hear it."""
        newest = list(self.votes.values())[-6:]
        if not newest:
            return None
        vote = signed_vote(replace(newest[self.pick(len(newest))], voter=self.name, signature=b""))
        self.remember(vote)
        return vote

    def equivocate_vote(self) -> Message:
        """Any vote at all, also a second one in the same round."""
        kind = VoteType(1 + self.pick(2))
        round_ = self.pick(MAX_ROUND)
        block_id = self.any_block_id()
        is_prevote_of_value = kind == VoteType.PREVOTE and block_id is not None
        valid_round = self.pick(round_ + 1) - 1 if is_prevote_of_value else NO_ROUND
        vote = signed_vote(Vote(kind, self.soup.context.height, round_, block_id, valid_round, self.name, b""))
        self.remember(vote)
        return vote

    def propose_anywhere(self) -> Message:
        """A proposal in any of its turns."""
        context = self.soup.context
        rounds = [number for number in range(MAX_ROUND) if context.proposers.proposer(number).id == self.name]
        return self.propose(rounds[self.pick(len(rounds))])

    def propose(self, round_: int) -> Message:
        """Fresh blocks, a broken one, and old ones with any valid_round."""
        context = self.soup.context
        known = list(self.blocks)
        choice = self.pick(len(known) + 3)
        valid_round = NO_ROUND
        if choice < len(known):
            block = self.blocks[known[choice]]
            valid_round = self.pick(round_ + 1) - 1
        else:
            payload = (
                payload_named("evil/1"),
                payload_named("evil/2"),
                (BAD + payload_named("bad")[0][1:],),
            )[choice - len(known)]
            certificate = context.parent.certificate
            block = build(context, round_, payload, self.soup.now_ms, certificate)
        self.blocks[block.header.id()] = block
        return signed_proposal(Proposal(context.height, round_, valid_round, block, self.name, b""))

    def bundle(self) -> Message | None:
        """A polka or round certificate from votes that exist, as stale as it likes, or padded with what does
        not."""
        kind = self.pick(3)
        round_ = self.pick(MAX_ROUND)
        index = self.soup.context.validators.index
        votes = sorted(
            (vote for vote in self.votes.values() if vote.round == round_), key=lambda vote: index[vote.voter]
        )
        if not votes:
            return None
        if kind == 0:
            last = {vote.voter: vote for vote in votes}
            return RoundCertificate(self.soup.context.height, round_, tuple(last.values()))
        choice = votes[self.pick(len(votes))]
        if choice.block_id is None:
            return None
        agreeing = {
            index[vote.voter]: vote.signature
            for vote in votes
            if (vote.kind, vote.block_id) == (choice.kind, choice.block_id)
            and (kind == 2 or vote.valid_round == choice.valid_round)
        }
        if kind == 2:
            # Invented support: somebody else's signature where there is none.
            for seat in range(len(index)):
                agreeing.setdefault(seat, choice.signature)
        signatures = tuple(sorted(agreeing.items()))
        height = self.soup.context.height
        if choice.kind == VoteType.PRECOMMIT:
            return Commit(CommitCertificate(height, round_, choice.block_id, signatures), None)
        return PolkaCertificate(height, round_, choice.block_id, choice.valid_round, signatures)

    def swap_body(self) -> Message | None:
        """An honest proposal with another body under its header."""
        if not self.blocks:
            return None
        proposals = [message for message in self.soup.published if isinstance(message, Proposal)]
        if not proposals:
            return None
        victim = proposals[self.pick(len(proposals))]
        return replace(victim, block=replace(victim.block, payload=payload_named("swapped")))

    def any_block_id(self) -> bytes | None:
        known: list[bytes | None] = [None, *self.blocks]
        return known[self.pick(len(known))]
