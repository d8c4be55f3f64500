"""`gridpact devnet time | trace | save | restore`: a devnet as a laboratory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devnet.directory import DEFAULT
from devnet.errors import DevnetError
from node.cli.options import Devnet as Directory
from node.cli.options import Json, watchable
from node.cli.output import emit, line, money, progress, reporting, table
from node.cli.waiting import working

if TYPE_CHECKING:
    from devnet.directory import Document, Layout
    from devnet.launcher import Launcher
    from node.clock import ClockSetting


time = typer.Typer(no_args_is_help=True, help="Ledger time of a devnet: see it, freeze it, move it forward.")

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd])\Z")
MAX_LINES = 400
"""Steps of a trace that people are shown; `--json` has all."""


@time.command("show")
@watchable
def show(directory: Directory = DEFAULT, as_json: Json = False) -> None:
    """Ledger time now, and whether it stands still."""
    from devnet.timing import how

    with reporting(as_json):
        _say(as_json, how(_launcher(directory)))


@time.command("freeze")
def freeze(dir: Directory = DEFAULT, json: Json = False) -> None:
    """Let ledger time stand still: deadlines wait, blocks are made when somebody speaks."""
    from devnet.timing import freeze as stop

    with reporting(json):
        _say(json, stop(_launcher(dir)))


@time.command("run")
def run(dir: Directory = DEFAULT, json: Json = False) -> None:
    """Let ledger time run again from where it stands."""
    from devnet.timing import go

    with reporting(json):
        _say(json, go(_launcher(dir)))


@time.command("advance")
def advance(
    span: Annotated[str, typer.Argument(help="How far: 30s, 15m, 2h, 1d.", metavar="SPAN")],
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Move ledger time forward; it stands still or runs on as before."""
    from devnet.timing import advance as move

    with reporting(json):
        _say(json, move(_launcher(dir), span_ms(span)))


def trace(
    hash: Annotated[str, typer.Argument(help="Hash of a transaction, hex.", metavar="HASH")],
    node: Annotated[str | None, typer.Option("--node", help="Name of the node that runs it again.")] = None,
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Run a transaction again and show every contract call and every record that it read and wrote."""
    with reporting(json):
        launcher = _launcher(dir)
        nodes = launcher.layout.load().nodes
        document = launcher.admin(node or nodes[0].name, {"cmd": "trace", "hash": hash})
        emit(json, document, lambda: _draw(document))


def save(
    path: Annotated[Path, typer.Argument(help="New file, .tar.gz.", metavar="FILE")],
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Write the whole devnet to a file, and let it go on."""
    from devnet.snapshot import save as write

    with reporting(json):
        with working("stopping the nodes, writing the file, starting them again"):
            size = write(_launcher(dir), path)
        emit(
            json,
            {"file": str(path), "bytes": size},
            lambda: line(f"{path}: {size:,} bytes; `devnet restore` reads it."),
        )


def restore(
    path: Annotated[Path, typer.Argument(help="File that `devnet save` wrote.", metavar="FILE")],
    dir: Directory = DEFAULT,
    json: Json = False,
) -> None:
    """Make the devnet of a file and go on from where it was."""
    from devnet.snapshot import restore as read

    with reporting(json):
        launcher = _launcher(dir)
        with working("taking the devnet out of its file and starting it"):
            document = read(launcher, path)
        present(json, document, launcher.layout)


def present(json: bool, document: Document, layout: Layout) -> None:
    """Print a devnet that has started: nodes with their addresses, members with their money, and where keys are."""
    import msgspec

    nodes = [[node.name, node.rpc, node.p2p, str(node.pid)] for node in document.nodes]
    headings = ("member", "name", "roles", "balance (currency)")
    members = [[one.id, one.name, ", ".join(one.roles), money(one.balance_nano)] for one in document.members]

    def draw() -> None:
        table(f"{len(members)} members", headings, members, right=headings[-1:])
        line(f"The key of each member: {layout.keys}/MEMBER.json")
        table(f"nodes of {document.chain_id}", ("name", "rpc and dashboard", "p2p", "pid"), nodes, right=("pid",))
        line(f"Look at it: {nodes[0][1]} in a browser; every node serves the dashboard.")
        if any(one.id == "campus" for one in document.members):
            kept = "" if layout.root == DEFAULT.absolute() else f" --dir {layout.root}"
            line(f"Ask for energy: gridpact tx dispatch request --as campus --interval next --wh 5000{kept}")

    emit(json, {**msgspec.to_builtins(document), "dir": str(layout.root)}, draw)


def span_ms(text: str) -> int:
    """Milliseconds of "15m". Raises `DevnetError` `devnet.time`."""
    found = _SPAN.match(text)
    if found is None:
        raise DevnetError("devnet.time", f"{text[:20]!r} is no span of time.", "Write a number and s, m, h or d: 15m.")
    return int(found[1]) * _UNITS_MS[found[2]]


def _say(json: bool, setting: ClockSetting) -> None:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(setting.at_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    document = {"time_ms": setting.at_ms, "frozen": setting.freeze}
    emit(json, document, lambda: line(f"{when}, {'standing still' if setting.freeze else 'running'}"))


def _draw(document: dict[str, Any]) -> None:
    import json

    line(f"block {document['height']}, transaction {document['index']}: {document['receipt']['code']}")
    for step in document["steps"][:MAX_LINES]:
        mark = "reads " if step["kind"] == "read" else ""
        line(f"{'  ' * (step['depth'] + 1)}{mark}{step['what']}")
    hidden = len(document["steps"]) - MAX_LINES + document["left_out"]
    if hidden > 0:
        line(f"  ... and {hidden} more; --json has up to 4,000")
    for write in document["writes"]:
        line(f"writes {write['key']}")
        for name in ("before", "after"):
            line(f"  {name:6} {json.dumps(write[name], separators=(', ', ': ')) if write[name] is not None else '-'}")
    for event in document["receipt"]["events"]:
        line(f"event  {json.dumps(event, separators=(', ', ': '))}")


def _launcher(directory: Path) -> Launcher:
    from devnet.launcher import Launcher

    return Launcher(directory, progress)
