"""`gridpact query ...`: what the ledger holds, with a proof on request."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli import options
from node.cli.access import access
from node.cli.answer import Data, Rows, show
from node.cli.bill import Explain, explain_bill
from node.cli.context import Connection, has_key
from node.cli.explain import sentences
from node.cli.form import Form, form, print_csv, rows
from node.cli.history import MeterId, corrections, disputes, energy, estimates
from node.cli.output import emit, facts, line, money, per_kwh, reporting, table
from node.cli.plots import plot_interval
from node.cli.threshold import threshold
from node.errors import NodeError

app = typer.Typer(help="Ask the ledger.", no_args_is_help=True)

Which = Annotated[
    str,
    typer.Argument(
        help="Interval number, now, next: the first whose offers are not locked, or last: the newest settled."
    ),
]
MemberId = Annotated[str, typer.Argument(help="Member id.")]
KEPT = "kept by its owner"
SAFE_STATES = {
    "envelope.revoked": "safe: a key of it was revoked",
    "envelope.time": "safe: outside its times of day",
}


@app.command()
@options.grouped
def member(member: MemberId, asking: options.Asking) -> None:
    """A member: roles, balance, tokens, keys and their next nonces."""

    def draw(data: Data, shown: Form) -> None:
        trust = data["trust"]
        rows = [
            ["Id", data["id"]],
            ["Name", data["name"]],
            ["Roles", ", ".join(data["roles"])],
            ["Site", data["site"]],
            ["Balance (currency)", KEPT if data["balance_nano"] is None else money(data["balance_nano"])],
            [
                "Tokens free / bonded / unlocking / wagered",
                " / ".join(trust[f"{one}_tokens"] for one in ("free", "bonded", "unlocking", "wagered")),
            ],
            ["Trust index (ppm)", str(trust["index_ppm"])],
            ["Nodes", ", ".join(one["node"] for one in data["nodes"]) or "none"],
        ]
        facts("Member", rows)
        keys = [
            [key["scope"], lane["next_nonce"], str(lane.get("waiting", "-")), key["public_key"]]
            for key, lane in zip(data["keys"], data["lanes"], strict=True)
        ]
        headings = ["Scope", "Next nonce", "Waiting", "Public key"]
        table("Account keys", headings, keys, right=headings[1:3])

    def refine(data: Data, shown: Form) -> None:
        """A row of CSV has a key with its lane."""
        if shown.as_csv:
            data["keys"] = [key | lane for key, lane in zip(data["keys"], data.pop("lanes"), strict=True)]

    show("member", [member], draw, asking, Rows("keys", "key_", ("nodes",)), refine=refine)


@app.command()
@options.grouped
def balance(member: MemberId, asking: options.Asking) -> None:
    """A member's money."""

    def draw(data: Data, shown: Form) -> None:
        table(
            "Balance",
            ["Member", "Balance (currency)"],
            [[data["member"], money(data["balance_nano"])]],
            right=["Balance (currency)"],
        )

    show("balance", [member], draw, asking)


@app.command()
@options.grouped
def meter(meter: MeterId, asking: options.Asking) -> None:
    """A meter and the head of its chain of readings."""

    def draw(data: Data, shown: Form) -> None:
        head, settled = data["head"], data["settled"]
        rows = [
            ["Meter", data["id"]],
            ["Member", data["member"]],
            ["Kind", data["kind"]],
            ["Rating (W)", f"{data['rating_w']:,}"],
        ]
        if head is None or settled is None:
            rows.append(["Registers", KEPT])
        else:
            rows += [
                ["Last sequence", str(head["sequence"])],
                ["Last interval", str(head["interval"])],
                ["Import register (Wh)", f"{head['import_wh']:,}"],
                ["Export register (Wh)", f"{head['export_wh']:,}"],
                ["Settled up to interval", str(settled["interval"])],
            ]
        facts("Meter", rows)

    show("meter", [meter], draw, asking)


@app.command()
@options.grouped
def envelope(
    meter: MeterId,
    interval: Annotated[str, typer.Argument(help="Interval number, now, or next.")] = "now",
    *,
    asking: options.Asking,
) -> None:
    """What no order may make of the asset behind a meter, by when, and why."""

    def draw(data: Data, shown: Form) -> None:
        rows = [["Meter", data["id"]], ["Member", data["member"]], ["Interval", str(data["interval"])]]
        if (allowed := data["limits"]) is None:
            rows.append(["State", f"bound by its rating of {data['rating_w']:,} W alone"])
        else:
            rows += [
                ["May give (Wh)", f"{allowed['give_wh']:,}"],
                ["May take (Wh)", f"{allowed['take_wh']:,}"],
                ["May change (Wh)", "by any" if allowed["ramp_wh"] is None else f"by {allowed['ramp_wh']:,}"],
                ["Critical load (Wh)", f"{allowed['floor_wh']:,}"],
                ["State", SAFE_STATES.get(allowed["code"], "follows orders")],
            ]
        facts("Envelope", rows)

    show("envelope", [meter, interval], draw, asking, Rows("terms", "terms_"))


@app.command()
@options.grouped
def network(asking: options.Asking) -> None:
    """Places and lines of the site, and what members may move without anybody looking at the lines."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Line", "From", "To", "Limit (W)", "Reactance (nano pu)"]
        rows = [
            [one["id"], one["from_place"], one["to_place"], f"{one['limit_w']:,}", f"{one['reactance_npu']:,}"]
            for one in data["lines"]
        ]
        table(f"{len(data['places'])} places", headings, rows, right=headings[3:])
        headings = ["Member", "Place", "Takes up to (W)", "Gives up to (W)"]
        rows = [
            [one["member"], one["place"], f"{one['import_w']:,}", f"{one['export_w']:,}"] for one in data["transfers"]
        ]
        table("Envelopes", headings, rows, right=headings[2:])
        line(f"AC model: losses are made up at {data['slack']}" if data["slack"] else "No AC model")

    show("network", [], draw, asking, Rows("lines", "line_", ("places", "transfers")))


@app.command()
@options.grouped
def reading(
    meter: MeterId,
    sequence: Annotated[int | None, typer.Option("--sequence", min=1, help="Default: the newest.")] = None,
    *,
    asking: options.Asking,
) -> None:
    """An accepted reading of a meter."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["Meter", "Sequence", "Interval", "Import register (Wh)", "Export register (Wh)", "Receipt"]
        row = [
            data["meter"],
            str(data["sequence"]),
            str(data["interval"]),
            f"{data['import_wh']:,}",
            f"{data['export_wh']:,}",
            data["receipt"]["code"],
        ]
        table("Reading", headings, [row], right=headings[1:5])
        line(f"Transaction {data['hash']}")

    show(
        "reading",
        [meter],
        draw,
        asking,
        Rows(without=("envelope", "raw")),
        sequence=sequence,
    )


def _standing_orders(data: Data) -> list[list[str]]:
    """What stands for the mode of an interval before the lock decides it."""
    rows = []
    for mode in ("island", "injection"):
        orders = [f"ordered by {one['member']}: {one['reason']}" for one in data[f"{mode}_orders"]]
        if orders:
            rows.append(["Mode", f"{mode} ({'; '.join(orders)})"])
    if data["call"] is not None:
        rows.append(["Called for (Wh)", f"{data['call']['energy_wh']:,} by {data['call']['member']}"])
    return rows


def _draw_interval(data: Data, shown: Form) -> None:
    rows = [
        ["Time", shown.span(data["start_ms"], data["end_ms"])],
        ["Offers lock", shown.time(data["locks_ms"])],
        ["Readings on time until", shown.time(data["closes_ms"])],
        ["Status", data["status"]],
    ]
    if data["mode"] is not None:
        rows.append(["Mode", data["mode"] + (f" ({data['mode_reason']})" if data["mode_reason"] else "")])
    else:
        rows += _standing_orders(data)
    if data["status"] != "empty":
        rows += [["Fixed demand (Wh)", f"{data['demand_wh']:,}"], ["Demand with a limit (Wh)", f"{data['bids_wh']:,}"]]
    if data["status"] in ("ordered", "settled"):
        rows += [
            ["Price (currency/kWh)", per_kwh(data["price_nano_per_wh"])],
            ["Served (Wh)", f"{data['served_wh']:,}"],
            ["Shed (Wh)", f"{data['shed_wh']:,}"],
            ["Ordered from offers (Wh)", f"{data['supplied_wh']:,}"],
            ["Import / export ordered (Wh)", f"{data['import_wh']:,} / {data['export_wh']:,}"],
        ]
    if data["status"] == "settled":
        rows += [
            ["Metered in / out (Wh)", f"{data['injected_wh']:,} / {data['withdrawn_wh']:,}"],
            ["Losses (Wh)", f"{data['losses_wh']:,}"],
            ["Residual shared (currency)", money(data["residual_nano"])],
        ]
    facts(f"Interval {data['interval']}", rows)


@app.command()
@options.grouped
def offences(
    asking: options.Asking,
    before: Annotated[int | None, typer.Option("--before", min=0, help="Only those with a lower number.")] = None,
) -> None:
    """Validators that signed two contradicting messages and what it cost their organisation, newest first."""

    def draw(data: Data, shown: Form) -> None:
        headings = ["No.", "Node", "Member", "Signed two", "Of height", "Round", "In block"]
        rows = [
            [
                str(one["number"]),
                one["node"],
                one["member"],
                one["kind"].removeprefix("duplicate-") + "s",
                str(one["height"]),
                str(one["round"]),
                str(one["recorded_height"]),
            ]
            for one in data["offences"]
        ]
        table(f"Offences ({data['count']} in all)", headings, rows, right=["No.", "Of height", "Round", "In block"])
        for one in data["offences"]:
            if one["taken_tokens"] != "0":
                line(_penalty(one))

    asked = [] if before is None else [str(before)]
    show("offences", asked, draw, asking, Rows("offences", "offence_"))


def _penalty(offence: Data) -> str:
    """What an offence cost, and who was rewarded for the evidence."""
    lost = f"Offence {offence['number']} cost {offence['member']} {int(offence['taken_tokens']):,} tokens"
    if offence["whistleblower"] is None:
        return f"{lost}."
    return f"{lost}; {int(offence['rewarded_tokens']):,} of them went to {offence['whistleblower']}."


@app.command()
@options.grouped
def interval(
    which: Which,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say in five lines why this price and these suppliers.")
    ] = False,
    plotted: options.Plot = False,
    *,
    asking: options.Asking,
) -> None:
    """A settlement interval: times, demand, price, deliveries; or why it came out so, also for whom --as names."""
    if not (explain or plotted):
        show("interval", [which], _draw_interval, asking)
        return

    def draw(data: Data, shown: Form) -> None:
        if plotted:
            plot_interval(data, shown)
        else:
            line(f"Interval {data['interval']}: {shown.span(data['start_ms'], data['end_ms'])}, {data['status']}")
        for text in data["lines"] if explain else ():
            line(text)

    def refine(data: Data, shown: Form) -> None:
        data["lines"] = sentences(data, shown)

    about = [] if asking.as_ is None else [asking.as_]
    # Whoever has no key here is still told what everybody may know of it.
    signed = asking.as_ is None or asking.key is not None or has_key(asking.as_, asking.directory)
    show("explain", [which, *about], draw, asking, refine=refine, signed=signed)


@app.command()
@options.grouped
def dispatch(which: Which, asking: options.Asking) -> None:
    """An ordered interval with every member's order."""

    def draw(data: Data, shown: Form) -> None:
        _draw_interval(data, shown)
        headings = ["Member", "Asked (Wh)", "Served (Wh)", "Shed (Wh)", "Delivers (Wh)", "On top, as bid (currency)"]
        rows = [
            [
                order["member"],
                f"{order['requested_wh']:,}",
                f"{order['served_wh']:,}",
                f"{order['shed_wh']:,}",
                f"{order['supplied_wh']:,}",
                money(order["pay_as_bid_nano"]),
            ]
            for order in data["orders"]
        ]
        table("Orders", headings, rows, right=headings[1:])

    show("dispatch", [which], draw, asking, Rows("orders", "order_"))


@app.command()
@options.grouped
def bill(which: Which, member: MemberId, explain: Explain = False, *, asking: options.Asking) -> None:
    """What a member gets or owes for a settled interval, line by line."""

    def refine(data: Data, shown: Form) -> None:
        if explain and not shown.as_csv:
            data["explained"] = explain_bill(data)

    def draw(data: Data, shown: Form) -> None:
        headings = ["Line", "Energy (Wh)", "Price (currency/kWh)", "Amount (currency)"]
        rows = [
            [one["kind"], f"{one['energy_wh']:,}", per_kwh(one["price_nano_per_wh"]), money(one["amount_nano"])]
            for one in data["lines"]
        ]
        rows.append(["total", "", "", money(data["total_nano"])])
        table(f"Bill of {data['member']}, interval {data['interval']}", headings, rows, right=headings[1:])
        for text in data.get("explained", ()):
            line(text)
        for one in data["corrected"]:
            amount = money(one["amount_nano"])
            line(
                f"In its correction: {amount} currency for interval {one['interval']}, {one['meter']} ({one['cause']})."
            )

    show("bill", [which, member], draw, asking, Rows("lines", "line_"), refine=refine)


@app.command()
@options.grouped
def block(
    height: Annotated[str, typer.Argument(help="Height, or latest.")] = "latest",
    *,
    asking: options.Listing,
) -> None:
    """A block: who proposed it, what is in it, who signed it."""
    with reporting(asking.as_json):
        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        if not (height == "latest" or height.isdecimal()):
            raise NodeError("cli.height", f"{height!r} is not a height.", "Give a number, or `latest`.")
        with Connection(asking.node, asking.directory) as connection:
            answer = connection.run(connection.client.get(f"/block/{height}"))
        if shown.as_csv:
            print_csv(rows(answer, shown, "payload", "transaction_"))
        else:
            emit(shown.as_json, answer, lambda: _draw_block(answer, shown))


def _draw_block(answer: Data, shown: Form) -> None:
    header, certificate = answer["header"], answer["certificate"]
    rows = [
        ["Id", answer["id"]],
        ["Time", shown.time(answer["time_ms"])],
        ["Proposer", f"{header['proposer']}, in round {header['proposer_round']}"],
        ["Decided", f"in round {certificate['round']}, by {len(certificate['signatures'])} precommits"],
        ["Transactions", str(len(answer["payload"]))],
        ["Evidence", str(len(answer["evidence"]))],
        ["State before", header["state_root"]],
        ["Parent", header["parent_hash"]],
    ]
    facts(f"Block {answer['height']}", rows)


for command in (energy, estimates, corrections, disputes, access, threshold):
    app.command()(options.grouped(command))
