"""The sparse tree's proofs: what is in it can be shown, what is not can't, and no changed proof passes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zk import naive
from zk.sparse import (
    EMPTY,
    Absence,
    Presence,
    fold,
    inner_hash,
    leaf_hash,
    verify_absence,
    verify_presence,
)

KEYS = [b"key-%d" % number for number in range(40)] + naive.crowd(9, 6)
records_ = st.dictionaries(st.sampled_from(KEYS), st.binary(min_size=1, max_size=40), min_size=1, max_size=24)


def test_hashes_are_those_of_the_definition() -> None:
    digest = hashlib.sha256
    key, value = b"key", b"value"
    assert leaf_hash(key, value) == digest(b"\0" + digest(key).digest() + digest(value).digest()).digest()
    assert inner_hash(EMPTY, leaf_hash(key, value)) == digest(b"\1" + EMPTY + leaf_hash(key, value)).digest()
    assert bytes(32) == EMPTY


def test_a_tree_of_one_leaf_is_that_leaf() -> None:
    root = leaf_hash(b"a", b"1")
    assert verify_presence(root, Presence(b"a", b"1", ()))
    assert verify_absence(root, Absence(b"b", *_sides(b"a", b"b", Presence(b"a", b"1", ()))))


def _sides(held: bytes, asked: bytes, leaf: Presence) -> tuple[Presence | None, Presence | None]:
    before = hashlib.sha256(held).digest() < hashlib.sha256(asked).digest()
    return (leaf, None) if before else (None, leaf)


def test_inner_nodes_with_one_empty_child_stay() -> None:
    first, second = naive.crowd(9, 2)
    records = {first: b"1", second: b"2"}
    proof = naive.presence(records, first)
    assert len(proof.siblings) >= 10
    assert proof.siblings[-9:] == (EMPTY,) * 9
    assert verify_presence(naive.root(records), proof)


@pytest.mark.properties
@settings(max_examples=60)
@given(records_)
def test_every_key_is_proven_present_or_absent_and_never_both(records: dict[bytes, bytes]) -> None:
    root = naive.root(records)
    for key in KEYS[:20] + KEYS[-6:]:
        if key in records:
            proof = naive.presence(records, key)
            assert verify_presence(root, proof)
            assert not verify_presence(root, proof._replace(value=proof.value + b"!"))
            # Its own neighbours as an alibi for its absence.
            rest = {other: value for other, value in records.items() if other != key}
            if rest:
                alibi = naive.absence(rest, key)
                left = None if alibi.left is None else naive.presence(records, alibi.left.key)
                right = None if alibi.right is None else naive.presence(records, alibi.right.key)
                assert not verify_absence(root, Absence(key, left, right))
        else:
            absence = naive.absence(records, key)
            assert verify_absence(root, absence)
            assert not verify_absence(root, absence._replace(left=None, right=None))
            if absence.left is not None and absence.right is not None:
                assert not verify_absence(root, absence._replace(left=None))
                assert not verify_absence(root, absence._replace(right=None))
                assert not verify_absence(root, Absence(key, absence.right, absence.left))


@pytest.mark.properties
@settings(max_examples=60)
@given(records_, st.data())
def test_only_the_true_neighbours_show_that_a_key_is_absent(records: dict[bytes, bytes], data: st.DataObject) -> None:
    ordered = [key for _, key, _ in naive.leaves(records)]
    asked = data.draw(st.sampled_from(sorted(records)) | st.sampled_from(KEYS))
    root = naive.root(records)
    true = None if asked in records else naive.absence(records, asked)
    for left in [None, *ordered]:
        for right in [None, *ordered]:
            claim = Absence(
                asked,
                None if left is None else naive.presence(records, left),
                None if right is None else naive.presence(records, right),
            )
            assert verify_absence(root, claim) == (claim == true)


@pytest.mark.properties
@settings(max_examples=60)
@given(records_, st.data())
def test_a_changed_proof_fails(records: dict[bytes, bytes], data: st.DataObject) -> None:
    root = naive.root(records)
    proof = naive.presence(records, data.draw(st.sampled_from(sorted(records))))
    siblings = list(proof.siblings)
    changes = ["grow", "key", "empty"] + (["flip", "drop", "short", "swap"] if siblings else [])
    match data.draw(st.sampled_from(changes)):
        case "flip":
            at = data.draw(st.integers(0, len(siblings) - 1))
            bit = data.draw(st.integers(0, 255))
            siblings[at] = (int.from_bytes(siblings[at], "big") ^ 1 << bit).to_bytes(32, "big")
        case "drop":
            del siblings[data.draw(st.integers(0, len(siblings) - 1))]
        case "short":
            siblings[0] = siblings[0][:-1]
        case "swap":
            siblings[0] = leaf_hash(proof.key, proof.value)
        case "grow":
            siblings.insert(data.draw(st.integers(0, len(siblings))), EMPTY)
        case "key":
            proof = proof._replace(key=proof.key + b"!")
        case _:
            proof = proof._replace(value=b"")
    assert not verify_presence(root, proof._replace(siblings=tuple(siblings)))


def test_proofs_deeper_than_the_tree_are_refused() -> None:
    root = leaf_hash(b"a", b"1")
    assert not verify_presence(root, Presence(b"a", b"1", (EMPTY,) * 257))


@pytest.mark.parametrize(
    "presence",
    [
        Presence(b"", b"1", ()),
        Presence(b"a", b"", ()),
        Presence(b"a", b"1", (bytes(31),)),
        Presence(b"a", b"1", (bytes(64),)),
        Presence(b"a", b"1", (EMPTY,) * 257),
    ],
)
def test_what_can_belong_to_no_tree_has_no_root(presence: Presence) -> None:
    assert fold(presence) is None
