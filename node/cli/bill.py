"""`gridpact bill show | verify`: a member's statement for one billing cycle, and how a stranger checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.answer import Data, draw_standing
from node.cli.context import Connection, genesis_document, reader_key
from node.cli.form import Form, form, print_csv, rows
from node.cli.output import emit, line, money, per_kwh, progress, reporting, table, write_file
from node.cli.proof import CHECKING, read_bundle, verify_own
from node.cli.waiting import working
from node.errors import NodeError

app = typer.Typer(help="Statements: what a member owes or gets for a billing cycle.", no_args_is_help=True)

LINE_FIGURES = ["Energy (Wh)", "Price (currency/kWh)", "Amount (currency)"]
TOTAL_HEADINGS = ["Line", "Energy (Wh)", "Amount (currency)"]
Explain = Annotated[bool, typer.Option("--explain", help="Say in a sentence what each kind of line is for.")]
KINDS = {
    "consumption": "energy ordered for it, at the price of its zone: gridpact query interval {interval} --explain",
    "supply": "energy ordered from it, at the price of its zone: gridpact query dispatch {interval}",
    "pay-as-bid": "what its accepted blocks above the price ask on top of it",
    "within-limit": "what its served bids are spared where the price is above their own limits: they pay these",
    "reserve": "what it held back for the worst, paid as offered",
    "green": "premiums for green shares, as they were bid: gridpact carbon report --member {member}",
    "short": "energy it gave less or took more than ordered, at the dearer of price and import, with the penalty",
    "long": "energy it gave more or took less than ordered, at the least of price, offer and export price",
    "tie-import": "what the utility delivered through its meter, at its tariff",
    "tie-export": "what the utility took through its meter, at its tariff",
    "make-whole": "what a day of orders cost its storages beyond their pay: gridpact query make-whole {interval}",
    "builder": "a fee and a share of what its solution saved: gridpact query rounds",
    "proposer": "its block settled the interval",
    "spend-fee": "fees of hidden payments",
    "sealed-supply": "what the utility gave or took beside a sealed round: gridpact query sealed {interval}",
    "demand-response": "energy done without for pay: gridpact query reductions {interval}",
    "base-load": "base load that was shed although it was promised: gridpact query base-loads {interval}",
    "correction": "what earlier intervals turned out to be worth: gridpact query corrections {interval}",
    "residual": "its share, by metered consumption, of what all lines leave over: spread, rent, losses, what is owed",
}
"""What each kind of line is for, and the query that shows the records of the newest one where it has its own."""


@app.command()
@options.grouped
def show(
    member: Annotated[str, typer.Argument(help="Member id.")],
    cycle: Annotated[
        str, typer.Option("--cycle", help="Billing cycle: now, last (the one before), or its number.")
    ] = "now",
    document: Annotated[
        Path | None, typer.Option("--document", help="Write the statement as a document (Markdown) to this file.")
    ] = None,
    prove_to: Annotated[
        Path | None, typer.Option("--prove-to", help="Write the statement with the proof of every line to this file.")
    ] = None,
    explain: Explain = False,
    *,
    asking: options.Asking,
) -> None:
    """All lines of a member's settled intervals in a billing cycle, and their total."""
    with reporting(asking.as_json):
        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        proven = asking.prove or prove_to is not None
        reader = reader_key(asking.as_, asking.key, asking.directory)
        with Connection(asking.node, asking.directory) as connection:
            connection.sign_as(reader)
            answer = connection.run(connection.client.statement(cycle, member, prove=proven))
        statement = answer["data"]
        if statement is None:
            raise NodeError("rpc.unknown-member", f"There is no member {member}.", "Check the spelling.")
        if proven:
            from node.statement import verify_statement

            file = {"kind": "statement", "statement": statement, "proof": answer["proof"]}
            answer["proven"] = verify_own(file, verify_statement, asking.directory, prove_to)
        if document is not None:
            write_file(document, as_document(statement, shown, answer))
            progress(f"Statement written to {document}.")
        if asking.as_csv:
            entries = {**statement}
            entries.pop("totals")
            print_csv(rows(entries, shown, "lines", "line_"))
        else:
            if explain:
                answer["explained"] = explanations(statement)
            emit(asking.as_json, answer, lambda: _draw(statement, shown, answer, prove_to))


@app.command()
def verify(
    file: Annotated[str, typer.Argument(help="Statement that `bill show --prove-to` wrote, or - for stdin.")],
    genesis: options.Genesis = None,
    directory: options.Devnet = options.DEVNET,
    as_json: options.Json = False,
    tz: options.Zone = None,
    explain: Explain = False,
) -> None:
    """Check every line of a statement, and that they add up, against the genesis document alone."""
    with reporting(as_json):
        from node.statement import verify_statement

        shown = form(as_json, False, tz, directory)
        raw = read_bundle(file)
        with working(CHECKING, aloud=False):
            proven = verify_statement(raw, genesis_document(genesis, directory))

        explained = explanations(proven.data) if explain else []

        def draw() -> None:
            _draw_totals(proven.data, shown)
            for text in explained:
                line(text)
            line(f"Valid. {proven.sentence}")

        answer = {"valid": True, "proven": proven.sentence, **proven.data}
        emit(as_json, answer | ({"explained": explained} if explain else {}), draw)


@app.command()
@options.grouped
def private(
    cycle: Annotated[str, typer.Argument(help="Number of a billing cycle, now, or last.")],
    campus: Annotated[str, typer.Argument(help="The member that bills private meters.")],
    asking: options.Asking,
) -> None:
    """What your own keys open of a private billing cycle: your meters, or, as the campus, all that it bills."""
    from node.cli.private import show_bill

    show_bill(cycle, campus, asking)


def explanations(statement: Data) -> list[str]:
    """A sentence for each kind of line in a statement, with what it comes to and in how many intervals."""
    found = []
    for total in statement["totals"]:
        kind, amount = total["kind"], int(total["amount_nano"])
        own = list(dict.fromkeys(one["interval"] for one in statement["lines"] if one["kind"] == kind))
        where = f"interval {own[0]}" if len(own) == 1 else f"{len(own)} intervals from {own[0]} to {own[-1]}"
        verb = "gets" if amount >= 0 else "pays"
        why = KINDS[kind].format(interval=own[-1], member=statement["member"])
        found.append(f"{kind}: {verb} {money(abs(amount))} currency in {where}: {why}.")
    return found


def explain_bill(bill: Data) -> list[str]:
    """The same for the lines of one interval."""
    amounts: dict[str, int] = {}
    for one in bill["lines"]:
        amounts[one["kind"]] = amounts.get(one["kind"], 0) + int(one["amount_nano"])
    totals = [{"kind": kind, "amount_nano": amount} for kind, amount in amounts.items()]
    lines = [{**one, "interval": bill["interval"]} for one in bill["lines"]]
    return explanations({"member": bill["member"], "totals": totals, "lines": lines})


def _line_headings(shown: Form) -> list[str]:
    return ["Interval", f"Starts, {shown.clocks}", "Line", *LINE_FIGURES]


def _line_rows(statement: Data, shown: Form) -> list[list[str]]:
    return [
        [
            str(one["interval"]),
            shown.brief(one["start_ms"]),
            one["kind"] + (" (estimated)" if one.get("estimated") else ""),
            f"{one['energy_wh']:,}",
            per_kwh(one["price_nano_per_wh"]),
            money(one["amount_nano"]),
        ]
        for one in statement["lines"]
    ]


def _total_rows(statement: Data) -> list[list[str]]:
    rows_ = [[one["kind"], f"{one['energy_wh']:,}", money(one["amount_nano"])] for one in statement["totals"]]
    return [*rows_, ["total", "", money(statement["total_nano"])]]


def _title(statement: Data, shown: Form) -> str:
    return (
        f"Statement of {statement['member']}, cycle {statement['cycle']}: "
        f"{shown.span(statement['start_ms'], statement['end_ms'])}"
    )


def _state(statement: Data) -> str:
    intervals = statement["last_interval"] - statement["first_interval"] + 1
    text = f"{statement['billed_intervals']} of {intervals} intervals have lines"
    if statement["status"] == "closed":
        return f"Closed: {text}, and none waits any more."
    return f"Open: {text}; to be settled: {statement['waiting_intervals']}."


def _verdict(statement: Data) -> str:
    nano = int(statement["total_nano"])
    return f"{statement['member']} {'gets' if nano >= 0 else 'pays'} {money(abs(nano))} currency."


def _draw_totals(statement: Data, shown: Form) -> None:
    table(_title(statement, shown), TOTAL_HEADINGS, _total_rows(statement), right=TOTAL_HEADINGS[1:])
    line(_state(statement))
    line(_verdict(statement))


def _draw(statement: Data, shown: Form, answer: Data, prove_to: Path | None) -> None:
    table("Lines", _line_headings(shown), _line_rows(statement, shown), right=LINE_FIGURES)
    _draw_totals(statement, shown)
    for text in answer.get("explained", ()):
        line(text)
    draw_standing(answer, shown, statement["as_of_ms"])
    if prove_to is not None:
        line(f"Anybody checks it with: gridpact bill verify {prove_to} --genesis genesis.mp")


def as_document(statement: Data, shown: Form, answer: Data) -> str:
    """The statement as Markdown that reads as plain text too: columns are aligned."""
    parts = [
        f"# {_title(statement, shown)}",
        f"{_verdict(statement)} Positive amounts are received, negative ones paid; money in currency units, exact.",
        _state(statement),
        "## Totals",
        _markdown(TOTAL_HEADINGS, _total_rows(statement), right=TOTAL_HEADINGS[1:]),
        "## Lines",
        _markdown(_line_headings(shown), _line_rows(statement, shown), right=LINE_FIGURES),
        "## How to check it",
        f"As of block {answer['height']}, {shown.time(statement['as_of_ms'])} ledger time. "
        f"`gridpact bill show {statement['member']} --cycle {statement['cycle']} --prove-to statement.json` fetches "
        "the proof of every line; `gridpact bill verify statement.json --genesis genesis.mp` checks them all, and "
        "that they add up, without any node.",
    ]
    if "proven" in answer:
        parts.append(f"Proven: {answer['proven']}")
    return "\n\n".join(parts) + "\n"


def _markdown(headings: list[str], rows_: list[list[str]], right: list[str]) -> str:
    widths = [max(3, *(len(row[at]) for row in [headings, *rows_])) for at in range(len(headings))]
    sides = [heading in right for heading in headings]

    def one(cells: list[str]) -> str:
        padded = [
            cell.rjust(width) if side else cell.ljust(width)
            for cell, width, side in zip(cells, widths, sides, strict=True)
        ]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * (width - 1) + ":" if side else "-" * width for width, side in zip(widths, sides, strict=True)]
    return "\n".join([one(headings), one(rule), *map(one, rows_)])
