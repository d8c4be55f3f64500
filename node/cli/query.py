"""`gridpact query ...`: what the ledger holds, with a proof on request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli import options
from node.cli.context import Connection, genesis_document
from node.cli.output import emit, line, money, per_kwh, reporting, span, table, utc
from node.errors import NodeError

app = typer.Typer(help="Ask the ledger.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(help="Interval number, or now, next, open.")]
MemberId = Annotated[str, typer.Argument(help="Member id.")]
MeterId = Annotated[str, typer.Argument(help="Meter id.")]
Data = dict[str, Any]


def _show(
    kind: str,
    arguments: list[str],
    draw: Callable[[Data], None],
    *,
    node: str | None,
    directory: Path,
    prove: bool,
    as_json: bool,
    sequence: int | None = None,
) -> None:
    with reporting(as_json), Connection(node, directory) as connection:
        asked: dict[str, int] = {"prove": 1} if prove else {}
        if sequence is not None:
            asked["sequence"] = sequence
        answer = connection.run(connection.client.query(kind, *arguments, **asked))
        if prove:
            answer["proven"] = _check(answer["proof"], directory)
        if answer["data"] is None and not as_json:
            line(f"There is no {kind} {'/'.join(arguments)}.")
            line(answer["proven"])
            return
        emit(as_json, answer, lambda: _draw_answer(answer, draw))


def _check(proof: Data, directory: Path) -> str:
    from msgspec import json as codec

    from node.proofs import decode_bundle, verify_bundle

    genesis = genesis_document(None, directory)
    return verify_bundle(decode_bundle(codec.encode(proof)), genesis).sentence


def _draw_answer(answer: Data, draw: Callable[[Data], None]) -> None:
    draw(answer["data"])
    line(f"As of block {answer['height']}, {utc(answer['time_ms'])} ledger time.")
    if "proven" in answer:
        line(f"Proven: {answer['proven']}")


@app.command()
def member(
    member: MemberId,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """A member: roles, balance, tokens, keys and their next nonces."""

    def draw(data: Data) -> None:
        trust = data["trust"]
        rows = [
            ["Id", data["id"]],
            ["Name", data["name"]],
            ["Roles", ", ".join(data["roles"])],
            ["Site", data["site"]],
            ["Balance (currency)", money(data["balance_nano"])],
            [
                "Tokens free / bonded / wagered",
                " / ".join(trust[f"{one}_tokens"] for one in ("free", "bonded", "wagered")),
            ],
            ["Trust index (ppm)", str(trust["index_ppm"])],
            ["Nodes", ", ".join(one["node"] for one in data["nodes"]) or "none"],
        ]
        table("Member", ["Field", "Value"], rows)
        keys = [
            [key["public_key"], key["scope"], lane["next_nonce"]]
            for key, lane in zip(data["keys"], data["lanes"], strict=True)
        ]
        table("Account keys", ["Public key", "Scope", "Next nonce"], keys, right=["Next nonce"])

    _show("member", [member], draw, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def balance(
    member: MemberId,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """A member's money."""

    def draw(data: Data) -> None:
        table(
            "Balance",
            ["Member", "Balance (currency)"],
            [[data["member"], money(data["balance_nano"])]],
            right=["Balance (currency)"],
        )

    _show("balance", [member], draw, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def meter(
    meter: MeterId,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """A meter and the head of its chain of readings."""

    def draw(data: Data) -> None:
        head = data["head"]
        rows = [
            ["Meter", data["id"]],
            ["Member", data["member"]],
            ["Kind", data["kind"]],
            ["Rating (W)", f"{data['rating_w']:,}"],
            ["Last sequence", str(head["sequence"])],
            ["Last interval", str(head["interval"])],
            ["Import register (Wh)", f"{head['import_wh']:,}"],
            ["Export register (Wh)", f"{head['export_wh']:,}"],
            ["Settled up to interval", str(head["settled_interval"])],
        ]
        table("Meter", ["Field", "Value"], rows)

    _show("meter", [meter], draw, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def reading(
    meter: MeterId,
    sequence: Annotated[int | None, typer.Option("--sequence", min=1, help="Default: the newest.")] = None,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """An accepted reading of a meter."""

    def draw(data: Data) -> None:
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

    _show("reading", [meter], draw, node=node, directory=directory, prove=prove, as_json=as_json, sequence=sequence)


def _draw_interval(data: Data) -> None:
    rows = [
        ["Time", span(data["start_ms"], data["end_ms"])],
        ["Offers lock", utc(data["locks_ms"])],
        ["Readings on time until", utc(data["closes_ms"])],
        ["Status", data["status"]],
    ]
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
    table(f"Interval {data['interval']}", ["Field", "Value"], rows)


@app.command()
def interval(
    which: Which,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """A settlement interval: times, demand, price, deliveries."""
    _show("interval", [which], _draw_interval, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def dispatch(
    which: Which,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """An ordered interval with every member's order."""

    def draw(data: Data) -> None:
        _draw_interval(data)
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

    _show("dispatch", [which], draw, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def bill(
    which: Which,
    member: MemberId,
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    prove: options.Prove = False,
    as_json: options.Json = False,
) -> None:
    """What a member gets or owes for a settled interval, line by line."""

    def draw(data: Data) -> None:
        headings = ["Line", "Energy (Wh)", "Price (currency/kWh)", "Amount (currency)"]
        rows = [
            [one["kind"], f"{one['energy_wh']:,}", per_kwh(one["price_nano_per_wh"]), money(one["amount_nano"])]
            for one in data["lines"]
        ]
        rows.append(["total", "", "", money(data["total_nano"])])
        table(f"Bill of {data['member']}, interval {data['interval']}", headings, rows, right=headings[1:])

    _show("bill", [which, member], draw, node=node, directory=directory, prove=prove, as_json=as_json)


@app.command()
def block(
    height: Annotated[str, typer.Argument(help="Height, or latest.")] = "latest",
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
) -> None:
    """A block: who proposed it, what is in it, who signed it."""
    with reporting(as_json), Connection(node, directory) as connection:
        if not (height == "latest" or height.isdecimal()):
            raise NodeError("cli.height", f"{height!r} is not a height.", "Give a number, or `latest`.")
        answer = connection.run(connection.client.get(f"/block/{height}"))
        emit(as_json, answer, lambda: _draw_block(answer))


def _draw_block(answer: Data) -> None:
    header, certificate = answer["header"], answer["certificate"]
    rows = [
        ["Id", answer["id"]],
        ["Time", utc(answer["time_ms"])],
        ["Proposer", f"{header['proposer']} (round {header['proposer_round']})"],
        ["Transactions", str(len(answer["payload"]))],
        ["Decided in round", str(certificate["round"])],
        ["Precommits in certificate", str(len(certificate["signatures"]))],
        ["State root before it", header["state_root"]],
        ["Parent", header["parent_hash"]],
    ]
    table(f"Block {answer['height']}", ["Field", "Value"], rows)
