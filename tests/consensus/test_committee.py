"""The risk of a committee: known answers, and exact against counting every committee."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.committee import DRAWS_PER_YEAR, breaking_point, draw, repeated, risk
from zk.hashing import domain


@pytest.mark.parametrize(("seats", "draw", "year"), [(200, "2.7e-07", "1.0e-04"), (250, "2.0e-09", "7.3e-07")])
def test_a_fifth_bad_of_a_thousand(seats: int, draw: str, year: str) -> None:
    once = risk(1_000, 200, seats)
    assert f"{float(once):.1e}" == draw
    assert f"{float(repeated(once, DRAWS_PER_YEAR)):.1e}" == year


@given(st.integers(1, 9), st.data())
def test_the_risk_is_the_share_of_all_committees(members: int, data: st.DataObject) -> None:
    seats, bad = data.draw(st.integers(1, members)), data.draw(st.integers(0, members))
    drawn = list(combinations(range(members), seats))
    broken = [one for one in drawn if 3 * sum(member < bad for member in one) >= seats]
    assert risk(members, bad, seats) == Fraction(len(broken), len(drawn))


@given(st.integers(1, 60), st.data())
def test_more_bad_members_never_help(members: int, data: st.DataObject) -> None:
    seats, bad = data.draw(st.integers(1, members)), data.draw(st.integers(0, members - 1))
    assert 0 <= risk(members, bad, seats) <= risk(members, bad + 1, seats) <= 1


def test_a_third_is_enough_to_stop_it() -> None:
    assert [breaking_point(seats) for seats in (1, 2, 3, 4, 6, 7, 200)] == [1, 1, 1, 2, 2, 3, 67]


def test_a_year_is_as_many_draws() -> None:
    assert repeated(Fraction(1, 2), 3) == Fraction(7, 8)
    assert repeated(Fraction(0), 365) == 0
    assert repeated(Fraction(1), 1) == 1


@pytest.mark.parametrize(("members", "bad", "seats"), [(4, 5, 1), (4, -1, 1), (4, 1, 0), (4, 1, 5), (0, 0, 1)])
def test_impossible_draws_are_refused(members: int, bad: int, seats: int) -> None:
    with pytest.raises(ValueError, match="can not be"):
        risk(members, bad, seats)


def test_every_committee_is_drawn_equally_often() -> None:
    members = [f"m-{number}" for number in range(5)]
    drawn = Counter(draw(domain("committee", "test") + bytes([at >> 8, at & 255]), members, 3) for at in range(2_000))
    assert len(drawn) == comb(5, 3) and all(list(one) == sorted(set(one)) for one in drawn)
    # Chi-square with 9 degrees of freedom: 27.9 is passed by one in a thousand.
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 27.9
    assert draw(b"", members, 9) == tuple(members), "no more than there are"
