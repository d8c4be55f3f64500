"""Equipment as dispatch sees it: what a meter's registration allows per interval, and what a storage holds.

A storage of efficiency n/d each way holds exactly `n*n*charged - d*d*discharged` in 1/(n*d) Wh more than before, so
its charge follows from registers without rounding. What its meter reports of itself may differ by a tolerance, moves
the start of a dispatch, and never the ledger's own figure: many small lies don't add up.
"""

from __future__ import annotations

from contracts.flexible.records import StorageCharge
from contracts.members import Asset, Meter, Registers
from contracts.params import PactParams, Problem
from contracts.units import Energy, energy_wh

NO_ASSET = Asset()


def problem(meter: Meter) -> Problem | None:
    """Why the registration of a meter's equipment contradicts itself; None: it fits."""
    asset = meter.asset
    if asset is None:
        return None
    storage = meter.kind == "storage"
    if not storage and meter.kind != "source":
        return Problem("asset", f"a {meter.kind} has no equipment to dispatch", "Leave it out, or meter it apart.")
    if asset.efficiency_n > asset.efficiency_d:
        return Problem(
            "asset.efficiency_n",
            f"{asset.efficiency_n}/{asset.efficiency_d} gives back more than was put in",
            "Write efficiency_n at or below efficiency_d.",
        )
    if storage and meter.capacity_wh is None:
        return Problem("capacity_wh", "a storage with an asset has no capacity", "Write what it holds, in Wh.")
    if storage and asset.ramp_w is not None:
        return Problem("asset.ramp_w", "a storage has no ramp", "Leave it out: only sources are ramp-limited.")
    if not storage and (asset.charge_w, asset.discharge_w, asset.charge_wh) != (None, None, 0):
        return Problem("asset", "a source holds no charge", "Leave charge_w, discharge_w and charge_wh out.")
    for name in ("charge_w", "discharge_w"):
        power_w: Energy | None = getattr(asset, name)
        if power_w is not None and power_w > meter.rating_w:
            return Problem(
                f"asset.{name}",
                f"{power_w} is more than the meter's rating of {meter.rating_w}",
                "Write at most rating_w.",
            )
    if asset.firm_w > meter.rating_w:
        return Problem(
            "asset.firm_w",
            f"{asset.firm_w} is more than the meter's rating of {meter.rating_w}",
            "Write at most rating_w.",
        )
    if asset.charge_wh > (meter.capacity_wh or 0):
        return Problem(
            "asset.charge_wh",
            f"{asset.charge_wh} is more than the capacity of {meter.capacity_wh}",
            "Write at most capacity_wh.",
        )
    return None


def is_storage(meter: Meter) -> bool:
    """Whether the ledger counts what is in it, and it may be dispatched by itself."""
    return meter.kind == "storage" and meter.asset is not None


def asset_of(meter: Meter) -> Asset:
    """What is registered of the equipment, or what holds without it."""
    return meter.asset or NO_ASSET


def place_of(meter: Meter) -> str:
    """Where in the network the meter is."""
    return asset_of(meter).place or meter.zone


def interval_wh(power_w: int, params: PactParams) -> int:
    """Energy of so much power over one interval, rounded down."""
    return energy_wh(power_w, params.interval_ms)


def charge_limits_wh(meter: Meter, params: PactParams) -> tuple[int, int]:
    """Most that a storage takes and gives in one interval."""
    asset = asset_of(meter)
    charge_w = meter.rating_w if asset.charge_w is None else asset.charge_w
    discharge_w = meter.rating_w if asset.discharge_w is None else asset.discharge_w
    return interval_wh(charge_w, params), interval_wh(discharge_w, params)


def unit(meter: Meter) -> int:
    """Parts of a Wh in which the charge of a storage is counted."""
    asset = asset_of(meter)
    return asset.efficiency_n * asset.efficiency_d


def opening(meter: Meter, interval: int) -> StorageCharge:
    """What a storage holds when it is admitted."""
    return StorageCharge(meter.id, interval, asset_of(meter).charge_wh * unit(meter))


def moved(meter: Meter, soc: int, charged_wh: int, discharged_wh: int) -> int:
    """Charge after so much was taken and given, inside what the storage can hold."""
    asset, most = asset_of(meter), (meter.capacity_wh or 0) * unit(meter)
    after = soc + asset.efficiency_n**2 * charged_wh - asset.efficiency_d**2 * discharged_wh
    return max(0, min(most, after))


def is_plausible(
    params: PactParams, meter: Meter, held: StorageCharge, settled: Registers, registers: tuple[int, int], said_wh: int
) -> bool:
    """Whether a storage's report of its charge, with these registers, is near enough to what they say."""
    import_wh, export_wh = registers
    soc = moved(meter, held.soc, import_wh - settled.import_wh, export_wh - settled.export_wh)
    return abs(said_wh * unit(meter) - soc) <= params.soc_tolerance_wh * unit(meter)


def settled_charge(
    meter: Meter, held: StorageCharge, before: Registers, after: Registers, said_wh: int | None
) -> StorageCharge:
    """The charge once registers moved from `before` to `after`; `said_wh` is what the meter reported with these."""
    soc = moved(meter, held.soc, after.import_wh - before.import_wh, after.export_wh - before.export_wh)
    return StorageCharge(meter.id, after.interval, soc, said_wh)


def start_soc(meter: Meter, held: StorageCharge) -> int:
    """Where a dispatch begins: at what the meter reported, else at what its registers say."""
    if held.reported_wh is None:
        return held.soc
    return min(held.reported_wh, meter.capacity_wh or 0) * unit(meter)
