"""Who has a voice in governance, and whether those who agreed are enough: by the power in force when it is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from contracts import epochs
from contracts.governance.membership import is_silenced
from contracts.state import State


class Count(NamedTuple):
    """Power of those who agree, and of everybody."""

    got: int
    total: int


def count(state: State, height: int, members: Iterable[str]) -> Count:
    """Power of these members, each counted once, and the total, as of this block. Who is removed or tombstoned agrees
    to nothing, and counts in the total as long as it has power."""
    powers = epochs.powers(state, height)
    got = sum(powers.get(member, 0) for member in members if not is_silenced(state, member))
    return Count(got, sum(one.power for one in epochs.seating(state, height).organisations))


def has_voice(state: State, height: int, member: str) -> bool:
    """Whether this member may propose and approve in this block."""
    return member in epochs.powers(state, height) and not is_silenced(state, member)
