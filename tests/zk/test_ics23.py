"""ICS-23 proofs: google's protobuf reads and writes the same bytes, and the published rules accept the same proofs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk import naive
from tests.zk import protobuf_oracle as oracle
from zk import ics23
from zk.sparse import Absence, Presence

KEYS = [b"key-%d" % number for number in range(30)] + naive.crowd(9, 4)
records_ = st.dictionaries(st.sampled_from(KEYS), st.binary(min_size=1, max_size=300), min_size=1, max_size=16)


@pytest.mark.properties
@settings(max_examples=60)
@given(records_)
def test_the_published_rules_accept_what_we_prove(records: dict[bytes, bytes]) -> None:
    root = naive.root(records)
    for key in KEYS:
        if key in records:
            proof = ics23.encode(naive.presence(records, key))
            assert oracle.verify_membership(root, key, records[key], proof)
            assert ics23.verify_membership(root, key, records[key], proof)
            assert not ics23.verify_membership(root, key, records[key] + b"!", proof)
            assert not ics23.verify_membership(bytes(32), key, records[key], proof)
            assert not ics23.verify_non_membership(root, key, proof)
        else:
            proof = ics23.encode(naive.absence(records, key))
            assert oracle.verify_non_membership(root, key, proof)
            assert ics23.verify_non_membership(root, key, proof)
            assert not ics23.verify_non_membership(root, key + b"!", proof)
            assert not ics23.verify_membership(root, key, b"", proof)
        assert oracle.CommitmentProof.FromString(proof).SerializeToString(deterministic=True) == proof


@pytest.mark.properties
@settings(max_examples=60)
@given(records_, st.sampled_from(KEYS))
def test_decoding_gives_back_what_was_encoded(records: dict[bytes, bytes], key: bytes) -> None:
    proof: Presence | Absence
    proof = naive.presence(records, key) if key in records else naive.absence(records, key)
    assert ics23.decode(ics23.encode(proof)) == proof


@pytest.mark.properties
@settings(max_examples=300)
@given(records_, st.sampled_from(KEYS), st.data())
def test_no_changed_bytes_prove_anything(records: dict[bytes, bytes], key: bytes, data: st.DataObject) -> None:
    present = key in records
    raw = ics23.encode(naive.presence(records, key) if present else naive.absence(records, key))
    at = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "append", "double"])):
        case "flip":
            changed = raw[:at] + bytes((raw[at] ^ 1 << data.draw(st.integers(0, 7)),)) + raw[at + 1 :]
        case "cut":
            changed = raw[:at]
        case "insert":
            changed = raw[:at] + data.draw(st.binary(min_size=1, max_size=8)) + raw[at:]
        case "append":
            changed = raw + data.draw(st.binary(min_size=1, max_size=8))
        case _:
            changed = raw + raw
    if changed == raw:
        return
    root = naive.root(records)
    if present:
        assert not ics23.verify_membership(root, key, records[key], changed)
    assert not ics23.verify_non_membership(root, key, changed)


@pytest.mark.properties
@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_garbage_proves_nothing_and_raises_nothing(raw: bytes) -> None:
    assert not ics23.verify_membership(bytes(32), b"key", b"value", raw)
    assert not ics23.verify_non_membership(bytes(32), b"key", raw)


def _changed(change: str) -> bytes:
    """A valid proof of one leaf of two, changed as a protobuf message, not as bytes."""
    records = {b"key-1": b"one", b"key-2": b"two"}
    proof = oracle.CommitmentProof.FromString(ics23.encode(naive.presence(records, b"key-1")))
    leaf, step = proof.exist.leaf, proof.exist.path[0]
    match change:
        case "nothing":
            pass
        case "leaf hash":
            leaf.hash = 2
        case "key not prehashed":
            leaf.prehash_key = 0
        case "length":
            leaf.length = 1
        case "leaf prefix":
            leaf.prefix = b"\0\0"
        case "inner hash":
            step.hash = 0
        case "inner prefix":
            step.prefix = b"\2" + step.prefix[1:]
        case "other side":
            step.prefix, step.suffix = (b"\1", step.prefix[1:]) if len(step.prefix) > 1 else (b"\1" + step.suffix, b"")
        case "both sides":
            step.prefix, step.suffix = b"\1" + bytes(32), bytes(32)
        case "no leaf":
            proof.exist.ClearField("leaf")
    return bytes(proof.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    "change",
    [
        "leaf hash",
        "key not prehashed",
        "length",
        "leaf prefix",
        "inner hash",
        "inner prefix",
        "other side",
        "both sides",
        "no leaf",
    ],
)
def test_well_formed_messages_outside_the_spec_are_refused(change: str) -> None:
    root = naive.root({b"key-1": b"one", b"key-2": b"two"})
    assert ics23.verify_membership(root, b"key-1", b"one", _changed("nothing"))
    assert ics23.decode(_changed(change)) is None


def test_a_second_encoding_of_a_valid_proof_is_refused() -> None:
    records = {b"key-1": b"one", b"key-2": b"two"}
    root = naive.root(records)
    raw = ics23.encode(naive.presence(records, b"key-1"))
    assert raw[0] == 0x0A
    inner = raw[2:]
    assert len(inner) == raw[1] < 0x80
    for second in (
        b"\x0a" + bytes((raw[1] | 0x80, 0)) + inner,  # length with a leading zero group
        raw + b"\x48\x00",  # unknown field
        b"\x0a" + bytes((raw[1] + 2,)) + inner + b"\x0a\x00",  # key given twice
    ):
        assert oracle.CommitmentProof.FromString(second) is not None
        assert not ics23.verify_membership(root, b"key-1", b"one", second)


def test_oversized_proofs_are_not_parsed() -> None:
    assert ics23.decode(b"\x0a" * (ics23.MAX_PROOF_BYTES + 1)) is None
