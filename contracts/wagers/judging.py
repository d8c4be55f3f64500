"""What revealed solutions are worth: who is best, who lied, and what each wager gets or loses. Pure.

A `Judge` brings the rules of one kind of subject; everything here is the same for all of them. Exact integers: every
node decides alike. The fallback, which every node computes for itself, is a candidate beside the builders, so nothing
that is worse is ever ordered.

Verdicts, and what they cost:

- `best`, `valid`: the wager goes back, and whoever improved on the fallback by more than the threshold is rewarded.
- `silent`: drawn, and nothing committed: a fee.
- `unrevealed`: committed, and not revealed: a part of the wager, as nobody can know what it would have been.
- `infeasible`: the wager.
- `beaten`: feasible, not certified, and another candidate costs less by more than the threshold: the wager.
- `uncertified`: feasible, not certified, and no candidate shows that it is bad: a fee. A large gap proves no lie.
- `wasteful`: certified, and it puts in more energy than another one that was revealed, beyond what the case allows: a
  fee. It proves no lie either.
- `false-claim`: certified, and what the builder claimed of it is not so: the wager.
- `void`: the round ended before it could be judged, or the member was removed before it could speak: nothing.

Never reads state and never moves a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from contracts.context import BlockContext
from contracts.params import WagerParams
from contracts.receipts import AnyEvent
from contracts.state import State
from contracts.units import PPM

LOSING = ("infeasible", "beaten", "false-claim")
"""Verdicts that take the whole wager and a quarter of the index: what was said is shown to be false."""
UNSAID = ("silent", "unrevealed")
"""Verdicts about words that did not come."""


class Weighed(NamedTuple):
    """A feasible candidate."""

    cost_nano: int
    energy_wh: int
    """Put in beyond what was taken out."""
    carbon_ug: int
    certified: bool
    """Shown to be near enough to the optimum."""
    plan: Any
    """What the judge orders by; nothing else looks into it."""


class Case(NamedTuple):
    """A subject that is to be decided."""

    fallback: Weighed
    threshold_nano: int
    """Differences in cost up to this are none."""
    threshold_wh: int
    """Differences in energy up to this are none."""
    weigh: Callable[[bytes], Weighed | None]
    """What a revealed solution is; None: infeasible, or not a solution at all. Never raises."""
    waste_wh: int | None = None
    """Most energy that a certified solution may put in beyond the revealed one that puts in least; None: any."""


class Judge(NamedTuple):
    """The rules of one kind of subject. `case` and `order` read and write state, and never raise."""

    name: str
    criterion: str
    """By which the opener chooses, in the words of a claim."""
    case: Callable[[State, BlockContext, int], Case]
    order: Callable[[State, BlockContext, int, Any, str | None], tuple[AnyEvent, ...]]
    """Make the plan of a candidate count; the builder whose it is, None for the fallback."""


Judges = Mapping[str, Judge]
"""By name."""


class Submission(NamedTuple):
    """What a drawn builder did."""

    member: str
    claim: str
    committed: bool
    revealed: bool
    weighed: Weighed | None
    """Of what was revealed."""


class Decision(NamedTuple):
    """What is ordered, whose it is, and a verdict per submission."""

    best: Weighed
    builder: str | None
    verdicts: list[str]


def decide(case: Case, criterion: str, submissions: Sequence[Submission]) -> Decision:
    """Judge what drawn builders did; `submissions` in the order in which they were drawn.

    Builders that are equally good are all `best`; what is ordered is the first one's. The fallback is ordered when
    every valid solution is worse.
    """
    candidates = [case.fallback, *[one.weighed for one in submissions if one.weighed is not None]]
    least_nano = min(one.cost_nano for one in candidates)
    least_wh = min(one.energy_wh for one in candidates)
    certified = [one.weighed.energy_wh for one in submissions if one.weighed is not None and one.weighed.certified]
    spare_wh = None if case.waste_wh is None or not certified else min(certified) + case.waste_wh
    verdicts = [_verdict(case, one, least_nano, least_wh, spare_wh) for one in submissions]
    valid = {
        one.member: one.weighed
        for one, verdict in zip(submissions, verdicts, strict=True)
        if verdict == "valid" and one.weighed is not None
    }
    least = min(_rank(criterion, one) for one in (case.fallback, *valid.values()))
    equals = [member for member, weighed in valid.items() if _rank(criterion, weighed) == least]
    if not equals:
        return Decision(case.fallback, None, verdicts)
    named = ["best" if one.member in equals else verdict for one, verdict in zip(submissions, verdicts, strict=True)]
    return Decision(valid[equals[0]], equals[0], named)


def decide_early(submissions: Sequence[Submission]) -> list[str]:
    """Verdicts of a round whose time ran out: nothing is lost but by who has shown an infeasible solution already."""
    return ["infeasible" if one.revealed and one.weighed is None else "void" for one in submissions]


def _verdict(case: Case, one: Submission, least_nano: int, least_wh: int, spare_wh: int | None) -> str:
    weighed = one.weighed
    if not one.revealed:
        return "unrevealed" if one.committed else "silent"
    if weighed is None:
        return "infeasible"
    dear = weighed.cost_nano - least_nano > case.threshold_nano
    if not weighed.certified:
        return "beaten" if dear else "uncertified"
    if spare_wh is not None and weighed.energy_wh > spare_wh:
        return "wasteful"
    match one.claim:
        case "least-cost":
            holds = not dear
        case "least-energy":
            holds = weighed.energy_wh - least_wh <= case.threshold_wh
        case _:
            holds = weighed.carbon_ug == 0
    return "valid" if holds else "false-claim"


def _rank(criterion: str, weighed: Weighed) -> tuple[int, ...]:
    """Place among candidates, least first. What is alike in all three is alike: a hash would be ground."""
    cost, energy, carbon = weighed.cost_nano, weighed.energy_wh, weighed.carbon_ug
    match criterion:
        case "least-cost":
            return cost, carbon, energy
        case "least-energy":
            return energy, cost, carbon
        case _:
            return carbon, cost, energy


def loss_tokens(terms: WagerParams, verdict: str, amount_tokens: int) -> int:
    """What a verdict takes of a wager."""
    if verdict in LOSING:
        return amount_tokens
    match verdict:
        case "unrevealed":
            return -(-amount_tokens * terms.unrevealed_ppm // PPM)
        case "uncertified" | "silent" | "wasteful":
            return min(terms.fee_tokens, amount_tokens)
    return 0


def improved_nano(case: Case, verdict: str, weighed: Weighed | None) -> int:
    """Money that a valid solution saves against the fallback; 0 where the threshold hides it."""
    if weighed is None or verdict not in ("best", "valid"):
        return 0
    saved_nano = case.fallback.cost_nano - weighed.cost_nano
    return saved_nano if saved_nano > case.threshold_nano else 0


def rewards(
    terms: WagerParams, pool_tokens: int, verdicts: Sequence[str], improvements_nano: Sequence[int]
) -> list[int]:
    """Tokens that each submission earns out of the pool, for what it improved.

    The best share one part each, equally, other valid ones a smaller part; what is left over stays in the pool.
    """
    budget = min(
        pool_tokens * terms.reward_pool_ppm // PPM,
        max(improvements_nano, default=0) // terms.reward_nano_per_token,
    )
    parts = _parts(terms, verdicts, improvements_nano)
    whole = sum(parts)
    return [budget * part // whole if whole else 0 for part in parts]


def money_rewards(terms: WagerParams, verdicts: Sequence[str], improvements_nano: Sequence[int]) -> list[int]:
    """Money that each submission is owed: a fee for each that improved on the fallback, and a capped share of what the
    best of them saves, in the parts in which tokens are shared. All together never more than that saving.
    """
    saved_nano = max(improvements_nano, default=0)
    parts = _parts(terms, verdicts, improvements_nano)
    whole = sum(parts)
    if not whole:
        return [0 for _ in parts]
    shared_nano = min(saved_nano * terms.saving_share_ppm // PPM, terms.saving_cap_nano)
    owed = [terms.builder_fee_nano + shared_nano * part // whole if part else 0 for part in parts]
    together_nano = sum(owed)
    if together_nano <= saved_nano:
        return owed
    return [saved_nano * one // together_nano for one in owed]


def _parts(terms: WagerParams, verdicts: Sequence[str], improvements_nano: Sequence[int]) -> list[int]:
    """How rewards are shared: the best alike, other valid ones a smaller part, and nothing without an improvement."""
    return [
        (PPM if verdict == "best" else terms.other_reward_ppm) if improved else 0
        for verdict, improved in zip(verdicts, improvements_nano, strict=True)
    ]
