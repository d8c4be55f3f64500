"""What a seat takes, and who waits where more wants to change than an epoch may."""

from __future__ import annotations

from math import isqrt

import pytest
from epoch_world import BAR, BLOCKS, Epochs, letters, pact_of, powers_of
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import START_MS

from contracts import epochs
from contracts.genesis import ConsensusParams
from contracts.units import MAX_TOKENS, PPM


def test_the_beacon_says_who_waits_where_more_comes_than_may() -> None:
    """Six of equal bond come to six: not all of them at once, and which says the mix, the epoch and the chain."""
    chain = Epochs(pact_of(letters(*[10**4] * 6, *[0] * 6)))
    for name in "ghijkl":
        chain.set(name, 10**4)
    store, arrived = dict(chain.store), set()
    for number in range(30):
        chain.store, chain.height, chain.mix = dict(store), 0, bytes([number]) * 32
        come = set(powers_of(chain.end())) & set("ghijkl")
        assert 0 < len(come) < 6
        arrived |= come
    assert arrived == set("ghijkl")
    seeds = {
        epochs.terms(name, bytes([mix]) * 32, ended, START_MS, ConsensusParams()).turns
        for name in ("x", "y")
        for mix in range(2)
        for ended in range(2)
    }
    assert len(seeds) == 8


@given(st.integers(1, 10**6), st.integers(0, PPM), st.integers(0, 10**7), st.integers(0, 10**7))
def test_below_the_bar_nobody_weighs_and_more_bond_never_weighs_less(bar: int, index: int, one: int, two: int) -> None:
    less, more = (epochs.seat_weight(bond, index, bar) for bond in sorted((one, two)))
    assert less <= more
    assert epochs.seat_weight(bar - 1, PPM, bar) == 0 < epochs.seat_weight(bar, PPM, bar) == isqrt(bar)


def test_who_falls_below_the_bar_goes_as_with_any_change_and_never_the_fourth() -> None:
    chain = Epochs(pact_of(letters(400, 400, 400, 400, 400)))
    chain.set("a", BAR - 1)
    made = chain.end()
    assert made.number == 2 and powers_of(made) == dict.fromkeys("bcde", 20)
    assert "a" in epochs.powers(chain.state(), 2 * BLOCKS), "two epochs later"
    chain.set("b", BAR - 1)
    assert powers_of(chain.end()) == dict.fromkeys("bcde", 20)
    chain.set("a", BAR)
    assert powers_of(chain.end())["a"] == 10
    assert "b" not in powers_of(chain.end())


@pytest.mark.parametrize(
    ("bonds", "shares"),
    [
        # One giant has 30% of the power, or 20% from seven on, however much it bonds.
        ((MAX_TOKENS // 2, BAR, BAR, BAR), (12, 10, 10, 10)),
        ((MAX_TOKENS // 2, BAR, BAR, BAR - 1), ()),
        ((MAX_TOKENS // 2, 10**6, 10**6, 10**6), (1285, 1000, 1000, 1000)),
        ((MAX_TOKENS // 2, 10**6, 10**6, 10**6, 10**6, 10**6, 10**6), (1500, *[1000] * 6)),
        # Who is at the bar lowers the cap for all, since it is an organisation too: six have 1/5 together for as many
        # bars. What keeps them out is admission; no four others can have less than 4/5.
        ((10**6, 10**6, 10**6, 10**6, *[BAR] * 6), (60, 60, 60, 60, *[10] * 6)),
        ((10**6, 10**6, 10**6, 10**6, *[BAR - 1] * 6), (1000,) * 4),
    ],
)
def test_giants_and_dust(bonds: tuple[int, ...], shares: tuple[int, ...]) -> None:
    first, _ = epochs.founding(pact_of(letters(*bonds)))
    assert tuple(powers_of(first).values()) == shares
