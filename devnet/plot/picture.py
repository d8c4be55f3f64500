"""Draws a day: sources stacked against demand, the price, and what batteries and the public grid took or gave.

Three panels over one axis of time, in UTC and on the site's clock. Power is the mean over an interval. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo

from devnet.plot.day import OTHERS, Day, Moment, layers
from node.cli.form import Form
from node.cli.output import money, per_kwh
from node.drawing.panels import COLOURS, LEFT, LEGEND, RIGHT, STYLE, WIDTH, Scale, Step, frame, legend, scale, steps
from node.drawing.svg import Svg

PANELS = (("power", 166, 480), ("price", 536, 670), ("exchange", 726, 890))
HEIGHT = 980
HOUR_MS = 3_600_000
MAX_HOUR_MARKS = 13
FIXED_COLOURS = {OTHERS: "#999999", "battery": "#8e6bbf", "import": "#6b7785"}


def draw(day: Day, shown: Form) -> str:
    """The picture as an SVG document."""
    first, last = day.moments[0], day.moments[-1]
    end_ms = last.start_ms + day.interval_ms
    span = shown.span(first.start_ms, end_ms)
    svg = Svg(WIDTH, HEIGHT, f"{day.chain_id}, {span}", _summary(day), STYLE)
    svg.text(LEFT, 34, f"{day.chain_id}: who supplied, at what price", class_="head")
    svg.text(LEFT, 56, f"{span}, {len(day.moments)} intervals", class_="faint")
    svg.text(LEFT, 76, _summary(day), class_="faint")
    across = Scale(first.start_ms, end_ms, LEFT, RIGHT, ())
    _hours(svg, day, across, shown)
    _power(svg, day, across, shown)
    _price(svg, day, across)
    _exchange(svg, day, across)
    return svg.document()


def _summary(day: Day) -> str:
    """The day in one sentence."""
    given = sum(moment.given_wh for moment in day.moments)
    imported = sum(moment.import_wh for moment in day.moments)
    prices = [moment.price_nano_per_wh for moment in day.moments]
    share = f", {100 * imported / given:.0f}% of it imported" if given else ""
    return f"{_kwh(given)} kWh ordered{share}; price {per_kwh(min(prices))} to {per_kwh(max(prices))} currency/kWh"


def _power(svg: Svg, day: Day, across: Scale, shown: Form) -> None:
    """Sources stacked, demand and delivery as lines over them."""
    _, top, bottom = PANELS[0]
    named = day.sources()
    colours = dict(zip(named, COLOURS, strict=False)) | FIXED_COLOURS
    peaks = [max(moment.given_wh, moment.needed_wh, moment.delivered_wh or 0) for moment in day.moments]
    up = scale([_kw(day, peak) for peak in peaks], bottom, top)
    frame(svg, up, "Power (kW, mean of the interval)", lambda mark: f"{mark:,.0f}", name_above=58)
    used = set()
    for moment in day.moments:
        height_wh = 0
        left, width = _columns(day, across, moment)
        for name, energy_wh in layers(moment, named):
            if not energy_wh:
                continue
            used.add(name)
            y, below = up.at(_kw(day, height_wh + energy_wh)), up.at(_kw(day, height_wh))
            svg.rect(left, y, width, below - y, fill=colours[name], class_="bar", data_wh=energy_wh,
                     data_interval=moment.interval, data_source=name)  # fmt: skip
            height_wh += energy_wh
    _steps(svg, day, across, lambda moment: up.at(_kw(day, moment.needed_wh)), "demand")
    _steps(svg, day, across, lambda moment: _maybe(up, day, moment.delivered_wh), "delivered")
    for moment in day.moments:
        left, width = _columns(day, across, moment)
        svg.rect(left, top, width, bottom - top, tip=_tip(day, moment, named, shown), fill="#000", fill_opacity=0)
    keys = [(name, colours[name]) for name in (*named, *FIXED_COLOURS) if name in used]
    legend(svg, LEFT, top - 36, keys, [("needed", "demand"), ("delivered, metered", "delivered")])


def _price(svg: Svg, day: Day, across: Scale) -> None:
    """The price, between what import costs and export pays."""
    _, top, bottom = PANELS[1]
    prices = [moment.price_nano_per_wh for moment in day.moments]
    tariffs = [one for moment in day.moments for one in (moment.import_nano_per_wh, moment.export_nano_per_wh)]
    up = scale([nano / 1e6 for nano in (*prices, *tariffs)], bottom, top)
    frame(svg, up, "Price (currency per kWh)", lambda mark: f"{mark:.2f}")
    _steps(svg, day, across, lambda moment: up.at(moment.import_nano_per_wh / 1e6), "tariff")
    _steps(svg, day, across, lambda moment: up.at(moment.export_nano_per_wh / 1e6), "tariff")
    _steps(svg, day, across, lambda moment: up.at(moment.price_nano_per_wh / 1e6), "price")
    legend(svg, LEGEND, top - 12, [], [("price", "price"), ("import and export tariff", "tariff")])


def _exchange(svg: Svg, day: Day, across: Scale) -> None:
    """Up: given to the site by batteries and the grid; down: taken from it."""
    _, top, bottom = PANELS[2]
    most = [moment.discharge_wh + moment.import_wh for moment in day.moments]
    least = [-moment.charge_wh - moment.export_wh for moment in day.moments]
    up = scale([_kw(day, one) for one in (*most, *least)], bottom, top)
    frame(svg, up, "Battery and grid (kW; up: to the site, down: from it)", lambda mark: f"{mark:,.0f}")
    for moment in day.moments:
        left, width = _columns(day, across, moment)
        flows = (
            ("battery", 0, moment.discharge_wh),
            ("import", moment.discharge_wh, moment.discharge_wh + moment.import_wh),
            ("battery", -moment.charge_wh, 0),
            ("import", -moment.charge_wh - moment.export_wh, -moment.charge_wh),
        )
        for name, low_wh, high_wh in flows:
            if low_wh != high_wh:
                y, below = up.at(_kw(day, high_wh)), up.at(_kw(day, low_wh))
                svg.rect(left, y, width, below - y, fill=FIXED_COLOURS[name], class_="bar")
    svg.line((LEFT, up.at(0)), (RIGHT, up.at(0)), class_="axis")
    keys = [("battery: discharge, charge", FIXED_COLOURS["battery"]), ("grid: import, export", FIXED_COLOURS["import"])]
    legend(svg, LEGEND, top - 12, keys, [])


def _hours(svg: Svg, day: Day, across: Scale, shown: Form) -> None:
    """Marks on whole hours, in UTC and below that on the site's clock."""
    length_ms = across.high - across.low
    step = next(
        hours for hours in (1, 2, 3, 4, 6, 12, 24, 48, 168) if length_ms / (hours * HOUR_MS) < MAX_HOUR_MARKS
    ) * HOUR_MS  # fmt: skip
    foot = PANELS[-1][2]
    for time_ms in range(-(-int(across.low) // step) * step, int(across.high) + 1, step):
        x = across.at(time_ms)
        for _, top, bottom in PANELS:
            svg.line((x, top), (x, bottom), class_="grid")
        svg.text(x, foot + 22, _clock(time_ms, UTC), text_anchor="middle")
        if shown.zone is not None:
            svg.text(x, foot + 40, _clock(time_ms, shown.zone), text_anchor="middle", class_="faint")
    svg.text(LEFT - 8, foot + 22, "UTC", text_anchor="end", class_="name")
    if shown.zone is not None:
        svg.text(LEFT - 8, foot + 40, "site", text_anchor="end", class_="faint")
        svg.text(RIGHT, foot + 66, f"site time: {shown.zone.key}", text_anchor="end", class_="faint")
    svg.text(LEFT, foot + 66, "Ordered energy, as the ledger has it; rest the pointer on an interval for its figures.",
             class_="faint")  # fmt: skip


def _clock(time_ms: int, zone: tzinfo) -> str:
    """The time of day, and at midnight the date."""
    moment = datetime.fromtimestamp(time_ms // 1000, zone)
    return f"{moment:%H:%M}" if (moment.hour, moment.minute) != (0, 0) else f"{moment:%b %d}"


def _steps(svg: Svg, day: Day, across: Scale, at: Callable[[Moment], float | None], class_: str) -> None:
    """A line through all intervals; it breaks where one is missing."""
    spans = ((*_columns(day, across, moment), at(moment)) for moment in day.moments)
    steps(svg, (Step(left, left + width, y) for left, width, y in spans), class_)


def _tip(day: Day, moment: Moment, named: Sequence[str], shown: Form) -> str:
    """The figures of one interval."""
    lines = [
        f"Interval {moment.interval}: {shown.span(moment.start_ms, moment.start_ms + day.interval_ms)}",
        f"needed {_kwh(moment.needed_wh)} kWh, shed {_kwh(moment.shed_wh)} kWh",
        f"price {per_kwh(moment.price_nano_per_wh)} currency/kWh",
        *(f"{name} {_kwh(energy_wh)} kWh" for name, energy_wh in layers(moment, named) if energy_wh),
        f"battery charge {_kwh(moment.charge_wh)} kWh, export {_kwh(moment.export_wh)} kWh",
    ]
    if moment.delivered_wh is not None and moment.losses_wh is not None:
        lines.append(f"metered {_kwh(moment.delivered_wh)} kWh, losses {_kwh(moment.losses_wh)} kWh")
    return "\n".join(lines)


def _columns(day: Day, across: Scale, moment: Moment) -> tuple[float, float]:
    """Left edge and width of an interval."""
    left = across.at(moment.start_ms)
    return left, across.at(moment.start_ms + day.interval_ms) - left


def _maybe(up: Scale, day: Day, energy_wh: int | None) -> float | None:
    return None if energy_wh is None else up.at(_kw(day, energy_wh))


def _kw(day: Day, energy_wh: int) -> float:
    """Mean power over an interval."""
    return energy_wh * HOUR_MS / day.interval_ms / 1000


def _kwh(energy_wh: int) -> str:
    """Exact."""
    return money(energy_wh * 1_000_000)
