"""Trust tokens: a member moves its free ones, bonds them, and takes them out of its bond again.

A token is free, bonded, unlocking or wagered, and never two of these. None is created or destroyed: the supply is that
of genesis. What leaves a bond unlocks by itself, once evidence of the block in which it left is too old to count, so
that no bond is gone before a lie that it stands for can be punished. Never moves an index, and never says who votes.
"""

from __future__ import annotations

import msgspec

from consensus.evidence import is_expired
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.context import BlockContext
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.members import MAX_UNLOCKING, Change, Trust, Unlocking
from contracts.receipts import AnyEvent, TokensBonded, TokensTransferred, TokensUnbonded
from contracts.schema import TRUSTS
from contracts.state import State
from contracts.units import MAX_TOKENS

_replace = msgspec.structs.replace


def opening(given: OpeningTrust) -> Trust:
    """A member's trust as genesis has it."""
    genesis = Change("genesis", 0)
    return Trust(
        member=given.member,
        free_tokens=given.free_tokens,
        bonded_tokens=given.bonded_tokens,
        wagered_tokens=0,
        index_ppm=given.index_ppm,
        free_change=genesis,
        bonded_change=genesis,
        wagered_change=genesis,
        index_change=genesis,
    )


def unlocking_tokens(trust: Trust) -> int:
    """What has left the bond and is not free yet."""
    return sum(part.amount_tokens for part in trust.unlocking)


def all_tokens(trust: Trust) -> int:
    """What the member has, in any form."""
    return trust.free_tokens + trust.bonded_tokens + trust.wagered_tokens + unlocking_tokens(trust)


def unlocked(trust: Trust, height: int, time_ms: int, consensus: ConsensusParams) -> Trust:
    """The same in a block of this height and time: what no evidence can reach any more is free."""
    ages = consensus.evidence_age_blocks, consensus.evidence_age_ms
    left = tuple(
        part for part in trust.unlocking if not is_expired(height - part.height, time_ms - part.time_ms, *ages)
    )
    if len(left) == len(trust.unlocking):
        return trust
    after = _replace(trust, free_change=Change("unlocked", height), unlocking=left)
    return _replace(after, free_tokens=trust.free_tokens + unlocking_tokens(trust) - unlocking_tokens(after))


def transfer(state: State, context: BlockContext, sender: str, body: TransferTokens) -> tuple[AnyEvent, ...] | str:
    """Move free tokens. Refuses `trust.recipient`, `trust.insufficient`, `amount.range`.

    A transfer to oneself needs the tokens and moves none.
    """
    recipient = _now(state, context, body.to)
    if recipient is None:
        return "trust.recipient"
    payer = _now(state, context, sender)
    if payer is None or payer.free_tokens < body.amount_tokens:
        return "trust.insufficient"
    if body.to != sender:
        if all_tokens(recipient) + body.amount_tokens > MAX_TOKENS:
            return "amount.range"
        left, received = payer.free_tokens - body.amount_tokens, recipient.free_tokens + body.amount_tokens
        state.put(TRUSTS, _replace(payer, free_tokens=left, free_change=Change("sent", context.height)))
        state.put(TRUSTS, _replace(recipient, free_tokens=received, free_change=Change("received", context.height)))
    return (TokensTransferred(sender, body.to, body.amount_tokens),)


def bond(state: State, context: BlockContext, sender: str, body: Bond) -> tuple[AnyEvent, ...] | str:
    """Put free tokens behind one's word. Refuses `trust.insufficient`."""
    trust = _now(state, context, sender)
    if trust is None or trust.free_tokens < body.amount_tokens:
        return "trust.insufficient"
    change = Change("bonded", context.height)
    bonded = _replace(
        trust,
        free_tokens=trust.free_tokens - body.amount_tokens,
        bonded_tokens=trust.bonded_tokens + body.amount_tokens,
        free_change=change,
        bonded_change=change,
    )
    state.put(TRUSTS, bonded)
    return (TokensBonded(sender, body.amount_tokens),)


def unbond(state: State, context: BlockContext, sender: str, body: Unbond) -> tuple[AnyEvent, ...] | str:
    """Take tokens out of one's bond. Refuses `trust.bond`, `trust.unlocking-full`."""
    trust = _now(state, context, sender)
    if trust is None or trust.bonded_tokens < body.amount_tokens:
        return "trust.bond"
    if len(trust.unlocking) >= MAX_UNLOCKING:
        return "trust.unlocking-full"
    part = Unlocking(body.amount_tokens, context.height, context.time_ms)
    unbonded = _replace(
        trust,
        bonded_tokens=trust.bonded_tokens - body.amount_tokens,
        bonded_change=Change("unbonded", context.height),
        unlocking=(*trust.unlocking, part),
    )
    state.put(TRUSTS, unbonded)
    return (TokensUnbonded(sender, body.amount_tokens),)


def _now(state: State, context: BlockContext, member: str) -> Trust | None:
    """A member's trust in the block under execution."""
    trust = state.entry(TRUSTS, member)
    return None if trust is None else unlocked(trust, context.height, context.time_ms, context.consensus)
