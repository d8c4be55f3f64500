"""`gridpact plot`: pictures from public RPC, of a devnet or of any node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.output import emit, reporting

app = typer.Typer(no_args_is_help=True, help="Draw what the ledger holds.")

DAY = 96
MAX_INTERVALS = 7 * DAY

Start = Annotated[
    int | None,
    typer.Option("--interval-from", min=0, max=2**32 - 1, help="First interval. Default: the newest are drawn."),
]
Count = Annotated[int, typer.Option("--intervals", min=1, max=MAX_INTERVALS, help="How many.")]
Out = Annotated[Path, typer.Option("--out", help="File to write, SVG.")]


@app.callback()
def group() -> None:
    """Draw what the ledger holds."""


@app.command()
def day(
    interval_from: Start = None,
    intervals: Count = DAY,
    out: Out = Path("day.svg"),
    node: options.Node = None,
    directory: options.Devnet = options.DEVNET,
    tz: options.Zone = None,
    as_json: options.Json = False,
) -> None:
    """Sources stacked against demand, the price, batteries and the public grid, as one SVG picture."""
    from devnet.directory import write_whole
    from devnet.errors import DevnetError
    from devnet.plot.day import collect
    from devnet.plot.picture import draw
    from node.cli.context import Connection
    from node.cli.form import form

    with reporting(as_json):
        shown = form(False, False, tz, directory)
        with Connection(node, directory) as connection:
            seen = connection.run(collect(connection.client, interval_from, intervals))
        try:
            write_whole(out, draw(seen, shown).encode())
        except OSError as error:
            raise DevnetError(
                "plot.unwritable", f"{out} can't be written: {error.strerror}.", "Give another --out."
            ) from None
        document = {
            "file": str(out),
            "chain_id": seen.chain_id,
            "first_interval": seen.moments[0].interval,
            "last_interval": seen.moments[-1].interval,
            "intervals": len(seen.moments),
        }
        emit(as_json, document, lambda: print(f"{out}: {len(seen.moments)} intervals. Open it in a browser."))
