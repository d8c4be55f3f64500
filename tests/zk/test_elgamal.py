"""Threshold decryption: what t shares open, what fewer and false ones do not, and how a value is found."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zk import elgamal
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.group.native import IDENTITY, Point
from zk.statements import check, logarithm, share
from zk.statements.assertion import Where

ENTROPY = b"e" * 32
POLYNOMIAL = (12_345, 2**200 + 7, ORDER - 3)
"""Of a key that three of five holders open with."""
KEY = bases().B.times_secret(native.scalar(POLYNOMIAL[0]))


def held(index: int) -> bytes:
    value = sum(part * index**power for power, part in enumerate(POLYNOMIAL)) % ORDER
    return value.to_bytes(32, "big")


def blinding(number: int) -> bytes:
    return number.to_bytes(32, "big")


def opened(ciphertext: elgamal.Ciphertext, indices: tuple[int, ...]) -> Point:
    shares = {index: elgamal.share(held(index), ciphertext.R) for index in indices}
    return elgamal.opened(ciphertext, elgamal.combine(shares, 3))


def test_any_three_of_five_open_a_value_and_all_agree() -> None:
    ciphertext = elgamal.encrypt(31_000, blinding(99), KEY)
    for indices in combinations(range(1, 6), 3):
        assert elgamal.is_value(opened(ciphertext, indices), 31_000)
    assert elgamal.is_value(opened(ciphertext, (1, 2, 3, 4, 5)), 31_000)


def test_fewer_than_the_threshold_open_nothing() -> None:
    ciphertext = elgamal.encrypt(31_000, blinding(99), KEY)
    shares = {index: elgamal.share(held(index), ciphertext.R) for index in (1, 2)}
    with pytest.raises(ValueError):
        elgamal.combine(shares, 3)
    # Nor do two pass as a key of two.
    assert not elgamal.is_value(elgamal.opened(ciphertext, elgamal.combine(shares, 2)), 31_000)


@pytest.mark.parametrize("indices", [(0, 1, 2), (1, 1, 2), (1, 2, ORDER), (-1, 2, 3)])
def test_a_zero_or_duplicate_index_interpolates_nothing(indices: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        elgamal.lagrange(indices)


@given(st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 63)), min_size=1, max_size=5))
@settings(max_examples=10)
def test_weighted_ciphertexts_open_to_the_weighted_sum(parts: list[tuple[int, int]]) -> None:
    ciphertexts = [elgamal.encrypt(value, blinding(7 + at), KEY) for at, (value, _) in enumerate(parts)]
    weighed = elgamal.Ciphertext(
        native.linear(*((one.E, factor) for one, (_, factor) in zip(ciphertexts, parts, strict=True))),
        native.linear(*((one.R, factor) for one, (_, factor) in zip(ciphertexts, parts, strict=True))),
    )
    expected = sum(value * factor for value, factor in parts)
    if any(factor for _, factor in parts):
        point = opened(weighed, (5, 2, 4))
        assert point == native.multiexp([bases().V], [native.scalar(expected)])
    added = opened(elgamal.total(ciphertexts), (1, 3, 5))
    assert added == native.multiexp([bases().V], [native.scalar(sum(value for value, _ in parts))])


@given(st.integers(0, elgamal.MAX_VALUE))
@settings(max_examples=3)
def test_any_value_is_found(value: int) -> None:
    assert elgamal.recover(native.multiexp([bases().V], [native.scalar(value)])) == value


@pytest.mark.parametrize("value", [0, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 196_608, 2**32 - 1])
def test_values_at_the_edges_of_the_table_are_found(value: int) -> None:
    point = native.multiexp([bases().V], [native.scalar(value)])
    assert elgamal.recover(point) == value
    assert elgamal.recover(point, value) == value
    if value:
        assert elgamal.recover(point, value - 1) is None
    assert elgamal.is_value(point, value)
    assert not elgamal.is_value(point, value + 1)


def test_a_negative_or_too_large_value_is_not_found() -> None:
    minus_five = native.multiexp([bases().V], [native.scalar(ORDER - 5)])
    assert elgamal.recover(minus_five, 2**20) is None
    assert not elgamal.is_value(minus_five, -5)
    assert not elgamal.is_value(native.multiexp([bases().V], [native.scalar(2**32)]), 2**32)
    with pytest.raises(ValueError):
        elgamal.recover(IDENTITY, 2**32)


def test_the_identity_is_no_part_of_a_ciphertext() -> None:
    one = elgamal.encrypt(1, blinding(1), KEY)
    nothing = IDENTITY.to_bytes()
    for e, r in ((nothing, one.R.to_bytes()), (one.E.to_bytes(), nothing)):
        with pytest.raises(ValueError):
            elgamal.decode(e, r)
    assert elgamal.decode(one.E.to_bytes(), one.R.to_bytes()) == one


# Shares

WHERE = Where("campus-1", "wind", at=7, round=3, key_id=b"k" * 32)
R = elgamal.encrypt(5, blinding(11), KEY).R.to_bytes()
PUBLIC = logarithm.public_point(held(2))
POINT, PROOF = share.prove(WHERE, "price", 4, R, held(2), entropy=ENTROPY)


def claimed(
    where: Where = WHERE,
    purpose: str = "price",
    tick: int = 4,
    r: bytes = R,
    key: bytes = PUBLIC,
    point: bytes = POINT,
    proof: bytes = PROOF,
) -> bool:
    return check.verify(share.assertion(where, purpose, tick, r, key, point, proof))


def test_a_proven_share_counts() -> None:
    assert claimed()
    assert native.decode_point(POINT) == elgamal.share(held(2), native.decode_point(R))


def test_a_share_of_another_validator_does_not_count() -> None:
    assert not claimed(key=logarithm.public_point(held(3)))
    assert not claimed(where=WHERE._replace(actor="solar"))


def test_a_replayed_share_does_not_count() -> None:
    """In no other round, epoch, tick, purpose, chain, key or ciphertext."""
    for where in (
        WHERE._replace(chain_id="campus-2"),
        WHERE._replace(at=8),
        WHERE._replace(round=4),
        WHERE._replace(key_id=b"l" * 32),
    ):
        assert not claimed(where=where)
    assert not claimed(tick=5)
    assert not claimed(purpose="award")
    assert not claimed(r=elgamal.encrypt(5, blinding(12), KEY).R.to_bytes())


def test_a_false_share_does_not_count() -> None:
    assert not claimed(point=elgamal.share(held(3), native.decode_point(R)).to_bytes())
    assert not claimed(point=IDENTITY.to_bytes())
    for bit in range(0, 8 * len(PROOF), 61):
        flipped = bytearray(PROOF)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not claimed(proof=bytes(flipped))
    assert not claimed(proof=PROOF[:-1])
    assert not claimed(proof=PROOF + b"\0")


def test_a_share_of_an_identity_ciphertext_is_neither_made_nor_counted() -> None:
    nothing = IDENTITY.to_bytes()
    with pytest.raises(ValueError):
        share.prove(WHERE, "price", 4, nothing, held(2), entropy=ENTROPY)
    assert not claimed(r=nothing, point=nothing)
