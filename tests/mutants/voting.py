"""Faults in voting and counting: locks, polkas, rounds, timeouts, quorums, sets."""

from __future__ import annotations

from tests.mutants.plant import Edit, Mutant
from tests.mutants.schedules import (
    BORROWED_POLKA,
    DEAF_START,
    GONE_LIAR,
    LONELY_LOCK,
    SILENT_PAIR,
    SLOW_LINKS,
    TWO_LOCKS,
)

ROUND = "consensus.round:step"

VOTING = (
    Mutant(
        "forget-lock",
        "a lock is forgotten when the next round starts",
        (Edit("consensus.round:start_round", "locked=state.locked", "locked=None"),),
        schedule=LONELY_LOCK,
    ),
    Mutant(
        "unlock-on-nil",
        "a nil precommit gives up the lock",
        (Edit("consensus.round:precommit_nil", "step=Step.PRECOMMIT", "step=Step.PRECOMMIT, locked=None"),),
        schedule=LONELY_LOCK,
    ),
    Mutant(
        "prevote-against-lock",
        "a fresh block is prevoted in spite of a lock (L23)",
        (Edit(ROUND, "if state.locked is None or state.locked.block_id == block_id:", "if True:"),),
        schedule=LONELY_LOCK,
    ),
    Mutant(
        "accept-stale-polka",
        "a polka older than the lock releases it (L29)",
        (Edit(ROUND, "locked.round <= valid_round", "valid_round >= 0"),),
        schedule=TWO_LOCKS,
    ),
    Mutant(
        "accept-missing-polka",
        "the valid round of a proposal is believed without its polka (L28)",
        (
            Edit(
                "consensus.multiplexer:_propose_rows",
                "if polka is not None and polka.block_id == first.block_id:",
                "if True:",
            ),
        ),
        schedule=BORROWED_POLKA,
    ),
    Mutant(
        "accept-other-polka",
        "any polka of the valid round justifies any block (L28)",
        (Edit("consensus.multiplexer:_propose_rows", " and polka.block_id == first.block_id", ""),),
        schedule=BORROWED_POLKA,
    ),
    Mutant(
        "drop-valid-value",
        "a proposer never proposes a value again that had a polka (L15)",
        (Edit("consensus.round:start_round", "if state.valid is not None:", "if False:"),),
        schedule=TWO_LOCKS,
    ),
    Mutant(
        "drop-valid-round",
        "a prevote for a repeated value does not say which polka allows it",
        (Edit(ROUND, "return prevote(state, block_id, valid_round)", "return prevote(state, block_id, NO_ROUND)"),),
        schedule=TWO_LOCKS,
    ),
    Mutant(
        "lock-without-polka",
        "more than 2/3 of any prevotes are taken for a polka (L36)",
        (
            Edit(
                "consensus.tally:_reached",
                "is_quorum(after.chosen[choice], total) and not is_quorum(before.chosen.get(choice, 0), total)",
                "is_quorum(after.prevoted if is_prevote else after.chosen[choice], total)",
            ),
        ),
    ),
    Mutant(
        "precommit-on-proposal",
        "a valid proposal is precommitted without waiting for prevotes",
        (
            Edit(
                "consensus.round:prevote",
                "return replace(state, step=Step.PREVOTE), (CastPrevote(block_id, valid_round),)",
                "mark = Mark(block_id, state.round)\n"
                "    locked = replace(state, step=Step.PRECOMMIT, locked=mark, valid=mark)\n"
                "    return locked, (CastPrevote(block_id, valid_round), CastPrecommit(block_id))",
            ),
            Edit(
                "consensus.machine:_advance",
                "effects.append(Broadcast(state.polkas[core.round]))",
                "effects.extend(Broadcast(polka) for polka in state.polkas.values())",
            ),
        ),
    ),
    Mutant(
        "lock-nothing",
        "a precommit locks nothing (L38)",
        (Edit("consensus.round:lock_and_precommit", "locked=mark", "locked=None"),),
        schedule=LONELY_LOCK,
    ),
    Mutant(
        "skip-alone",
        "one vote of a later round is enough to skip to it",
        (Edit("consensus.quorum:is_skip", "3 * got > total", "got > 0"),),
        behaviours=("future-flood",),
    ),
    Mutant(
        "leave-round-early",
        "the precommit timer runs after more than 1/3 of precommits (L47)",
        (
            Edit(
                "consensus.facts:view",
                "precommits_any=is_quorum(votes.precommitted, total)",
                "precommits_any=3 * votes.precommitted > total",
            ),
        ),
        schedule=SILENT_PAIR,
    ),
    Mutant(
        "never-leave-round",
        "the precommit timeout ends no round (L65)",
        (
            Edit(
                ROUND,
                "case TimedOut(Step.PRECOMMIT, round_) if round_ == state.round:",
                "case TimedOut(Step.PRECOMMIT, round_) if round_ < 0:",
            ),
        ),
        schedule=LONELY_LOCK,
    ),
    Mutant(
        "no-growing-timeouts",
        "timeouts are the same in every round",
        (Edit("consensus.timing:timeout_ms", "min(round_, MAX_GROWTH_ROUNDS)", "0"),),
        schedule=SLOW_LINKS,
    ),
    Mutant(
        "no-rebroadcast",
        "own votes are sent once and never again",
        (Edit("consensus.machine:_repeat", "effects.extend(rebroadcast(state, context))", ""),),
        schedule=DEAF_START,
    ),
    Mutant(
        "ask-twice",
        "the machine asks for a second signature in the same step",
        (
            Edit("consensus.machine:_ask_to_sign", "if turn in state.asked:", "if False:"),
            Edit("consensus.machine:_accept_signed", "if turn in state.signed:", "if False:"),
            Edit(
                "consensus.round:precommit_nil",
                "replace(state, step=Step.PRECOMMIT)",
                "replace(state, step=Step.PROPOSE)",
            ),
            Edit("node.signer:FileSigner.sign", "if at <= state.high:", "if False:"),
        ),
    ),
)

COUNTING = (
    Mutant(
        "count-vote-twice",
        "a vote that comes again counts again",
        (Edit("consensus.tally:add", "known = votes.of(vote.kind).get(vote.voter)", "known = None"),),
        schedule=GONE_LIAR,
    ),
    Mutant(
        "count-both-votes",
        "of two contradicting votes of one seat both count",
        (Edit("consensus.tally:add", "return Added(tally, conflict=known)", "pass"),),
        schedule=GONE_LIAR,
    ),
    Mutant(
        "quorum-of-two-thirds",
        "exactly 2/3 of power are a quorum",
        (Edit("consensus.quorum:is_quorum", "3 * got > 2 * total", "3 * got >= 2 * total"),),
        # Four of six that weigh the same.
        replicas=6,
    ),
    Mutant(
        "decide-on-third",
        "more than 1/3 of precommits decide",
        (
            Edit(
                "consensus.tally:_reached",
                "if is_quorum(after.chosen[choice], total) and not is_quorum(before.chosen.get(choice, 0), total):",
                "if (is_quorum if is_prevote else is_skip)(after.chosen[choice], total):",
            ),
        ),
    ),
    Mutant(
        "decide-on-mixed-rounds",
        "precommits of different rounds add up to a decision (L49)",
        (
            Edit(
                "consensus.machine:_count",
                "        if Kind.COMMIT in added.reached:\n",
                "        if vote.block_id is not None and vote.kind == VoteType.PRECOMMIT:\n"
                "            mixed = {\n"
                "                one.voter: one\n"
                "                for votes in added.tally.rounds.values()\n"
                "                for one in votes.precommits.values()\n"
                "                if one.block_id == vote.block_id\n"
                "            }\n"
                "            power = sum(context.validators.counted_power(voter) for voter in mixed)\n"
                "            if 3 * power > 2 * context.validators.total_power:\n"
                "                certificate = commit_certificate(mixed.values(), vote, context.validators)\n"
                "                state = _commit(state, certificate, effects)\n"
                "        if Kind.COMMIT in added.reached:\n",
            ),
        ),
        schedule=TWO_LOCKS,
    ),
    Mutant(
        "power-inside-height",
        "the power of a set shrinks with the rounds of a height",
        (
            Edit(
                "consensus.tally:add",
                "validators.counted_power(vote.voter), validators.total_power",
                "validators.counted_power(vote.voter), validators.total_power * 3 // (3 + vote.round)",
            ),
        ),
    ),
    Mutant(
        "set-of-height-below",
        "a new set takes over one height late",
        (Edit("node.chain:height_context", "validators=sets(height + 1)", "validators=sets(height)"),),
    ),
    Mutant(
        "quorum-unchecked",
        "certificates of others need no quorum",
        (Edit("consensus.certificates:check_quorum", "if not is_quorum(got, validators.total_power):", "if False:"),),
        behaviours=("forged-certificates",),
    ),
    Mutant(
        "unsorted-signers",
        "a signer may stand in a certificate several times",
        (Edit("consensus.certificates:_check_ascending", "following <= seat", "following < seat"),),
        behaviours=("forged-certificates",),
    ),
)
