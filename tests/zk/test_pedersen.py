"""Commitments: they open to one value, add up, and hide two values of one purpose under two blindings."""

from __future__ import annotations

import pytest

from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit, derive_blinding

ONE = (1).to_bytes(32, "big")


def _blinding(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_commitment_is_the_sum_of_its_bases() -> None:
    known = bases()
    by_hand = native.multiexp([known.V, known.H], [native.scalar(5), native.scalar(9)])
    assert commit(5, _blinding(9)) == by_hand
    key = known.B.times_secret(native.scalar(3))
    on_key = native.multiexp([known.V, key], [native.scalar(5), native.scalar(9)])
    assert commit(5, _blinding(9), base=key.to_bytes()) == on_key


def test_commitments_add_up() -> None:
    assert commit(5, _blinding(9)) + commit(7, _blinding(ORDER - 1)) == commit(12, _blinding(8))


@pytest.mark.parametrize(
    ("value", "blinding"), [(-1, ONE), (ORDER, ONE), (1, _blinding(ORDER)), (1, ONE[1:]), (1, ONE + ONE)]
)
def test_what_is_no_scalar_is_refused(value: int, blinding: bytes) -> None:
    with pytest.raises(ValueError):
        commit(value, blinding)


def test_a_blinding_includes_the_value_the_purpose_the_key_and_the_entropy() -> None:
    known = {
        derive_blinding(b"k", 5, purpose=b"p"),
        derive_blinding(b"k", 6, purpose=b"p"),
        derive_blinding(b"k", 5, purpose=b"q"),
        derive_blinding(b"l", 5, purpose=b"p"),
        derive_blinding(b"k", 5, purpose=b"p", entropy=b"e"),
        derive_blinding(b"kp", 5, purpose=b""),
    }
    assert len(known) == 6
    assert all(len(one) == 32 and 0 < int.from_bytes(one, "big") < ORDER for one in known)
    assert derive_blinding(b"k", 5, purpose=b"p") in known


@pytest.mark.parametrize("value", [-1, ORDER])
def test_no_blinding_is_derived_for_what_can_not_be_committed_to(value: int) -> None:
    with pytest.raises(ValueError, match="below the order"):
        derive_blinding(b"k", value, purpose=b"p")
