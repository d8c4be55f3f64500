"""Every kind of statement: true ones are proven, and whatever is changed in one, moved or broken, is not.

Replays are rebuilt as a verifier would at the other place. Changed points are put under the tag of the true statement,
so what is tested is that the proof itself covers them (what a tag would refuse anyway).
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py_ecc.bls.point_compression import decompress_G1
from py_ecc.optimized_bls12_381 import is_inf, multiply

from tests.zk.statement_cases import METERED, WHERE, cases, point
from zk.codec import encode
from zk.group import ORDER, POINT_BYTES, native
from zk.group.bases import bases
from zk.statements import check, ranges
from zk.statements.assertion import Assertion

KINDS = sorted(cases())
OTHER_PLACES = {
    "chain": WHERE._replace(chain_id="campus-2"),
    "tenant or account": WHERE._replace(actor="wind"),
    "interval or account sequence": WHERE._replace(at=8),
    "round": WHERE._replace(round=3),
    "key": WHERE._replace(key_id=b"key-2".ljust(32, b".")),
}
IDENTITY = native.IDENTITY.to_bytes()
OFF_CURVE = bytes.fromhex("80" + "00" * 46 + "01")
WRONG_SUBGROUP = bytes.fromhex("80" + "00" * 46 + "04")
FIELD = int("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab", 16)
"""The prime that coordinates are below."""


def second_encoding(data: bytes) -> bytes | None:
    """The bytes of a point with a coordinate that was not reduced; None where these do not fit."""
    flags, x = data[0] & 0xE0, int.from_bytes(data) & (1 << 381) - 1
    if x + FIELD >= 1 << 381:
        return None
    again = bytearray((x + FIELD).to_bytes(POINT_BYTES))
    again[0] |= flags
    return bytes(again)


def fields(assertion: Assertion) -> list[Any]:
    """Fields of an instance, in their order."""
    decoded = msgspec.msgpack.decode(assertion.instance)
    assert isinstance(decoded, list)
    return decoded


def points(value: Any) -> list[tuple[int, ...]]:
    """Where the points of an instance are, by path."""
    if isinstance(value, bytes):
        return [()] if len(value) == POINT_BYTES else []
    if isinstance(value, list):
        return [(at, *rest) for at, one in enumerate(value) for rest in points(one)]
    return []


def at(value: Any, path: tuple[int, ...]) -> bytes:
    for step in path:
        value = value[step]
    assert isinstance(value, bytes)
    return value


def replaced(value: Any, path: tuple[int, ...], by: bytes) -> Any:
    if not path:
        return by
    return [replaced(one, path[1:], by) if place == path[0] else one for place, one in enumerate(value)]


def changed(assertion: Assertion, path: tuple[int, ...], by: bytes) -> Assertion:
    return assertion._replace(instance=encode(replaced(fields(assertion), path, by)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_true_statement_is_proven(kind: str) -> None:
    assert check.verify(cases()[kind].true)


def test_all_kinds_are_tested() -> None:
    assert {*KINDS, *LOGARITHMS, *SEEN} == set(check.REDUCERS)


LOGARITHMS = ("possession", "note", "reveal", "share")
"""Attacked in test_notes.py and test_elgamal.py."""
SEEN = ("chain", "sum", "opening")
"""What is computed and not proven, so is true everywhere: attacked in test_statement_values.py."""


def test_all_kinds_are_proven_as_one_batch_and_a_false_one_is_named() -> None:
    true = [cases()[kind].true for kind in KINDS]
    assert check.verify_all(true) == [True] * len(true)
    false = true[3]._replace(tag=b"other")
    assert check.verify_all([*true[:3], false, *true[4:]]) == [place != 3 for place in range(len(true))]


@pytest.mark.parametrize("place", OTHER_PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_is_worth_nothing_at_another_place(kind: str, place: str) -> None:
    assert not check.verify(cases()[kind].at(OTHER_PLACES[place]))


@pytest.mark.parametrize("kind", ranges.KINDS)
def test_a_proof_of_one_type_is_none_of_another(kind: str) -> None:
    made = cases()[kind].true
    for other in ranges.KINDS:
        again = ranges.assertion(other, WHERE, [point(METERED)], [(30, 50)], made.proof)
        assert check.verify(again) is (other == kind)


@pytest.mark.parametrize("kind", KINDS)
def test_no_point_can_be_replaced_under_a_proof(kind: str) -> None:
    """Re-randomised commitments among them: the value stays, the blinding does not."""
    true = cases()[kind].true
    for path in points(fields(true)):
        moved = native.decode_point(at(fields(true), path)) + bases().H
        for by in (moved.to_bytes(), IDENTITY, OFF_CURVE, WRONG_SUBGROUP, b"", bytes(POINT_BYTES)):
            assert not check.verify(changed(true, path, by)), (path, by.hex())


def test_no_point_has_a_second_encoding_in_a_statement() -> None:
    tried = 0
    for kind in KINDS:
        true = cases()[kind].true
        for path in points(fields(true)):
            if (again := second_encoding(at(fields(true), path))) is not None:
                assert not check.verify(changed(true, path, again))
                tried += 1
    assert tried > 3


def test_the_hostile_points_are_what_they_are_called() -> None:
    """By the second implementation: one lies on no curve, the other on it and outside the subgroup."""
    with pytest.raises(ValueError, match="not on G1"):
        decompress_G1(int.from_bytes(OFF_CURVE))
    outside = decompress_G1(int.from_bytes(WRONG_SUBGROUP))
    assert not is_inf(multiply(outside, ORDER))


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_truncated_extended_or_empty_is_none(kind: str) -> None:
    true = cases()[kind].true
    for proof in (true.proof[:-1], true.proof + b"\0", true.proof[1:], true.proof * 2, b""):
        assert not check.verify(true._replace(proof=proof))


@pytest.mark.parametrize("kind", KINDS)
def test_no_scalar_of_a_proof_may_be_written_as_one_from_the_order_up(kind: str) -> None:
    """Each proof ends with a scalar, and a sigma proof has its responses behind its commitments."""
    true = cases()[kind].true
    places = [len(true.proof) - 32]
    if kind in ("known-difference", "green-share"):
        places.append(48)
    for at_ in places:
        more = int.from_bytes(true.proof[at_ : at_ + 32]) + ORDER
        proof = true.proof[:at_] + more.to_bytes(32) + true.proof[at_ + 32 :]
        assert len(proof) == len(true.proof)
        assert not check.verify(true._replace(proof=proof))


@settings(max_examples=4)
@given(st.data())
@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_with_any_bit_flipped_is_none(kind: str, data: st.DataObject) -> None:
    true = cases()[kind].true
    bit = data.draw(st.integers(0, 8 * len(true.proof) - 1))
    flipped = bytearray(true.proof)
    flipped[bit // 8] ^= 1 << bit % 8
    assert not check.verify(true._replace(proof=bytes(flipped)))


@settings(max_examples=40)
@given(st.sampled_from([*KINDS, "unknown"]), st.binary(max_size=40), st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_make_the_door_raise(kind: str, tag: bytes, instance: bytes, proof: bytes) -> None:
    assert not check.verify(Assertion(kind, tag, instance, proof))


@pytest.mark.parametrize("kind", KINDS)
def test_an_instance_has_one_encoding(kind: str) -> None:
    true = cases()[kind].true
    for instance in (true.instance + b"\0", true.instance[:-1], b"\xdc\x00" + true.instance):
        assert not check.verify(true._replace(instance=instance))
