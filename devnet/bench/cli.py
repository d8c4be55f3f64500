"""`gridpact bench`: measurements as one JSON document, progress on stderr."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from node.cli.options import Json
from node.cli.output import emit, progress, reporting
from node.cli.waiting import working

app = typer.Typer(no_args_is_help=True, help="Measure speed, memory and where the time goes.")


@app.callback()
def group() -> None:
    """Measure speed, memory and where the time goes."""


@app.command()
def throughput(
    nodes: Annotated[int, typer.Option(min=4, max=7, help="Validators.")] = 4,
    seconds: Annotated[float, typer.Option(min=2, max=60, help="Length of one step of the sweep.")] = 20,
    json: Json = False,
) -> None:
    """Finalised transactions a second, latency idle and at half load, and the share of each part of the work."""
    from devnet.bench.throughput import Throughput

    with reporting(json):
        with working("measuring", aloud=False):
            report = asyncio.run(Throughput(nodes, seconds, progress).run())
        emit(json, report, lambda: _draw(report))


@app.command()
def interval(
    members: Annotated[int, typer.Option(min=8, max=9_999, help="Members of the site, each with one meter.")] = 1_000,
    json: Json = False,
) -> None:
    """What one node pays to close an interval (tree and disk included), and to clear 10,000 offers."""
    from devnet.bench.interval import measure

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(members, progress)
        emit(json, report, lambda: _draw(report))


@app.command()
def epoch(
    members: Annotated[int, typer.Option(min=4, max=9_999, help="Members, each with a bond and a node.")] = 1_000,
    json: Json = False,
) -> None:
    """What one node pays for the end of an epoch, tree and disk included."""
    from devnet.bench.epoch import measure

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(members, progress)
        emit(json, report, lambda: _draw(report))


@app.command()
def scale(
    validators: Annotated[int, typer.Option(min=4, max=128, help="Nodes, each with a seat of equal power.")] = 31,
    heights: Annotated[int, typer.Option(min=1, max=1_000, help="Heights to average over.")] = 5,
    json: Json = False,
) -> None:
    """What a height costs with many validators on 50 ms links: virtual time, processor time and bytes."""
    from devnet.bench.scale import measure

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(validators, heights, progress)
        emit(json, report, lambda: _draw(report))


@app.command()
def day(
    json: Json = False,
) -> None:
    """From the needs of a day to its orders on four nodes, with builders, a battery and short phases."""
    from devnet.bench.day import measure

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(progress)
        emit(json, report, lambda: _draw(report))


@app.command()
def dispatch(
    json: Json = False,
) -> None:
    """Dispatch cases of four sizes: solving, repairing, locking, verifying, and the distance from the optimum."""
    from devnet.bench.dispatch import measure
    from node.cli.output import table

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(progress)
        columns = {"solve_s": "solve (s)", "repair_s": "repair (s)", "lock_ms": "lock (ms)", "verify_ms": "verify (ms)"}
        columns["gap_ppm"] = "gap (ppm)"
        rows = [[one["name"], *(str(one[name]) for name in columns)] for one in report["cases"]]
        headings = list(columns.values())
        emit(json, report, lambda: table("dispatch", ["case", *headings], rows, right=headings))


@app.command()
def zk(
    json: Json = False,
) -> None:
    """Range proofs, sealed bids, shares of openings, private readings on four nodes: time and bytes. Takes a minute."""
    from devnet.bench import private
    from devnet.bench.zk import measure

    with reporting(json):
        with working("measuring", aloud=False):
            report = measure(progress) | private.measure(progress)
        emit(json, report, lambda: _draw(report))


@app.command()
def rpc(
    seconds: Annotated[float, typer.Option(min=4, max=60, help="Length of one step.")] = 10,
    json: Json = False,
) -> None:
    """Point queries under load, what 200 websocket subscribers cost, the dashboard in Chromium. Takes two minutes."""
    from devnet.bench import page
    from devnet.bench.rpc import Rpc

    with reporting(json):
        with working("measuring", aloud=False):
            report = asyncio.run(Rpc(seconds, progress).run()) | page.measure(progress)
        emit(json, report, lambda: _draw(report))


def _draw(report: dict[str, Any]) -> None:
    for name, value in report.items():
        if name != "sweep":
            typer.echo(f"{name:>24}  {value}")
