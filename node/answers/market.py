"""Answers about members and meters, and about intervals from needs and offers to bills and corrections."""

from __future__ import annotations

from typing import Any

from contracts.conduct_records import Shortfall, Withholding
from contracts.flexible.records import (
    Load,
    MadeWhole,
    RequirementEntry,
    ReserveEntry,
    StorageCharge,
    StorageEntry,
)
from contracts.members import Asset, Lane, Member, Meter, MeterHead, Registers, Terms, Trust, Unlocking
from contracts.metering_records import Correction, Dispute, Estimate, Verdict
from contracts.mode_records import BaseLoadEntry, IslandOrder, Reduction, ReductionCall
from contracts.records import Bill, IntervalRecord, Line, Order, TariffRecord
from node.answers.chain import Answer, Hash


class UnlockingShown(Unlocking, frozen=True, kw_only=True):
    """Tokens that unlock, and when they are free; null: they still have power."""

    free_after_height: int | None
    free_after_ms: int | None


class TrustShown(Trust, frozen=True, kw_only=True):
    """Tokens and index of a member, and what follows from them."""

    unlocking: tuple[UnlockingShown, ...]
    unlocking_tokens: int
    weight: int


class LaneShown(Lane, frozen=True, kw_only=True):
    """A lane of nonces. `waiting`: so many transactions, in a row from `next_nonce` on, wait at this node for a block;
    told only of the newest state, never in a proven answer."""

    waiting: int | None = None


class MemberShown(Member, frozen=True, kw_only=True):
    """A member with money, trust, and a lane of nonces for each of its keys."""

    balance_nano: int | None
    trust: TrustShown
    lanes: tuple[LaneShown, ...]


class MeterShown(Meter, frozen=True, kw_only=True):
    """A meter with the head of its chain, and its registers as they were settled; null where its owner keeps them."""

    head: MeterHead | None
    settled: Registers | None


class Limits(Answer, frozen=True, kw_only=True):
    """What an asset may do in one interval."""

    give_wh: int
    take_wh: int
    ramp_wh: int | None
    floor_wh: int
    code: str


class Envelope(Meter, frozen=True, kw_only=True):
    """What orders may make of the asset behind a meter; without terms it is bound by its rating."""

    interval: int
    limits: Limits | None
    terms: tuple[Terms, ...]


class MeterOrdered(Answer, frozen=True, kw_only=True):
    """The order of a meter's member, with all that the agent at the device needs to judge it."""

    meter: str
    member: str
    interval: int
    interval_ms: int
    order: Order | None
    terms: tuple[Terms, ...]


class IntervalShown(IntervalRecord, frozen=True, kw_only=True):
    """An interval: what was needed, offered, ordered and metered, and when it is, locks and closes."""

    start_ms: int
    end_ms: int
    locks_ms: int
    closes_ms: int
    island_orders: tuple[IslandOrder, ...]
    injection_orders: tuple[IslandOrder, ...]
    call: ReductionCall | None
    tariff: TariffRecord | None


class Dispatch(IntervalShown, frozen=True, kw_only=True):
    """An ordered interval with every member's order."""

    orders: tuple[Order, ...]


class Carried(Answer, frozen=True, kw_only=True):
    """A correction that a bill answers for."""

    interval: int
    meter: str
    cause: str
    amount_nano: int


class BillShown(Bill, frozen=True, kw_only=True):
    """What a member owes (negative) or gets for an interval."""

    corrected: tuple[Carried, ...]


class StatementLine(Line, frozen=True, kw_only=True):
    """A line of a bill in its statement."""

    interval: int
    start_ms: int


class StatementTotal(Answer, frozen=True, kw_only=True):
    """All lines of one kind."""

    kind: str
    energy_wh: int
    amount_nano: int


class Statement(Answer, frozen=True, kw_only=True):
    """All lines of a member in one billing cycle."""

    member: str
    cycle: int
    start_ms: int
    end_ms: int
    first_interval: int
    last_interval: int
    as_of_ms: int
    status: str
    waiting_intervals: int
    billed_intervals: int
    lines: tuple[StatementLine, ...]
    totals: tuple[StatementTotal, ...]
    total_nano: int


class Placed(Answer, frozen=True, kw_only=True):
    """Number and time of an interval."""

    interval: int
    start_ms: int
    end_ms: int


class EstimateShown(Estimate, frozen=True, kw_only=True):
    """The estimate of a silent meter, and what it is billed for by now; null where its owner keeps that."""

    member: str
    kind: str
    billed_import_wh: int | None
    billed_export_wh: int | None
    corrections: int


class Estimates(Placed, frozen=True, kw_only=True):
    """Meters that were silent when the interval closed."""

    estimated: int
    estimates: tuple[EstimateShown, ...]


class NumberedCorrection(Correction, frozen=True, kw_only=True):
    """A correction, counted from 0 for its meter and interval."""

    number: int


class CorrectionShown(NumberedCorrection, frozen=True, kw_only=True):
    """A correction in a list of several intervals."""

    start_ms: int


class Corrections(Placed, frozen=True, kw_only=True):
    """Corrections of an interval, and those that its bills carry."""

    corrections: tuple[CorrectionShown, ...]


class DisputeShown(Dispute, frozen=True, kw_only=True):
    """A disputed line, whose meters they are, and the verdict where there is one."""

    start_ms: int
    sending_member: str
    receiving_member: str
    parent_member: str
    verdict: Verdict | None


class Disputes(Answer, frozen=True, kw_only=True):
    """Disputed lines of an interval, or (`interval` null) all that wait for their parent meter."""

    interval: int | None
    disputes: tuple[DisputeShown, ...]
    start_ms: int = 0
    end_ms: int = 0


class Energy(Placed, frozen=True, kw_only=True):
    """What a meter metered in a closed interval, and what it is billed for by now."""

    meter: str
    member: str
    sequence: int | None
    metered_import_wh: int | None
    metered_export_wh: int | None
    estimated: bool
    billed_import_wh: int | None
    billed_export_wh: int | None
    corrections: tuple[NumberedCorrection, ...]


class Conduct(Answer, frozen=True, kw_only=True):
    """Who gave less than ordered, offered less than it could, or was capped."""

    interval: int
    capped: tuple[str, ...]
    shortfalls: tuple[Shortfall, ...]
    withholdings: tuple[Withholding, ...]
    withholding: int


class Reductions(Answer, frozen=True, kw_only=True):
    """The call that stands for an interval, and what each member was ordered to do without, and paid for it."""

    interval: int
    call: ReductionCall | None
    reductions: tuple[Reduction, ...]


class MadeWholeShown(Answer, frozen=True, kw_only=True):
    """Storages that bills of an interval make whole."""

    interval: int
    storages: tuple[MadeWhole, ...]


class BaseLoadShown(BaseLoadEntry, frozen=True, kw_only=True):
    """A base load, and whether the site can promise it in the interval."""

    promised: bool


class BaseLoads(Answer, frozen=True, kw_only=True):
    """Base load in the order of its admission."""

    interval: int
    firm_w: int
    left_w: int
    entries: tuple[BaseLoadShown, ...]


class Case(Answer, frozen=True, kw_only=True):
    """The case by which a window is dispatched, in the form of `docs/schemas/dispatch-case.json`."""

    interval: int
    count: int
    case: dict[str, Any]


class CheckRefusal(Answer, frozen=True, kw_only=True):
    """Why something is no solution of a case: the first rule that it breaks, and where."""

    code: str
    where: str
    message: str


class CheckedSolution(Answer, frozen=True, kw_only=True):
    """A candidate as the answering node checked it. `member` null: the fallback, which every node computes."""

    member: str | None
    transaction: Hash | None
    """That revealed it, in the block of this height."""
    height: int | None
    ordered: bool
    """It is what was ordered."""
    cost_nano: int | None
    bound_nano: int | None
    """No dispatch of the case costs less."""
    gap_ppm: int | None
    """(cost - bound) of the base, in millionths."""
    certified: bool | None
    refusal: CheckRefusal | None


class Check(Answer, frozen=True, kw_only=True):
    """The check of a window's orders by the answering node: its own word, and no part of the state. Whoever doubts it
    repeats it with the case and the solutions, which are on the ledger. No solutions: no case was kept, because needs
    and offers of the one interval say it all, and the cheapest first is an optimum."""

    interval: int
    window: int
    count: int
    round: int | None
    base_nano: int | None
    """What fixed demand is worth at reference prices: gaps are parts of it."""
    threshold_nano: int | None
    """A certified solution is at most so far from its bound."""
    relaxed: tuple[str, ...]
    solutions: tuple[CheckedSolution, ...]


class Flexible(Answer, frozen=True, kw_only=True):
    """Storages, reserves and requirements that stand for an interval."""

    interval: int
    storages: tuple[StorageEntry, ...]
    reserves: tuple[ReserveEntry, ...]
    requirements: tuple[RequirementEntry, ...]


class Storage(StorageCharge, frozen=True, kw_only=True):
    """What a storage holds, and what it may do."""

    charge_wh: int
    asset: Asset | None


class Loads(Answer, frozen=True, kw_only=True):
    """Flexible loads that wait for energy."""

    loads: tuple[Load | None, ...]


class Asked(Answer, frozen=True, kw_only=True):
    """What one member asked for."""

    member: str
    requested_wh: int


class Demand(Answer, frozen=True, kw_only=True):
    """What was needed in an interval, and what became of it."""

    fixed_wh: int
    bids_wh: int
    served_wh: int
    shed_wh: int
    reduced_wh: int
    members: int
    largest: tuple[Asked, ...]


class Supplier(Answer, frozen=True, kw_only=True):
    """One supplier on one side of the price."""

    member: str
    offered_wh: int
    ordered_wh: int
    from_nano_per_wh: int


class Side(Answer, frozen=True, kw_only=True):
    """Offers on one side of the price; the largest suppliers."""

    offered_wh: int
    ordered_wh: int
    members: int
    suppliers: tuple[Supplier, ...]


class StackBlock(Answer, frozen=True, kw_only=True):
    """A block of an offer, and what was ordered of it."""

    member: str
    meter: str
    price_nano_per_wh: int
    offered_wh: int
    ordered_wh: int


class Offered(Answer, frozen=True, kw_only=True):
    """What was offered: all of it before the lock, then what was cheaper, equal to and dearer than the price."""

    offered_wh: int
    members: int
    stack: tuple[StackBlock, ...] = ()
    """The cheapest blocks of all offers, in the order of their prices."""
    all: Side | None = None
    cheaper: Side | None = None
    equal: Side | None = None
    dearer: Side | None = None


class Moved(Answer, frozen=True, kw_only=True):
    """What was moved in time, and which requirements were relaxed."""

    charged_wh: int
    discharged_wh: int
    loads_wh: int
    relaxed: tuple[str, ...]


class SetBy(Answer, frozen=True, kw_only=True):
    """One of what the price was read from."""

    kind: str
    offered_wh: int
    ordered_wh: int
    member: str = ""
    meter: str = ""


class PriceShown(Answer, frozen=True, kw_only=True):
    """The price, what set it, and how exact it is."""

    price_nano_per_wh: int
    set_by: tuple[SetBy, ...]
    slack_ppm: int
    slack_wh: int
    as_bid_wh: int


class Grid(Answer, frozen=True, kw_only=True):
    """What the grid was asked for, at which price, and what its connection carries."""

    connected: bool
    reason: str
    import_nano_per_wh: int
    export_nano_per_wh: int
    export_lowered: bool
    import_wh: int
    export_wh: int
    import_limit_wh: int
    export_limit_wh: int


class Meant(Answer, frozen=True, kw_only=True):
    """What an interval means for one member."""

    member: str
    requested_wh: int
    served_wh: int
    shed_wh: int
    supplied_wh: int
    expected_nano: int
    settled_nano: int | None


class Explanation(Placed, frozen=True, kw_only=True):
    """Why an interval has its price and its suppliers. Before the lock `price` and `grid` are null."""

    locks_ms: int
    closes_ms: int
    status: str
    demand: Demand
    offered: Offered
    moved: Moved
    price: PriceShown | None
    grid: Grid | None
    member: Meant | None = None


class Balance(Answer, frozen=True, kw_only=True):
    """A member's money."""

    member: str
    balance_nano: int
