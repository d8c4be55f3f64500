"""Digits in exact ranges: what they reach, and what no choice of them reaches."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.zk.naive_range_proof import weights_of
from zk.digits import digits, weights

spans = st.integers(0, (1 << 64) - 1) | st.integers(0, 64).flatmap(
    lambda k: st.integers(-2, 2).map(lambda off: min(max(0, (1 << k) + off), (1 << 64) - 1))
)


@pytest.mark.parametrize("span", range(40))
def test_every_choice_of_digits_stays_in_the_span_and_every_number_of_it_has_one(span: int) -> None:
    reached = {
        sum(d * w for d, w in zip(choice, weights(span), strict=True))
        for choice in product((0, 1), repeat=len(weights(span)))
    }
    assert reached == set(range(span + 1))


@given(spans, st.data())
def test_digits_are_bits_that_sum_up_to_the_number(span: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, span))
    found = digits(number, span)
    assert set(found) <= {0, 1}
    assert sum(d * w for d, w in zip(found, weights(span), strict=True)) == number


@given(spans)
def test_weights_add_up_to_the_span(span: int) -> None:
    assert sum(weights(span)) == span
    assert weights(span) == weights_of(span)
    assert len(weights(span)) <= 64


@given(spans, st.integers(1, 1 << 70))
def test_a_number_outside_has_no_digits(span: int, beyond: int) -> None:
    for number in (-beyond, span + beyond):
        with pytest.raises(ValueError, match="outside"):
            digits(number, span)
