"""Transaction bodies: everything a member or a meter can say to the ledger.

Each contract owns sixteen tags, so that a body keeps its tag for good and later contracts find theirs
reserved:

    0..15 metering   16..31 market   32..47 money   48..63 trust
    64..79 wagering  80..95 governance (81..84 and 92..93: `contracts.governance.bodies`)
    96..103 hidden money (`contracts.confidential.bodies`)
    104..111 hidden energy (`contracts.private.bodies`)  112..127 exchange
    128..143 carbon (`contracts.carbon.bodies`)  144..159 sealed dispatch (`contracts.sealed.bodies`)

Types and bounds only; meaning is in the module of each contract. An unknown tag is refused at decode.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from contracts.carbon.bodies import CarbonBody
from contracts.ceremony.bodies import CeremonyBody
from contracts.confidential.bodies import ConfidentialBody
from contracts.governance.bodies import GovernanceBody
from contracts.members import Record
from contracts.private.bodies import PrivateBody
from contracts.sealed.bodies import SealedBody
from contracts.units import (
    MAX_PRICE,
    Amount,
    Count,
    Emission,
    Energy,
    Factor,
    Hash,
    Id,
    Interval,
    Meta,
    Name,
    Point,
    Price,
    Small,
    TokenAmount,
)

MAX_BLOCKS = 32
"""Price blocks of one offer."""
MAX_SPAN = 96
"""Intervals that one need, offer or tariff may cover."""
MAX_SOLUTION_BYTES = 200 * 1_024
"""A solution is revealed in one transaction."""

ReservePrice = Annotated[int, Meta(ge=0, le=MAX_PRICE)]


# Metering: 0..15


class Quality(Record, frozen=True):
    """What the meter saw of the wave, at the end of the interval."""

    voltage_mv: Small
    current_ma: Small
    frequency_mhz: Small
    power_factor_ppm: Small
    thd_ppm: Small
    ambient_mc: Small
    ambient_humidity_ppm: Small


class Reserve(Record, frozen=True):
    """What could still be delivered: stored energy, fuel, and the rate at which more comes in."""

    charge_wh: Energy
    fuel_wh: Energy
    generation_w: Energy


class PlainReading(Record, frozen=True, tag=0):
    """Cumulative registers of one meter at one moment of `interval`; differences settle.

    `previous_hash` is the reading hash of sequence - 1 (32 zero bytes before the first): a hash chain per
    meter.
    """

    sequence: Count
    interval: Interval
    import_wh: Energy
    export_wh: Energy
    quality: Quality | None
    reserve: Reserve | None
    status: Count
    previous_hash: Hash


class MonitorHead(Record, frozen=True):
    """Where a chain of monitoring records stands, of which anybody is shown a slice later; see
    `zk.statements.chain`."""

    length: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    head: Hash


class CommittedReading(Record, frozen=True, tag=1):
    """The same with registers hidden in commitments, of a meter that is registered private; see `contracts.private`.

    What the meter saw beside its registers it may commit to as well: it signs it with them.
    """

    sequence: Count
    interval: Interval
    import_commitment: Point
    export_commitment: Point
    status: Count
    previous_hash: Hash
    note: Annotated[bytes, Meta(max_length=512)]
    """The openings, sealed to the meter's owner."""
    reserve: Point | None = None
    """`charge_wh` and `fuel_wh` of a `Reserve` together: what could still be delivered."""
    quality: Annotated[tuple[Point, ...], Meta(max_length=7)] = ()
    """The fields of a `Quality`, in their order and each 2^31 higher, so that none is negative; or none of them."""
    monitor: MonitorHead | None = None


Reading = PlainReading | CommittedReading


class Correct(Record, frozen=True, tag=2):
    """A meter's owner restates what its reading `sequence` settled in `interval`, which is closed.

    Energy of the interval, as it should have been. None withdraws what the reading said of that register: an
    estimate takes its place.
    """

    meter: Id
    sequence: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    interval: Interval
    import_wh: Energy | None
    export_wh: Energy | None


# Market: 16..31


class Need(Record, frozen=True, tag=16):
    """Energy wanted in `count` intervals from `interval` on, `energy_wh` in each.

    Without a limit price it is fixed demand of shedding tier `tier` (0 is the most critical); with one it is
    a bid, served only where the price does not exceed it.
    """

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    energy_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]
    limit_nano_per_wh: Price | None
    tier: Annotated[int, Meta(ge=0, le=7)]


class OfferBlock(Record, frozen=True):
    """`energy_wh` more at this price."""

    price_nano_per_wh: Price
    energy_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]


class Offer(Record, frozen=True, tag=17):
    """What one metered source would deliver in `interval`: convex blocks, prices strictly rising.

    A member's later offer for the same meter and interval replaces its earlier one until offers lock.
    """

    meter: Id
    interval: Interval
    blocks: Annotated[tuple[OfferBlock, ...], Meta(max_length=MAX_BLOCKS)]
    """Empty withdraws."""


class Tariff(Record, frozen=True, tag=18):
    """The utility's prices and limits for `count` intervals from `interval` on, written ahead."""

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    import_nano_per_wh: Price
    export_nano_per_wh: Price
    import_limit_wh: Energy
    export_limit_wh: Energy
    factor_ug_per_wh: Factor


class StorageOffer(Record, frozen=True, tag=19):
    """A storage lets the dispatch charge and discharge it, in `count` intervals from `interval` on.

    Replaces what it offered for these intervals before, until each locks; nothing to charge and to discharge withdraws.
    """

    meter: Id
    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    charge_wh: Energy
    """Most that it takes in each of them."""
    discharge_wh: Energy
    """Most that it gives, reserve included."""
    end_value_nano_per_wh: Price | None
    """What its owner pays for a Wh that is left in it; None: it ends each dispatch no lower than it began it."""
    reserve_wh: Energy
    """Most that it holds back for the worst, in each of them."""
    reserve_nano_per_wh: ReservePrice
    """What it asks for that; paid as offered."""


class FlexibleLoad(Record, frozen=True, tag=20):
    """Energy by a deadline, whenever it is cheapest: an electric vehicle, a job."""

    id: Id
    """Its name, used once by anybody."""
    interval: Interval
    """First in which it may be served."""
    until: Interval
    """The first in which it may not any more."""
    energy_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]
    most_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]
    """In one interval."""
    value_nano_per_wh: Price
    """What a Wh that it does not get is worth."""


class WithdrawLoad(Record, frozen=True, tag=21):
    """A flexible load wants nothing more, but what is ordered for it."""

    id: Id


class ReserveOffer(Record, frozen=True, tag=22):
    """A source holds back what it could deliver on top, in `count` intervals from `interval` on; paid as offered.

    Replaces what it offered for these intervals before, until each locks; nothing to hold back withdraws.
    """

    meter: Id
    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    reserve_wh: Energy
    reserve_nano_per_wh: ReservePrice


class Require(Record, frozen=True, tag=23):
    """What the campus or the utility demands of `count` intervals from `interval` on, whoever delivers.

    The strictest counts of all that stand; replaces the sender's own for these intervals, until each locks.
    """

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    reserve_wh: Energy
    """Held back in each of them."""
    carbon_cap_ug: Emission | None
    """Most that each of them may emit; None: as much as comes."""


# Money: 32..47


class Transfer(Record, frozen=True, tag=32):
    """Money from the sender's balance to a member's."""

    to: Id
    amount_nano: Amount
    memo: Annotated[str, Meta(max_length=80)]


# Trust: 48..63


class TransferTokens(Record, frozen=True, tag=48):
    """Free trust tokens from the sender to a member."""

    to: Id
    amount_tokens: TokenAmount
    memo: Annotated[str, Meta(max_length=80)]


class Bond(Record, frozen=True, tag=49):
    """Put free tokens behind the sender's word: they weigh, and lies cost them."""

    amount_tokens: TokenAmount


class Unbond(Record, frozen=True, tag=50):
    """Take tokens out of the sender's bond; they are free once evidence against them is too old to count."""

    amount_tokens: TokenAmount


# Wagering: 64..79


Claim = Literal["least-cost", "least-energy", "zero-carbon"]
CLAIMS: tuple[Claim, ...] = get_args(Claim)


class Wager(Record, frozen=True, tag=64):
    """Lock free tokens on one's solution of a round, before anybody knows who is drawn to build one.

    The claim is what the wager is lost for, should it turn out false: that no candidate costs less, that none uses
    less energy, or that the solution emits nothing.
    """

    round: Count
    claim: Claim
    amount_tokens: TokenAmount


class CommitSolution(Record, frozen=True, tag=65):
    """A drawn builder binds itself to a solution that nobody sees yet; see `contracts.wagers.sealing`."""

    round: Count
    commitment: Hash


class RevealSolution(Record, frozen=True, tag=66):
    """What was committed to. What the bytes say is the affair of the round's judge."""

    round: Count
    salt: Hash
    solution: Annotated[bytes, Meta(max_length=MAX_SOLUTION_BYTES)]


# Governance: 80..95, as far as it is about the mode of the site; the rest is in `contracts.governance.bodies`


class SetMode(Record, frozen=True, tag=80):
    """What the site is to the public grid in `count` intervals from `interval` on; see `contracts.modes`.

    `island` opens the connection, `injection` lets the site sell through it, `grid` takes the sender's earlier orders
    back.
    """

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    mode: Literal["grid", "island", "injection"]
    reason: Name


class CallReduction(Record, frozen=True, tag=85):
    """The utility pays for energy that members do without, in each of `count` intervals from `interval` on.

    Replaces its earlier call for these intervals, until each locks; nothing to do without takes it back.
    """

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    energy_wh: Energy
    """Wanted in each of them, from all together."""
    payment_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)]
    reason: Name


class OfferReduction(Record, frozen=True, tag=86):
    """A member would do without energy in each of `count` intervals from `interval` on, if a call pays more than it
    loses. Replaces its earlier offer for these intervals, until each locks; nothing withdraws it."""

    interval: Interval
    count: Annotated[int, Meta(ge=1, le=MAX_SPAN)]
    energy_wh: Energy
    value_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)]
    """What a Wh is worth to it that it does without."""
    rebound_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)]
    """What catching up costs it later."""


class BaseLoad(Record, frozen=True, tag=87):
    """Demand at one load meter of the sender that an island has to serve last of all; 0 W gives it up."""

    meter: Id
    power_w: Energy


AccountBody = (
    Correct
    | Need
    | Offer
    | Tariff
    | StorageOffer
    | FlexibleLoad
    | WithdrawLoad
    | ReserveOffer
    | Require
    | Transfer
    | TransferTokens
    | Bond
    | Unbond
    | Wager
    | CommitSolution
    | RevealSolution
    | SetMode
    | CallReduction
    | OfferReduction
    | BaseLoad
    | GovernanceBody
    | CarbonBody
    | ConfidentialBody
    | CeremonyBody
    | PrivateBody
    | SealedBody
)
MeterBody = Reading
