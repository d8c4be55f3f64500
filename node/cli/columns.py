"""Tables as lines of text for a screen of some width: nothing is cut, and no word, number or hash is ever broken.

What does not fit side by side wraps its headings between words, then its cells; what would get too high by that
goes on below, with its first column again, or becomes a list of records. Only a word that is as long as the screen
makes a longer line. Knows nothing of terminals.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

GAP = 2
"""Characters between columns."""
MAX_HEIGHT = 3
"""Lines of a row; one that would be higher is shown in another way."""
FEW_ROWS = 4
"""So many rows at most are a list of records where they are no table."""
RULE = "─"


class Column(NamedTuple):
    """A column with the cells of all rows."""

    heading: str
    cells: tuple[str, ...]
    right: bool = False

    @property
    def natural(self) -> int:
        """Width at which nothing wraps."""
        return max(width_of(self.heading), self.unwrapped)

    @property
    def unwrapped(self) -> int:
        """Width at which no cell wraps, and no word of the heading breaks."""
        return max(_longest_word(self.heading), *map(width_of, self.cells), 0)

    @property
    def least(self) -> int:
        """Width below which a word would break."""
        return max(_longest_word(self.heading), *map(_longest_word, self.cells), 0)


def tabulated(headings: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[str], width: int) -> list[str]:
    """Lines of a table with at least one row; `right` names the headings of columns that are aligned right."""
    listed = [tuple(row) for row in rows]
    numbers = set(right)
    cells = zip(*listed, strict=True)
    columns = [Column(heading, own, heading in numbers) for heading, own in zip(headings, cells, strict=True)]
    if (widths := _widths(columns, width)) is not None:
        return _drawn(columns, widths)
    if len(listed) > FEW_ROWS and columns[0].unwrapped <= width // 2:
        parts = [(part, _widths(part, width, highest=None)) for part in _parts(columns, width)]
        drawn = [_drawn(part, widths) for part, widths in parts if widths is not None]
        if len(drawn) == len(parts):
            return _spaced(drawn)
    return _spaced([paired(list(zip(headings, row, strict=True)), width) for row in listed])


def paired(pairs: Sequence[tuple[str, str]], width: int) -> list[str]:
    """Lines of names with their values; a value that would break beside its name stands below it."""
    names = max((width_of(name) for name, _ in pairs), default=0)
    names = min(names, max(width // 2 - GAP, *(_longest_word(name) for name, _ in pairs), 0))
    room = max(width - names - GAP, 0)
    lines = []
    for name, value in pairs:
        left = wrapped(name, names)
        beside = _longest_word(value) <= room
        values = wrapped(value, room) if beside else [""] * len(left)
        for at in range(max(len(left), len(values))):
            start = _filled(left[at] if at < len(left) else "", names)
            lines.append(f"{start}{' ' * GAP}{values[at] if at < len(values) else ''}".rstrip())
        if not beside:
            lines += [f"{' ' * GAP}{part}" for part in wrapped(value, width - GAP)]
    return lines


def wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width`, broken between words alone: a longer word has a line of its own."""
    if width_of(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split():
        if lines and width_of(lines[-1]) + 1 + width_of(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _spaced(blocks: Sequence[list[str]]) -> list[str]:
    """Blocks of lines with a blank line between two of them."""
    return [line for at, block in enumerate(blocks) for line in ([""] if at else []) + block]


def width_of(text: str) -> int:
    """Places that printable text takes on a screen."""
    return len(text) if text.isascii() else sum(map(_places, text))


def _places(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _longest_word(text: str) -> int:
    return max(map(width_of, text.split()), default=0)


def _widths(columns: Sequence[Column], room: int, highest: int | None = MAX_HEIGHT) -> list[int] | None:
    """Widths at which all columns fit side by side, wrapping as little as can be; None: there are none."""
    room -= GAP * (len(columns) - 1)
    natural = [one.natural for one in columns]
    for chosen in (natural, [one.unwrapped for one in columns], [one.least for one in columns]):
        if sum(chosen) <= room:
            break
    else:
        return None
    for _ in range(min(room, sum(natural)) - sum(chosen)):
        # What is left goes where most is missing.
        chosen[max(range(len(columns)), key=lambda at: natural[at] - chosen[at])] += 1
    broken = [[wrapped(cell, width) for cell in one.cells] for one, width in zip(columns, chosen, strict=True)]
    if highest is not None and any(len(cell) > highest for own in broken for cell in own):
        return None
    # A column that wraps in spite of its share needs less of it.
    headings = [wrapped(one.heading, width) for one, width in zip(columns, chosen, strict=True)]
    parts = ([heading, *own] for heading, own in zip(headings, broken, strict=True))
    return [max(width_of(line) for cell in own for line in cell) for own in parts]


def _parts(columns: Sequence[Column], room: int) -> list[list[Column]]:
    """The columns in groups that fit one below the other, each with the first column in front."""
    key, parts = columns[0], [[columns[0]]]
    for column in columns[1:]:
        taken = sum(one.unwrapped + GAP for one in parts[-1])
        if len(parts[-1]) > 1 and taken + column.unwrapped > room:
            parts.append([key])
        parts[-1].append(column)
    return parts


def _drawn(columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    headings = [wrapped(one.heading, width) for one, width in zip(columns, widths, strict=True)]
    high = max(map(len, headings))
    lines = _row(columns, widths, [[""] * (high - len(heading)) + heading for heading in headings])
    lines.append((" " * GAP).join(RULE * width for width in widths))
    for cells in zip(*(one.cells for one in columns), strict=True):
        lines += _row(columns, widths, [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)])
    return lines


def _row(columns: Sequence[Column], widths: Sequence[int], cells: Sequence[list[str]]) -> list[str]:
    lines = []
    for at in range(max(map(len, cells))):
        parts = [
            _filled(cell[at] if at < len(cell) else "", width, right=one.right)
            for one, width, cell in zip(columns, widths, cells, strict=True)
        ]
        lines.append((" " * GAP).join(parts).rstrip())
    return lines


def _filled(text: str, width: int, *, right: bool = False) -> str:
    blank = " " * (width - width_of(text))
    return blank + text if right else text + blank
