"""Rounds of wagering, moved by the clock: opened for a subject, through their phases, to a judgement and its payments.

    wager -> draw -> commit -> reveal -> judged

Whatever happens in between, the subject is decided by its last moment: where there are not enough builders, they are
not trusted enough, the chain stalled, or the rules changed on the way, the fallback is ordered and wagers go back. A
liar gains nothing by that, since the fallback is what an honest round would have ordered at worst, and an honest
builder loses nothing.

Knows no subject: `Judges` are handed in. Never takes a transaction, see `contracts.wagers.actions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from contracts import epochs, trust
from contracts.context import BlockContext
from contracts.governance.membership import is_removed, is_silenced
from contracts.members import Trust
from contracts.params import MAX_BUILDERS
from contracts.receipts import AnyEvent, BuildersDrawn, RoundJudged, RoundMoved, RoundOpened, WagerJudged
from contracts.schema import OPEN_ROUND_LIST, OPEN_ROUNDS, ROUND_COUNT, ROUND_COUNTS, ROUNDS, SOLUTIONS, WAGERS
from contracts.state import State
from contracts.units import MAX_COUNT, MAX_MONEY, PPM
from contracts.wagers import judging, phases
from contracts.wagers.judging import Case, Judge, Judges, Submission, Weighed
from contracts.wagers.records import (
    COMMITTING,
    DRAWING,
    JUDGED,
    MAX_ROUNDS,
    REVEALING,
    WAGERING,
    OpenRounds,
    Round,
    RoundCount,
    Wagered,
    draw_trust,
    minimum_trust,
)
from zk.codec import encode
from zk.hashing import domain, sha256

_replace = msgspec.structs.replace
BUILDER, FALLBACK = "builder", "fallback"


# Opening


def open_round(
    state: State, context: BlockContext, judge: Judge, subject: int, opener: str | None, stake_nano: int, last_ms: int
) -> Round | None:
    """Open a round about `subject` that has to be decided by `last_ms`. None where wagering is off, its phases do not
    fit, or as many rounds are open as may be: then whoever asks decides by the fallback at once.
    """
    terms, working = context.params.wagering, open_rounds(state)
    number = round_count(state)
    if not terms.on or len(working) >= MAX_ROUNDS or number >= MAX_COUNT:
        return None
    if context.time_ms + terms.phases_ms() >= last_ms or not 0 <= stake_nano <= MAX_MONEY:
        return None
    together_nano = stake_nano + sum(other.stake_nano for other in _load_all(state) if other.opener == opener)
    round_ = Round(
        number=number,
        judge=judge.name,
        subject=subject,
        opener=opener,
        stake_nano=stake_nano,
        significance_ppm=min(PPM, together_nano * PPM // terms.significance_full_nano),
        opened_height=context.height,
        opened_ms=context.time_ms,
        last_ms=last_ms,
        terms=terms,
        rules_hash=rules_hash(context),
        phase=WAGERING,
        since_height=context.height,
        ends_ms=context.time_ms + terms.wager_ms,
    )
    state.save(ROUNDS.key(number), round_)
    state.save(ROUND_COUNT, RoundCount(number + 1))
    state.save(OPEN_ROUND_LIST, OpenRounds((*working, number)))
    return round_


def opened(round_: Round) -> RoundOpened:
    """The event of a round that was opened."""
    return RoundOpened(round_.number, round_.judge, round_.subject, round_.significance_ppm, round_.ends_ms)


def rules_hash(context: BlockContext) -> bytes:
    """What a round holds fast of the parameters under which it was opened."""
    return sha256(domain("wager-rules", context.chain_id) + encode(context.params))


# What waits


def round_count(state: State) -> int:
    """Rounds so far."""
    counted = state.load(ROUND_COUNTS, ROUND_COUNT)
    return 0 if counted is None else counted.count


def open_rounds(state: State) -> tuple[int, ...]:
    """Numbers of the rounds that are not judged."""
    working = state.load(OPEN_ROUNDS, OPEN_ROUND_LIST)
    return () if working is None else working.rounds


def _load_all(state: State) -> Iterator[Round]:
    for number in open_rounds(state):
        yield _load(state, number)


def _load(state: State, number: int) -> Round:
    round_ = state.load(ROUNDS, ROUNDS.key(number))
    assert round_ is not None, "an open round is on record"
    return round_


def phase_open(state: State) -> bool:
    """Whether a phase that is counted in heights needs the next block."""
    return any(map(phases.waits_for_blocks, _load_all(state)))


def earliest_deadline_ms(state: State) -> int | None:
    """Earliest end of a phase, or last moment of a subject; None while no round is open."""
    return min((phases.deadline_ms(round_) for round_ in _load_all(state)), default=None)


# Moving on


def advance(state: State, context: BlockContext, judges: Judges) -> tuple[AnyEvent, ...]:
    """Move every open round by one step at most, oldest first, until so many are judged as a block may close, or so
    many wagers as one round may have."""
    events: list[AnyEvent] = []
    judged = wagers = 0
    for number in open_rounds(state):
        if judged < context.params.max_closes_per_block and wagers < MAX_BUILDERS:
            moved = _step(state, context, judges, _load(state, number))
            judged += sum(isinstance(event, RoundJudged) for event in moved)
            wagers += sum(isinstance(event, WagerJudged) for event in moved)
            events += moved
            state.commit()
    return tuple(events)


def _step(state: State, context: BlockContext, judges: Judges, round_: Round) -> Sequence[AnyEvent]:
    terms = round_.terms
    if context.time_ms >= round_.last_ms:
        return _judge(state, context, judges, round_, "late")
    if round_.phase != DRAWING and context.time_ms < round_.ends_ms:
        return ()
    if round_.phase != DRAWING and phases.is_over(state, context, round_):
        match round_.phase:
            case "wager":
                seed = phases.seed(context.chain_id, round_.number)
                return _move(state, _replace(phases.enter(context, round_, DRAWING, 0), randomness=seed))
            case "commit":
                return _move(state, phases.enter(context, round_, REVEALING, terms.reveal_ms))
            case _:
                return _judge(state, context, judges, round_, "")
    heard = phases.hear(state, context, round_)
    if heard is not round_:
        state.save(ROUNDS.key(round_.number), heard)
    if heard.phase == DRAWING and epochs.are_heard(state, context.height, heard.heard):
        return _draw(state, context, judges, heard)
    return ()


def _move(state: State, round_: Round) -> tuple[AnyEvent, ...]:
    state.save(ROUNDS.key(round_.number), round_)
    return (RoundMoved(round_.number, round_.phase, round_.ends_ms),)


def _wagers(state: State, number: int) -> list[Wagered]:
    """All wagers on a round, ascending by member."""
    found = state.group(WAGERS, number)
    return sorted(found, key=WAGERS.id)


def net_trust(held: Trust, wagered_tokens: int = 0) -> int:
    """Index x free tokens; what is wagered on the round in question is still behind the member's word."""
    return held.index_ppm * (held.free_tokens + wagered_tokens) // PPM


def _draw(state: State, context: BlockContext, judges: Judges, round_: Round) -> Sequence[AnyEvent]:
    """Draw the builders, and give everybody else its wager back.

    Trust is counted anew: tokens that stood behind two wagers one after the other count once.
    """
    wagers = _wagers(state, round_.number)
    trusts: dict[str, int] = {}
    for one in wagers:
        held = trust.current(state, context, one.member)
        net_tokens = 0 if held is None else net_trust(held, one.amount_tokens)
        if net_tokens >= minimum_trust(round_) and not is_silenced(state, one.member):
            trusts[one.member] = net_tokens
    builders, reason = phases.draw(round_, trusts, draw_trust(round_))
    if not builders:
        return _judge(state, context, judges, round_, reason)
    for one in wagers:
        if one.member not in builders:
            trust.give_back(state, context, one.member, one.amount_tokens)
            state.put(WAGERS, _replace(one, verdict="undrawn"), round_.number)
    drawn = _replace(phases.enter(context, round_, COMMITTING, round_.terms.commit_ms), builders=builders)
    state.save(ROUNDS.key(round_.number), drawn)
    return (BuildersDrawn(round_.number, builders, len(wagers), drawn.ends_ms),)


# Judging


def _judge(state: State, context: BlockContext, judges: Judges, round_: Round, reason: str) -> Sequence[AnyEvent]:
    """Decide the subject and pay. With a `reason` the fallback decides, and only who has lied already loses."""
    judge = judges[round_.judge]
    case = judge.case(state, context, round_.subject)
    if round_.rules_hash != rules_hash(context):
        # What was right under the rules of the opening may be wrong by now: nobody is judged by it.
        reason, submissions = "rules", []
    else:
        submissions = _submissions(state, round_, case)
    if reason:
        decision = judging.Decision(case.fallback, None, judging.decide_early(submissions))
    else:
        decision = judging.decide(case, judge.criterion, submissions)
    verdicts = [_excused(state, one, verdict) for one, verdict in zip(submissions, decision.verdicts, strict=True)]
    events = list(judge.order(state, context, round_.subject, decision.best.plan, decision.builder))
    if submissions:
        events += _pay(state, context, round_, case, submissions, verdicts)
    else:
        _return_all(state, context, round_)
    outcome = FALLBACK if decision.builder is None else BUILDER
    judged = _replace(
        round_,
        phase=JUDGED,
        since_height=context.height,
        ends_ms=context.time_ms,
        outcome=outcome,
        reason=reason or "none",
        builder=decision.builder,
        fallback_nano=_money(case.fallback.cost_nano),
        cost_nano=_money(decision.best.cost_nano),
        judged_height=context.height,
    )
    state.save(ROUNDS.key(round_.number), judged)
    state.save(OPEN_ROUND_LIST, OpenRounds(tuple(one for one in open_rounds(state) if one != round_.number)))
    events.append(RoundJudged(round_.number, outcome, judged.reason, judged.builder, judged.cost_nano))
    return events


def _money(cost_nano: int) -> int:
    """A cost as records may hold it: that it is money was seen at the opening, and rules may have changed since."""
    return max(-MAX_MONEY, min(MAX_MONEY, cost_nano))


def _submissions(state: State, round_: Round, case: Case) -> list[Submission]:
    """What the drawn did, in their order; equal solutions are weighed once."""
    weighed: dict[bytes, Weighed | None] = {}
    found = []
    for member in round_.builders:
        one, revealed = state.entry(WAGERS, member, round_.number), state.load(SOLUTIONS, _place(round_, member))
        assert one is not None, "builders have wagered"
        plan = None
        if revealed is not None:
            if revealed.solution not in weighed:
                weighed[revealed.solution] = case.weigh(revealed.solution)
            plan = weighed[revealed.solution]
        found.append(Submission(member, one.claim, bool(one.commitment), revealed is not None, plan))
    return found


def _excused(state: State, one: Submission, verdict: str) -> str:
    """The verdict; who was removed on the way had no key to speak with any more."""
    return "void" if verdict in judging.UNSAID and is_removed(state, one.member) else verdict


def _place(round_: Round, member: str) -> bytes:
    return SOLUTIONS.key(round_.number, member)


def _pay(
    state: State,
    context: BlockContext,
    round_: Round,
    case: Case,
    submissions: Sequence[Submission],
    verdicts: Sequence[str],
) -> list[AnyEvent]:
    """Give back and take wagers, then reward out of the pool, which has the losses by then."""
    entries = []
    for one, verdict in zip(submissions, verdicts, strict=True):
        entry = state.entry(WAGERS, one.member, round_.number)
        assert entry is not None, "builders have wagered"
        lost_tokens = judging.loss_tokens(round_.terms, verdict, entry.amount_tokens)
        if lost_tokens:
            trust.lose(state, context, one.member, lost_tokens)
        if lost_tokens < entry.amount_tokens:
            trust.give_back(state, context, one.member, entry.amount_tokens - lost_tokens)
        if verdict in judging.LOSING:
            trust.lower_index(state, context, one.member)
        if one.revealed:
            state.remove(_place(round_, one.member))
        entries.append(_replace(entry, verdict=verdict, lost_tokens=lost_tokens))

    # An opener builds for itself: it has the saving already, and its own word proves nothing to others.
    improved = [
        0
        if one.member == round_.opener or trust.is_tombstoned(state, one.member)
        else judging.improved_nano(case, verdict, one.weighed)
        for one, verdict in zip(submissions, verdicts, strict=True)
    ]
    rewards = judging.rewards(round_.terms, trust.pool_tokens(state), verdicts, improved)
    owed_nano = judging.money_rewards(round_.terms, verdicts, [_money(saved_nano) for saved_nano in improved])
    length = context.consensus.epoch_blocks
    epoch_start = epochs.epoch_of(context.height, context.consensus) * length + 1
    events: list[AnyEvent] = []
    for one, entry, saved_nano, reward, owed in zip(submissions, entries, improved, rewards, owed_nano, strict=True):
        if reward:
            trust.pay(state, context, one.member, reward, "reward")
        if saved_nano:
            trust.raise_index(state, context, one.member, round_.significance_ppm, epoch_start)
        weighed = one.weighed
        found = (None, None, None) if weighed is None else weighed[:3]
        judged = _replace(
            entry,
            reward_tokens=reward,
            reward_nano=owed,
            cost_nano=found[0],
            energy_wh=found[1],
            carbon_ug=found[2],
        )
        state.put(WAGERS, judged, round_.number)
        saved = _money(saved_nano)
        events.append(WagerJudged(round_.number, one.member, entry.verdict, entry.lost_tokens, reward, saved))
    return events


def _return_all(state: State, context: BlockContext, round_: Round) -> None:
    """Every wager that is still open goes back whole."""
    for one in _wagers(state, round_.number):
        if one.verdict == "open":
            trust.give_back(state, context, one.member, one.amount_tokens)
            state.put(WAGERS, _replace(one, verdict="void"), round_.number)
            if one.solution_hash:
                state.remove(_place(round_, one.member))
