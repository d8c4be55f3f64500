"""What state keeps about sealed dispatch: registered capacities, rounds, and what each supplier said in one.

Types and bounds only; who writes them is in the docstring of each. Points are 48 bytes compressed; a sum that nothing
was added to is the identity, as the group encodes it.
"""

from __future__ import annotations

from typing import Annotated

from contracts.ceremony.records import Window
from contracts.members import Record
from contracts.sealed.bodies import MAX_REFERENCE, MAX_TICKS, MAX_WH, OwnNote, ReferenceBlock
from contracts.units import Count, Hash, Height, Id, Interval, Meta, Point, Price, Time, Total
from zk.sizes import MAX_SEATS

MAX_CAPACITIES = 256
"""Meters with a registered capacity."""
MAX_PARTICIPANTS = 64
"""Suppliers of one round."""
MAX_DEMANDS = 1_024
"""Tenants that seal their demand for one round."""
MAX_OPEN = 512
"""Rounds that wait for something. A defective meter may hold one for weeks."""
MAX_ASKED = 2 * MAX_PARTICIPANTS + 1
"""Openings that a round waits for at once: two of each supplier, and a sum."""
MAX_WITHHELD = MAX_SEATS
"""Seats that a round names."""

BIDDING = "bidding"
"""Bids and sealed demands are taken."""
SUMMING = "summing"
"""The sum of sealed demands is being opened."""
SEARCHING = "searching"
"""Cumulative sums are being opened along a binary search."""
AWARDING = "awarding"
"""There is a price, and suppliers say what their bids give them."""
BALANCING = "balancing"
"""The sum of awards is being opened, and the bids of those that said nothing."""
RUNNING = "running"
"""Awarded: the interval is still to come, to pass or to close."""
ORDERED = "ordered"
"""Failed: reference offers stand in open merit order, and what hidden meters owe of it is still to be shown."""
DELIVERING = "delivering"
"""Suppliers show that their meters saw what they owe."""
SETTLING = "settling"
"""The bids of those that showed nothing are being opened."""
SUSPENDED = "suspended"
"""All that is left are suppliers whose meters have not spoken about the interval."""
DONE = "done"

DEMAND, TICK, AWARDS, LOW, AT = "demand", "tick", "awards", "low", "at"
"""What an opening is about: the sum of sealed demands, a cumulative sum, the sum of awards, and of one supplier what it
bid below the marginal tick and at it."""

Wh = Annotated[int, Meta(ge=0, le=MAX_WH)]
Nano = Total


class Capacity(Record, frozen=True):
    """What a source can deliver in an interval, hidden. Written by `contracts.sealed.capacities`."""

    meter: Id
    member: Id
    capacity: Point
    nameplate_wh: Wh
    """What its rating delivers in an interval; 0: it is publicly nothing."""
    reference: Annotated[tuple[ReferenceBlock, ...], Meta(min_length=1, max_length=MAX_REFERENCE)]
    height: Height
    note: OwnNote = b""
    """From which its owner opens it again, as those below."""


class CapacityList(Record, frozen=True):
    """Meters that have a `Capacity`, ascending."""

    meters: Annotated[tuple[Id, ...], Meta(max_length=MAX_CAPACITIES)]


class Participant(Record, frozen=True):
    """A supplier that could deliver when the round opened, with what was pinned of it then."""

    member: Id
    meters: Annotated[tuple[Id, ...], Meta(max_length=MAX_CAPACITIES)]
    capacity: Point
    """Sum over its meters."""
    nameplate_wh: Wh


class Asked(Record, frozen=True):
    """An opening that the state machine asked for."""

    opening: Count
    """Its number among all openings of the pact."""
    part: Id
    tick: Count
    """Of a cumulative sum; of a single supplier its place among the participants, from 1; else 0."""
    supplier: Id | None
    """Whose bid it is about; None: a sum over several."""
    value_wh: Wh | None = None
    """Once it was claimed and is true."""
    late: bool = False
    """There were not enough shares in time."""


class Clearing(Record, frozen=True):
    """What a round came to: the first tick at which cumulative sums reach the demand, and how much of it counts."""

    tick: Annotated[int, Meta(ge=1, le=MAX_TICKS)]
    """k, from 1."""
    price_nano_per_wh: Price
    target_wh: Wh
    """What suppliers deliver together: the demand, or in a shortage all that there is."""
    part: Wh
    """a: what is bought at tick k,"""
    whole: Annotated[int, Meta(ge=1, le=MAX_WH)]
    """of b: what is offered there. Every bidder gives the part a / b of what it offers at k."""


class SealedRound(Record, frozen=True):
    """The one sealed round of an interval. Written by `contracts.sealed` alone; stays for good."""

    interval: Interval
    buyer: Id
    ticks: Annotated[tuple[Price, ...], Meta(max_length=MAX_TICKS)]
    deadline_ms: Time
    key_id: Hash
    key: Point
    """P. Pinned with its seats until the round is over."""
    participants: Annotated[tuple[Participant, ...], Meta(max_length=MAX_PARTICIPANTS)]
    """Ascending by member."""
    demand_wh: Wh | None
    """Public, or the opened sum; None: it is sealed."""
    demand_sums: tuple[Point, Point]
    """Of E and R over sealed demands."""
    sums: Annotated[tuple[tuple[Point, Point], ...], Meta(max_length=MAX_TICKS)]
    """For each tick, of E and R over all bids."""
    award_sums: tuple[Point, Point]
    """Of T and R_T over all awards."""
    height: Height
    """Block that opened it."""
    window: Window
    """Of the phase."""
    phase: Id = BIDDING
    closing: bool = False
    """The deadline has passed; blocks are still waited for."""
    tenants: Annotated[tuple[Id, ...], Meta(max_length=MAX_DEMANDS)] = ()
    """Who sealed a demand, in order of their words."""
    ratings_wh: Wh = 0
    """What those can take together."""
    bidders: Annotated[tuple[Id, ...], Meta(max_length=MAX_PARTICIPANTS)] = ()
    """In order of their words; ascending once the set is frozen."""
    absent: Annotated[tuple[Id, ...], Meta(max_length=MAX_PARTICIPANTS)] = ()
    """Participants that were silent in every block of the bidding."""
    low: Annotated[int, Meta(ge=0, le=MAX_TICKS)] = 0
    """Highest tick known to be below the demand; 0 without opening anything."""
    low_wh: Wh = 0
    high: Annotated[int, Meta(ge=0, le=MAX_TICKS + 1)] = 0
    """Lowest tick known to reach the demand, or one more than there are."""
    high_wh: Wh = 0
    asked: Annotated[tuple[Asked, ...], Meta(max_length=MAX_ASKED)] = ()
    """Openings that the phase waits for."""
    openings: Count = 0
    """How many were asked for in all."""
    clearing: Clearing | None = None
    awards: Count = 0
    escrow_nano: Nano = 0
    """What the buyer has locked."""
    paid_nano: Nano = 0
    """What it paid for awards: hidden credits come out of that, and shortfalls return to it."""
    awarded_wh: Wh | None = None
    """Sum of all awards; None: it was never opened."""
    outcome: Id = "open"
    """`balanced`, `overpaid` (step 9), `void` (sums do not fit), `failed`."""
    reason: Id = "none"
    withheld: Annotated[tuple[Id, ...], Meta(max_length=MAX_WITHHELD)] = ()
    """Seats without which an opening failed."""


class SealedDemand(Record, frozen=True):
    """What a tenant sealed. Written by `contracts.sealed.bidding`, as the next."""

    member: Id
    rating_wh: Wh
    sealed: Point
    ephemeral: Point


class SealedOffer(Record, frozen=True):
    """What a supplier bid: E and R for each tick."""

    member: Id
    sealed: Annotated[tuple[Point, ...], Meta(max_length=MAX_TICKS)]
    ephemeral: Annotated[tuple[Point, ...], Meta(max_length=MAX_TICKS)]
    note: OwnNote = b""


BID, AWARDED, OPENED, UNOPENED, SHOWN, SHORT, VOID = "bid", "awarded", "opened", "unopened", "shown", "short", "void"


SETTLED = (UNOPENED, SHOWN, SHORT, VOID)
"""Nothing more is waited for of a supplier in one of these."""


class SealedSupplier(Record, frozen=True):
    """Where a supplier stands in a round. Written by `contracts.sealed.awarding` and `.delivering`."""

    member: Id
    wager_nano: Nano
    """What its bid locked; 0 once that went back or was lost."""
    state: Id = BID
    """`bid`, `awarded`, `opened` (step 8), `unopened`, then `shown` (delivered), `short` (nothing shown) or `void`."""
    award: Annotated[bytes, Meta(max_length=48)] = b""
    """Q; empty before there is one."""
    award_wh: Wh | None = None
    """q where it is public."""
    lost_wager: bool = False
    shortfall_wh: Wh | None = None
    """u; None: it is not known yet, or never will be."""
    note: OwnNote = b""
    """About its award."""


class OpenSealedRounds(Record, frozen=True):
    """Intervals whose sealed rounds wait for something, ascending."""

    intervals: Annotated[tuple[Interval, ...], Meta(max_length=MAX_OPEN)]


class SealedPool(Record, frozen=True):
    """Public money that is in sealed dispatch and in nobody's balance."""

    locked_nano: Nano
    """In escrow and wagers: it goes back, is lost, or is paid and then inside confidential accounts."""
    kept_nano: Nano
    """Lost wagers: nobody's, for good."""


class Register(Record, frozen=True):
    """A hidden register by the last reading of an interval."""

    interval: Interval
    point: Point
    sequence: Count
    """Of that reading; 0: it is what the meter was admitted with."""


class Trail(Record, frozen=True):
    """The last two intervals that a private source spoke about. Written by `contracts.sealed.metered`."""

    before: Register
    last: Register


class Grown(Record, frozen=True):
    """What a source has shown for a round: by how much its register grew, hidden. Written by
    `contracts.sealed.metered`."""

    meter: Id
    point: Point
    since_sequence: Count
    """It grew from the reading with this number, 0 the admission,"""
    sequence: Count
    """up to this one."""
    behind: Interval | None = None
    """It is in the same difference as an earlier round, and has what that leaves, once that is settled."""
