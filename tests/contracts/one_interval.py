"""An oracle for `contracts.program`: who delivers and who is served in one interval, written another way.

A pure function of plain tuples. One zone, no ramps, carbon weight zero.

The stack holds offers, import, shedding, and every bid as if it were supply at its own limit price ("unserved
bid"); it is filled to fixed demand + all bids. Export is a bid of the utility. One pass then serves exports
and flexible bids, sheds what cannot be met, and needs no special case for surplus or shortage.

Two readings of the rule, chosen here:

- Shedding stands behind everything else at the cap price, whatever its factor: nobody is shed while an offer
  or import is left. Among tiers the highest number goes first, tier 0 last.
- "Everybody gets min(offer, common level)" shares what people get. For offers that is energy sold; for bids
  and fixed demand it is energy served, not energy refused: sharing the refusal would reward asking for too
  much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from contracts.program.ties import IMPORT, OFFER, SHED, UNSERVED, uniform_share
from contracts.units import MAX_FACTOR, PPM

_SHED_FACTOR = MAX_FACTOR + 1


class Supply(NamedTuple):
    """One block of an offer: energy of one meter at one price."""

    organisation: str
    meter: str
    price_nano_per_wh: int
    factor_ug_per_wh: int
    energy_wh: int


class Demand(NamedTuple):
    """Energy wanted: fixed in a shedding tier, or (with a limit price) a bid."""

    organisation: str
    energy_wh: int
    limit_nano_per_wh: int | None
    tier: int


class Grid(NamedTuple):
    """The utility's connection in this interval."""

    organisation: str
    import_nano_per_wh: int
    export_nano_per_wh: int
    import_limit_wh: int
    export_limit_wh: int
    factor_ug_per_wh: int


class Market(NamedTuple):
    """Everything that decides one interval. `grid` is None for an island."""

    round_id: bytes
    supplies: Sequence[Supply]
    demands: Sequence[Demand]
    grid: Grid | None
    offer_cap_nano_per_wh: int
    scarcity_nano_per_wh: int
    slack_ppm: int


class Dispatch(NamedTuple):
    """Energy taken from each supply and served to each demand, in their order, and the price of the
    interval.
    """

    supplied_wh: list[int]
    served_wh: list[int]
    import_wh: int
    export_wh: int
    shed_wh: int
    price_nano_per_wh: int
    export_lowered: bool


_Block = tuple[int, int, int, int, str, str, int, int]
"""An entry of the stack: price, factor, class, rank; organisation, meter; energy, index of its origin.

The first four are its place in the order, the next two order a tie. The index is that of a supply or
demand, -1 stands for the utility. A bare tuple, because thousands are built and sorted in each interval.
"""


def clear(market: Market) -> Dispatch:
    """Fill the stack to the total, share the marginal group, and read the price off the accepted blocks."""
    grid, lowered = _lowered(market.grid)
    stack = _stack(market, grid)
    total = total_wh(market)
    accepted, levels = _fill(stack, total, market.round_id)

    supplied = [0] * len(market.supplies)
    served = [demand.energy_wh for demand in market.demands]
    import_wh = shed_wh = 0
    export_wh = grid.export_limit_wh if grid else 0
    for (_, _, kind, _, _, _, _, index), energy_wh in accepted:
        if kind == OFFER:
            supplied[index] = energy_wh
        elif kind == IMPORT:
            import_wh = energy_wh
        elif index < 0:
            export_wh -= energy_wh
        else:
            served[index] -= energy_wh
            if kind == SHED:
                shed_wh += energy_wh
    real_wh = sum(supplied) + import_wh + shed_wh
    price = _price(market, grid, supplied, levels, real_wh)
    return Dispatch(supplied, served, import_wh, export_wh, shed_wh, price, lowered)


def _lowered(grid: Grid | None) -> tuple[Grid | None, bool]:
    """The connection with its export price at most its import price, and whether that changed it."""
    if grid is None or grid.import_nano_per_wh >= grid.export_nano_per_wh:
        return grid, False
    return grid._replace(export_nano_per_wh=grid.import_nano_per_wh), True


def total_wh(market: Market) -> int:
    """What the stack is filled to: fixed demand and all bids, the export limit as one."""
    return sum(demand.energy_wh for demand in market.demands) + (market.grid.export_limit_wh if market.grid else 0)


def _stack(market: Market, grid: Grid | None) -> list[_Block]:
    """All blocks in fill order; equal first four fields are one group."""
    cap = market.offer_cap_nano_per_wh
    stack: list[_Block] = [
        (price, factor, OFFER, 0, organisation, meter, energy_wh, index)
        for index, (organisation, meter, price, factor, energy_wh) in enumerate(market.supplies)
        if energy_wh
    ]
    for index, (organisation, energy_wh, limit, tier) in enumerate(market.demands):
        if limit is not None:
            stack.append((limit, 0, UNSERVED, 0, organisation, "", energy_wh, index))
        else:
            stack.append((cap, _SHED_FACTOR, SHED, -tier, organisation, "", energy_wh, index))
    if grid is not None:
        name, factor = grid.organisation, grid.factor_ug_per_wh
        export, import_ = min(grid.export_nano_per_wh, cap), min(grid.import_nano_per_wh, cap)
        stack.append((export, 0, UNSERVED, 0, name, "", grid.export_limit_wh, -1))
        stack.append((import_, factor, IMPORT, 0, name, "", grid.import_limit_wh, -1))
    stack.sort()
    return stack


def _fill(
    stack: list[_Block], total_wh: int, round_id: bytes
) -> tuple[list[tuple[_Block, int]], list[tuple[int, int]]]:
    """Accepted blocks with their energy, and (price, energy) per group in fill order.

    Shedding makes the stack at least as large as the total, so the total is always met.
    """
    accepted: list[tuple[_Block, int]] = []
    levels: list[tuple[int, int]] = []
    missing_wh, start = total_wh, 0
    while missing_wh > 0:
        place, end, group_wh = stack[start][:4], start, 0
        while end < len(stack) and stack[end][:4] == place:
            group_wh += stack[end][6]
            end += 1
        group = stack[start:end]
        if group_wh <= missing_wh:
            accepted += [(block, block[6]) for block in group]
        else:
            accepted += _share_group(group, group_wh, missing_wh, round_id)
        taken_wh = min(group_wh, missing_wh)
        if taken_wh:
            levels.append((place[0], taken_wh))
        missing_wh -= taken_wh
        start = end
    return accepted, levels


def _share_group(group: list[_Block], group_wh: int, taken_wh: int, round_id: bytes) -> list[tuple[_Block, int]]:
    """The marginal group: a uniform share per organisation, inside one in order of meters."""
    refused = group[0][2] in (UNSERVED, SHED)
    wanted: dict[str, int] = {}
    for _, _, _, _, organisation, _, energy_wh, _ in group:
        wanted[organisation] = wanted.get(organisation, 0) + energy_wh
    left = uniform_share(wanted, group_wh - taken_wh if refused else taken_wh, round_id)
    shares = []
    for block in group:
        organisation, energy_wh = block[4], block[6]
        got_wh = min(energy_wh, left[organisation])
        left[organisation] -= got_wh
        shares.append((block, energy_wh - got_wh if refused else got_wh))
    return shares


def _price(
    market: Market,
    grid: Grid | None,
    supplied: list[int],
    levels: list[tuple[int, int]],
    real_wh: int,
) -> int:
    """Price of the block reached at total - slack x real supply: one Wh of a dear block moves nothing.

    An empty stack gives the export price, in island the cheapest offer that was not accepted, else scarcity.
    """
    reach = total_wh(market) * PPM - real_wh * market.slack_ppm
    filled_wh = 0
    for price, energy_wh in levels:
        filled_wh += energy_wh
        if filled_wh * PPM >= reach:
            return price
    if grid is not None:
        return min(grid.export_nano_per_wh, market.offer_cap_nano_per_wh)
    idle = [
        supply.price_nano_per_wh
        for supply, energy_wh in zip(market.supplies, supplied, strict=True)
        if energy_wh < supply.energy_wh
    ]
    return min(idle, default=min(market.scarcity_nano_per_wh, market.offer_cap_nano_per_wh))
