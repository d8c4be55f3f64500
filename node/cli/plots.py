"""What `--plot` draws of an answer: who has power, where carbon comes from, why a price is what it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

from node.cli.bars import Bar, barred, timeline
from node.cli.form import Form
from node.cli.output import kilograms, line, per_kwh, plot

Data = dict[str, Any]
ONE_BY_ONE = 16
"""Members whose index is drawn one by one; of more, those that have the usual one are told together."""


def plot_trust(data: Data, shown: Form) -> None:
    """Who has power, and who has shown what."""
    total = int(data["total_power"] or 0)
    seated = sorted((one for one in data["members"] if int(one["power"] or 0)), key=lambda one: -int(one["power"]))
    powers = [
        Bar(one["member"], int(one["power"]), f"{percent(int(one['power']), total)} %, power {int(one['power']):,}")
        for one in seated
    ]
    plot(f"Power in epoch {data['epoch']}", lambda width: barred(powers, width))
    ranked = sorted(data["members"], key=lambda one: -one["index_ppm"])
    usual = Counter(one["index_ppm"] for one in ranked).most_common(1)[0][0] if len(ranked) > ONE_BY_ONE else None
    indices = [
        Bar(one["member"], one["index_ppm"], f"{one['index_ppm']:,} ppm") for one in ranked if one["index_ppm"] != usual
    ]
    if indices:
        plot("Index of trust", lambda width: barred(indices, width))
    if usual is not None:
        line(f"Index of all others: {usual:,} ppm.")


def plot_carbon(data: Data, shown: Form) -> None:
    """How clean each interval was, and what the carbon came from."""
    mixes = [one["mix_ug_per_wh"] for one in data["lines"] if one["mix_ug_per_wh"] is not None]
    whose = "the site" if data["member"] is None else data["member"]
    title = f"Carbon of {whose}, {shown.span(data['start_ms'], data['end_ms'])}"
    plot(title, lambda width: timeline("mix", mixes, lambda mix: f"{mix / 1_000:,.3f} g/kWh", width))
    sources = [
        Bar(one["meter"], carbon_ug(one), f"{kilograms(carbon_ug(one))} kg, {one['energy_wh']:,} Wh")
        for one in sorted(data["factors"], key=lambda one: -carbon_ug(one))
    ]
    if sources:
        plot("Brought into the site by", lambda width: barred(sources, width))


def plot_interval(data: Data, shown: Form) -> None:
    """The merit order: what was offered, cheapest first, and how far it was taken."""
    sides = [data["offered"][side] for side in ("cheaper", "equal", "dearer", "all") if side in data["offered"]]
    offers = [one for side in sides for one in side["suppliers"]]
    steps = [(one["from_nano_per_wh"], one["member"], one["ordered_wh"], one["offered_wh"]) for one in offers]
    grid = data["grid"]
    if grid is not None and grid["connected"] and grid["import_limit_wh"]:
        steps.append((grid["import_nano_per_wh"], "grid import", grid["import_wh"] or 0, grid["import_limit_wh"]))
    bars = [
        Bar(f"{per_kwh(price)} {who}", taken, f"{taken:,} of {offered:,} Wh", offered - taken)
        for price, who, taken, offered in sorted(steps, key=lambda step: step[:2])
    ]
    span = shown.span(data["start_ms"], data["end_ms"])
    if bars:
        title = f"Merit order of interval {data['interval']} (from currency/kWh): {span}"
        plot(title, lambda width: barred(bars, width))
    else:
        line(f"Interval {data['interval']}: {span}: nothing is offered.")
    demand = data["demand"]
    line(f"Needed: {demand['fixed_wh'] + demand['bids_wh']:,} Wh.")
    if data["status"] in ("ordered", "settled"):
        line(f"Served: {demand['served_wh']:,} Wh at {per_kwh(data['price']['price_nano_per_wh'])} currency/kWh.")


def percent(part: int, whole: int) -> str:
    """With two decimals, cut off."""
    hundredths = part * 10_000 // whole
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def carbon_ug(one: Data) -> int:
    """All that a source brought in, however it is known."""
    return int(one["operating_ug"]) + int(one["embodied_ug"]) + int(one["unseen_ug"])
