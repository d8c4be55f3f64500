"""Commitments: they are what their bases say, and add up."""

from __future__ import annotations

import pytest

from zk.group import ORDER, native
from zk.group.bases import bases
from zk.pedersen import commit

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
