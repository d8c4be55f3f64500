"""Answers about trust, rounds of wagering, governance, access and carbon."""

from __future__ import annotations

from contracts.carbon.records import (
    CarbonTotals,
    Certificate,
    Emitted,
    IntervalCarbon,
    Lot,
    Offset,
    OriginTotals,
    Retirement,
)
from contracts.conduct_records import Offence
from contracts.governance.changes import Change
from contracts.governance.records import Approval
from contracts.members import AccessPolicy, Grant
from contracts.members import Change as Changed
from contracts.wagers.records import Round, Wagered
from node.answers.chain import Answer, Decimal
from node.answers.market import TrustShown


class TrustOfMember(TrustShown, frozen=True, kw_only=True):
    """Trust of a member, and its power in this epoch and the two after it; null: not known."""

    power: int | None
    next_power: Decimal | None
    coming_power: Decimal | None
    power_change: Changed | None
    flagged: bool


class Trust(Answer, frozen=True, kw_only=True):
    """Everybody's tokens, index, weight and power."""

    supply_tokens: int
    pool_tokens: int
    pool_change: Changed
    epoch: int
    epoch_ends_with: int
    organisations: int
    seat_bond_tokens: int
    total_power: int | None
    total_next_power: Decimal | None
    total_coming_power: Decimal | None
    members: tuple[TrustOfMember, ...]


class Offences(Answer, frozen=True, kw_only=True):
    """Who contradicted itself, newest first."""

    count: int
    offences: tuple[Offence, ...]


class Rounds(Answer, frozen=True, kw_only=True):
    """Rounds of wagering, newest first, and the numbers of all that are open."""

    count: int
    undecided: tuple[int, ...]
    rounds: tuple[Round | None, ...]


class RoundShown(Round, frozen=True, kw_only=True):
    """A round with its bars and every wager on it."""

    minimum_wager_tokens: int
    minimum_trust_tokens: int
    draw_trust_tokens: int
    placed: tuple[Wagered, ...]


class WagerShown(Round, frozen=True, kw_only=True):
    """A round with one member's wager on it, or null."""

    wager: Wagered | None


class Wagers(Answer, frozen=True, kw_only=True):
    """Every open round with the member's wager on it, or null."""

    member: str
    rounds: tuple[WagerShown | None, ...]


class ProposalSummary(Answer, frozen=True, kw_only=True):
    """A proposal, who approves it, and what became of it."""

    number: int
    kind: str
    member: str | None
    epoch: int | None
    proposer: str
    reason: str
    height: int
    expiry_height: int
    status: str
    status_height: int
    code: str
    postponed: int
    approving_power: int
    total_power: int
    change: Change
    approvals: tuple[Approval, ...]


class Proposals(Answer, frozen=True, kw_only=True):
    """Proposals, newest first."""

    count: int
    open: int
    proposals: tuple[ProposalSummary, ...]


class Policy(Answer, frozen=True, kw_only=True):
    """Who may read what of a member."""

    member: str
    kinds: tuple[str, ...]
    grants: tuple[Grant, ...]
    open: tuple[str, ...]
    never_hidden: tuple[str, ...]
    number: int = 0
    height: int = 0


class Policies(Answer, frozen=True, kw_only=True):
    """Policies in the order of their first word."""

    count: int
    policies: tuple[AccessPolicy, ...]
    never_hidden: tuple[str, ...]


class CarbonOfAll(Answer, frozen=True, kw_only=True):
    """Everything since genesis."""

    carbon: CarbonTotals | None
    origin: OriginTotals | None


class Source(Emitted, frozen=True, kw_only=True):
    """What a meter brought in, and the certificate that its factor is from."""

    said: Certificate | None


class CarbonShown(IntervalCarbon, frozen=True, kw_only=True):
    """The carbon of one interval, with what each meter brought in as far as the asker may read it."""

    sources: tuple[Source, ...]


class CarbonLine(Answer, frozen=True, kw_only=True):
    """One interval of a report: figures of the site, or of the member that it is about."""

    interval: int
    start_ms: int
    code: str
    policy: str
    entered_wh: int
    pool_ug: int
    mix_ug_per_wh: int | None
    site_ug: int
    travel_ug: int
    corrected_ug: int
    emitted_ug: int = 0
    operating_ug: int = 0
    embodied_ug: int = 0
    unseen_ug: int = 0
    attributed_ug: int = 0
    exported_ug: int = 0
    stored_ug: int = 0
    consumed_wh: int = 0
    energy_ug: int = 0
    carried_ug: int = 0
    green_wh: int = 0


class FactorUsed(Answer, frozen=True, kw_only=True):
    """What a meter brought in by one factor, and who vouches for it."""

    meter: str
    member: str
    basis: str
    operating_ug_per_wh: int
    embodied_ug_per_wh: int
    energy_wh: int
    operating_ug: int
    embodied_ug: int
    unseen_ug: int
    released_ug: int
    origin_wh: int
    certifier: str | None
    certificate: str
    boundary: str
    valid_first: int | None
    valid_until: int | None


class Fixed(Answer, frozen=True, kw_only=True):
    """Certificate and boundary of what no energy brings."""

    certificate: str
    boundary: str


class CarbonReport(Answer, frozen=True, kw_only=True):
    """The carbon of a period, of a member or (`member` null) of the site, each figure with its factor."""

    member: str | None
    cycle: int | None
    first_interval: int
    until_interval: int
    start_ms: int
    end_ms: int
    as_of_ms: int
    status: str
    waiting_intervals: int
    booked_intervals: int
    beyond_bounds: int
    lines: tuple[CarbonLine, ...]
    totals: dict[str, Decimal | int]
    factors: tuple[FactorUsed, ...]
    fixed: Fixed
    unexplained_ug: int
    retired: tuple[Retirement, ...]
    retired_offsets_ug: int
    retired_origin_wh: int


class Factors(Answer, frozen=True, kw_only=True):
    """What is certified for a meter, and what it was registered with."""

    meter: str
    member: str
    kind: str
    interval: int
    registered_ug_per_wh: int | None
    certified_since: int | None
    certificates: tuple[Certificate, ...]
    worst_ug_per_wh: int


class Certificates(Answer, frozen=True, kw_only=True):
    """Certificates of origin and offsets of a member, and what it used up in the running billing cycle."""

    member: str
    lots: tuple[Lot, ...]
    owed_wh: int
    offsets: tuple[Offset, ...]
    cycle: int
    retired: tuple[Retirement, ...]
