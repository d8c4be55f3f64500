"""Who has a voice in governance, and whether those who agreed are enough: by the power in force when it is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from consensus import power
from contracts.schema import MEMBERS, TRUSTS
from contracts.state import State
from contracts.trust import is_tombstoned


class Count(NamedTuple):
    """Power of those who agree, and of everybody."""

    got: int
    total: int


def voices(state: State, height: int) -> dict[str, int]:
    """Power of each organisation in this block."""
    weights: dict[str, int] = {}
    for key in TRUSTS.roll_keys():
        for held in state.roll(TRUSTS, key):
            weight = power.weight(held.bonded_tokens, held.index_ppm)
            found = state.load(MEMBERS, MEMBERS.key(held.member)) if weight else None
            if found is not None and found.nodes:
                weights[held.member] = weight
    return power.powers(weights) if len(weights) >= power.MIN_ORGANISATIONS else {}


def count(state: State, height: int, members: Iterable[str]) -> Count:
    """Power of these members, each counted once, and the total, as of this block. Who is tombstoned agrees to nothing,
    and counts in the total as long as it has power."""
    powers = voices(state, height)
    got = sum(powers.get(member, 0) for member in members if not is_tombstoned(state, member))
    return Count(got, sum(powers.values()))


def has_voice(state: State, height: int, member: str) -> bool:
    """Whether this member may propose and approve in this block."""
    return voices(state, height).get(member, 0) > 0 and not is_tombstoned(state, member)
