"""Parameters of the pact: constants of genesis, changed only by governance, hashed into every header."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, NamedTuple

import msgspec

from contracts.units import PPM, Count, Energy, Factor, Meta, Ppm, Price, Time
from zk.codec import encode
from zk.hashing import domain, sha256

DAY_MS = 86_400_000
MAX_CYCLE_MS = 366 * DAY_MS
MAX_CYCLE_STARTS = 4_096


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
    max_offers_per_interval: Count = 16_384
    max_needs_per_interval: Count = 16_384
    cycle_ms: Annotated[int, Meta(ge=1_000, le=MAX_CYCLE_MS)] = DAY_MS
    """Length of a billing cycle from the last written boundary on; see `contracts.cycles`."""
    cycle_starts_ms: Annotated[tuple[Time, ...], Meta(max_length=MAX_CYCLE_STARTS)] = ()
    """Boundaries of billing cycles in UTC, ascending, written ahead. None: cycles count from 1970-01-01."""

    def hash(self, chain_id: str, consensus: bytes) -> bytes:
        """`params_hash` of the header: these parameters and the encoded consensus parameters."""
        return sha256(domain("params", chain_id) + encode((self, consensus)))


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
    return None
