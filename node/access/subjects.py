"""Whose records are whose: every table of state, every body and every event is public or belongs to somebody.

What nobody has decided about is not served: `Undecided` is raised, and a test names what is missing. Never decides who
may read; that is `contracts.policies`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from contracts import bodies, members, metering_records, receipts, records
from contracts.carbon import bodies as carbon_bodies
from contracts.carbon import events as carbon_events
from contracts.carbon import records as carbon
from contracts.ceremony import bodies as ceremony_bodies
from contracts.ceremony import events as ceremony_events
from contracts.confidential import bodies as hidden_bodies
from contracts.confidential import events as hidden_events
from contracts.envelope import AccountEnvelope, Envelope
from contracts.flexible import records as flexible
from contracts.governance import bodies as governance_bodies
from contracts.governance import events as governance_events
from contracts.private import bodies as private_bodies
from contracts.private import events as private_events
from contracts.receipts import AnyEvent
from contracts.rolls import Rolls, is_roll
from contracts.schema import (
    ACCESS,
    ACCESS_COUNTS,
    ACCESS_PLACES,
    ACCOUNTS,
    AGENDAS,
    BALANCES,
    BALLOTS,
    BASE_LOADS,
    BASES,
    BILLS,
    CAMPUSES,
    CAPACITIES,
    CAPACITY_LISTS,
    CARBON_CORRECTIONS,
    CARBON_TOTALS,
    CARBONS,
    CARRIED,
    CASES,
    CEREMONIES,
    CERTIFICATES,
    CHARGES,
    CONDUCT_DAYS,
    CORRECTIONS,
    CREDITS,
    DEALINGS,
    DISPUTES,
    EMITTED,
    ENVELOPED_LISTS,
    ENVELOPES,
    EPOCH_LENGTHS,
    ESTIMATE_BOOKS,
    ESTIMATES,
    EVENT_DAYS,
    FACTORS,
    FLEXIBLE,
    GREEN,
    HEADS,
    HELD_KEYS,
    HIDDEN,
    HIDDEN_HEADS,
    HIDDEN_SITES,
    HIDDEN_TOTALS,
    HIDDEN_USES,
    INTERVALS,
    KEY_USES,
    LINE_LIST,
    LINES,
    LINKS,
    LOADS,
    LOCKED_ORIGINS,
    MADE_WHOLE,
    MEMBERS,
    MEMBERSHIPS,
    METERED,
    METERS,
    MIXES,
    MODES,
    NEEDS,
    NETWORKS,
    NODE_OWNERS,
    NOTE_KEYS,
    OFFENCE_COUNTS,
    OFFENCE_PLACES,
    OFFENCES,
    OFFERS,
    OFFSET_ACCOUNTS,
    OFFSETS,
    OPEN_DISPUTES,
    OPEN_LOADS,
    OPEN_OPENINGS,
    OPEN_ROUNDS,
    OPEN_SEALED,
    OPENING_COUNTS,
    OPENINGS,
    ORDERS,
    ORIGIN_TOTALS,
    ORIGINS,
    PENDING,
    PRIVATE_AGENDAS,
    PRIVATE_CYCLES,
    PROPOSALS,
    REDUCTION_OFFERS,
    REDUCTIONS,
    REGISTERS,
    REQUIREMENTS,
    RETIREMENTS,
    RETURNS,
    ROUND_COUNTS,
    ROUNDS,
    RULES,
    SCHEDULES,
    SEALED_DEMANDS,
    SEALED_GROWN,
    SEALED_OFFERS,
    SEALED_POOLS,
    SEALED_ROUNDS,
    SEALED_SUPPLIERS,
    SEATINGS,
    SENTINELS,
    SHORTFALLS,
    SITES,
    SOLUTIONS,
    SPEND_FEES,
    STANDINGS,
    STORE_ACCOUNTS,
    STORED,
    SURGES,
    TARIFFS,
    THRESHOLD_KEYS,
    TOMBSTONES,
    TRAILS,
    TRUST_POOLS,
    TRUSTS,
    UTILITIES,
    VERDICTS,
    WAGERS,
    WITHHOLDINGS,
    WORST_FACTORS,
)
from contracts.sealed import bodies as sealed_bodies
from contracts.sealed import events as sealed_events
from contracts.state import Table
from node.tables import table_of

Get = Callable[[bytes], bytes | None]
"""The newest record under a key of state."""


class Subject(NamedTuple):
    """One kind of records of one member, or of several who share them."""

    kind: str
    owners: tuple[str, ...]
    meter: str = ""
    """The meter that it is about, which may read it, too."""
    author: str = ""
    """Who wrote it down about others, and so knows it."""


OF_ALL = "*"
"""In place of owners: it is about every member at once, so each of them has to let the asker read."""


class Undecided(LookupError):
    """Nobody has decided to whom this belongs, so it is not served."""


PUBLIC_TABLES = frozenset(
    table.prefix
    for table in (
        MEMBERS,
        ACCOUNTS,
        METERS,
        ENVELOPES,
        ENVELOPED_LISTS,
        INTERVALS,
        TARIFFS,
        REQUIREMENTS,
        CERTIFICATES,
        FACTORS,
        WORST_FACTORS,
        CARBONS,
        CARBON_TOTALS,
        SURGES,
        ORIGIN_TOTALS,
        OFFSETS,
        OFFSET_ACCOUNTS,
        RETIREMENTS,
        MODES,
        LINKS,
        BASE_LOADS,
        EVENT_DAYS,
        CONDUCT_DAYS,
        SCHEDULES,
        SITES,
        UTILITIES,
        LINES,
        NETWORKS,
        OFFENCES,
        OFFENCE_PLACES,
        OFFENCE_COUNTS,
        TRUST_POOLS,
        TOMBSTONES,
        TRUSTS,
        ACCESS,
        ACCESS_PLACES,
        ACCESS_COUNTS,
        RULES,
        PROPOSALS,
        BALLOTS,
        AGENDAS,
        MEMBERSHIPS,
        KEY_USES,
        NODE_OWNERS,
        EPOCH_LENGTHS,
        MIXES,
        SEATINGS,
        ROUNDS,
        ROUND_COUNTS,
        OPEN_ROUNDS,
        WAGERS,
        NOTE_KEYS,
        HIDDEN,
        HIDDEN_TOTALS,
        CAMPUSES,
        HIDDEN_SITES,
        HIDDEN_HEADS,
        HIDDEN_USES,
        PRIVATE_CYCLES,
        PRIVATE_AGENDAS,
        ESTIMATE_BOOKS,
        PENDING,
        CREDITS,
        SPEND_FEES,
        CAPACITIES,
        CAPACITY_LISTS,
        SEALED_ROUNDS,
        OPEN_SEALED,
        SEALED_DEMANDS,
        SEALED_OFFERS,
        SEALED_SUPPLIERS,
        SEALED_GROWN,
        TRAILS,
        SEALED_POOLS,
        SENTINELS,
        CEREMONIES,
        DEALINGS,
        THRESHOLD_KEYS,
        HELD_KEYS,
        OPENINGS,
        OPENING_COUNTS,
        OPEN_OPENINGS,
    )
)
BY_MEMBER = {
    BALANCES.prefix: ("balance", 0),
    ORDERS.prefix: ("orders", 1),
    BILLS.prefix: ("bills", 1),
    STANDINGS.prefix: ("energy", 1),
    REDUCTION_OFFERS.prefix: ("needs", 1),
    REDUCTIONS.prefix: ("bills", 1),
    CARRIED.prefix: ("energy", 1),
    ORIGINS.prefix: ("energy", 0),
}
"""Kind, and which part of the key is the member."""
BY_METER = {
    HEADS.prefix: ("registers", 0),
    REGISTERS.prefix: ("registers", 0),
    CHARGES.prefix: ("registers", 0),
    RETURNS.prefix: ("corrections", 0),
    CORRECTIONS.prefix: ("corrections", 1),
    BASES.prefix: ("energy", 1),
    METERED.prefix: ("energy", 1),
    ESTIMATES.prefix: ("estimates", 1),
    CARBON_CORRECTIONS.prefix: ("corrections", 1),
    EMITTED.prefix: ("energy", 1),
    STORED.prefix: ("energy", 0),
    LOCKED_ORIGINS.prefix: ("energy", 0),
    SHORTFALLS.prefix: ("energy", 1),
    WITHHOLDINGS.prefix: ("offers", 1),
    STORE_ACCOUNTS.prefix: ("energy", 0),
    MADE_WHOLE.prefix: ("bills", 1),
}
"""Kind, and which part of the key is the meter."""
BY_LINE = {DISPUTES.prefix: ("disputes", 1), VERDICTS.prefix: ("disputes", 1)}
"""Kind, and which part of the key is the line."""
BY_ENTRY = {
    NEEDS.prefix: "needs",
    OFFERS.prefix: "offers",
    FLEXIBLE.prefix: "offers",
    OPEN_LOADS.prefix: "needs",
    GREEN.prefix: "needs",
    OPEN_DISPUTES.prefix: "disputes",
}
"""Records that hold entries of many."""

PUBLIC_BODIES = (
    bodies.Tariff,
    bodies.Require,
    bodies.SetMode,
    bodies.CallReduction,
    bodies.BaseLoad,
    bodies.TransferTokens,
    bodies.Bond,
    bodies.Unbond,
    bodies.Wager,
    bodies.CommitSolution,
    governance_bodies.Propose,
    governance_bodies.Approve,
    governance_bodies.Withdraw,
    governance_bodies.RotateKeys,
    governance_bodies.AllowAccess,
    governance_bodies.RevokeAccess,
    carbon_bodies.RegisterFactor,
    carbon_bodies.EndFactor,
    carbon_bodies.IssueOffset,
    carbon_bodies.TransferOffset,
    carbon_bodies.RetireOffset,
    carbon_bodies.RetireOrigin,
    hidden_bodies.RegisterNoteKey,
    hidden_bodies.Deposit,
    hidden_bodies.Withdraw,
    hidden_bodies.Spend,
    hidden_bodies.Accept,
    private_bodies.ProveUse,
    private_bodies.BlameNote,
    private_bodies.SplitCycle,
    private_bodies.Reconcile,
    private_bodies.PayBill,
    private_bodies.ShowReading,
    private_bodies.RetireGreen,
    ceremony_bodies.RegisterSeat,
    ceremony_bodies.CommitDealing,
    ceremony_bodies.Deal,
    ceremony_bodies.Complain,
    ceremony_bodies.GiveShare,
    sealed_bodies.RegisterCapacity,
    sealed_bodies.OpenSealed,
    sealed_bodies.SealDemand,
    sealed_bodies.SealBid,
    sealed_bodies.SealAward,
    sealed_bodies.ProveDelivery,
    sealed_bodies.ClaimSum,
)
"""What every member must be able to judge. A commitment is salted, so it shows nothing of its solution; hidden money
is in commitments and sealed notes, and who pays whom is no secret."""
PUBLIC_EVENTS = (
    receipts.MetersEstimated,
    receipts.TariffAccepted,
    receipts.RequirementSet,
    receipts.IntervalOrdered,
    receipts.IntervalSettled,
    receipts.ModeOrdered,
    receipts.ReductionCalled,
    receipts.BaseLoadRegistered,
    receipts.TokensTransferred,
    receipts.TokensBonded,
    receipts.TokensUnbonded,
    receipts.UnderDelivered,
    receipts.WithholdingReported,
    receipts.RoundOpened,
    receipts.RoundMoved,
    receipts.RoundJudged,
    receipts.WagerPlaced,
    receipts.WagerJudged,
    receipts.BuildersDrawn,
    receipts.SolutionCommitted,
    receipts.SolutionRevealed,
    governance_events.ProposalMade,
    governance_events.ProposalApproved,
    governance_events.ApprovalWithdrawn,
    governance_events.ProposalDecided,
    governance_events.ProposalPostponed,
    governance_events.KeysRotated,
    governance_events.AccessAllowed,
    governance_events.AccessRevoked,
    receipts.OffenceRecorded,
    receipts.BondSlashed,
    carbon_events.FactorRegistered,
    carbon_events.FactorEnded,
    carbon_events.CarbonSettled,
    carbon_events.PolicyBroken,
    carbon_events.OffsetIssued,
    carbon_events.OffsetTransferred,
    carbon_events.OffsetRetired,
    ceremony_events.CeremonyMoved,
    ceremony_events.SeatHeard,
    ceremony_events.SeatNamed,
    ceremony_events.KeyMade,
    ceremony_events.KeyRetired,
    ceremony_events.ShareGiven,
    ceremony_events.SumOpened,
    ceremony_events.OpeningLate,
    sealed_events.CapacityRegistered,
    sealed_events.SealedOpened,
    sealed_events.DemandSealed,
    sealed_events.BidSealed,
    sealed_events.SealedMoved,
    sealed_events.SealedFrozen,
    sealed_events.SumFound,
    sealed_events.SealedPriced,
    sealed_events.AwardSealed,
    sealed_events.SealedBalanced,
    sealed_events.DeliveryShown,
    sealed_events.WagerLost,
    sealed_events.SealedFailed,
    sealed_events.SealedDone,
    carbon_events.OriginRetired,
    hidden_events.NoteKeyRegistered,
    hidden_events.Deposited,
    hidden_events.Withdrawn,
    hidden_events.Spent,
    hidden_events.Accepted,
    hidden_events.SpendReturned,
    hidden_events.AwardCredited,
    private_events.UseProven,
    private_events.CycleMoved,
    private_events.MemberNamed,
    private_events.TotalFixed,
    private_events.CycleSplit,
    private_events.ShareDecided,
    private_events.BillPaid,
    private_events.ReadingShown,
    private_events.GreenRetired,
)
"""`SolutionRevealed` has a salted hash: the solution itself says what orders keep."""
VERDICT = "verdict"
"""Cause of a correction that both ends of a line share."""


class Subjects:
    """Finds owners in the newest state: meters and lines are registered there."""

    def __init__(self, get: Get) -> None:
        self._get = get
        self._encoded_lines: bytes | None = None
        self._held_lines: tuple[members.PowerLine, ...] = ()

    def owner(self, meter: str) -> str:
        """Member that a meter belongs to; empty when nobody registered it."""
        raw = self._get(METERS.key(meter))
        return "" if raw is None else METERS.decode(raw).member

    def of_record(self, key: bytes, value: bytes | None) -> tuple[Subject, ...]:
        """Whose the record, or entry of a roll, under `key` is. `value` None: it is not there, or not looked at.

        Of a roll itself only its commitment is ever shown. Raises `Undecided`.
        """
        table = table_of(key)
        if table is None or is_roll(key) or table.prefix in PUBLIC_TABLES:
            if table is None:
                raise Undecided(f"no table has the key {key!r}")
            return ()
        parts = key[len(table.prefix) :].decode().split("/")
        if table.prefix in BY_MEMBER:
            kind, at = BY_MEMBER[table.prefix]
            return (Subject(kind, (parts[at],)),)
        if table.prefix in BY_METER:
            kind, at = BY_METER[table.prefix]
            meter = parts[at]
            shared = self._sharing(meter, value) if table.prefix == CORRECTIONS.prefix else ()
            return (Subject(kind, (self.owner(meter), *shared), meter),)
        if table.prefix in BY_LINE:
            kind, at = BY_LINE[table.prefix]
            return (self.of_line(parts[at]),)
        if table.prefix == CASES.prefix:
            return _CASE
        if table.prefix == LOADS.prefix:
            return () if value is None else (Subject("needs", (LOADS.decode(value).member,)),)
        if table.prefix == SOLUTIONS.prefix:
            return (_solution(parts[1]),)
        if table.prefix in BY_ENTRY:
            return () if value is None else tuple(map(self.of_entry, _entries(table, value)))
        raise Undecided(f"table {table.prefix.decode()} is neither public nor somebody's")

    def of_entry(self, entry: msgspec.Struct) -> Subject:
        """Whose one entry of a record of many is. Raises `Undecided`."""
        match entry:
            case records.NeedEntry(member=member) | flexible.OpenLoad(member=member) | carbon.GreenEntry(member=member):
                return Subject("needs", (member,))
            case (
                records.OfferEntry(member=member, meter=meter)
                | flexible.StorageEntry(member=member, meter=meter)
                | flexible.ReserveEntry(member=member, meter=meter)
            ):
                return Subject("offers", (member,), meter)
            case metering_records.OpenDispute(line=line):
                return self.of_line(line)
        raise Undecided(f"entry {type(entry).__name__} is neither public nor somebody's")

    def of_line(self, line: str) -> Subject:
        """Disputes of a line are shared by the members of its three meters."""
        meters = [
            meter
            for one in self._lines()
            if one.id == line
            for meter in (one.sending_meter, one.receiving_meter, one.parent_meter)
        ]
        return Subject("disputes", self._owners(meters))

    def of_envelope(self, envelope: Envelope) -> tuple[Subject, ...]:
        """Whose a transaction is. Raises `Undecided`."""
        if not isinstance(envelope, AccountEnvelope):
            return (Subject("readings", (self.owner(envelope.meter),), envelope.meter),)
        match envelope.body:
            case bodies.Correct():
                return (Subject("corrections", (envelope.sender,)),)
            case (
                bodies.Need()
                | bodies.FlexibleLoad()
                | bodies.WithdrawLoad()
                | bodies.OfferReduction()
                | carbon_bodies.GreenBid()
            ):
                return (Subject("needs", (envelope.sender,)),)
            case bodies.Offer() | bodies.StorageOffer() | bodies.ReserveOffer():
                return (Subject("offers", (envelope.sender,)),)
            case bodies.RevealSolution():
                return (_solution(envelope.sender),)
            case bodies.Transfer(to=to):
                return (Subject("transfers", (envelope.sender, to)),)
            case carbon_bodies.TransferOrigin(to=to):
                return (Subject("energy", (envelope.sender, to)),)
        return _public(envelope.body, PUBLIC_BODIES)

    def of_event(self, event: AnyEvent) -> tuple[Subject, ...]:
        """Whose an event is. Raises `Undecided`."""
        match event:
            case receipts.ReadingAccepted(meter=meter):
                return (Subject("readings", (self.owner(meter),), meter),)
            case receipts.EnergyCorrected(meter=meter) | receipts.ReadingCorrected(meter=meter):
                return (Subject("corrections", (self.owner(meter),), meter),)
            case receipts.LineDisputed(line=line) | receipts.DisputeDecided(line=line):
                return (self.of_line(line),)
            case (
                receipts.NeedAccepted(member=member)
                | receipts.LoadAccepted(member=member)
                | receipts.LoadWithdrawn(member=member)
                | carbon_events.GreenBidAccepted(member=member)
                | receipts.ReductionOffered(member=member)
            ):
                return (Subject("needs", (member,)),)
            case (
                receipts.OfferAccepted(meter=meter)
                | receipts.StorageOffered(meter=meter)
                | receipts.ReserveOffered(meter=meter)
            ):
                return (Subject("offers", (self.owner(meter),), meter),)
            case receipts.Transferred(sender=sender, to=to):
                return (Subject("transfers", (sender, to)),)
            case carbon_events.OriginTransferred(sender=sender, to=to):
                return (Subject("energy", (sender, to)),)
        return _public(event, PUBLIC_EVENTS)

    def _sharing(self, meter: str, value: bytes | None) -> tuple[str, ...]:
        """The other ends of a meter's lines, where a correction came from a verdict about one of them."""
        if value is None or CORRECTIONS.decode(value).cause != VERDICT:
            return ()
        lines = [one for one in self._lines() if meter in (one.sending_meter, one.receiving_meter)]
        return self._owners(end for one in lines for end in (one.sending_meter, one.receiving_meter))

    def _lines(self) -> tuple[members.PowerLine, ...]:
        raw = self._get(LINE_LIST)
        if raw != self._encoded_lines:
            self._encoded_lines, self._held_lines = raw, () if raw is None else LINES.decode(raw).lines
        return self._held_lines

    def _owners(self, meters: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(self.owner, meters)))


_OF_MANY = (
    records.NeedBucket
    | records.OfferBucket
    | metering_records.OpenDisputes
    | flexible.FlexibleOffers
    | flexible.OpenLoads
    | carbon.GreenBids
)


def _entries(table: Table[msgspec.Struct] | Rolls[members.Record], value: bytes) -> tuple[msgspec.Struct, ...]:
    held = table.decode(value)
    assert isinstance(held, _OF_MANY)
    return held.entries


_CASE = (Subject("needs", (OF_ALL,)), Subject("offers", (OF_ALL,)))
"""A case says what everybody wants and offers."""


def _solution(builder: str) -> Subject:
    """A solution says what everybody delivers and takes."""
    return Subject("orders", (OF_ALL,), author=builder)


def _public(said: msgspec.Struct, public: tuple[type[msgspec.Struct], ...]) -> tuple[Subject, ...]:
    if isinstance(said, public):
        return ()
    raise Undecided(f"{type(said).__name__} is neither public nor somebody's")
