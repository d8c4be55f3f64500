"""How long to wait and which proposal times to believe: pure functions of the hashed `Timing` parameters.

Durations are real monotonic milliseconds and follow from `target_block_ms` alone. Proposal times are ledger
time. Reads no clock: readings come in as arguments.
"""

from __future__ import annotations

from consensus.effects import Step, Timing

MAX_GROWTH_ROUNDS = 64
"""Rounds over which waits grow. Delays are unknown but not unbounded, and a height that nobody has anything
to propose for must still answer the first transaction within seconds."""


def timeout_ms(timing: Timing, step: Step, round_: int) -> int:
    """Wait of `step` in `round_`, milliseconds.

    The growth per round is what makes the protocol live under unknown delays (paper, section III, partial
    synchrony). A proposal carries a block and is preceded by building one, so it gets three times what a vote
    gets.
    """
    target = timing.target_block_ms
    grown = min(round_, MAX_GROWTH_ROUNDS)
    match step:
        case Step.PROPOSE:
            return 3 * target + grown * target
        case Step.PREVOTE | Step.PRECOMMIT:
            return target + grown * target // 2
        case Step.REBROADCAST:
            return 5 * target


def message_delay_ms(timing: Timing, round_: int) -> int:
    """Accepted travel time of a proposal in `round_`, ledger milliseconds: half of the base more with each
    round, so that a bound chosen too tight costs rounds and not the chain."""
    return timing.message_delay_ms * (2 + min(round_, MAX_GROWTH_ROUNDS)) // 2


def is_timely(timing: Timing, round_: int, time_ms: int, received_ms: int, earliest_ms: int) -> bool:
    """Whether a fresh proposal's `time_ms` may be prevoted by a node that saw it at `received_ms`.

    Proposer-based timestamps: `time - precision <= received <= time + delay(round) + precision`. The least
    time that is valid at all (`earliest_ms`, parent + 1) is never too early: no honest proposer could have
    chosen a smaller one.
    """
    too_early = received_ms < time_ms - timing.precision_ms and time_ms > earliest_ms
    too_late = received_ms > time_ms + message_delay_ms(timing, round_) + timing.precision_ms
    return not (too_early or too_late)
