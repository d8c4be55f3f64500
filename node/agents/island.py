"""Who gives and who takes while a site is an island: what the agents at its devices do without any network.

Critical load comes first, tier by tier, then what else each tier wants; what there is not enough of is shared inside a
tier in proportion. Sources give what was ordered of them first, then what else they can, before storages; storages take
what is over, and the rest is curtailed. Nobody leaves its limits, which are those of the last committed envelope.
Energy balances to the Wh, losses included. Pure: the same for every agent that sees the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.envelopes import Limits
from contracts.units import PPM


class Move(NamedTuple):
    """What one asset puts into the site and takes from it in one interval."""

    give_wh: int = 0
    take_wh: int = 0


class Asset(NamedTuple):
    """One asset as its agent knows it, for one interval."""

    meter: str
    kind: str
    limits: Limits
    wants_wh: int = 0
    """Of a load."""
    tier: int = 0
    can_wh: int = 0
    """What nature and fuel let a source give; what a storage holds for giving."""
    room_wh: int = 0
    """What a storage could take."""
    last: Move = Move()
    """In the interval before."""
    ordered_wh: int = 0
    """Of a source, by the order for the interval, where one was accepted before the site became an island."""


def balance(assets: Sequence[Asset], loss_ppm: int) -> dict[str, Move]:
    """One move per asset; what is given is what is taken and lost on the way (`loss_ppm` of what is taken)."""
    gives = {one.meter: _givable(one) for one in assets if one.kind == "source"}
    stored = {one.meter: _givable(one) for one in assets if one.kind == "storage"}
    loads = [one for one in assets if one.kind == "load"]
    able_wh = sum(gives.values()) + sum(stored.values())
    takes = _serve(loads, able_wh * PPM // (PPM + loss_ppm))
    needed_wh = _with_losses(sum(takes.values()), loss_ppm)
    spare_wh = sum(gives.values()) - needed_wh
    if spare_wh > 0:
        charges = {
            one.meter: min(one.room_wh, one.limits.take_wh, _ramped(one.limits, one.last.take_wh))
            for one in assets
            if one.kind == "storage"
        }
        takes |= share(charges, spare_wh * PPM // (PPM + loss_ppm))
        needed_wh = _with_losses(sum(takes.values()), loss_ppm)
    ordered = share(
        {one.meter: min(gives[one.meter], one.ordered_wh) for one in assets if one.meter in gives}, needed_wh
    )
    others = {meter: energy_wh - ordered[meter] for meter, energy_wh in gives.items()}
    others = share(others, needed_wh - sum(ordered.values()))
    gives = {meter: ordered[meter] + others[meter] for meter in gives}
    gives |= share(stored, needed_wh - sum(gives.values()))
    return {one.meter: Move(gives.get(one.meter, 0), takes.get(one.meter, 0)) for one in assets}


def share(amounts: Mapping[str, int], limit_wh: int) -> dict[str, int]:
    """The amounts; where they exceed `limit_wh`, cut in proportion to add up to it (largest remainder)."""
    total_wh = sum(amounts.values())
    if total_wh <= limit_wh:
        return dict(amounts)
    cut = {meter: divmod(amount_wh * limit_wh, total_wh) for meter, amount_wh in amounts.items()}
    left_wh = limit_wh - sum(whole for whole, _ in cut.values())
    first = sorted(cut, key=lambda meter: (-cut[meter][1], meter))[:left_wh]
    return {meter: whole + (meter in first) for meter, (whole, _) in cut.items()}


def _serve(loads: Sequence[Asset], feedable_wh: int) -> dict[str, int]:
    takes = dict.fromkeys((one.meter for one in loads), 0)
    for critical in (True, False):
        for tier in sorted({one.tier for one in loads}):
            wanted = {one.meter: _wanted(one, critical) - takes[one.meter] for one in loads if one.tier == tier}
            for meter, energy_wh in share(wanted, feedable_wh - sum(takes.values())).items():
                takes[meter] += energy_wh
    return takes


def _wanted(load: Asset, critical: bool) -> int:
    wanted_wh = min(load.wants_wh, load.limits.take_wh)
    return min(wanted_wh, load.limits.floor_wh) if critical else wanted_wh


def _givable(one: Asset) -> int:
    return min(one.can_wh, one.limits.give_wh, _ramped(one.limits, one.last.give_wh))


def _ramped(limits: Limits, last_wh: int) -> int:
    """How far an asset may have come up since the interval before."""
    return limits.give_wh + limits.take_wh if limits.ramp_wh is None else last_wh + limits.ramp_wh


def _with_losses(taken_wh: int, loss_ppm: int) -> int:
    return taken_wh + taken_wh * loss_ppm // PPM
