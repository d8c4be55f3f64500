"""What executing a transaction left behind: code, units, events. Sentences live in `contracts.codes`.

Receipts are hashed into the next header, so they hold only what every node computes alike.
"""

from __future__ import annotations

from contracts.carbon.events import CarbonEvent
from contracts.ceremony.events import CeremonyEvent
from contracts.confidential.events import ConfidentialEvent
from contracts.governance.events import GovernanceEvent
from contracts.members import Record
from contracts.private.events import PrivateEvent
from contracts.sealed.events import SealedEvent
from contracts.units import (
    Count,
    Energy,
    Hash,
    Height,
    Id,
    Interval,
    Money,
    Name,
    Ppm,
    Price,
    Time,
    TokenAmount,
    Tokens,
    Total,
)
from zk.codec import encode


class ReadingAccepted(Record, frozen=True, tag=0):
    """A reading extends its meter's chain; `late` when its interval was already settled."""

    meter: Id
    sequence: Count
    interval: Interval
    late: bool


class MetersEstimated(Record, frozen=True, tag=1):
    """Meters said nothing about an interval that closes; up to `MAX_NAMED` of the `count` are named."""

    interval: Interval
    count: Count
    meters: tuple[Id, ...]


class EnergyCorrected(Record, frozen=True, tag=2):
    """A closed interval was corrected by a line in the bill of a later one; see `Correction`."""

    meter: Id
    interval: Interval
    booked_in: Interval
    amount_nano: Money
    final: bool


class ReadingCorrected(Record, frozen=True, tag=3):
    """The owner restated a settled reading: the energy of its interval as the next bill will have it."""

    meter: Id
    sequence: Count
    interval: Interval
    import_wh: Energy
    export_wh: Energy


class LineDisputed(Record, frozen=True, tag=4):
    """Both ends of a line are named: what they metered does not fit, and the smaller reading settles."""

    line: Id
    interval: Interval
    sending_meter: Id
    receiving_meter: Id
    held_wh: Energy


class DisputeDecided(Record, frozen=True, tag=5):
    """The parent meter spoke, or (`final`) it did not in time."""

    line: Id
    interval: Interval
    parent_meter: Id
    settled_wh: Energy
    final: bool


class NeedAccepted(Record, frozen=True, tag=16):
    """A need is number `index` of its first interval, counted from 0."""

    member: Id
    interval: Interval
    count: Count
    index: Count


class OfferAccepted(Record, frozen=True, tag=17):
    """A source's offer stands for this interval."""

    meter: Id
    interval: Interval


class TariffAccepted(Record, frozen=True, tag=18):
    """The utility's prices stand for these intervals."""

    interval: Interval
    count: Count


class StorageOffered(Record, frozen=True, tag=19):
    """A storage lets itself be dispatched in these intervals, or does so no more."""

    meter: Id
    interval: Interval
    count: Count


class LoadAccepted(Record, frozen=True, tag=20):
    """A flexible load waits for energy."""

    member: Id
    load: Id
    until: Interval


class LoadWithdrawn(Record, frozen=True, tag=21):
    """A flexible load wants nothing more than what is ordered for it."""

    member: Id
    load: Id


class ReserveOffered(Record, frozen=True, tag=22):
    """A source holds something back in these intervals, or does so no more."""

    meter: Id
    interval: Interval
    count: Count


class RequirementSet(Record, frozen=True, tag=23):
    """A member requires something of these intervals."""

    member: Id
    interval: Interval
    count: Count


class IntervalOrdered(Record, frozen=True, tag=24):
    """Offers locked and every node computed the same dispatch."""

    interval: Interval
    price_nano_per_wh: Price
    demand_wh: Total
    served_wh: Total


class IntervalSettled(Record, frozen=True, tag=25):
    """Deliveries were taken from registers, and all lines of the interval sum to zero.

    With a `code` other than "ok" the registers count as settled and no line was booked.
    """

    interval: Interval
    injected_wh: Total
    withdrawn_wh: Total
    residual_nano: Money
    code: str


class Transferred(Record, frozen=True, tag=32):
    """Money moved."""

    sender: Id
    to: Id
    amount_nano: Money


class TokensTransferred(Record, frozen=True, tag=48):
    """Free trust tokens moved."""

    sender: Id
    to: Id
    amount_tokens: TokenAmount


class TokensBonded(Record, frozen=True, tag=49):
    """Free tokens became bond."""

    member: Id
    amount_tokens: TokenAmount


class TokensUnbonded(Record, frozen=True, tag=50):
    """Tokens left a bond, and unlock later."""

    member: Id
    amount_tokens: TokenAmount


class UnderDelivered(Record, frozen=True, tag=51):
    """A member's sources or storages gave less than ordered, beyond the tolerance; see `Shortfall`."""

    member: Id
    interval: Interval
    """The one whose close says so."""
    lost_ppm: Ppm
    """Of its trust index."""


class WithholdingReported(Record, frozen=True, tag=52):
    """A member could have offered more in an interval than it did; see `Withholding`."""

    member: Id
    interval: Interval


class RoundOpened(Record, frozen=True, tag=64):
    """Wagers on solutions of a subject are taken, at least until `ends_ms`; see `Round`."""

    round: Count
    judge: Id
    subject: Count
    significance_ppm: Ppm
    ends_ms: Time


class WagerPlaced(Record, frozen=True, tag=65):
    """Free tokens are locked on a solution."""

    round: Count
    member: Id
    claim: Id
    amount_tokens: TokenAmount


class RoundMoved(Record, frozen=True, tag=66):
    """A round is in its next phase, at least until `ends_ms`."""

    round: Count
    phase: Id
    ends_ms: Time


class BuildersDrawn(Record, frozen=True, tag=67):
    """Commitments of these are taken, at least until `ends_ms`; the other wagers went back."""

    round: Count
    builders: tuple[Id, ...]
    wagers: Count
    """All that took part in the draw."""
    ends_ms: Time


class SolutionCommitted(Record, frozen=True, tag=68):
    """A builder bound itself to a solution."""

    round: Count
    member: Id
    commitment: Hash


class SolutionRevealed(Record, frozen=True, tag=69):
    """A builder showed what it had committed to."""

    round: Count
    member: Id
    solution_hash: Hash


class WagerJudged(Record, frozen=True, tag=70):
    """What became of a drawn builder's wager; the verdicts are in `contracts.wagers.judging`."""

    round: Count
    member: Id
    verdict: Id
    lost_tokens: Tokens
    reward_tokens: Tokens
    saved_nano: Total = 0
    """What its solution costs less than the fallback, where that is more than the threshold."""


class RoundJudged(Record, frozen=True, tag=71):
    """A round decided its subject, by a builder's solution or by the fallback."""

    round: Count
    outcome: Id
    reason: Id
    """Why no builder's could be; `none` where one could."""
    builder: Id | None
    cost_nano: Money


class ModeOrdered(Record, frozen=True, tag=80):
    """The connection to the public grid was ordered for these intervals."""

    member: Id
    interval: Interval
    count: Count
    mode: Id
    reason: Name


class ReductionCalled(Record, frozen=True, tag=87):
    """The utility pays for energy that members do without in these intervals; 0 Wh: it does so no more."""

    member: Id
    interval: Interval
    count: Count
    energy_wh: Energy
    payment_nano_per_wh: Price


class ReductionOffered(Record, frozen=True, tag=88):
    """A member would do without energy in these intervals, or would not any more."""

    member: Id
    interval: Interval
    count: Count


class BaseLoadRegistered(Record, frozen=True, tag=89):
    """A load meter is promised so much power; 0 W: nothing any more."""

    member: Id
    meter: Id
    power_w: Energy


class OffenceRecorded(Record, frozen=True, tag=96):
    """Evidence in the block shows that a seat signed two contradicting messages; see `Offence`."""

    node: Id
    member: Id
    kind: Id
    height: Height
    evidence_hash: Hash


class BondSlashed(Record, frozen=True, tag=97):
    """A member that contradicted itself lost its bond and was tombstoned; of that, who proposed the block got a
    share."""

    member: Id
    taken_tokens: Tokens
    whistleblower: Id | None
    rewarded_tokens: Tokens


AnyEvent = (
    ReadingAccepted
    | MetersEstimated
    | EnergyCorrected
    | ReadingCorrected
    | LineDisputed
    | DisputeDecided
    | NeedAccepted
    | OfferAccepted
    | TariffAccepted
    | StorageOffered
    | LoadAccepted
    | LoadWithdrawn
    | ReserveOffered
    | RequirementSet
    | IntervalOrdered
    | IntervalSettled
    | Transferred
    | TokensTransferred
    | TokensBonded
    | TokensUnbonded
    | UnderDelivered
    | WithholdingReported
    | RoundOpened
    | WagerPlaced
    | RoundMoved
    | BuildersDrawn
    | SolutionCommitted
    | SolutionRevealed
    | WagerJudged
    | RoundJudged
    | ModeOrdered
    | ReductionCalled
    | ReductionOffered
    | BaseLoadRegistered
    | OffenceRecorded
    | BondSlashed
    | GovernanceEvent
    | CarbonEvent
    | ConfidentialEvent
    | CeremonyEvent
    | PrivateEvent
    | SealedEvent
)


class Receipt(Record, frozen=True):
    """`code` is "ok" or a stable refusal; a refused transaction leaves only its nonce and budget."""

    code: str
    units: Count
    events: tuple[AnyEvent, ...]

    def leaf(self) -> bytes:
        """Entry of the receipts tree."""
        return encode(self)


OK = "ok"
