"""`gridpact bench`: measurements as one JSON document, progress on stderr."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, help="Measure speed, memory and where the time goes.")


@app.callback()
def group() -> None:
    """Measure speed, memory and where the time goes."""


@app.command()
def throughput(
    nodes: Annotated[int, typer.Option(min=4, max=7, help="Validators.")] = 4,
    seconds: Annotated[float, typer.Option(min=2, max=60, help="Length of one step of the sweep.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Finalised transactions a second, latency idle and at half load, and the share of each part of the work."""
    from devnet.bench.throughput import Throughput

    report = asyncio.run(Throughput(nodes, seconds, lambda text: typer.echo(text, err=True)).run())
    _print(report, json)


def _print(report: dict[str, Any], as_json: bool) -> None:
    import msgspec

    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
        return
    for name, value in report.items():
        if name != "sweep":
            typer.echo(f"{name:>24}  {value}")
