"""What must hold of trust after a run: who was judged how, and that nobody lost more or less than the rules take.

Compares what was observed with what the rules make of it, like `devnet.expectations`, and asks nobody.
"""

from __future__ import annotations

from collections import Counter

from contracts.units import PPM
from contracts.wagers.judging import LOSING, loss_tokens
from contracts.wagers.records import JUDGED
from devnet.observation import Observation, RoundView, Wagering
from devnet.spec import Cost, RefusedWord

HARMLESS = ("best", "valid", "undrawn", "void")
"""Verdicts that cost nothing."""
DECIDED = ("best", "valid", "beaten", "infeasible", "false-claim", "uncertified")
"""Verdicts on what was shown."""
LOST_INDEX = 4
"""A lost wager takes one part in so many of the index; what was ordered and not delivered so much at most."""
GAINED_INDEX = 64
"""A better solution brings one part in so many of what is missing at most, once an epoch."""


def undecided(seen: Observation) -> list[str]:
    """Intervals of the run that no round with solutions decided, or that one ordered worse than by the fallback."""
    known = seen.wagering
    rounds = {} if known is None else {one.interval: one for one in known.rounds}
    window = 1 if known is None else known.window_intervals
    offenders = []
    for interval in seen.expected_intervals:
        one = rounds.get(interval - interval % window)
        if one is None:
            offenders.append(f"no round decided interval {interval}")
        elif one.phase != JUDGED or one.reason != "none":
            offenders.append(f"round {one.number} of interval {interval} ended in {one.phase} ({one.reason})")
        elif sum(wager.verdict in DECIDED for wager in one.wagers) < 2:
            offenders.append(f"fewer than two builders showed a solution for interval {interval}")
        elif int(one.cost_nano) > int(one.fallback_nano):
            offenders.append(
                f"interval {interval} was ordered for {one.cost_nano} nano, the fallback costs {one.fallback_nano}"
            )
    return offenders


def unpaid(seen: Observation) -> list[str]:
    """That no builder of the run earned anything; none where one did."""
    rounds = () if seen.wagering is None else seen.wagering.rounds
    if any(int(wager.reward_nano) for one in rounds for wager in one.wagers):
        return []
    return ["no builder improved on the fallback"]


def misjudged(seen: Observation, costs: tuple[Cost, ...]) -> list[str]:
    """Wagers with another verdict than they should have: those of `costs` as they say, all others harmless."""
    known = seen.wagering
    wanted = {one.member: one for one in costs}
    offenders = []
    for one in () if known is None else known.rounds:
        for wager in one.wagers:
            due = wanted[wager.member].due(one.number) if wager.member in wanted else ""
            fine = wager.verdict == due or (wager.verdict in HARMLESS and due in ("", *HARMLESS))
            if not fine and one.phase == JUDGED:
                offenders.append(
                    f"{wager.member} was found {wager.verdict} in round {one.number}, due was {due or 'no loss'}"
                )
    judged = set() if known is None else {(one.number, wager.member) for one in known.rounds for wager in one.wagers}
    rounds = () if known is None else known.rounds
    offenders += [
        f"{cost.member} did not wager in round {one.number}"
        for cost in costs
        for one in rounds
        if cost.due(one.number) and (one.number, cost.member) not in judged
    ]
    if costs and not rounds:
        offenders.append("there was no round at all")
    return offenders


def unlawful(seen: Observation) -> list[str]:
    """Wagers that lost something else than their verdict costs, and indexes that stand elsewhere than they should."""
    known = seen.wagering
    if known is None:
        return []
    offenders = [
        f"{wager.member} lost {wager.lost_tokens} tokens in round {one.number} for being {wager.verdict}, due {due}"
        for one in known.rounds
        for wager in one.wagers
        if wager.lost_tokens != (due := loss_tokens(known.terms, wager.verdict, wager.amount_tokens))
    ]
    indexes = _due_indexes(known)
    offenders += [
        f"{one.member} has an index of {one.index_ppm} ppm, due {indexes.get(one.member)}"
        for one in known.trusts
        if one.index_ppm != indexes.get(one.member)
    ]
    return offenders


def _due_indexes(known: Wagering) -> dict[str, int]:
    """Where every index should stand: each word that moves one, in the order of the chain, by the rule."""
    indexes = {member: index for member, (_, index) in known.opening.items()}
    fallen = {one.member: one.height for one in known.punished}
    significance = {one.number: one.significance_ppm for one in known.rounds}
    raised: dict[str, int] = {}
    for word in known.words:
        index = indexes[word.member]
        epoch = (word.height - 1) // known.epoch_blocks
        if word.height >= fallen.get(word.member, word.height + 1):
            continue
        if word.round is None:
            indexes[word.member] = index - min(word.lost_ppm, index // LOST_INDEX)
        elif word.verdict in LOSING:
            indexes[word.member] = index - index // LOST_INDEX
        elif int(word.saved_nano) and raised.get(word.member) != epoch:
            gained = (PPM - index) * significance.get(word.round, 0) // (GAINED_INDEX * PPM)
            indexes[word.member] = index + gained
            if gained:
                raised[word.member] = epoch
    return indexes | dict.fromkeys(fallen, 0)


def refused_otherwise(seen: Observation, planned: tuple[RefusedWord, ...]) -> list[str]:
    """Words about rounds that were refused and should not have been, or the other way round."""
    known = seen.wagering
    found = Counter((one.member, one.round, one.code) for one in (() if known is None else known.refused))
    wanted = Counter((one.member, one.round, one.code) for one in planned)
    return [
        f"{member} heard {code} {found[member, number, code]} times in round {number}, "
        f"due {wanted[member, number, code]} times"
        for member, number, code in sorted({*found, *wanted})
        if found[member, number, code] != wanted[member, number, code]
    ]


def unreliable_otherwise(seen: Observation, planned: tuple[str, ...] | None) -> list[str]:
    """Members that lost trust for giving less than ordered and should not have, or the other way round."""
    if planned is None:
        return []
    words = () if seen.wagering is None else seen.wagering.words
    found = {word.member for word in words if word.round is None and word.lost_ppm}
    return [
        f"{member} lost {'' if member in found else 'no '}trust for giving less than ordered"
        for member in sorted(found ^ {*planned})
    ]


def tokens_off(seen: Observation) -> list[str]:
    """A supply that moved, a pool or members that have something else than wagers and offences left them."""
    known = seen.wagering
    if known is None:
        return []
    due = {member: tokens for member, (tokens, _) in known.opening.items()}
    supply, pool = sum(due.values()), 0
    for one in known.rounds:
        for wager in one.wagers:
            due[wager.member] += wager.reward_tokens - wager.lost_tokens
            pool += wager.lost_tokens - wager.reward_tokens
    for offence in known.punished:
        due[offence.member] -= offence.taken_tokens
        pool += offence.taken_tokens - offence.rewarded_tokens
        if offence.whistleblower is not None:
            due[offence.whistleblower] += offence.rewarded_tokens
    has = {one.member: one.tokens for one in known.trusts}
    offenders = []
    if (total := sum(has.values()) + known.pool_tokens) != supply:
        offenders.append(f"members and pool have {total} tokens where genesis had {supply}")
    if known.pool_tokens != pool:
        offenders.append(f"the pool has {known.pool_tokens} tokens, wagers and offences make {pool}")
    offenders += [
        f"{member} has {has.get(member, 0)} tokens where opening, wagers and offences make {tokens}"
        for member, tokens in due.items()
        if has.get(member, 0) != tokens
    ]
    return offenders


def punished_otherwise(seen: Observation, planned: tuple[str, ...]) -> list[str]:
    """Members that lost bond and name and should not have, or the other way round, or still have what they lost."""
    known = seen.wagering
    if known is None:
        return []
    accused = {one.member: one for one in known.punished}
    tombstoned = {one.member for one in known.trusts if one.tombstoned}
    offenders = [
        f"{member} is {'' if member in tombstoned else 'not '}tombstoned"
        for member in sorted({*planned} ^ tombstoned | ({*planned} ^ accused.keys()))
    ]
    for one in known.trusts:
        offence = accused.get(one.member)
        if offence is None:
            continue
        if one.bonded_tokens:
            offenders.append(f"{one.member} still has a bond of {one.bonded_tokens} tokens")
        epochs = (seen.target_height // known.epoch_blocks) - (offence.height - 1) // known.epoch_blocks
        if epochs >= 2 and one.power:
            offenders.append(f"{one.member} still has a power of {one.power} after {epochs} epochs")
    return offenders


def told(seen: Observation) -> list[str]:
    """One sentence for everybody who lied: what it did and what that cost, for the report."""
    known = seen.wagering
    if known is None:
        return []
    sentences = [
        f"round {one.number} (interval {one.interval}): {wager.member} was found {wager.verdict} and lost "
        f"{wager.lost_tokens} of {wager.amount_tokens} tokens{_instead(one)}"
        for one in known.rounds
        for wager in one.wagers
        if wager.lost_tokens
    ]
    sentences += [f"round {one.round}: {one.member} was refused with {one.code}" for one in known.refused]
    sentences += [
        f"block {one.height}: {one.member} lost {one.taken_tokens} tokens and its name for a {one.kind}"
        for one in known.punished
    ]
    return sentences


def _instead(one: RoundView) -> str:
    return f"; ordered was the solution of {one.builder}" if one.builder else "; ordered was the fallback"
