"""One true statement of every kind, small, made once: what the tests of statements start from and falsify."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from zk.group import native
from zk.pedersen import commit
from zk.statements import (
    award,
    bid,
    delivery,
    demand,
    green_share,
    known_difference,
    ranges,
    reserve,
    spend,
    withdraw,
    within_loss,
)
from zk.statements.assertion import Assertion, Where
from zk.statements.openings import Opening, opened

WHERE = Where("campus-1", "solar", 7, 2, b"key-1".ljust(32, b"."))
ENTROPY = bytes(range(32))
SECRET = 0x1234_5678_9ABC_DEF0_1357_9BDF
KEY = native.GENERATOR.times_secret(native.scalar(SECRET)).to_bytes()
"""A threshold key whose secret the tests know."""
NOTE_HASH = b"n" * 32

CAPACITY, RESERVE, METERED, SHARE, BALANCE = (
    opened("tests", WHERE, [value], ENTROPY)[0] for value in (100, 60, 41, 40, 5_000)
)
QUANTITIES = (20, 30)
A, B = 11, 17
"""Demand beyond the tick before the last, and what everybody offers at the last."""


def point(opening: Opening, key: bytes | None = None) -> bytes:
    """Commitment that an opening opens."""
    return commit(*opening, base=key).to_bytes()


class Case(NamedTuple):
    """A statement as it was proven, and what its verifier rebuilds for any place."""

    at: Callable[[Where], Assertion]

    @property
    def true(self) -> Assertion:
        """The statement at the place that it was made for."""
        return self.at(WHERE)


@cache
def cases() -> dict[str, Case]:
    """By kind."""
    made = {kind: _ranges(kind) for kind in ranges.KINDS}
    made |= {
        "spend": _spend(),
        "withdraw": _withdraw(),
        "known-difference": _known_difference(),
        "within-loss": _within_loss(),
        "reserve": _reserve(),
        "delivery": _delivery(),
        "green-share": _green_share(),
        "demand": _demand(),
        "bid": _bid(),
        "award": _award(),
    }
    return made


def _ranges(kind: str) -> Case:
    posted = ranges.prove(kind, WHERE, [METERED], [(30, 50)], entropy=ENTROPY)
    return Case(lambda where: ranges.assertion(kind, where, posted.commitments, [(30, 50)], posted.proof))


def _spend() -> Case:
    sent = spend.transfer(WHERE, BALANCE, 1_200, ENTROPY)
    posted = spend.prove(WHERE, BALANCE, sent, "wind", NOTE_HASH, entropy=ENTROPY)
    return Case(lambda where: spend.assertion(where, point(BALANCE), posted.transfer, "wind", NOTE_HASH, posted.proof))


def _withdraw() -> Case:
    proof = withdraw.prove(WHERE, BALANCE, 1_200, entropy=ENTROPY)
    return Case(lambda where: withdraw.assertion(where, point(BALANCE), 1_200, proof))


def _known_difference() -> Case:
    posted = known_difference.prove(WHERE, SHARE, METERED, entropy=ENTROPY)
    return Case(
        lambda where: known_difference.assertion(where, point(SHARE), point(METERED), posted.difference, posted.proof)
    )


def _within_loss() -> Case:
    allowed = {"loss_ppm": 10_000, "fixed_wh": 1, "accuracy_wh": 1}
    proof = within_loss.prove(WHERE, SHARE, METERED, entropy=ENTROPY, **allowed)
    return Case(lambda where: within_loss.assertion(where, point(SHARE), point(METERED), proof, **allowed))


def _reserve() -> Case:
    posted = reserve.prove(WHERE, RESERVE, METERED, 100, entropy=ENTROPY)
    return Case(lambda where: reserve.assertion(where, posted.reserve, point(METERED), 100, posted.proof))


def _delivery() -> Case:
    numbers = {"shortfall_wh": 10, "others_wh": 11}
    proof = delivery.prove(WHERE, SHARE, METERED, entropy=ENTROPY, **numbers)
    return Case(lambda where: delivery.assertion(where, point(SHARE), point(METERED), proof, **numbers))


def _green_share() -> Case:
    posted, _ = green_share.prove(WHERE, METERED, 300_000, entropy=ENTROPY)
    return Case(lambda where: green_share.assertion(where, point(METERED), 300_000, posted))


def _demand() -> Case:
    posted, _ = demand.prove(WHERE, KEY, 40, 50, entropy=ENTROPY)
    return Case(lambda where: demand.assertion(where, KEY, posted.e, posted.r, 50, posted.proof))


@cache
def sealed_bid() -> tuple[bid.Sealed, list[Opening]]:
    """A bid of two ticks at WHERE, and its openings."""
    return bid.prove(WHERE, KEY, CAPACITY, QUANTITIES, entropy=ENTROPY)


def _bid() -> Case:
    posted, _ = sealed_bid()
    return Case(lambda where: bid.assertion(where, KEY, point(CAPACITY), *posted))


def weighted() -> bytes:
    """W of `sealed_bid`, as everybody computes it."""
    posted, _ = sealed_bid()
    return native.linear(*zip(map(native.decode_point, posted.e), award.factors(2, A, B), strict=True)).to_bytes()


def _award() -> Case:
    posted, _ = award.prove(WHERE, KEY, award.weigh(sealed_bid()[1][:2], A, B), B, entropy=ENTROPY)
    return Case(lambda where: award.assertion(where, KEY, weighted(), B, posted))
