"""Tables of state: which record lies under which key.

Every read and write of contracts goes through these. `Rolls` hold what is written for everybody at once.
"""

from __future__ import annotations

from contracts.carbon.records import (
    CarbonCorrection,
    CarbonTotals,
    Carried,
    Certificate,
    Emitted,
    FactorSpans,
    GreenBids,
    IntervalCarbon,
    LockedOrigins,
    Offset,
    OffsetAccount,
    OriginAccount,
    OriginTotals,
    Retirements,
    StoredCarbon,
    Surges,
    WorstFactor,
)
from contracts.ceremony.records import (
    Ceremony,
    Dealt,
    HeldKeys,
    OpeningCount,
    OpeningRecord,
    OpenOpenings,
    ThresholdKey,
)
from contracts.conduct_records import ConductDay, Offence, OffenceCount, OffencePlace, Shortfall, Withholding
from contracts.confidential.records import Credit, HiddenAccount, HiddenTotal, NoteKeys, PendingItem, SpendFee
from contracts.flexible.records import (
    FlexibleOffers,
    Load,
    MadeWhole,
    OpenLoads,
    Requirements,
    StorageCharge,
    StoreAccount,
    StoredCase,
)
from contracts.governance.records import Agenda, Ballot, KeyUse, Membership, NodeOwner, Proposal, Rules
from contracts.members import (
    AccessCount,
    AccessPlace,
    AccessPolicy,
    Account,
    Enveloped,
    EnvelopedList,
    EpochLength,
    Holding,
    Member,
    Meter,
    MeterHead,
    Registers,
    Seating,
    Tombstones,
    Trust,
    TrustPool,
)
from contracts.metering_records import (
    Basis,
    Correction,
    Dispute,
    Estimate,
    Metered,
    OpenDisputes,
    Returns,
    Standing,
    Verdict,
)
from contracts.mode_records import BaseLoads, EventDays, Link, ModeRecord, Reduction, ReductionOffer
from contracts.network.records import Network
from contracts.private.records import (
    Campuses,
    EstimateBook,
    HiddenHead,
    HiddenSite,
    HiddenUse,
    PrivateAgenda,
    PrivateCycle,
)
from contracts.records import (
    Bill,
    EpochMix,
    IntervalRecord,
    Lines,
    NeedBucket,
    OfferBucket,
    Order,
    Schedule,
    Sentinel,
    Site,
    TariffRecord,
    Utility,
)
from contracts.rolls import Rolls
from contracts.sealed.records import (
    Capacity,
    CapacityList,
    Grown,
    OpenSealedRounds,
    SealedDemand,
    SealedOffer,
    SealedPool,
    SealedRound,
    SealedSupplier,
    Trail,
)
from contracts.state import Table
from contracts.wagers.records import OpenRounds, Round, RoundCount, Solution, Wagered

MEMBERS: Table[Member] = Table("member", Member)
ACCOUNTS: Table[Account] = Table("account", Account)
METERS: Table[Meter] = Table("meter", Meter)
ENVELOPES: Table[Enveloped] = Table("envelope", Enveloped)
"""By meter."""
ENVELOPED_LISTS: Table[EnvelopedList] = Table("enveloped", EnvelopedList)
HEADS: Table[MeterHead] = Table("head", MeterHead)
INTERVALS: Table[IntervalRecord] = Table("interval", IntervalRecord)
TARIFFS: Table[TariffRecord] = Table("tariff", TariffRecord)
MODES: Table[ModeRecord] = Table("mode", ModeRecord)
LINKS: Table[Link] = Table("link", Link)
BASE_LOADS: Table[BaseLoads] = Table("base-load", BaseLoads)
EVENT_DAYS: Table[EventDays] = Table("event-days", EventDays)
RETURNS: Table[Returns] = Table("returns", Returns)
BASES: Table[Basis] = Table("basis", Basis)
"""By interval and meter."""
STANDINGS: Table[Standing] = Table("standing", Standing)
"""By interval and member."""
CORRECTIONS: Table[Correction] = Table("correction", Correction)
"""By corrected interval, meter and number, from 0."""
NEEDS: Table[NeedBucket] = Table("needs", NeedBucket)
OFFERS: Table[OfferBucket] = Table("offers", OfferBucket)
FLEXIBLE: Table[FlexibleOffers] = Table("flexible", FlexibleOffers)
"""By interval, as the next."""
REQUIREMENTS: Table[Requirements] = Table("require", Requirements)
LOADS: Table[Load] = Table("load", Load)
"""By id."""
OPEN_LOADS: Table[OpenLoads] = Table("loads", OpenLoads)
CASES: Table[StoredCase] = Table("case", StoredCase)
"""By first interval of the window."""
SCHEDULES: Table[Schedule] = Table("schedule", Schedule)
SITES: Table[Site] = Table("site", Site)
UTILITIES: Table[Utility] = Table("utility", Utility)
LINES: Table[Lines] = Table("line", Lines)
NETWORKS: Table[Network] = Table("network", Network)
DISPUTES: Table[Dispute] = Table("dispute", Dispute)
"""By interval and line."""
VERDICTS: Table[Verdict] = Table("verdict", Verdict)
"""By interval and line."""
OPEN_DISPUTES: Table[OpenDisputes] = Table("disputes", OpenDisputes)
OFFENCES: Table[Offence] = Table("offence", Offence)
"""By node and height: one for each, whatever else the node signed there."""
OFFENCE_PLACES: Table[OffencePlace] = Table("offences", OffencePlace)
"""By number."""
OFFENCE_COUNTS: Table[OffenceCount] = Table("offence-count", OffenceCount)
TRUST_POOLS: Table[TrustPool] = Table("trust-pool", TrustPool)
TOMBSTONES: Table[Tombstones] = Table("tombstones", Tombstones)
ACCESS: Table[AccessPolicy] = Table("access", AccessPolicy)
"""By member."""
ACCESS_PLACES: Table[AccessPlace] = Table("access-place", AccessPlace)
"""By number."""
ACCESS_COUNTS: Table[AccessCount] = Table("access-count", AccessCount)
RULES: Table[Rules] = Table("rules", Rules)
PROPOSALS: Table[Proposal] = Table("proposal", Proposal)
"""By number, as the next."""
BALLOTS: Table[Ballot] = Table("ballot", Ballot)
AGENDAS: Table[Agenda] = Table("agenda", Agenda)
MEMBERSHIPS: Table[Membership] = Table("membership", Membership)
KEY_USES: Table[KeyUse] = Table("key", KeyUse)
"""By public key, in hex."""
NODE_OWNERS: Table[NodeOwner] = Table("node", NodeOwner)
SEATINGS: Table[Seating] = Table("seating", Seating)
"""By epoch: the one that runs, its neighbours, and the one after next once that is computed."""
EPOCH_LENGTHS: Table[EpochLength] = Table("epoch", EpochLength)
ROUNDS: Table[Round] = Table("round", Round)
"""By number."""
ROUND_COUNTS: Table[RoundCount] = Table("round-count", RoundCount)
OPEN_ROUNDS: Table[OpenRounds] = Table("rounds", OpenRounds)
SOLUTIONS: Table[Solution] = Table("solution", Solution)
"""By round and member."""
CERTIFICATES: Table[Certificate] = Table("certificate", Certificate)
"""By meter and number."""
FACTORS: Table[FactorSpans] = Table("factor", FactorSpans)
WORST_FACTORS: Table[WorstFactor] = Table("worst-factor", WorstFactor)
CARBONS: Table[IntervalCarbon] = Table("carbon", IntervalCarbon)
CARBON_CORRECTIONS: Table[CarbonCorrection] = Table("carbon-correction", CarbonCorrection)
"""As `CORRECTIONS`."""
CARBON_TOTALS: Table[CarbonTotals] = Table("carbon-total", CarbonTotals)
STORED: Table[StoredCarbon] = Table("stored", StoredCarbon)
SURGES: Table[Surges] = Table("surge", Surges)
ORIGINS: Table[OriginAccount] = Table("origin", OriginAccount)
LOCKED_ORIGINS: Table[LockedOrigins] = Table("origin-locked", LockedOrigins)
"""By storage."""
ORIGIN_TOTALS: Table[OriginTotals] = Table("origin-total", OriginTotals)
OFFSETS: Table[Offset] = Table("offset", Offset)
"""By certifier and serial."""
OFFSET_ACCOUNTS: Table[OffsetAccount] = Table("offsets", OffsetAccount)
RETIREMENTS: Table[Retirements] = Table("retired", Retirements)
"""By member and billing cycle."""
GREEN: Table[GreenBids] = Table("green", GreenBids)
NOTE_KEYS: Table[NoteKeys] = Table("note-key", NoteKeys)
"""By member."""
HIDDEN: Table[HiddenAccount] = Table("hidden", HiddenAccount)
"""By member."""
PENDING: Table[PendingItem] = Table("pending", PendingItem)
"""By number."""
CREDITS: Table[Credit] = Table("credit", Credit)
"""By member, source and number."""
HIDDEN_TOTALS: Table[HiddenTotal] = Table("hidden-total", HiddenTotal)
CAMPUSES: Table[Campuses] = Table("campuses", Campuses)
HIDDEN_SITES: Table[HiddenSite] = Table("hidden-site", HiddenSite)
"""By campus."""
HIDDEN_HEADS: Table[HiddenHead] = Table("hidden-head", HiddenHead)
"""By meter."""
HIDDEN_USES: Table[HiddenUse] = Table("hidden-use", HiddenUse)
"""By billing cycle and meter."""
PRIVATE_CYCLES: Table[PrivateCycle] = Table("private-cycle", PrivateCycle)
"""By billing cycle and campus."""
PRIVATE_AGENDAS: Table[PrivateAgenda] = Table("private-agenda", PrivateAgenda)
ESTIMATE_BOOKS: Table[EstimateBook] = Table("estimate-book", EstimateBook)
"""By campus."""
MIXES: Table[EpochMix] = Table("mix", EpochMix)
SENTINELS: Table[Sentinel] = Table("sentinel", Sentinel)
CEREMONIES: Table[Ceremony] = Table("ceremony", Ceremony)
DEALINGS: Table[Dealt] = Table("dealing", Dealt)
"""By epoch, attempt and dealer."""
THRESHOLD_KEYS: Table[ThresholdKey] = Table("threshold-key", ThresholdKey)
"""By id, in hex."""
HELD_KEYS: Table[HeldKeys] = Table("held-keys", HeldKeys)
OPENINGS: Table[OpeningRecord] = Table("opening", OpeningRecord)
"""By number."""
OPENING_COUNTS: Table[OpeningCount] = Table("opening-count", OpeningCount)
OPEN_OPENINGS: Table[OpenOpenings] = Table("openings", OpenOpenings)
CAPACITIES: Table[Capacity] = Table("capacity", Capacity)
"""By meter."""
CAPACITY_LISTS: Table[CapacityList] = Table("capacities", CapacityList)
SEALED_ROUNDS: Table[SealedRound] = Table("sealed-round", SealedRound)
"""By interval."""
OPEN_SEALED: Table[OpenSealedRounds] = Table("sealed-rounds", OpenSealedRounds)
SEALED_DEMANDS: Table[SealedDemand] = Table("sealed-demand", SealedDemand)
"""By interval and member, as the next two."""
SEALED_OFFERS: Table[SealedOffer] = Table("sealed-offer", SealedOffer)
SEALED_SUPPLIERS: Table[SealedSupplier] = Table("sealed-supplier", SealedSupplier)
SEALED_GROWN: Table[Grown] = Table("sealed-grown", Grown)
"""By interval and meter."""
TRAILS: Table[Trail] = Table("trail", Trail)
"""By meter."""
SEALED_POOLS: Table[SealedPool] = Table("sealed-pool", SealedPool)

BALANCES: Rolls[Holding] = Rolls("balance", Holding)
TRUSTS: Rolls[Trust] = Rolls("trust", Trust)
REGISTERS: Rolls[Registers] = Rolls("register", Registers)
ORDERS: Rolls[Order] = Rolls("order", Order)
"""By interval and member, as the next two."""
BILLS: Rolls[Bill] = Rolls("bill", Bill)
METERED: Rolls[Metered] = Rolls("metered", Metered)
"""By interval and meter, as the next."""
ESTIMATES: Rolls[Estimate] = Rolls("estimate", Estimate)
CHARGES: Rolls[StorageCharge] = Rolls("charge", StorageCharge)
"""By meter."""
REDUCTION_OFFERS: Rolls[ReductionOffer] = Rolls("reduce", ReductionOffer)
"""By interval and member, as the next."""
REDUCTIONS: Rolls[Reduction] = Rolls("reduction", Reduction)
CONDUCT_DAYS: Rolls[ConductDay] = Rolls("conduct", ConductDay)
"""By member."""
WITHHOLDINGS: Rolls[Withholding] = Rolls("withholding", Withholding)
"""By interval and meter."""
STORE_ACCOUNTS: Rolls[StoreAccount] = Rolls("store", StoreAccount)
"""By meter."""
MADE_WHOLE: Rolls[MadeWhole] = Rolls("made-whole", MadeWhole)
"""By interval whose bills have it, and meter."""
SHORTFALLS: Rolls[Shortfall] = Rolls("shortfall", Shortfall)
"""By interval whose close found them, and meter."""
EMITTED: Rolls[Emitted] = Rolls("emitted", Emitted)
"""By interval and meter."""
CARRIED: Rolls[Carried] = Rolls("carried", Carried)
"""By interval and member."""
SPEND_FEES: Rolls[SpendFee] = Rolls("spend-fee", SpendFee)
"""By member."""
WAGERS: Rolls[Wagered] = Rolls("wager", Wagered)
"""By round and member."""

SCHEDULE = SCHEDULES.key("working")
OPEN_LOAD_LIST = OPEN_LOADS.key("open")
SITE = SITES.key("all")
UTILITY = UTILITIES.key("grid")
LINK = LINKS.key("grid")
BASE_LOAD_LIST = BASE_LOADS.key("all")
EVENT_DAY_LIST = EVENT_DAYS.key("all")
ENVELOPED_LIST = ENVELOPED_LISTS.key("all")
LINE_LIST = LINES.key("all")
NETWORK = NETWORKS.key("site")
DISPUTE_LIST = OPEN_DISPUTES.key("open")
OFFENCE_COUNT = OFFENCE_COUNTS.key("all")
TRUST_POOL = TRUST_POOLS.key("all")
TOMBSTONE_LIST = TOMBSTONES.key("all")
ACCESS_COUNT = ACCESS_COUNTS.key("all")
RULES_IN_FORCE = RULES.key("in-force")
AGENDA = AGENDAS.key("open")
EPOCH_LENGTH = EPOCH_LENGTHS.key("length")
ROUND_COUNT = ROUND_COUNTS.key("all")
OPEN_ROUND_LIST = OPEN_ROUNDS.key("open")
WORST_FACTOR = WORST_FACTORS.key("all")
CARBON_TOTAL = CARBON_TOTALS.key("all")
SURGE = SURGES.key("all")
ORIGIN_TOTAL = ORIGIN_TOTALS.key("all")
HIDDEN_TOTAL = HIDDEN_TOTALS.key("all")
CAMPUS_LIST = CAMPUSES.key("all")
PRIVATE_AGENDA = PRIVATE_AGENDAS.key("open")
MIX = MIXES.key("epoch")
"""Of the epoch that ended last; none in the first."""
SENTINEL = SENTINELS.key("genesis")
CEREMONY = CEREMONIES.key("running")
CAPACITY_LIST = CAPACITY_LISTS.key("all")
OPEN_SEALED_LIST = OPEN_SEALED.key("open")
SEALED_POOL = SEALED_POOLS.key("all")
HELD_KEY_LIST = HELD_KEYS.key("held")
OPENING_COUNT = OPENING_COUNTS.key("all")
OPEN_OPENING_LIST = OPEN_OPENINGS.key("open")
