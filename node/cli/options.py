"""Options that many commands share, with one spelling and one help text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.form import ZONE_VARIABLE

DEVNET = Path(".gridpact") / "devnet"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Csv = Annotated[bool, typer.Option("--csv", help="Print RFC 4180 CSV on stdout; units are in the column names.")]
Zone = Annotated[
    str | None,
    typer.Option(
        "--tz",
        envvar=ZONE_VARIABLE,
        help="Time zone of the site, like Europe/Berlin, shown beside UTC.",
        metavar="ZONE",
    ),
]
Node = Annotated[
    str | None,
    typer.Option("--node", envvar="GRIDPACT_NODE", help="URL of a node's RPC. Default: a node of the devnet."),
]
Devnet = Annotated[Path, typer.Option("--dir", help="Directory of the devnet.")]
As = Annotated[str | None, typer.Option("--as", help="Member (or meter) who signs, by its key in the devnet.")]
KeyFile = Annotated[Path | None, typer.Option("--key", help="Key file to sign with, instead of a devnet key.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is final, or only until a node has it.")]
Prove = Annotated[bool, typer.Option("--prove", help="Fetch a proof and check it.")]
ProveTo = Annotated[Path | None, typer.Option("--prove-to", help="Write the proof to this file.")]
Timeout = Annotated[int, typer.Option("--timeout", min=1, max=86_400, help="Longest wait, in seconds.")]
Interval = Annotated[
    str, typer.Option("--interval", help="Interval number, or `next`: the first whose offers are not locked.")
]
Genesis = Annotated[
    Path | None, typer.Option("--genesis", help="Genesis document to trust (genesis.mp). Default: the devnet's.")
]
