"""Attacks on range proofs: values outside, forged transcripts, mangled bytes, bases and bounds that may not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk import naive_range_proof as naive
from tests.zk.test_range_proof import ENTROPY, KEY, TAG, TOP, blindings, made
from zk import range_proof
from zk.group import ORDER, native
from zk.group.bases import MAX_VECTOR, bases
from zk.pedersen import commit
from zk.transcript import Sponge

Ranges = tuple[tuple[int, int], ...]
SMALL: Ranges = ((0, 6),)


def _lie(
    values: Sequence[int], digits: Sequence[Sequence[int]], ranges: Ranges, *, true: bool = False, base: bool = False
) -> None:
    """Prove with these digits, by everybody's equations, and see whether that is believed."""
    point, key = (native.decode_point(KEY), KEY) if base else (None, None)
    commitments, proof = naive.prove(values, digits, range(9, 9 + len(values)), ranges, tag=TAG, base=point)
    assert range_proof.claim(commitments, ranges, proof, tag=TAG, base=key) is not None
    assert range_proof.verify(commitments, ranges, proof, tag=TAG, base=key) is true


def test_the_liar_is_believed_when_it_tells_the_truth() -> None:
    _lie([6], [[1, 1, 1]], SMALL, true=True)


@pytest.mark.parametrize("base", [False, True])
def test_a_value_out_of_range_by_one(base: bool) -> None:
    # [0, 6] has weights 1, 2, 3, and [1000, 3000] has 1, 2, ..., 512, 977.
    _lie([7], [[1, 1, 1]], SMALL, base=base)
    _lie([7], [[2, 1, 1]], SMALL, base=base)
    _lie([3001], [[2] + [1] * 10], ((1000, 3000),), base=base)
    _lie([999], [[-1] + [0] * 10], ((1000, 3000),), base=base)


def test_a_negative_value() -> None:
    _lie([-1], [[-1, 0, 0]], SMALL)
    _lie([-1], [[1, -1, 0]], SMALL)
    _lie([-1], [[0, 0, 0]], SMALL)
    _lie([ORDER - 1], [[1, 1, 1]], SMALL)


def test_2_to_the_64() -> None:
    _lie([1 << 64], [[0] * 63 + [2]], ((0, TOP),))
    _lie([1 << 64], [[0] * 64], ((0, TOP),))
    _lie([1 << 64], [[1] * 64], ((0, TOP),))


def test_a_huge_digit() -> None:
    _lie([1 << 200], [[1 << 200, 0, 0]], SMALL)
    # A value in range, of digits that are none.
    _lie([2], [[ORDER - 1, 0, 1]], SMALL)
    _lie([2], [[2, 0, 0]], SMALL)


def test_an_equality_is_proven_for_nothing_else() -> None:
    _lie([5], [[]], ((5, 5),), true=True)
    _lie([6], [[]], ((5, 5),))
    _lie([4, 1], [[], [1]], ((5, 5), (0, 1)))
    # What one value lacks, another can not lend.
    _lie([6, 4], [[], []], ((5, 5), (5, 5)))


def test_a_digit_of_one_value_counts_for_no_other() -> None:
    _lie([7, 0], [[1, 1, 1], [1]], ((0, 6), (0, 1)))
    _lie([0, 2], [[1, 0, 0], [1]], ((0, 6), (0, 1)))


def test_the_digits_that_fill_up_count_for_nothing() -> None:
    _lie([7], [[1, 1, 1, 1]], SMALL)
    _lie([6], [[1, 1, 1, 1]], SMALL, true=True)


def _with_another_t_1(
    by: int, monkeypatch: pytest.MonkeyPatch, prove: Callable[[], tuple[list[bytes], bytes]]
) -> bytes:
    """A proof that is honest but for T1, which holds `by` more."""
    honest = naive._inner
    calls: list[int] = []

    def shifted(left: Sequence[int], right: Sequence[int]) -> int:
        calls.append(0)
        return (honest(left, right) + by * (len(calls) == 1)) % ORDER

    with monkeypatch.context() as patch:
        patch.setattr(naive, "_inner", shifted)
        return prove()[1]


@pytest.mark.parametrize("bound", [True, False])
def test_a_commitment_that_is_not_bound_in_the_transcript_would_be_forged(
    bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen Heart: make everything first, then solve for the commitment that the challenges ask for."""
    if not bound:
        absorb = Sponge.absorb
        hidden = [naive.commit(3, 9)]

        def deaf(sponge: Sponge, data: bytes) -> None:
            for one in hidden:
                data = data.replace(one, b"")
            absorb(sponge, data)

        monkeypatch.setattr(Sponge, "absorb", deaf)
    proof = _with_another_t_1(12345, monkeypatch, lambda: naive.prove([3], [[0, 0, 1]], [9], SMALL, tag=TAG))
    first = naive.commit(3, 9)
    claim = range_proof.claim([first], SMALL, proof, tag=TAG)
    assert claim is not None
    points, scalars = claim.equations[0]
    error = native.multiexp(list(points), list(scalars))
    at = [point.to_bytes() for point in points].index(first)
    forged = native.decode_point(first) + native.multiexp([error], [(-scalars[at]).inverse()])
    if not bound:
        hidden.append(forged.to_bytes())
    assert forged.to_bytes() != first
    assert range_proof.verify([forged.to_bytes()], SMALL, proof, tag=TAG) is not bound


def test_a_proof_is_good_for_one_tag_range_commitment_and_base_only() -> None:
    commitments, proof = made((3,), SMALL)
    assert range_proof.verify(commitments, SMALL, proof, tag=TAG)
    for tag in (b"", b"b place", TAG + b"\0", TAG[:-1]):
        assert not range_proof.verify(commitments, SMALL, proof, tag=tag)
    # [0, 5] and [0, 7] have as many digits; [1, 7] has even the same weights.
    for ranges in (((0, 5),), ((0, 7),), ((1, 7),), ((0, 6), (0, 0)), ((0, 0), (0, 6)), ((0, 14),)):
        assert not range_proof.verify(commitments, ranges, proof, tag=TAG)
        assert not range_proof.verify(commitments * len(ranges), ranges, proof, tag=TAG)
    assert not range_proof.verify(commitments, SMALL, proof, tag=TAG, base=KEY)
    assert range_proof.verify(commitments, SMALL, proof, tag=TAG, base=bases().H.to_bytes())


def test_a_re_randomised_commitment_needs_its_own_proof() -> None:
    commitments, proof = made((3,), SMALL)
    again = native.decode_point(commitments[0]) + bases().H
    assert not range_proof.verify([again.to_bytes()], SMALL, proof, tag=TAG)
    shifted = native.decode_point(commitments[0]) + bases().V
    assert not range_proof.verify([shifted.to_bytes()], ((1, 7),), proof, tag=TAG)


def test_values_may_not_trade_places() -> None:
    ranges = ((0, 6), (0, 6))
    commitments, proof = made((3, 4), ranges)
    assert range_proof.verify(commitments, ranges, proof, tag=TAG)
    assert not range_proof.verify(commitments[::-1], ranges, proof, tag=TAG)
    assert not range_proof.verify(commitments[:1] * 2, ranges, proof, tag=TAG)


def test_any_flipped_bit() -> None:
    commitments, proof = made((3,), SMALL)
    for at in range(len(proof)):
        mangled = bytearray(proof)
        mangled[at] ^= 1 << at % 8
        assert not range_proof.verify(commitments, SMALL, bytes(mangled), tag=TAG)
    for bit in range(8 * 48):
        mangled = bytearray(commitments[0])
        mangled[bit // 8] ^= 1 << bit % 8
        assert not range_proof.verify([bytes(mangled)], SMALL, proof, tag=TAG)


def test_truncated_and_extended() -> None:
    commitments, proof = made((3,), SMALL)
    for length in (0, 1, 48, 96, 192, len(proof) - 48, len(proof) - 32, len(proof) - 1):
        assert not range_proof.verify(commitments, SMALL, proof[:length], tag=TAG)
    for more in (b"\0", bytes(32), bytes(48), proof):
        assert not range_proof.verify(commitments, SMALL, proof + more, tag=TAG)
    assert not range_proof.verify([commitments[0][:-1]], SMALL, proof, tag=TAG)
    assert not range_proof.verify([commitments[0] + b"\0"], SMALL, proof, tag=TAG)
    assert not range_proof.verify([], SMALL, proof, tag=TAG)
    assert not range_proof.verify([], (), proof, tag=TAG)


@settings(max_examples=40)
@given(st.data())
def test_two_parts_of_a_proof_may_not_trade_places(data: st.DataObject) -> None:
    ranges = ((1000, 3000),)
    commitments, proof = made((2000,), ranges)
    marks = [0, 48, 96, 144, 192, 224, 256, 288, *range(336, 481, 48), *range(512, 737, 32)]
    parts = [proof[start:end] for start, end in pairwise(marks)]
    first, second = data.draw(st.lists(st.integers(0, len(parts) - 1), min_size=2, max_size=2, unique=True))
    if len(parts[first]) != len(parts[second]):
        return
    parts[first], parts[second] = parts[second], parts[first]
    assert not range_proof.verify(commitments, ranges, b"".join(parts), tag=TAG)


IDENTITY = b"\xc0" + bytes(47)
OFF_CURVE = b"\x80" + bytes(46) + b"\x01"
WRONG_SUBGROUP = bytes.fromhex("80" + "00" * 46 + "04")


@pytest.mark.parametrize(
    "bad", [IDENTITY, OFF_CURVE, WRONG_SUBGROUP, b"\xff" * 48, bytes(48), b"\xc0" + b"\0" * 46 + b"\1"]
)
def test_what_is_no_point_is_refused_wherever_it_stands(bad: bytes) -> None:
    commitments, proof = made((2000,), ((1000, 3000),))
    for at in (0, 48, 96, 144, 288, 336, 384, 432):
        mangled = proof[:at] + bad + proof[at + 48 :]
        assert range_proof.claim(commitments, ((1000, 3000),), mangled, tag=TAG) is None
    assert range_proof.claim([bad], ((1000, 3000),), proof, tag=TAG) is None
    assert range_proof.claim(commitments, ((1000, 3000),), proof, tag=TAG, base=bad) is None


def test_a_scalar_from_the_order_up_is_refused_wherever_it_stands() -> None:
    commitments, proof = made((3,), SMALL)
    for at in range(192, len(proof), 32):
        number = int.from_bytes(proof[at : at + 32], "big")
        for bad in (ORDER, number + ORDER, (1 << 256) - 1):
            mangled = proof[:at] + bad.to_bytes(32, "big") + proof[at + 32 :]
            assert range_proof.claim(commitments, SMALL, mangled, tag=TAG) is None


@pytest.mark.parametrize("place", range(6))
def test_a_zero_challenge_proves_nothing(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """y, z, x, w and both u."""
    ranges = ((1000, 3000),)
    commitments, proof = made((2000,), ranges)
    drawn: list[int] = []
    honest = Sponge.challenge

    def challenge(sponge: Sponge) -> int:
        drawn.append(0)
        return 0 if len(drawn) == place + 1 else honest(sponge)

    monkeypatch.setattr(Sponge, "challenge", challenge)
    assert range_proof.claim(commitments, ranges, proof, tag=TAG) is None
    assert len(drawn) > place
    drawn.clear()
    with pytest.raises(ValueError, match="challenge"):
        range_proof.prove((2000,), blindings(1), ranges, tag=TAG, entropy=ENTROPY)


@pytest.mark.parametrize(
    "ranges",
    [
        ((0, 1 << 64),),
        ((1 << 64, 1 << 64),),
        ((1 << 64, 0),),
        ((7, 6),),
        ((-1, 6),),
        ((-7, -1),),
        ((0, 6), (0, 1 << 64)),
        ((0, 1),) * (range_proof.MAX_VALUES + 1),
        ((0, TOP),) * (MAX_VECTOR // 64 + 1),
        (),
    ],
)
def test_ranges_that_may_not_be(ranges: Ranges) -> None:
    commitments, proof = made((3,), SMALL)
    assert range_proof.claim(commitments * len(ranges), ranges, proof, tag=TAG) is None
    with pytest.raises(ValueError):
        range_proof.proof_bytes(ranges)
    with pytest.raises(ValueError):
        range_proof.prove([lo for lo, _ in ranges], blindings(len(ranges)), ranges, tag=TAG, entropy=ENTROPY)


def test_the_largest_counts_are_taken() -> None:
    """And N is at least 4, so that no proof has vectors shorter than what it ends with."""
    assert range_proof.proof_bytes(((0, TOP),) * (MAX_VECTOR // 64)) == 192 + 96 + 9 * 96 + 256
    assert range_proof.proof_bytes(((0, 1),) * range_proof.MAX_VALUES) == 192 + 96 + 5 * 96 + 256
    assert range_proof.proof_bytes(((0, 0),)) == range_proof.proof_bytes(((0, 1),)) == 192 + 96 + 256


@pytest.mark.parametrize("name", ["V", "U"])
def test_a_base_that_would_not_bind_is_refused(name: str) -> None:
    """Over the base V a commitment opens to anything."""
    base = getattr(bases(), name).to_bytes()
    commitments, proof = made((3,), SMALL)
    assert range_proof.claim(commitments, SMALL, proof, tag=TAG, base=base) is None
    with pytest.raises(ValueError, match="bound"):
        range_proof.prove((3,), blindings(1), SMALL, tag=TAG, entropy=ENTROPY, base=base)


def test_a_commitment_over_one_base_is_not_proven_over_another() -> None:
    commitments, proof = made((3,), SMALL, KEY)
    assert not range_proof.verify(commitments, SMALL, proof, tag=TAG)
    other = bases().B.times_secret(native.scalar(78)).to_bytes()
    assert not range_proof.verify(commitments, SMALL, proof, tag=TAG, base=other)
    on_h = commit(3, blindings(1)[0]).to_bytes()
    assert not range_proof.verify([on_h], SMALL, proof, tag=TAG, base=KEY)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=49), max_size=3), st.binary(max_size=800), st.data())
def test_no_bytes_make_it_raise(commitments: list[bytes], proof: bytes, data: st.DataObject) -> None:
    ranges = data.draw(st.lists(st.tuples(st.integers(-2, 1 << 65), st.integers(-2, 1 << 65)), max_size=3))
    base = data.draw(st.none() | st.binary(max_size=49))
    assert not range_proof.verify(commitments, ranges, proof, tag=TAG, base=base)
    real, true = made((3,), SMALL)
    keep = data.draw(st.integers(0, len(true)))
    noise = data.draw(st.binary(min_size=len(true) - keep, max_size=len(true) - keep))
    assert range_proof.verify(real, SMALL, true[:keep] + noise, tag=TAG) == (true[:keep] + noise == true)
