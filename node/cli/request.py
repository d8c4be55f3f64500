"""`gridpact tx dispatch request`: ask for energy, wait until everybody's nodes have ordered the interval, show who
delivers it at what price, and how anybody can check that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli import options
from node.cli.answer import check
from node.cli.context import Connection, account
from node.cli.form import Form, site_form
from node.cli.output import FAILED, emit, line, money, per_kwh, progress, reporting, table
from node.cli.tx import RETRIES, interval_number, settle, write_proof
from node.cli.waiting import Amount, working
from node.errors import NodeError

app = typer.Typer(help="Dispatch: who delivers what, when.", no_args_is_help=True)
TOO_LATE = "need.late"
PATIENT = options.Signing(timeout=3_600)
"""An interval is ordered when its gate closes, and not earlier."""


@app.command()
@options.grouped
def request(
    energy_wh: Annotated[int, typer.Option("--wh", min=1, help="Energy wanted, in Wh.")],
    interval: options.Interval = "next",
    limit_nano_per_wh: Annotated[
        int | None,
        typer.Option("--limit", help="Highest price, nano-currency per Wh. Default: none, fixed demand."),
    ] = None,
    tier: Annotated[int, typer.Option("--tier", min=0, max=7, help="Shedding tier, 0 is shed last.")] = 0,
    prove: options.Prove = False,
    signing: options.Signing = PATIENT,
) -> None:
    """Ask for energy in one interval, and wait for its dispatch."""
    from contracts.bodies import Need

    as_json, directory, prove_to = signing.as_json, signing.directory, signing.prove_to
    with reporting(as_json), Connection(signing.node, directory) as connection:
        shown = site_form(directory)
        waiting = signing._replace(prove_to=None)  # what is proven is the dispatch, not the need
        signer = account(connection, signing.as_, signing.key, directory)
        for attempt in range(RETRIES):
            when = interval_number(connection, interval)
            raw = signer.sign(Need(when["interval"], 1, energy_wh, limit_nano_per_wh, tier))
            result = settle(connection, raw, waiting, f"the need for interval {when['interval']}")
            if not (interval == "next" and result.code == TOO_LATE and attempt < RETRIES - 1):
                break
            progress(f"The gate of interval {when['interval']} closed meanwhile; asking for the next one.")
            connection.run(signer.sync(connection.client))
        document = {
            "hash": result.hash.hex(),
            "status": result.status,
            "interval": when["interval"],
            "start_ms": when["start_ms"],
            "end_ms": when["end_ms"],
            "member": signing.as_,
            "requested_wh": energy_wh,
        }
        if not (result.done if signing.wait else result.status != "refused"):
            raise NodeError(result.code, result.message or "The need was refused.", result.hint)
        if not signing.wait:
            emit(as_json, document, lambda: line(f"Accepted: need {result.hash.hex()}, interval {when['interval']}."))
            return
        progress(
            f"Need final in block {result.height}; offers for interval {when['interval']} lock at "
            f"{shown.time(when['locks_ms'])} ledger time."
        )
        seconds = connection.seconds_until(when["locks_ms"])
        amount = None if seconds is None else Amount(seconds, by_clock=True)
        with working(f"Waiting until interval {when['interval']} is ordered", amount):
            ordered = connection.run(_ordered(connection, when["interval"], f"{result.height}.0", signing.timeout))
        dispatch = connection.run(connection.client.query("dispatch", when["interval"], height=ordered["height"]))[
            "data"
        ]
        document |= _summary(dispatch, str(signing.as_)) | {
            "block": ordered["height"],
            "ordered_ms": ordered["time_ms"],
        }
        fetch = _prove_command(when["interval"], signing.node, directory)
        document["prove"] = fetch
        document["dashboard"] = connection.client.base_url
        proven: str | None = None
        if prove or prove_to is not None:
            proven = _prove(connection, when["interval"], ordered["height"], document, prove_to, directory)
        emit(as_json, document, lambda: _draw(document, proven, prove_to, shown))
        if document["served_wh"] < energy_wh and limit_nano_per_wh is None:
            progress(f"Only {document['served_wh']} of {energy_wh} Wh are served; the rest is shed.")
            raise typer.Exit(FAILED)


async def _ordered(connection: Connection, interval: int, cursor: str, timeout_s: int) -> dict[str, Any]:
    """The event of the block that ordered `interval`; goes on at another node when one goes away."""
    import asyncio

    from node.client import Client, RpcError

    try:
        async with asyncio.timeout(timeout_s):
            while True:
                for url in connection.urls:
                    try:
                        async with Client(url) as client:
                            async for event in client.events(("interval",), cursor):
                                cursor = event["cursor"]
                                if any(
                                    one["type"] == "interval-ordered" and one["interval"] == interval
                                    for one in event["events"]
                                ):
                                    return event
                    except RpcError as error:
                        progress(f"{error.message} Trying another node ...")
                await asyncio.sleep(1)
    except TimeoutError:
        raise NodeError(
            "wait.timeout",
            f"Interval {interval} was not ordered within {timeout_s} s.",
            f"The need is final and stays. Ask later: `gridpact query dispatch {interval}`; "
            "`gridpact status` says whether blocks are made.",
        ) from None


def _summary(dispatch: dict[str, Any], member: str) -> dict[str, Any]:
    """What the signer gets and who delivers, from the dispatch document. Payments are those expected at delivery."""
    price = dispatch["price_nano_per_wh"]
    own = next((order for order in dispatch["orders"] if order["member"] == member), None)
    awards = [
        {
            "member": order["member"],
            "meters": order["meters"],
            "supplied_wh": order["supplied_wh"],
            "payment_nano": str(order["supplied_wh"] * price + int(order["pay_as_bid_nano"])),
        }
        for order in dispatch["orders"]
        if order["supplied_wh"]
    ]
    served = own["served_wh"] if own else 0
    return {
        "asked_wh": own["requested_wh"] if own else 0,
        "served_wh": served,
        "shed_wh": own["shed_wh"] if own else 0,
        "price_nano_per_wh": price,
        "payment_nano": str(served * price),
        "awards": awards,
        "import_wh": dispatch["import_wh"],
        "export_wh": dispatch["export_wh"],
        "import_nano_per_wh": dispatch["import_nano_per_wh"],
        "total_served_wh": dispatch["served_wh"],
    }


def _prove_command(interval: int, node: str | None, directory: Path) -> str:
    where = f" --node {node}" if node else ""
    kept = "" if directory == options.DEVNET else f" --dir {directory}"
    return f"gridpact proof fetch dispatch {interval}{where}{kept} | gridpact proof verify -{kept}"


def _prove(
    connection: Connection,
    interval: int,
    height: int,
    document: dict[str, Any],
    prove_to: Path | None,
    directory: Path,
) -> str:
    """Fetch the proof, check it against the genesis that is trusted here, and keep it."""
    proof = connection.run(connection.client.query("dispatch", interval, height=height, prove=1))["proof"]
    sentence = check(proof, directory)
    if prove_to is not None:
        write_proof(prove_to, proof)
        document["proof_file"] = str(prove_to)
    document["proven"] = sentence
    return sentence


def _draw(document: dict[str, Any], proven: str | None, prove_to: Path | None, shown: Form) -> None:
    line(f"Interval {document['interval']}: {shown.span(document['start_ms'], document['end_ms'])}")
    line(f"Ordered in block {document['block']}, {shown.time(document['ordered_ms'])} ledger time.")
    asked = f"{document['member']} asked for {document['requested_wh']:,} Wh"
    other_wh = document["asked_wh"] - document["requested_wh"]
    if other_wh > 0:
        asked += f" here and {other_wh:,} Wh in its other needs, such as its agent's"
    line(
        f"{asked}; in this interval it is served {document['served_wh']:,} Wh"
        + (f", {document['shed_wh']:,} Wh are shed." if document["shed_wh"] else ".")
    )
    line(
        f"Price {per_kwh(document['price_nano_per_wh'])} currency/kWh; payment expected "
        f"{money(document['payment_nano'])} currency."
    )
    headings = ["Supplier", "Meters", "Ordered (Wh)", "Payment expected (currency)"]
    rows = [
        [
            award["member"],
            ", ".join(one["meter"] for one in award["meters"]),
            f"{award['supplied_wh']:,}",
            money(award["payment_nano"]),
        ]
        for award in document["awards"]
    ]
    if document["import_wh"]:
        cost = document["import_wh"] * document["import_nano_per_wh"]
        rows.append(["grid import", "", f"{document['import_wh']:,}", money(cost)])
    table("Orders for the whole site", headings, rows, right=headings[2:])
    if proven:
        line(f"Proven: {proven}")
    line("Prove it:" if prove_to is None else "Prove it again:")
    line(f"  {document['prove'] if prove_to is None else f'gridpact proof verify {prove_to}'}")
    line("Look at the dispatch, and at your need with a proof of it, in a browser:")
    line(f"  {document['dashboard']}/#/dispatch/{document['interval']}")
    line(f"  {document['dashboard']}/#/ledger/tx/{document['hash']}")
