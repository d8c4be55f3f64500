"""Parameters of the pact: those of genesis until governance changes them, hashed into every header."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec

from contracts.units import MAX_PRICE, PPM, Amount, Emission, Energy, Factor, Meta, Ppm, Price, Time
from zk.codec import encode
from zk.hashing import domain, sha256

DAY_MS = 86_400_000
MAX_CYCLE_MS = 366 * DAY_MS
MAX_CYCLE_STARTS = 4_096
MAX_BUILDERS = 16
"""Builders that may be drawn for one round: each solution is checked by every node in one block."""
MAX_SURGE_WINDOW = 192
"""Intervals over which surges of embodied carbon are counted."""

MAX_WINDOW = 96
MAX_STANDING = 16_384
"""Offers, and needs, of one interval: as many as one program takes, as `contracts.program.case` has it."""
MAX_TIERS = 8
MAX_VARIABLES = 2**20
"""Of any program, as `contracts.program.case` has it."""
TIER_RATIO = 4
"""Least ratio of the penalties of neighbouring tiers: a Wh of the more critical one is worth losses on the way."""

Penalty = Annotated[int, Meta(ge=1, le=MAX_PRICE)]
_Bar = Annotated[int, Meta(ge=0, le=2**61)]
"""Tokens; twice as many still are some."""


Bonus = Annotated[int, Meta(ge=0, le=2**61)]
"""Money that nobody has to earn by the Wh."""


class WagerParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of wagering on solutions, see `contracts.wagers`. A round keeps to those it was opened with."""

    on: bool = False
    """False: every interval is ordered when its offers lock, by the fallback that each node computes itself."""
    wager_ms: Annotated[int, Meta(ge=1, le=DAY_MS)] = 300_000
    """A phase lasts at least so long, and at least a height per seat."""
    commit_ms: Annotated[int, Meta(ge=1, le=DAY_MS)] = 300_000
    reveal_ms: Annotated[int, Meta(ge=1, le=DAY_MS)] = 300_000
    builders: Annotated[int, Meta(ge=2, le=MAX_BUILDERS)] = 3
    """Drawn for a round where so many may be; at least two, or there is no second opinion."""
    minimum_wager_tokens: Annotated[int, Meta(ge=1, le=2**61)] = 10
    """Smallest wager and the next two: where nothing is at stake. Twice as much at full significance."""
    minimum_trust_tokens: _Bar = 20
    """Net trust (index x free tokens) below which nobody wagers."""
    draw_trust_tokens: _Bar = 60
    """Net trust of all drawn builders together below which the fallback decides."""
    unrevealed_ppm: Ppm = 500_000
    """Part of a wager that a commitment without a reveal loses, rounded up."""
    fee_tokens: _Bar = 1
    """Paid for being drawn and silent, and for a solution that nobody can tell from a good one; at most the smallest
    wager."""
    significance_full_nano: Amount = 10**12
    """Money at stake from which on significance is full."""
    loss_ppm: Ppm = 20
    """How far from the least cost, in parts of the base, nobody looks."""
    reward_nano_per_token: Amount = 10**9
    """Money saved against the fallback for which a builder earns a token."""
    reward_pool_ppm: Ppm = 100_000
    """Most of the pool that one round may pay."""
    other_reward_ppm: Ppm = 250_000
    """What a valid solution earns that is not the best, in parts of what the best earns."""
    builder_fee_nano: Bonus = 1_000_000
    """Money for each valid solution that improves on the fallback, out of the residual of the first interval that it
    decided; never more than it saves, the next included."""
    saving_share_ppm: Ppm = 100_000
    """Part of what the best one saves that builders share on top."""
    saving_cap_nano: Bonus = 1_000_000_000
    """Most that they share."""

    def phases_ms(self) -> int:
        """Least time from the opening of a round to its judgement."""
        return self.wager_ms + self.commit_ms + self.reveal_ms


class CarbonParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of carbon, see `contracts.carbon`. Emissions are per interval."""

    site_ug: Emission = 0
    """Of the site itself, and of the travel of staff, visitors and deliveries: fixed, and shared by consumption."""
    travel_ug: Emission = 0
    zero_ghg: bool = False
    """Nothing that emits while it runs is dispatched, but for critical demand."""
    embodied_baseline_ug: Emission = 0
    """Embodied emission that is always allowed under `zero_ghg`,"""
    embodied_surge_ug: Emission = 0
    """and how much more at most,"""
    surge_intervals: Annotated[int, Meta(ge=0, le=MAX_SURGE_WINDOW)] = 4
    """in so many consecutive intervals at most,"""
    surge_budget_ug: Emission = 0
    """and in all within any"""
    surge_window_intervals: Annotated[int, Meta(ge=1, le=MAX_SURGE_WINDOW)] = 96
    """consecutive intervals."""


class ModeParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of modes, see `contracts.modes`, and of what is promised in them."""

    export_by_order: bool = False
    """Export is possible in windows of mode `injection` alone; else always where there is a grid."""
    injection_days: Annotated[int, Meta(ge=1, le=35)] = 28
    """Days whose same interval decides whether a surplus is usual."""
    export_threshold_nano: Bonus = 0
    """What export has to save in an interval, beyond which it is worth the mode `injection`."""
    breach_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)] = 1_000_000
    """Paid out of the residual for each Wh of admitted base load that is shed."""


class ConfidentialParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of hidden money, see `contracts.confidential`."""

    spend_fee_nano: Bonus = 1_000_000
    """Of each spend, in the sender's next bill: nobody makes another's list of waiting items long for nothing."""
    return_blocks: Annotated[int, Meta(ge=1, le=2**32 - 1)] = 10_000
    """An item that its recipient has not accepted after so many blocks goes back."""


class SealedParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of sealed dispatch, see `contracts.sealed`, and of the threshold key that it needs, see
    `contracts.ceremony`. A round keeps its ticks, key and participants whatever changes here."""

    on: bool = False
    """False: no key is made, and nothing is sealed."""
    window_blocks: Annotated[int, Meta(ge=1, le=4_096)] = 8
    """Fewest blocks for which anybody is waited for; see `contracts.ceremony.window`."""
    max_ticks: Annotated[int, Meta(ge=1, le=64)] = 32
    """Most prices of one round."""
    wager_nano_per_wh: Annotated[int, Meta(ge=0, le=MAX_PRICE)] = 1_000
    """Locked by a bid for each Wh of its supplier's nameplate, and lost by whoever says nothing of its award."""
    defect_ms: Annotated[int, Meta(ge=0, le=35 * DAY_MS)] = 35 * DAY_MS
    """How long after the end of an interval a silent meter excuses its supplier from showing what it delivered."""


class PactParams(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Rules of energy, money and budgets. Units are in the names; defaults are those of a small site."""

    interval_ms: Annotated[int, Meta(ge=1_000, le=DAY_MS)] = 900_000
    """Length of a settlement interval; interval i covers [i * interval_ms, (i + 1) * interval_ms)."""
    gate_lead_ms: Annotated[int, Meta(ge=0, le=DAY_MS)] = 300_000
    """Offers lock this long before the interval starts."""
    close_grace_ms: Annotated[int, Meta(ge=0, le=DAY_MS)] = 120_000
    """Readings are on time until this long after the interval's end."""
    offer_cap_nano_per_wh: Price = 4_000_000
    price_floor_nano_per_wh: Price = -500_000
    scarcity_price_nano_per_wh: Price = 4_000_000
    price_slack_ppm: Ppm = 5_000
    penalty_ppm: Annotated[int, Meta(ge=0, le=10 * PPM)] = 100_000
    delivery_loss_ppm: Ppm = 20_000
    import_nano_per_wh: Price = 300_000
    """Import price of intervals for which the utility wrote no tariff."""
    export_nano_per_wh: Price = 50_000
    import_limit_wh: Energy = 1_000_000
    export_limit_wh: Energy = 1_000_000
    import_factor_ug_per_wh: Factor = 400_000
    worst_factor_ug_per_wh: Factor = 1_000_000
    """Applies to sources without a registered factor."""
    units_per_key: Annotated[int, Meta(ge=1, le=2**32 - 1)] = 10_000
    """Unit budget of an account key per interval."""
    units_per_meter: Annotated[int, Meta(ge=1, le=2**32 - 1)] = 64
    max_block_units: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_048
    horizon_intervals: Annotated[int, Meta(ge=1, le=3_000)] = 192
    """How far ahead needs, offers and tariffs may reach."""
    max_closes_per_block: Annotated[int, Meta(ge=1, le=96)] = 4
    """Overdue intervals that one block locks or settles."""
    max_offers_per_interval: Annotated[int, Meta(ge=0, le=MAX_STANDING)] = MAX_STANDING
    max_needs_per_interval: Annotated[int, Meta(ge=0, le=MAX_STANDING)] = MAX_STANDING
    cycle_ms: Annotated[int, Meta(ge=1_000, le=MAX_CYCLE_MS)] = DAY_MS
    """Length of a billing cycle from the last written boundary on; see `contracts.cycles`."""
    cycle_starts_ms: Annotated[tuple[Time, ...], Meta(max_length=MAX_CYCLE_STARTS)] = ()
    """Boundaries of billing cycles in UTC, ascending, written ahead. None: cycles count from 1970-01-01."""
    wagering: WagerParams = WagerParams()
    window_intervals: Annotated[int, Meta(ge=1, le=MAX_WINDOW)] = 1
    """Intervals that lock, are dispatched and ordered together: those from a multiple of this on."""
    look_ahead_intervals: Annotated[int, Meta(ge=0, le=MAX_WINDOW - 1)] = 0
    """Further intervals that a window is dispatched with an eye to, and that stay open."""
    shed_nano_per_wh: Annotated[tuple[Penalty, ...], Meta(min_length=1, max_length=MAX_TIERS)] = (
        268_435_455,
        67_108_863,
        16_777_215,
        4_194_303,
    )
    """What a Wh of fixed demand that is not served costs a dispatch, per tier from the most critical one on, each at
    most a fourth of the one before. Tiers beyond these count as the last."""
    line_loss_ppm: Ppm = 0
    """Losses in dispatch: so much of each place's fixed demand is delivered on top of it, rounded up."""
    energy_ppm: Ppm = 1_000
    """By how much of all demand a solution may inject beyond the revealed one that injects least."""
    soc_tolerance_wh: Energy = 1_000
    """How far the charge that a storage's meter reports may be from what its registers say."""
    reserve_wh: Energy = 0
    """Held back in each interval for which nobody requires more."""
    carbon_cap_ug: Emission | None = None
    """Most that one interval may emit, unless less is required. None: as much as comes."""
    max_dispatch_variables: Annotated[int, Meta(ge=1, le=MAX_VARIABLES)] = 2**17
    """Larger programs are no question for builders: the fallback decides at once."""
    need_threshold_ppm: Ppm | None = None
    """A load meter that takes more of its rating in an interval, and more than was ordered for it, is a need of the
    first interval that is still open. None: nobody's meter asks for anything."""
    carbon: CarbonParams = CarbonParams()
    modes: ModeParams = ModeParams()
    proposer_fee_nano: Bonus = 0
    """Paid out of the residual to the organisation whose block settles an interval with consumption."""
    confidential: ConfidentialParams = ConfidentialParams()
    sealed: SealedParams = SealedParams()
    private_blocks: Annotated[int, Meta(ge=1, le=100_000)] = 8
    """Least blocks that each phase of a private billing cycle goes on for once its time is over; see
    `contracts.private.cycles`."""

    private_ms: Annotated[int, Meta(ge=0, le=DAY_MS)] = 900_000
    """How long each of them lasts, unless nothing is left to be said in it."""

    def day_of(self, interval: int) -> int:
        """UTC day, from 1970-01-01, in which an interval starts."""
        return interval * self.interval_ms // DAY_MS

    @property
    def day_intervals(self) -> int:
        """Whole intervals that fit into a day, at least one."""
        return max(1, DAY_MS // self.interval_ms)

    def hash(self, chain_id: str, consensus: bytes) -> bytes:
        """`params_hash` of the header: these parameters and the encoded consensus parameters."""
        return sha256(domain("params", chain_id) + encode((self, consensus)))


MIN_UNITS = 1_024
"""Units that a key has per interval and a block holds, so that any transaction fits: also the proposal that changes
parameters, the approval that carries it out, and the reveal without which a builder loses its wager."""


class Problem(NamedTuple):
    """Why parameters do not fit together, and what would."""

    field: str
    message: str
    hint: str


def problem(params: PactParams) -> Problem | None:
    """What is wrong with these parameters beyond the bounds of each; None: a chain can live by them."""
    if params.price_floor_nano_per_wh > params.offer_cap_nano_per_wh:
        return Problem(
            "price_floor_nano_per_wh",
            f"{params.price_floor_nano_per_wh} is above the cap of {params.offer_cap_nano_per_wh}",
            "Set it at or below offer_cap_nano_per_wh.",
        )
    if any(low >= high for low, high in pairwise(params.cycle_starts_ms)):
        return Problem(
            "cycle_starts_ms",
            "the boundaries of billing cycles do not rise",
            "Sort them and leave out what stands there twice.",
        )
    if params.cycle_ms < params.interval_ms:
        return Problem(
            "cycle_ms",
            f"a cycle of {params.cycle_ms} ms is shorter than an interval",
            f"Set it to {params.interval_ms} or more.",
        )
    for field in ("units_per_key", "max_block_units"):
        if getattr(params, field) < MIN_UNITS:
            return Problem(
                field,
                f"{getattr(params, field)} units are less than a transaction may cost",
                f"Set it to {MIN_UNITS} or more.",
            )
    found = _window_problem(params) or _penalty_problem(params)
    if found is not None:
        return found
    wagering = params.wagering
    if wagering.on and wagering.phases_ms() >= params.gate_lead_ms:
        return Problem(
            "wagering.wager_ms",
            f"phases of {wagering.phases_ms()} ms do not fit into {params.gate_lead_ms} ms from lock to start",
            "Set wager_ms, commit_ms and reveal_ms to less than gate_lead_ms together; 1800000 suits 300000 each.",
        )
    if wagering.fee_tokens > wagering.minimum_wager_tokens:
        return Problem(
            "wagering.fee_tokens",
            f"a fee of {wagering.fee_tokens} is more than the smallest wager of {wagering.minimum_wager_tokens}",
            "Set it at or below minimum_wager_tokens.",
        )
    return None


def _window_problem(params: PactParams) -> Problem | None:
    window, ahead = params.window_intervals, params.look_ahead_intervals
    if window + ahead > params.horizon_intervals:
        return Problem(
            "look_ahead_intervals",
            f"{window} and {ahead} intervals pass the horizon of {params.horizon_intervals}",
            f"Set it to {max(0, params.horizon_intervals - window)} or less, or horizon_intervals higher.",
        )
    if window > 1 and window * params.interval_ms > DAY_MS:
        return Problem(
            "window_intervals",
            f"{window} intervals of {params.interval_ms} ms are longer than a day",
            f"Set it to {params.day_intervals} or less.",
        )
    return None


def _penalty_problem(params: PactParams) -> Problem | None:
    penalties = params.shed_nano_per_wh
    for tier, (critical, other) in enumerate(pairwise(penalties)):
        if critical < TIER_RATIO * other:
            return Problem(
                "shed_nano_per_wh",
                f"tier {tier} at {critical} is less than {TIER_RATIO} times tier {tier + 1} at {other}",
                f"Set tier {tier + 1} to {critical // TIER_RATIO} or less, or leave it out.",
            )
    dearest = max(params.offer_cap_nano_per_wh, params.scarcity_price_nano_per_wh)
    if penalties[-1] < dearest:
        return Problem(
            "shed_nano_per_wh",
            f"shedding the last tier at {penalties[-1]} is cheaper than what may be offered or paid at {dearest}",
            f"Set the last tier to {dearest} or more, leave tiers out, or lower the cap.",
        )
    return None
