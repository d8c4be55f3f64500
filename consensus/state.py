"""What the machine remembers of one height, and the bounds on it.

Frozen; dicts inside are replaced, never changed, so an old state stays what it was. Everything about a height
is dropped when the next one starts.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from consensus.effects import HeightContext, Step
from consensus.messages import (
    Block,
    CommitCertificate,
    PolkaCertificate,
    Proposal,
    RoundCertificate,
    Vote,
)
from consensus.multiplexer import Standing
from consensus.round import RoundState
from consensus.tally import PAST_ROUNDS, Tally, prune

PROPOSALS_PER_ROUND = 2
"""The one to prevote, and a contradicting one on which a polka may still form."""
MAX_POLKAS = 64
"""Polka certificates kept, newest rounds first; older ones come back with the proposals that need them."""

Turn = tuple[int, Step]
"""(round, step) of an own message: what must never be signed twice."""


class Candidate(msgspec.Struct, frozen=True):
    """A block of this height whose body matches its header."""

    block: Block
    refusal: str | None
    """Code, when the block is invalid at this height."""
    requested: bool = False
    """`CheckPayload` has been asked for."""
    payload: bool | None = None
    """Answer of `PayloadChecked`."""

    @property
    def standing(self) -> Standing:
        """Valid needs both the block's validity and its payload."""
        if self.refusal is not None or self.payload is False:
            return Standing.INVALID
        return Standing.VALID if self.payload else Standing.PENDING


class Received(msgspec.Struct, frozen=True):
    """A proposal and what was wrong with it, apart from its block."""

    proposal: Proposal
    block_id: bytes
    refusal: str | None


class State(msgspec.Struct, frozen=True):
    """The machine between two inputs."""

    node_id: str | None
    """Seat this node may sign for; None follows without signing."""
    context: HeightContext | None = None
    """None until the first `StartHeight`."""
    core: RoundState | None = None
    """Algorithm 1; None while the height is idle."""
    tally: Tally = Tally()
    proposals: dict[int, tuple[Received, ...]] = {}
    """By round, in order of arrival."""
    candidates: dict[bytes, Candidate] = {}
    """By block id."""
    polkas: dict[int, PolkaCertificate] = {}
    """By round, of values only."""
    round_certificate: RoundCertificate | None = None
    """The newest one received: why others are where they are."""
    commit: CommitCertificate | None = None
    """Set as soon as a block id is decided, whether or not the block is here."""
    last_certificate: CommitCertificate | None = None
    """Of the height below, with late precommits."""
    asked: dict[Turn, Proposal | Vote] = {}
    """Own messages that were sent out to be signed."""
    signed: dict[Turn, Proposal | Vote] = {}
    """Own messages with their signatures."""
    repeating: bool = False
    """A REBROADCAST timer of this height is running."""
    answered: bool = False
    """A decision was re-sent to somebody who missed it, in this REBROADCAST period."""

    @property
    def round(self) -> int:
        """Current round; an idle height is about to start round 0."""
        return 0 if self.core is None else self.core.round

    @property
    def decided(self) -> bool:
        """`Decide` has been emitted for this height."""
        return self.core is not None and self.core.decided

    @property
    def seat(self) -> str | None:
        """This node's id if it has a seat at this height."""
        if self.node_id is None or self.context is None or self.node_id not in self.context.validators.index:
            return None
        return self.node_id


def with_polka(state: State, polka: PolkaCertificate) -> State:
    """Keep a polka; the oldest goes when there are too many, but never one that a lock or valid value rests
    on."""
    polkas = {**state.polkas, polka.round: polka}
    if len(polkas) > MAX_POLKAS:
        marks = () if state.core is None else (state.core.locked, state.core.valid)
        pinned = {polka.round, *(mark.round for mark in marks if mark is not None)}
        del polkas[min(number for number in polkas if number not in pinned)]
    return replace(state, polkas=polkas)


def prune_rounds(state: State) -> State:
    """Forget what is too far behind the current round."""
    oldest = state.round - PAST_ROUNDS
    if oldest <= 0:
        return state
    return prune_candidates(
        replace(
            state,
            tally=prune(state.tally, state.round),
            proposals={number: kept for number, kept in state.proposals.items() if number >= oldest},
            asked={turn: message for turn, message in state.asked.items() if turn[0] >= oldest},
            signed={turn: message for turn, message in state.signed.items() if turn[0] >= oldest},
        )
    )


def prune_candidates(state: State) -> State:
    """Keep only blocks of live proposals and of locked, valid and decided values."""
    needed = {received.block_id for kept in state.proposals.values() for received in kept}
    if state.core is not None:
        needed |= {mark.block_id for mark in (state.core.locked, state.core.valid) if mark is not None}
    if state.commit is not None:
        needed.add(state.commit.block_id)
    kept_blocks = {block_id: kept for block_id, kept in state.candidates.items() if block_id in needed}
    return replace(state, candidates=kept_blocks)


def live_blocks(state: State) -> dict[bytes, Block]:
    """By id: blocks whose transactions must neither be evicted nor expire, and be served to others, until the height
    is stored."""
    return {block_id: candidate.block for block_id, candidate in state.candidates.items()}
