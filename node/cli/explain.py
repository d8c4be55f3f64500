"""`gridpact query interval ... --explain`: five plain lines made of the figures of an `explain` answer."""

from __future__ import annotations

from typing import Any

from node.cli.form import Form
from node.cli.output import money, per_kwh

Data = dict[str, Any]


def sentences(data: Data, shown: Form) -> list[str]:
    """Demand, offers, price, grid, and what it means for one member (or for everybody)."""
    return [_demand(data), _offers(data), _price(data, shown), _grid(data), _member(data)]


def _wh(energy_wh: int) -> str:
    return f"{energy_wh:,} Wh"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _names(entries: list[str], all_: int) -> str:
    """The entries, and how many more there are."""
    return ", ".join(entries) + (f" and {all_ - len(entries)} more" if all_ > len(entries) else "")


def _demand(data: Data) -> str:
    demand = data["demand"]
    wanted_wh = demand["fixed_wh"] + demand["bids_wh"]
    if not demand["members"]:
        return "Needed: nobody asked for energy in this interval."
    who = _names([f"{one['member']} {_wh(one['requested_wh'])}" for one in demand["largest"]], demand["members"])
    text = f"Needed: {_wh(wanted_wh)}, asked for by {who}"
    if demand["bids_wh"]:
        text += f"; {_wh(demand['bids_wh'])} of it only up to a limit price"
    if data["price"] is None:
        return text + "; needs are still taken."
    shed_wh, reduced_wh = demand["shed_wh"], demand["reduced_wh"]
    # Of orders that are kept, what they charge can not be told apart from what they use.
    refused_wh = max(0, wanted_wh - demand["served_wh"] - shed_wh - reduced_wh)
    text += "; all of it is served" if demand["served_wh"] == wanted_wh else f"; {_wh(demand['served_wh'])} are served"
    text += f", {_wh(reduced_wh)} are done without for pay" if reduced_wh else ""
    text += f", {_wh(shed_wh)} are shed, least critical tier first" if shed_wh else ""
    text += f", {_wh(refused_wh)} are not served, since their limit is at the price or below" if refused_wh else ""
    return text + "."


def _offers(data: Data) -> str:
    offered = data["offered"]
    moved = _moved(data["moved"])
    if not offered["members"]:
        return f"Offered: no supplier offered energy in this interval.{moved}"
    text = f"Offered: {_wh(offered['offered_wh'])} by {_count(offered['members'], 'supplier')}"
    if "all" in offered:
        return f"{text} so far: {_side(offered['all'], taken=False)}."
    parts = [
        f"{words}: {_side(offered[name], taken=True)}"
        for name, words in (("cheaper", "cheaper than the price"), ("equal", "at the price"), ("dearer", "dearer"))
        if offered[name]["members"]
    ]
    return f"{text}; {'; '.join(parts)}.{moved}"


def _moved(moved: Data) -> str:
    """What storages and flexible loads do, and what had to be given up."""
    parts = [
        f"{words} {_wh(moved[name])}"
        for name, words in (
            ("discharged_wh", "storages give"),
            ("charged_wh", "storages take"),
            ("loads_wh", "flexible loads get"),
        )
        if moved[name]
    ]
    text = f" Moved in time: {', '.join(parts)}." if parts else ""
    return text + (f" Given up to have a dispatch at all: {', '.join(moved['relaxed'])}." if moved["relaxed"] else "")


def _side(side: Data, *, taken: bool) -> str:
    entries = []
    for one in side["suppliers"]:
        energy = f"{one['ordered_wh']:,} of {_wh(one['offered_wh'])}" if taken else _wh(one["offered_wh"])
        entries.append(f"{one['member']} {energy} from {per_kwh(one['from_nano_per_wh'])}")
    return _names(entries, side["members"])


_KINDS = {
    "import": "import from the grid, {ordered:,} of {offered:,} Wh taken",
    "export": "the export price: more could be sold to the grid, {ordered:,} of {offered:,} Wh are",
    "shed": "shedding, which counts at the offer cap: {ordered:,} of {offered:,} Wh fixed demand are shed",
    "bid": "the limit of {member}'s need, {ordered:,} of {offered:,} Wh served",
    "offer": "{member}'s offer from {meter}, {ordered:,} of {offered:,} Wh taken",
}


def _price(data: Data, shown: Form) -> str:
    price = data["price"]
    if price is None:
        return f"Price: none yet; offers lock at {shown.time(data['locks_ms'])}, then every node computes the same one."
    reasons = [
        _KINDS[one["kind"]].format(
            ordered=one["ordered_wh"], offered=one["offered_wh"], member=one.get("member"), meter=one.get("meter")
        )
        for one in price["set_by"]
    ]
    if not reasons:
        reasons = [
            "nothing had to be taken, so the export price counts"
            if data["grid"]["connected"]
            else "nothing had to be taken, so the cheapest offer left counts (none: the scarcity price)"
        ]
    text = f"Price: {per_kwh(price['price_nano_per_wh'])} currency/kWh, set by {'; '.join(reasons)}"
    percent = f"{price['slack_ppm'] / 10_000:g}"
    text += f"; read {percent}% of supply ({_wh(price['slack_wh'])}) below the top, so that one dear Wh moves nothing"
    if price["as_bid_wh"]:
        text += f"; {_wh(price['as_bid_wh'])} above it are paid as bid"
    return text + "."


def _grid(data: Data) -> str:
    grid = data["grid"]
    if grid is None:
        return "Grid: import and export follow when the interval is ordered."
    if not grid["connected"]:
        text = f"Island ({grid['reason']}): "
        if grid["import_wh"] or grid["export_wh"]:
            return (
                f"{text}of the {_wh(grid['import_wh'])} import and {_wh(grid['export_wh'])} export that were ordered, "
                "only what the tie metered is paid."
            )
        return text + "no import and no export; what is missing is shed, tier 0 last."
    text = (
        f"Grid: imports {grid['import_wh']:,} of at most {_wh(grid['import_limit_wh'])} at "
        f"{per_kwh(grid['import_nano_per_wh'])}, exports {grid['export_wh']:,} of at most "
        f"{_wh(grid['export_limit_wh'])} at {per_kwh(grid['export_nano_per_wh'])} currency/kWh"
    )
    return text + ("; export was lowered to the import price." if grid["export_lowered"] else ".")


def _member(data: Data) -> str:
    member = data.get("member")
    if member is None:
        if data["price"] is None:
            return "For you: add --as MEMBER."
        price = per_kwh(data["price"]["price_nano_per_wh"])
        return f"For everybody: who is served pays {price}, who delivers gets {price} currency/kWh; see --as MEMBER."
    parts = []
    if member["requested_wh"]:
        parts.append(f"asked for {_wh(member['requested_wh'])}")
        if data["price"] is not None:
            parts.append(f"is served {_wh(member['served_wh'])}")
    if member["shed_wh"]:
        parts.append(f"{_wh(member['shed_wh'])} of it are shed")
    if member["supplied_wh"]:
        parts.append(f"delivers {_wh(member['supplied_wh'])}")
    if not parts:
        parts.append("neither asked for energy nor delivers any")
    text = f"For {member['member']}: " + ", ".join(parts)
    if data["price"] is not None:
        text += f"; {_paid(int(member['expected_nano']), 'gets', 'pays')} if everybody keeps to the orders"
    if member["settled_nano"] is not None:
        text += f"; settled: {_paid(int(member['settled_nano']), 'got', 'paid')}"
    return text + "."


def _paid(nano: int, gets: str, pays: str) -> str:
    return f"{gets if nano >= 0 else pays} {money(abs(nano))} currency"
