"""`gridpact token ...` and `gridpact keys rpc`: what other machines need to talk to a node."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.cli import options
from node.cli.output import emit, line, reporting, table

CERTIFICATE, KEY = "rpc-certificate.pem", "rpc-key.pem"

app = typer.Typer(help="Who may talk to a node from other machines.", no_args_is_help=True)

Home = Annotated[
    Path, typer.Option("--home", envvar="GRIDPACT_HOME", help="Home directory of the node.", show_default=False)
]
TokenName = Annotated[str, typer.Argument(help="Name of the token: 1 to 32 of a-z, 0-9 and -.")]


@app.command()
def add(
    name: TokenName,
    home: Home,
    days: Annotated[int, typer.Option("--days", help="How long it counts, 1 to 366.")] = 30,
    submit: Annotated[bool, typer.Option("--submit", help="May also submit, not only read.")] = False,
    as_json: options.Json = False,
) -> None:
    """Make a token. It is shown once; the node keeps its hash alone."""
    with reporting(as_json):
        import secrets

        from node.clock import wall_ms
        from node.disk import RealDisk
        from node.rpc import tokens

        scope: tokens.Scope = "submit" if submit else "read"
        secret = secrets.token_bytes(tokens.SECRET_BYTES)
        token = tokens.add(home / tokens.FILE_NAME, RealDisk(), name, scope, days, wall_ms(), secret)

        def draw() -> None:
            line(token)
            line(f"Set GRIDPACT_TOKEN to it where you use the node. It counts for {days} days, and is not shown again.")

        emit(as_json, {"name": name, "scope": scope, "days": days, "token": token}, draw)


@app.command("list")
def list_(home: Home, as_json: options.Json = False) -> None:
    """Show the tokens of a node, without their secrets."""
    with reporting(as_json):
        from node.rpc import tokens

        held = tokens.load(home / tokens.FILE_NAME).tokens
        rows = [[one.name, one.scope, _day(one.made_ms), _day(one.expires_ms)] for one in held]
        document = {
            "tokens": [
                {"name": one.name, "scope": one.scope, "made_ms": one.made_ms, "expires_ms": one.expires_ms}
                for one in held
            ]
        }
        emit(as_json, document, lambda: table("Tokens", ["Name", "Scope", "Made", "Counts until"], rows))


@app.command()
def remove(name: TokenName, home: Home, as_json: options.Json = False) -> None:
    """Take a token back: a running node refuses it within a second."""
    with reporting(as_json):
        from node.disk import RealDisk
        from node.rpc import tokens

        tokens.remove(home / tokens.FILE_NAME, RealDisk(), name)
        emit(as_json, {"removed": name}, lambda: line(f"Removed token {name}."))


def rpc(
    home: Home,
    names: Annotated[list[str], typer.Option("--name", help="Host name or address of the node; may be repeated.")],
    as_json: options.Json = False,
) -> None:
    """Make key and certificate for HTTPS, and configure the node to use them."""
    with reporting(as_json):
        import msgspec

        from node import config
        from node.clock import wall_ms
        from node.disk import RealDisk
        from node.rpc.certificates import make_certificate

        present, disk = config.load(home / "config.toml"), RealDisk()
        certificate, key = make_certificate(names, wall_ms())
        disk.replace(home / KEY, key)
        disk.replace(home / CERTIFICATE, certificate)
        known = tuple(dict.fromkeys((*present.rpc.names, *names)))
        served = msgspec.structs.replace(present.rpc, tls_certificate=CERTIFICATE, tls_key=KEY, names=known)
        config.save(msgspec.structs.replace(present, rpc=served), home / "config.toml", disk)

        def draw() -> None:
            line(f"Wrote {home / CERTIFICATE} and {home / KEY}; config.toml names them.")
            line("Give the certificate to whoever uses the node (GRIDPACT_CA), and set rpc.host in config.toml.")

        emit(as_json, {"certificate": str(home / CERTIFICATE), "key": str(home / KEY), "names": names}, draw)


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
