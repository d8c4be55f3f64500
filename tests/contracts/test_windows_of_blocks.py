"""Windows: whoever speaks at the beginning is heard, and nobody who is away holds anything up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from ceremony_world import Sealers, sealed_pact

from contracts.ceremony import window
from contracts.ceremony.records import Window


def lasts(proposers: Iterable[str], seats: int = 4, window_blocks: int = 1, most: int = 60) -> int:
    """Blocks of a window whose blocks these organisations propose, until it is over; `most` if it never is."""
    chain = Sealers(sealed_pact(seats, window_blocks=window_blocks))
    state, height = chain.state(), chain.height
    begun = context = chain.context()._replace(height=height)
    open_ = window.begin(begun)
    for made, name in enumerate(proposers):
        height += 1
        context = context._replace(height=height, proposer=f"node-{name}-0")
        if window.is_over(state, context, open_):
            return made
        if made >= most:
            break
        open_ = window.hear(state, context, open_)
    return most


def turns(names: str) -> Iterable[str]:
    while True:
        yield from names


@pytest.mark.parametrize(("seats", "names", "blocks"), [(4, "abcd", 4), (7, "abcdefg", 5), (10, "abcdefghij", 6)])
def test_a_window_hears_two_proposers_more_than_exceed_a_third(seats: int, names: str, blocks: int) -> None:
    """Of equal power: two of four, three of seven, four of ten exceed a third."""
    assert lasts(turns(names), seats) == blocks


def test_a_window_has_as_many_blocks_as_the_parameters_say() -> None:
    assert lasts(turns("abcd"), window_blocks=9) == 9


def test_a_proposer_counts_once_however_many_blocks_it_makes() -> None:
    assert lasts(turns("aaab")) == 8
    assert lasts(turns("aabbccdd")) == 7


def test_organisations_that_are_away_hold_nobody_up_for_more_than_two_turns() -> None:
    assert lasts(turns("abc")) == 8
    assert lasts(turns("abcde"), seats=7) == 5


def test_proposers_of_up_to_a_third_end_no_window() -> None:
    """They could leave out what they do not like for ever."""
    assert lasts(turns("a")) == 60
    assert lasts(turns("ab"), seats=7) == 60


def test_who_has_no_seat_is_not_heard() -> None:
    assert lasts(turns("xyz")) == 60


def test_the_block_that_opens_a_window_does_not_count() -> None:
    chain = Sealers()
    context = chain.context()
    assert window.hear(chain.state(), context, Window(context.height)) == Window(context.height)
