"""A green share: buyers pay a premium per Wh of zero operating carbon, and it enters the dispatch as a bid.

In the program that would be a variable per bid, worth its premium, and one row: no more green Wh are paid for than are
taken from green sources. Where nothing else couples them, the optimum takes green Wh cheapest first and pays them the
highest premium first, so the same optimum comes out of plain blocks: the cheapest green Wh, up to what is bid for, are
offered at their price less the premium. Premiums fall while prices rise, so blocks stay convex, and nobody needs a new
row, dual or check. Where ramps, lines or storages couple green sources, a premium may stand on a Wh that can not be
taken; then less is paid for, never more.

The price of the interval may fall by it; so the source whose Wh is accepted gets the premium on top, from the buyers,
on what its meter saw delivered. Pure. Never decides who is green: `contracts.carbon.origin` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from contracts.program.case import MAX_BLOCKS
from contracts.settlement import largest_remainder
from zk.hashing import sha256

MAX_LEVELS = 8
"""Different premiums of one interval. Of more the eight for the most energy stay; the others pay the next one below."""


class Bid(NamedTuple):
    """One buyer's bid in one interval."""

    member: str
    premium_nano_per_wh: int
    energy_wh: int


class Level(NamedTuple):
    """All bids at one premium."""

    premium_nano_per_wh: int
    wanted_wh: dict[str, int]
    """By buyer."""

    @property
    def energy_wh(self) -> int:
        """Of all buyers."""
        return sum(self.wanted_wh.values())


class Stack(NamedTuple):
    """What a green source offers in the interval: (price, energy), prices strictly rising."""

    meter: str
    factor_ug_per_wh: int
    blocks: Sequence[tuple[int, int]]


class Segment(NamedTuple):
    """Part of a block, and what a Wh of it earns from buyers."""

    price_nano_per_wh: int
    """As its source offers it."""
    premium_nano_per_wh: int
    level: int | None
    """Whose premium it is: number in `levels`."""
    energy_wh: int

    @property
    def offered_nano_per_wh(self) -> int:
        """Price in the dispatch."""
        return self.price_nano_per_wh - self.premium_nano_per_wh


class Sale(NamedTuple):
    """Green energy of one source to one buyer."""

    meter: str
    buyer: str
    energy_wh: int
    amount_nano: int


def levels(bids: Sequence[Bid]) -> list[Level]:
    """Bids by premium, the highest first."""
    sums: dict[int, int] = {}
    for bid in bids:
        sums[bid.premium_nano_per_wh] = sums.get(bid.premium_nano_per_wh, 0) + bid.energy_wh
    most = sorted(sums, key=lambda premium: (-sums[premium], -premium))[:MAX_LEVELS]
    stay = sorted(most, reverse=True)
    found = [Level(premium, {}) for premium in stay]
    for bid in bids:
        level = next((one for one in found if one.premium_nano_per_wh <= bid.premium_nano_per_wh), None)
        if level is not None:
            level.wanted_wh[bid.member] = level.wanted_wh.get(bid.member, 0) + bid.energy_wh
    return found


def discount(
    stacks: Sequence[Stack], wanted: Sequence[Level], floor_nano_per_wh: int, round_id: bytes
) -> dict[str, tuple[Segment, ...]]:
    """Segments of each green source, by meter, in the order of their prices. Equal blocks are discounted cleanest
    first, then in order of hash(round, meter). A source with hardly a block to spare has no part in it."""
    order = [
        (price, stack.factor_ug_per_wh, sha256(round_id + stack.meter.encode()), stack.meter, energy_wh)
        for stack in stacks
        for price, energy_wh in stack.blocks
    ]
    fixed = {stack.meter for stack in stacks if len(stack.blocks) > MAX_BLOCKS - MAX_LEVELS}
    segments: dict[str, list[Segment]] = {stack.meter: [] for stack in stacks}
    left = [level.energy_wh for level in wanted]
    at = 0
    for price, _, _, meter, energy_wh in sorted(order):
        rest_wh = energy_wh
        while rest_wh and meter not in fixed and at < len(wanted):
            part_wh = min(rest_wh, left[at])
            premium = max(0, min(wanted[at].premium_nano_per_wh, price - floor_nano_per_wh))
            if part_wh:
                segments[meter].append(Segment(price, premium, at, part_wh))
            rest_wh -= part_wh
            left[at] -= part_wh
            at += not left[at]
        if rest_wh:
            segments[meter].append(Segment(price, 0, None, rest_wh))
    return {meter: tuple(parts) for meter, parts in segments.items()}


def blocks(segments: Sequence[Segment]) -> list[tuple[int, int]]:
    """What a source offers to the dispatch: (price less premium, energy), prices strictly rising."""
    merged: list[tuple[int, int]] = []
    for segment in segments:
        price, energy_wh = segment.offered_nano_per_wh, segment.energy_wh
        if merged and merged[-1][0] == price:
            energy_wh += merged.pop()[1]
        merged.append((price, energy_wh))
    return merged


def sales(
    interval: int,
    segments: Mapping[str, Sequence[Segment]],
    delivered_wh: Mapping[str, int],
    wanted: Sequence[Level],
) -> list[Sale]:
    """Who buys what of the green energy that was accepted and delivered, by source; largest remainder inside a level,
    over all sources together, so that equal bids get equal shares."""
    sold: list[list[tuple[str, int, int]]] = [[] for _ in wanted]
    for meter in sorted(segments):
        left_wh = delivered_wh.get(meter, 0)
        for segment in segments[meter]:
            part_wh = min(segment.energy_wh, left_wh)
            left_wh -= part_wh
            if part_wh and segment.level is not None and segment.premium_nano_per_wh:
                sold[segment.level].append((meter, part_wh, segment.premium_nano_per_wh))
    found: list[Sale] = []
    for level, parts in zip(wanted, sold, strict=True):
        total_wh = sum(part[1] for part in parts)
        shares = largest_remainder(total_wh, level.wanted_wh, interval) if total_wh else {}
        buyers = [(member, shares[member]) for member in sorted(shares) if shares[member]]
        for meter, part_wh, premium in parts:
            left_wh = part_wh
            while left_wh:
                member, wants_wh = buyers[0]
                take_wh = min(left_wh, wants_wh)
                found.append(Sale(meter, member, take_wh, take_wh * premium))
                left_wh -= take_wh
                buyers[:1] = [(member, wants_wh - take_wh)] if wants_wh > take_wh else []
    return found
