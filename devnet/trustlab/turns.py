"""Whose turn it is, height by height, while some are dead, some are voted down and some are gone.

Plays `consensus.proposers` as a chain does: the record that a height is drawn by ends two heights below it, the seed is
the mix at the end of the epoch before the last. Members are honest, dead (they neither propose nor vote) or rejected
(a cartel that may halt votes nil on what they propose). The beacon of this chain is a hash and no signature: who
proposes which block matters here, and not that anybody can check it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from consensus import beacon
from consensus.proposers import Participation, Proposers, Record, draw, leader_weights, window_heights
from consensus.validators import Validator, ValidatorSet
from zk.hashing import sha256

PPM = 1_000_000
CHAIN_ID = "trustlab"
EPOCH_BLOCKS = 64
ALIVE, DEAD, REJECTED = "alive", "dead", "rejected"


class Played(NamedTuple):
    """One decided height."""

    height: int
    first: str
    """Node whose turn came first."""
    proposer: str
    """Node whose block was decided."""
    wasted: int
    """Rounds that ended without a decision."""
    mix: bytes
    """Randomness of the chain after it, 32 bytes."""


class Turns:
    """The turns of one chain, from height 1 on."""

    def __init__(self, chain_id: str = CHAIN_ID, epoch_blocks: int = EPOCH_BLOCKS) -> None:
        self._chain_id = chain_id
        self._epoch_blocks = epoch_blocks
        self._mixes = [beacon.genesis_mix(chain_id, sha256(chain_id.encode()))]
        self._shown: list[Participation] = []
        self._record = Record()
        self._length = 0
        self.weights: dict[str, int] = {}
        """What the turns of the newest height were drawn by, by node."""

    @property
    def height(self) -> int:
        """Newest height that was decided."""
        return len(self._shown)

    def order(self, validators: ValidatorSet, excluded: frozenset[str] = frozenset()) -> Proposers:
        """Who proposes in which round of the next height; `excluded` organisations get no turn."""
        height = self.height + 1
        self._slide(max(0, height - 2), window_heights(len(validators)))
        weights = leader_weights(validators, self._record, excluded)
        self.weights = {seat.id: weight for seat, weight in zip(validators.seats, weights, strict=True)}
        seed = self._mixes[beacon.seed_height(height, self._epoch_blocks)]
        return draw(validators, seed, self._chain_id, height, weights)

    def play(
        self, validators: ValidatorSet, conduct: Callable[[str], str], excluded: frozenset[str] = frozenset()
    ) -> Played:
        """Decide the next height: the block of the first node whose `conduct` is alive. At least one is."""
        order = self.order(validators, excluded)
        round_ = next(number for number in range(len(validators)) if conduct(order.proposer(number).id) == ALIVE)
        proposer = order.proposer(round_).id
        voters = tuple(seat.id for seat in validators.seats if not seat.flagged and conduct(seat.id) != DEAD)
        self._shown.append(Participation(proposer, order.passed(round_), voters))
        contribution = sha256(f"{proposer}/{self.height}".encode())
        self._mixes.append(beacon.next_mix(self._chain_id, self._mixes[-1], contribution))
        return Played(self.height, order.proposer(0).id, proposer, round_, self._mixes[-1])

    def _slide(self, newest: int, length: int) -> None:
        """Have the `length` heights up to `newest` on record; `newest` is at most one more than before."""
        if length != self._length:
            self._record, self._length = Record(self._shown[max(0, newest - length) : newest]), length
        elif newest:
            self._record.add(self._shown[newest - 1])
            if newest > length:
                self._record.drop(self._shown[newest - length - 1])


def equal_seats(count: int) -> ValidatorSet:
    """So many organisations with a node and an equal power each."""
    names = [f"m{at:02d}" for at in range(count)]
    return ValidatorSet(tuple(Validator(name, name, bytes(32), bytes(96), 1) for name in names))


class Window(NamedTuple):
    """Some heights in a row, over all chains."""

    first_height: int
    turns_ppm: int
    """Share of the first turns that the member has whom this is about."""
    wasted_ppm: int
    """Rounds wasted per height, in parts per million of one."""


class Story(NamedTuple):
    """One member of many who can not get a block decided for a while, on several chains that differ in their luck."""

    seats: int
    conduct: str
    chains: int
    from_height: int
    to_height: int
    fair_ppm: int
    """Its share by power alone."""
    windows: tuple[Window, ...]
    first_ppm: int
    """Rounds wasted per height in the first window of its trouble."""
    later: Window
    """From there to the end of its trouble."""
    most_wasted: int
    """Rounds at one height."""


def story(seats: int, conduct: str, from_window: int, to_window: int, windows: int, chains: int) -> Story:
    """The first of so many equal `seats` is dead or rejected from one window to another; `to_window` is out."""
    length = window_heights(seats)
    from_height, to_height = from_window * length + 1, to_window * length + 1
    validators = equal_seats(seats)
    who = validators.seats[0].id
    played = [_lived(validators, conduct, range(from_height, to_height), windows * length, at) for at in range(chains)]

    def window(first: int, end: int) -> Window:
        shown = [one for chain in played for one in chain[first - 1 : end - 1]]
        firsts, wasted = sum(one.first == who for one in shown), sum(one.wasted for one in shown)
        return Window(first, firsts * PPM // len(shown), wasted * PPM // len(shown))

    return Story(
        seats=seats,
        conduct=conduct,
        chains=chains,
        from_height=from_height,
        to_height=to_height,
        fair_ppm=PPM // seats,
        windows=tuple(window(at * length + 1, (at + 1) * length + 1) for at in range(windows)),
        first_ppm=window(from_height, from_height + length).wasted_ppm,
        later=window(from_height + length, to_height),
        most_wasted=max(one.wasted for chain in played for one in chain),
    )


def _lived(validators: ValidatorSet, conduct: str, trouble: range, heights: int, chain: int) -> list[Played]:
    turns = Turns(f"{CHAIN_ID}-{chain}")
    who = validators.seats[0].id

    def behaves(node: str) -> str:
        return conduct if node == who and turns.height + 1 in trouble else ALIVE

    return [turns.play(validators, behaves) for _ in range(heights)]
