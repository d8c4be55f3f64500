"""Who gets how much of what is equal, where not all of it is taken.

Two readings of the rule, chosen here:

- Equal keys form one group, whatever the factors in it: `theta` says how far it is taken dirty-first and not
  clean-first. Inside of it, what has one factor and class is shared.
- "Everybody gets min(offer, common level)" shares what people get. For offers that is energy sold; for bids and fixed
  demand it is energy served, not energy refused: sharing the refusal would reward asking for too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from contracts.program.case import WEIGHT_ONE
from zk.hashing import sha256

UNSERVED, OFFER, IMPORT, SHED = range(4)
"""Classes, in the order in which equal prices and factors are taken."""


class Claim(NamedTuple):
    """An entry of a group: who would deliver it, or would not be served with it."""

    factor_ug_per_wh: int
    kind: int
    organisation: str
    meter: str
    energy_wh: int


def share_group(group: Sequence[Claim], taken_wh: int, theta: int, round_id: bytes) -> list[int]:
    """What is taken of each entry where `taken_wh` is taken of all; at most their sum."""
    order = sorted(range(len(group)), key=lambda i: group[i])
    parts = [list(part) for _, part in groupby(order, key=lambda i: group[i][:2])]
    whole = [sum(group[i].energy_wh for i in part) for part in parts]
    by_dirt = sorted(range(len(parts)), key=lambda p: (-group[parts[p][0]].factor_ug_per_wh, group[parts[p][0]].kind))
    shares = [0] * len(group)
    for part, part_wh, part_taken_wh in zip(parts, whole, _mix(whole, by_dirt, taken_wh, theta), strict=True):
        refused = group[part[0]].kind in (UNSERVED, SHED)
        wanted: dict[str, int] = {}
        for i in part:
            wanted[group[i].organisation] = wanted.get(group[i].organisation, 0) + group[i].energy_wh
        left = uniform_share(wanted, part_wh - part_taken_wh if refused else part_taken_wh, round_id)
        for i in part:
            _, _, organisation, _, energy_wh = group[i]
            got_wh = min(energy_wh, left[organisation])
            left[organisation] -= got_wh
            shares[i] = energy_wh - got_wh if refused else got_wh
    return shares


def _mix(whole: Sequence[int], by_dirt: Sequence[int], taken_wh: int, theta: int) -> list[int]:
    """Clean-first + floor(theta x (dirty-first - clean-first)); what that leaves over goes to the cleanest."""
    clean = _first(whole, range(len(whole)), taken_wh)
    if not theta:
        return clean
    dirty = _first(whole, by_dirt, taken_wh)
    mixed = [c + theta * (d - c) // WEIGHT_ONE for c, d in zip(clean, dirty, strict=True)]
    rest_wh = taken_wh - sum(mixed)
    for part, part_wh in enumerate(whole):
        more_wh = min(rest_wh, part_wh - mixed[part])
        mixed[part] += more_wh
        rest_wh -= more_wh
    return mixed


def _first(whole: Sequence[int], order: Sequence[int], taken_wh: int) -> list[int]:
    """Parts as they are taken in an order."""
    taken = [0] * len(whole)
    for part in order:
        taken[part] = min(whole[part], taken_wh)
        taken_wh -= taken[part]
    return taken


def uniform_share(wanted: dict[str, int], amount_wh: int, round_id: bytes) -> dict[str, int]:
    """Split `amount_wh` (at most the sum of `wanted`): everybody min(wanted, common level).

    The level is a whole Wh; what it leaves over goes out 1 Wh each in order of hash(round, organisation).
    """
    shares: dict[str, int] = {}
    order = sorted(wanted.items(), key=lambda item: item[1])
    for position, (organisation, wanted_wh) in enumerate(order):
        level, remainder = divmod(amount_wh, len(order) - position)
        if wanted_wh > level:
            waiting = [name for name, _ in order[position:]]
            waiting.sort(key=lambda name: sha256(round_id + name.encode()))
            for rank, name in enumerate(waiting):
                shares[name] = level + (rank < remainder)
            break
        shares[organisation] = wanted_wh
        amount_wh -= wanted_wh
    return shares
