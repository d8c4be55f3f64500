"""What is kept of everything that is posted: the same commitments come out of a note and its place, and of no other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk.statement_cases import CAPACITY, ENTROPY, KEY, METERED, QUANTITIES, WHERE, A, B, point, sealed_bid
from zk import notes
from zk.group import ORDER
from zk.statements import award, check, demand, green_share, ranges, spend
from zk.statements.openings import (
    ENTROPY_BYTES,
    MAX_PLAINTEXT_BYTES,
    MAX_VALUES,
    VALUES,
    Kept,
    Opening,
    Told,
    kept,
    opened,
    read,
    recovered,
    told,
    total,
)

amounts = st.integers(0, 2**63 - 1)
scalars = st.integers(0, ORDER - 1).map(lambda value: value.to_bytes(32, "big"))


def note(kind: str, *values: int) -> Kept:
    """As it is read again after it was sealed to its own author."""
    route: dict[str, Any] = {
        "purpose": kind,
        "chain_id": "campus-1",
        "epoch": 7,
        "sender": "solar",
        "recipient": "solar",
    }
    secret = notes.secret_of(b"s" * 32)
    sealed = notes.seal(notes.public(secret), kept(kind, values, ENTROPY), entropy=ENTROPY, **route)
    plaintext = notes.open_(secret, sealed, **route)
    assert plaintext is not None
    found = read(plaintext)
    assert isinstance(found, Kept)
    return found


def test_a_bid_is_made_again_from_its_note() -> None:
    posted, openings = sealed_bid()
    made = recovered(note("bid", *QUANTITIES, CAPACITY.value - sum(QUANTITIES)), WHERE)
    assert made == openings
    assert tuple(point(one, KEY) for one in made) == (*posted.e, posted.slack)


def test_a_demand_is_made_again_from_its_note() -> None:
    posted, opening = demand.prove(WHERE, KEY, 40, 50, entropy=ENTROPY)
    assert recovered(note("demand", 40), WHERE) == [opening]
    assert point(opening, KEY) == posted.e


def test_an_award_is_made_again_from_its_note() -> None:
    weighted = award.weigh(sealed_bid()[1][:2], A, B)
    posted, sold = award.prove(WHERE, KEY, weighted, B, entropy=ENTROPY)
    made = recovered(note("award", *divmod(weighted.value, B)), WHERE)
    assert made[0] == sold
    assert [point(one) for one in made] == [posted.award, posted.remainder]


def test_a_green_share_is_made_again_from_its_note() -> None:
    posted, volume = green_share.prove(WHERE, METERED, 300_000, entropy=ENTROPY)
    made = recovered(note("green-share", *divmod(METERED.value * 300_000, 10**6)), WHERE)
    assert made[0] == volume
    assert [point(one) for one in made] == [posted.volume, posted.remainder]


def test_a_spend_is_made_again_from_its_note() -> None:
    balance = Opening(5_000, METERED.blinding)
    sent = spend.transfer(WHERE, balance, 1_200, ENTROPY)
    assert recovered(note("spend", 1_200, 3_800), WHERE) == [sent]


@pytest.mark.parametrize("kind", ["reading", "capacity", "quality", "reserve"])
def test_what_is_committed_to_by_its_kind_is_made_again_from_its_note(kind: str) -> None:
    values = [41] * len(VALUES[kind])
    openings = opened(kind, WHERE, values, ENTROPY)
    assert recovered(note(kind, *values), WHERE) == openings
    if kind in ranges.KINDS:
        spans = [(30, 50)] * len(values)
        posted = ranges.prove(kind, WHERE, openings, spans, entropy=ENTROPY)
        assert check.verify(ranges.assertion(kind, WHERE, posted.commitments, spans, posted.proof))


def test_a_note_read_at_another_place_opens_nothing() -> None:
    posted, _ = sealed_bid()
    for where in (WHERE._replace(round=3), WHERE._replace(at=8), WHERE._replace(actor="wind")):
        made = recovered(note("bid", *QUANTITIES, CAPACITY.value - sum(QUANTITIES)), where)
        assert not {point(one, KEY) for one in made} & {*posted.e, posted.slack}


@given(amounts, scalars)
def test_what_is_told_is_read_again(value: int, blinding: bytes) -> None:
    found = read(told("spend", Opening(value, blinding), Opening(0, blinding)))
    assert isinstance(found, Told)
    assert found.kind == "spend"
    assert (found.opening(0), found.opening(1)) == ((value, blinding), (0, blinding))


@settings(max_examples=30)
@given(st.binary(max_size=80))
def test_bytes_that_are_no_plaintext_are_none(data: bytes) -> None:
    assert read(data) is None


@pytest.mark.parametrize(
    "plaintext",
    [
        kept("bid", [], ENTROPY),
        kept("bid", [1] * (MAX_VALUES + 1), ENTROPY),
        kept("bid", [1], ENTROPY[1:]),
        told("spend"),
        told("spend", *[Opening(1, bytes(32))] * 9),
        told("spend", Opening(1, bytes(31))),
        kept("bid", [1], ENTROPY) + b"\0",
    ],
)
def test_a_plaintext_out_of_bounds_is_none(plaintext: bytes) -> None:
    assert read(plaintext) is None


@given(amounts, amounts, scalars, scalars)
def test_a_plaintext_is_as_long_whatever_it_says(one: int, other: int, first: bytes, second: bytes) -> None:
    """Everybody sees how long a note is."""
    assert len(told("reading", Opening(one, first))) == len(told("reading", Opening(other, second)))
    assert len(kept("reading", [one, other], ENTROPY)) == len(kept("reading", [0, 2**64 - 1], ENTROPY))


def test_what_is_no_value_is_in_no_note() -> None:
    for value in (-1, 2**64):
        with pytest.raises(OverflowError):
            told("spend", Opening(value, bytes(32)))
        with pytest.raises(OverflowError):
            kept("spend", [value], ENTROPY)


def test_the_longest_note_to_oneself_fits() -> None:
    assert len(kept("green-share", [2**64 - 1] * MAX_VALUES, ENTROPY)) <= MAX_PLAINTEXT_BYTES


@pytest.mark.parametrize(("values", "entropy"), [([1], bytes(ENTROPY_BYTES - 1)), ([-1], ENTROPY), ([2**64], ENTROPY)])
def test_no_blinding_is_made_of_little_entropy_or_of_what_is_no_value(values: list[int], entropy: bytes) -> None:
    with pytest.raises(ValueError, match=r"entropy|64 bits"):
        opened("reading", WHERE, values, entropy)


@given(amounts, amounts, scalars, scalars, st.integers(0, 2**20))
def test_openings_go_with_their_commitments(left: int, right: int, one: bytes, other: bytes, factor: int) -> None:
    """What opens a sum, a difference, a multiple; of integers here, of points in the statements."""
    a, b = Opening(left, one), Opening(right, other)
    assert a.plus(b) == b.plus(a) == total([a, b])
    assert a.plus(b).minus(b) == a
    assert a.times(factor).plus(a) == a.times(factor + 1)
    assert a.shifted(right).shifted(-right) == a
    assert int.from_bytes(a.minus(b).plus(b).blinding, "big") < ORDER
