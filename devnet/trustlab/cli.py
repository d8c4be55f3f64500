"""`gridpact trust simulate`: what the rules of trust do to members over many epochs, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import options
from node.cli.form import form, print_csv
from node.cli.output import emit, line, reporting, table
from node.cli.waiting import Amount, working

if TYPE_CHECKING:
    from devnet.trustlab.members import Life

MAX_EPOCHS = 1_000
ROWS = 10
"""Epochs that the table shows, about."""


def simulate(
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=MAX_EPOCHS, help="Epochs of 64 blocks.")] = 100,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Eight members, honest, absent and lying, on the real rules: index, tokens, power and turns by epoch."""
    from devnet.trustlab.members import live

    with reporting(as_json):
        shown = form(as_json, as_csv, None, Path())
        with working("living", Amount(epochs, "epochs"), aloud=False) as task:
            document = described(live(epochs, task.advance))
        if shown.as_csv:
            print_csv([{name: str(value) for name, value in one.items()} for one in document["standings"]])
        else:
            emit(as_json, document, lambda: _draw(document))


def described(life: Life) -> dict[str, Any]:
    """A life as a document; tokens are text, as everywhere."""
    return {
        "epochs": life.epochs,
        "standings": [
            one._asdict() | {"tokens": str(one.tokens), "bonded_tokens": str(one.bonded_tokens)}
            for one in life.standings
        ],
        "lies": {name: list(at) for name, at in life.lies.items()},
        "refused": dict(life.refused),
        "pool_tokens": str(life.pool_tokens),
        "supply_tokens": str(life.supply_tokens),
    }


def _draw(document: dict[str, Any]) -> None:
    from devnet.trustlab.tables import WHO, percent

    epochs = document["epochs"]
    shown = {*range(0, epochs, max(1, epochs // ROWS)), epochs - 1}
    headings = ["Epoch", "Member", "Index (ppm)", "Tokens", "Power", "Turns", "Blocks"]
    rows = [
        [
            str(one["epoch"]),
            WHO[one["member"]],
            f"{one['index_ppm']:,}",
            f"{int(one['tokens']):,}",
            percent(one["power_ppm"], 2),
            percent(one["turns_ppm"], 2),
            str(one["blocks"]),
        ]
        for one in document["standings"]
        if one["epoch"] in shown and one["member"] in WHO
    ]
    table(f"{epochs} epochs", headings, rows, right=["Epoch", *headings[2:]])
    line(f"{int(document['pool_tokens']):,} of {int(document['supply_tokens']):,} tokens were lost to the pool.")
    line("What this means, and what a cartel can do: docs/trust.md")
