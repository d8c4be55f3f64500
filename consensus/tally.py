"""Votes of one height, by round, and the moment each threshold is reached.

A voter counts once per (round, type), whatever it sends; its second, different vote is returned with the
first. The quorum of a value is on (block id, valid_round): accountable prevotes. Never verifies a signature
and never decides what a threshold means.

Memory is bounded: `PAST_ROUNDS` rounds behind the current one, and for each voter its
`FUTURE_ROUNDS_PER_VOTER` newest rounds ahead (a correct voter only moves forward, and a faulty one only
displaces itself).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec

from consensus.messages import NO_ROUND, Vote, VoteType
from consensus.quorum import is_quorum, is_skip
from consensus.validators import ValidatorSet

PAST_ROUNDS = 16
FUTURE_ROUNDS_PER_VOTER = 2

Choice = tuple[VoteType, bytes | None, int]
"""(type, block id or nil, valid_round): what votes have to share to add up."""


class Kind(IntEnum):
    """What has been reached."""

    POLKA = 1
    """More than 2/3 prevoted one (block id, valid_round)."""
    POLKA_NIL = 2
    """More than 2/3 prevoted nil."""
    PREVOTES_ANY = 3
    """More than 2/3 prevoted, whatever it was."""
    COMMIT = 4
    """More than 2/3 precommitted one block id."""
    PRECOMMITS_ANY = 5
    """More than 2/3 precommitted, whatever it was."""
    SKIP = 6
    """More than 1/3 voted in the round."""


class RoundTally(msgspec.Struct, frozen=True):
    """Votes of one round with their sums. Dicts are replaced, never changed."""

    prevotes: dict[str, Vote] = {}
    precommits: dict[str, Vote] = {}
    chosen: dict[Choice, int] = {}
    """Power behind each choice."""
    prevoted: int = 0
    precommitted: int = 0
    present: int = 0
    """Power of everybody who voted at all."""

    def of(self, kind: VoteType) -> dict[str, Vote]:
        """Votes of one type by voter."""
        return self.prevotes if kind == VoteType.PREVOTE else self.precommits

    def has(self, voter: str) -> bool:
        """Whether `voter` has a vote of either type here."""
        return voter in self.prevotes or voter in self.precommits


class Added(NamedTuple):
    """Result of `add`. Exactly one of these holds: counted, `duplicate`, `conflict` set, `refused` set."""

    tally: Tally
    reached: tuple[Kind, ...] = ()
    """Thresholds that this vote, and no earlier one, reached in its round."""
    duplicate: bool = False
    conflict: Vote | None = None
    """The vote of the same voter, round and type that this one contradicts."""
    refused: str | None = None
    """Code, when the round is out of bounds."""


class Tally(msgspec.Struct, frozen=True):
    """All tracked rounds of a height."""

    rounds: dict[int, RoundTally] = {}

    def round(self, round_: int) -> RoundTally:
        """Votes of one round, empty when there are none."""
        return self.rounds.get(round_, EMPTY)

    def skip_target(self, current: int, total: int) -> int | None:
        """Highest round above `current` in which more than 1/3 has voted (L55)."""
        return max(
            (number for number, votes in self.rounds.items() if number > current and is_skip(votes.present, total)),
            default=None,
        )


EMPTY = RoundTally()


def add(tally: Tally, vote: Vote, current: int, validators: ValidatorSet) -> Added:
    """Count `vote`, of a seat of `validators` and well formed, as seen from round `current`."""
    votes = tally.round(vote.round)
    known = votes.of(vote.kind).get(vote.voter)
    if known is not None:
        if choice_of(known) == choice_of(vote):
            return Added(tally, duplicate=True)
        return Added(tally, conflict=known)
    if vote.round < current - PAST_ROUNDS:
        return Added(tally, refused="consensus.past-round")
    rounds = tally.rounds
    if vote.round > current:
        room = _make_room(rounds, vote, current, validators)
        if room is None:
            return Added(tally, refused="consensus.future-round")
        rounds = room
    power, total = validators.counted_power(vote.voter), validators.total_power
    counted = _count(votes, vote, power)
    return Added(Tally({**rounds, vote.round: counted}), _reached(votes, counted, vote, total))


def prune(tally: Tally, current: int) -> Tally:
    """Forget rounds too far behind `current`."""
    if all(number >= current - PAST_ROUNDS for number in tally.rounds):
        return tally
    return Tally({number: votes for number, votes in tally.rounds.items() if number >= current - PAST_ROUNDS})


def choice_of(vote: Vote) -> Choice:
    """What this vote adds to."""
    return (vote.kind, vote.block_id, vote.valid_round)


def _count(votes: RoundTally, vote: Vote, power: int) -> RoundTally:
    choice = choice_of(vote)
    is_prevote = vote.kind == VoteType.PREVOTE
    entry = {vote.voter: vote}
    return RoundTally(
        prevotes=votes.prevotes | entry if is_prevote else votes.prevotes,
        precommits=votes.precommits if is_prevote else votes.precommits | entry,
        chosen=votes.chosen | {choice: votes.chosen.get(choice, 0) + power},
        prevoted=votes.prevoted + (power if is_prevote else 0),
        precommitted=votes.precommitted + (0 if is_prevote else power),
        present=votes.present + (0 if votes.has(vote.voter) else power),
    )


def _reached(before: RoundTally, after: RoundTally, vote: Vote, total: int) -> tuple[Kind, ...]:
    """Thresholds that hold in `after` and did not in `before`."""
    choice = choice_of(vote)
    is_prevote = vote.kind == VoteType.PREVOTE
    kinds = []
    if is_quorum(after.chosen[choice], total) and not is_quorum(before.chosen.get(choice, 0), total):
        if vote.block_id is not None:
            kinds.append(Kind.POLKA if is_prevote else Kind.COMMIT)
        elif is_prevote:
            kinds.append(Kind.POLKA_NIL)
    if is_quorum(after.prevoted, total) and not is_quorum(before.prevoted, total):
        kinds.append(Kind.PREVOTES_ANY)
    if is_quorum(after.precommitted, total) and not is_quorum(before.precommitted, total):
        kinds.append(Kind.PRECOMMITS_ANY)
    if is_skip(after.present, total) and not is_skip(before.present, total):
        kinds.append(Kind.SKIP)
    return tuple(kinds)


def has_polka_nil(votes: RoundTally, total: int) -> bool:
    """More than 2/3 prevoted nil (L44)."""
    return is_quorum(votes.chosen.get((VoteType.PREVOTE, None, NO_ROUND), 0), total)


def _make_room(
    rounds: dict[int, RoundTally], vote: Vote, current: int, validators: ValidatorSet
) -> dict[int, RoundTally] | None:
    """`rounds` with a place for this future vote, or None when its voter holds newer ones in all its
    places."""
    held = sorted(number for number, votes in rounds.items() if number > current and votes.has(vote.voter))
    if vote.round in held or len(held) < FUTURE_ROUNDS_PER_VOTER:
        return rounds
    if vote.round < held[0]:
        return None
    remaining = _without(rounds[held[0]], vote.voter, validators)
    if remaining.prevotes or remaining.precommits:
        return {**rounds, held[0]: remaining}
    return {number: votes for number, votes in rounds.items() if number != held[0]}


def _without(votes: RoundTally, voter: str, validators: ValidatorSet) -> RoundTally:
    """Recount of a round that `voter` never voted in."""
    kept = EMPTY
    for vote in (*votes.prevotes.values(), *votes.precommits.values()):
        if vote.voter != voter:
            kept = _count(kept, vote, validators.counted_power(vote.voter))
    return kept
