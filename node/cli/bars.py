"""Figures as bars of text, for `--plot`: one bar a line, or one place a moment. Every bar has its figure beside it.

What was taken and what was left differ by their glyphs, so that no colour is needed. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from node.cli.columns import GAP, width_of

TAKEN, LEFT = "█", "░"
SHORTEST = 10
"""Places of the longest bar where there is no room for more."""


class Bar(NamedTuple):
    """A bar: `full` of it is drawn solid, `rest` behind it is not."""

    label: str
    full: float
    text: str
    rest: float = 0


def barred(bars: Sequence[Bar], width: int) -> list[str]:
    """Bars below each other to one scale, each between its label and its text."""
    labels = max((width_of(bar.label) for bar in bars), default=0)
    texts = max((width_of(bar.text) for bar in bars), default=0)
    room = max(SHORTEST, width - labels - texts - 2 * GAP)
    longest = max((bar.full + bar.rest for bar in bars), default=0)
    lines = []
    for bar in bars:
        full, whole = (_places(value, longest, room) for value in (bar.full, bar.full + bar.rest))
        label = bar.label + " " * (labels - width_of(bar.label) + GAP)
        lines.append(f"{label}{TAKEN * full}{LEFT * (whole - full)}{' ' * (room - whole + GAP)}{bar.text}".rstrip())
    return lines


def timeline(name: str, values: Sequence[float], text: Callable[[float], str], width: int) -> list[str]:
    """The course of a figure; neighbours share a place, as their mean, where there are more than places."""
    from node.dispatch.terminal import trace

    most = -(-len(values) // max(SHORTEST, width))
    groups = [values[at : at + most] for at in range(0, len(values), most)] if values else []
    means = [sum(group) / len(group) for group in groups]
    return ["".join(span.text for span in line) for line in trace(name, means, text)] if means else []


def _places(value: float, longest: float, room: int) -> int:
    """Of a bar: at least one where there is anything at all."""
    return max(1, round(room * value / longest)) if value > 0 else 0
