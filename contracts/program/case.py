"""A dispatch case and its solution as plain documents.

A case is everything that decides one dispatch: what may be delivered, wanted, stored and moved in each of its
intervals, and the limits. The first `binding` intervals are ordered, priced and settled; the others are a look-ahead.
Whatever varies in time is a tuple with one entry per interval, so nothing is repeated by rule and nothing is implied.

A solution is what its builder may choose and no more: what couples intervals or places. Everything else follows by
rule (`contracts.program.fill`), because a builder that chose it could buy any price with one Wh of a dear block.

Types and bounds of single values only; what has to fit together is in `contracts.program.validate`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.units import Charge, Emission, Energy, Factor, Id, Meta, Name, Ppm, Price

MAX_INTERVALS = 192
MAX_SOURCES = 16_384
MAX_BLOCKS = 32
"""Of one source in one interval."""
MAX_DEMANDS = 16_384
MAX_BIDS = 16_384
MAX_LOADS = 4_096
MAX_STORAGES = 256
MAX_CONNECTIONS = 8
MAX_PLACES = 512
MAX_LINES = 1_024
MAX_TRANSFERS = 16_384
MAX_TIERS = 8
MAX_VARIABLES = 2**20
MAX_ROWS = 2**18
MAX_REACTANCE = 2**31 - 1
MAX_EFFICIENCY = 1_000
WEIGHT_ONE = 2**32
"""Of theta, and of multipliers: both are in parts of this."""
MAX_WEIGHT = 2**31 - 1
"""Of numerator and denominator of kappa."""

SITE = "site"
"""The only place of a case without a network."""

Energies = Annotated[tuple[Energy, ...], Meta(max_length=MAX_INTERVALS)]
Prices = Annotated[tuple[Price, ...], Meta(max_length=MAX_INTERVALS)]
Factors = Annotated[tuple[Factor, ...], Meta(max_length=MAX_INTERVALS)]
Signed = Annotated[int, Meta(ge=-(2**40 - 1), le=2**40 - 1)]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Common options of what is written as a document."""


class Block(Document, frozen=True):
    """`energy_wh` more at this price."""

    price_nano_per_wh: Price
    energy_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]


Blocks = Annotated[tuple[Block, ...], Meta(max_length=MAX_BLOCKS)]


class Reserve(Document, frozen=True):
    """What somebody would hold back for the worst, and what it asks for that; paid as offered."""

    price_nano_per_wh: Annotated[int, Meta(ge=0, le=2**28 - 1)]
    most_wh: Energies


class Source(Document, frozen=True):
    """One metered source. Delivering nothing is always allowed but for its ramp."""

    id: Id
    organisation: Id
    blocks: Annotated[tuple[Blocks, ...], Meta(max_length=MAX_INTERVALS)]
    """Per interval, prices strictly rising; the energies are what it offers on top of each other."""
    place: Id = SITE
    factor_ug_per_wh: Factor = 0
    rating_wh: Energy | None = None
    """Most in one interval, reserve included; None: what it offers."""
    ramp_wh: Energy | None = None
    """Most by which two neighbouring intervals may differ; None: it is not ramp-limited."""
    last_wh: Energy | None = None
    """Ordered in the interval before the first; None: any start will do."""
    reserve: Reserve | None = None


class Storage(Document, frozen=True):
    """A battery or the like. Its charge state is exact: in 1/(n*d) Wh, `soc += n*n*charge - d*d*discharge`.

    Charging c and discharging u share each interval's time: `c * most_discharge + u * most_charge` is at most
    `most_charge * most_discharge`.
    """

    id: Id
    organisation: Id
    capacity_wh: Energy
    start_soc: Charge
    """In 1/(n*d) Wh."""
    most_charge_wh: Energies
    most_discharge_wh: Energies
    efficiency_n: Annotated[int, Meta(ge=1, le=MAX_EFFICIENCY)] = 1
    """Efficiency each way is n/d."""
    efficiency_d: Annotated[int, Meta(ge=1, le=MAX_EFFICIENCY)] = 1
    place: Id = SITE
    end_value_nano_per_wh: Price | None = None
    """What its owner pays for a Wh that is in it after the last interval. None: it ends no lower than it began."""
    wear_nano_per_wh: Annotated[int, Meta(ge=0, le=2**28 - 1)] = 0
    """Per discharged Wh."""
    factor_ug_per_wh: Factor = 0
    """Embodied in it, per discharged Wh."""
    reserve: Reserve | None = None


class Connection(Document, frozen=True):
    """The utility's tie in each interval. Export is a bid of the utility."""

    id: Id
    organisation: Id
    import_nano_per_wh: Prices
    export_nano_per_wh: Prices
    import_limit_wh: Energies
    export_limit_wh: Energies
    factor_ug_per_wh: Factors
    place: Id = SITE


class Demand(Document, frozen=True):
    """Fixed demand of one organisation in one shedding tier; 0 is the most critical."""

    organisation: Id
    energy_wh: Energies
    tier: Annotated[int, Meta(ge=0, lt=MAX_TIERS)] = 0
    place: Id = SITE


class Bid(Document, frozen=True):
    """Flexible demand: served only where a Wh costs no more than its limit."""

    organisation: Id
    limit_nano_per_wh: Price
    energy_wh: Energies
    place: Id = SITE


class Load(Document, frozen=True):
    """Energy wanted by a deadline, whenever it is cheapest: an electric vehicle, a job."""

    id: Id
    organisation: Id
    energy_wh: Annotated[int, Meta(ge=1, le=2**40 - 1)]
    """In all, from interval `first` to before `until`."""
    most_wh: Energy
    """In one interval."""
    first: Annotated[int, Meta(ge=0, lt=MAX_INTERVALS)]
    until: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)]
    value_nano_per_wh: Price
    """What a Wh that it does not get is worth."""
    place: Id = SITE


class Line(Document, frozen=True):
    """A line between two places; a positive flow goes from the first to the second."""

    id: Id
    from_place: Id
    to_place: Id
    limit_wh: Energies
    reactance_npu: Annotated[int, Meta(ge=1, le=MAX_REACTANCE)] = 1_000_000


class Transfer(Document, frozen=True):
    """What an organisation may move at a place in any interval without anybody looking at the lines."""

    organisation: Id
    place: Id
    import_wh: Energy
    """Most that it takes, losses included."""
    export_wh: Energy


class Case(Document, frozen=True):
    """One dispatch."""

    name: Name
    intervals: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)]
    binding: Annotated[int, Meta(ge=1, le=MAX_INTERVALS)]
    round_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    """Hexadecimal, 32 bytes: orders ties, and tells this case from every other one."""
    sources: Annotated[tuple[Source, ...], Meta(max_length=MAX_SOURCES)] = ()
    storages: Annotated[tuple[Storage, ...], Meta(max_length=MAX_STORAGES)] = ()
    connections: Annotated[tuple[Connection, ...], Meta(max_length=MAX_CONNECTIONS)] = ()
    demands: Annotated[tuple[Demand, ...], Meta(max_length=MAX_DEMANDS)] = ()
    bids: Annotated[tuple[Bid, ...], Meta(max_length=MAX_BIDS)] = ()
    loads: Annotated[tuple[Load, ...], Meta(max_length=MAX_LOADS)] = ()
    lines: Annotated[tuple[Line, ...], Meta(max_length=MAX_LINES)] = ()
    reserve_wh: Energies = ()
    """Needed in each interval, over all places; empty: none."""
    carbon_cap_ug: Emission | None = None
    """Most that all intervals together may emit: factors x energy injected."""
    line_loss_ppm: Ppm = 0
    """Losses by the pact's rule: so much of each place's fixed demand is delivered on top of it, rounded up."""
    shed_nano_per_wh: Annotated[tuple[Price, ...], Meta(min_length=1, max_length=MAX_TIERS)] = (
        268_435_455,
        67_108_863,
        16_777_215,
        4_194_303,
    )
    """Penalty per tier, each at most a fourth of the one before."""
    offer_cap_nano_per_wh: Price = 4_000_000
    price_floor_nano_per_wh: Price = -500_000
    scarcity_nano_per_wh: Price = 4_000_000
    price_slack_ppm: Ppm = 5_000
    loss_ppm: Ppm = 20
    """How far from the optimum is near enough, in parts of the base."""
    energy_ppm: Ppm = 1_000
    """By how much of all demand a solution may inject beyond the one that injects least."""
    reference_nano_per_wh: Prices = ()
    """Import tariff of each interval, in an island the last one; the base is fixed demand at this. Empty: the import
    price of the first connection."""
    transfers: Annotated[tuple[Transfer, ...], Meta(max_length=MAX_TRANSFERS)] = ()
    """Envelopes for which the lines are proven to be strong enough, whatever others do inside theirs. They bind where
    the fallback finds no flows otherwise."""


class Multiplier(Document, frozen=True):
    """A row, by its number in `contracts.program.rows`, and its weight in 2^-32 nano per unit of the row."""

    row: Annotated[int, Meta(ge=0, lt=MAX_ROWS)]
    weight: Annotated[int, Meta(ge=-(2**60), le=2**60)]


class LineFlow(Document, frozen=True):
    """A line that separates zones in one interval: at its limit, or in a mesh with one that is."""

    line: Annotated[int, Meta(ge=0, lt=MAX_LINES)]
    interval: Annotated[int, Meta(ge=0, lt=MAX_INTERVALS)]
    flow_wh: Signed


Voltage = Annotated[int, Meta(ge=-(2**31 - 1), le=2**31 - 1)]


class Voltages(Document, frozen=True):
    """Voltages of all places in one interval, in the order of the ledger's network, rectangular, in 10^-9 per unit."""

    re_npu: Annotated[tuple[Voltage, ...], Meta(max_length=MAX_PLACES)]
    im_npu: Annotated[tuple[Voltage, ...], Meta(max_length=MAX_PLACES)]


class Solution(Document, frozen=True):
    """What a builder chooses, each in the order of the case; outer index the thing, inner index the interval."""

    round_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    charge_wh: Annotated[tuple[Energies, ...], Meta(max_length=MAX_STORAGES)] = ()
    discharge_wh: Annotated[tuple[Energies, ...], Meta(max_length=MAX_STORAGES)] = ()
    load_wh: Annotated[tuple[Energies, ...], Meta(max_length=MAX_LOADS)] = ()
    total_wh: Annotated[tuple[Energies, ...], Meta(max_length=MAX_SOURCES)] = ()
    """Of the ramp-limited sources."""
    reserve_wh: Annotated[tuple[Energies, ...], Meta(max_length=MAX_SOURCES + MAX_STORAGES)] = ()
    """Of the sources that offer reserve, then of such storages."""
    kappa_num: Annotated[int, Meta(ge=0, le=MAX_WEIGHT)] = 0
    kappa_den: Annotated[int, Meta(ge=1, le=MAX_WEIGHT)] = 1
    """Carbon weight in nano per microgram."""
    theta: Annotated[int, Meta(ge=0, le=WEIGHT_ONE)] = 0
    """Share of the dirty-first order in a marginal group of equal keys, in 2^-32."""
    flows: Annotated[tuple[LineFlow, ...], Meta(max_length=MAX_LINES * MAX_INTERVALS)] = ()
    multipliers: Annotated[tuple[Multiplier, ...], Meta(max_length=MAX_ROWS)] = ()
    voltages: Annotated[tuple[Voltages, ...], Meta(max_length=MAX_INTERVALS)] = ()
    """Of each binding interval, where the ledger's network has an AC model (`contracts.network.power`); else none."""
