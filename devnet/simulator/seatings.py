"""Who has which seat, told anew from what every block leaves in state: the judge of `contracts.epochs`.

Part of `devnet.simulator.oracles`, and the `Sets` that it judges blocks by. A seating has to follow from the one before
and from the bonds and indexes at the end of its epoch; what the churn budget lets through is checked, not searched for.
Up to 100 organisations, each with one node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import isqrt

from consensus.validators import Validator, ValidatorSet
from contracts.schema import MEMBERS, MIX, MIXES, SEATINGS, TOMBSTONE_LIST, TOMBSTONES, TRUSTS
from contracts.state import State
from devnet.simulator.violations import Violation
from node.ledger.ledger import Ledger
from zk.codec import encode
from zk.hashing import domain, sha256

Powers = Mapping[str, int]
Turn = Callable[[str], tuple[bool, bytes]]
FEWEST = 4


class Seatings:
    """Follows one chain from its genesis. Callable with any height up to two above the newest."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._epoch = ledger.genesis.consensus.epoch_blocks
        self._bar = ledger.genesis.consensus.seat_bond_tokens
        self._weights = self._wanted()
        self._sets: list[ValidatorSet] = []
        """By epoch."""
        for number in range(2):
            self._sets.append(self._checked(number, self._weights))

    def __call__(self, height: int) -> ValidatorSet:
        """The set of a height."""
        return self._sets[max(0, height - 1) // self._epoch]

    def took(self) -> None:
        """The newest block was executed. Raises `Violation` when it ends an epoch with another seating than it must."""
        if self._ledger.height % self._epoch:
            return
        number = len(self._sets)
        before, wanted = self._weights, self._wanted()
        seating = State(self._ledger).load(SEATINGS, SEATINGS.key(number))
        if seating is None:
            raise Violation("seats", f"block {self._ledger.height} does not seat epoch {number}")
        weights = {one.id: one.weight for one in seating.organisations}
        _check_moved(number, before, wanted, weights, self._turn)
        self._weights = weights
        self._sets.append(self._checked(number, weights))

    def _wanted(self) -> dict[str, int]:
        """What bonds and indexes ask for."""
        state, stones = State(self._ledger), self._tombstones()
        weights: dict[str, int] = {}
        for trust in state.group(TRUSTS):
            member = state.load(MEMBERS, MEMBERS.key(trust.member))
            seatable = member is not None and any(node.validator for node in member.nodes)
            if seatable and trust.member not in stones and trust.bonded_tokens >= self._bar:
                weights[trust.member] = isqrt(trust.bonded_tokens) * trust.index_ppm // 1_000_000
        return {id_: weight for id_, weight in weights.items() if weight}

    def _turn(self, id_: str) -> tuple[bool, bytes]:
        """When a change of this organisation is applied at the end of the newest block's epoch: the tombstoned first,
        the others as the mix after the block says."""
        mix = State(self._ledger).load(MIXES, MIX)
        if mix is None or mix.height != self._ledger.height:
            raise Violation("seats", f"block {self._ledger.height} ends an epoch and leaves no mix")
        epoch = self._ledger.height // self._epoch - 1
        draw = domain("churn", self._ledger.genesis.chain_id()) + encode((mix.mix, epoch)) + id_.encode()
        return id_ not in self._tombstones(), sha256(draw)

    def _tombstones(self) -> tuple[str, ...]:
        stones = State(self._ledger).load(TOMBSTONES, TOMBSTONE_LIST)
        return () if stones is None else stones.members

    def _checked(self, number: int, weights: Powers) -> ValidatorSet:
        """The seats that these weights give, which have to be those in state."""
        state, stones = State(self._ledger), self._tombstones()
        powers = _powers(weights)
        seats: list[Validator] = []
        for id_ in sorted(powers):
            member = state.load(MEMBERS, MEMBERS.key(id_))
            nodes = () if member is None else member.nodes
            kept = [seat for seat in (self._sets[-1].seats if self._sets else ()) if seat.organisation == id_]
            keys = [(node.node, node.consensus_key, node.bls_key) for node in nodes if node.validator]
            keys = keys or [(seat.id, seat.public_key, seat.bls_key) for seat in kept]
            seats.append(Validator(keys[0][0], id_, *keys[0][1:], powers[id_], id_ in stones))
        seating = state.load(SEATINGS, SEATINGS.key(number))
        there = () if seating is None else seating.seats
        if list(there) != seats:
            raise Violation("seats", f"epoch {number} has {_described(there)}, not {_described(seats)}")
        return ValidatorSet(tuple(seats))


def _described(seats: Sequence[Validator]) -> str:
    return ", ".join(f"{seat.id} {seat.power}{' flagged' * seat.flagged}" for seat in seats)


def _powers(weights: Powers) -> dict[str, int]:
    """Each min(weight, c) for the largest c that is no more than 30% (from 7 on 20%) of what it leaves."""
    share = Fraction(3, 10) if len(weights) < 7 else Fraction(1, 5)
    low, high = 1, sum(weights.values()) + 1
    while high - low > 1:
        cap = (low + high) // 2
        if cap <= share * sum(min(weight, cap) for weight in weights.values()):
            low = cap
        else:
            high = cap
    return {id_: min(weight, low) for id_, weight in weights.items()}


def _moved(before: Powers, after: Powers) -> Fraction:
    """Half of all changes of share."""
    old, new = _powers(before), _powers(after)
    return (
        sum(
            (
                abs(Fraction(old.get(id_, 0), sum(old.values())) - Fraction(new.get(id_, 0), sum(new.values())))
                for id_ in sorted({*old, *new})
            ),
            Fraction(0),
        )
        / 2
    )


def _check_moved(number: int, before: Powers, wanted: Powers, after: Powers, turn: Turn) -> None:
    """`after` is `before` moved towards `wanted`, turn by turn, as far as less than 1/3 of the shares allows."""
    moving = [id_ for id_ in sorted({*before, *wanted}) if before.get(id_, 0) != wanted.get(id_, 0)]
    moving.sort(key=turn)
    if any(after.get(id_, 0) != before.get(id_, 0) for id_ in sorted({*before, *after}) if id_ not in moving):
        raise Violation("seats", f"epoch {number} changes the weight of who did not move")
    if len(after) < FEWEST:
        raise Violation("seats", f"epoch {number} has {len(after)} organisations")
    if _moved(before, after) >= Fraction(1, 3):
        raise Violation("seats", f"epoch {number} moves {_moved(before, after)} of the shares")
    seated, open_ = dict(before), [id_ for id_ in moving if after.get(id_, 0) != wanted.get(id_, 0)]
    for id_ in moving:
        goal = wanted.get(id_, 0)
        if not goal and len({name for name, weight in seated.items() if weight} - {id_}) < FEWEST:
            if after.get(id_, 0) != before.get(id_, 0):
                raise Violation("seats", f"epoch {number} lets {id_} go, who has to stay")
            open_.remove(id_)
            continue
        if id_ in open_:
            break
        seated[id_] = goal
    for id_ in open_[1:]:
        if after.get(id_, 0) != before.get(id_, 0):
            raise Violation("seats", f"epoch {number} moves {id_} before {open_[0]} is through")
    if open_:
        id_, weight = open_[0], after.get(open_[0], 0)
        further = weight + (1 if wanted.get(id_, 0) > weight else -1)
        step = {name: value for name, value in {**after, id_: further}.items() if value}
        if len(step) >= FEWEST and _moved(before, step) < Fraction(1, 3):
            raise Violation("seats", f"epoch {number} stops {id_} at {weight}, and one more would do")
