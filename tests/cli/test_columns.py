"""Tables on any screen: nothing is cut or broken, nothing is lost, and no line is longer than it has to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.columns import GAP, MAX_HEIGHT, RULE, paired, tabulated, width_of, wrapped
from node.cli.output import table

WORDS = st.text(st.sampled_from("abc0123456789.,-()/é中⚡"), min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=5).map(" ".join)
HASHES = st.sampled_from(["", "0a" * 32, "9be2aa2142e0b9bc814405257411409334ea4acd80cfd11b8d60a46f3096eb1a"])

Made = tuple[list[str], list[list[str]], list[str]]


@st.composite
def tables(draw: st.DrawFn) -> Made:
    count = draw(st.integers(1, 9))
    headings = draw(st.lists(CELLS.filter(bool), min_size=count, max_size=count, unique=True))
    cell = st.one_of(CELLS, HASHES)
    rows = draw(st.lists(st.lists(cell, min_size=count, max_size=count), min_size=1, max_size=8))
    right = draw(st.lists(st.sampled_from(headings), unique=True))
    return headings, rows, right


def words(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in text.split() if set(word) != {RULE})


def longest(made: Made) -> int:
    headings, rows, _ = made
    return max(map(width_of, words(cell for row in (headings, *rows) for cell in row)), default=0)


@given(tables(), st.integers(1, 140))
def test_no_word_is_lost_broken_or_made_up(made: Made, width: int) -> None:
    headings, rows, right = made
    printed = words(tabulated(headings, rows, right, width))
    given_ = words(cell for row in (headings, *rows) for cell in row)
    assert printed >= given_, given_ - printed
    # What stands there twice are headings, and the first column where others go on below.
    assert printed.keys() == given_.keys()


@given(tables(), st.integers(1, 140), st.booleans())
def test_only_a_word_as_long_as_the_screen_makes_a_longer_line(made: Made, width: int, tight: bool) -> None:
    headings, rows, right = made
    if tight:
        # As wide as it is by itself, but for a character or two.
        natural = [max(map(width_of, column)) for column in zip(headings, *rows, strict=True)]
        width = max(1, sum(natural) + GAP * (len(natural) - 1) - 1 - width % 2)
    lines = tabulated(headings, rows, right, width)
    assert max(map(width_of, lines)) <= max(width, longest(made) + GAP)


@given(tables(), st.integers(1, 140))
def test_a_table_that_fits_is_one_row_a_line(made: Made, width: int) -> None:
    headings, rows, right = made
    natural = [max(map(width_of, column)) for column in zip(headings, *rows, strict=True)]
    lines = tabulated(headings, rows, right, sum(natural) + GAP * (len(natural) - 1))
    assert len(lines) == len(rows) + 2
    for row, line in zip(rows, lines[2:], strict=True):
        assert line.split() == " ".join(row).split()


@given(tables(), st.integers(20, 140))
def test_rows_of_a_table_stay_low(made: Made, width: int) -> None:
    headings, rows, right = made
    lines = tabulated(headings, rows, right, width)
    ruled = [at for at, line in enumerate(lines) if RULE in line]
    if len(ruled) == 1:
        # One table: its rows have at most so many lines, or it would have been drawn in another way.
        assert len(lines) - ruled[0] - 1 <= MAX_HEIGHT * len(rows)


@given(st.lists(st.tuples(CELLS, st.one_of(CELLS, HASHES)), min_size=1, max_size=6), st.integers(1, 140))
def test_pairs_lose_nothing_either(pairs: list[tuple[str, str]], width: int) -> None:
    lines = paired(pairs, width)
    assert words(lines) == words(text for pair in pairs for text in pair)
    most = max((width_of(word) for pair in pairs for text in pair for word in text.split()), default=0)
    assert max(map(width_of, lines)) <= max(width, most + GAP)


@given(CELLS, st.integers(1, 60))
def test_text_wraps_between_words_as_late_as_it_can(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert " ".join(lines).split() == text.split()
    for line, following in pairwise(lines):
        assert width_of(line) + 1 + width_of(following.split()[0]) > width


def test_a_line_is_as_long_as_it_may_be() -> None:
    assert wrapped("ab cd ef gh", 5) == ["ab cd", "ef gh"]


HEADINGS = ["Meter", "Energy (Wh)", "Price (currency/kWh)"]
ROWS = [["solar-pv", "1,000", "0.095"], ["wind-turbines", "20", "-"]]


def test_columns_wrap_their_headings_first() -> None:
    assert tabulated(HEADINGS, ROWS, HEADINGS[1:], 60) == [
        "Meter          Energy (Wh)  Price (currency/kWh)",
        "─────────────  ───────────  ────────────────────",
        "solar-pv             1,000                 0.095",
        "wind-turbines           20                     -",
    ]
    assert tabulated(HEADINGS, ROWS, HEADINGS[1:], 40) == [
        "               Energy           Price",
        "Meter            (Wh)  (currency/kWh)",
        "─────────────  ──────  ──────────────",
        "solar-pv        1,000           0.095",
        "wind-turbines      20               -",
    ]


def test_a_heading_gives_way_before_a_cell_does() -> None:
    assert tabulated(["Name of all", "Text"], [["x", "two words here"]], [], 20) == [
        "Name",
        "of",
        "all   Text",
        "────  ──────────────",
        "x     two words here",
    ]


def test_few_rows_become_records_and_many_go_on_below() -> None:
    assert tabulated(HEADINGS, ROWS[:1], HEADINGS[1:], 28) == [
        "Meter           solar-pv",
        "Energy (Wh)     1,000",
        "Price           0.095",
        "(currency/kWh)",
    ]
    many = [["solar-pv", "1,000", "0.095"]] * 5
    assert tabulated(HEADINGS, many, HEADINGS[1:], 26)[:3] == [
        "Meter     Energy (Wh)",
        "────────  ───────────",
        "solar-pv        1,000",
    ]


def test_wide_letters_count_for_what_they_take() -> None:
    assert [width_of(text) for text in ("abc", "中文", "é", "e\u0301")] == [3, 4, 1, 1]
    lines = tabulated(["名", "x"], [["中文", "1"], ["a", "2"]], ["x"], 20)
    assert {width_of(line) for line in lines} == {7}


def test_a_table_without_rows_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    table("Offsets", ["Serial", "Amount (kg)"], [])
    assert capsys.readouterr().out == "Offsets: none.\n"


def test_the_screen_decides(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for columns in ("40", "60", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        table("A title that is longer than forty characters are", HEADINGS, ROWS)
        assert all(len(line) <= int(columns) for line in capsys.readouterr().out.splitlines())


def test_control_characters_reach_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    table("t\x1b[2J", ["a"], [["b\x1b]0;c\x07"]])
    assert "\x1b" not in capsys.readouterr().out
