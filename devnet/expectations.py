"""What must hold after a run: a pure comparison of what public RPC showed with what was expected.

`check` never asks a node anything. So anybody can re-check a recorded observation, and a test can change one
number in it and see the expectation fail.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from contracts.api import RESUBMITTABLE
from devnet import sealed_view, stakes
from devnet.faults import RESTATED_AFTER
from devnet.observation import HIDDEN, Observation
from devnet.spec import CycleEnd, DisputeSpan, Expectations, MeterSpan

RETURNED, RESTATED, VERDICT = "returned", "restated", "verdict"
"""Causes of corrections: a silent meter's register, an owner's word, a parent meter's."""
MAX_EXAMPLES = 3
"""A failure names at most so many offenders and counts the rest."""


class Failure(NamedTuple):
    """An expectation that does not hold, and what was seen instead."""

    expectation: str
    message: str


def check(seen: Observation, expect: Expectations) -> list[Failure]:
    """Every expectation that does not hold; empty when all do."""
    failures: list[Failure] = []

    def demand(wanted: bool, expectation: str, offenders: list[str]) -> None:
        if wanted and offenders:
            more = f" and {len(offenders) - MAX_EXAMPLES} more" if len(offenders) > MAX_EXAMPLES else ""
            failures.append(Failure(expectation, "; ".join(offenders[:MAX_EXAMPLES]) + more))

    demand(expect.caught_up, "caught_up", _behind(seen))
    demand(expect.roots_equal, "roots_equal", _diverged(seen))
    demand(expect.submissions_final_once, "submissions_final_once", _not_once(seen))
    demand(expect.everything_accepted, "everything_accepted", _refused(seen))
    demand(expect.money_conserved, "money_conserved", _money_off(seen))
    demand(expect.bills_balance, "bills_balance", _bills_off(seen))
    demand(expect.registers_equal, "registers_equal", _registers_off(seen))
    demand(True, "silent_meters", _silence_off(seen, expect.silent_meters))
    demand(expect.silence_estimated, "silence_estimated", _not_estimated(seen))
    demand(True, "lost_sources", _still_ordered(seen, expect.lost_sources))
    demand(True, "disputed_lines", _disputes_off(seen, expect.disputed_lines))
    demand(expect.disputes_decided, "disputes_decided", _undecided(seen))
    demand(True, "restated_meters", _restatements_off(seen, expect.restated_meters))
    demand(expect.corrections_billed, "corrections_billed", _misbilled(seen))
    demand(expect.load_served, "load_served", _unserved(seen))
    demand(expect.intervals_settled, "intervals_settled", _unsettled(seen))
    demand(expect.wagered_on, "wagered_on", stakes.undecided(seen))
    demand(expect.builders_earn, "builders_earn", stakes.unpaid(seen))
    demand(True, "costs", stakes.misjudged(seen, expect.costs))
    demand(expect.losses_by_the_rules, "losses_by_the_rules", stakes.unlawful(seen))
    demand(True, "refused_words", stakes.refused_otherwise(seen, expect.refused_words))
    demand(expect.tokens_conserved, "tokens_conserved", stakes.tokens_off(seen))
    demand(True, "punished", stakes.punished_otherwise(seen, expect.punished))
    demand(True, "under_delivered", stakes.unreliable_otherwise(seen, expect.under_delivered))
    if expect.private_cycles is not None:
        demand(True, "private_cycles", _private_off(seen, expect.private_cycles))
    if expect.private_cycles is not None or expect.sealed or seen.private or seen.sealed:
        demand(expect.secrets_kept, "secrets_kept", list(seen.leaks) or _unsearched(seen))
    demand(bool(seen.sealed) or bool(expect.sealed), "sealed", sealed_view.off(seen.sealed, expect.sealed))
    demand(expect.statements_proven, "statements_proven", _unproven(seen))
    for kind, least in (("reading", expect.readings_at_least), ("transfer", expect.transfers_at_least)):
        count = sum(item.kind == kind for item in seen.submitted)
        demand(
            True,
            f"{kind}s_at_least",
            [f"{count} {kind}s where {least} were expected"] if count < least else [],
        )
    return failures


def _behind(seen: Observation) -> list[str]:
    return [
        f"{node.name} is at height {node.height} of {seen.target_height}"
        for node in seen.nodes
        if node.height < seen.target_height
    ]


def _diverged(seen: Observation) -> list[str]:
    """Heights at which two nodes show different blocks, and nodes with another state at the end."""
    offenders = []
    known: dict[int, tuple[str, str]] = {}
    for node in seen.nodes:
        if [block.height for block in node.blocks] != list(range(1, node.height + 1)):
            offenders.append(f"{node.name} does not show every block up to {node.height}")
        for block in node.blocks:
            name, id_ = known.setdefault(block.height, (node.name, block.id))
            if id_ != block.id:
                offenders.append(f"{name} and {node.name} differ at height {block.height}")
        if node.state_root != seen.nodes[0].state_root:
            offenders.append(f"{seen.nodes[0].name} and {node.name} end with different state roots")
    return offenders


def _not_once(seen: Observation) -> list[str]:
    """Submissions that some node does not show exactly once, and meters with another head than was sent."""
    offenders = []
    sent: Counter[str] = Counter()
    for item in seen.submitted:
        if item.kind == "reading":
            sent[item.by] = max(sent[item.by], item.sequence)
    for node in seen.nodes:
        # An envelope may stand in a block before its turn; that is not what makes it final, and leaves no
        # trace.
        shown = Counter(
            hash_ for block in node.blocks for hash_, code in block.transactions if code not in RESUBMITTABLE
        )
        for item in seen.submitted:
            if shown[item.hash] != 1:
                what = f"{item.kind} of {item.by} ({item.hash[:12]})"
                offenders.append(f"{node.name} shows the {what} {shown[item.hash]} times")
        for meter, sequence in sent.items():
            if node.sequences.get(meter, 0) != sequence:
                counted = node.sequences.get(meter, 0)
                offenders.append(f"{node.name} counts {counted} readings of {meter}, {sequence} were sent")
    return offenders


def _registers_off(seen: Observation) -> list[str]:
    """Meters that a node knows with other registers than the world had: energy lost, or counted twice."""
    return [
        f"{node.name} has {meter} at {node.registers.get(meter, (0, 0))} Wh where it showed {shown}"
        for node in seen.nodes
        for meter, shown in seen.shown.items()
        if node.registers.get(meter, (0, 0)) != shown
    ]


def _silence_off(seen: Observation, planned: tuple[MeterSpan, ...]) -> list[str]:
    """Intervals of the run in which other meters were silent than those that broke."""
    views = {view.interval: view for view in seen.intervals}
    offenders = []
    for at, interval in enumerate(seen.expected_intervals):
        broken = {span.meter for span in planned if span.covers(at)}
        silent = set(views[interval].silent) if interval in views else set()
        offenders += [
            f"{meter} {'has no reading' if meter in silent else 'spoke'} in interval {interval}"
            for meter in sorted(broken ^ silent)
        ]
    return offenders


def _not_estimated(seen: Observation) -> list[str]:
    """Silent meters that were not estimated, others that were, and estimates that outlived the silence."""
    views = [view for view in seen.intervals if view.interval in seen.expected_intervals and view.status == "settled"]
    corrected = {(one.meter, one.interval): one.booked_in for one in seen.corrected if one.cause == RETURNED}
    offenders = []
    for at, view in enumerate(views):
        offenders += [
            f"{meter} was {'' if meter in view.estimated else 'not '}estimated in interval {view.interval}"
            for meter in sorted({*view.silent} ^ {*view.estimated})
        ]
        for meter in view.estimated:
            spoke = next((later.interval for later in views[at + 1 :] if meter not in later.silent), None)
            booked = corrected.get((meter, view.interval))
            if booked != spoke:
                offenders.append(
                    f"the estimate of {meter} in interval {view.interval} was trued up in {booked}, due in {spoke}"
                )
    return offenders


def _disputes_off(seen: Observation, planned: tuple[DisputeSpan, ...]) -> list[str]:
    """Intervals of the run in which other lines, or other meters, were in dispute than those that should be."""
    views = {view.interval: view for view in seen.intervals}
    offenders = []
    for at, interval in enumerate(seen.expected_intervals):
        wanted = {(span.line, *span.meters) for span in planned if span.covers(at)}
        found = {
            (one.line, one.sending_meter, one.receiving_meter, one.parent_meter)
            for one in (views[interval].disputes if interval in views else ())
        }
        offenders += [
            f"line {line} is {'' if (line, *meters) in found else 'not '}disputed in interval {interval}, "
            f"between {meters[0]} and {meters[1]} under {meters[2]}"
            for line, *meters in sorted(wanted ^ found)
        ]
    return offenders


def _undecided(seen: Observation) -> list[str]:
    """Disputes without the verdict that the next interval should bring, and verdicts that nobody was billed for."""
    views = [view for view in seen.intervals if view.interval in seen.expected_intervals and view.status == "settled"]
    billed = {
        (one.meter, one.interval): (one.import_wh, one.export_wh, one.booked_in)
        for one in seen.corrected
        if one.cause == VERDICT and not one.final
    }
    offenders = []
    for at, view in enumerate(views[:-1]):
        due = views[at + 1].interval
        for one in view.disputes:
            what, verdict = f"the dispute about {one.line} in interval {view.interval}", one.verdict
            if verdict is None or verdict.final:
                offenders.append(f"{what} has no verdict")
                continue
            true_wh = max(view.flowed.get(one.parent_meter, (0, 0)))
            settled_wh = max(one.settled_wh, min(true_wh, one.settled_wh + one.held_wh))
            if (verdict.decided_in, verdict.parent_wh, verdict.settled_wh) != (due, true_wh, settled_wh):
                offenders.append(
                    f"{what} was settled at {verdict.settled_wh} Wh in {verdict.decided_in}, "
                    f"due at {settled_wh} Wh in {due}"
                )
            if settled_wh == one.settled_wh:
                continue
            for meter, register in ((one.sending_meter, 1), (one.receiving_meter, 0)):
                bill = billed.get((meter, view.interval))
                if bill is None or (bill[register], bill[2]) != (settled_wh, due):
                    offenders.append(f"{what} was not billed to {meter} at {settled_wh} Wh in {due}")
    return offenders


def _restatements_off(seen: Observation, planned: tuple[MeterSpan, ...]) -> list[str]:
    """Intervals that owners restated unasked, did not restate, or not to what really flowed."""
    views = {view.interval: view for view in seen.intervals}
    found = {
        (one.meter, one.interval): (one.import_wh, one.export_wh) for one in seen.corrected if one.cause == RESTATED
    }
    offenders = []
    for at, interval in enumerate(seen.expected_intervals):
        # A mending near the end of a run leaves its owner no market to speak at.
        wanted = {
            span.meter
            for span in planned
            if span.covers(at)
            and span.until_interval is not None
            and span.until_interval + RESTATED_AFTER < len(seen.expected_intervals)
        }
        said = {meter for meter, about in found if about == interval}
        offenders += [
            f"{meter} was {'' if meter in said else 'not '}restated in interval {interval}"
            for meter in sorted(wanted ^ said)
        ]
        true = views[interval].flowed if interval in views else {}
        offenders += [
            f"{meter} was restated to {found[meter, interval]} Wh in interval {interval}, {true.get(meter)} Wh flowed"
            for meter in sorted(wanted & said)
            if found[meter, interval] != true.get(meter)
        ]
    return offenders


def _misbilled(seen: Observation) -> list[str]:
    """Correction lines that are not the sum of the corrections that are booked there."""
    offenders = []
    for view in seen.intervals:
        due: dict[str, int] = {}
        for one in seen.corrected:
            if one.booked_in == view.interval and not one.final:
                due[one.member] = due.get(one.member, 0) + int(one.amount_nano)
        billed = {member: int(nano) for member, nano in view.corrections_nano.items()}
        offenders += [
            f"{member} is billed {billed.get(member, 0)} nano of corrections in interval {view.interval}, "
            f"{due.get(member, 0)} are booked there"
            for member in sorted({*due, *billed})
            if billed.get(member, 0) != due.get(member, 0)
        ]
    return offenders


def _still_ordered(seen: Observation, lost: tuple[MeterSpan, ...]) -> list[str]:
    """Sources that were ordered from after they were lost, or not even before: then losing them says nothing."""
    views = {view.interval: view for view in seen.intervals}
    offenders = []
    for span in lost:
        supplied = [
            views[interval].supplied_wh.get(span.meter, 0) if interval in views else 0
            for interval in seen.expected_intervals
        ]
        offenders += [
            f"{energy_wh} Wh of {span.meter} were ordered in interval {seen.expected_intervals[at]} after it was lost"
            for at, energy_wh in enumerate(supplied)
            if span.covers(at) and energy_wh
        ]
        if len(supplied) > span.from_interval and not any(supplied[: span.from_interval]):
            offenders.append(f"{span.meter} was not ordered before it was lost either")
    return offenders


def _refused(seen: Observation) -> list[str]:
    kinds = {item.hash: f"{item.kind} of {item.by}" for item in seen.submitted}
    return [
        f"{kinds[hash_]} ({hash_[:12]}) was refused with {code} at height {block.height}"
        for node in seen.nodes[:1]
        for block in node.blocks
        for hash_, code in block.transactions
        if code != "ok" and code not in RESUBMITTABLE and hash_ in kinds
    ]


def _money_off(seen: Observation) -> list[str]:
    """Members whose balance is not opening + bills + transfers, and a total that moved, what is hidden included."""
    expected = {member: int(nano) for member, nano in seen.opening_nano.items()}
    for view in seen.intervals:
        for member, nano in view.bills_nano.items():
            expected[member] = expected.get(member, 0) + int(nano)
    for moved in seen.transfers:
        expected[moved.sender] = expected.get(moved.sender, 0) - int(moved.amount_nano)
        expected[moved.to] = expected.get(moved.to, 0) + int(moved.amount_nano)
    balances = {member: int(nano) for member, nano in seen.balances_nano.items()}
    offenders = []
    if (total := sum(balances.values()) + expected.pop(HIDDEN, 0)) != (
        opening := sum(map(int, seen.opening_nano.values()))
    ):
        offenders.append(f"all balances add up to {total} nano where genesis had {opening}")
    offenders += [
        f"{member} has {balances.get(member, 0)} nano where opening, bills and transfers make {nano}"
        for member, nano in expected.items()
        if balances.get(member, 0) != nano
    ]
    return offenders


def _bills_off(seen: Observation) -> list[str]:
    return [
        f"the lines of interval {view.interval} add up to {total} nano"
        for view in seen.intervals
        if (total := sum(map(int, view.bills_nano.values()))) != 0
    ]


def _private_off(seen: Observation, end: CycleEnd) -> list[str]:
    """Private billing cycles that ended in another way than they should have."""
    offenders = [] if seen.private else ["no private billing cycle ended"]
    for one in seen.private:
        what = f"cycle {one.cycle} of {one.campus}"
        if one.phase != "done":
            offenders.append(f"{what} is {one.phase}")
        if one.uses != end.uses or one.unpaid:
            offenders.append(f"{what} has {one.uses} uses of {end.uses}, and {len(one.unpaid)} that are not paid")
        if sorted(one.wide) != sorted(end.wide):
            offenders.append(f"{what} shows {', '.join(one.wide) or 'nobody'} outside the agreed bounds")
        if sorted({member for member, _, _ in one.named}) != sorted(end.named):
            offenders.append(f"{what} names {'; '.join(' '.join(name) for name in one.named) or 'nobody'}")
        if not one.adds_up:
            offenders.append(f"{what} does not add up")
    return offenders


def _unsearched(seen: Observation) -> list[str]:
    return [] if seen.secrets else ["no secret was looked for"]


def _unproven(seen: Observation) -> list[str]:
    """Statements that prove nothing, cycles that do not sum to zero, members whose statements are not their bills."""
    stated: dict[str, int] = dict.fromkeys(seen.opening_nano, 0)
    cycles: dict[int, int] = {}
    offenders = []
    for one in seen.statements:
        if one.code != "ok":
            offenders.append(f"the statement of {one.member} for cycle {one.cycle} proves nothing: {one.code}")
        stated[one.member] = stated.get(one.member, 0) + int(one.total_nano)
        cycles[one.cycle] = cycles.get(one.cycle, 0) + int(one.total_nano)
    if not seen.statements:
        offenders.append("no statement was made")
    offenders += [f"the statements of cycle {cycle} add up to {nano} nano" for cycle, nano in cycles.items() if nano]
    for member, nano in stated.items():
        billed = sum(int(view.bills_nano.get(member, "0")) for view in seen.intervals)
        if nano != billed:
            offenders.append(f"the statements of {member} come to {nano} nano where its bills come to {billed}")
    return offenders


def _unserved(seen: Observation) -> list[str]:
    views = {view.interval: view for view in seen.intervals}
    offenders = []
    for interval in seen.expected_intervals:
        view = views.get(interval)
        if view is None or view.demand_wh == 0:
            offenders.append(f"interval {interval} has no demand on the ledger")
        elif view.shed_wh or view.served_wh < view.demand_wh:
            offenders.append(f"interval {interval} served {view.served_wh} of {view.demand_wh} Wh")
        elif view.unserved_wh:
            offenders.append(f"in interval {interval} the site could not feed {view.unserved_wh} Wh")
    return offenders


def _unsettled(seen: Observation) -> list[str]:
    status = {view.interval: view.status for view in seen.intervals}
    return [
        f"interval {interval} is {status.get(interval, 'unknown')}"
        for interval in seen.expected_intervals
        if status.get(interval) != "settled"
    ]
