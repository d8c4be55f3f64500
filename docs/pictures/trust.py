"""Makes the figures of `docs/trust.md`, and its tables, from what `devnet.trustlab` plays on the rules themselves.

python -P docs/pictures/trust.py docs

-P: a drawing beside this one is called `consensus`, as the floor is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from consensus.proposers import FLOOR_PERCENT
from devnet.trustlab import members
from devnet.trustlab.coalitions import Point
from devnet.trustlab.members import Standing
from devnet.trustlab.report import Findings, findings
from devnet.trustlab.tables import WHO, fill
from devnet.trustlab.turns import Story, Window
from node.drawing.panels import Scale
from node.drawing.svg import Svg

STYLE = """
text { font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; stroke: #d1d9e0; }
.title { font-size: 16px; font-weight: 600; }
.head { font-weight: 600; }
.muted { fill: #59636e; font-size: 12px; }
.grid { stroke: #d1d9e0; stroke-width: 0.7; }
.axis { stroke: #818b98; stroke-width: 1.2; }
.limit { stroke: #59636e; stroke-width: 1; stroke-dasharray: 5 4; }
.line { stroke-width: 2; stroke-linejoin: round; }
.c0 { stroke: #0969da; } .c0-text { fill: #0969da; }
.c1 { stroke: #1a7f37; } .c1-text { fill: #1a7f37; }
.c2 { stroke: #8250df; } .c2-text { fill: #8250df; }
.c3 { stroke: #9a6700; } .c3-text { fill: #9a6700; }
.c4 { stroke: #cf222e; } .c4-text { fill: #cf222e; }
.c5 { stroke: #59636e; } .c5-text { fill: #59636e; }
.band { fill: #818b98; fill-opacity: 0.13; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.paper { fill: #0d1117; stroke: #3d444d; }
.muted { fill: #9198a1; }
.grid { stroke: #2d333b; }
.axis { stroke: #656c76; }
.limit { stroke: #9198a1; }
.c0 { stroke: #58a6ff; } .c0-text { fill: #58a6ff; }
.c1 { stroke: #3fb950; } .c1-text { fill: #3fb950; }
.c2 { stroke: #bc8cff; } .c2-text { fill: #bc8cff; }
.c3 { stroke: #d29922; } .c3-text { fill: #d29922; }
.c4 { stroke: #ff7b72; } .c4-text { fill: #ff7b72; }
.c5 { stroke: #9198a1; } .c5-text { fill: #9198a1; }
}
"""
LABEL_ROW = 15
"""Least distance of two labels at the ends of lines, in pixels."""
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Pair = tuple[float, float]


class Panel(NamedTuple):
    """A chart inside a drawing: x to the right, y up."""

    across: Scale
    up: Scale

    def at(self, point: Pair) -> Pair:
        """Pixels of a point."""
        return self.across.at(point[0]), self.up.at(point[1])


class Line(NamedTuple):
    """One line with its label, which stands at its right end."""

    label: str
    colour: int
    points: Sequence[Pair]


def paper(width: int, height: int, title: str, description: str) -> Svg:
    """An empty drawing with its title."""
    svg = Svg(width, height, title, description, STYLE)
    svg.text(24, 34, title, class_="title")
    return svg


def panel(
    svg: Svg,
    place: tuple[float, float, float, float],
    title: str,
    across: tuple[Sequence[float], str],
    up: tuple[Sequence[float], Callable[[float], str]],
) -> Panel:
    """Axes at `place` (left, top, right, bottom), with the marks and the unit of x, and the marks of y and how they
    are written; the unit of y is in the `title`."""
    left, top, right, bottom = place
    xs, unit = across
    ys, write = up
    made = Panel(Scale(xs[0], xs[-1], left, right, tuple(xs)), Scale(ys[0], ys[-1], bottom, top, tuple(ys)))
    svg.text(left, top - 14, title, class_="head")
    for mark in ys:
        y = made.up.at(mark)
        svg.line((left, y), (right, y), class_="axis" if mark == ys[0] else "grid")
        svg.text(left - 8, y + 4, write(mark), text_anchor="end", class_="muted")
    for mark in xs:
        x = made.across.at(mark)
        svg.line((x, bottom), (x, bottom + 5), class_="axis")
        svg.text(x, bottom + 20, f"{mark:g}", text_anchor="middle", class_="muted")
    svg.text((left + right) / 2, bottom + 38, unit, text_anchor="middle", class_="muted")
    return made


def limit(svg: Svg, chart: Panel, value: float, label: str, beside: bool = False) -> None:
    """A dashed line across, with its meaning above its left end or `beside` its right one."""
    y = chart.up.at(value)
    svg.line((chart.across.bottom, y), (chart.across.top, y), class_="limit")
    if beside:
        svg.text(chart.across.top + 8, y + 4, label, class_="muted")
    else:
        svg.text(chart.across.bottom + 6, y - 5, label, class_="muted")


def draw_lines(svg: Svg, chart: Panel, lines: Iterable[Line]) -> None:
    """Lines with their labels at their right ends, moved apart where they would touch."""
    ends: list[tuple[float, float, Line]] = []
    for line in lines:
        pixels = [chart.at(point) for point in line.points]
        svg.polyline(straightened(pixels), class_=f"line c{line.colour}")
        ends.append((pixels[-1][1], pixels[-1][0], line))
    ends.sort(key=lambda end: end[0])
    rows: list[float] = []
    for y, _, _ in ends:
        rows.append(max(y, rows[-1] + LABEL_ROW) if rows else y)
    lowest = chart.up.bottom - 4
    for at in reversed(range(len(rows))):
        rows[at] = min(rows[at], lowest)
        lowest = rows[at] - LABEL_ROW
    for y, (_, x, line) in zip(rows, ends, strict=True):
        svg.text(x + 8, y + 4, line.label, class_=f"c{line.colour}-text")


def straightened(pixels: Sequence[Pair]) -> list[Pair]:
    """The same line without the points between two others on one level."""
    inner = [
        here
        for before, here, after in zip(pixels, pixels[1:], pixels[2:], strict=False)
        if not before[1] == here[1] == after[1]
    ]
    return [pixels[0], *inner, pixels[-1]]


def percent(mark: float) -> str:
    """A mark of a share."""
    return f"{mark:g}%"


def share(ppm: int) -> float:
    """A share in percent."""
    return ppm / 10_000


# Members


def lives(found: Findings) -> str:
    """Index, tokens, power and turns of members by epoch."""
    life = found.life
    svg = paper(
        1000,
        790,
        f"{life.epochs} epochs of honest, absent and lying members",
        "Eight members with equal tokens. Whoever builds rises; who only votes keeps its index and falls behind in "
        "power; the absent keeps its power and loses its turns; the liar falls to nothing; who lied once is back after "
        "a while; who signed twice loses its bond, its turns and its power.",
    )
    svg.text(
        24,
        56,
        f"Eight equal members; {members.QUESTIONS} wagers per epoch, all at full significance. One lies once in epoch "
        f"{members.LIE_EPOCH} or soon after, one signs twice in epoch {members.OFFENCE_EPOCH}.",
        class_="muted",
    )
    epochs = (range(0, life.epochs + 1, 20), "epoch")
    shown: tuple[tuple[str, Sequence[float], Callable[[float], str], Callable[[Standing], float]], ...] = (
        ("Index (full = 1,000,000)", range(0, 1_000_001, 200_000), "{:,}".format, lambda one: one.index_ppm),
        ("Tokens, in whatever form (thousands)", range(0, 1_201, 200), "{:,}".format, lambda one: one.tokens / 1000),
        ("Share of the power", range(0, 26, 5), percent, lambda one: share(one.power_ppm)),
        ("Share of first turns, as drawn", range(0, 26, 5), percent, lambda one: share(one.turns_ppm)),
    )
    for at, (title, marks, write, value) in enumerate(shown):
        left, top = 80 + 490 * (at % 2), 112 + 340 * (at // 2)
        chart = panel(svg, (left, top, left + 310, top + 250), title, epochs, (marks, write))
        draw_lines(
            svg,
            chart,
            [
                Line(words, colour, [(one.epoch, value(one)) for one in life.of(name)])
                for colour, (name, words) in enumerate(WHO.items())
            ],
        )
    return svg.document()


# Coalitions

HUNDRED = (0, 20, 40, 60, 80, 100)


def coalitions(found: Findings) -> str:
    """Power by share of the bond: one name in pacts of several sizes, and several names in a pact of twenty."""
    svg = paper(
        980,
        452,
        "What a share of all bonds gives in power",
        "Left: one organisation never gets more than 30% of the power in a pact of 4 to 6, or 20% from 7 on. Right: in "
        "a pact of 20, a coalition under several names gets more with each name, up to 20% for each.",
    )
    svg.text(24, 56, "Everybody else shares the rest of the bonds evenly; all have the same index.", class_="muted")
    ticks = (HUNDRED, "share of all bonds (%)")
    left = panel(svg, (70, 110, 370, 380), "One organisation: share of the power", ticks, (range(0, 41, 10), percent))
    right = panel(
        svg, (570, 110, 850, 380), "A coalition in a pact of 20: share of the power", ticks, (HUNDRED, percent)
    )
    limit(svg, left, 100 / 3, "1/3: from here it halts")
    limit(svg, right, 100 / 3, "1/3: halts", beside=True)
    limit(svg, right, 200 / 3, "2/3: above, rules", beside=True)

    def line(label: str, colour: int, points: Sequence[Point]) -> Line:
        return Line(label, colour, [(share(point.bond_ppm), share(point.power_ppm)) for point in points])

    draw_lines(svg, left, [line(f"in a pact of {n}", at, found.alone[n]) for at, n in enumerate(found.alone)])
    draw_lines(
        svg,
        right,
        [
            line("1 name" if n == 1 else f"{n} names", at, points)
            for at, (n, points) in enumerate(found.together.items())
        ],
    )
    return svg.document()


# Takeover


def takeovers(found: Findings) -> str:
    """When a bought majority of tokens becomes power."""
    svg = paper(
        980,
        440,
        "A buyer bonds 90% of all tokens in epoch 0",
        "Nothing changes before epoch 2. Then less than a third of the shares changes per epoch: with six or twenty "
        "names the buyer halts the pact from epoch 3 and rules it from epoch 4; with one name it has 20% for ever.",
    )
    svg.text(24, 56, "Ten others with equal bonds; the buyer's organisations are members already.", class_="muted")
    told = found.takeovers
    epochs = range(len(told[0].power_ppm))
    chart = panel(svg, (80, 110, 820, 370), "Share of the power in force", (epochs, "epoch"), (HUNDRED, percent))
    limit(svg, chart, 100 / 3, "1/3: from here it halts")
    limit(svg, chart, 200 / 3, "2/3: above, it rules")
    draw_lines(
        svg,
        chart,
        [
            Line("1 name" if one.names == 1 else f"{one.names} names", at, steps([share(ppm) for ppm in one.power_ppm]))
            for at, one in enumerate(told)
        ],
    )
    return svg.document()


def steps(values: Sequence[float]) -> list[Pair]:
    """Levels that last from one epoch to the next."""
    last = len(values) - 1
    return [point for at, value in enumerate(values) for point in ((at, value), (min(at + 1, last), value))]


# Turns


def turns(found: Findings) -> str:
    """A dead member and a rejected one: rounds wasted, and turns left."""
    dead, rejected = found.dead, found.rejected
    svg = paper(
        980,
        420,
        "What a member that gets no block decided costs, and what it keeps",
        "Left: one of 4 dies; after its first window almost no round is lost to it any more. Right: a cartel votes "
        "nil on one of 7; it falls to a few percent of its turns, never to none, and is back a window after it ends.",
    )
    svg.text(24, 56, f"Means of {dead.chains} chains, one point per window of heights.", class_="muted")
    hundred = (range(0, 9, 2), "{:g}".format)
    _story(svg, 80, dead, "One of 4 dies: rounds wasted per 100 heights", hundred, lambda one: share(one.wasted_ppm))
    shares = (range(0, 21, 5), percent)
    chart = _story(svg, 540, rejected, "A cartel votes nil on one of 7: its share of first turns", shares,
                   lambda one: share(one.turns_ppm))  # fmt: skip
    limit(svg, chart, share(rejected.fair_ppm), "by power alone", beside=True)
    limit(svg, chart, share(rejected.fair_ppm) * FLOOR_PERCENT / 100, "the floor", beside=True)
    return svg.document()


def _story(
    svg: Svg,
    left: float,
    told: Story,
    title: str,
    up: tuple[Sequence[float], Callable[[float], str]],
    value: Callable[[Window], float],
) -> Panel:
    """A value per window of heights, with a band over the trouble."""
    length = told.windows[1].first_height - told.windows[0].first_height
    top, bottom = 110, 340
    marks = range(0, len(told.windows) * length + 1, 4 * length)
    chart = panel(svg, (left, top, left + 330, bottom), title, (marks, "height"), up)
    first, last = chart.across.at(told.from_height), chart.across.at(told.to_height)
    svg.rect(first, top, last - first, bottom - top, class_="band")
    points = [(window.first_height + length / 2, value(window)) for window in told.windows]
    svg.polyline([chart.at(point) for point in points], class_="line c4")
    return chart


# Committees


def committees(found: Findings) -> str:
    """Risk per year by size, on a logarithmic scale."""
    svg = paper(
        980,
        440,
        "How often a committee breaks: daily draws from 1,000 members",
        "Probability per year that a third of the seats or more is bad, by the number of seats, for 10%, 20%, 25% and "
        "30% bad members.",
    )
    svg.text(24, 56, "Probability, in a year of daily draws, that a third of the seats or more is bad.", class_="muted")
    marks = range(-12, 1, 2)
    chart = panel(
        svg,
        (90, 110, 820, 370),
        "Probability per year",
        (range(40, 301, 20), "seats of the committee"),
        (marks, lambda mark: "1" if not mark else f"10{str(mark).translate(RAISED)}"),
    )
    lines = []
    for colour, bad in enumerate(sorted({one.bad for one in found.risks})):
        points = [(float(one.seats), log10(one.per_year)) for one in found.risks if one.bad == bad]
        lines.append(Line(f"{bad // 10}% bad", colour, [point for point in points if point[1] >= marks[0]]))
    draw_lines(svg, chart, lines)
    return svg.document()


def log10(value: Fraction) -> float:
    """Of a positive fraction that may be too small for a float."""
    return math.log10(value.numerator) - math.log10(value.denominator)


DRAWN = {
    "trust-members.svg": lives,
    "trust-coalitions.svg": coalitions,
    "trust-takeover.svg": takeovers,
    "trust-turns.svg": turns,
    "trust-committees.svg": committees,
}


def main(docs: Path) -> None:
    """Write all of them, and the tables into the document."""
    found = findings()
    for name, draw in DRAWN.items():
        (docs / "pictures" / name).write_text(draw(found))
    document = docs / "trust.md"
    document.write_text(fill(document.read_text(), found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
