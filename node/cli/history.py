"""`gridpact query energy | estimates | corrections | disputes`: what became of closed intervals.

Closed bills never change. These queries say which meters were silent and what they were taken for, who disputes
what and who decided it, and which later words were billed where.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from node.cli import options
from node.cli.answer import Data, Rows, show
from node.cli.form import Form
from node.cli.output import line, money, table

Which = Annotated[str, typer.Argument(help="Interval number, now, or last: the newest settled.")]
MeterId = Annotated[str, typer.Argument(help="Meter id.")]


def _wh(energy_wh: int | None) -> str:
    return "-" if energy_wh is None else f"{energy_wh:,}"


def _title(what: str, data: Data, shown: Form) -> str:
    return f"{what}, interval {data['interval']}: {shown.span(data['start_ms'], data['end_ms'])}"


def energy(which: Which, meter: MeterId, asking: options.Asking) -> None:
    """A meter in a settled interval: what it metered, and what it is billed for by now."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["", "Import (Wh)", "Export (Wh)"]
        rows = [
            ["metered on time", _wh(data["metered_import_wh"]), _wh(data["metered_export_wh"])],
            [
                f"billed by now ({len(data['corrections'])} corrections)" if data["corrections"] else "billed",
                _wh(data["billed_import_wh"]),
                _wh(data["billed_export_wh"]),
            ],
        ]
        table(_title(f"Energy of {data['meter']} ({data['member']})", data, shown), headings, rows, right=headings[1:])
        if data["estimated"]:
            line(f"It was silent and estimated: gridpact query estimates {data['interval']}")
        if data["sequence"] is not None:
            line(f"Settled by its reading {data['sequence']}.")

    show("energy", [which, meter], draw, asking, Rows("corrections", "correction_"))


def estimates(which: Which, asking: options.Asking) -> None:
    """Meters that were silent when an interval closed, and what they were taken for."""

    def draw(data: Data, shown: Form) -> None:
        _draw_list(_title("Estimates", data, shown), "every meter spoke in time", map(_estimate, data["estimates"]))

    show("estimates", [which], draw, asking, Rows("estimates", "estimate_"))


def _estimate(one: Data) -> str:
    text = f"{one['meter']} ({one['member']}) was silent, billed as {_flows(one, '')}: "
    if one["kind"] == "tie":
        text += "a silent tie is taken for an open breaker"
    elif one["like"]:
        text += f"most taken and least given in like intervals {', '.join(map(str, one['like']))}"
    elif one["kind"] == "source":
        text += "no like day yet, so a source is taken to give nothing"
    else:
        text += "no like day yet, so it is taken at its rating"
    return text + (f"; corrected since to {_flows(one, 'billed_')}." if one["corrections"] else ".")


def _flows(one: Data, prefix: str) -> str:
    return f"{_wh(one[f'{prefix}import_wh'])} Wh import, {_wh(one[f'{prefix}export_wh'])} Wh export"


def corrections(which: Which, asking: options.Asking) -> None:
    """Later words about an interval, and those that its own bills carry."""

    def draw(data: Data, shown: Form) -> None:
        none = "neither of this interval nor in its bills"
        _draw_list(_title("Corrections", data, shown), none, map(_correction, data["corrections"]))

    show("corrections", [which], draw, asking, Rows("corrections", "correction_"))


_CAUSES = {
    "returned": "its register returned",
    "restated": "its owner restated it",
    "verdict": "the parent meter of its line decided",
}


def _correction(one: Data) -> str:
    changes = [
        f"{name} {_wh(one[f'old_{name}_wh'])} -> {_wh(one[f'new_{name}_wh'])} Wh"
        for name in ("import", "export")
        if one[f"old_{name}_wh"] != one[f"new_{name}_wh"]
    ]
    booked = (
        "too late to be billed"
        if one["final"]
        else f"{money(one['amount_nano'])} currency in the bill of interval {one['booked_in']}"
    )
    return (
        f"Interval {one['interval']}, {one['meter']} ({one['member']}), {_CAUSES.get(one['cause'], one['cause'])}: "
        f"{', '.join(changes) or 'as billed'}; {booked}."
    )


def disputes(
    which: Annotated[
        str, typer.Argument(help="Interval number, now, or open: all that wait for their parent meter.")
    ] = "open",
    *,
    asking: options.Asking,
) -> None:
    """Lines whose two meters disagree: both are named, the smaller reading settles, the parent meter decides."""

    def draw(data: Data, shown: Form) -> None:
        if data["interval"] is None:
            title, none = "Disputes that wait for a verdict", "every line agrees or is decided"
        else:
            title, none = _title("Disputes", data, shown), "the two meters of every line agree"
        _draw_list(title, none, map(_dispute, data["disputes"]))

    show("disputes", [which], draw, asking, Rows("disputes", "dispute_"))


def _dispute(one: Data) -> str:
    text = (
        f"Line {one['line']}, interval {one['interval']}: {one['sending_meter']} ({one['sending_member']}) sent "
        f"{_wh(one['sent_wh'])} Wh, {one['receiving_meter']} ({one['receiving_member']}) received "
        f"{_wh(one['received_wh'])} Wh. {_wh(one['settled_wh'])} Wh settle, {_wh(one['held_wh'])} Wh "
        f"({money(one['held_nano'])} currency) are held. "
    )
    verdict, parent = one["verdict"], f"{one['parent_meter']} ({one['parent_member']})"
    if verdict is None:
        return f"{text}Verdict: waits for the registers of {parent}."
    if verdict["final"]:
        return f"{text}Verdict: none, {parent} never spoke; what settled stays."
    return (
        f"{text}Verdict in interval {verdict['decided_in']}: {parent} saw {_wh(verdict['parent_wh'])} Wh, so both ends "
        f"settle at {_wh(verdict['settled_wh'])} Wh; billed as `gridpact query corrections {one['interval']}` says."
    )


def _draw_list(title: str, none: str, entries: Iterable[str]) -> None:
    """One line per entry, which tells all of it: tables of so many columns fit no terminal."""
    said = list(entries)
    line(f"{title}:" if said else f"{title}: none, {none}.")
    for text in said:
        line(f"- {text}")
