"""Range proofs as an honest prover makes them: exact ranges, aggregates, both bases, one batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk import naive_range_proof as naive
from zk import range_proof
from zk.batch import Batch
from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit

TAG = b"a place"
ENTROPY = b"\x01" * 32
TOP = (1 << 64) - 1
KEY = bases().B.times_secret(native.scalar(77)).to_bytes()


def blindings(count: int) -> list[bytes]:
    return [pow(5, 100 + i, ORDER).to_bytes(32, "big") for i in range(count)]


@cache
def made(
    values: tuple[int, ...], ranges: tuple[tuple[int, int], ...], base: bytes | None = None
) -> tuple[list[bytes], bytes]:
    return range_proof.prove(values, blindings(len(values)), ranges, tag=TAG, entropy=ENTROPY, base=base)


@pytest.mark.parametrize(
    ("values", "ranges"),
    [
        ((1000,), ((1000, 3000),)),
        ((2023,), ((1000, 3000),)),
        ((2024,), ((1000, 3000),)),
        ((3000,), ((1000, 3000),)),
        ((0,), ((0, TOP),)),
        ((TOP,), ((0, TOP),)),
        ((TOP,), ((TOP - 1, TOP),)),
        ((5,), ((5, 5),)),
        ((0, 7, 1), ((0, 0), (7, 9), (1, 1))),
        ((3, 0, 2, 900), ((0, 6), (0, 1), (1, 2), (0, 1 << 10))),
    ],
)
@pytest.mark.parametrize("base", [None, KEY])
def test_values_in_their_ranges_are_proven(
    values: tuple[int, ...], ranges: tuple[tuple[int, int], ...], base: bytes | None
) -> None:
    commitments, proof = made(values, ranges, base)
    assert commitments == [
        commit(value, blinding, base=base).to_bytes()
        for value, blinding in zip(values, blindings(len(values)), strict=True)
    ]
    assert range_proof.verify(commitments, ranges, proof, tag=TAG, base=base)
    assert len(proof) == range_proof.proof_bytes(ranges)


@settings(max_examples=8)
@given(st.data())
def test_any_values_in_any_ranges(data: st.DataObject) -> None:
    ranges = data.draw(
        st.lists(st.tuples(st.integers(0, TOP), st.integers(0, TOP)).map(sorted), min_size=1, max_size=2)
    )
    pairs = [(lo, hi) for lo, hi in ranges]
    values = [data.draw(st.integers(lo, hi)) for lo, hi in pairs]
    commitments, proof = range_proof.prove(values, blindings(len(values)), pairs, tag=TAG, entropy=ENTROPY)
    assert range_proof.verify(commitments, pairs, proof, tag=TAG)


@pytest.mark.parametrize("base", [None, KEY])
def test_a_second_prover_written_from_the_text_is_believed(base: bytes | None) -> None:
    ranges = ((1000, 3000), (0, 3), (4, 4))
    digits = ([0] * 10 + [1], [1, 1], [])
    values = (1977, 3, 4)
    point = None if base is None else native.decode_point(base)
    commitments, proof = naive.prove(values, digits, (9, 8, 7), ranges, tag=TAG, base=point)
    assert range_proof.verify(commitments, ranges, proof, tag=TAG, base=base)


def test_repeated_entropy_is_safe_and_gives_the_same_proof() -> None:
    ranges = ((0, 3),)
    first = range_proof.prove((2,), blindings(1), ranges, tag=TAG, entropy=ENTROPY)
    assert first == range_proof.prove((2,), blindings(1), ranges, tag=TAG, entropy=ENTROPY)
    other_value = range_proof.prove((1,), blindings(1), ranges, tag=TAG, entropy=ENTROPY)
    other_tag = range_proof.prove((2,), blindings(1), ranges, tag=TAG + b"!", entropy=ENTROPY)
    for _, proof in (other_value, other_tag):
        # S is made of blinds alone: a repeated nonce would show here.
        assert proof[48:96] != first[1][48:96]


def test_a_batch_of_proofs_names_the_false_ones() -> None:
    batch = Batch()
    for value in (1000, 2000, 3000):
        commitments, proof = made((value,), ((1000, 3000),))
        batch.add(range_proof.claim(commitments, ((1000, 3000),), proof, tag=TAG))
    assert batch.verify()
    batch.add(range_proof.claim(commitments, ((1000, 2999),), proof, tag=TAG))
    commitments, _ = made((1000,), ((1000, 3000),))
    batch.add(range_proof.claim(commitments, ((1000, 3000),), proof, tag=TAG))
    assert not batch.verify()
    assert batch.culprits() == [3, 4]


def test_a_bid_of_32_ticks_and_slack_fills_1024_digits() -> None:
    ranges = ((0, (1 << 31) - 1),) * 32 + ((0, (1 << 32) - 1),)
    commitments, proof = made((17,) * 33, ranges, KEY)
    assert len(proof) == 192 + 96 + 8 * 96 + 256
    assert range_proof.verify(commitments, ranges, proof, tag=TAG, base=KEY)


def _refused(values: Sequence[int], ranges: Sequence[tuple[int, int]], count: int | None = None) -> None:
    with pytest.raises(ValueError):
        range_proof.prove(values, blindings(len(values) if count is None else count), ranges, tag=TAG, entropy=ENTROPY)


@pytest.mark.parametrize("value", [999, 3001, -1, 1 << 64, -(1 << 64)])
def test_the_prover_makes_nothing_outside_the_range(value: int) -> None:
    _refused((value,), ((1000, 3000),))


def test_the_prover_refuses_lists_that_do_not_match() -> None:
    _refused((1, 2), ((0, 3),))
    _refused((1,), ((0, 3), (0, 3)))
    _refused((1,), ((0, 3),), count=2)
    _refused((), ())


def test_the_prover_refuses_a_commitment_that_is_the_identity() -> None:
    with pytest.raises(ValueError, match="identity"):
        range_proof.prove((0,), [bytes(32)], ((0, 3),), tag=TAG, entropy=ENTROPY)
