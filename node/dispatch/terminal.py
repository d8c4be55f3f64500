"""A checked dispatch as text: a stack of supply per interval, and under it price, charge, carbon and gap.

Every layer has a glyph as well as a colour, so that it can be read without one. Pure; who prints it decides on colours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from node.cli.output import per_kwh
from node.dispatch.figures import BATTERY, IMPORT, OTHERS, Figures, Moment
from node.dispatch.picture import kwh, ppm

ROWS = 12
"""Of the stack."""
MIN_COLUMNS, MAX_COLUMNS = 24, 96
MAX_WIDTH = 4
"""Columns of one interval."""
MAX_STORAGES = 4
"""Whose charge is drawn."""
LABEL = 10
GLYPHS = "█▓▒░#*+"
COLOURS = ("yellow", "cyan", "green", "magenta", "bright_yellow", "red", "blue")
FIXED = {OTHERS: (":", "white"), BATTERY: ("=", "bright_magenta"), IMPORT: ("%", "bright_black")}
SHED = ("!", "bright_red")
LEVELS = "▁▂▃▄▅▆▇█"


class Span(NamedTuple):
    """Text in one colour; None: the terminal's own."""

    text: str
    colour: str | None = None


Line = list[Span]
Group = Sequence[Moment]
"""Neighbouring intervals that share a column."""


def plot(shown: Figures, columns: int) -> list[Line]:
    """Lines of text, as many columns wide where that is enough; neighbours share a column where it is not."""
    room = max(MIN_COLUMNS, min(MAX_COLUMNS, columns - LABEL - 1))
    most = -(-len(shown.moments) // room)
    groups = [shown.moments[at : at + most] for at in range(0, len(shown.moments), most)]
    width = min(MAX_WIDTH, room // len(groups))
    named = (one for one in shown.layers if one not in FIXED)
    looks = dict(zip(named, zip(GLYPHS, COLOURS, strict=True), strict=False)) | FIXED
    key: Line = [Span(" " * (LABEL + 1))]
    for name in shown.layers:
        key += [Span(*looks[name]), Span(f" {name}  ")]
    if any(one.shed_wh for one in shown.moments):
        key += [Span(*SHED), Span(" shed")]
    lines = [*_stack(shown, groups, width, looks), _axis(groups, width), key]
    lines += _bars("price", groups, width, _price, lambda value: f"{per_kwh(round(value))} per kWh")
    for at, store in enumerate(shown.case.storages[:MAX_STORAGES]):
        lines += _bars(store.id, groups, width, _stored(at), lambda value: f"{kwh(round(value))} kWh")
    lines += _bars("carbon", groups, width, lambda one: one.carbon_ug, lambda value: f"{value / 1e9:,.3f} kg")
    lines += _bars(
        "gap", groups, width, lambda one: one.gap_nano, lambda value: f"{ppm(shown.verdict, round(value))} ppm"
    )
    return lines


def _stored(storage: int) -> Callable[[Moment], float]:
    """What is in a storage."""
    return lambda one: one.soc_wh[storage]


def _supplied(layer: str) -> Callable[[Moment], float]:
    """What a layer supplies."""
    return lambda one: one.layers_wh[layer]


def _price(one: Moment) -> float:
    """Mean of all places."""
    return sum(one.price_nano_per_wh) / len(one.price_nano_per_wh)


def _stack(shown: Figures, groups: Sequence[Group], width: int, looks: dict[str, tuple[str, str]]) -> list[Line]:
    columns = [
        [*((looks[name], _mean(group, _supplied(name))) for name in shown.layers),
         (SHED, _mean(group, lambda one: one.shed_wh))]
        for group in groups
    ]  # fmt: skip
    peak_wh = max(1.0, *(sum(energy_wh for _, energy_wh in column) for column in columns))
    lines: list[Line] = []
    for row in range(ROWS, 0, -1):
        label = f"{peak_wh * row / ROWS / 1000:,.1f} kWh" if row in (ROWS, ROWS // 2) else ""
        line = [Span(f"{label:>{LABEL}}│")]
        for column in columns:
            line.append(_cell(column, peak_wh * (row - 0.5) / ROWS, width))
        lines.append(line)
    return lines


def _cell(column: Sequence[tuple[tuple[str, str], float]], height_wh: float, width: int) -> Span:
    """What stands at a height."""
    reached_wh = 0.0
    for (glyph, colour), energy_wh in column:
        reached_wh += energy_wh
        if height_wh < reached_wh:
            return Span(glyph * width, colour)
    return Span(" " * width)


def _axis(groups: Sequence[Group], width: int) -> Line:
    """Numbers of intervals, as many as there is room for."""
    text = ""
    for at, group in enumerate(groups):
        label = f"{group[0].interval} "
        if len(text) <= at * width and at * width + len(label) <= len(groups) * width:
            text = text.ljust(at * width) + label
    return [Span(f"{'interval':>{LABEL}} {text.rstrip()}")]


def _bars(
    name: str, groups: Sequence[Group], width: int, value: Callable[[Moment], float], text: Callable[[float], str]
) -> list[Line]:
    """One bar per column, under those of the stack."""
    head, (drawn,) = trace(name, [_mean(group, value) for group in groups], text, width)
    return [head, [Span(" " * (LABEL + 1) + drawn.text)]]


def trace(name: str, values: Sequence[float], text: Callable[[float], str], width: int = 1) -> list[Line]:
    """One bar per value between the lowest and the highest, and above them which these are."""
    low, high = min(values), max(values)
    steps = len(LEVELS) - 1
    levels = (round((one - low) / (high - low) * steps) if high > low else 0 for one in values)
    return [
        [Span(f"{name}, {text(low)} to {text(high)}" if high > low else f"{name}, {text(low)} throughout")],
        [Span("".join(LEVELS[level] * width for level in levels))],
    ]


def _mean(group: Group, value: Callable[[Moment], float]) -> float:
    return sum(map(value, group)) / len(group)
