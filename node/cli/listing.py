"""`gridpact query blocks` and `gridpact query transactions`: what was decided, newest first, in pages."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli import options
from node.cli.context import Connection, reader_key
from node.cli.form import form, print_csv
from node.cli.output import emit, line, reporting, table

KEPT = "kept by its owner"
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000, help="How many at most.")]


def register(query: typer.Typer) -> None:
    """Add the commands to `gridpact query`."""
    query.command()(blocks)
    query.command()(transactions)


@options.grouped
def blocks(
    before: Annotated[int | None, typer.Option("--before", min=1, help="Only those below this height.")] = None,
    limit: Limit = 20,
    *,
    asking: options.Listing,
) -> None:
    """Blocks, newest first."""
    with reporting(asking.as_json):
        from msgspec import to_builtins

        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        with Connection(asking.node, asking.directory) as connection:
            page = connection.run(connection.client.typed.blocks(before, limit))
        if shown.as_csv:
            return print_csv([{name: str(value) for name, value in to_builtins(one).items()} for one in page.blocks])
        headings = ["Height", f"Time, {shown.clocks}", "Proposer", "Transactions", "Id"]
        rows = [
            [
                f"{one.height:,}",
                shown.brief(one.time_ms),
                one.proposer + (f", round {one.proposer_round}" if one.proposer_round else ""),
                f"{one.transactions:,}" + (f", evidence {one.evidence}" if one.evidence else ""),
                one.id[:12],
            ]
            for one in page.blocks
        ]

        def draw() -> None:
            table("Blocks", headings, rows, right=["Height", "Transactions"])
            if page.next is not None:
                line(f"Further back: --before {page.next}")

        emit(asking.as_json, to_builtins(page), draw)


@options.grouped
def transactions(
    sender: Annotated[str | None, typer.Option("--sender", help="Member or meter that signed.")] = None,
    body: Annotated[str | None, typer.Option("--body", help="Sort of body, such as transfer or offer.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Code of the receipt, such as ok.")] = None,
    before: Annotated[str | None, typer.Option("--before", help="Only those below this place: HEIGHT.INDEX.")] = None,
    limit: Limit = 20,
    as_: options.Reader = None,
    key: options.KeyFile = None,
    *,
    asking: options.Listing,
) -> None:
    """Transactions, newest first. A page looks at so many of them, found or not, and says where to go on."""
    with reporting(asking.as_json):
        from msgspec import to_builtins

        shown = form(asking.as_json, asking.as_csv, asking.tz, asking.directory)
        named = {"sender": sender, "body": body, "code": code}
        filters = {name: value for name, value in named.items() if value is not None}
        reader = reader_key(as_, key, asking.directory)
        with Connection(asking.node, asking.directory) as connection:
            connection.sign_as(reader)
            page = connection.run(connection.client.typed.transactions(before, limit, **filters))
        if shown.as_csv:
            found = [to_builtins(one) for one in page.transactions]
            return print_csv([{name: str(value or "") for name, value in one.items()} for one in found])
        rows = [
            [
                f"{one.height}.{one.index}",
                shown.brief(one.time_ms),
                one.sender or KEPT,
                one.body,
                one.code,
                one.hash,
            ]
            for one in page.transactions
        ]

        def draw() -> None:
            headings = ["Place", f"Time, {shown.clocks}", "Sender", "Body", "Code", "Hash"]
            table("Transactions", headings, rows, right=["Place"])
            if page.next is not None:
                line(f"Further back: --before {page.next}")

        emit(asking.as_json, to_builtins(page), draw)
