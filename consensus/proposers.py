"""Whose turn it is to propose, and how reliability weighs in.

Functions of committed content alone: also a node that just came back knows the proposer of any round without asking.
Nothing here keeps state.

`turn` permutes the seats anew for every height. Each has its turn once in as many rounds as there are seats, so k
dead ones waste at most k rounds. `leader_weights` lets the reliable come first, after the leader reputation of
Aptos. A round is lost by its proposer or by those who vote nil on it, and nobody can tell which: hence the floor, below
which no cartel pushes a rival.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from consensus.messages import CommitCertificate, Header
from consensus.sampling import permutation
from consensus.validators import ValidatorSet
from zk.codec import encode
from zk.hashing import domain

FAILED, INACTIVE, ACTIVE = 1, 10, 1000
"""Weight per unit of power: of who failed too often; of who neither proposed nor voted; of everybody else."""
MAX_FAILED_PERCENT = 10
"""Of its proposals in the window; above, a seat weighs `FAILED`."""
FLOOR_PERCENT = 5
"""Every seat keeps this part of the share that its power alone would give it."""


class Participation(NamedTuple):
    """What one decided height shows of its validators, by node id, which outlives changes of the set."""

    proposer: str
    failed: tuple[str, ...]
    """Whose turn came before, without a block that was decided. Each at most once."""
    voters: tuple[str, ...]
    """Signers of the certificate that the next block includes."""


def turn(seed: bytes, chain_id: str, height: int, round_: int, weights: Sequence[int]) -> int:
    """Position in `weights` of the proposer of (height, `round_`).

    `seed` is the mix of `consensus.beacon.seed_height`. The permutation of the height begins again when it ends. A
    seat without weight has no turn. Raises ValueError when none has any.
    """
    seats = sum(1 for weight in weights if weight)
    if not seats:
        raise ValueError("a height needs at least one seat with a weight")
    return next(islice(_turns(seed, chain_id, height, weights), round_ % seats, None))


def _turns(seed: bytes, chain_id: str, height: int, weights: Sequence[int]) -> Iterator[int]:
    return permutation(domain("proposer", chain_id) + encode((seed, height)), weights)


def participation(
    header: Header, certificate: CommitCertificate, validators: ValidatorSet, seed: bytes, weights: Sequence[int]
) -> Participation:
    """What a decided `header` and its included `certificate` show; `validators`, `seed` and `weights` are those of
    its height.

    Rounds between the one that `header` names and the decision count for nobody: the value was there, and who
    proposed it again is not on the ledger.
    """
    passed = islice(_turns(seed, header.chain_id, header.height, weights), header.proposer_round)
    return Participation(
        header.proposer,
        tuple(validators.seats[position].id for position in passed),
        tuple(validators.seats[index].id for index, _ in certificate.signatures),
    )


def leader_weights(validators: ValidatorSet, window: Sequence[Participation]) -> tuple[int, ...]:
    """Weights for `turn`, in seat order: power times reputation over `window`. A flagged seat weighs nothing."""
    proposed = Counter(height.proposer for height in window)
    failed = Counter(id_ for height in window for id_ in height.failed)
    voted = Counter(id_ for height in window for id_ in height.voters)

    def reputation(id_: str) -> int:
        if 100 * failed[id_] > MAX_FAILED_PERCENT * (proposed[id_] + failed[id_]):
            return FAILED
        return ACTIVE if proposed[id_] or voted[id_] else INACTIVE

    powers = [seat.counted_power for seat in validators.seats]
    reputations = [reputation(seat.id) for seat in validators.seats]
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
