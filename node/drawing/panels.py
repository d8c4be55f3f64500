"""Panels over one axis of time: round scales, marks, legends, and lines that keep their value through an interval.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; ink and paper follow the reader's
light or dark setting. Knows neither what is drawn nor where it comes from. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from node.drawing.svg import Svg

WIDTH = 1200
LEGEND = 700
"""Where short legends begin, on the line of their panel's name."""
LEFT, RIGHT = 84, 1176
LEGEND_ROW = 19
TICKS = 5
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#f0e442", "#d55e00", "#0072b2")
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1b1f24; }
.head { font-size: 18px; font-weight: 600; }
.name { font-weight: 600; }
.faint { fill: #57606a; }
.paper { fill: #ffffff; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.axis { stroke: #57606a; stroke-width: 1; }
.demand { stroke: #1b1f24; stroke-width: 2.5; }
.delivered { stroke: #1b1f24; stroke-width: 1.5; stroke-dasharray: 2 3; }
.price { stroke: #d1242f; stroke-width: 2.5; }
.tariff { stroke: #57606a; stroke-width: 1.2; stroke-dasharray: 6 4; }
.bar { shape-rendering: crispEdges; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .faint { fill: #9da7b1; }
  .paper { fill: #0d1117; }
  .grid { stroke: #30363d; }
  .axis, .tariff { stroke: #9da7b1; }
  .demand, .delivered { stroke: #ffffff; }
  .price { stroke: #ff7b72; }
}
"""


class Scale(NamedTuple):
    """Maps values to pixels: linear, with round marks."""

    low: float
    high: float
    bottom: float
    top: float
    marks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Pixel of a value."""
        return self.bottom + (value - self.low) * (self.top - self.bottom) / (self.high - self.low)


class Step(NamedTuple):
    """A value, as a pixel, from one edge of an interval to the other; None: there is none."""

    left: float
    right: float
    y: float | None


def scale(values: Sequence[float], bottom: float, top: float) -> Scale:
    """A scale that holds zero and all `values`, with marks at 1, 2 or 5 times a power of ten."""
    low, high = min(0.0, *values), max(0.0, *values)
    rough = ((high - low) or 1.0) / TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first, last = math.floor(low / step), max(math.ceil(high / step), math.floor(low / step) + 1)
    return Scale(first * step, last * step, bottom, top, tuple(mark * step for mark in range(first, last + 1)))


def frame(svg: Svg, up: Scale, name: str, label: Callable[[float], str], name_above: int = 12) -> None:
    """Horizontal marks with their values, and the panel's name with its unit."""
    for mark in up.marks:
        svg.line((LEFT, up.at(mark)), (RIGHT, up.at(mark)), class_="grid")
        svg.text(LEFT - 8, up.at(mark) + 4, label(mark), text_anchor="end", class_="faint")
    svg.text(LEFT, up.top - name_above, name, class_="name")


def legend(svg: Svg, x: float, y: float, keys: Sequence[tuple[str, str]], lines: Sequence[tuple[str, str]]) -> None:
    """What colours and lines mean, in rows from `x` to the right edge."""
    start = x
    for at, (text, look) in enumerate((*keys, *lines)):
        width = 34 + 7 * len(text)
        if x + width > RIGHT + 16:
            x, y = start, y + LEGEND_ROW
        if at < len(keys):
            svg.rect(x, y - 11, 12, 12, fill=look)
        else:
            svg.line((x - 4, y - 5), (x + 12, y - 5), class_=look)
        svg.text(x + 18, y, text)
        x += width


def steps(svg: Svg, values: Iterable[Step], class_: str) -> None:
    """A line that keeps its value through each interval and breaks where there is none."""
    points: list[tuple[float, float]] = []
    for one in values:
        if one.y is None or (points and one.left > points[-1][0] + 0.5):
            svg.polyline(points, class_=class_)
            points = []
        if one.y is not None:
            points += [(one.left, one.y), (one.right, one.y)]
    svg.polyline(points, class_=class_)
