"""From a trusted light block to a newer one in few steps, and what to make of a witness who shows another.

Pure drivers: generators that yield the height they want to see and are sent what is there, so that they run over any
network, or none. `bisect` skips as far as 1/3 of the trusted power reaches and halves the distance where it does not;
`examine` follows a witness that contradicts. `drive` runs either to its end. Never fetches and never retries: a driver
that gets no answer is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import NamedTuple, TypeVar

from consensus.attack import LightClientAttack
from consensus.light import LightBlock, LightRefusal, Verdict, judge, refusal

MAX_LEAP = 2**20
"""Heights that one bisection spans, so that at most 21 blocks wait for one below them."""
MAX_TRACE = 8
"""Blocks of one verified path; a longer way is gone in several."""

R = TypeVar("R")


class Trust(NamedTuple):
    """How long a header is trusted and how far clocks may differ, both in ledger milliseconds."""

    period_ms: int
    drift_ms: int


class Seen(NamedTuple):
    """An answer, and the ledger time at which it is looked at."""

    block: LightBlock
    now_ms: int


class Divergence(NamedTuple):
    """Two sources that agree at `common` and show different verified blocks at one height above it.

    `left` is the primary's, `right` the witness'. `attacks`: every step by which either was reached from `common`; at
    least one of them is no step of the chain, and so is evidence to whoever has the chain.
    """

    common: LightBlock
    left: LightBlock
    right: LightBlock
    attacks: tuple[LightClientAttack, ...]


Trace = tuple[LightBlock, ...]
"""Light blocks of ascending height, each of which verifies the next in one step."""


def bisect(trusted: LightBlock, target: int, trust: Trust) -> Generator[int, Seen, Trace]:
    """The verified path from `trusted` towards height `target` above it. Yields heights, is sent what is there.

    Ends at the target, or earlier after `MAX_LEAP` heights or `MAX_TRACE` blocks: go on from its end then. Raises
    `LightRefusal` on the first invalid block. Where the sets on the way change c times, at most about
    c * log2(distance) answers are needed, and never more than one per height.
    """
    trace = [trusted]
    pending = [(yield from _ask(min(target, trusted.height + MAX_LEAP)))]
    while pending and len(trace) < MAX_TRACE:
        trusted, (block, now_ms) = trace[-1], pending[-1]
        judgement = judge(trusted, block, now_ms, trust.period_ms, trust.drift_ms)
        match judgement.verdict:
            case Verdict.SUCCESS:
                trace.append(pending.pop().block)
            case Verdict.NOT_ENOUGH_TRUST:
                pending.append((yield from _ask((trusted.height + block.height) // 2)))
            case Verdict.INVALID:
                raise LightRefusal(judgement.code, f"block {block.height}: {judgement.reason}")
    return tuple(trace)


def examine(trace: Trace, theirs: LightBlock, trust: Trust) -> Generator[int, Seen, Divergence]:
    """What it means that a witness shows `theirs` at the height where the verified `trace` of the primary ends.

    The witness must agree with the start of the trace. Yields heights to ask the witness for. Raises `LightRefusal`
    when the witness can not support its block: then it alone is wrong.
    """
    at = 1
    while trace[at].height < theirs.height and (yield from _ask(trace[at].height)).block.id() == trace[at].id():
        at += 1
    common, left = trace[at - 1], trace[at]
    attacks = [LightClientAttack(common.height, left)]
    right = common
    while right.height < left.height:
        path = yield from bisect(right, left.height, trust)
        steps = [LightClientAttack(before.height, after) for before, after in pairwise(path)]
        attacks += steps[: 1 + MAX_TRACE - len(attacks)]
        right = path[-1]
    if right.id() == left.id():
        raise refusal("light.asked", f"two answers at height {theirs.height}")
    return Divergence(common, left, right, tuple(attacks))


def drive(driver: Generator[int, Seen, R], answer: Callable[[int], LightBlock], now_ms: Callable[[], int]) -> R:
    """Run a driver to its end. `answer` gives the block of a height; what it raises ends the run."""
    try:
        wanted = next(driver)
        while True:
            wanted = driver.send(Seen(answer(wanted), now_ms()))
    except StopIteration as done:
        result: R = done.value
        return result


def _ask(height: int) -> Generator[int, Seen, Seen]:
    """The answer for `height`. Raises `LightRefusal` when it is of another."""
    seen = yield height
    if seen.block.height != height:
        raise refusal("light.asked", f"{seen.block.height} for {height}")
    return seen
