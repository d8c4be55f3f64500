"""Trust tokens: where each of them is, and every way in which one moves.

A token is a member's, free, bonded, unlocking or wagered and never two of these, or it lies in the pool of what
members lost. None is created or destroyed: the supply is that of genesis. What leaves a bond keeps its power for some
epochs and unlocks by itself, once evidence of the last block of these is too old to count, so that no bond is gone
before a lie that it stands for can be punished.

The first three moves are transactions; the others are made by contracts that decide about a member, inside the block or
transaction that they decide in. Never decides who lost, and never says who votes.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

import msgspec

from consensus.evidence import is_expired
from consensus.power import weight
from contracts.bodies import Bond, TransferTokens, Unbond
from contracts.ceremony.keys import is_pinned
from contracts.context import BlockContext
from contracts.genesis import ConsensusParams, OpeningTrust
from contracts.members import MAX_UNLOCKING, Change, Tombstones, Trust, TrustPool, Unlocking
from contracts.receipts import AnyEvent, TokensBonded, TokensTransferred, TokensUnbonded
from contracts.schema import TOMBSTONE_LIST, TOMBSTONES, TRUST_POOL, TRUST_POOLS, TRUSTS
from contracts.state import State
from contracts.units import MAX_TOKENS, PPM

_replace = msgspec.structs.replace

EMPTY_POOL = TrustPool(0, Change("genesis", 0))
"""Without a record: nobody has lost any yet."""


def opening(given: OpeningTrust, kind: str = "genesis", height: int = 0) -> Trust:
    """A member's trust as it begins, in genesis or in the block of its admission."""
    first = Change(kind, height)
    return Trust(
        member=given.member,
        free_tokens=given.free_tokens,
        bonded_tokens=given.bonded_tokens,
        wagered_tokens=0,
        index_ppm=given.index_ppm,
        free_change=first,
        bonded_change=first,
        wagered_change=first,
        index_change=first,
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
        part
        for part in trust.unlocking
        if not part.power_height or not is_expired(height - part.power_height, time_ms - part.power_ms, *ages)
    )
    if len(left) == len(trust.unlocking):
        return trust
    after = _replace(trust, free_change=Change("unlocked", height), unlocking=left)
    return _replace(after, free_tokens=trust.free_tokens + unlocking_tokens(trust) - unlocking_tokens(after))


def retire(state: State, context: BlockContext, weights: Mapping[str, int]) -> None:
    """Note which parts of bonds have had power for the last time, now that this block ends an epoch.

    `weights` has the larger one of each member in the two epochs that follow. A part that the first of these was
    computed without, of a member that weighs no more in them than it has bonded, is in no power any more: neither
    in one that was fixed before it left, nor in one that the churn budget holds back.
    """
    computed_without = context.height - context.consensus.epoch_blocks
    for key in TRUSTS.roll_keys():
        roll = state.roll(TRUSTS, key)
        after = tuple(
            _retired(one, context, computed_without)
            if one.unlocking and weights.get(one.member, 0) <= weight(one.bonded_tokens, one.index_ppm)
            else one
            for one in roll
        )
        if after != roll:
            state.save(key, after)


def _retired(trust: Trust, context: BlockContext, computed_without: int) -> Trust:
    """The same with the end of power of what had left up to block `computed_without`."""
    end = {"power_height": context.height, "power_ms": context.time_ms}
    parts = tuple(
        part if part.power_height or part.height > computed_without else _replace(part, **end)
        for part in trust.unlocking
    )
    return _replace(trust, unlocking=parts)


def transfer(state: State, context: BlockContext, sender: str, body: TransferTokens) -> tuple[AnyEvent, ...] | str:
    """Move free tokens. Refuses `trust.recipient`, `trust.insufficient`, `amount.range`.

    A transfer to oneself needs the tokens and moves none.
    """
    recipient = current(state, context, body.to)
    if recipient is None:
        return "trust.recipient"
    payer = current(state, context, sender)
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
    """Put free tokens behind one's word. Refuses `trust.tombstoned`, `trust.insufficient`."""
    if is_tombstoned(state, sender):
        return "trust.tombstoned"
    trust = current(state, context, sender)
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
    trust = current(state, context, sender)
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


# Wagers


def wager(state: State, context: BlockContext, member: str, amount_tokens: int) -> str | None:
    """Lock free tokens until `give_back` or `lose`. Refuses `trust.tombstoned`, `trust.insufficient`; None: done."""
    if is_tombstoned(state, member):
        return "trust.tombstoned"
    trust = current(state, context, member)
    if trust is None or trust.free_tokens < amount_tokens:
        return "trust.insufficient"
    left, wagered = trust.free_tokens - amount_tokens, trust.wagered_tokens + amount_tokens
    change = Change("wagered", context.height)
    state.put(
        TRUSTS,
        _replace(trust, free_tokens=left, wagered_tokens=wagered, free_change=change, wagered_change=change),
    )
    return None


def give_back(state: State, context: BlockContext, member: str, amount_tokens: int) -> None:
    """Wagered tokens are free again. `amount_tokens` is of what the member has wagered."""
    trust, change = _wagered(state, context, member, amount_tokens), Change("returned", context.height)
    free = trust.free_tokens + amount_tokens
    state.put(TRUSTS, _replace(trust, free_tokens=free, free_change=change, wagered_change=change))


def lose(state: State, context: BlockContext, member: str, amount_tokens: int) -> None:
    """Wagered tokens go to the pool. `amount_tokens` is of what the member has wagered."""
    change = Change("lost", context.height)
    state.put(TRUSTS, _replace(_wagered(state, context, member, amount_tokens), wagered_change=change))
    _fill_pool(state, amount_tokens, change)


def _wagered(state: State, context: BlockContext, member: str, amount_tokens: int) -> Trust:
    """The member's trust with so much less of its tokens wagered."""
    trust = current(state, context, member)
    assert trust is not None and 0 <= amount_tokens <= trust.wagered_tokens, "nobody gives what was not wagered"
    return _replace(trust, wagered_tokens=trust.wagered_tokens - amount_tokens)


# The index


def raise_index(state: State, context: BlockContext, member: str, significance_ppm: int, epoch_start: int) -> None:
    """What a member has shown grows by a 64th of what is missing at most; once since the block `epoch_start`."""
    trust = current(state, context, member)
    assert trust is not None, "only members show anything"
    gain_ppm = (PPM - trust.index_ppm) * significance_ppm // (64 * PPM)
    if gain_ppm and trust.raised_height < epoch_start:
        change, index_ppm = Change("truthful", context.height), trust.index_ppm + gain_ppm
        state.put(TRUSTS, _replace(trust, index_ppm=index_ppm, index_change=change, raised_height=context.height))


def lower_index(
    state: State, context: BlockContext, member: str, reason: str = "false", most_ppm: int | None = None
) -> int:
    """A quarter of what the member had shown is gone, or `most_ppm` where that is less: a wager was lost, or an order
    was not kept. `reason` is the kind of the `Change`; returns what it cost, in ppm."""
    trust = current(state, context, member)
    assert trust is not None, "only members show anything"
    lost_ppm = trust.index_ppm // 4 if most_ppm is None else min(trust.index_ppm // 4, most_ppm)
    index_ppm = trust.index_ppm - lost_ppm
    state.put(TRUSTS, _replace(trust, index_ppm=index_ppm, index_change=Change(reason, context.height)))
    return lost_ppm


# The pool


def pool_tokens(state: State) -> int:
    """Tokens in the pool."""
    return _pool(state).pool_tokens


def pay(state: State, context: BlockContext, member: str, amount_tokens: int, reason: str) -> None:
    """Pay a member free tokens out of the pool, which has them; `reason` is the kind of the `Change`."""
    change = Change(reason, context.height)
    trust = current(state, context, member)
    assert trust is not None, "only members are paid"
    _fill_pool(state, -amount_tokens, change)
    state.put(TRUSTS, _replace(trust, free_tokens=trust.free_tokens + amount_tokens, free_change=change))


def _fill_pool(state: State, amount_tokens: int, change: Change) -> None:
    filled = _pool(state).pool_tokens + amount_tokens
    assert filled >= 0, "the pool pays only what it has"
    state.save(TRUST_POOL, TrustPool(filled, change))


def _pool(state: State) -> TrustPool:
    return state.load(TRUST_POOLS, TRUST_POOL) or EMPTY_POOL


# Tombstones


def tombstoned(state: State) -> tuple[str, ...]:
    """Members whose identity is tombstoned, ascending: one small record."""
    found = state.load(TOMBSTONES, TOMBSTONE_LIST)
    return () if found is None else found.members


def is_tombstoned(state: State, member: str) -> bool:
    """Whether this member has contradicted itself: it bonds, wagers and votes no more, whatever its keys and nodes."""
    members = tombstoned(state)
    at = bisect_left(members, member)
    return at < len(members) and members[at] == member


def slash(state: State, context: BlockContext, member: str, kind: str) -> int:
    """Take all that stands behind a member's word, what is bonded and what is unlocking, into the pool, and tombstone
    it for an offence of this `kind`; returns how many tokens that was. Its index is 0 from now on.

    Free tokens stay its own, and what it wagered is decided by the wager. Nothing happens to the tombstoned.
    """
    if is_tombstoned(state, member):
        return 0
    members = list(tombstoned(state))
    insort(members, member)
    state.save(TOMBSTONE_LIST, Tombstones(tuple(members)))
    trust = current(state, context, member)
    if trust is None:
        return 0
    change = Change("slashed", context.height)
    taken = trust.bonded_tokens + unlocking_tokens(trust)
    without = _replace(trust, bonded_tokens=0, unlocking=(), index_ppm=0, bonded_change=change, index_change=change)
    state.put(TRUSTS, _replace(without, tombstone=Change(kind, context.height)))
    _fill_pool(state, taken, change)
    return taken


def current(state: State, context: BlockContext, member: str) -> Trust | None:
    """A member's trust in the block under execution."""
    trust = state.entry(TRUSTS, member)
    return None if trust is None else as_of(state, trust, context.height, context.time_ms, context.consensus)


def as_of(state: State, trust: Trust, height: int, time_ms: int, consensus: ConsensusParams) -> Trust:
    """A member's trust in a block of this height and time, of the state before it: `unlocked`, but that nothing is free
    while a round may need the member's share of a threshold key."""
    if trust.unlocking and is_pinned(state, trust.member):
        return trust
    return unlocked(trust, height, time_ms, consensus)
