"""What must hold after a run: a pure comparison of what public RPC showed with what was expected.

`check` never asks a node anything. So anybody can re-check a recorded observation, and a test can change one
number in it and see the expectation fail.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

import msgspec

from contracts.api import RESUBMITTABLE
from devnet.scenario import Expectations, MeterSpan

MAX_EXAMPLES = 3
"""A failure names at most so many offenders and counts the rest."""


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common options; `_nano` are decimal strings, bytes lower-case hex."""


class Submitted(Record, frozen=True):
    """One envelope that an agent signed and sent, whatever became of it."""

    hash: str
    kind: Literal["reading", "transfer", "need", "offer", "tariff"]
    by: str
    """Meter of a reading, else member."""
    sequence: int = 0
    """Of a reading."""


class Moved(Record, frozen=True):
    """Money that a transfer moved, from its receipt."""

    sender: str
    to: str
    amount_nano: str


class Corrected(Record, frozen=True):
    """A closed interval that a line of a later one's bills corrected."""

    meter: str
    interval: int
    booked_in: int


class BlockView(Record, frozen=True):
    """A final block as one node shows it."""

    height: int
    id: str
    transactions: tuple[tuple[str, str], ...]
    """(hash, receipt code) in the order executed."""


class NodeView(Record, frozen=True):
    """One node at the end of a run."""

    name: str
    height: int
    state_root: str
    """In the header at the target height: an empty block follows every change, so this covers all of it."""
    blocks: tuple[BlockView, ...]
    sequences: dict[str, int]
    """Last reading of each meter, by this node's state."""
    registers: dict[str, tuple[int, int]] = {}
    """Its import and export register."""


class IntervalView(Record, frozen=True):
    """One interval that the run was about, with its money lines by member."""

    interval: int
    status: str
    demand_wh: int
    served_wh: int
    shed_wh: int
    unserved_wh: int
    """What the physical world could not feed; 0 where nobody was cut."""
    curtailed_wh: int
    """What sun and wind could have given and nobody took."""
    price_nano_per_wh: int
    injected_wh: int
    withdrawn_wh: int
    losses_wh: int
    bills_nano: dict[str, str]
    start_ms: int = 0
    silent: tuple[str, ...] = ()
    """Meters without a reading on time."""
    estimated: tuple[str, ...] = ()
    """Meters that the ledger estimated."""
    supplied_wh: dict[str, int] = {}
    """Ordered from each meter; those with nothing are left out."""


class Observation(Record, frozen=True):
    """Everything that the expectations are about."""

    scenario: str
    chain_id: str
    profile_source: str
    profile_sha256: str
    target_height: int
    """Highest final height when the run was over: every node must have it."""
    nodes: tuple[NodeView, ...]
    submitted: tuple[Submitted, ...]
    transfers: tuple[Moved, ...]
    opening_nano: dict[str, str]
    balances_nano: dict[str, str]
    intervals: tuple[IntervalView, ...]
    """Those the run was about, and any other that has settled."""
    expected_intervals: tuple[int, ...]
    """Those the run was about, ascending; expectations that count intervals count these."""
    shown: dict[str, tuple[int, int]] = {}
    """What each meter's registers physically showed when it last spoke."""
    corrected: tuple[Corrected, ...] = ()


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
    demand(expect.load_served, "load_served", _unserved(seen))
    demand(expect.intervals_settled, "intervals_settled", _unsettled(seen))
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
    corrected = {(one.meter, one.interval): one.booked_in for one in seen.corrected}
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
    """Members whose balance is not opening + bills + transfers, and a total that moved."""
    expected = {member: int(nano) for member, nano in seen.opening_nano.items()}
    for view in seen.intervals:
        for member, nano in view.bills_nano.items():
            expected[member] = expected.get(member, 0) + int(nano)
    for moved in seen.transfers:
        expected[moved.sender] = expected.get(moved.sender, 0) - int(moved.amount_nano)
        expected[moved.to] = expected.get(moved.to, 0) + int(moved.amount_nano)
    balances = {member: int(nano) for member, nano in seen.balances_nano.items()}
    offenders = []
    if (total := sum(balances.values())) != (opening := sum(map(int, seen.opening_nano.values()))):
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
