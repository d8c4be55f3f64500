"""The tables of a scenario file: types, units and bounds of who takes part, what they own, and what is expected.

What one table means for another is checked in `devnet.scenario`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contracts.bodies import MAX_BLOCKS, Claim
from contracts.units import PPM, Energy, Factor, Id, Meta, Name, Ppm, Price

Positive = Annotated[int, Meta(ge=1, le=2**40 - 1)]
Role = Literal["supplier", "consumer", "storage", "campus", "utility", "certifier"]
Season = Literal["summer", "winter"]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Common options of every table of a scenario."""


def known_zone(name: str) -> ZoneInfo | None:
    """The time zone of this IANA name, where this machine knows one; without it, times are shown in UTC alone."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return None


class Clock(Section, frozen=True):
    """How ledger time runs: `speed` times life from `origin`, or stepped from boundary to boundary."""

    origin: datetime
    """UTC, on an interval boundary."""
    speed: Annotated[int, Meta(ge=1, le=3_600)] = 1
    run: Literal["stepped", "running"] = "running"
    """What `devnet run` does; `devnet up` always runs."""
    zone: Annotated[str, Meta(pattern=r"^[A-Za-z0-9/_+-]{1,64}\Z")] = "UTC"
    """Time zone of the site, by its IANA name; people see both times, the ledger knows UTC alone."""

    @property
    def site(self) -> ZoneInfo | None:
        """The zone, where this machine knows it."""
        return known_zone(self.zone)

    @property
    def origin_ms(self) -> int:
        """Start of the scenario, ledger milliseconds."""
        return int(self.origin.timestamp()) * 1000


class MemberSpec(Section, frozen=True):
    """An organisation. The first `validators` members that are `able` each run a validator."""

    id: Id
    name: Name
    roles: Annotated[tuple[Role, ...], Meta(min_length=1)]
    balance_nano: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    able: bool = False


class OfferShare(Section, frozen=True):
    """Part of a source's forecast, offered at one price."""

    share_ppm: Annotated[int, Meta(ge=1, le=PPM)]
    price_nano_per_wh: Price


class Store(Section, frozen=True):
    """A battery: what it holds, what each way loses, and when its agent trades."""

    capacity_wh: Positive
    charge_ppm: Ppm = PPM // 2
    """How full it starts."""
    charge_efficiency_ppm: Annotated[int, Meta(ge=1, le=PPM)] = 960_000
    discharge_efficiency_ppm: Annotated[int, Meta(ge=1, le=PPM)] = 960_000
    buy_below_nano_per_wh: Price = 90_000
    sell_above_nano_per_wh: Price = 220_000
    wear_nano_per_wh: Annotated[int, Meta(ge=0, le=2**28 - 1)] = 0
    """Of each Wh that it gives."""
    end_value_nano_per_wh: Price | None = None
    """Of each Wh that is left in it after the look-ahead; None: it ends no lower than it began."""
    offers_itself: bool = False
    """Its agent lets the dispatch decide when it charges and discharges, in place of blocks and bids."""


class PrivateSpec(Section, frozen=True):
    """What is agreed for a private meter; see `contracts.members.Private`."""

    campus: Id
    tariff_nano_per_wh: Annotated[int, Meta(ge=1, le=2**28 - 1)] = 1
    low_wh: Energy = 0
    high_wh: Energy | None = None
    fixed_wh: Energy = 0
    loss_ppm: Ppm = 0
    accuracy_wh: Energy = 0


class MeterSpec(Section, frozen=True):
    """Equipment behind one meter.

    `profile` is a load shape's name, `pv`, `wind` or `flat`; `peak_w` scales it and defaults to `rating_w`.
    """

    id: Id
    member: Id
    kind: Literal["source", "load", "storage", "tie"]
    rating_w: Positive
    profile: str = "flat"
    peak_w: Energy | None = None
    zone: Id = "site"
    factor_ug_per_wh: Factor | None = None
    forecast_error_ppm: Ppm = 0
    """How far what happens lies from what was forecast, at most, either way."""
    blocks: Annotated[tuple[OfferShare, ...], Meta(max_length=MAX_BLOCKS)] = ()
    ramp_w: Energy | None = None
    """Of a source: how far its power may move from one interval to the next; left out, it follows any order."""
    firm_w: Energy = 0
    """Of a source: what it gives at any time of an island, so that base load can be promised."""
    store: Store | None = None
    tier: Annotated[int, Meta(ge=0, le=7)] = 0
    """In which an island sheds a load; 0 is the last to go."""
    private: PrivateSpec | None = None
    """Its registers are hidden, and it settles by the billing cycle."""
    cycle_wh: Energy = 0
    """What a private meter counts in each billing cycle."""


class LineEnds(Section, frozen=True):
    """The three meters of a line."""

    sending_meter: Id
    receiving_meter: Id
    parent_meter: Id

    @property
    def meters(self) -> tuple[str, str, str]:
        """Sending, receiving, parent."""
        return self.sending_meter, self.receiving_meter, self.parent_meter


class LineSpec(LineEnds, frozen=True, kw_only=True):
    """A line from one meter to another, and the meter that decides where they disagree; see `contracts.disputes`.

    What the receiving meter's equipment takes comes through the line: it crosses the parent meter and the sending
    meter, at both of which it is imported and exported again, and loses what the site's lines lose.
    """

    id: Id
    fixed_wh: Energy = 0
    loss_ppm: Ppm = 0
    """Losses that are no reason for a dispute."""
    accuracy_wh: Energy = 0


class Fleet(Section, frozen=True):
    """`count` consumers alike, with one load meter each: members `prefix-01`.. and meters `prefix-01-load`..

    Peaks are spread evenly over `peak_w`, profiles are dealt out in turn.
    """

    prefix: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,20}\Z")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    count: Annotated[int, Meta(ge=1, le=5_000)]
    peak_w: tuple[Positive, Positive]
    profiles: Annotated[tuple[str, ...], Meta(min_length=1)]
    balance_nano: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    forecast_error_ppm: Ppm = 0
    tier: Annotated[int, Meta(ge=0, le=7)] = 0
    private: PrivateSpec | None = None
    """All their meters are private, and count what adds up to `cycle_wh` in a billing cycle, each between the agreed
    bounds."""
    cycle_wh: Energy = 0


class TariffHours(Section, frozen=True):
    """The utility's prices from this UTC hour until the next row's, every day. Synthetic."""

    from_hour: Annotated[int, Meta(ge=0, le=23)]
    import_nano_per_wh: Price
    export_nano_per_wh: Price


class Utility(Section, frozen=True):
    """What the tie to the public grid costs and carries."""

    tariff: Annotated[tuple[TariffHours, ...], Meta(min_length=1, max_length=24)]
    import_limit_wh: Energy
    export_limit_wh: Energy
    factor_ug_per_wh: Factor


class Load(Section, frozen=True):
    """Traffic for its own sake: so many readings and transfers a second, for so long."""

    seconds: Annotated[int, Meta(ge=1, le=3_600)]
    readings_per_s: Annotated[int, Meta(ge=0, le=50_000)]
    transfers_per_s: Annotated[int, Meta(ge=0, le=50_000)]


class PrivateRun(Section, frozen=True):
    """Billing cycles of private meters, one after the other, in place of intervals."""

    cycles: Annotated[int, Meta(ge=1, le=12)] = 1


class SealedLapse(Section, frozen=True):
    """What goes wrong in one sealed round of a run, whose first is 0."""

    at: Annotated[int, Meta(ge=0, le=10_000)]
    does: Literal["no-bid", "no-award", "short", "no-delivery"]
    members: tuple[Id, ...]
    """Suppliers that do it."""


class SealedRun(Section, frozen=True):
    """A sealed round for every interval of the run, over the private sources of one campus."""

    campus: Id
    ticks_nano_per_wh: Annotated[tuple[Positive, ...], Meta(min_length=1, max_length=64)]
    own_wh: Energy = 0
    """What the campus itself takes in each interval, openly."""
    lapses: Annotated[tuple[SealedLapse, ...], Meta(max_length=256)] = ()


class MeterSpan(Section, frozen=True):
    """A meter from one interval of the run (the first is 0) until before another; None: to its end."""

    meter: Id
    from_interval: Annotated[int, Meta(ge=0, le=10_000)]
    until_interval: Annotated[int, Meta(ge=0, le=10_000)] | None = None

    def covers(self, at: int) -> bool:
        """Whether the run's `at`-th interval is one of these."""
        return self.from_interval <= at and (self.until_interval is None or at < self.until_interval)


class DisputeSpan(LineEnds, frozen=True, kw_only=True):
    """Who is named in the disputes of a line, from one interval of the run until before another."""

    line: Id
    from_interval: Annotated[int, Meta(ge=0, le=10_000)]
    until_interval: Annotated[int, Meta(ge=0, le=10_000)]

    def covers(self, at: int) -> bool:
        """Whether the run's `at`-th interval is one of these."""
        return self.from_interval <= at < self.until_interval


Lie = Literal["favour-own-plant", "promise-more", "never-reveal", "reveal-late", "copy", "wager-twice", "none"]
"""What a lying builder does in one round; `none`: for once, what an honest one does."""


class BuilderSpec(Section, frozen=True):
    """A member whose agent builds solutions for rounds of wagering, with a key of its own.

    One that lies tells the k-th of its `lies` in the k-th round of the chain from `lies_from` on, and is honest before
    and once they are told; see `devnet.liars`.
    """

    member: Id
    stake_tokens: Annotated[int, Meta(ge=0, le=2**61)] = 0
    """Wager of each round; 0: the smallest that the round takes."""
    limit_tokens: Annotated[int, Meta(ge=1, le=2**61)] = 1_000
    """Most that it may lose in all."""
    claim: Claim = "least-cost"
    lies: Annotated[tuple[Lie, ...], Meta(max_length=512)] = ()
    lies_from: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0


class RulebookSpec(Section, frozen=True):
    """A member whose agent acts by a rulebook, in place of the trades of its equipment; see `devnet.ruled`."""

    member: Id
    file: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    """Name of one that is shipped, in `devnet/scenarios/rulebooks/`."""
    weather: Annotated[tuple[Id, ...], Meta(max_length=16)] = ()
    """Meters whose output tells it of sun and wind."""


class Cost(Section, frozen=True):
    """What the wagers of one builder come to: the verdict of each round from one on, harmless before and after."""

    member: Id
    verdicts: Annotated[tuple[Id, ...], Meta(max_length=512)]
    from_round: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0

    def due(self, round_: int) -> str:
        """The verdict that a round should have; empty: any harmless one."""
        at = round_ - self.from_round
        return self.verdicts[at] if 0 <= at < len(self.verdicts) else ""


class RefusedWord(Section, frozen=True):
    """A word about a round that the ledger refuses."""

    member: Id
    round: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    code: str


class CycleEnd(Section, frozen=True):
    """How each private billing cycle of a run ends."""

    uses: Annotated[int, Meta(ge=0, le=100_000)]
    """Meters that proved what they used, all of which is paid."""
    wide: tuple[Id, ...] = ()
    """Those of them outside their agreed bounds."""
    named: tuple[Id, ...] = ()
    """Members that kept it from settling as it should."""


class SealedEnd(Section, frozen=True):
    """How one sealed round of a run, whose first is 0, ends."""

    at: Annotated[int, Meta(ge=0, le=10_000)]
    outcome: Literal["balanced", "overpaid", "failed"] = "balanced"
    short: tuple[Id, ...] = ()
    """Suppliers that had a shortfall."""
    lost: tuple[Id, ...] = ()
    """Suppliers that lost their wager."""
    shortage: bool = False


class Expectations(Section, frozen=True):
    """What must hold after a run; see `devnet.expectations` for what each one compares."""

    submissions_final_once: bool = True
    roots_equal: bool = True
    money_conserved: bool = True
    bills_balance: bool = True
    everything_accepted: bool = True
    caught_up: bool = True
    registers_equal: bool = True
    load_served: bool = False
    intervals_settled: bool = False
    silent_meters: tuple[MeterSpan, ...] = ()
    """Exactly these say nothing about exactly these intervals, and nobody else about any."""
    silence_estimated: bool = True
    """The ledger estimated exactly the silent meters, and trued them up in the interval in which they spoke again."""
    lost_sources: tuple[MeterSpan, ...] = ()
    """Nothing is ordered from these in these intervals, though something was before."""
    disputed_lines: tuple[DisputeSpan, ...] = ()
    """Exactly these lines are disputed in exactly these intervals, and exactly these meters are named."""
    disputes_decided: bool = True
    """The next interval brings each verdict, at what really flowed, and bills both ends for it."""
    restated_meters: tuple[MeterSpan, ...] = ()
    """Exactly these meters are restated by their owners in exactly these intervals, to what really flowed."""
    corrections_billed: bool = True
    """Each member's correction line is the sum of the corrections that are booked in its interval, to the nano."""
    builders_earn: bool = False
    """Some builder improved on the fallback, and is paid for it."""
    wagered_on: bool = False
    """A round in which builders were judged decided every interval, none worse than by the fallback."""
    costs: tuple[Cost, ...] = ()
    """These wagers end like this, and all others without any loss."""
    losses_by_the_rules: bool = True
    """Every wager lost what its verdict costs, and every index what verdicts and offences take from it, no more."""
    refused_words: tuple[RefusedWord, ...] = ()
    """Exactly these words about rounds are refused."""
    tokens_conserved: bool = True
    """Members and pool have the tokens of genesis, and each member what wagers and offences left it."""
    punished: tuple[Id, ...] = ()
    """Exactly these members lose bond and name, and their power two epochs later."""
    under_delivered: tuple[Id, ...] | None = None
    """Exactly these members lost trust because they gave less than was ordered; None: whoever did."""
    statements_proven: bool = False
    """Every member's statement of every billing cycle is proven with headers alone, has what its bills add up to, and
    those of a cycle sum to zero. Takes about as long as asking for them: a second for five members and a cycle."""
    private_cycles: CycleEnd | None = None
    """Every private billing cycle of the run ends like this, with shares of the total that everybody adds up again."""
    sealed: tuple[SealedEnd, ...] = ()
    """Sealed rounds of the run that end in another way than balanced, with all of it delivered."""
    secrets_kept: bool = True
    """Nothing that belongs to others is on a supplier's disk, in its log or in what its node heard."""
    readings_at_least: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
    transfers_at_least: Annotated[int, Meta(ge=0, le=2**32 - 1)] = 0
