"""A checked dispatch as SVG: what supplied each interval, at what price, what is stored, what is emitted, and the gap.

Five panels over the intervals of the case. Energy is what flows in one interval. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from contracts.program.verdict import Verdict
from node.cli.output import money, per_kwh
from node.dispatch.figures import BATTERY, IMPORT, OTHERS, Figures, Moment
from node.drawing.panels import COLOURS, LEFT, LEGEND, RIGHT, STYLE, WIDTH, Scale, Step, frame, legend, scale, steps
from node.drawing.svg import Svg

STACK, PRICE, CHARGE, CARBON, GAP = (166, 430), (496, 600), (666, 770), (836, 940), (1006, 1090)
"""Upper and lower edge of each panel."""
HEIGHT = 1160
FIXED_COLOURS = {OTHERS: "#999999", BATTERY: "#8e6bbf", IMPORT: "#6b7785"}
MAX_LINES = len(COLOURS)
"""Of one panel; more places or storages than this are drawn as their lowest and highest, or as their sum."""
MAX_MARKS = 13
LINES = "".join(f"\n.line{at} {{ stroke: {colour}; stroke-width: 2.5; }}" for at, colour in enumerate(COLOURS))


def draw(shown: Figures) -> str:
    """The picture as an SVG document."""
    case, verdict = shown.case, shown.verdict
    svg = Svg(WIDTH, HEIGHT, f"Dispatch of {case.name}", summary(shown), STYLE + LINES)
    svg.text(LEFT, 34, f"{case.name}: what supplies, at what price", class_="head")
    svg.text(LEFT, 56, summary(shown), class_="faint")
    svg.text(LEFT, 76, distance(shown), class_="faint")
    across = Scale(0, len(shown.moments), LEFT, RIGHT, ())
    _intervals(svg, across, len(shown.moments), case.binding)
    _stack(svg, shown, across)
    _prices(svg, shown, across)
    _charge(svg, shown, across)
    _bars(svg, shown, across, CARBON, "Emission (kg, embodied and operating)", lambda one: one.carbon_ug / 1e9)
    if case.carbon_cap_ug is not None:
        left = case.carbon_cap_ug - verdict.carbon_ug
        text = f"in all {verdict.carbon_ug / 1e9:,.3f} kg of {case.carbon_cap_ug / 1e9:,.3f} kg, {left:,} ug to spare"
        svg.text(RIGHT, CARBON[0] - 12, text, text_anchor="end", class_="faint")
    base_nano = max(1, verdict.base_nano)
    _bars(svg, shown, across, GAP, "Gap (ppm of base)", lambda one: one.gap_nano * 1e6 / base_nano)
    text = f"{ppm(verdict, shown.common_gap_nano)} ppm belong to no interval"
    svg.text(RIGHT, GAP[0] - 12, text, text_anchor="end", class_="faint")
    _tips(svg, shown, across)
    return svg.document()


def summary(shown: Figures) -> str:
    """The dispatch in one sentence."""
    total_wh = sum(sum(one.layers_wh.values()) for one in shown.moments)
    prices = [price for one in shown.moments for price in one.price_nano_per_wh]
    shed_wh = sum(one.shed_wh for one in shown.moments)
    shed = f", {kwh(shed_wh)} kWh shed" if shed_wh else ""
    return (
        f"{kwh(total_wh)} kWh supplied in {len(shown.moments)} intervals{shed}; "
        f"price {per_kwh(min(prices))} to {per_kwh(max(prices))} currency/kWh"
    )


def distance(shown: Figures) -> str:
    """How far from the optimum, and whether that is near enough."""
    verdict = shown.verdict
    word = "certified" if verdict.certified else "NOT certified"
    away_nano = verdict.cost_nano - verdict.bound_nano
    return (
        f"{word}: cost {money(verdict.cost_nano)}, at most {money(away_nano)} above the optimum "
        f"({ppm(verdict, away_nano)} ppm of base), allowed {money(verdict.threshold_nano)}"
    )


def ppm(verdict: Verdict, nano: int) -> str:
    """Money in parts of the base."""
    return f"{nano * 1e6 / max(1, verdict.base_nano):,.3f}"


def kwh(energy_wh: int) -> str:
    """Exact."""
    return money(energy_wh * 1_000_000)


def _stack(svg: Svg, shown: Figures, across: Scale) -> None:
    """Layers of supply, and over them what is taken."""
    top, bottom = STACK
    colours = dict(zip((one for one in shown.layers if one not in FIXED_COLOURS), COLOURS, strict=False))
    colours |= FIXED_COLOURS
    taken = [one.demand_wh + one.losses_wh for one in shown.moments]
    peaks = [max(sum(one.layers_wh.values()), wh) / 1000 for one, wh in zip(shown.moments, taken, strict=True)]
    up = scale(peaks, bottom, top)
    frame(svg, up, "Energy (kWh per interval)", lambda mark: f"{mark:,g}", name_above=58)
    for one in shown.moments:
        below_wh = 0
        left, right = across.at(one.interval), across.at(one.interval + 1)
        for name in shown.layers:
            energy_wh = one.layers_wh[name]
            if energy_wh:
                y, foot = up.at((below_wh + energy_wh) / 1000), up.at(below_wh / 1000)
                svg.rect(left, y, right - left, foot - y, fill=colours[name], class_="bar", data_wh=energy_wh,
                         data_interval=one.interval, data_source=name)  # fmt: skip
                below_wh += energy_wh
    _steps(svg, across, shown.moments, lambda one: up.at((one.demand_wh + one.losses_wh) / 1000), "demand")
    _steps(svg, across, shown.moments, lambda one: up.at(_served_wh(one) / 1000), "delivered")
    keys = [(name, colours[name]) for name in shown.layers]
    lines = [("fixed demand and losses", "demand"), ("with charging, export, bids and loads", "delivered")]
    legend(svg, LEFT, top - 36, keys, lines)


def _served_wh(one: Moment) -> int:
    """All that is taken in an interval."""
    return one.demand_wh + one.losses_wh - one.shed_wh + one.charge_wh + one.export_wh + one.bids_wh + one.loads_wh


def _prices(svg: Svg, shown: Figures, across: Scale) -> None:
    """One line per place with prices of its own."""
    series: dict[tuple[int, ...], str] = {}
    for at, place in enumerate(shown.places):
        series.setdefault(tuple(one.price_nano_per_wh[at] for one in shown.moments), place)
    if len(series) > MAX_LINES:
        rows = [one.price_nano_per_wh for one in shown.moments]
        series = {tuple(map(min, rows)): "lowest of all places", tuple(map(max, rows)): "highest of all places"}
    paths = [(name, [nano / 1e6 for nano in path]) for path, name in series.items()]
    name = "Price (currency per kWh)" if len(series) < 2 else "Price by zone (currency per kWh)"
    _lines(svg, shown, across, PRICE, name, paths if len(paths) > 1 else [("price", paths[0][1])])


def _charge(svg: Svg, shown: Figures, across: Scale) -> None:
    """Charge states, each with what its storage holds at most in the legend."""
    storages = shown.case.storages
    paths = [
        (f"{store.id} of {kwh(store.capacity_wh)}", [one.soc_wh[at] / 1000 for one in shown.moments])
        for at, store in enumerate(storages)
    ]
    if len(paths) > MAX_LINES:
        capacity_wh = sum(store.capacity_wh for store in storages)
        sums = [sum(one.soc_wh) / 1000 for one in shown.moments]
        paths = [(f"all {len(storages)} storages, of {kwh(capacity_wh)}", sums)]
    _lines(svg, shown, across, CHARGE, "Charge state (kWh, at the end)", paths)


def _lines(
    svg: Svg,
    shown: Figures,
    across: Scale,
    panel: tuple[int, int],
    name: str,
    paths: Sequence[tuple[str, Sequence[float]]],
) -> None:
    top, bottom = panel
    up = scale([value for _, path in paths for value in path] or [0.0], bottom, top)
    frame(svg, up, name, lambda mark: f"{mark:,g}")
    for at, (_, path) in enumerate(paths):
        edges = (Step(across.at(t), across.at(t + 1), up.at(value)) for t, value in enumerate(path))
        steps(svg, edges, f"line{at}")
    start = LEGEND if sum(34 + 7 * len(text) for text, _ in paths) < RIGHT - LEGEND else LEFT + 330
    legend(svg, start, top - 12, [], [(text, f"line{at}") for at, (text, _) in enumerate(paths)])


def _bars(
    svg: Svg, shown: Figures, across: Scale, panel: tuple[int, int], name: str, value: Callable[[Moment], float]
) -> None:
    """One bar per interval."""
    top, bottom = panel
    up = scale([value(one) for one in shown.moments], bottom, top)
    frame(svg, up, name, lambda mark: f"{mark:,g}")
    for one in shown.moments:
        left, y = across.at(one.interval), up.at(value(one))
        width, height = across.at(one.interval + 1) - left, abs(up.at(0) - y)
        svg.rect(left, min(y, up.at(0)), width, height, fill=FIXED_COLOURS[IMPORT], class_="bar")


def _intervals(svg: Svg, across: Scale, count: int, binding: int) -> None:
    """Marks on intervals, and where the look-ahead begins."""
    step = next(one for one in (1, 2, 4, 6, 8, 12, 16, 24, 48) if count / one < MAX_MARKS or one == 48)
    foot = GAP[1]
    for number in range(0, count + 1, step):
        x = across.at(number)
        for top, bottom in (STACK, PRICE, CHARGE, CARBON, GAP):
            svg.line((x, top), (x, bottom), class_="grid")
        svg.text(x, foot + 22, str(number), text_anchor="middle")
    svg.text(LEFT - 14, foot + 22, "interval", text_anchor="end", class_="name")
    if binding < count:
        x = across.at(binding)
        svg.line((x, STACK[0]), (x, foot), class_="axis")
        svg.text(x + 6, foot + 40, "look-ahead from here on: not ordered", class_="faint")
    svg.text(RIGHT, foot + 58, "Rest the pointer on an interval for its figures.", text_anchor="end", class_="faint")


def _steps(svg: Svg, across: Scale, moments: Sequence[Moment], at: Callable[[Moment], float], class_: str) -> None:
    steps(svg, (Step(across.at(one.interval), across.at(one.interval + 1), at(one)) for one in moments), class_)


def _tips(svg: Svg, shown: Figures, across: Scale) -> None:
    """The figures of each interval, over its whole height."""
    for one in shown.moments:
        lines = [
            f"Interval {one.interval}: demand {kwh(one.demand_wh)} kWh, losses {kwh(one.losses_wh)}, "
            f"shed {kwh(one.shed_wh)}",
            *(f"{name} {kwh(one.layers_wh[name])} kWh" for name in shown.layers if one.layers_wh[name]),
            f"charged {kwh(one.charge_wh)} kWh, exported {kwh(one.export_wh)}, bids {kwh(one.bids_wh)}, "
            f"loads {kwh(one.loads_wh)}",
            f"price {', '.join(map(per_kwh, dict.fromkeys(one.price_nano_per_wh)))} currency/kWh",
            f"emission {one.carbon_ug / 1e9:,.3f} kg, gap {money(one.gap_nano)}",
            *([f"at their limits: {', '.join(one.at_limit)}"] if one.at_limit else []),
        ]
        left, right = across.at(one.interval), across.at(one.interval + 1)
        svg.rect(left, STACK[0], right - left, GAP[1] - STACK[0], tip="\n".join(lines), fill="#000", fill_opacity=0)
