"""What a cartel can choose by withholding blocks, and how much of it a draw gives away.

Only the last proposer before a seed is fixed can look at what its block would do and leave it out; who holds the last
j turns in a row looks j blocks ahead. The beacons are real signatures, so that every choice is one that its members
could make.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from consensus import beacon, committee
from consensus.proposers import draw
from consensus.sampling import permutation
from contracts.params import WagerParams
from devnet.trustlab.turns import CHAIN_ID, EPOCH_BLOCKS, PPM, equal_seats
from zk import bls
from zk.hashing import domain, sha256

SEATS, CARTEL = 7, 2
LAST_TURNS = 5
TRIALS = 40
WAGERERS, CARTELS, DRAWS = 20, (2, 4, 6, 10, 14), 4_000
MEMBERS = 1_000
BAD = (100, 200, 250, 300)
"""Of `MEMBERS`."""
COMMITTEES = tuple(range(40, 301, 10))


class Grind(NamedTuple):
    """What holding the last so many turns before a seed gives."""

    last_turns: int
    seeds: int
    """Different seeds to choose from."""
    chance_ppm: int
    """How often the turns fall so, by power."""
    turns_ppm: int
    """First turns of an epoch that the cartel has by its best choice, on average."""


class Draws(NamedTuple):
    """Builders drawn out of those who wagered."""

    wagerers: int
    cartel: int
    """Of them."""
    all_ppm: int
    """Draws in which every builder is of the cartel."""
    none_ppm: int
    """Draws in which none is."""


class Risk(NamedTuple):
    """One committee size."""

    bad: int
    seats: int
    per_draw: Fraction
    per_year: Fraction


def secret(name: str) -> bls.SigningKey:
    """A key of the laboratory."""
    return bls.SigningKey(sha256(name.encode()))


def seeds(last_turns: int) -> frozenset[bytes]:
    """Every mix that a cartel can end an epoch with: at each of the last heights it gives its block, or leaves the
    height to whoever comes next there."""
    mixes = {sha256(b"the mix before the last turns")}
    for height in range(1, last_turns + 1):
        mixes = {
            beacon.next_mix(CHAIN_ID, mix, secret(name).sign(beacon.beacon_sign_bytes(CHAIN_ID, height, mix)))
            for mix in sorted(mixes)
            for name in (f"cartel-{height}", f"next-{height}")
        }
    return frozenset(mixes)


def first_turns(seed: bytes, seats: int, cartel: int, heights: int) -> int:
    """First turns that the first `cartel` of so many equal seats have in so many heights drawn by `seed`."""
    validators = equal_seats(seats)
    mine = frozenset(seat.id for seat in validators.seats[:cartel])
    weights = [seat.power for seat in validators.seats]
    return sum(
        draw(validators, seed, CHAIN_ID, height, weights).proposer(0).id in mine for height in range(1, heights + 1)
    )


def grind(trials: int = TRIALS) -> tuple[Grind, ...]:
    """A cartel of `CARTEL` of `SEATS` equal seats that holds the last 0 to `LAST_TURNS` turns."""
    most = 2**LAST_TURNS
    drawn = [
        [first_turns(sha256(f"trial {trial}, seed {at}".encode()), SEATS, CARTEL, EPOCH_BLOCKS) for at in range(most)]
        for trial in range(trials)
    ]
    found = []
    for last in range(LAST_TURNS + 1):
        choices = len(seeds(last))
        best = sum(max(turns[:choices]) for turns in drawn)
        chance = Fraction(CARTEL, SEATS) ** last
        found.append(
            Grind(last, choices, chance.numerator * PPM // chance.denominator, best * PPM // (trials * EPOCH_BLOCKS))
        )
    return tuple(found)


def draws() -> tuple[Draws, ...]:
    """Builders of many rounds on which everybody has wagered: all who have the trust for it are drawn alike."""
    builders = WagerParams().builders
    drawn = [
        list(islice(permutation(domain("trustlab", CHAIN_ID) + trial.to_bytes(8, "big"), [1] * WAGERERS), builders))
        for trial in range(DRAWS)
    ]
    found = []
    for cartel in CARTELS:
        mine = [sum(place < cartel for place in places) for places in drawn]
        found.append(Draws(WAGERERS, cartel, mine.count(builders) * PPM // DRAWS, mine.count(0) * PPM // DRAWS))
    return tuple(found)


def risks() -> tuple[Risk, ...]:
    """Committees of several sizes, with several numbers of bad members."""
    found = []
    for bad in BAD:
        for seats in COMMITTEES:
            once = committee.risk(MEMBERS, bad, seats)
            found.append(Risk(bad, seats, once, committee.repeated(once, committee.DRAWS_PER_YEAR)))
    return tuple(found)
