"""Writes SVG: shapes, text and paths with coordinates in pixels, nothing that runs.

Text is escaped, numbers have two decimals. Knows nothing of energy.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

Attribute = str | int | float
Point = tuple[float, float]


def number(value: float) -> str:
    """At most two decimals, without a tail of zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Svg:
    """One picture of `width` by `height` pixels that scales to its window."""

    def __init__(self, width: int, height: int, title: str, description: str, style: str) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
            f' height="{height}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{escape(style)}</style>",
        ]
        self.rect(0, 0, width, height, class_="paper")

    def rect(
        self, x: float, y: float, width: float, height: float, *, tip: str | None = None, **attributes: Attribute
    ) -> None:
        """A rectangle; `tip` shows when the pointer rests on it."""
        self._shape("rect", {"x": x, "y": y, "width": width, "height": height, **attributes}, tip)

    def line(self, start: Point, end: Point, **attributes: Attribute) -> None:
        """A straight line."""
        self._shape("line", {"x1": start[0], "y1": start[1], "x2": end[0], "y2": end[1], **attributes})

    def polyline(self, points: Sequence[Point], **attributes: Attribute) -> None:
        """Connected lines; nothing for fewer than two points."""
        if len(points) > 1:
            places = " ".join(f"{number(x)},{number(y)}" for x, y in points)
            self._shape("polyline", {"points": places, "fill": "none", **attributes})

    def text(self, x: float, y: float, content: str, **attributes: Attribute) -> None:
        """One line of text whose baseline starts (or with `text_anchor` ends) there."""
        self._parts.append(f"<text {_written({'x': x, 'y': y, **attributes})}>{escape(content)}</text>")

    def document(self) -> str:
        """The whole file."""
        return "\n".join([*self._parts, "</svg>", ""])

    def _shape(self, name: str, attributes: dict[str, Attribute], tip: str | None = None) -> None:
        inside = f"<title>{escape(tip)}</title>" if tip else ""
        self._parts.append(f"<{name} {_written(attributes)}>{inside}</{name}>")


def _written(attributes: dict[str, Attribute]) -> str:
    """`class_` and `stroke_width` as SVG spells them."""
    return " ".join(
        f"{name.rstrip('_').replace('_', '-')}={quoteattr(value if isinstance(value, str) else number(value))}"
        for name, value in attributes.items()
    )
