"""Whose turn it is to propose, and how reliability weighs in.

Functions of committed content alone: also a node that just came back knows the proposer of any round without asking.
Reads no block and no clock; `Record` is the only thing that changes, and only when told.

`draw` permutes the seats anew for every height. Each has its turn once in as many rounds as there are seats, so k
dead ones waste at most k rounds. `leader_weights` lets the reliable come first, after the leader reputation of
Aptos. A round is lost by its proposer or by those who vote nil on it, and nobody can tell which: hence the floor, below
which no cartel pushes a rival.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from consensus.sampling import permutation
from consensus.validators import Validator, ValidatorSet
from zk.codec import encode
from zk.hashing import domain

FAILED, INACTIVE, ACTIVE = 1, 10, 1000
"""Weight per unit of power: of who failed too often; of who neither proposed nor voted; of everybody else."""
MAX_FAILED_PERCENT = 10
"""Of its proposals in the window; above, a seat weighs `FAILED`."""
FLOOR_PERCENT = 5
"""Every seat keeps this part of the share that its power alone would give it."""
MIN_WINDOW = 64
WINDOW_PER_SEAT = 10
"""Heights of the window: so many turns of each equal seat, so that one failure is not too many of them."""


class Participation(NamedTuple):
    """What one decided height shows of its validators, by node id, which outlives changes of the set."""

    proposer: str
    failed: tuple[str, ...]
    """Whose turn came before, without a block that was decided. Each at most once. Rounds between the one that the
    header names and the decision count for nobody: the value was there, and who proposed it again is not on the
    ledger."""
    voters: tuple[str, ...]
    """Signers of the certificate that the next block includes."""


class Record:
    """Sums over the heights of a window, by node id: adding a height and dropping one cost a step per seat."""

    __slots__ = ("_failed", "_proposed", "_voted")

    def __init__(self, window: Iterable[Participation] = ()) -> None:
        self._proposed: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._voted: Counter[str] = Counter()
        for height in window:
            self.add(height)

    def add(self, height: Participation) -> None:
        """One more height counts."""
        self._proposed[height.proposer] += 1
        self._failed.update(height.failed)
        self._voted.update(height.voters)

    def drop(self, height: Participation) -> None:
        """A height that was added counts no more. Forgets who is in no other, so that names do not pile up."""
        for counter, ids in (
            (self._proposed, (height.proposer,)),
            (self._failed, height.failed),
            (self._voted, height.voters),
        ):
            for id_ in ids:
                counter[id_] -= 1
                if not counter[id_]:
                    del counter[id_]

    def reputation(self, id_: str) -> int:
        """`FAILED`, `INACTIVE` or `ACTIVE`."""
        failed, proposed = self._failed[id_], self._proposed[id_]
        if 100 * failed > MAX_FAILED_PERCENT * (proposed + failed):
            return FAILED
        return ACTIVE if proposed or self._voted[id_] else INACTIVE


class Proposers:
    """Who proposes in which round of one height: seats in the order of their turns, which begins again at its end."""

    __slots__ = ("_count", "_known", "_left")

    def __init__(self, order: Iterable[Validator], count: int) -> None:
        """`order` gives `count` seats, at least one. It is drawn from only as far as somebody asks."""
        self._left = iter(order)
        self._known: list[Validator] = []
        self._count = count

    def proposer(self, round_: int) -> Validator:
        """The seat that proposes in `round_`."""
        turn = round_ % self._count
        while len(self._known) <= turn:
            self._known.append(next(self._left))
        return self._known[turn]

    def passed(self, round_: int) -> tuple[str, ...]:
        """Whose turns come before `round_`, each named once."""
        turns = range(min(round_, self._count))
        return tuple(dict.fromkeys(self.proposer(turn).id for turn in turns))


def draw(validators: ValidatorSet, seed: bytes, chain_id: str, height: int, weights: Sequence[int]) -> Proposers:
    """The proposers of `height`: all seats with a weight, permuted by `weights`, which are in seat order.

    `seed` is the mix of `consensus.beacon.seed_height`. Raises ValueError when no seat has a weight.
    """
    count = sum(1 for weight in weights if weight)
    if not count:
        raise ValueError("a height needs at least one seat with a weight")
    order = permutation(domain("proposer", chain_id) + encode((seed, height)), weights)
    return Proposers(_seats(validators, order), count)


def _seats(validators: ValidatorSet, order: Iterator[int]) -> Iterator[Validator]:
    return (validators.seats[position] for position in order)


def window_heights(seats: int) -> int:
    """Heights whose participation counts for a set of so many seats."""
    return max(MIN_WINDOW, WINDOW_PER_SEAT * seats)


def leader_weights(validators: ValidatorSet, record: Record, excluded: frozenset[str] = frozenset()) -> tuple[int, ...]:
    """Weights for `draw`, in seat order: power times reputation.

    A flagged seat weighs nothing, nor does one of the `excluded` organisations, unless nobody else is left: without a
    proposer a height could not even show why.
    """
    powers = [seat.counted_power for seat in validators.seats]
    allowed = [
        0 if seat.organisation in excluded else power for seat, power in zip(validators.seats, powers, strict=True)
    ]
    if any(allowed):
        powers = allowed
    reputations = [record.reputation(seat.id) for seat in validators.seats]
    floor = _floor(powers, reputations)
    return tuple(power * max(value, floor) for power, value in zip(powers, reputations, strict=True))


def _floor(powers: Sequence[int], reputations: Sequence[int]) -> int:
    """The least reputation at which no seat falls below `FLOOR_PERCENT` of its share by power.

    Raising some raises the total that the share is of, so it is searched for: at `ACTIVE * FLOOR_PERCENT / 100`
    it holds whatever the others have, and it never ceases to hold above where it begins to.
    """
    total = sum(powers)

    def holds(floor: int) -> bool:
        weights = sum(power * max(value, floor) for power, value in zip(powers, reputations, strict=True))
        return 100 * floor * total >= FLOOR_PERCENT * weights

    candidates = range(FAILED, ACTIVE * FLOOR_PERCENT // 100 + 1)
    return candidates[bisect_left(candidates, True, key=holds)]
