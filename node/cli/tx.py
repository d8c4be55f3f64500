"""`gridpact tx ...`: sign one thing, submit it, wait until it is final, and show what became of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from node.cli import options
from node.cli.context import Connection, account, meter_key
from node.cli.form import site_form
from node.cli.output import FAILED, emit, fail, line, money, per_kwh, reporting, table, write_file
from node.cli.waiting import working
from node.errors import NodeError

if TYPE_CHECKING:
    from contracts.bodies import AccountBody
    from node.client import Result

app = typer.Typer(help="Sign and submit transactions.", no_args_is_help=True)

RETRIES = 3
"""Attempts at `--interval next` when its gate closes between looking and deciding."""
MAX_MEMO = 80
Reason = Annotated[str, typer.Option("--reason", help=f"Why, up to {MAX_MEMO} characters, public.")]
MAX_WINDOW = 96
MAX_ENERGY = 2**40 - 1
"""Of energies in Wh and powers in W, as `contracts.units` has it."""
First = Annotated[str, typer.Option("--from", help="First interval: a number, or `next`, whose offers are not locked.")]
Count = Annotated[int, typer.Option("--count", min=1, max=MAX_WINDOW, help="Number of intervals.")]
Ask = Annotated[int, typer.Option("--amount-nano", min=1, help="Amount in nano-currency (10^9 are 1).")]


def interval_number(connection: Connection, text: str) -> dict[str, Any]:
    """The `interval` document of a number, or of `next`: the first whose offers are not locked."""
    data: dict[str, Any] = connection.run(connection.client.interval(text))["data"]
    return data


def settle(connection: Connection, raw: bytes, signing: options.Signing, what: str) -> Result:
    """Submit one envelope and wait as asked, saying so."""
    if not signing.wait:
        return connection.submit(raw, "accepted", signing.timeout)
    prove = signing.prove_to is not None
    aim = f"final{' and provable' if prove else ''}"
    with working(f"Waiting until {what} is {aim} (at most {signing.timeout} s)"):
        return connection.submit(raw, "proof" if prove else "final", signing.timeout)


def report(result: Result, signing: options.Signing, document: dict[str, Any], draw: Callable[[], None]) -> None:
    """Print what became of an envelope; exit code 0 only if it is what was asked for."""
    from msgspec import structs

    as_json, prove_to = signing.as_json, signing.prove_to
    outcome = {name: value for name, value in structs.asdict(result).items() if value not in (None, "")}
    outcome["hash"] = result.hash.hex()
    if prove_to is not None and result.proof is not None:
        write_proof(prove_to, result.proof)
    fine = result.done if signing.wait else result.status != "refused" and result.code == "ok"
    if not fine:
        error = NodeError(result.code, result.message or "The transaction was refused.", result.hint)
        if not as_json:
            fail(False, error)
        emit(True, {**error.document(), **outcome, **document}, lambda: None)
        raise typer.Exit(FAILED)

    def human() -> None:
        draw()
        line(f"Transaction {result.hash.hex()}")
        if result.status == "final":
            line(f"Final in block {result.height}, number {result.index}, code {result.code}.")
            if result.proof is None:
                line("Proof:")
                line(f"  gridpact proof fetch tx {result.hash.hex()} | gridpact proof verify -")
        else:
            line("Accepted: on the node's disk, kept until final or expired.")
        if prove_to is not None:
            line(f"Proof written; check it with: gridpact proof verify {prove_to}")

    emit(as_json, {**outcome, **document}, human)


def write_proof(path: Path, proof: dict[str, Any]) -> None:
    """Write a bundle. Raises NodeError `cli.write`."""
    import json

    write_file(path, json.dumps(proof, indent=1) + "\n")


def send(
    signing: options.Signing,
    what: str,
    make: Callable[[Connection], tuple[AccountBody, dict[str, Any], Callable[[], None]]],
) -> None:
    """Sign what `make` says as the member that the options name, submit it, and print what became of it."""
    with reporting(signing.as_json), Connection(signing.node, signing.directory) as connection:
        signer = account(connection, signing.as_, signing.key, signing.directory)
        body, document, draw = make(connection)
        result = settle(connection, signer.sign(body), signing, what)
        report(result, signing, document, draw)


def checked_memo(memo: str) -> str:
    """The memo of a transfer. Raises NodeError `cli.memo`."""
    if len(memo) > MAX_MEMO:
        raise NodeError("cli.memo", f"The memo has {len(memo)} characters.", f"Use at most {MAX_MEMO}.")
    return memo


def checked_reason(reason: str) -> str:
    """Why something is ordered or proposed. Raises NodeError `cli.reason`."""
    if not (0 < len(reason) <= MAX_MEMO and reason.isprintable()):
        raise NodeError(
            "cli.reason", "The reason is empty, too long or unprintable.", f"Use 1 to {MAX_MEMO} characters."
        )
    return reason


def window(connection: Connection, interval: str, count: int, signing: options.Signing) -> tuple[dict[str, Any], str]:
    """The intervals that were asked for, and how their time reads."""
    when = interval_number(connection, interval)
    end_ms = when["start_ms"] + count * (when["end_ms"] - when["start_ms"])
    text = site_form(signing.directory).span(when["start_ms"], end_ms)
    return {"interval": when["interval"], "count": count, "start_ms": when["start_ms"], "end_ms": end_ms}, text


@app.command()
@options.grouped
def transfer(
    to: Annotated[str, typer.Option("--to", help="Member who receives.")],
    amount_nano: Ask,
    memo: Annotated[str, typer.Option("--memo", help=f"Up to {MAX_MEMO} characters, public.")] = "",
    *,
    signing: options.Signing,
) -> None:
    """Move money from the signer's balance to another member's."""
    from contracts.bodies import Transfer

    def make(_: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        document = {"from": signing.as_, "to": to, "amount_nano": str(amount_nano)}
        row = [str(signing.as_), to, money(amount_nano)]
        return (
            Transfer(to, amount_nano, checked_memo(memo)),
            document,
            lambda: table("Transfer", ["From", "To", "Amount (currency)"], [row], right=["Amount (currency)"]),
        )

    send(signing, "the transfer", make)


def read_blocks(texts: list[str]) -> list[tuple[int, int]]:
    """`PRICE:WH` pairs, prices in nano-currency per Wh. Raises NodeError `cli.block`."""
    blocks = []
    for text in texts:
        price, _, energy = text.partition(":")
        try:
            blocks.append((int(price), int(energy)))
        except ValueError:
            raise NodeError(
                "cli.block",
                f"{text!r} is not PRICE:WH.",
                "Give integers, the price in nano-currency per Wh: 100000:5000 is 5 kWh at 0.10 per kWh.",
            ) from None
    return blocks


@app.command()
@options.grouped
def offer(
    meter: Annotated[str, typer.Option("--meter", help="Meter of the source that would deliver.")],
    blocks: Annotated[
        list[str],
        typer.Option("--block", help="PRICE:WH, price in nano-currency per Wh (100000 = 0.10 per kWh); repeatable."),
    ],
    interval: options.Interval = "next",
    *,
    signing: options.Signing,
) -> None:
    """Offer energy of one source in one interval; replaces an earlier offer of the same source."""
    from contracts.bodies import Offer, OfferBlock

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        pairs = read_blocks(blocks)
        when = interval_number(connection, interval)
        document = {
            "meter": meter,
            "interval": when["interval"],
            "start_ms": when["start_ms"],
            "blocks": [{"price_nano_per_wh": price, "energy_wh": energy} for price, energy in pairs],
        }
        headings = ["Price (currency/kWh)", "Energy (Wh)"]
        rows = [[per_kwh(price), f"{energy:,}"] for price, energy in pairs]
        time = site_form(signing.directory).span(when["start_ms"], when["end_ms"])
        title = f"Offer of {meter}, interval {when['interval']}: {time}"
        return (
            Offer(meter, when["interval"], tuple(OfferBlock(*pair) for pair in pairs)),
            document,
            lambda: table(title, headings, rows, right=headings),
        )

    send(signing, "the offer", make)


@app.command()
@options.grouped
def mode(
    mode: Annotated[str, typer.Argument(help="island: open the connection; injection: sell; grid: take both back.")],
    reason: Reason,
    interval: First = "next",
    count: Count = 1,
    *,
    signing: options.Signing,
) -> None:
    """Order the site's connection to the public grid for a window of intervals; campus or utility only."""
    from contracts.bodies import SetMode

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        match mode:
            case "grid" | "island" | "injection":
                wanted: Literal["grid", "island", "injection"] = mode
            case _:
                raise NodeError(
                    "cli.mode",
                    f"{mode!r} is not a mode that is ordered.",
                    "Order island, injection or grid; for demand response: gridpact tx call-reduction",
                )
        checked_reason(reason)
        when, text = window(connection, interval, count, signing)
        document = {"mode": mode, "reason": reason, **when}
        row = [mode, str(when["interval"]), str(count), text, reason]
        headings = ["Mode", "First interval", "Intervals", "Time", "Reason"]
        return (
            SetMode(when["interval"], count, wanted, reason),
            document,
            lambda: table("Connection to the grid", headings, [row], right=headings[1:3]),
        )

    send(signing, "the order", make)


@app.command()
@options.grouped
def reading(
    import_wh: Annotated[int, typer.Option("--import-wh", min=0, help="Import register, cumulative, in Wh.")],
    export_wh: Annotated[int, typer.Option("--export-wh", min=0, help="Export register, cumulative, in Wh.")],
    meter: Annotated[str | None, typer.Option("--meter", help="Meter that signs (same as --as).")] = None,
    status: Annotated[
        int, typer.Option("--status", min=0, max=2**32 - 1, help="Device status bits; 1: a tie's breaker is open.")
    ] = 0,
    interval: Annotated[str, typer.Option("--interval", help="Interval number, or `now`.")] = "now",
    *,
    signing: options.Signing,
) -> None:
    """Sign a meter's registers, linked to its last accepted reading."""
    with reporting(signing.as_json), Connection(signing.node, signing.directory) as connection:
        from contracts.bodies import PlainReading

        name = meter or signing.as_
        if name is None:
            raise NodeError("cli.signer", "No meter is named.", "Add --meter METER.")
        signer = meter_key(connection, name, signing.key, signing.directory)
        head = connection.run(connection.client.meter(name, reader=signer.reader()))["data"]["head"]
        when = connection.run(connection.client.interval(interval))["data"]
        sequence = head["sequence"] + 1
        body = PlainReading(
            sequence,
            when["interval"],
            import_wh,
            export_wh,
            None,
            None,
            status,
            bytes.fromhex(head["reading_hash"]),
        )
        result = settle(connection, signer.sign(body), signing, "the reading")
        headings = ["Meter", "Sequence", "Interval", "Import register (Wh)", "Export register (Wh)"]
        row = [name, str(sequence), str(when["interval"]), f"{import_wh:,}", f"{export_wh:,}"]
        report(
            result,
            signing,
            {
                "meter": name,
                "sequence": sequence,
                "interval": when["interval"],
                "import_wh": import_wh,
                "export_wh": export_wh,
            },
            lambda: table("Reading", headings, [row], right=headings[1:]),
        )


@app.command()
@options.grouped
def correct(
    meter: Annotated[str, typer.Option("--meter", help="Meter of the signer whose settled reading was wrong.")],
    interval: Annotated[str, typer.Option("--interval", help="Number of a settled interval.")],
    import_wh: Annotated[
        int | None, typer.Option("--import-wh", min=0, help="What it took in that interval, in Wh. Default: as billed.")
    ] = None,
    export_wh: Annotated[
        int | None, typer.Option("--export-wh", min=0, help="What it gave in that interval, in Wh. Default: as billed.")
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let estimates replace what is not given here.")] = False,
    *,
    signing: options.Signing,
) -> None:
    """Restate a settled reading of one's own meter, against oneself; billed with the next interval that closes."""
    from contracts.bodies import Correct
    from contracts.codes import describe

    def make(connection: Connection) -> tuple[AccountBody, dict[str, Any], Callable[[], None]]:
        if import_wh is None and export_wh is None and not withdraw:
            raise NodeError(
                "cli.energy",
                "Nothing is corrected.",
                "Give --import-wh or --export-wh as it should have been, or --withdraw to let estimates replace both.",
            )
        known = connection.run(connection.client.query("energy", interval, meter))["data"]
        if known["sequence"] is None:
            unknown = describe("correction.unknown")
            raise NodeError("correction.unknown", unknown.message, unknown.hint)
        headings = ["Register", "Billed (Wh)", "Should be (Wh)"]
        said: dict[str, int | None] = {}
        rows = []
        for name, given in (("import", import_wh), ("export", export_wh)):
            billed = known[f"billed_{name}_wh"]
            said[name] = given if given is not None or withdraw else billed
            rows.append([name, f"{billed:,}", "estimate" if said[name] is None else f"{said[name]:,}"])
        number = known["interval"]
        document = {
            "meter": meter,
            "sequence": known["sequence"],
            "interval": number,
            "billed_import_wh": known["billed_import_wh"],
            "billed_export_wh": known["billed_export_wh"],
            "import_wh": said["import"],
            "export_wh": said["export"],
        }
        time = site_form(signing.directory).span(known["start_ms"], known["end_ms"])

        def draw() -> None:
            table(f"Correction of {meter}, interval {number}: {time}", headings, rows, right=headings[1:])
            line("Billed with the next interval that closes; see it with:")
            line(f"  gridpact query corrections {number}")

        return Correct(meter, known["sequence"], number, said["import"], said["export"]), document, draw

    send(signing, "the correction", make)
